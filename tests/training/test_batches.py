"""Batches: standardised, masked, robbed, and shared out to processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.training.batches import Batches, measure, rob, shuffled
from dmd_runtime.training.run_config import RobustnessSettings
from tests.training.training_factory import make_samples

CPU = torch.device("cpu")


def masks(n: int, seed: int, missing: float = 0.3) -> dict[Modality, np.ndarray]:
    return dict(make_samples(n, seed=seed, missing=missing).mask)


def test_figures_are_those_of_real_rows_of_the_split_alone() -> None:
    samples = make_samples(600, seed=1)
    found = measure(samples)
    for m in MODALITIES:
        rows = samples.features[m][samples.mask[m]].astype(np.float64)
        np.testing.assert_allclose(found.mean[m], rows.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.scale[m], rows.std(axis=0), rtol=1e-5)


def test_figures_of_nothing_and_of_a_constant_leave_features_as_they_are() -> None:
    samples = make_samples(5)
    samples.mask[Modality.VISUAL][:] = False
    samples.features[Modality.ACOUSTIC][:] = 1e6
    found = measure(samples)
    assert (found.mean[Modality.VISUAL] == 0).all()
    assert (found.scale[Modality.VISUAL] == 1).all()
    assert (found.mean[Modality.ACOUSTIC] == 1e6).all()
    assert (found.scale[Modality.ACOUSTIC] == 1).all()


def test_a_batch_is_standardised_where_it_is_real_and_zero_elsewhere() -> None:
    samples = make_samples(50, seed=2)
    batch = Batches(samples, measure(samples), [Modality.LANGUAGE, Modality.VISUAL], CPU).take(np.arange(50))
    assert not batch.mask[Modality.ACOUSTIC].any()
    for m in MODALITIES:
        assert not batch.features[m][~batch.mask[m]].any()
    rows = batch.features[Modality.VISUAL][batch.mask[Modality.VISUAL]]
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.std(dim=0, correction=0), torch.ones(5), atol=1e-4, rtol=0)


def test_without_figures_features_are_not_even_clipped() -> None:
    samples = make_samples(5, missing=0.0)
    samples.features[Modality.ACOUSTIC][samples.mask[Modality.ACOUSTIC]] = 1e4
    batch = Batches(samples, None, MODALITIES, CPU).take(np.arange(5))
    assert batch.features[Modality.ACOUSTIC].max() == 1e4


@given(st.integers(0, 2**32), st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0.01, 1))
def test_robbing_takes_only_and_leaves_something(seed: int, modality: float, segment: float, longest: float) -> None:
    before = masks(7, seed % 50)
    settings = RobustnessSettings(modality_dropout=modality, segment_dropout=segment, longest_segment=longest)
    after = rob(before, settings, np.random.default_rng(seed))
    had = np.stack([before[m].any(axis=1) for m in MODALITIES])
    has = np.stack([after[m].any(axis=1) for m in MODALITIES])
    assert all((after[m] <= before[m]).all() for m in MODALITIES)
    assert (has.any(axis=0) == had.any(axis=0)).all()


def test_robbing_takes_as_often_as_it_is_told() -> None:
    before = masks(4000, 1, missing=0.0)
    nothing = rob(before, RobustnessSettings(), np.random.default_rng(1))
    assert all((nothing[m] == before[m]).all() for m in MODALITIES)
    after = rob(before, RobustnessSettings(modality_dropout=0.6), np.random.default_rng(1))
    left = np.stack([after[m].any(axis=1) for m in MODALITIES])
    counts = np.bincount(left.sum(axis=0), minlength=4) / 4000
    np.testing.assert_allclose(counts, [0, 0.3, 0.3, 0.4], atol=0.03)
    np.testing.assert_allclose(left.mean(axis=1), 0.7, atol=0.03)  # none is preferred
    cut = rob(before, RobustnessSettings(segment_dropout=0.5, longest_segment=0.5), np.random.default_rng(1))
    for m in MODALITIES:
        assert cut[m].any(axis=1).all()
        assert 0.4 < (cut[m] != before[m]).any(axis=1).mean() < 0.5


@pytest.mark.parametrize(("n", "size", "ranks"), [(50, 8, 1), (50, 8, 2), (49, 8, 3), (17, 4, 4), (3, 8, 4)])
def test_processes_share_every_epoch_evenly_and_completely(n: int, size: int, ranks: int) -> None:
    shares = [shuffled(n, size, np.random.default_rng(1), rank, ranks) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    for together in zip(*shares, strict=True):
        assert all(len(index) for index, _ in together)
        assert sum(weight for _, weight in together) == pytest.approx(ranks)
    seen = np.concatenate([index for share in shares for index, _ in share])
    assert set(seen) == set(range(n))
    assert len(seen) == n or n % (size * ranks) < ranks
    one = [index for index, _ in shuffled(n, size * ranks, np.random.default_rng(1))]
    for whole, *parts in zip(one, *([index for index, _ in share] for share in shares), strict=True):
        assert set(whole) == set(np.concatenate(parts))


def test_shares_in_order_are_the_split() -> None:
    samples = make_samples(11)
    parts = [
        batch.targets.sentiment
        for rank in range(3)
        for batch in Batches(samples, None, MODALITIES, CPU).in_order(2, rank, 3)
    ]
    assert torch.cat(parts).numpy().tolist() == samples.sentiment.tolist()
