"""Another recogniser takes over: between utterances, nothing heard twice or by nobody, numbers go on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.config import SessionConfig
from dmd_runtime.features.base import nothing
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSettled
from dmd_runtime.messages import FOREVER, FeatureBlock, Reading, Span, SpeechChange, Utterance, Word
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.changing_words import PATIENCE, ChangingWords
from dmd_runtime.streaming.session import Session
from dmd_runtime.streaming.speech_engine import SPEECH_OFF, SpeechInUse
from dmd_runtime.streaming.toolbox import Missing
from tests.messages_factory import L
from tests.session_factory import FakeToolbox

RATE = 16_000
OLD, NEW = (SpeechInUse(model=name, language="auto") for name in ("old", "new"))


@dataclass
class Hearer:
    """Keeps one buffer an utterance as the streaming transcriber does; a word is the stretch of sound it heard."""

    name: str
    heard: list[Span] = field(default_factory=list)
    seq: int = 0
    origin: float | None = None
    end: float = 0.0

    def push(self, item: SpeechPiece | SpeechSettled, *, behind: bool = False) -> Sequence[Any]:
        if isinstance(item, SpeechSettled):
            return (nothing(L, item.until),)
        if self.origin is None:
            self.origin = self.end = item.span.start - item.lead
        self.end += len(item.samples) / RATE
        return self._close() if item.final else ()

    def figures(self) -> dict[str, float]:
        return {}

    def finish(self) -> Sequence[Any]:
        return (*(self._close() if self.origin is not None else ()), nothing(L))

    def _close(self) -> Sequence[Any]:
        assert self.origin is not None
        span = Span(self.origin, self.end)
        self.heard.append(span)
        self.origin, self.seq = None, self.seq + 1
        word = Word(span=span, text=self.name, p=1.0, committed=True)
        return (Utterance(seq=self.seq - 1, span=span, words=(word,), final=True, language=self.name),)


def pieces(seq: int, start: float, count: int, *, lead: float = 0.25, every: float = 0.4) -> list[SpeechPiece]:
    sound = np.zeros(round(every * RATE), np.float32)
    return [
        SpeechPiece(
            seq=seq, span=Span(start, start - lead + every * (k + 1)), samples=sound, final=k == count - 1, lead=lead
        )
        for k in range(count)
    ]


def said(out: list[Any]) -> list[Any]:
    return [m for m in out if isinstance(m, Utterance | SpeechChange)]


def test_it_waits_for_the_end_of_the_utterance_and_counts_on() -> None:
    words = ChangingWords(Hearer("old"), OLD)
    out = list(words.push(pieces(0, 1.0, 1)[0]))
    first, *rest = pieces(1, 5.0, 4)
    out += words.push(first)
    words.change(Hearer("new"), NEW)
    for piece in rest:
        out += words.push(piece)
    out += words.push(SpeechSettled(7.0))
    for piece in pieces(2, 8.0, 2):
        out += words.push(piece)
    a, b, change, c = said(out)
    assert (a.seq, b.seq, c.seq) == (0, 1, 2)
    assert [u.language for u in (a, b, c)] == ["old", "old", "new"]
    assert (change.t, change.model, change.before) == (7.0, "new", "old")
    assert (words.speech, words.since, words.heard_language) == (NEW, 7.0, "new")


def test_speech_without_a_pause_is_split_and_every_sample_is_heard_once() -> None:
    old, new = Hearer("old"), Hearer("new")
    words, out = ChangingWords(old, OLD), []
    for k, piece in enumerate(pieces(0, 1.0, 60)):
        if k == 5:
            words.change(new, NEW)
        out += words.push(piece)
    before, change, after = said(out)
    assert change.t == pytest.approx(before.span.end)
    assert PATIENCE <= change.t - (0.75 + 5 * 0.4) <= PATIENCE + 0.8
    assert (after.span.start, after.span.end) == pytest.approx((change.t, 0.75 + 60 * 0.4))
    assert after.seq == before.seq + 1
    assert not [m for m in out if isinstance(m, FeatureBlock) and m.settled_until == FOREVER]


def test_the_last_one_asked_for_counts_and_one_asked_for_at_the_end_is_left() -> None:
    words = ChangingWords(Hearer("old"), OLD)
    words.change(Hearer("never"), SpeechInUse(model="never", language="auto"))
    words.change(Hearer("new"), NEW)
    assert [m.model for m in said(list(words.push(SpeechSettled(1.0))))] == ["new"]
    words.change(Hearer("late"), SpeechInUse(model="late", language="auto"))
    assert said([*words.push(SpeechSettled(FOREVER)), *words.finish()]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.lists(st.integers(0, 100), max_size=4))
def test_whenever_it_changes_all_sound_is_heard_once_and_in_order(counts: list[int], changes: list[int]) -> None:
    hearers = [Hearer("h0")]
    words = ChangingWords(hearers[0], OLD)
    out: list[Any] = []
    t, step, expected = 1.0, 0, 0.0
    for seq, count in enumerate(counts):
        for piece in pieces(seq, t, count):
            for _ in range(changes.count(step)):
                hearers.append(Hearer(f"h{len(hearers)}"))
                words.change(hearers[-1], SpeechInUse(model=hearers[-1].name, language="auto"))
            out += words.push(piece)
            step += 1
        expected += 0.4 * count
        t += 0.4 * count + 1.0
        out += words.push(SpeechSettled(t - 0.5))
    out += words.finish()
    utterances = [m for m in out if isinstance(m, Utterance)]
    assert [u.seq for u in utterances] == list(range(len(utterances)))
    spans = [u.span for u in utterances]
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(spans))
    lost = expected - sum(s.duration for s in spans)
    assert -1e-6 <= lost <= 0.1 * len(changes) + 1e-6
    now = "old"
    for message in said(out):
        if isinstance(message, SpeechChange):
            assert message.before == now
            now = message.model


def changed(toolbox: FakeToolbox, other: Any) -> tuple[Session, list[Any]]:
    """A whole session in which ``other`` is asked for after a second."""
    session = Session(SyntheticSource(duration=6.0, paced=False), toolbox, SessionConfig.load(), exact=True)
    out: list[Any] = []
    asked = threading.Event()

    def take(message: Any) -> None:
        out.append(message)
        if isinstance(message, Utterance) and not asked.is_set():
            asked.set()
            session.change_speech(other)

    session.subscribe(take)
    session.run()
    return session, out


class Silent(FakeToolbox):
    """Has no recogniser."""

    def words(self, *, patient: bool) -> Any:
        return Missing(L)

    def absent_for(self, info: Any) -> dict[Any, str]:
        return {**super().absent_for(info), L: SPEECH_OFF}


OFF = SpeechInUse(model="none", language="auto", absent=SPEECH_OFF)


def test_a_session_goes_on_through_a_change() -> None:
    plain = Session(SyntheticSource(duration=6.0, paced=False), FakeToolbox(), SessionConfig.load(), exact=True)
    alone: list[Any] = []
    plain.subscribe(alone.append)
    plain.run()
    _, out = changed(FakeToolbox(), FakeToolbox(speech=NEW))
    assert [m.model for m in out if isinstance(m, SpeechChange)] == ["new"]
    ends = [m.span.end for m in out if isinstance(m, Reading)]
    assert ends == [m.span.end for m in alone if isinstance(m, Reading)]
    spans = [m.span for m in out if isinstance(m, Word)]
    assert spans == [m.span for m in alone if isinstance(m, Word)], "words before it stay, those after it come"


def test_words_can_be_given_up_and_taken_up_again_while_it_runs() -> None:
    session, out = changed(FakeToolbox(), Silent(speech=OFF))
    (change,) = (m for m in out if isinstance(m, SpeechChange))
    assert session.absent[L] == change.absent == SPEECH_OFF
    assert all(m.span.end <= change.t + 1e-6 for m in out if isinstance(m, Word))
    last = [m for m in out if isinstance(m, Reading)][-1]
    assert SPEECH_OFF in last.reason
    assert last.span.end > change.t + 4, "the last window lies behind it"


def test_words_come_in_a_session_that_began_without() -> None:
    session = Session(SyntheticSource(duration=6.0, paced=False), Silent(speech=OFF), SessionConfig.load(), exact=True)
    out: list[Any] = []
    session.subscribe(out.append)
    assert L in session.absent
    session.change_speech(FakeToolbox(speech=NEW))
    session.run()
    assert L not in session.absent
    assert [m for m in out if isinstance(m, Word)]
    assert SPEECH_OFF not in [m for m in out if isinstance(m, Reading)][-1].reason


def test_a_source_without_sound_has_nothing_to_change() -> None:
    source = SyntheticSource(duration=2.5, paced=False, audio=False)
    session = Session(source, FakeToolbox(), SessionConfig.load(), exact=True)
    out: list[Any] = []
    session.subscribe(out.append)
    session.change_speech(FakeToolbox(speech=NEW))
    session.run()
    session.change_speech(FakeToolbox(speech=NEW))  # it is over: harmless
    assert session.absent[L] == "no sound"
    assert [m for m in out if isinstance(m, SpeechChange)] == []
