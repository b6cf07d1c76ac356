"""``dmd extract`` on a terminal: models first, then clip after clip with a bar, then what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.privacy import quiet_hub
from dmd_runtime.streaming.extractors import FACES, SPEECH, TEXT
from dmd_runtime.streaming.speech_models import speech_model_folder
from dmd_runtime.streaming.toolbox import find_checkpoint
from dmd_runtime.training.clip_windows import LiveSetup
from dmd_runtime.training.extract import extract
from dmd_runtime.training.label_csv import read_clips


def run(options: argparse.Namespace) -> list[str]:
    """Extract as the options say; the lines for standard output."""
    clips, _ = read_clips(options.folder)  # bad input must not wait for models
    speech = {"model": options.asr_model, "language": options.language}
    config = SessionConfig.load(options.config, speech={k: v for k, v in speech.items() if v is not None})
    setup = LiveSetup(
        config=config,
        transcripts=options.transcripts,
        checkpoint=None if options.checkpoint is None else find_checkpoint(options.checkpoint),
    )
    recognised = options.transcripts == "asr" or (options.transcripts == "auto" and not all(c.text for c in clips))
    _fetch(setup, recognised=recognised, offline=options.offline)
    with _bar(Console(file=sys.stderr, highlight=False)) as on_clip:
        done = extract(
            options.folder, options.out, setup, workers=options.workers, limit=options.limit, on_clip=on_clip
        )
    broken = f", {len(done.broken)} broken" if done.broken else ""
    resumed = f" ({done.resumed} done before)" if done.resumed else ""
    return [f"{options.out}: {done.windows} windows of {done.clips} clips{resumed}{broken}"]


def _fetch(setup: LiveSetup, *, recognised: bool, offline: bool) -> None:
    """Have all model files here before processes ask for them."""
    quiet_hub()
    assets = Assets(offline=offline)
    for name in (FACES, TEXT, SPEECH):
        assets.fetch(name)
    if recognised and setup.config.speech.model != "none":
        speech_model_folder(setup.config.speech.model, assets, assets.fetch)


@contextmanager
def _bar(console: Console) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; broken clips are told either way."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("clips", total=None)

        def on_clip(done: int, of: int, wrong: str) -> None:
            progress.update(bar, completed=done, total=of)
            if wrong:
                console.print(f"dmd: {wrong}", markup=False, soft_wrap=True)

        yield on_clip
