"""Rows of words that are still being spoken: what they cost, and what never changes again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.language import LanguageExtractor
from dmd_runtime.features.stretches import MOST_WORDS
from dmd_runtime.features.text_encoder import EncodedText
from dmd_runtime.messages import EMPTY_TIMES, FeatureBlock, Float64, Span, Utterance, Word
from tests.features.speech_assets import encoder

EACH = 0.35


class Context:
    """An encoder of one piece a word, whose row is the sum of its text: any change of context changes it."""

    dim, delta = 2, None

    def __init__(self) -> None:
        self.longest = self.read = 0

    def encode(self, words: list[str]) -> EncodedText:
        self.longest, self.read = max(self.longest, len(words)), self.read + len(words)
        total = sum(int(word.strip("w.")) for word in words)
        return EncodedText(
            pieces=tuple(words),
            word=np.arange(len(words)),
            values=np.array([(int(word.strip("w.")), total) for word in words], dtype=np.float32).reshape(-1, 2),
        )


class Rows:
    """What a reader knows of the rows, as a window builder keeps them."""

    def __init__(self) -> None:
        self.times: Float64 = EMPTY_TIMES
        self.values = np.empty((0, 2), dtype=np.float32)
        self.settled = 0.0

    def add(self, block: FeatureBlock) -> None:
        if block.replaces_from is not None:
            kept = self.times < block.replaces_from - 1e-6
            self.times, self.values = self.times[kept], self.values[kept]
        assert not len(block.times) or not len(self.times) or block.times[0] > self.times[-1]
        self.times = np.concatenate((self.times, block.times))
        self.values = np.concatenate((self.values, block.values))
        self.settled = max(self.settled, block.settled_until)


def script(count: int, stop_every: int = 0) -> list[Word]:
    texts = [f"w{i}" + ("." if stop_every and i % stop_every == 0 else "") for i in range(1, count + 1)]
    return [
        Word(span=Span(1 + i * EACH, 1 + (i + 0.9) * EACH), text=text, p=0.9, committed=True)
        for i, text in enumerate(texts)
    ]


def tentative(word: Word, guess: str) -> Word:
    return Word(span=word.span, text=guess, p=0.3, committed=False)


def utterance(words: list[Word], *, final: bool = False) -> Utterance:
    return Utterance(seq=0, span=Span(1.0, words[-1].span.end if words else 1.1), words=tuple(words), final=final)


def extractor(reader: Context) -> LanguageExtractor:
    return LanguageExtractor(reader)  # type: ignore[arg-type]


@settings(deadline=None)
@given(
    count=st.integers(1, 120),
    stops=st.sampled_from([0, 3, 11]),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=40),
)
def test_fixed_rows_stay_and_the_last_ones_are_those_of_the_whole(
    count: int, stops: int, steps: list[tuple[int, int]]
) -> None:
    words = script(count, stops)
    reader, rows, known = Context(), Rows(), 0
    growing = extractor(reader)
    for more, guessed in steps:
        known = min(count, known + more)
        before = rows.times < rows.settled - 1e-6
        fixed = rows.values[before]
        guess = [tentative(word, f"w{900 + i}") for i, word in enumerate(words[known : known + guessed])]
        for block in growing.push(utterance([*words[:known], *guess])):
            rows.add(block)
        np.testing.assert_array_equal(rows.values[: len(fixed)], fixed)
        np.testing.assert_allclose(rows.times, [w.span.start for w in [*words[:known], *guess]], atol=1e-6)
    for block in growing.push(utterance(words, final=True)):
        rows.add(block)
    (exact,) = extractor(Context()).push(utterance(words, final=True))
    np.testing.assert_allclose(rows.times, exact.times)
    np.testing.assert_array_equal(rows.values, exact.values)
    assert reader.longest <= MOST_WORDS


def test_the_work_for_a_word_does_not_grow_with_what_was_said_before() -> None:
    reader, words, read = Context(), script(400), []
    growing = extractor(reader)
    for known in range(1, 401):
        before = reader.read
        growing.push(utterance(words[:known]))
        read.append(reader.read - before)
    assert max(read) <= 2 * 21  # the stretch that became fixed, and the next one: 7 s of 0.35 s a word
    assert max(read[100:200]) == max(read[300:])


def test_words_that_pass_from_one_utterance_to_the_next_keep_their_rows() -> None:
    words, rows = script(40), Rows()
    growing = extractor(Context())
    cut = 12  # within the first stretch of 7 s, which was fixed before the cut
    first = Utterance(seq=0, span=Span(1.0, words[cut].span.start), words=tuple(words[:cut]), final=True)
    rest = Utterance(seq=1, span=Span(words[cut].span.start, words[-1].span.end), words=tuple(words[cut:]), final=True)
    for item in (utterance(words[:30]), first, rest):
        for block in growing.push(item):
            rows.add(block)
    (exact,) = extractor(Context()).push(utterance(words[:30], final=True))
    fixed = 10
    np.testing.assert_array_equal(rows.values[:fixed], exact.values[:fixed])
    np.testing.assert_allclose(rows.times, [word.span.start for word in words], atol=1e-6)


def test_a_word_that_is_hardly_believed_is_read_and_gives_no_row() -> None:
    words = [*script(3), tentative(script(4)[3], "w4")]
    (block,) = LanguageExtractor(Context(), min_confidence=0.5).push(utterance(words))  # type: ignore[arg-type]
    np.testing.assert_array_equal(block.values, [(1, 10), (2, 10), (3, 10)])
    np.testing.assert_allclose(block.confidence, 0.9)
    (plain,) = extractor(Context()).push(utterance(words))
    assert len(plain.times) == 4
    with pytest.raises(ConfigError, match=r"0 to 1, got 1\.5"):
        LanguageExtractor(Context(), min_confidence=1.5)  # type: ignore[arg-type]


def test_a_stretch_that_is_certain_is_encoded_once_by_the_real_encoder() -> None:
    words = [
        Word(span=w.span, text=t, p=0.9, committed=True)
        for w, t in zip(script(60), itertools.cycle(["so", "we", "go"]))
    ]
    growing = LanguageExtractor(encoder())
    for known in range(1, 61):
        growing.push(utterance(words[:known]))
    before = encoder().encoded
    (last,) = growing.push(utterance(words))
    assert encoder().encoded == before
    assert 0 < len(last.times) <= 21  # only what is open comes again
