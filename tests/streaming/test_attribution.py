from __future__ import annotations

from dmd_runtime.messages import FOREVER, Span, Utterance, Word
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
