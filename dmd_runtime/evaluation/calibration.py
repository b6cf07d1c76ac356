"""Whether probabilities mean what they say, and the one number that makes them.

Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.emotion_metrics import Floats, Int64
from dmd_runtime.messages import Float64
from dmd_runtime.model.calibration import LEAST, MOST

BINS: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """How often the most probable label is right, by how probable it was said to be.

    Attributes
    ----------
    count : int64 (B,)
        Samples in each bin; 0 in an empty one, whose means are 0.
    confidence, accuracy : float64 (B,)
        Their mean probability of the most probable label, and the share of them in which it is right.
    """

    count: Int64
    confidence: Float64
    accuracy: Float64

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two, weighted by count; NaN without a sample."""
        total = int(self.count.sum())
        return float(self.count @ np.abs(self.accuracy - self.confidence) / total) if total else float("nan")


def reliability(probabilities: Floats, label: Int64, *, bins: int = BINS, equal_mass: bool = False) -> Reliability:
    """Bin samples by the probability of their most probable label.

    Parameters
    ----------
    probabilities : float (N, C)
    label : int (N,)
    bins : int
        Equal parts of [0, 1], closed above; with ``equal_mass`` of equally many samples instead (equal confidences
        share a bin).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == label).astype(np.float64)
    if equal_mass:
        from scipy.stats import rankdata  # noqa: PLC0415 - half a second that other commands need not wait for

        position = (rankdata(confidence) - 0.5) / max(len(confidence), 1)
        place = (position * bins).astype(np.int64)
    else:
        place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right)]
    means = [total / np.maximum(count, 1) for total in sums]
    return Reliability(count=count.astype(np.int64), confidence=means[0], accuracy=means[1])


def expected_calibration_error(
    probabilities: Floats, label: Int64, *, bins: int = BINS, equal_mass: bool = False
) -> float:
    """:attr:`Reliability.error` of :func:`reliability`, in [0, 1]; NaN without a sample."""
    return reliability(probabilities, label, bins=bins, equal_mass=equal_mass).error


def brier(probabilities: Floats, label: Int64) -> float:
    """The mean squared distance of probabilities (N, C) from the truth, summed over classes: 0 to 2; NaN if N is 0.

    Brier, *Verification of forecasts expressed in terms of probability*, Monthly Weather Review 78, 1950.
    """
    if not len(label):
        return float("nan")
    truth = np.eye(probabilities.shape[1])[label]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def fit_temperature(logits: Floats, targets: Floats) -> float:
    """The temperature with which ``logits`` give ``targets`` the highest likelihood.

    The negative log-likelihood is convex in 1/T, so it has one minimum in log T.

    Parameters
    ----------
    logits : float (N, C)
    targets : float (N, C)
        Shares of the labels; rows that have a NaN are left out.

    Returns
    -------
    float
        From ``LEAST`` to ``MOST`` of ``dmd_runtime.model.calibration``; 1 where no row is left.

    Raises
    ------
    ModelError
        The shapes differ, or a logit is no number.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - half a second that other commands need not wait for

    z, share = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if z.ndim != 2 or z.shape != share.shape or not np.isfinite(z).all():
        raise ModelError(f"temperature: expected numbers (N, C) and as many targets, got {z.shape} and {share.shape}")
    told = np.isfinite(share).all(axis=1)
    z, share = z[told], share[told]
    if not len(z):
        return 1.0

    def loss(log_temperature: float) -> float:
        return -float((share * _log_softmax(z / np.exp(log_temperature))).sum(axis=1).mean())

    ends = np.log([LEAST, MOST])
    best = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6}).x
    return float(np.clip(np.exp(min([best, *ends], key=loss)), LEAST, MOST))


def apply_temperature(logits: Floats, temperature: float) -> Float64:
    """Probabilities float64 (N, C) of logits (N, C) at a temperature."""
    return np.asarray(np.exp(_log_softmax(np.asarray(logits, dtype=np.float64) / temperature)))


def _log_softmax(z: Float64) -> Float64:
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
