"""Label-paired triples: a sentence, a face and a voice of one label, that were never recorded together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dmd_runtime.corpora.corpus import Corpus, Labelled
from dmd_runtime.corpora.windows import Placed, Windows
from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float32
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.streaming.extractors import LABELS

Int64 = npt.NDArray[np.int64]
Extract = Callable[[Sequence[Labelled]], Iterable[Windows]]
_NOISES = 64  # windows of noise that are drawn; more would say nothing new


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """N triples over samples that are each kept once.

    Attributes
    ----------
    label : int64 (N,)
        Places in ``LABELS``, balanced over those that every set has.
    index : {m: int64 (N,)}
        Of each triple its sample in ``windows[m]``.
    windows : {m: tuple of Windows}
    not_found : {m: int}
        Samples that were drawn, gave nothing (no face) and were replaced by others.
    """

    label: Int64
    index: Mapping[Modality, Int64]
    windows: Mapping[Modality, Sequence[Windows]]
    not_found: Mapping[Modality, int]

    def __len__(self) -> int:
        return len(self.label)

    def pick(self, m: Modality, index: Int64 | None = None) -> list[Windows]:
        """What modality ``m`` shows in every triple; with an ``index`` int64 (N,), in those triples instead."""
        chosen = self.index[m] if index is None else self.index[m][index]
        return [self.windows[m][i] for i in chosen]

    def head(self, n: int) -> Triples:
        """The first ``n``."""
        return Triples(
            label=self.label[:n],
            index={m: i[:n] for m, i in self.index.items()},
            windows=self.windows,
            not_found=self.not_found,
        )


def draw(corpora: Mapping[Modality, Corpus[Labelled]], n: int, rng: np.random.Generator, extract: Extract) -> Triples:
    """Draw ``n`` triples, as many of each label; a set's samples of a label are used up before one comes again.

    Only what is drawn is extracted, each sample once. A sample without windows is replaced by the next of its label.

    Raises
    ------
    SourceError
        Fewer than two labels have samples in all three sets, or no face of a label is found.
    """
    of_label = {m: np.array([sample.label for sample in corpus.samples]) for m, corpus in corpora.items()}
    shared = [k for k in range(len(LABELS)) if all((labels == k).any() for labels in of_label.values())]
    if len(shared) < 2:
        sets = ", ".join(str(corpus.source) for corpus in corpora.values())
        raise SourceError(f"{sets}: expected at least two labels that all three sets have, got {len(shared)}")
    label = rng.permutation(np.resize(rng.permutation(shared), n))
    need = {k: int((label == k).sum()) for k in shared}
    index: dict[Modality, Int64] = {}
    windows: dict[Modality, Sequence[Windows]] = {}
    not_found: dict[Modality, int] = {}
    for m in MODALITIES:
        orders = {k: rng.permutation(np.flatnonzero(of_label[m] == k)) for k in shared}
        found, missing = _found(orders, need, corpora[m].samples, extract)
        place = {i: k for k, i in enumerate(found)}
        index[m] = np.empty(n, dtype=np.int64)
        for k in shared:
            usable = np.array([place[i] for i in orders[k] if i in place], dtype=np.int64)
            if not len(usable) and need[k]:
                raise SourceError(f"{corpora[m].source}: expected a usable sample of {LABELS[k]}, found none")
            index[m][label == k] = _dealt(usable, need[k], rng)
        windows[m], not_found[m] = tuple(found.values()), missing
    return Triples(label=label, index=index, windows=windows, not_found=not_found)


def strangers(label: Int64, rng: np.random.Generator) -> Int64:
    """For every triple another one of a different label, drawn evenly: int64 (N,)."""
    order = np.argsort(label, kind="stable")
    first, size = np.searchsorted(label[order], label), np.bincount(label)[label]
    return np.asarray(order[(first + size + rng.integers(len(label) - size)) % len(label)])


def noise_like(samples: Sequence[Windows], mean: Float32, scale: Float32, rng: np.random.Generator) -> list[Windows]:
    """Gaussian noise, standard normal once it is standardised, in the slots of ``samples``."""
    longest = max(len(window.rows) for sample in samples for window in sample)
    pool = mean + scale * rng.standard_normal((_NOISES, longest, len(mean)), dtype=np.float32)
    chosen = rng.integers(_NOISES, size=len(samples))
    return [
        tuple(Placed(pool[k, : len(window.rows)], window.slots) for window in sample)
        for k, sample in zip(chosen, samples, strict=True)
    ]


def _found(
    orders: Mapping[int, Int64], need: Mapping[int, int], samples: Sequence[Labelled], extract: Extract
) -> tuple[dict[int, Windows], int]:
    """Windows of as many samples of each label as are needed, by their number; and how many had none."""
    found: dict[int, Windows] = {}
    taken, good, missing = dict.fromkeys(orders, 0), dict.fromkeys(orders, 0), 0
    while True:
        batch: list[tuple[int, int]] = []
        for k, order in orders.items():
            more = order[taken[k] : taken[k] + need[k] - good[k]]
            taken[k] += len(more)
            batch += [(k, int(i)) for i in more]
        if not batch:
            return found, missing
        for (k, i), windows in zip(batch, extract([samples[i] for _, i in batch]), strict=True):
            if windows:
                found[i] = windows
                good[k] += 1
            else:
                missing += 1


def _dealt(cards: Int64, n: int, rng: np.random.Generator) -> Int64:
    """``n`` of the cards in their order, shuffled anew whenever they are used up."""
    rounds = [cards, *(rng.permutation(cards) for _ in range(-(-n // max(1, len(cards))) - 1))]
    return np.concatenate(rounds)[:n]
