"""Figures of classification against scikit-learn's, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.emotion_metrics import chance, check, confusion, overall, per_class, ratio, weighted_f1

C = 5


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes of 1 to 40 samples; seldom do all five occur."""
    n = draw(st.integers(1, 40))
    of = arrays.arrays(np.int64, n, elements=st.integers(0, C - 1))
    return draw(of), draw(of)


@given(answers())
def test_figures_are_those_of_scikit_learn(said: tuple[np.ndarray, np.ndarray]) -> None:
    true, predicted = said
    matrix = confusion(true, predicted, C)
    found, present = overall(matrix), np.unique(true)
    of = {"labels": present, "average": "macro", "zero_division": 0.0}
    assert (matrix == metrics.confusion_matrix(true, predicted, labels=range(C))).all()
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert found["uar"] == pytest.approx(metrics.recall_score(true, predicted, **of))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(true, predicted, **of))
    weighted = metrics.f1_score(true, predicted, average="weighted", zero_division=0.0)
    assert weighted_f1(matrix) == pytest.approx(weighted)
    precision, recall, f1, n = metrics.precision_recall_fscore_support(
        true, predicted, labels=present, zero_division=np.nan
    )
    mine = {name: values[present] for name, values in per_class(matrix).items()}
    np.testing.assert_allclose(mine["precision"], precision)
    np.testing.assert_allclose(mine["recall"], recall)
    np.testing.assert_allclose(mine["f1"], f1)
    np.testing.assert_array_equal(mine["n"], n)


@given(answers(), st.permutations(range(C)), st.randoms(use_true_random=False))
def test_neither_order_nor_names_matter(said: tuple[np.ndarray, np.ndarray], names: list[int], random: object) -> None:
    order = np.arange(len(said[0]))
    random.shuffle(order)  # type: ignore[attr-defined]
    true, predicted = (np.array(names)[values[order]] for values in said)
    before, after = overall(confusion(*said, C)), overall(confusion(true, predicted, C))
    for name, value in before.items():
        assert after[name] == pytest.approx(value)


@given(answers())
def test_perfect_is_one_and_a_constant_is_chance(said: tuple[np.ndarray, np.ndarray]) -> None:
    true, _ = said
    perfect = overall(confusion(true, true, C))
    assert {float(value) for value in perfect.values()} == {1.0}
    most = np.bincount(true).argmax()
    matrix = confusion(true, np.full_like(true, most), C)
    constant, knows_nothing = overall(matrix), chance(matrix)
    assert constant["accuracy"] == pytest.approx(knows_nothing["chance"])
    assert constant["uar"] == pytest.approx(knows_nothing["uar_chance"]) == 1 / len(np.unique(true))


def test_many_matrices_are_as_each_alone() -> None:
    stack = np.random.default_rng(0).integers(0, 4, (7, 3, C, C))
    found = overall(stack)
    for place in np.ndindex(7, 3):
        for name, value in overall(stack[place]).items():
            np.testing.assert_array_equal(found[name][place], value)


def test_nothing_predicted_is_no_number() -> None:
    empty = np.zeros((C, C), dtype=np.int64)
    for value in (*overall(empty).values(), *chance(empty).values(), weighted_f1(empty)):
        assert np.isnan(value)
    assert np.isnan(per_class(empty)["recall"]).all()
    assert np.isnan(ratio(0, 0))


P = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("p", "label", "said"),
    [
        (P, [0, 1], r"\(3, 2\) and \(2,\)"),
        (P[0], [0, 1], r"\(2,\)"),
        (np.empty((2, 0)), [0, 1], r"\(2, 0\)"),
        (P * [[1], [1], [np.nan]], [0, 1, 1], "row 2"),
        (P + np.array([[0], [0.1], [0]]), [0, 1, 1], "row 1"),
        (P + np.array([[-0.6, 0.6]]), [0, 1, 1], "row 0"),
        (P, [0, 1, 2], "0 to 2"),
        (P, [0, -1, 1], "-1 to 1"),
        (P, [0.0, 1.0, 1.0], "float64"),
    ],
)
def test_what_is_no_prediction_is_refused(p: np.ndarray, label: list, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check(p, np.array(label))
