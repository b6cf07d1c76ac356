"""What the edges of a distillation graph know of their teachers: whether they are right, or were corrupted."""

from __future__ import annotations

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.emotion_metrics import Floats
from dmd_runtime.messages import Bool, Float64
from dmd_runtime.modality import EDGES, Modality


def edge_auc(weights: Floats, teacher_right: Bool, exists: Bool | None = None) -> float | None:
    """How well the weight of an edge tells a right teacher from a wrong one, all edges of all samples pooled.

    The area under the ROC curve: the probability that a right teacher's edge outweighs a wrong one's, ties half
    (Mann and Whitney, *Ann. Math. Statist.* 18, 1947).

    Parameters
    ----------
    weights : float (N, 6)
        In the order of ``EDGES``.
    teacher_right : bool (N, 6)
    exists : bool (N, 6), optional
        Which edges count, where some have no teacher or no student; default: all.

    Returns
    -------
    float or None
        In [0, 1]; .5 is blind. None where no teacher is right, or none is wrong.

    Raises
    ------
    ModelError
        The shapes differ, or a weight is no number.
    """
    from scipy.stats import rankdata  # noqa: PLC0415 - half a second that other commands need not wait for

    there = np.ones(np.shape(teacher_right), dtype=bool) if exists is None else exists
    if not np.shape(weights) == np.shape(teacher_right) == np.shape(there):
        shapes = f"{np.shape(weights)}, {np.shape(teacher_right)} and {np.shape(there)}"
        raise ModelError(f"edges: expected weights, right teachers and which exist of one shape, got {shapes}")
    weight, right = _numbers(weights)[there], np.asarray(teacher_right, dtype=bool)[there]
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return None
    wins = rankdata(weight)[right].sum() - n_right * (n_right + 1) / 2
    return float(wins / (n_right * n_wrong))


def edge_reaction(before: Floats, after: Floats, teacher: Modality) -> float:
    """By what share the mean weight of the two edges that ``teacher`` teaches falls from ``before`` to ``after``.

    Parameters
    ----------
    before, after : float (N, 6), (M, 6)
        Weights in the order of ``EDGES``.

    Returns
    -------
    float
        1 - after / before: 0.3 if they lost 30 %, below 0 if they grew; NaN where they were 0 before.

    Raises
    ------
    ModelError
        A weight is no number.
    """
    taught = [edge.teacher is teacher for edge in EDGES]
    was, now = (_numbers(weights)[:, taught].sum() / max(len(weights), 1) for weights in (before, after))
    return float(1.0 - now / was) if was else float("nan")


def _numbers(weights: Floats) -> Float64:
    if not np.isfinite(weights).all():
        lost = int((~np.isfinite(weights)).sum())
        raise ModelError(f"edges: expected weights that are numbers, got {lost} of {np.size(weights)} that are none")
    return np.asarray(weights, dtype=np.float64)
