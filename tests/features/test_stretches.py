"""A growing text in stretches: bounded, each word in one, and fixed by what is certain alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.features.stretches import LONGEST, MOST_WORDS, stretches
from dmd_runtime.messages import Span, Word

one = st.tuples(st.floats(0.02, 2.0), st.floats(0.0, 1.0), st.sampled_from(["go", "home.", "now", "why?"]))
texts = st.lists(one, min_size=1, max_size=60)


def timed(parts: list[tuple[float, float, str]], certain: int | None = None) -> list[Word]:
    """Words of these lengths with pauses (s) before them; the first ``certain`` are committed, by default all."""
    words, at = [], 3.0
    for number, (length, pause, text) in enumerate(parts):
        at += pause
        committed = certain is None or number < certain
        words.append(Word(span=Span(at, at + length), text=text, p=0.9, committed=committed))
        at += length
    return words


def test_what_is_no_longer_than_an_utterance_that_was_learned_on_stays_whole() -> None:
    words = timed([(0.3, 0.1, "so.")] * 17)  # 6.7 s
    assert list(stretches(words)) == [(0, 17, False)]
    assert list(stretches([])) == []


def test_a_stretch_ends_behind_a_sentence_else_in_the_longest_pause() -> None:
    plain = [(0.4, 0.1, "so")] * 20
    assert next(stretches(timed(plain)))[:2] == (0, 8)  # no pause is longer than another
    assert next(stretches(timed([*plain[:11], (0.4, 0.3, "then"), *plain[12:]])))[:2] == (0, 11)
    assert next(stretches(timed([*plain[:4], (0.4, 0.1, "so."), *plain[5:]])))[:2] == (0, 5)


def test_it_is_fixed_when_the_first_word_too_many_is_certain() -> None:
    parts = [(0.4, 0.1, "so")] * 20
    assert not next(stretches(timed(parts, certain=14))).fixed
    assert next(stretches(timed(parts, certain=15))).fixed


@given(parts=texts)
def test_every_word_is_in_one_stretch_and_none_is_too_long(parts: list[tuple[float, float, str]]) -> None:
    words = timed(parts)
    found = list(stretches(words))
    assert [part.begin for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(words)
    for begin, end, _ in found:
        assert 1 <= end - begin <= MOST_WORDS
        assert end - begin == 1 or words[end - 1].span.end - words[begin].span.start <= LONGEST


@given(parts=texts, certain=st.integers(0, 60), known=st.integers(1, 60))
def test_what_is_fixed_stays_whatever_comes(parts: list[tuple[float, float, str]], certain: int, known: int) -> None:
    before = [part for part in stretches(timed(parts[:known], certain)) if part.fixed]
    assert before == list(stretches(timed(parts)))[: len(before)]
    assert all(part.end <= certain for part in before)


def test_words_without_time_between_them_are_bounded_by_their_number() -> None:
    words = timed([(0.02, 0.0, "go")] * 200)
    assert next(part.end - part.begin for part in stretches(words)) <= MOST_WORDS
