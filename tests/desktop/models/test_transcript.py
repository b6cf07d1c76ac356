"""The words: append-only, never doubled, whatever the order in which the runtime's threads tell of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from desktop.models.transcript import SpeechLag, Transcript, TranscriptModel, gap_between
from dmd_runtime import Utterance, Word
from tests.desktop.left_states import activity, utterance, words
from tests.messages_factory import Span

Message = Utterance | Word


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Message], list[Word]]:
    """Messages of a session in an order that can happen, and the words that it is about.

    The recogniser's thread sends hypotheses and final utterances in order; the reading thread sends the words of finals
    in order, the first of them perhaps before the recogniser's thread has come to publish their utterance.
    """
    recognised: list[Message] = []
    said: list[Word] = []
    start = 0.0
    allowed: list[tuple[int, Word]] = []  # a word, and how many messages of the recogniser must be out
    for seq in range(draw(st.integers(0, 5))):
        texts = draw(st.lists(st.sampled_from(["a", "the", "so", "好", "we"]), max_size=5))
        for guess in draw(st.lists(st.lists(st.sampled_from(["a", "the", "eh"]), min_size=1, max_size=4), max_size=3)):
            recognised.append(utterance(seq, words(" ".join(guess), start, committed=False), final=False))
        final = words(" ".join(texts), start)
        recognised.append(replace(utterance(seq, final, final=True), span=Span(start, start + 2.0)))
        allowed += [(len(recognised) - 1, replace(w, speaker_visible=draw(st.booleans()))) for w in final]
        said += final
        start += 2.0 + draw(st.sampled_from([0.0, 0.5, 3.0]))
    out: list[Message] = []
    sent = 0
    while sent < len(recognised) or allowed:
        may = bool(allowed) and allowed[0][0] <= sent
        if may and (sent == len(recognised) or draw(st.booleans())):
            out.append(allowed.pop(0)[1])
        else:
            out.append(recognised[sent])
            sent += 1
    return out, said


def _take(transcript: Transcript | TranscriptModel, message: Message) -> None:
    if isinstance(message, Word):
        transcript.take_word(message)
    else:
        transcript.take_utterance(message)


def _texts(said: list[Word] | tuple[Word, ...]) -> list[tuple[float, str]]:
    return [(w.span.start, w.text) for w in said]


@settings(deadline=None)
@given(streams())
def test_committed_words_are_only_added_to_and_never_doubled(stream: tuple[list[Message], list[Word]]) -> None:
    messages, said = stream
    transcript = Transcript()
    before: list[tuple[float, str]] = []
    for message in messages:
        _take(transcript, message)
        now = _texts(tuple(transcript.committed))
        assert now[: len(before)] == before
        before = now
    assert before == _texts(said)
    assert not transcript.tentative
    assert all(w.speaker_visible is not None for w in transcript.committed)


@settings(deadline=None)
@given(streams())
def test_tentative_words_are_replaced_as_a_whole(stream: tuple[list[Message], list[Word]]) -> None:
    transcript = Transcript()
    for message in stream[0]:
        _take(transcript, message)
        if isinstance(message, Utterance) and not message.final:
            expected = [w for w in message.words if sum(w.span) / 2 > transcript.committed_until]
            assert _texts(transcript.tentative) == _texts(tuple(expected))
        if isinstance(message, Utterance) and message.final:
            assert not transcript.tentative


@settings(deadline=None)
@given(streams(), st.integers(1, 6))
def test_memory_is_bounded_and_what_was_forgotten_does_not_return(
    stream: tuple[list[Message], list[Word]], kept: int
) -> None:
    messages, said = stream
    transcript = Transcript(kept)
    for message in messages:
        _take(transcript, message)
        assert len(transcript.committed) <= kept
    for message in messages:  # all of it once more
        if isinstance(message, Word):
            transcript.take_word(message)
    assert _texts(tuple(transcript.committed)) == _texts(said[-kept:])
    assert transcript.end == len(said)


@settings(deadline=None)
@given(streams())
def test_signals_tell_everything(stream: tuple[list[Message], list[Word]]) -> None:
    model = TranscriptModel(kept=4)
    shown: list[str] = []
    tentative: list[str] = []
    forgotten = 0
    model.committed.connect(lambda first, end: shown.extend(model.word(n).text for n in range(first, end)))

    def trim(first: int) -> None:
        nonlocal forgotten
        forgotten = first

    def replace_tentative() -> None:
        tentative[:] = [w.text for w in model.tentative]

    model.trimmed.connect(trim)
    model.tentative_changed.connect(replace_tentative)
    for message in stream[0]:
        _take(model, message)
        assert tentative == [w.text for w in model.tentative]
    assert shown[-4:] == [w.text for w in model.words]
    assert forgotten == model.first


def test_a_final_utterance_counts_at_once() -> None:
    model = TranscriptModel()
    model.take_utterance(utterance(0, words("we can"), final=True))
    assert [w.text for w in model.words] == ["we", "can"]
    assert all(w.committed for w in model.words)


def test_words_that_a_hypothesis_has_committed_are_kept() -> None:
    transcript = Transcript()
    said = (*words("we can"), *words("maybe", 0.6, committed=False))
    transcript.take_utterance(utterance(0, said, final=False))
    assert [w.text for w in transcript.committed] == ["we", "can"]
    assert [w.text for w in transcript.tentative] == ["maybe"]
    transcript.take_utterance(utterance(0, (*words("we can"), *words("try", 0.6)), final=True))
    assert [w.text for w in transcript.committed] == ["we", "can", "try"]


def test_a_hypothesis_that_comes_too_late_is_ignored() -> None:
    transcript = Transcript()
    transcript.take_utterance(utterance(3, words("we can"), final=True))
    transcript.take_utterance(utterance(3, words("we ca", committed=False), final=False))
    transcript.take_utterance(utterance(2, words("old", 9.0, committed=False), final=False))
    assert not transcript.tentative


def test_a_late_final_leaves_the_next_hypothesis_alone() -> None:
    transcript = Transcript()
    transcript.take_utterance(utterance(1, words("and then", 5.0, committed=False), final=False))
    transcript.take_utterance(utterance(0, words("we can"), final=True))
    assert [w.text for w in transcript.tentative] == ["and", "then"]


def test_an_utterance_that_was_nothing_takes_the_tentative_words_back() -> None:
    transcript = Transcript()
    transcript.take_utterance(utterance(0, words("thank you", committed=False), final=False))
    transcript.take_utterance(Utterance(seq=0, span=Span(0.0, 1.0), words=(), final=True))
    assert not transcript.tentative
    assert not transcript.committed


def test_who_was_seen_is_told_when_it_is_known(qtbot: QtBot) -> None:
    model = TranscriptModel()
    said = words("we can")
    model.take_utterance(utterance(0, said, final=True))
    with qtbot.waitSignal(model.attributed) as told:
        model.take_word(replace(said[1], speaker_visible=False))
    assert told.args == [1]
    assert model.words[1].speaker_visible is False
    with qtbot.assertNotEmitted(model.attributed):
        model.take_word(replace(said[1], speaker_visible=True))


def test_lag_is_counted_from_the_oldest_voice_without_final_words() -> None:
    lag = SpeechLag()
    assert lag.behind(5.0) is None
    lag.take_activity(activity(10.4, spans=[Span(10.0, 10.4)]))
    lag.take_activity(activity(11.0, spans=[Span(10.4, 11.0)]))
    assert lag.behind(11.5) == pytest.approx(1.5)
    lag.take_utterance(replace(utterance(0, words("we", 10.0), final=True), span=Span(10.0, 10.8)))
    assert lag.behind(12.2) == pytest.approx(1.4)
    lag.take_activity(activity(11.2, spans=[Span(11.0, 11.2)], speaking=False))
    lag.take_utterance(replace(utterance(1, (), final=True), span=Span(10.8, 11.2)))
    assert lag.behind(13.0) is None


def test_a_committed_word_of_an_utterance_that_goes_on_ends_the_waiting_for_it() -> None:
    lag = SpeechLag()
    lag.take_activity(activity(12.0, spans=[Span(10.0, 12.0)]))
    lag.take_utterance(replace(utterance(0, words("we", 10.0, committed=False), final=False), span=Span(10.0, 12.0)))
    assert lag.behind(12.5) == pytest.approx(2.5)
    said = words("we", 10.0)
    lag.take_utterance(replace(utterance(0, said, final=False), span=Span(10.0, 12.0)))
    assert lag.behind(12.5) == pytest.approx(12.5 - said[-1].span.end)


def test_lag_does_not_need_every_message() -> None:
    lag = SpeechLag()
    for t in (10.0, 10.1, 10.2):  # "speaking" alone, the spans were in messages that were skipped
        lag.take_activity(activity(t))
    assert lag.behind(11.0) == pytest.approx(1.0)


def test_a_pause_is_no_lag() -> None:
    lag = SpeechLag()
    lag.take_activity(activity(1.0, spans=[Span(0.0, 1.0)], speaking=False))
    lag.take_utterance(replace(utterance(0, words("we"), final=True), span=Span(0.0, 1.0)))
    lag.take_activity(activity(30.0, speaking=False))
    assert lag.behind(31.0) is None
    lag.take_activity(activity(30.5, spans=[Span(30.2, 30.5)]))
    assert lag.behind(30.6) == pytest.approx(0.4)


def test_there_is_no_lag_without_recognition(qtbot: QtBot) -> None:
    model = TranscriptModel()
    model.take_activity(activity(1.0, spans=[Span(0.0, 1.0)]))
    with qtbot.waitSignal(model.lag_changed):
        model.note_time(1.5)
    assert model.lag == pytest.approx(1.5)
    model.set_absent("speech recognition is off")
    model.note_time(1.6)
    assert model.lag is None
    assert not model.model_is_missing
    model.set_absent("speech model missing (dmd models fetch)")
    assert model.model_is_missing


def test_reset_forgets_all(qtbot: QtBot) -> None:
    model = TranscriptModel()
    model.take_utterance(utterance(0, words("we can"), final=True))
    with qtbot.waitSignal(model.cleared):
        model.reset()
    assert model.is_empty
    model.take_utterance(utterance(0, words("again"), final=True))
    assert [w.text for w in model.words] == ["again"]


@pytest.mark.parametrize(
    ("left", "right", "gap"),
    [
        ("we", "can", " "),
        ("我", "们", ""),
        ("ます", "。", ""),
        ("我", "OK", " "),
        ("안녕", "하세요", " "),
        ("สวัสดี", "ครับ", ""),
        ("", "we", ""),
    ],
)
def test_scripts_without_spaces_get_none(left: str, right: str, gap: str) -> None:
    assert gap_between(left, right) == gap
