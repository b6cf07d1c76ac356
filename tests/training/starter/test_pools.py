"""What is drawn: the very windows of the live recipe where nothing is augmented, and never a row that is not there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.corpora.windows import face_window, lay_out, sentence_window
from dmd_runtime.errors import ConfigError
from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.training.starter.pools import RaggedPool, StillPool, WindowPool
from tests.training.starter.starter_factory import DIM, ROWS, A, L, V, make_labelled, make_pools

POOLS = make_pools()
SEEDS = st.integers(0, 10_000)


def spec(rows: int, modality=L) -> FeatureSpec:
    return FeatureSpec(modality=modality, name="x", version=1, dim=DIM, rate_hz=None, rows=rows)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(1, 12))
def test_sentences_are_packed_as_live_ones_are(lengths: list[int], length: int) -> None:
    rows = np.arange(sum(lengths) * DIM, dtype=np.float32).reshape(-1, DIM)
    pool = RaggedPool(rows, lengths, make_labelled([0] * len(lengths)), length)
    parts = np.split(rows, np.cumsum(lengths)[:-1])
    order = np.arange(len(lengths))[::-1]
    values, mask = pool.draw(order, None)
    expected, there = lay_out([sentence_window(parts[k], spec(length)) for k in order], spec(length))
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(mask, there)
    assert (values.dtype, mask.dtype) == (np.float32, np.bool_)


def test_a_still_face_stands_as_it_does_when_evaluated() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 3, DIM), dtype=np.float32)
    pool = StillPool(rows, make_labelled([0, 1, 2, 0]), 20, 8)
    values, mask = pool.draw(np.array([2, 0]), None)
    expected, there = lay_out([face_window(rows[k, 0], spec(20, V)) for k in (2, 0)], spec(20, V))
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(mask, there)


def test_without_a_generator_a_clip_is_its_first_version() -> None:
    pool = POOLS[A]
    index = np.array([5, 0, 5])
    values, mask = pool.draw(index, None)
    np.testing.assert_array_equal(values, pool.values[index, 0].astype(np.float32))
    np.testing.assert_array_equal(mask, pool.mask[index, 0])
    assert values.dtype == np.float32


@pytest.mark.parametrize("m", [L, V, A])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_augmenting_only_hides_rows_and_depends_on_the_seed_alone(m, seed: int) -> None:
    pool, index = POOLS[m], np.arange(len(POOLS[m]))
    values, mask = pool.draw(index, np.random.default_rng(seed))
    again, same = pool.draw(index, np.random.default_rng(seed))
    np.testing.assert_array_equal(values, again)
    np.testing.assert_array_equal(mask, same)
    other, elsewhere = pool.draw(index, np.random.default_rng(seed + 1))
    assert not (np.array_equal(mask, elsewhere) and np.array_equal(values, other))
    assert values.shape == (len(index), ROWS[m], DIM)
    assert np.isfinite(values[mask]).all()
    assert mask.any(axis=1).all() or m is A  # a hole may swallow what was left of a voice
    if m is not V:  # a still may be held longer than it is where nothing is augmented
        assert not (mask & ~pool.draw(index, None)[1]).any()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_still_is_one_persons_rows_up_to_the_end_of_the_window(seed: int) -> None:
    rows = np.repeat(np.arange(9, dtype=np.float32), 3 * DIM).reshape(9, 3, DIM) * 100
    pool = StillPool(rows, make_labelled([0] * 9), 20, 8)
    pool._grain = pool._grain * 0
    values, mask = pool.draw(np.arange(9), np.random.default_rng(seed))
    np.testing.assert_array_equal(values, np.broadcast_to(rows[:, :1], values.shape))
    assert mask[:, -1].all()


def test_versions_of_a_clip_and_of_a_still_are_all_drawn() -> None:
    values = np.arange(3, dtype=np.float32)[None, :, None, None] * np.ones((1, 3, 40, DIM), dtype=np.float32)
    voice = WindowPool(values, np.ones((1, 3, 40), dtype=np.bool_), make_labelled([0]))
    heard = voice.draw(np.zeros(60, dtype=np.int64), np.random.default_rng(0))[0]
    assert {*heard[:, 0, 0]} == {0, 1, 2}
    still = StillPool(values[:, :, 0], make_labelled([0]), 12, 5)
    seen = still.draw(np.zeros(60, dtype=np.int64), np.random.default_rng(0))[0]
    assert {*np.round(seen[:, -1, 0])} == {0, 1, 2}
    assert any(len({*row}) > 1 for row in np.round(seen[:, :, 0]))  # it flickers


def test_the_pools_own_samples_are_never_changed() -> None:
    before = {m: (pool.values if m is A else pool.rows).copy() for m, pool in POOLS.items()}
    hidden = POOLS[A].mask.copy()
    for m, pool in POOLS.items():
        for rng in (None, np.random.default_rng(0)):
            values, mask = pool.draw(np.arange(len(pool)), rng)
            values += 1
            mask[:] = False
        np.testing.assert_array_equal(pool.values if m is A else pool.rows, before[m])
    np.testing.assert_array_equal(POOLS[A].mask, hidden)


def test_labels_are_taken_together() -> None:
    labelled = make_labelled([0, 1, 2, 1])
    taken = labelled.take(np.array([3, 0]))
    assert taken.label.tolist() == [1, 0]
    assert taken.group.tolist() == ["3", "0"]
    np.testing.assert_array_equal(taken.emotion, np.eye(3)[[1, 0]])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda y: WindowPool(np.zeros((2, 1, 4, 3)), np.ones((2, 1, 5), bool), y), r"\(2, 1, 4, 3\) and \(2, 1, 5\)"),
        (lambda y: WindowPool(np.zeros((3, 1, 4, 3)), np.ones((3, 1, 4), bool), y), "windows: expected"),
        (lambda y: StillPool(np.zeros((2, 3)), y, 4, 2), r"rows \(N, K, D\).* got \(2, 3\)"),
        (lambda y: StillPool(np.zeros((3, 1, 3)), y, 4, 2), "one for each label"),
        (lambda y: RaggedPool(np.zeros((5, 3)), [2, 2], y, 4), "sum to 5, got 4"),
        (lambda y: type(y)(emotion=y.emotion, sentiment=y.sentiment[:1], label=y.label, group=y.group), "expected 2"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(make_labelled([0, 1]))
