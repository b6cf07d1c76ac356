"""Batches for the starter: real samples of one modality alone, and label-paired triples, some of them corrupted.

A *label-paired* triple joins a sentence, a face and a voice of one label that were never recorded together. In a
corrupted triple one modality is present but wrong (another label's sample) or meaningless (noise): what a live stream
brings when somebody smiles while saying sad things, or a microphone hears the wrong person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import Float32
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.training.starter.pools import Int64, Pool


class Corruption(Enum):
    """What was done to one modality of a triple."""

    SWAP = "swap"
    NOISE = "noise"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B windows.

    Attributes
    ----------
    features, mask : {m: float32 (B, T_m, D_m)}, {m: bool (B, T_m)}
    emotion : (B, C)
        Shares of the labels.
    sentiment : (B,)
        NaN where unknown.
    own : {m: (B, C)}
        What each modality's own sample was labelled: differs from ``emotion`` where it was swapped; NaN for noise and
        where it is missing.
    corrupted : int64 (B,)
        Index of the corrupted modality in L, V, A; -1 for none.
    """

    features: Mapping[Modality, Tensor]
    mask: Mapping[Modality, Tensor]
    emotion: Tensor
    sentiment: Tensor
    own: Mapping[Modality, Tensor]
    corrupted: Int64

    def unlabelled(self) -> Batch:
        """The same windows, with nothing known of what they show."""
        nothing = torch.full_like(self.emotion, torch.nan)
        sentiment = torch.full_like(self.sentiment, torch.nan)
        return replace(self, emotion=nothing, sentiment=sentiment, own=dict.fromkeys(self.own, nothing))


class Mixture:
    """Draws batches from three pools.

    Parameters
    ----------
    pools : {Modality: Pool}
        Labelled alike.
    standardise : {Modality: (mean, scale)}
        Float32 (D,) each.
    members : {Modality: int64 (n,)}, optional
        Samples that triples may be made of; all by default.
    """

    def __init__(
        self,
        pools: Mapping[Modality, Pool],
        standardise: Mapping[Modality, tuple[Float32, Float32]],
        members: Mapping[Modality, Int64] | None = None,
    ) -> None:
        self.pools = pools
        self._standardise = standardise
        classes = next(iter(pools.values())).labelled.emotion.shape[1]
        usable = {m: np.arange(len(pool)) if members is None else members[m] for m, pool in pools.items()}
        self._by_label = {
            m: [usable[m][pool.labelled.label[usable[m]] == c] for c in range(classes)] for m, pool in pools.items()
        }
        self.classes = classes

    def alone(self, m: Modality, index: Int64, rng: np.random.Generator | None) -> Batch:
        """Samples ``index`` of one modality, the others missing."""
        labelled = self.pools[m].labelled
        windows = {m: self._window(m, index, rng)}
        own = {m: labelled.emotion[index]}
        return self._batch(windows, labelled.emotion[index], labelled.sentiment[index], own, np.full(len(index), -1))

    def triples(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        augment: bool = True,
        corrupt: float = 0.0,
        drop: float = 0.0,
        labels: Int64 | None = None,
    ) -> Batch:
        """Label-paired triples, balanced over the labels.

        Parameters
        ----------
        n : int
        corrupt : float
            Share of the triples of which one modality is swapped or made noise.
        drop : float
            Share of the triples (of those not corrupted) of which one modality is missing.
        labels : int64 (n,), optional
            Instead of drawing them.
        """
        y = rng.integers(self.classes, size=n) if labels is None else labels
        index = {m: self.partners(m, y, rng) for m in MODALITIES}
        victim = np.where(rng.random(n) < corrupt, rng.integers(3, size=n), -1)
        noisy = (victim >= 0) & (rng.random(n) < 0.4)
        for k, m in enumerate(MODALITIES):
            swapped = np.flatnonzero((victim == k) & ~noisy)
            wrong = (y[swapped] + rng.integers(1, self.classes, size=len(swapped))) % self.classes
            index[m][swapped] = self.partners(m, wrong, rng)
        windows = {m: self._window(m, index[m], rng if augment else None) for m in MODALITIES}
        own = {m: self.pools[m].labelled.emotion[index[m]].copy() for m in MODALITIES}
        for k, m in enumerate(MODALITIES):
            hit = np.flatnonzero(noisy & (victim == k))
            windows[m][0][hit] = rng.standard_normal(windows[m][0][hit].shape, dtype=np.float32)
            own[m][hit] = np.nan
        missing = np.where((rng.random(n) < drop) & (victim < 0), rng.integers(3, size=n), -1)
        for k, m in enumerate(MODALITIES):
            windows[m][1][missing == k] = False
            own[m][missing == k] = np.nan
        emotion = np.eye(self.classes, dtype=np.float32)[y]
        sentiment = np.full(n, np.nan, dtype=np.float32)
        return self._batch(windows, emotion, sentiment, own, victim)

    def partners(self, m: Modality, labels: Int64, rng: np.random.Generator) -> Int64:
        """A sample of modality ``m`` for each label.

        Raises
        ------
        ConfigError
            No sample of a label may be used.
        """
        out = np.empty(len(labels), dtype=np.int64)
        for c in np.unique(labels):
            if not len(self._by_label[m][c]):
                raise ConfigError(f"triples: expected samples of every label, {m.word} has none of label {c}")
            here = labels == c
            out[here] = rng.choice(self._by_label[m][c], size=int(here.sum()))
        return out

    def _window(self, m: Modality, index: Int64, rng: np.random.Generator | None) -> tuple[Float32, np.ndarray]:
        values, mask = self.pools[m].draw(index, rng)
        mean, scale = self._standardise[m]
        values = np.clip((values - mean) / scale, -10.0, 10.0)
        values[~mask] = 0.0
        return values, mask

    def _batch(
        self,
        windows: Mapping[Modality, tuple[Float32, np.ndarray]],
        emotion: Float32,
        sentiment: Float32,
        own: Mapping[Modality, Float32],
        corrupted: Int64,
    ) -> Batch:
        n = len(emotion)
        features, mask, said = {}, {}, {}
        for m in MODALITIES:
            if m in windows:
                values, real = windows[m]
            else:
                t, d = self.shape(m)
                values, real = np.zeros((n, t, d), np.float32), np.zeros((n, t), np.bool_)
            features[m], mask[m] = torch.from_numpy(values), torch.from_numpy(real)
            said[m] = torch.from_numpy(own[m] if m in own else np.full_like(emotion, np.nan))
        return Batch(
            features=features,
            mask=mask,
            emotion=torch.from_numpy(emotion),
            sentiment=torch.from_numpy(sentiment),
            own=said,
            corrupted=corrupted,
        )

    def shape(self, m: Modality) -> tuple[int, int]:
        """(T, D) of a window."""
        values, _ = self.pools[m].draw(np.zeros(1, np.int64), None)
        return values.shape[1], values.shape[2]
