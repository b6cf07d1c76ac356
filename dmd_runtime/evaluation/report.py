"""Reports of emotion and sentiment as JSON values: plain numbers, and None where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation import sentiment_metrics
from dmd_runtime.evaluation.calibration import brier, expected_calibration_error
from dmd_runtime.evaluation.emotion_metrics import Floats, Int64, by_name, chance, check, confusion, overall
from dmd_runtime.evaluation.intervals import bootstrap, check_groups, sums_by_group


def emotion_report(
    probabilities: Floats,
    label_index: Int64,
    label_names: Sequence[str],
    *,
    n_excluded: int = 0,
    n_not_found: int = 0,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of N samples of which an emotion was predicted.

    Parameters
    ----------
    probabilities : float (N, C)
    label_index : int (N,)
        The true label of each, a column of ``probabilities``.
    label_names : C str
    n_excluded, n_not_found : int
        Samples that are not among the N, for the report.
    groups : N str, optional
        Who speaks; intervals then draw whole groups (``""``: unknown).
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``n``, ``n_excluded``, ``n_not_found``, ``chance``, ``uar_chance``, ``accuracy``, ``uar``, ``macro_f1``,
        ``ece``, ``brier``, ``per_class`` {label: {n, precision, recall, f1}}, ``class_balance`` {label: share},
        ``confusion`` (C lists of C counts, true by predicted), ``intervals`` {figure: [low, high]}. JSON values; None
        where there is no number, as the recall of a label that does not occur.

    Raises
    ------
    ModelError
        The input is no probabilities and labels of N samples and C classes.
    ConfigError
        There is not one group for each sample.
    """
    p, label = check(probabilities, label_index)
    classes = p.shape[1]
    if len(label_names) != classes:
        raise ModelError(f"figures: expected {classes} label names, one for each probability, got {len(label_names)}")
    predicted = p.argmax(axis=1)
    matrix = confusion(label, predicted, classes)
    counts = None if groups is not None else matrix.ravel()
    cells = np.eye(classes**2)
    rows = cells if groups is None else sums_by_group(cells[label * classes + predicted], groups)
    intervals = bootstrap(rows, lambda sums: overall(sums.reshape(-1, classes, classes)), counts=counts, seed=seed)
    classwise = by_name(matrix, label_names)
    return plain(
        {
            "n": len(label),
            "n_excluded": n_excluded,
            "n_not_found": n_not_found,
            **chance(matrix),
            **overall(matrix),
            "ece": expected_calibration_error(p, label),
            "brier": brier(p, label),
            "per_class": {name: {**of, "n": int(of["n"])} for name, of in classwise.items()},
            "class_balance": {name: of["n"] / max(len(label), 1) for name, of in classwise.items()},
            "confusion": matrix,
            "intervals": intervals,
        }
    )


def brief(probabilities: Floats, label_index: Int64) -> dict[str, float]:
    """``accuracy`` and ``uar`` alone, of probabilities (N, C) and labels (N,); NaN without a sample.

    Raises
    ------
    ModelError
        As of :func:`emotion_report`.
    """
    p, label = check(probabilities, label_index)
    found = overall(confusion(label, p.argmax(axis=1), p.shape[1]))
    return {name: float(found[name]) for name in ("accuracy", "uar")}


def sentiment_report(
    predictions: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of sentiment, unrounded.

    Parameters
    ----------
    predictions, targets : float (N,)
        In [-3, 3]; samples whose target is NaN are left out.
    groups : N str, optional
        Who speaks; intervals then draw whole groups.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``n``, ``n_unlabelled``, ``class_balance`` {negative, zero, positive: share}, the figures of
        :func:`dmd_runtime.evaluation.sentiment_metrics.sentiment_figures`, and their ``intervals``. JSON values; None
        where there is no number.

    Raises
    ------
    ModelError
        The shapes differ, or a prediction is no number.
    ConfigError
        There is not one group for each sample.
    """
    said, true = sentiment_metrics.check(predictions, targets)
    told = np.isfinite(true)
    rows = sentiment_metrics.rows(said[told], true[told])
    drawn = rows
    if groups is not None:
        check_groups(groups, len(told))
        drawn = sums_by_group(rows, list(compress(groups, told)))
    sides = {"negative": true < 0, "zero": true == 0, "positive": true > 0}
    return plain(
        {
            "n": int(told.sum()),
            "n_unlabelled": int((~told).sum()),
            "class_balance": {name: side.sum() / max(told.sum(), 1) for name, side in sides.items()},
            **sentiment_metrics.of_sums(rows.sum(axis=0)),
            "intervals": bootstrap(drawn, sentiment_metrics.of_sums, seed=seed),
        }
    )


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings, sequences, arrays and NumPy's numbers as JSON values; None in place of what is no number."""
    return {str(name): _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
