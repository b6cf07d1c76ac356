"""Figures of edges: AUC against scikit-learn's, and how far edges fall."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from dmd_runtime.errors import ModelError
from dmd_runtime.evaluation.edges import edge_auc, edge_reaction
from dmd_runtime.modality import EDGES, MODALITIES, Modality


def drawn(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Weights with many ties, and teachers that are right more often where the weight is high."""
    rng = np.random.default_rng(seed)
    weights = np.round(rng.random((n, 6)), 1)
    return weights, rng.random((n, 6)) < 0.2 + 0.6 * weights


@given(st.integers(0, 2**32 - 1))
def test_auc_is_that_of_scikit_learn_and_of_no_order_or_scale(seed: int) -> None:
    weights, right = drawn(seed)
    found = edge_auc(weights, right)
    assert found == pytest.approx(roc_auc_score(right.ravel(), weights.ravel()), abs=1e-12)
    assert found == pytest.approx(edge_auc(np.exp(3 * weights[::-1]), right[::-1]), abs=1e-12)
    assert found == pytest.approx(1 - edge_auc(weights, ~right), abs=1e-12)


def test_auc_of_knowing_everything_and_nothing() -> None:
    right = np.tile([True, False], (5, 3))
    assert edge_auc(1.0 * right, right) == 1.0
    assert edge_auc(1.0 - right, right) == 0.0
    assert edge_auc(np.full((5, 6), 1 / 6), right) == 0.5


def test_there_is_no_auc_without_both_kinds_of_teachers() -> None:
    weights, _ = drawn(0)
    assert edge_auc(weights, np.ones_like(weights, dtype=bool)) is None
    assert edge_auc(weights, np.zeros_like(weights, dtype=bool)) is None
    assert edge_auc(np.empty((0, 6)), np.empty((0, 6), dtype=bool)) is None


def test_only_edges_that_exist_count() -> None:
    weights, right = drawn(1)
    exists = np.zeros_like(right)
    exists[:10] = True
    wrong = weights.copy()
    wrong[10:] = 1.0 - wrong[10:]
    assert edge_auc(wrong, right, exists) == edge_auc(weights[:10], right[:10]) != edge_auc(wrong, right)
    assert edge_auc(weights, right, np.zeros_like(right)) is None


def test_wrong_shapes_and_no_numbers_are_refused() -> None:
    weights, right = drawn(2)
    with pytest.raises(ModelError, match=r"\(40, 6\), \(39, 6\)"):
        edge_auc(weights, right[1:])
    weights[3, 2] = np.nan
    with pytest.raises(ModelError, match="1 of 240"):
        edge_auc(weights, right)
    with pytest.raises(ModelError, match="1 of 240"):
        edge_reaction(weights, weights, Modality.VISUAL)


@pytest.mark.parametrize("teacher", MODALITIES)
def test_the_reaction_is_of_the_edges_that_the_modality_teaches(teacher: Modality) -> None:
    before = np.full((10, 6), 1 / 6)
    taught = np.array([edge.teacher is teacher for edge in EDGES])
    after = np.where(taught, 0.25 / 6, 5.0)[None].repeat(4, axis=0)
    assert taught.sum() == 2
    assert edge_reaction(before, after, teacher) == pytest.approx(0.75)
    assert edge_reaction(before, before, teacher) == 0.0
    assert edge_reaction(after, before, teacher) == pytest.approx(-3.0)


def test_edges_that_never_taught_have_no_reaction() -> None:
    nothing = np.zeros((3, 6))
    assert math.isnan(edge_reaction(nothing, nothing, Modality.LANGUAGE))
    assert math.isnan(edge_reaction(nothing[:0], nothing[:0], Modality.LANGUAGE))
