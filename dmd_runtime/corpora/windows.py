"""One sample of a corpus as windows of the live recipe, laid out as :mod:`dmd_runtime.streaming.window` does live.

Rows of sound keep their place in time, counted from the window's end; a still face stands at the end of the window;
word-pieces are packed to the right. All other rows are masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.messages import Bool, Float32, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE

STILL_ROWS: Final = 8
"""Rows that a still face fills: about half a second at 15 Hz."""
STEP: Final = 1.0
"""Seconds between the windows of a clip that is longer than one."""


class Placed(NamedTuple):
    """One window of one modality without its empty rows: ``rows`` float32 (n, D) stand in ``slots`` int64 (n,)."""

    rows: Float32
    slots: npt.NDArray[np.int64]


Windows = tuple[Placed, ...]
"""The windows of one sample; none where there is nothing to see or hear."""
Measure = Callable[[Float32], tuple[Float32, Bool]]
"""float32 (n,) at 16 kHz, at most one window, to its values (T, D) and mask (T,)."""


def voice_windows(samples: Float32, measure: Measure, duration: float) -> Windows:
    """Windows of a clip, float32 (n,) at 16 kHz: one where it fits into one, else one a second and one at its end."""
    longest = round(duration * ANALYSIS_RATE)
    last = max(0, len(samples) - longest)
    begins = [*range(0, last, round(STEP * ANALYSIS_RATE)), last]
    windows = (compact(*measure(samples[begin : begin + longest])) for begin in begins)
    return tuple(window for window in windows if len(window.rows))


def face_window(row: Float32, spec: FeatureSpec) -> Placed:
    """A still face, float32 (D,), held for ``STILL_ROWS`` rows up to the end of the window."""
    rows = min(STILL_ROWS, spec.rows)
    return Placed(np.broadcast_to(np.asarray(row, dtype=np.float32), (rows, len(row))), _last(rows, spec.rows))


def sentence_window(rows: Float32, spec: FeatureSpec) -> Placed:
    """The word-pieces of a sentence, float32 (n, D); of a longer one the last, which know the whole text."""
    kept = rows[-spec.rows :]
    return Placed(freeze(np.asarray(kept, dtype=np.float32)), _last(len(kept), spec.rows))


def compact(values: Float32, mask: Bool) -> Placed:
    """A window (T, D) with its mask (T,), without its empty rows."""
    return Placed(freeze(np.asarray(values[mask], dtype=np.float32)), np.flatnonzero(mask))


def lay_out(windows: Sequence[Placed], spec: FeatureSpec) -> tuple[Float32, Bool]:
    """B windows as the model reads them: values float32 (B, T, D), zero where the mask bool (B, T) is False."""
    values = np.zeros((len(windows), spec.rows, spec.dim), dtype=np.float32)
    mask = np.zeros((len(windows), spec.rows), dtype=np.bool_)
    for k, (rows, slots) in enumerate(windows):
        values[k, slots] = rows
        mask[k, slots] = True
    return values, mask


def _last(count: int, length: int) -> npt.NDArray[np.int64]:
    """The last ``count`` slots of a window."""
    return np.arange(length - count, length)
