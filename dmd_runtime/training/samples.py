"""Labelled windows as arrays: what every reader of data gives and every trainer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.modality import MODALITIES, Modality


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One split of a data set: N windows; arrays may be memory-mapped and are never written to.

    Attributes
    ----------
    features : {m: float32 (N, T_m, D_m)}
        Rows where ``mask`` is False hold anything.
    mask : {m: bool (N, T_m)}
        True where a row is real; a modality without a real row is missing in that sample.
    emotion : float32 (N, C)
        Shares of the labels (hard labels are one-hot, votes are shares); a row of NaN where nobody said.
    sentiment : float32 (N,)
        In [-3, 3]; NaN where nobody said.
    labels : tuple of C str
    ids : tuple of N str
    groups : tuple of N str
        Who speaks or whom the picture shows ('' unknown): what a split must not cut through.
    text_tokens : int32 (N, 3, T) or None
        MMSA's ``text_bert``: word-piece ids, attention mask, segment ids, for an encoder that is tuned along.
    """

    features: Mapping[Modality, Float32]
    mask: Mapping[Modality, Bool]
    emotion: Float32
    sentiment: Float32
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    text_tokens: Any = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        sizes: dict[str, int] = {
            "emotion": len(self.emotion),
            "sentiment": len(self.sentiment),
            "groups": len(self.groups),
        }
        for m in MODALITIES:
            sizes |= {f"features {m.value}": len(self.features[m]), f"mask {m.value}": len(self.mask[m])}
            if self.features[m].ndim != 3 or self.mask[m].shape != self.features[m].shape[:2]:
                raise ConfigError(
                    f"samples {m.value}: expected features (N, T, D) with a mask (N, T), "
                    f"got {self.features[m].shape} and {self.mask[m].shape}"
                )
        if self.emotion.shape[1:] != (len(self.labels),):
            raise ConfigError(f"samples: expected emotion (N, {len(self.labels)}), got {self.emotion.shape}")
        for name, size in sizes.items():
            if size != n:
                raise ConfigError(f"samples: expected {n} rows of {name}, one for each id, got {size}")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Any) -> Samples:
        """The samples at ``index`` (integers or bools), in that order."""
        rows = np.arange(len(self))[index]
        return Samples(
            features={m: self.features[m][rows] for m in MODALITIES},
            mask={m: self.mask[m][rows] for m in MODALITIES},
            emotion=self.emotion[rows],
            sentiment=self.sentiment[rows],
            labels=self.labels,
            ids=tuple(self.ids[i] for i in rows),
            groups=tuple(self.groups[i] for i in rows),
            text_tokens=None if self.text_tokens is None else self.text_tokens[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Splits of one data set, by name: ``train``, ``valid``, ``test``.

    Attributes
    ----------
    splits : {name: Samples}
    recipe : mapping or None
        The feature recipe as JSON (``Recipe.to_json``) where the features came out of the live extractors.
    source : str
        For people and for the training record: which file.
    repaired : {what: count}
        Values that were no numbers or sentinels, and were replaced.
    """

    splits: Mapping[str, Samples]
    recipe: Mapping[str, Any] | None
    source: str
    repaired: Mapping[str, int]

    def __getitem__(self, split: str) -> Samples:
        try:
            return self.splits[split]
        except KeyError:
            raise ConfigError(
                f"{self.source}: expected a split {split!r}, it has {', '.join(self.splits) or 'none'}"
            ) from None
