"""Words from a recogniser that another may take the place of while the session goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSegment, SpeechSettled
from dmd_runtime.messages import FOREVER, FeatureBlock, Span, SpeechChange, Utterance
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.streaming.speech_engine import SpeechInUse

PATIENCE = 6.0
"""Seconds of speech without a pause after which a change is made in the middle of an utterance."""
_SHORTEST = 0.1  # s of voice that are worth handing on

Speech = SpeechPiece | SpeechSegment | SpeechSettled


class Words(Protocol):
    """What turns speech into utterances and features; touched by one thread."""

    def push(self, item: Any, *, behind: bool = False) -> Sequence[Any]:
        """Take the next speech."""
        ...

    def finish(self) -> Sequence[Any]:
        """Say the rest."""
        ...

    def figures(self) -> dict[str, float]:
        """For the health figures."""
        ...


class ChangingWords:
    """Hands speech to a recogniser; another takes its place between two utterances.

    Where speech goes on for :data:`PATIENCE` after a change was asked for, the open utterance is ended there: what was
    heard of it is committed by the old recogniser, and the new one begins with the sound that follows. Utterances are
    numbered on, whoever made them. Nothing of the sound is heard twice or by nobody.

    All methods but :meth:`change` and :meth:`figures` are called by one thread.
    """

    def __init__(self, words: Words, speech: SpeechInUse) -> None:
        self.speech = speech
        """What words come from now."""
        self.since = 0.0
        """Session time from which on they do."""
        self.heard_language = ""
        """Language of the last utterance that had words."""
        self._words = words
        self._lock = threading.Lock()  # of what waits
        self._next: tuple[Words, SpeechInUse] | None = None
        self._asked_at: float | None = None  # speech time when the change was first seen to wait
        self._open = False
        self._heard_until = 0.0  # of the open utterance
        self._split = False  # the open utterance is another recogniser's from here on
        self._last_seq = -1
        self._offset = 0
        self._count_on = False

    def change(self, words: Words, speech: SpeechInUse) -> None:
        """Let words come from ``words`` as soon as may be; the last one that was asked for counts. Any thread."""
        with self._lock:
            self._next = words, speech

    def push(self, item: Speech, *, behind: bool = False) -> Sequence[Any]:
        """Take the next speech, after the change that is due before it."""
        out = self._change_if_due(item)
        heard = item if isinstance(item, SpeechSettled) else self._noted(item)
        if heard is None:
            return out
        return (*out, *self._numbered(self._words.push(heard, behind=behind)))

    def finish(self) -> Sequence[Any]:
        """Say the rest; a change that still waits is not made any more."""
        return self._numbered(self._words.finish())

    def figures(self) -> dict[str, float]:
        """Those of the recogniser."""
        return self._words.figures()

    # --------------------------------------------------------------- change

    def _change_if_due(self, item: Speech) -> list[Any]:
        with self._lock:
            if self._next is None:
                return []
            now = item.until if isinstance(item, SpeechSettled) else item.span.end
            if now == FOREVER:
                return []
            self._asked_at = now if self._asked_at is None else self._asked_at
            if self._open and now - self._asked_at < PATIENCE:
                return []
            (words, speech), self._next, self._asked_at = self._next, None, None
        out: list[Any] = []
        if self._open:
            out += self._numbered(m for m in self._words.finish() if not _is_farewell(m))
            self._split = isinstance(item, SpeechPiece)
            at = self._heard_until
        else:
            at = max(self._heard_until, now if isinstance(item, SpeechSettled) else item.span.start - item.lead)
        said = SpeechChange(
            t=at, model=speech.model, language=speech.language, before=self.speech.model, absent=speech.absent
        )
        self._words, self.speech, self.since, self._count_on = words, speech, at, True
        self.heard_language = ""
        return [*out, said]

    def _noted(self, item: SpeechPiece | SpeechSegment) -> SpeechPiece | SpeechSegment | None:
        """Keep account of the open utterance; what a new recogniser hears of it begins where the old one ended."""
        seconds = len(item.samples) / ANALYSIS_RATE
        start = self._heard_until if self._open and isinstance(item, SpeechPiece) else item.span.start - item.lead
        self._open, self._heard_until = not item.final, start + seconds
        if not self._split:
            return item
        self._split = False
        if item.span.end - start < _SHORTEST:
            self._split = not item.final
            return None
        return replace(item, span=Span(start, item.span.end), lead=0.0)

    def _numbered(self, messages: Iterable[Any]) -> list[Any]:
        return [self._told(message) if isinstance(message, Utterance) else message for message in messages]

    def _told(self, said: Utterance) -> Utterance:
        """An utterance with its number in the session."""
        if self._count_on:
            self._offset, self._count_on = max(0, self._last_seq + 1 - said.seq), False
        self._last_seq = said.seq + self._offset
        if said.words:
            self.heard_language = said.language
        return replace(said, seq=self._last_seq)


def _is_farewell(message: object) -> bool:
    """Whether it says that no word will ever come, which is not so: another recogniser goes on."""
    return isinstance(message, FeatureBlock) and message.settled_until == FOREVER
