"""Samples as batches of tensors: standardised, masked, and in training robbed of what a recipe says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Bool
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.losses import Targets
from dmd_runtime.training.samples import Samples

if TYPE_CHECKING:
    from dmd_runtime.training.run_config import RobustnessSettings

Int64 = npt.NDArray[np.int64]
CHUNK = 256
"""Samples that are read at once to measure a split: features may be memory-mapped and larger than memory."""
LEAST_SCALE = 1e-6
"""A feature that varies less is left at its scale."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B samples on the device.

    Attributes
    ----------
    features : {m: float32 (B, T_m, D_m)}
        0 where the mask is False and heeded; without language where ``tokens`` stand for it.
    mask : {m: bool (B, T_m)}
    tokens : int64 (B, 3, T) or None
        Word-piece ids, attention mask, segment ids.
    targets : Targets
    """

    features: Mapping[Modality, Tensor]
    mask: Mapping[Modality, Tensor]
    tokens: Tensor | None
    targets: Targets


class Batches:
    """Makes batches of one split.

    Parameters
    ----------
    samples : Samples
    standardizer : Standardizer or None
        None: features as they are, not clipped either.
    modalities : collection of Modality
        The others count as missing.
    device : torch.device
    tuned_text : bool
        Whether language comes as word pieces.
    masked : bool
        If not, rows that are not real stay as the file has them: the published code reads padding.
    """

    def __init__(
        self,
        samples: Samples,
        standardizer: Standardizer | None,
        modalities: Collection[Modality],
        device: torch.device,
        *,
        tuned_text: bool = False,
        masked: bool = True,
    ) -> None:
        self.samples = samples
        self._masked = masked
        self._tuned_text = tuned_text
        self._standardizer = standardizer
        self._modalities = modalities
        self._device = device

    def __len__(self) -> int:
        return len(self.samples)

    def take(
        self,
        index: Int64,
        *,
        robbed: RobustnessSettings | None = None,
        rng: np.random.Generator | None = None,
    ) -> Batch:
        """The samples at ``index``; with ``rng`` some of what they hold is taken from them, as ``robbed`` says."""
        samples = self.samples
        mask = {m: np.array(samples.mask[m][index]) for m in MODALITIES}
        for m in MODALITIES:
            mask[m] &= m in self._modalities
        if robbed is not None and rng is not None:
            mask = rob(mask, robbed, rng)
        read = [m for m in MODALITIES if not (self._tuned_text and m is Modality.LANGUAGE)]
        features = {m: self._rows(m, np.array(samples.features[m][index], np.float32), mask[m]) for m in read}
        tokens = self._tensor(np.array(samples.text_tokens[index], np.int64)) if self._tuned_text else None
        targets = Targets(
            emotion=self._tensor(np.array(samples.emotion[index], np.float32)) if samples.labels else None,
            sentiment=self._tensor(np.array(samples.sentiment[index], np.float32)),
        )
        return Batch(
            features={m: self._tensor(x) for m, x in features.items()},
            mask={m: self._tensor(x) for m, x in mask.items()},
            tokens=tokens,
            targets=targets,
        )

    def in_order(self, size: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """The share of one of ``ranks`` processes, in order, batch by batch; shares follow one another."""
        mine = np.array_split(np.arange(len(self)), ranks)[rank]
        for begin in range(0, len(mine), size):
            yield self.take(mine[begin : begin + size])

    def _rows(self, m: Modality, rows: Any, mask: Bool) -> Any:
        if self._standardizer is not None:
            return self._standardizer(m, rows, mask)
        if not self._masked:
            return np.nan_to_num(rows, copy=False)
        rows[~mask] = 0.0
        return rows

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def shuffled(n: int, size: int, rng: np.random.Generator, rank: int = 0, ranks: int = 1) -> list[tuple[Int64, float]]:
    """One epoch of batches for one of ``ranks`` processes: (indices, weight) each.

    Together the processes' batches are those of one process with ``ranks`` times the size: an epoch's last one is
    shared out as evenly as it goes, and weighted so that the mean over processes is that over samples. Every process
    has as many batches, and none is empty.
    """
    order = rng.permutation(n)
    found = []
    for begin in range(0, n, size * ranks):
        together = order[begin : begin + size * ranks]
        if len(together) < ranks:  # there must be something for everybody
            together = np.resize(together, ranks)
        mine = np.array_split(together, ranks)[rank]
        found.append((mine, len(mine) * ranks / len(together)))
    return found


def rob(mask: Mapping[Modality, Bool], settings: RobustnessSettings, rng: np.random.Generator) -> dict[Modality, Bool]:
    """Take modalities, and stretches of what is left, from some of the samples of ``mask`` {m: bool (B, T_m)}.

    A sample always keeps one of its modalities, and in each that it keeps at least one real row.
    """
    there = np.stack([mask[m].any(axis=1) for m in MODALITIES])  # (3, B)
    hit = rng.random(there.shape[1]) < settings.modality_dropout
    place = np.argsort(np.argsort(np.where(there, rng.random(there.shape), 2.0), axis=0), axis=0)
    keep = rng.integers(1, np.maximum(there.sum(axis=0), 2))  # one or two of three
    kept = there & (~hit | (place < keep))
    return {
        m: _cut(mask[m] & kept[k][:, None], settings.segment_dropout, settings.longest_segment, rng)
        for k, m in enumerate(MODALITIES)
    }


def _cut(mask: Bool, probability: float, longest: float, rng: np.random.Generator) -> Bool:
    """``mask`` (B, T) without one stretch of some rows."""
    n, steps = mask.shape
    length = np.ceil(rng.random(n) * longest * steps)
    begin = np.floor(rng.random(n) * (steps - length + 1))
    at = np.arange(steps)
    gone = (at >= begin[:, None]) & (at < (begin + length)[:, None])
    left = mask & ~gone
    hit = (rng.random(n) < probability) & left.any(axis=1)
    return np.where(hit[:, None], left, mask)


def measure(samples: Samples) -> Standardizer:
    """Mean and deviation of every feature over the real rows of a split."""
    mean, scale = {}, {}
    for m in MODALITIES:
        width = samples.features[m].shape[2]
        count, total, squares = 0, np.zeros(width), np.zeros(width)
        shift: Any = None
        for begin in range(0, len(samples), CHUNK):
            part = slice(begin, begin + CHUNK)
            rows = np.asarray(samples.features[m][part])[np.asarray(samples.mask[m][part])].astype(np.float64)
            if len(rows):
                shift = rows.mean(axis=0) if shift is None else shift  # squares of large numbers lose the variance
                rows -= shift
                count, total, squares = count + len(rows), total + rows.sum(axis=0), squares + (rows**2).sum(axis=0)
        average = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - average**2, 0.0))
        mean[m] = np.asarray(average + (0.0 if shift is None else shift), np.float32)
        scale[m] = np.where(deviation > LEAST_SCALE, deviation, 1.0).astype(np.float32)
    return Standardizer(mean=mean, scale=scale)
