"""Sentiment as the field reports it: ACC7, ACC5, ACC3, ACC2 and weighted F1 in both readings, MAE and Corr.

As the published code of DMD and MMSA computes them (https://github.com/thuiar/MMSA, ``MMSA/utils/metricsTop.py``), not
rounded. Every figure is a function of sums over samples, see :func:`rows`, so that it can be bootstrapped at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.emotion_metrics import overall, ratio, weighted_f1
from dmd_runtime.messages import Float64

_LIMITS = {"acc7": 3.0, "acc5": 2.0, "acc3": 1.0}
_TINY = 1e-12  # a variance below this share of the mean square is rounding


def sentiment_figures(predictions: npt.NDArray[Any], targets: npt.NDArray[Any]) -> dict[str, float]:
    """All figures of N samples.

    Parameters
    ----------
    predictions, targets : float (N,)
        In [-3, 3]; samples whose target is NaN are left out.

    Returns
    -------
    dict
        ``acc7``, ``acc5``, ``acc3``: both clipped to ±3, ±2, ±1 and rounded, halves to even, are the same.
        ``acc2``, ``f1``: negative against positive, targets that are 0 left out, a prediction of 0 is negative.
        ``acc2_non_negative``, ``f1_non_negative``: negative against the rest. F1 is weighted by class.
        ``mae``; ``corr``: Pearson's. NaN where there is none: without a sample, ``corr`` if one side is constant,
        ``acc2`` and ``f1`` if every target is 0.

    Raises
    ------
    ModelError
        The shapes differ, or a prediction is no number.
    """
    said, true = check(predictions, targets)
    told = np.isfinite(true)
    return {name: float(value) for name, value in of_sums(rows(said[told], true[told]).sum(axis=0)).items()}


def check(predictions: npt.NDArray[Any], targets: npt.NDArray[Any]) -> tuple[Float64, Float64]:
    """The same as float64 (N,), if they are of the same samples and all predictions are numbers.

    Raises
    ------
    ModelError
        They are not.
    """
    said, true = np.asarray(predictions, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if said.ndim != 1 or said.shape != true.shape:
        raise ModelError(f"sentiment: expected predictions (N,) and as many targets, got {said.shape} and {true.shape}")
    if not np.isfinite(said).all():
        lost = int((~np.isfinite(said)).sum())
        raise ModelError(f"sentiment: expected predictions that are numbers, got {lost} of {said.size} that are none")
    return said, true


def rows(said: Float64, true: Float64) -> Float64:
    """What each of N samples adds to the sums that :func:`of_sums` takes: float64 (N, 18)."""
    hits = [np.round(np.clip(said, -k, k)) == np.round(np.clip(true, -k, k)) for k in _LIMITS.values()]
    x, y = (values - values[:1] for values in (said, true))  # Corr does not care, and a constant is exactly 0
    signs = [_cells(true > 0, said > 0) * (true != 0), _cells(true >= 0, said >= 0)]
    columns = [np.ones_like(said), *hits, np.abs(said - true), x, y, x * x, y * y, x * y, *signs[0], *signs[1]]
    return np.stack(columns, axis=1).astype(np.float64)


def of_sums(sums: Float64) -> dict[str, Float64]:
    """The figures of sums (..., 18) of :func:`rows`, each float64 (...)."""
    n, hit7, hit5, hit3, distance, x, y, xx, yy, xy = np.moveaxis(sums[..., :10], -1, 0)
    without_zero, with_zero = (sums[..., k : k + 4].reshape(*sums.shape[:-1], 2, 2) for k in (10, 14))
    spread_x, spread_y = (
        np.where(n * ss - s * s > _TINY * n * ss, n * ss - s * s, 0.0) for s, ss in ((x, xx), (y, yy))
    )
    return {
        **{name: ratio(hit, n) for name, hit in zip(_LIMITS, (hit7, hit5, hit3), strict=True)},
        "acc2": overall(without_zero)["accuracy"],
        "f1": weighted_f1(without_zero),
        "acc2_non_negative": overall(with_zero)["accuracy"],
        "f1_non_negative": weighted_f1(with_zero),
        "mae": ratio(distance, n),
        "corr": np.clip(ratio(n * xy - x * y, np.sqrt(spread_x * spread_y)), -1.0, 1.0),
    }


def _cells(true: npt.NDArray[np.bool_], said: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which cell of the 2 × 2 confusion matrix each sample is in: bool (4, N), rows true, columns said."""
    return np.stack([~true & ~said, ~true & said, true & ~said, true & said])
