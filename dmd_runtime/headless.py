"""Media files into session folders, without a window: what ``dmd run`` and ``dmd analyze`` do."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from dmd_runtime import __version__
from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.console import Console
from dmd_runtime.errors import DMDError, SourceError
from dmd_runtime.recording.folder import new_session_folder
from dmd_runtime.recording.writer import SessionWriter
from dmd_runtime.sources.base import Source
from dmd_runtime.sources.file import FileSource
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session
from dmd_runtime.streaming.toolbox import Toolbox

_SYNTHETIC_SECONDS = 10.0


def analyze(paths: Sequence[str], options: argparse.Namespace) -> int:
    """Read every path into a session folder of its own and print the folders.

    With one path its error is raised; with many, each error is one line and the others still run.

    Returns
    -------
    int
        0, or 2 where some of many inputs could not be read.
    """
    config = _config(options)
    console = Console(sys.stderr, show=options.show)
    toolbox: Toolbox | None = None
    failures = 0
    for path in paths:
        try:
            source = open_source(path, paced=options.paced)
            try:
                if toolbox is None:  # only now: bad input must not wait for models
                    assets = Assets(offline=options.offline) if options.offline else Assets()
                    toolbox = Toolbox.load(config, assets, checkpoint=options.checkpoint, progress=console.progress)
                folder = _read(source, toolbox, config, options, console)
            finally:
                source.close()
            print(folder, flush=True)  # noqa: T201  # the one result on standard output
        except DMDError as error:
            if len(paths) == 1:
                raise
            failures += 1
            console.line(f"dmd: {error}")
    return 2 if failures else 0


def open_source(path: str, *, paced: bool) -> Source:
    """A media file, or ``synthetic[:SECONDS]``.

    Raises
    ------
    SourceError
        It cannot be read; names the file, what was expected and what came.
    """
    if path.partition(":")[0] == "synthetic" and not Path(path).exists():
        text = path.partition(":")[2] or str(_SYNTHETIC_SECONDS)
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 24 * 3600:
            raise SourceError(f"{path}: expected synthetic:SECONDS with a number above 0, got {text!r}")
        return SyntheticSource(duration=seconds, paced=paced)
    return FileSource(Path(path), paced=paced)


def _config(options: argparse.Namespace) -> SessionConfig:
    speech = {"model": options.asr_model, "language": options.language}
    return SessionConfig.load(
        options.config,
        speech={key: value for key, value in speech.items() if value is not None},
        runtime={"device": options.device} if options.device is not None else {},
    )


def _read(
    source: Source, toolbox: Toolbox, config: SessionConfig, options: argparse.Namespace, console: Console
) -> Path:
    session = Session(source, toolbox, config, exact=not options.paced)
    name = options.session or Path(source.info.name).stem
    folder = new_session_folder(options.out, participant=options.participant, session=name, task=options.task)
    writer = SessionWriter(folder, _manifest(session, toolbox, config, options), marks=session.marks)
    if options.with_media and source.info.media is not None:
        writer.add_media(Path(str(source.info.media["path"])))
    session.subscribe(writer)
    started = datetime.now(UTC)
    try:
        with console.showing(session):
            session.run()
    finally:
        writer.finish(
            made_at={"started": started.isoformat(), "finished": datetime.now(UTC).isoformat()},
            counts=_counts(session),
            error=None if session.error is None else str(session.error),
        )
    return folder


def _counts(session: Session) -> dict[str, Any]:
    counts = session.counts
    took = None if session.exact else counts.first_frame_to_last_reading
    return {
        **counts.as_dict(),
        "media_end_s": None if counts.media_end is None else round(counts.media_end, 6),
        "first_frame_to_last_reading_s": None if took is None else round(took, 3),
    }


def _manifest(session: Session, toolbox: Toolbox, config: SessionConfig, options: argparse.Namespace) -> dict[str, Any]:
    info = session.source.info
    return {
        "participant": options.participant or "anon",
        "task": options.task or None,
        "mode": "exact" if session.exact else "paced",
        "clock": {"unit": "s", "zero": "first sample or picture of the source", "audio": "sample count"},
        "source": {"kind": info.kind, "name": info.name, "details": info.details},
        "media": info.media,
        "devices": [],
        "consent": None,
        "config": config.model_dump(),
        "provenance": {
            **toolbox.provenance(),
            "app_version": __version__,
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in _PACKAGES},
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "absent": {m.value: reason for m, reason in session.absent.items()},
    }


_PACKAGES = ("av", "ctranslate2", "faster-whisper", "mediapipe", "numpy", "torch", "transformers")
