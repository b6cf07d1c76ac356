"""Where the rows of a modality stand in a window; the one place that says so, for sessions and for training."""

from __future__ import annotations

import numpy as np

from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.messages import Bool, Float32, Float64, Span

EPSILON = 1e-6
"""Seconds; far below any row's spacing, far above float error in session times."""


def lay_out(
    spec: FeatureSpec, times: Float64, ends: Float64, values: Float32, *, span: Span, duration: float
) -> tuple[Float32, Bool]:
    """Give rows that begin inside ``span`` their place: by time where they have a rate, else packed to the right.

    Parameters
    ----------
    times, ends : float64 (n,)
        Ascending; rows that looked past ``span.end`` are left out.
    values : float32 (n, D), D columns of blocks
    duration : float
        Of a whole window; the first ones are shorter, and padded on the left.

    Returns
    -------
    float32 (T, D), bool (T,)
    """
    usable = ends <= span.end + EPSILON
    times, values = times[usable], values[usable]
    out = np.zeros((spec.rows, spec.block_columns), dtype=np.float32)
    mask = np.zeros(spec.rows, dtype=np.bool_)
    if spec.rate_hz is None:
        count = min(len(times), spec.rows)
        slots = np.arange(spec.rows - count, spec.rows)
        values = values[len(values) - count :]
    else:
        slots = np.floor((times - (span.end - duration)) * spec.rate_hz + EPSILON).astype(np.int64)
        slots = np.clip(slots, 0, spec.rows - 1)
    out[slots] = values
    mask[slots] = True
    return out, mask


def with_window_rows(values: Float32, mask: Bool, rows: Float32) -> tuple[Float32, Bool]:
    """Put the window's own rows behind the columns that are laid out.

    Parameters
    ----------
    values, mask : float32 (T, D), bool (T,)
    rows : float32 (n, D'), right-aligned; of more than T the last count

    Returns
    -------
    float32 (T, D + D'), bool (T,)
        A row is real where both halves are; all others are 0.
    """
    rows = rows[len(rows) - min(len(rows), len(values)) :]
    first = len(values) - len(rows)
    mask = mask & (np.arange(len(values)) >= first)
    out = np.zeros((len(values), values.shape[1] + rows.shape[1]), dtype=np.float32)
    out[mask, : values.shape[1]] = values[mask]
    out[mask, values.shape[1] :] = rows[np.flatnonzero(mask) - first]
    return out, mask
