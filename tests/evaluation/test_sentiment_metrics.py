"""Sentiment against the reference's numbers, against scikit-learn and NumPy, and where there is no number."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, f1_score

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.sentiment_metrics import sentiment_figures
from tests.shared_data import shared

ACCURACIES = {"acc7", "acc5", "acc3", "acc2", "f1", "acc2_non_negative", "f1_non_negative"}
SCORES = st.integers(-30, 30).map(lambda k: k / 10)


@st.composite
def scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 30))
    of = arrays.arrays(np.float64, n, elements=SCORES)
    return draw(of), draw(of)


def test_the_references_numbers_are_reproduced() -> None:
    golden = json.loads(shared("golden", "golden_metrics.json").read_text())
    found = sentiment_figures(golden["pred"], golden["true"])
    names = {"acc2": "Acc_2", "f1": "F1_score", "acc7": "Acc_7", "mae": "MAE"}
    assert set(golden["metrics"]) == set(names.values())
    for mine, theirs in names.items():
        assert round(found[mine], 4) == golden["metrics"][theirs]
    assert found["acc2"] != round(found["acc2"], 4)
    assert found["corr"] == pytest.approx(np.corrcoef(golden["pred"], golden["true"])[0, 1], abs=1e-12)


@given(scores())
def test_figures_are_as_the_reference_computes_them(pair: tuple[np.ndarray, np.ndarray]) -> None:
    said, true = pair
    found = sentiment_figures(said, true)
    for classes, limit in ((7, 3), (5, 2), (3, 1)):
        same = np.round(np.clip(said, -limit, limit)) == np.round(np.clip(true, -limit, limit))
        assert found[f"acc{classes}"] == pytest.approx(same.mean())
    assert found["mae"] == pytest.approx(np.abs(said - true).mean())
    kept = true != 0
    if kept.any():
        signs = true[kept] > 0, said[kept] > 0
        assert found["acc2"] == pytest.approx(accuracy_score(*signs))
        assert found["f1"] == pytest.approx(f1_score(*signs, average="weighted", zero_division=0.0))
    else:
        assert math.isnan(found["acc2"])
        assert math.isnan(found["f1"])
    signs = true >= 0, said >= 0
    assert found["acc2_non_negative"] == pytest.approx(accuracy_score(*signs))
    assert found["f1_non_negative"] == pytest.approx(f1_score(*signs, average="weighted", zero_division=0.0))
    if np.ptp(said) and np.ptp(true):
        assert found["corr"] == pytest.approx(np.corrcoef(said, true)[0, 1], abs=1e-9)
    else:
        assert math.isnan(found["corr"])


@given(scores(), st.randoms(use_true_random=False))
def test_order_does_not_matter(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    order = np.arange(len(pair[0]))
    random.shuffle(order)  # type: ignore[attr-defined]
    before, after = sentiment_figures(*pair), sentiment_figures(*(values[order] for values in pair))
    assert after == pytest.approx(before, abs=1e-9, nan_ok=True)


def test_halves_are_rounded_to_even() -> None:
    found = sentiment_figures([0.5, 1.5, 2.5, -0.5], [0.0, 2.0, 2.0, 0.0])
    assert (found["acc7"], found["acc5"], found["acc3"]) == (1.0, 1.0, 1.0)


def test_a_prediction_of_zero_is_not_positive_and_a_target_of_zero_is_left_out() -> None:
    found = sentiment_figures([0.0, 0.0, -1.0], [-1.0, 1.0, 0.0])
    assert (found["acc2"], found["acc2_non_negative"]) == (0.5, 1 / 3)


def test_perfect_predictions() -> None:
    true = np.array([-3.0, -1.2, 0.0, 0.4, 2.6])
    found = sentiment_figures(true, true)
    assert {found[name] for name in ACCURACIES} == {1.0}
    assert found["mae"] == 0.0
    assert found["corr"] == pytest.approx(1.0)
    assert sentiment_figures(-true, true)["corr"] == pytest.approx(-1.0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, -2.7])
def test_a_constant_has_no_correlation(value: float) -> None:
    found = sentiment_figures(np.full(7, value), np.linspace(-3, 3, 7))
    assert math.isnan(found.pop("corr"))
    assert all(math.isfinite(number) for number in found.values())


def test_targets_without_a_negative_or_without_any_sign() -> None:
    positive = sentiment_figures([1.0, -1.0], [1.0, 2.0])
    assert (positive["acc2"], positive["f1"]) == pytest.approx((0.5, 2 / 3))
    neutral = sentiment_figures([1.0, -1.0], [0.0, 0.0])
    assert {name for name, value in neutral.items() if math.isnan(value)} == {"acc2", "f1", "corr"}


def test_nothing_has_no_figure_and_what_nobody_said_does_not_count() -> None:
    assert all(math.isnan(value) for value in sentiment_figures([], []).values())
    assert sentiment_figures([1.0, -1.0, 2.0], [0.5, -2.0, np.nan]) == sentiment_figures([1.0, -1.0], [0.5, -2.0])


def test_what_is_no_prediction_is_refused() -> None:
    with pytest.raises(ModelError, match="1 of 2"):
        sentiment_figures([np.nan, 1.0], [0.0, 1.0])
    with pytest.raises(ModelError, match=r"\(2, 1\) and \(2,\)"):
        sentiment_figures(np.ones((2, 1)), [0.0, 1.0])
