"""What batches are drawn from: real samples of one modality each, with their labels, as windows of the live recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import Bool, Float32

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is known of N samples of one modality.

    Attributes
    ----------
    emotion : float32 (N, C)
        Shares of the labels.
    sentiment : float32 (N,)
        NaN where it is unknown.
    label : int64 (N,)
        The label to pair by; -1 where no one label holds.
    group : object (N,)
        Who speaks, or ''.
    """

    emotion: Float32
    sentiment: Float32
    label: Int64
    group: npt.NDArray[np.object_]

    def __post_init__(self) -> None:
        n = len(self.emotion)
        if not len(self.sentiment) == len(self.label) == len(self.group) == n:
            raise ConfigError(f"labelled samples: expected {n} of everything")

    def take(self, index: Any) -> Labelled:
        """The samples at ``index``."""
        return Labelled(
            emotion=self.emotion[index],
            sentiment=self.sentiment[index],
            label=self.label[index],
            group=self.group[index],
        )


class WindowPool:
    """Windows kept whole, in K versions of each sample (augmentations; version 0 is the sample as it is).

    Parameters
    ----------
    values : float16 or float32 (N, K, T, D)
        May be memory-mapped.
    mask : bool (N, K, T)
    labelled : Labelled
    """

    def __init__(self, values: npt.NDArray[Any], mask: Bool, labelled: Labelled) -> None:
        if values.shape[:3] != mask.shape or len(values) != len(labelled.label):
            raise ConfigError(f"windows: expected (N, K, T, D) with a mask, got {values.shape} and {mask.shape}")
        self.values, self.mask, self.labelled = values, mask, labelled

    def __len__(self) -> int:
        return len(self.values)

    def draw(self, index: Int64, rng: np.random.Generator | None) -> tuple[Float32, Bool]:
        """Windows (n, T, D) and masks (n, T) of samples ``index``; with a generator, augmented."""
        version = np.zeros(len(index), np.int64) if rng is None else rng.integers(self.mask.shape[1], size=len(index))
        values, mask = self.values[index, version].astype(np.float32), self.mask[index, version].copy()
        if rng is not None:
            for k in np.flatnonzero(rng.random(len(index)) < 0.3):  # the beginning has not been heard yet
                first = int(np.argmax(mask[k]))
                mask[k, : first + int(rng.integers(0, max(1, (mask.shape[1] - first) // 2)))] = False
            for k in np.flatnonzero(rng.random(len(index)) < 0.5):  # a hole
                length = int(rng.integers(5, 30))
                begin = int(rng.integers(0, mask.shape[1] - length))
                mask[k, begin : begin + length] = False
        return values, mask


class StillPool:
    """Rows of single pictures, in K versions each, that fill a window as a held face would.

    Parameters
    ----------
    rows : float32 (N, K, D)
    labelled : Labelled
    length : int
        T, rows of a window.
    held : int
        Rows that a still fills where nothing is augmented.
    """

    def __init__(self, rows: Float32, labelled: Labelled, length: int, held: int) -> None:
        if rows.ndim != 3 or len(rows) != len(labelled.label):
            raise ConfigError(f"stills: expected rows (N, K, D), one for each label, got {rows.shape}")
        self.rows, self.labelled, self.length, self.held = rows, labelled, length, held
        self._grain = rows[:2000, 0].std(axis=0)

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, index: Int64, rng: np.random.Generator | None) -> tuple[Float32, Bool]:
        """Windows (n, T, D) and masks (n, T); with a generator, held for any time, flickering, with gaps."""
        n, t = len(index), self.length
        mask = np.zeros((n, t), dtype=np.bool_)
        if rng is None:
            mask[:, t - self.held :] = True
            return np.where(mask[..., None], self.rows[index, 0][:, None], np.float32(0)), mask
        versions = self.rows.shape[1]
        main = rng.integers(versions, size=n)
        other = np.where(
            rng.random((n, t)) < rng.uniform(0, 0.6, (n, 1)), rng.integers(versions, size=(n, t)), main[:, None]
        )
        values = self.rows[index[:, None], other]
        values += rng.standard_normal(values.shape, dtype=np.float32) * self._grain * rng.uniform(0, 0.15, (n, 1, 1))
        for k in range(n):
            mask[k, t - int(rng.integers(4, t + 1)) :] = True
        mask &= rng.random((n, t)) >= rng.uniform(0, 0.3, (n, 1))
        mask[:, -1] = True
        return values.astype(np.float32), mask


class RaggedPool:
    """Sequences of any length (word-pieces), packed to the right of a window.

    Parameters
    ----------
    rows : float16 or float32 (total, D)
        All sequences, one after the other.
    lengths : int (N,)
    labelled : Labelled
    length : int
        T, rows of a window; of longer sequences the last T rows count.
    """

    def __init__(self, rows: npt.NDArray[Any], lengths: Sequence[int], labelled: Labelled, length: int) -> None:
        sizes = np.asarray(lengths, dtype=np.int64)
        if sizes.sum() != len(rows) or len(sizes) != len(labelled.label):
            raise ConfigError(f"sequences: expected lengths that sum to {len(rows)}, got {sizes.sum()}")
        self.rows, self.labelled, self.length = rows, labelled, length
        self._lengths, self._begins = sizes, np.cumsum(sizes) - sizes

    def __len__(self) -> int:
        return len(self._lengths)

    def draw(self, index: Int64, rng: np.random.Generator | None) -> tuple[Float32, Bool]:
        """Windows (n, T, D) and masks (n, T); with a generator, some pieces are lost as recognition loses words."""
        t = self.length
        values = np.zeros((len(index), t, self.rows.shape[1]), dtype=np.float32)
        mask = np.zeros((len(index), t), dtype=np.bool_)
        for k, i in enumerate(index):
            length, begin = int(self._lengths[i]), int(self._begins[i])
            n = min(length, t)
            values[k, t - n :] = self.rows[begin + length - n : begin + length]
            mask[k, t - n :] = True
        if rng is not None:
            lossy = rng.random(len(index)) < 0.4
            lost = (rng.random(mask.shape) < 0.15) & lossy[:, None]
            lost[:, -1] = False
            mask &= ~lost
        return values, mask


Pool = WindowPool | StillPool | RaggedPool
