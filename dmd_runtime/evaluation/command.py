"""``dmd evaluate --corpus``: a checkpoint on a labelled corpus or on label-paired triples, as one JSON object.

``docs/evaluation.md`` defines every field.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.corpora.corpus import Corpus, Labelled
from dmd_runtime.corpora.extraction import MODALITY_OF, Setup, extract
from dmd_runtime.corpora.faces import read_ferplus
from dmd_runtime.corpora.sentences import read_goemotions, read_meld
from dmd_runtime.corpora.voices import read_voices
from dmd_runtime.corpora.windows import Windows
from dmd_runtime.evaluation.on_corpora import Tools, on_corpus, on_triples
from dmd_runtime.evaluation.predictor import Predictor
from dmd_runtime.evaluation.report import plain
from dmd_runtime.modality import Modality
from dmd_runtime.model.checkpoint import load
from dmd_runtime.privacy import quiet_hub
from dmd_runtime.streaming.extractors import FACES, SPEECH, TEXT, Extractors
from dmd_runtime.streaming.toolbox import find_checkpoint, torch_device

PAIRED: Final = "paired"
CORPORA: Final = ("ravdess", "emodb", "ferplus", "goemotions", "meld", PAIRED)
"""What ``--corpus`` takes."""
TRIPLES: Final = 2000
"""Triples drawn by default."""
_MODELS: Final = {Modality.LANGUAGE: TEXT, Modality.VISUAL: FACES, Modality.ACOUSTIC: SPEECH}

Sets = Mapping[Modality, Corpus[Labelled]]


def evaluate_corpus(
    checkpoint: str | Path,
    corpus: str,
    path: Path,
    *,
    seed: int = 0,
    n: int | None = None,
    usage: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    offline: bool = False,
) -> dict[str, Any]:
    """Evaluate a checkpoint, by name or file, on what lies at ``path``; progress goes to a terminal's standard error.

    Parameters
    ----------
    corpus : str
        One of ``CORPORA``.
    seed : int
        Of drawing, swapping and noise, and of the bootstrap.
    n : int, optional
        Triples to draw (default 2000); of a corpus so many samples, drawn, instead of all.
    usage : str, optional
        Of ferplus: one of its splits.
    device : str, optional
        Of the model; features are made on the processor.
    workers : int, optional
        Processes that make features; default: one for each processor.
    offline : bool
        Fetch no model file.

    Returns
    -------
    dict
        JSON values, without NaN.

    Raises
    ------
    SourceError
        The corpus is not there, or not what it should be.
    DMDError
        The checkpoint, a model file or the device cannot be used.
    """
    began = time.monotonic()
    sets = read_sets(corpus, path, usage)  # first: bad input must not wait for models
    tools = load_tools(checkpoint, sets, device=device, workers=workers, offline=offline)
    if corpus == PAIRED:
        found = on_triples(sets, tools, n or TRIPLES, seed)
    else:
        (one,) = sets.values()
        found = on_corpus(one, tools, n, seed)
    seconds = round(time.monotonic() - began, 3)
    whole: dict[str, Any] = plain({"corpus": corpus, **tools.about, "seed": seed, **found, "seconds": seconds})
    return whole


def read_sets(corpus: str, path: Path, usage: str | None = None) -> Sets:
    """The set ``corpus`` at ``path`` by its modality, or for ``paired`` the three sets at or below ``path``.

    Raises
    ------
    SourceError
        One is not there, or not what it should be.
    """
    if corpus == PAIRED:
        three: tuple[Corpus[Labelled], ...] = (read_goemotions(path), read_ferplus(path, usage), read_voices(path))
    elif corpus == "ferplus":
        three = (read_ferplus(path, usage),)
    elif corpus == "goemotions":
        three = (read_goemotions(path),)
    elif corpus == "meld":
        three = (read_meld(path),)
    else:
        three = (read_voices(path, corpus),)
    return {MODALITY_OF[type(read.samples[0])]: read for read in three}


def load_tools(
    checkpoint: str | Path,
    sets: Sets,
    *,
    device: str | None = None,
    workers: int | None = None,
    offline: bool = False,
) -> Tools:
    """Load the checkpoint and fetch what the extractors of ``sets`` need.

    Raises
    ------
    DMDError
        As of :func:`evaluate_corpus`.
    """
    quiet_hub()
    config = SessionConfig.load(runtime={} if device is None else {"device": device})
    torch.set_num_threads(config.runtime.threads)
    assets = Assets(offline=offline)
    file = find_checkpoint(checkpoint)
    loaded = load(file)
    extractors = Extractors(config, assets, loaded)
    where = torch_device(config.runtime.device)
    predictor = Predictor(loaded, extractors.recipe, where, progress)
    for m in sets:
        assets.fetch(_MODELS[m])
    setup = Setup(config=config, checkpoint=file if loaded.encoders else None)

    def measure(samples: Sequence[Labelled]) -> Iterator[Windows]:
        what = MODALITY_OF[type(samples[0])].word
        with progress(f"{what} features", len(samples)) as advance:
            for windows in extract(samples, setup, workers=workers):
                advance()
                yield windows

    about = {
        "checkpoint": {"name": loaded.name, "digest": loaded.digest, "trained": loaded.training is not None},
        "recipe": extractors.recipe.id,
        "device": str(where),
    }
    return Tools(
        predict=predictor, extract=measure, standardizer=predictor.standardizer, graphs=loaded.graphs, about=about
    )


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal's standard error, elsewhere nothing; call what it gives after each step."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
