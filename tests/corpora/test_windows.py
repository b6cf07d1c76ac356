"""Samples as windows: the same rows in the same slots as a live window has."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.corpora.windows import (
    STILL_ROWS,
    Placed,
    compact,
    face_window,
    lay_out,
    sentence_window,
    voice_windows,
)
from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.modality import Modality

RATE = 16_000


def spec(rows: int, dim: int = 2) -> FeatureSpec:
    return FeatureSpec(modality=Modality.LANGUAGE, name="x", version=1, dim=dim, rate_hz=None, rows=rows)


def heard(seconds: float) -> list[tuple[float, float]]:
    """What each window of a clip of numbered samples has heard, in seconds."""
    seen: list[tuple[float, float]] = []

    def measure(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append((samples[0] / RATE, (samples[-1] + 1) / RATE))
        return np.ones((4, 2), dtype=np.float32), np.array([False, True, False, True])

    ramp = np.arange(round(seconds * RATE), dtype=np.float32)
    assert len(voice_windows(ramp, measure, 4.0)) == len(seen)
    return seen


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [
        (1.5, [(0, 1.5)]),
        (4.0, [(0, 4)]),
        (4.5, [(0, 4), (0.5, 4.5)]),
        (5.0, [(0, 4), (1, 5)]),
        (6.25, [(0, 4), (1, 5), (2, 6), (2.25, 6.25)]),
    ],
)
def test_a_long_clip_gives_a_window_a_second_and_one_at_its_end(seconds: float, windows: list) -> None:
    np.testing.assert_allclose(heard(seconds), windows, atol=1e-9)


@given(st.floats(0.1, 30))
def test_every_sample_is_heard_and_no_window_is_longer_than_four_seconds(seconds: float) -> None:
    windows = heard(seconds)
    assert windows[0][0] == 0
    assert windows[-1][1] == pytest.approx(round(seconds * RATE) / RATE)
    assert all(end - begin <= 4.0 + 1e-6 for begin, end in windows)
    assert all(after[0] <= before[1] for before, after in pairwise(windows))


def test_a_voice_too_short_for_a_row_has_no_window() -> None:
    silent = np.zeros((4, 2), dtype=np.float32), np.zeros(4, dtype=np.bool_)
    assert voice_windows(np.zeros(10, dtype=np.float32), lambda _: silent, 4.0) == ()


def test_a_still_face_stands_at_the_end_of_the_window() -> None:
    values, mask = lay_out([face_window(np.array([1.0, 2.0]), spec(60))], spec(60))
    assert mask[0].nonzero()[0].tolist() == list(range(60 - STILL_ROWS, 60))
    assert (values[0, -STILL_ROWS:] == [1, 2]).all()
    assert values.dtype == np.float32
    assert values[0, :-STILL_ROWS].sum() == 0


@pytest.mark.parametrize(("pieces", "first"), [(3, 0), (8, 0), (11, 3)])
def test_word_pieces_are_packed_to_the_right_and_the_last_are_kept(pieces: int, first: int) -> None:
    rows = np.repeat(np.arange(pieces, dtype=np.float32)[:, None], 2, axis=1)
    values, mask = lay_out([sentence_window(rows, spec(8))], spec(8))
    assert values[0, mask[0], 0].tolist() == list(range(first, pieces))
    assert mask[0].sum() == min(8, pieces)
    assert mask[0, -1]


def test_laying_out_undoes_compacting() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((5, 8)) < 0.5
    values = rng.standard_normal((5, 8, 2), dtype=np.float32) * mask[..., None]
    again, there = lay_out([compact(v, m) for v, m in zip(values, mask, strict=True)], spec(8))
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(there, mask)


def test_an_empty_window_is_all_masked() -> None:
    _, mask = lay_out([Placed(np.empty((0, 2), dtype=np.float32), np.arange(0))], spec(8))
    assert not mask.any()
