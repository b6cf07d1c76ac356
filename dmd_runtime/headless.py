"""Media files into session folders, without a window: what ``dmd run`` and ``dmd analyze`` do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.console import Console
from dmd_runtime.errors import DMDError, SourceError, StageError
from dmd_runtime.recording.recording import Recording
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
        0; 2 where some of many inputs could not be read, else 1 where a stage of the pipeline died.
    """
    config = _config(options)
    console = Console(sys.stderr, show=options.show)
    toolbox: Toolbox | None = None
    worst = 0
    for path in paths:
        try:
            source = open_source(path, paced=options.paced)
        except DMDError as error:
            worst = _told(error, paths, console, worst)
            continue
        try:
            if toolbox is None:  # only now: bad input must not wait for models; without models nothing can be read
                assets = Assets(offline=options.offline)
                toolbox = Toolbox.load(config, assets, checkpoint=options.checkpoint, progress=console.progress)
        except BaseException:
            source.close()
            raise
        try:
            print(_read(source, toolbox, config, options, console), flush=True)  # noqa: T201 - the result
        except DMDError as error:
            worst = _told(error, paths, console, worst)
        finally:
            source.close()
    return worst


def _told(error: DMDError, paths: Sequence[str], console: Console, worst: int) -> int:
    """Raise ``error`` if there is one input only; else say it, and return the exit status so far."""
    if len(paths) == 1:
        raise error
    console.line(f"dmd: {error}")
    return max(worst, 1 if isinstance(error, StageError) else 2)


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
    recording = Recording(
        session,
        toolbox,
        config,
        options.out,
        participant=options.participant,
        label=options.session,
        task=options.task,
        with_media=options.with_media,
    )
    interrupted = True
    try:
        with console.showing(session):
            session.run()
        interrupted = False
    except DMDError:
        interrupted = False
        raise
    finally:
        recording.finish(interrupted=interrupted)
    return recording.folder
