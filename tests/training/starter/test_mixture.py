"""Batches: triples share a label, corrupted ones do not, and what a modality itself was labelled is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES
from dmd_runtime.training.starter.mixture import Batch
from tests.training.starter.starter_factory import DIM, ROWS, A, L, V, make_mixture, make_pools

POOLS = make_pools(spread=0.0)  # the label can be read off the first three columns
MIXTURE = make_mixture(POOLS)


def draw(seed: int = 0, n: int = 200, **settings: float) -> Batch:
    return MIXTURE.triples(n, np.random.default_rng(seed), **settings)


def seen(batch: Batch, m) -> np.ndarray:
    """The label that a modality's real rows show, (B,); -1 where it has none."""
    real = batch.mask[m].numpy()
    total = (batch.features[m].numpy() * real[..., None]).sum(axis=1)[:, :3]
    return np.where(real.any(axis=1), total.argmax(axis=1), -1)


def test_a_triple_joins_one_sample_of_each_modality_of_one_label() -> None:
    batch = draw()
    label = batch.emotion.numpy().argmax(axis=1)
    for m in MODALITIES:
        there = seen(batch, m) >= 0
        np.testing.assert_array_equal(seen(batch, m)[there], label[there])
        np.testing.assert_array_equal(batch.own[m], batch.emotion)
    assert (batch.corrupted == -1).all()
    assert batch.sentiment.isnan().all()


def test_labels_are_balanced_or_as_asked_for() -> None:
    counts = draw(n=1500).emotion.sum(dim=0)
    assert (counts / 1500 - 1 / 3).abs().max() < 0.05
    asked = np.array([2, 0, 2, 1])
    batch = MIXTURE.triples(4, np.random.default_rng(0), labels=asked)
    assert batch.emotion.argmax(dim=1).tolist() == asked.tolist()


def test_a_swapped_modality_shows_another_label_and_says_so_and_noise_has_none() -> None:
    batch = draw(n=600, corrupt=0.5, augment=False)
    label = batch.emotion.numpy().argmax(axis=1)
    assert 0.4 < (batch.corrupted >= 0).mean() < 0.6
    for k, m in enumerate(MODALITIES):
        hit, own = batch.corrupted == k, batch.own[m].numpy()
        noise = hit & np.isnan(own).all(axis=1)
        swapped = hit & ~noise
        assert 0.2 < noise.sum() / hit.sum() < 0.6
        assert (seen(batch, m)[swapped] != label[swapped]).all()
        np.testing.assert_array_equal(own[swapped].argmax(axis=1), seen(batch, m)[swapped])
        np.testing.assert_array_equal(own[~hit], batch.emotion.numpy()[~hit])
        assert batch.mask[m].any(dim=1).numpy()[hit].all()  # it is present, and wrong
        assert batch.features[m].numpy()[noise][batch.mask[m].numpy()[noise]].std() > 0.8
        assert {*seen(batch, m)[swapped]} == {0, 1, 2}


def test_a_missing_modality_is_masked_and_has_no_label_of_its_own() -> None:
    batch = draw(n=600, drop=0.5, corrupt=0.3, augment=False)
    gone = {m: ~batch.mask[m].any(dim=1).numpy() for m in MODALITIES}
    for m in MODALITIES:
        assert 0.05 < gone[m].mean() < 0.2
        assert np.isnan(batch.own[m].numpy()[gone[m]]).all()
        assert (batch.corrupted[gone[m]] == -1).all()
    assert (sum(gone.values()) <= 1).all()


def test_only_members_are_drawn_for_triples() -> None:
    few = {m: np.arange(6) for m in MODALITIES}  # the first two of each label
    mixture = make_mixture(POOLS, few)
    for m in MODALITIES:
        assert {*mixture.partners(m, np.arange(3).repeat(40), np.random.default_rng(0))} == set(range(6))
    drawn = mixture.partners(V, np.array([2, 0, 1]), np.random.default_rng(0))
    assert POOLS[V].labelled.label[drawn].tolist() == [2, 0, 1]


def test_a_label_without_a_sample_is_named() -> None:
    mixture = make_mixture(POOLS, {L: np.arange(6), V: np.array([0, 1]), A: np.arange(6)})
    with pytest.raises(ConfigError, match="visual has none of label 2"):
        mixture.triples(50, np.random.default_rng(0))


@pytest.mark.parametrize("m", MODALITIES)
def test_samples_alone_leave_the_others_masked(m) -> None:
    index = np.array([4, 0, 7])
    batch = MIXTURE.alone(m, index, None)
    np.testing.assert_array_equal(batch.emotion, POOLS[m].labelled.emotion[index])
    np.testing.assert_array_equal(batch.own[m], batch.emotion)
    np.testing.assert_array_equal(batch.sentiment, POOLS[m].labelled.sentiment[index])
    values, mask = POOLS[m].draw(index, None)
    np.testing.assert_array_equal(batch.mask[m], mask)
    np.testing.assert_allclose(batch.features[m][batch.mask[m]], values[mask])
    for other in set(MODALITIES) - {m}:
        assert batch.features[other].shape == (3, ROWS[other], DIM)
        assert not batch.mask[other].any()
        assert batch.own[other].isnan().all()


def test_rows_are_standardised_and_bounded_and_masked_rows_are_zero() -> None:
    mixture = make_mixture(POOLS)
    mixture._standardise = dict.fromkeys(MODALITIES, (np.full(DIM, 2, np.float32), np.full(DIM, 0.1, np.float32)))
    batch = mixture.alone(L, np.arange(3), None)
    real = batch.features[L][batch.mask[L]]
    assert {*real.unique().tolist()} == {-10.0, 0.0}  # (0 - 2) / .1 is held at -10
    assert not batch.features[L][~batch.mask[L]].any()


def test_the_seed_decides() -> None:
    a, b, c = (draw(seed, corrupt=0.5, drop=0.3) for seed in (3, 3, 4))
    for m in MODALITIES:
        assert torch.equal(a.features[m], b.features[m])
        assert torch.equal(a.mask[m], b.mask[m])
    assert a.corrupted.tolist() == b.corrupted.tolist() != c.corrupted.tolist()
