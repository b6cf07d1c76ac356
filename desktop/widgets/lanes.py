"""Weights over time on a small axis: where it ends, and where a line may be drawn."""

from __future__ import annotations

import numpy as np

from desktop.widgets.glide import Floats
from dmd_runtime import UNIFORM


def strong(weight: float, decimals: int) -> bool:
    """Whether a weight, as it is written, is above uniform."""
    return round(weight, decimals) > round(UNIFORM, decimals)


def pieces(values: Floats) -> list[slice]:
    """The stretches of ``values`` without a NaN."""
    good = np.concatenate(([False], ~np.isnan(values), [False]))
    ends = np.flatnonzero(good[1:] != good[:-1])
    return [slice(int(a), int(b)) for a, b in zip(ends[::2], ends[1::2], strict=True)]


def lane_top(weights: Floats) -> float:
    """The upper end of an axis from 0 that has these weights on it: 1/3, 1/2 or 1, so that it seldom changes."""
    highest = float(np.nanmax(weights)) if len(weights) and not np.isnan(weights).all() else 0.0
    return next((top for top in (2 * UNIFORM, 3 * UNIFORM) if highest <= top), 1.0)
