"""Build the starter checkpoint: ``python -m dmd_runtime.training.starter DATA --out FILE --cache DIR``.

Words in one process, faces and voices in another, then the model. What is in the cache is not made again.
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
from dmd_runtime.training.starter.stages import FACE_VERSIONS, VOICE_VERSIONS, Corpora, Stages
from dmd_runtime.training.starter.text import TextSchedule

_USAGE = 64
_WHAT = """Build the starter checkpoint and its card (FILE, and the same name with .md) from four corpora. The text
encoder and the words are made in one process, windows of voices and faces in another, each on one core; then the model
is trained, calibrated and measured. What is finished stays in the cache, by what it was made from, so that a build that
was interrupted goes on after the last part that was whole. Model files are fetched where they are not here. Progress is
on standard error. Exit status: 0, 2 for input that cannot be used (one line says which), 64 for wrong usage."""


def main(arguments: list[str] | None = None) -> int:
    """Run the build; exit status 0, 2 with one line for bad input, or 64 for wrong usage."""
    parser = argparse.ArgumentParser(prog="starter", description=_WHAT)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with ravdess, ferplus, goemotions and meld")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the checkpoint (.safetensors)")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="what is finished is kept here")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed has its own cache; default 0")
    parser.add_argument(
        "--only",
        choices=("words", "pictures", "model"),
        help="one part: words (text encoder, words), pictures (voices and faces), or model, which also makes what the "
        "cache lacks; all by default",
    )
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return _USAGE if leave.code else 0
    logging.basicConfig(level=logging.ERROR)
    try:
        if options.only != "model":
            _prepare(options)
        if options.only in (None, "model"):
            from dmd_runtime.training.starter.build import build  # noqa: PLC0415

            build(stages_of(options), options.out, _say)
    except (DMDError, OSError) as error:
        print(f"starter: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _prepare(options: argparse.Namespace) -> None:
    if options.only:
        _PARTS[options.only](options)
        return
    Corpora.read(options.data)  # what is wrong with them is said here, once
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=part, args=(options,), name=name) for name, part in _PARTS.items()]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise DMDError(f"the part {worker.name} ended with status {worker.exitcode}; what it said is above")


def _words(options: argparse.Namespace) -> None:
    stages = stages_of(options)
    stages.words(stages.text_encoder(TextSchedule()))


def _pictures(options: argparse.Namespace) -> None:
    stages = stages_of(options)
    stages.voice_windows(VOICE_VERSIONS)
    stages.measured_faces()
    stages.face_rows(stages.face_encoder(FaceSchedule()), FACE_VERSIONS)


_PARTS = {"words": _words, "pictures": _pictures}


def stages_of(options: argparse.Namespace) -> Stages:
    """The cached parts that ``data``, ``cache`` and ``seed`` name."""
    torch.set_num_threads(1)
    assets, config = Assets(), SessionConfig.load()
    return Stages(
        corpora=Corpora.read(options.data),
        extractors=Extractors(config, assets),
        text_folder=assets.fetch(TEXT),
        cache=options.cache,
        seed=options.seed,
        progress=_say,
    )


_told: dict[str, float] = {}


def _say(stage: str, share: float, text: str) -> None:
    """One line on standard error, every ten seconds at most."""
    now = time.monotonic()
    if now - _told.get(stage, 0.0) >= 10.0 or share >= 1.0:
        _told[stage] = now
        line = f"{time.strftime('%H:%M:%S')}  {stage:<13} {100 * share:5.1f} %  {text}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201
