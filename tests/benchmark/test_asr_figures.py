"""Errors and latencies of transcriptions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.benchmark.asr_figures import (
    CommittedWord,
    SpokenWord,
    align,
    latencies,
    plain,
    slope,
    summary,
    word_error_rate,
    words_of,
)

WORDS = st.lists(st.sampled_from("abc"), max_size=8)


def distance(a: list[str], b: list[str]) -> int:
    """Levenshtein's distance as its recursion says, the long way."""
    if not a or not b:
        return len(a) + len(b)
    first = distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(first, distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(st.lists(st.sampled_from("ab"), max_size=5), st.lists(st.sampled_from("ab"), max_size=5))
def test_errors_are_the_fewest_possible(a: list[str], b: list[str]) -> None:
    assert align(a, b).errors == distance(a, b)


@given(WORDS, WORDS)
def test_an_alignment_goes_forward_and_accounts_for_every_word(a: list[str], b: list[str]) -> None:
    found = align(a, b)
    assert all(i < k and j < m for (i, j), (k, m) in zip(found.pairs, found.pairs[1:], strict=False))
    assert len(found.pairs) + found.deleted == len(a)
    assert len(found.pairs) + found.inserted == len(b)
    assert found.substituted == sum(a[i] != b[j] for i, j in found.pairs)


def test_case_and_marks_do_not_count() -> None:
    assert words_of("And so, my fellow-Americans: don’t “ask” — '90s!") == [
        *("and", "so", "my", "fellow", "americans", "don't", "ask", "90s")
    ]
    assert plain("'Tis,") == "tis"
    assert word_error_rate(["a", "b", "c", "d"], ["a", "x", "d", "e"]) == pytest.approx(3 / 4)
    assert math.isnan(word_error_rate([], ["a"]))


def test_latency_is_of_words_that_were_recognised() -> None:
    spoken = [SpokenWord("one", 0.7, 1.0), SpokenWord("two", 1.6, 2.0), SpokenWord("three", 2.5, 3.0)]
    committed = [CommittedWord("One,", 1.5), CommittedWord("too", 2.2), CommittedWord("three", 5.0)]
    assert latencies(spoken, committed).tolist() == [[0.5, 1.0], [2.0, 3.0]]
    assert latencies(spoken, []).shape == (0, 2)


def test_growth_is_per_minute() -> None:
    times = np.arange(10) * 30.0
    assert slope(1.0 + 0.2 * times / 60, times) == pytest.approx(0.2)
    assert math.isnan(slope(times[:2], times[:2]))


def test_a_summary_says_how_many() -> None:
    assert summary(np.arange(101.0)) == {"n": 101, "mean": 50.0, "p50": 50.0, "p95": 95.0}
    assert summary(np.empty(0))["n"] == 0
