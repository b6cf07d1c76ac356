"""Calibration: hand-made bins, probabilities that mean what they say, and temperatures that are found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.calibration import (
    apply_temperature,
    brier,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from dmd_runtime.model.calibration import LEAST, MOST


def two(confidence: list[float]) -> np.ndarray:
    first = np.array(confidence)
    return np.stack([first, 1 - first], axis=1)


def test_bins_by_hand() -> None:
    p, label = two([0.95, 0.95, 0.95, 0.95, 0.7, 0.7, 0.65]), np.array([0, 0, 0, 1, 0, 1, 0])
    found = reliability(p, label)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 0, 3, 0, 0, 4]  # .7 is in (.6, .7]
    assert found.accuracy[[6, 9]] == pytest.approx([2 / 3, 0.75])
    assert found.confidence[[6, 9]] == pytest.approx([2.05 / 3, 0.95])
    assert found.error == pytest.approx((3 * abs(2 - 2.05) / 3 + 4 * 0.2) / 7)


def test_bins_of_equal_mass_are_equally_full_and_equal_confidences_stay_together() -> None:
    rng = np.random.default_rng(0)
    p = two(list(rng.uniform(0.5, 1.0, 1000)))
    assert reliability(p, np.zeros(1000, dtype=int), equal_mass=True).count.tolist() == [100] * 10
    assert sorted(reliability(two([0.8] * 7), np.zeros(7, dtype=int), equal_mass=True).count)[-1] == 7


@pytest.mark.parametrize("equal_mass", [False, True])
def test_labels_drawn_from_the_probabilities_are_calibrated(equal_mass: bool) -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(7, 0.4), 20_000)
    label = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(p, label, equal_mass=equal_mass) < 0.01
    overconfident = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(overconfident, label, equal_mass=equal_mass) > 0.1


def test_perfect_certain_and_empty() -> None:
    sure = np.eye(3)
    assert expected_calibration_error(sure, np.arange(3)) == brier(sure, np.arange(3)) == 0.0
    assert expected_calibration_error(sure, np.array([1, 2, 0])) == 1.0
    assert brier(sure, np.array([1, 2, 0])) == 2.0
    nothing = np.empty((0, 3)), np.empty(0, dtype=int)
    assert math.isnan(brier(*nothing))
    for equal_mass in (False, True):
        assert math.isnan(expected_calibration_error(*nothing, equal_mass=equal_mass))


@given(st.integers(0, 2**32 - 1))
def test_brier_is_that_of_scikit_learn_and_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, label = rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)
    assert brier(p, label) == pytest.approx(brier_score_loss(label, p, labels=range(4), scale_by_half=False))
    order = rng.permutation(30)
    for equal_mass in (False, True):
        shuffled = expected_calibration_error(p[order], label[order], equal_mass=equal_mass)
        assert shuffled == pytest.approx(expected_calibration_error(p, label, equal_mass=equal_mass))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10.0), st.integers(0, 2**32 - 1))
def test_a_temperature_is_found_again(temperature: float, seed: int) -> None:
    logits = 2 * np.random.default_rng(seed).normal(size=(200, 5))
    soft = apply_temperature(logits, temperature)
    assert fit_temperature(logits, soft) == pytest.approx(temperature, rel=1e-3)


def test_the_best_temperature_calibrates_and_is_the_least_loss() -> None:
    rng = np.random.default_rng(2)
    label = rng.integers(0, 7, 5000)
    logits = rng.normal(size=(5000, 7)) + 1.5 * np.eye(7)[label]
    hot = 4 * logits
    best = fit_temperature(hot, np.eye(7)[label])
    before, after = (expected_calibration_error(apply_temperature(hot, t), label) for t in (1.0, best))
    assert after < 0.03
    assert before > 0.15

    def loss(temperature: float) -> float:
        return -float(np.log(apply_temperature(hot, temperature)[np.arange(5000), label]).mean())

    assert loss(best) <= min(loss(best * 1.01), loss(best / 1.01))


def test_temperatures_have_bounds_and_unlabelled_rows_do_not_count() -> None:
    sure = 5 * np.eye(3)
    assert fit_temperature(sure, np.eye(3)) < 0.2
    assert fit_temperature(1e-3 * np.eye(3), np.eye(3)) == pytest.approx(LEAST, rel=1e-3)
    assert fit_temperature(sure, np.eye(3)[[1, 2, 0]]) == pytest.approx(MOST, rel=1e-3)
    rng = np.random.default_rng(3)
    logits, soft = rng.normal(size=(50, 3)), rng.dirichlet(np.ones(3), 50)
    with_gaps = np.where(np.arange(50)[:, None] < 20, np.nan, soft)
    assert fit_temperature(logits, with_gaps) == fit_temperature(logits[20:], soft[20:])
    assert fit_temperature(logits, np.full((50, 3), np.nan)) == 1.0
    assert fit_temperature(np.empty((0, 3)), np.empty((0, 3))) == 1.0


def test_what_is_no_logit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"got \(2, 3\) and \(2, 2\)"):
        fit_temperature(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ModelError, match="expected numbers"):
        fit_temperature(np.array([[np.inf, 0.0]]), np.ones((1, 2)))


def test_probabilities_of_large_logits_do_not_overflow() -> None:
    assert apply_temperature(np.array([[1e4, 0.0, -1e4]]), 0.01).tolist() == [[1.0, 0.0, 0.0]]
