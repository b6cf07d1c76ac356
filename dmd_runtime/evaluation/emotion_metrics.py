"""Accuracy, UAR, macro-F1 and what belongs to each class, all of them from the confusion matrix alone.

Every function takes matrices ``(..., C, C)``, rows true, columns predicted, so that a thousand bootstrapped ones cost
one call. Where nothing was predicted, a figure is NaN, without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ModelError
from dmd_runtime.messages import Float64

Int64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
"""Of any precision; reckoned with in float64."""


def check(probabilities: Floats, label: Int64) -> tuple[Float64, Int64]:
    """The same as float64 (N, C) and int64 (N,), if they are probabilities and labels of the same samples.

    Raises
    ------
    ModelError
        They are not; the message says in which way.
    """
    p, k = np.asarray(probabilities, dtype=np.float64), np.asarray(label)
    if p.ndim != 2 or not p.shape[1] or k.shape != p.shape[:1]:
        raise ModelError(f"figures: expected probabilities (N, C) and labels (N,), got {p.shape} and {k.shape}")
    wrong = ~(np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) <= 1e-3))
    if wrong.any():
        row = int(wrong.argmax())
        raise ModelError(f"figures: expected probabilities that sum to 1, got {p[row].tolist()} in row {row}")
    if k.size and not (np.issubdtype(k.dtype, np.integer) and k.min() >= 0 and k.max() < p.shape[1]):
        raise ModelError(f"figures: expected labels from 0 to {p.shape[1] - 1}, got {k.min()} to {k.max()} ({k.dtype})")
    return p, k.astype(np.int64)


def confusion(label: Int64, predicted: Int64, classes: int) -> Int64:
    """How often ``label`` (N,) was taken for ``predicted`` (N,): int64 (C, C), rows true, columns predicted."""
    return np.bincount(label * classes + predicted, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def per_class(matrix: npt.NDArray[Any]) -> dict[str, Float64]:
    """Of matrices (..., C, C): ``n``, ``precision``, ``recall`` and ``f1``, each float64 (..., C).

    Recall and F1 of a class that does not occur are NaN, and so is the precision of one that was never predicted; its
    F1 is 0 if it occurs.
    """
    right = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    n, said = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return {
        "n": n.astype(np.float64),
        "precision": ratio(right, said),
        "recall": ratio(right, n),
        "f1": np.where(n > 0, ratio(2 * right, n + said), np.nan),
    }


def overall(matrix: npt.NDArray[Any]) -> dict[str, Float64]:
    """Of matrices (..., C, C): ``accuracy``, ``uar`` and ``macro_f1``, each float64 (...).

    UAR is the unweighted mean of the recalls of the classes that occur, macro-F1 that of their F1 (equal to
    scikit-learn's with ``labels`` set to the classes that occur).
    """
    of = per_class(matrix)
    occurs = of["n"] > 0
    present = occurs.sum(axis=-1)
    right = np.diagonal(matrix, axis1=-2, axis2=-1).sum(axis=-1)
    return {
        "accuracy": ratio(right, of["n"].sum(axis=-1)),
        "uar": ratio(np.where(occurs, of["recall"], 0.0).sum(axis=-1), present),
        "macro_f1": ratio(np.where(occurs, of["f1"], 0.0).sum(axis=-1), present),
    }


def chance(matrix: npt.NDArray[Any]) -> dict[str, float]:
    """What knowing nothing reaches: ``chance``, always saying the most frequent label; ``uar_chance``, its UAR."""
    n = matrix.sum(axis=-1)
    return {"chance": float(ratio(n.max(), n.sum())), "uar_chance": float(ratio(1.0, (n > 0).sum()))}


def weighted_f1(matrix: npt.NDArray[Any]) -> Float64:
    """Of matrices (..., C, C): the mean of the classes' F1, each weighted by how often the class occurs."""
    of = per_class(matrix)
    f1 = np.where(of["n"] > 0, of["f1"], 0.0)
    return ratio((of["n"] * f1).sum(axis=-1), of["n"].sum(axis=-1))


def by_name(matrix: npt.NDArray[Any], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """:func:`per_class` of one matrix (C, C), by label."""
    of = per_class(matrix)
    return {name: {figure: float(values[k]) for figure, values in of.items()} for k, name in enumerate(names)}


def ratio(top: Any, bottom: Any) -> Float64:
    """``top / bottom``, elementwise; NaN where ``bottom`` is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64))
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0))
