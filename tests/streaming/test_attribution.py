from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmd_runtime.messages import FOREVER, FeatureBlock, Span, Utterance, Word
from dmd_runtime.streaming.attribution import WordAttribution
from tests.messages_factory import V, block


def utterance(*spans: tuple[float, float], final: bool = True) -> Utterance:
    words = tuple(Word(span=Span(*s), text=f"w{i}", p=0.9, committed=final) for i, s in enumerate(spans))
    return Utterance(seq=0, span=Span(spans[0][0], spans[-1][1]), words=words, final=final)


def visible(attribution: WordAttribution, now: float = 0.0) -> list[bool | None]:
    return [word.speaker_visible for word in attribution.take(now)]


def test_a_word_waits_until_vision_has_settled_past_it() -> None:
    attribution = WordAttribution()
    attribution.add(utterance((1.0, 1.4)))
    attribution.add(block(V, (1.2,), settled_until=1.3))
    assert visible(attribution) == []
    attribution.add(block(V, (), settled_until=2.0))
    assert visible(attribution) == [True]


def test_a_word_said_while_no_face_is_in_view_is_flagged() -> None:
    attribution = WordAttribution()
    attribution.add(block(V, (0.5, 3.0), settled_until=4.0))
    attribution.add(utterance((1.0, 1.4), (2.9, 3.2)))
    assert visible(attribution) == [False, True]


def test_nobody_waits_for_vision_beyond_now() -> None:
    attribution = WordAttribution()
    attribution.add(utterance((1.0, 1.4)))
    assert visible(attribution, now=2.0) == [False]


def test_tentative_words_are_not_attributed() -> None:
    attribution = WordAttribution()
    attribution.vision_until(FOREVER)
    attribution.add(utterance((1.0, 1.4), final=False))
    assert visible(attribution) == []


def test_words_committed_while_the_utterance_goes_on_are_attributed_at_once_and_each_once() -> None:
    attribution = WordAttribution()
    attribution.vision_until(FOREVER)
    one, two, three = (Word(span=Span(t, t + 0.4), text=f"w{t:g}", p=0.9, committed=t < 3.0) for t in (1.0, 2.0, 3.0))
    attribution.add(Utterance(seq=0, span=Span(1.0, 2.5), words=(one,), final=False))
    assert [w.text for w in attribution.take(0.0)] == ["w1"]
    attribution.add(Utterance(seq=0, span=Span(1.0, 3.5), words=(one, two, three), final=False))
    attribution.add(Utterance(seq=0, span=Span(1.0, 1.5), words=(one,), final=True))  # cut: the others are handed on
    attribution.add(Utterance(seq=1, span=Span(1.5, 3.5), words=(two, three), final=False))
    assert [w.text for w in attribution.take(0.0)] == ["w2"]


def faces(*, moves: float, step: float = 1 / 15) -> FeatureBlock:
    """A face for three seconds whose jaw (column 1) moves by so much."""
    times = np.arange(0.0, 3.0, step)
    jaw = 0.1 + moves * (np.arange(len(times)) % 3) / 2
    values = np.stack([np.zeros(len(times)), jaw], axis=1).astype(np.float32)
    return replace(block(V, times, settled_until=3.0), values=values)


@pytest.mark.parametrize(("moves", "expected"), [(0.2, True), (0.04, True), (0.01, False), (0.0, False)])
def test_a_face_whose_jaw_stays_still_did_not_say_the_word(moves: float, expected: bool) -> None:
    attribution = WordAttribution(jaw=1)
    attribution.add(faces(moves=moves))
    attribution.add(utterance((1.0, 1.4)))
    assert visible(attribution) == [expected]


def test_of_a_face_seen_too_seldom_nothing_is_said_about_its_jaw() -> None:
    attribution = WordAttribution(jaw=1)
    attribution.add(faces(moves=0.0, step=0.3))
    attribution.add(utterance((1.0, 1.4)))
    assert visible(attribution) == [True]


def test_what_is_remembered_of_faces_is_bounded() -> None:
    attribution = WordAttribution(jaw=1)
    for start in range(0, 1000, 3):
        rows = faces(moves=0.0)
        attribution.add(replace(rows, times=rows.times + start, ends=rows.ends + start))
    assert len(attribution._faces) == len(attribution._open) <= 121 * 15
