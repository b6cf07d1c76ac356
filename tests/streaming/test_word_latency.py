from __future__ import annotations

import pytest

from dmd_runtime.messages import Span, Utterance, Word
from dmd_runtime.streaming.word_latency import WordLatency


def utterance(seq: int, start: float, *ends: float, certain: int, final: bool = False) -> Utterance:
    words = tuple(Word(span=Span(end - 0.3, end), text="w", p=0.9, committed=i < certain) for i, end in enumerate(ends))
    return Utterance(seq=seq, span=Span(start, max(ends, default=start + 1.0)), words=words, final=final)


def test_every_committed_word_counts_once_from_its_end() -> None:
    latency = WordLatency()
    assert latency.figures() == {}
    latency.note(utterance(0, 1.0, 1.5, certain=0), now=2.0)
    latency.note(utterance(0, 1.0, 1.5, 2.0, certain=1), now=2.5)
    latency.note(utterance(0, 1.0, 1.5, 2.0, certain=2, final=True), now=3.0)
    assert latency.figures() == {
        "lag_s": 1.0,
        "committed_mean_s": 1.0,
        "committed_p95_s": 1.0,
        "first_partial_p50_s": 1.0,
    }


def test_an_utterance_that_goes_on_with_a_cut_one_has_no_first_partial() -> None:
    latency = WordLatency()
    latency.note(utterance(0, 1.0, 1.5, 2.0, certain=2, final=True), now=2.2)
    latency.note(utterance(1, 2.0, 2.5, certain=0), now=2.9)
    assert latency.figures()["first_partial_p50_s"] == pytest.approx(1.2)
    latency.note(utterance(2, 4.0, 4.5, certain=0), now=4.6)
    assert latency.figures()["first_partial_p50_s"] == pytest.approx(0.9)
