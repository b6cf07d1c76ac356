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


def jaw_of(*parts: tuple[float, float, float], step: float = 1 / 15) -> FeatureBlock:
    """A face whose jaw goes up and down by so much in each of the parts: seconds, amplitude, seconds up and down."""
    moves = [a / 2 * (1 - np.cos(2 * np.pi * np.arange(0, s, step) / every)) for s, a, every in parts]
    jaw = np.concatenate(moves)
    times = np.arange(len(jaw)) * step
    values = np.stack([np.zeros(len(jaw)), jaw], axis=1).astype(np.float32)
    return replace(block(V, times, settled_until=float(times[-1]) + 1), values=values)


SAID = tuple((0.6 + 0.4 * i, 0.9 + 0.4 * i) for i in range(6))
SMILE, TALK = (3.5, 0.07, 3.0), (3.5, 0.2, 0.5)


@pytest.mark.parametrize("step", [1 / 15, 1 / 7.5])
def test_a_listener_who_smiles_is_told_from_a_speaker_after_some_words(step: float) -> None:
    for part, expected in ((SMILE, False), (TALK, True)):
        attribution = WordAttribution(jaw=1)
        attribution.add(jaw_of(part, step=step))
        attribution.add(utterance(*SAID))
        assert visible(attribution)[2:] == [expected] * 4


def test_who_begins_to_speak_after_somebody_else_is_seen_at_once() -> None:
    attribution = WordAttribution(jaw=1)
    attribution.add(jaw_of(SMILE, TALK))
    own = tuple((a + 3.0, b + 3.0) for a, b in SAID)
    attribution.add(utterance(*SAID, *own))
    assert visible(attribution)[2:] == [False] * 4 + [True] * 6


def test_a_single_short_word_tells_too_little_of_how_much_a_face_moves() -> None:
    attribution = WordAttribution(jaw=1)
    attribution.add(jaw_of(SMILE))
    attribution.add(utterance((0.7, 0.8)))
    assert visible(attribution) == [True]


def test_of_a_face_seen_too_seldom_nothing_is_said_about_its_jaw() -> None:
    attribution = WordAttribution(jaw=1)
    attribution.add(faces(moves=0.0, step=0.3))
    attribution.add(utterance((1.0, 1.4)))
    assert visible(attribution) == [True]


def test_what_is_remembered_of_words_is_bounded() -> None:
    attribution = WordAttribution()
    attribution.vision_until(FOREVER)
    for t in range(200):
        attribution.add(utterance((float(t), t + 0.5)))
        assert len(visible(attribution)) == 1
    assert len(attribution._said) <= 64


def test_what_is_remembered_of_faces_is_bounded() -> None:
    attribution = WordAttribution(jaw=1)
    for start in range(0, 1000, 3):
        rows = faces(moves=0.0)
        attribution.add(replace(rows, times=rows.times + start, ends=rows.ends + start))
    assert len(attribution._faces) == len(attribution._open) <= 121 * 15
