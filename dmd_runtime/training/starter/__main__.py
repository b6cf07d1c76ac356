"""Build the starter checkpoint: ``python -m dmd_runtime.training.starter DATA --out FILE`` (what ``make starter`` runs).

Words on one processor, faces and voices on another, then the model. What is in the cache is not made again.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from pathlib import Path

import torch

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import DMDError
from dmd_runtime.streaming.extractors import TEXT, Extractors
from dmd_runtime.training.starter.faces import FaceSchedule
from dmd_runtime.training.starter.stages import Corpora, Stages
from dmd_runtime.training.starter.text import TextSchedule

FACE_VERSIONS, VOICE_VERSIONS = 4, 8


def main(arguments: list[str] | None = None) -> int:
    """Run the build; exit status 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="starter", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with ravdess, ferplus, goemotions and meld")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="what is finished is kept here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("words", "pictures", "model"), help="one part of it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    try:
        if options.only != "model":
            _prepare(options)
        if options.only in (None, "model"):
            from dmd_runtime.training.starter.build import build  # noqa: PLC0415

            build(_stages(options), options.out, _say)
    except DMDError as error:
        print(f"starter: {error}", file=sys.stderr)
        return 2
    return 0


def _prepare(options: argparse.Namespace) -> None:
    parts = [options.only] if options.only else ["words", "pictures"]
    if len(parts) == 1:
        _PARTS[parts[0]](options)
        return
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_PARTS[part], args=(options,), name=part) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise DMDError(f"the part {worker.name} ended with status {worker.exitcode}; its message is above")


def _words(options: argparse.Namespace) -> None:
    stages = _stages(options)
    stages.words(stages.text_encoder(TextSchedule()))


def _pictures(options: argparse.Namespace) -> None:
    stages = _stages(options)
    stages.voice_windows(VOICE_VERSIONS)
    stages.measured_faces()
    stages.face_rows(stages.face_encoder(FaceSchedule()), FACE_VERSIONS)


_PARTS = {"words": _words, "pictures": _pictures}


def _stages(options: argparse.Namespace) -> Stages:
    torch.set_num_threads(1)
    assets, config = Assets(), SessionConfig.load()
    return Stages(
        Corpora.read(options.data),
        Extractors(config, assets),
        assets.fetch(TEXT),
        options.cache,
        options.seed,
        _say,
    )


_told: dict[str, float] = {}


def _say(stage: str, share: float, text: str) -> None:
    """One line on standard error, every ten seconds at most."""
    now = time.monotonic()
    if now - _told.get(stage, 0.0) >= 10.0 or share >= 1.0:
        _told[stage] = now
        print(f"{time.strftime('%H:%M:%S')}  {stage:<13} {100 * share:5.1f} %  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
