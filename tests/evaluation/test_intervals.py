"""Bootstrap intervals: they are those of drawing samples one by one, cover the truth, and respect groups."""

from __future__ import annotations

import numpy as np
import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.evaluation.emotion_metrics import confusion, overall, ratio
from dmd_runtime.evaluation.intervals import bootstrap, sums_by_group


def mean(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"mean": ratio(sums[:, 1], sums[:, 0])}


def columns(values: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(values), values], axis=1)


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 900)
    low, high = bootstrap(columns(values), mean, resamples=4000)["mean"]
    half = 1.96 * values.std() / 30
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_drawing_cells_is_drawing_samples() -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, 3, 300)
    said = np.where(rng.random(300) < 0.7, true, rng.integers(0, 3, 300))
    cells, counts = np.eye(9), confusion(true, said, 3).ravel()
    found = bootstrap(cells, lambda s: overall(s.reshape(-1, 3, 3)), counts=counts, resamples=4000)
    picks = rng.integers(0, 300, (4000, 300))
    drawn = overall(np.stack([confusion(true[i], said[i], 3) for i in picks]))
    for name, interval in found.items():
        assert interval == pytest.approx(tuple(np.quantile(drawn[name], [0.025, 0.975])), abs=0.01)


def test_nineteen_of_twenty_intervals_have_the_truth_inside() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for seed in range(300):
        low, high = bootstrap(columns(rng.normal(size=80)), mean, seed=seed, resamples=400)["mean"]
        hits += low <= 0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_samples_of_one_group_say_less_than_as_many_alone() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=20), 50) + 0.01 * rng.normal(size=1000)
    groups = [f"speaker {i // 50}" for i in range(1000)]
    low, high = bootstrap(columns(values), mean)["mean"]
    wide_low, wide_high = bootstrap(sums_by_group(columns(values), groups), mean)["mean"]
    assert (wide_high - wide_low) / (high - low) == pytest.approx(50**0.5, rel=0.2)


def test_groups_are_summed_and_unknown_ones_stand_alone() -> None:
    found = sums_by_group(np.array([[1.0], [2.0], [4.0], [8.0], [16.0]]), ["a", "", "b", "a", ""])
    assert sorted(found.ravel()) == [2.0, 4.0, 9.0, 16.0]
    assert sums_by_group(np.empty((0, 3)), []).shape == (0, 3)
    with pytest.raises(ConfigError, match="each of 2 samples, got 1"):
        sums_by_group(np.ones((2, 1)), ["a"])


def test_the_seed_decides_and_many_rows_are_drawn_in_parts() -> None:
    rows = columns(np.random.default_rng(4).normal(size=30_000))
    first, again, other = (bootstrap(rows, mean, resamples=150, seed=seed) for seed in (5, 5, 6))
    assert first == again != other


def test_what_has_no_number_has_no_interval() -> None:
    assert np.isnan(bootstrap(np.empty((0, 2)), mean)["mean"]).all()
    assert np.isnan(bootstrap(np.zeros((4, 2)), mean)["mean"]).all()
    assert bootstrap(columns(np.full(5, 3.0)), mean)["mean"] == (3.0, 3.0)
    with pytest.raises(ConfigError, match=r"level in \(0, 1\)"):
        bootstrap(np.ones((4, 2)), mean, level=95)
