"""``dmd sessions reanalyse``: a session read once more on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(what: Any) -> None:
    """Add the subcommand to those of ``dmd sessions``."""
    again = what.add_parser("reanalyse", help="read a session once more with another checkpoint; the old stays")
    again.add_argument("session", metavar="SESSION", type=Path, help="its folder")
    again.add_argument("--checkpoint", metavar="NAME|PATH", help="default: the one that ships")
    again.add_argument("--asr-model", metavar="NAME", help="speech model, as for `dmd run`; default: the recording's")
    again.add_argument("--language", metavar="CODE|auto")
    again.add_argument("--config", metavar="TOML", type=Path, help="settings over the defaults; else the recording's")
    again.add_argument("--name", metavar="NAME", help="of the re-analysis; default: the checkpoint's")
    again.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    again.add_argument("--offline", action="store_true", help="never use the network, not even for model files")
    again.set_defaults(command=_reanalyse)


def _reanalyse(options: argparse.Namespace) -> int:
    from rich.console import Console as RichConsole  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from dmd_runtime.assets import Assets  # noqa: PLC0415
    from dmd_runtime.console import Console  # noqa: PLC0415
    from dmd_runtime.recording.reanalysis import reanalyse, settings_of  # noqa: PLC0415
    from dmd_runtime.streaming.toolbox import Toolbox  # noqa: PLC0415

    speech = {"model": options.asr_model, "language": options.language}
    config = settings_of(
        options.session,
        options.config,
        speech={key: value for key, value in speech.items() if value is not None},
        runtime={"device": options.device} if options.device is not None else {},
    )
    fetching = Console(sys.stderr)
    toolbox = Toolbox.load(
        config, Assets(offline=options.offline), checkpoint=options.checkpoint, progress=fetching.progress
    )
    with Progress(console=RichConsole(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=1.0)
        folder = reanalyse(
            options.session,
            toolbox,
            config=config,
            name=options.name,
            progress=lambda share: bar.update(task, completed=share),
        )
    sys.stdout.write(f"{folder}\n")
    return 0
