"""``dmd sessions export`` and ``dmd sessions report``: their options, what they show, their exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dmd_runtime.recording.export import FORMATS, TEXT_FORMATS, ExportOptions, OnFormat, export


def add(what: Any) -> None:
    """Add ``export`` and ``report`` to the subcommands of ``dmd sessions``."""
    exporting = what.add_parser(
        "export",
        help="a session as tables, subtitles, annotations, a report or a film, in its folder derived/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="formats:\n" + "\n".join(f"  {name:10} {one.text}" for name, one in FORMATS.items()),
    )
    exporting.add_argument("session", metavar="SESSION", type=Path, help="its folder")
    exporting.add_argument(
        "--format",
        dest="formats",
        metavar="F",
        nargs="+",
        action="extend",
        choices=(*FORMATS, "text", "all"),
        help="see below; text: all but films (default); all: films as well",
    )
    exporting.add_argument("--blur-faces", action="store_true", help="films: faces cannot be recognised")
    exporting.add_argument("--mask-voice", action="store_true", help="films: the voice cannot be recognised")
    exporting.add_argument("--analysis", metavar="NAME", help="of a re-analysis instead of the recording")
    exporting.set_defaults(command=_export)

    reporting = what.add_parser("report", help="a session as one page to read, print and pass on")
    reporting.add_argument("session", metavar="SESSION", type=Path, help="its folder")
    reporting.add_argument("--out", metavar="FILE", type=Path, help="default: derived/report.html in the session")
    reporting.set_defaults(command=_report)


def _export(options: argparse.Namespace) -> int:
    chosen = options.formats or ["text"]
    names = [n for n in FORMATS if n in chosen or "all" in chosen or ("text" in chosen and n in TEXT_FORMATS)]
    _warn(options.session)
    wished = ExportOptions(blur_faces=options.blur_faces, mask_voice=options.mask_voice, analysis=options.analysis)
    remarks: list[str] = []
    with _progress() as progress:
        paths = export(options.session, names, options=wished, progress=progress, remark=remarks.append)
    sys.stderr.writelines(f"dmd: warning: {text}\n" for text in remarks)
    sys.stdout.writelines(f"{path}\n" for path in paths)
    return 0


def _report(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.annotations import read_annotations  # noqa: PLC0415
    from dmd_runtime.recording.reader import open_session  # noqa: PLC0415
    from dmd_runtime.recording.report import write_report  # noqa: PLC0415

    _warn(options.session)
    if options.out is None:
        (path,) = export(options.session, ["report"])
    else:
        path = options.out
        write_report(open_session(options.session), read_annotations(options.session), path)
    sys.stdout.write(f"{path}\n")
    return 0


def _warn(folder: Path) -> None:
    """Say that a session is not finished: what is exported of it is what was written so far."""
    from dmd_runtime.recording.lock import is_held  # noqa: PLC0415
    from dmd_runtime.recording.reader import open_session  # noqa: PLC0415

    if open_session(folder).state != "recording":
        return
    why = "is being recorded: what comes later is missing"
    if not is_held(folder):
        why = "was never finished; `dmd sessions recover` rebuilds it"
    sys.stderr.write(f"dmd: warning: {folder} {why}\n")


@contextmanager
def _progress() -> Iterator[OnFormat | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description:10}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda name, share: bar.update(task, description=name, completed=share)
