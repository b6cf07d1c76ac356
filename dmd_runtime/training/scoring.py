"""Predictions of a split against what was said about it: brief for a log, in full with intervals for a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.evaluation.report import brief, emotion_report, sentiment_report
from dmd_runtime.evaluation.sentiment_metrics import sentiment_figures
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.trainer import Predicted

EMOTION_FIGURES = ("accuracy", "uar", "macro_f1", "ece")
_NOT_FIGURES = ("n", "n_unlabelled", "class_balance", "intervals")


def log_figures(predicted: Predicted, samples: Samples) -> dict[str, float]:
    """Figures without intervals: the field's of sentiment, accuracy and UAR of emotion."""
    found: dict[str, float] = {}
    if predicted.sentiment is not None:
        found |= sentiment_figures(predicted.sentiment, samples.sentiment)
    if predicted.emotion is not None:
        rows, label = one_label(samples)
        found |= brief(predicted.emotion[rows], label)
    return found


def report(predicted: Predicted, samples: Samples, *, seed: int) -> dict[str, Any]:
    """Everything about a split.

    Returns
    -------
    dict
        ``n``; ``metrics`` {figure: number}, unrounded; ``sentiment`` and ``emotion``, each where the model gives it:
        as :func:`sentiment_report` and :func:`emotion_report`, with intervals; ``mean_edges`` {``"homo L>V"``: weight}.
    """
    found: dict[str, Any] = {"n": len(samples), "metrics": {}, "mean_edges": predicted.mean_edges()}
    groups = samples.groups if any(samples.groups) else None
    if predicted.sentiment is not None:
        found["sentiment"] = sentiment_report(predicted.sentiment, samples.sentiment, groups=groups, seed=seed)
        found["metrics"] |= {name: x for name, x in found["sentiment"].items() if name not in _NOT_FIGURES}
    if predicted.emotion is not None:
        rows, label = one_label(samples)
        found["emotion"] = emotion_report(
            predicted.emotion[rows],
            label,
            predicted.labels,
            n_excluded=len(samples) - len(rows),
            groups=None if groups is None else [groups[i] for i in rows],
            seed=seed,
        )
        found["metrics"] |= {name: found["emotion"][name] for name in EMOTION_FIGURES}
    return found


def one_label(samples: Samples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which samples have one label that is likelier than all others, and which one: int64 (n,) each."""
    shares = np.asarray(samples.emotion)
    said = np.isfinite(shares).all(axis=1)
    alone = (shares == shares.max(axis=1, keepdims=True)).sum(axis=1) == 1
    rows = np.flatnonzero(said & alone)
    return rows, shares[rows].argmax(axis=1)
