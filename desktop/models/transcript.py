"""The words of a session: committed ones are only ever added to, tentative ones are replaced as a whole. No widgets.

The runtime tells the same words twice: a final :class:`~dmd_runtime.Utterance` at once, then each of its words as a
:class:`~dmd_runtime.Word` when it is known whether the speaker was in view. The two come from different threads, so
either may be first. A word is known by its span and text, which never change once it is committed: whichever message
comes first adds it, the other one only adds what it knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from math import isfinite
from typing import Final

from PySide6.QtCore import QObject, Signal

from dmd_runtime import SpeechActivity, Utterance, Word

KEPT: Final = 2000
"""Committed words that are kept, about a quarter of an hour of talk; the session folder has them all."""
_TOGETHER = 0.3  # s: voiced stretches nearer than this are one
_ROUND = 0.05  # s that the end of a voiced stretch may lie after the end of its utterance
_SPACELESS = (  # scripts written without spaces between words: Thai to Khmer, kana, Han, full-width forms
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3000, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x20000, 0x3FFFF),
)


def gap_between(left: str, right: str) -> str:
    """What stands between two words: a space, or nothing where the script has none."""
    if not left or not right:
        return ""
    return "" if _is_spaceless(left[-1]) and _is_spaceless(right[0]) else " "


class Transcript:
    """Committed and tentative words, without Qt.

    Attributes
    ----------
    first : int
        Number of the oldest word that is kept; words are numbered from 0 in the order in which they were committed.
    committed_until : float
        End of the last committed word.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.first = 0
        self.committed_until = 0.0
        self._kept = kept
        self._words: deque[Word] = deque()
        self._numbers: dict[tuple[float, float, str], int] = {}
        self._forgotten_until = float("-inf")
        self._tentative: tuple[Word, ...] = ()
        self._tentative_seq = -1
        self._final_seq = -1

    @property
    def end(self) -> int:
        """Number of the next word to be committed."""
        return self.first + len(self._words)

    def word(self, number: int) -> Word:
        """The committed word with this number, ``first <= number < end``."""
        return self._words[number - self.first]

    @property
    def committed(self) -> Sequence[Word]:
        """All committed words that are kept, oldest first."""
        return tuple(self._words)

    @property
    def tentative(self) -> tuple[Word, ...]:
        """Words that may still change; none that lies where words are committed already."""
        return tuple(w for w in self._tentative if (w.span.start + w.span.end) / 2 > self.committed_until)

    def take_utterance(self, utterance: Utterance) -> None:
        """Commit a final utterance's words, or replace the tentative ones; what comes too late is ignored."""
        if utterance.final:
            self._final_seq = max(self._final_seq, utterance.seq)
            if self._tentative_seq <= utterance.seq:
                self._tentative = ()
            self._commit(utterance.words)
        elif utterance.seq > self._final_seq and utterance.seq >= self._tentative_seq:
            certain = tuple(takewhile(lambda w: w.committed, utterance.words))
            self._tentative, self._tentative_seq = utterance.words[len(certain) :], utterance.seq
            self._commit(certain)

    def take_word(self, word: Word) -> int | None:
        """Take one committed word; return its number where it was there already and something new is known of it."""
        number = self._numbers.get(_key(word))
        if number is None:
            self._commit((word,))
            return None
        if word.speaker_visible is None or self.word(number).speaker_visible is not None:
            return None
        self._words[number - self.first] = replace(self.word(number), speaker_visible=word.speaker_visible)
        return number

    def _commit(self, words: Iterable[Word]) -> None:
        for word in words:
            if _key(word) in self._numbers or word.span.end <= self._forgotten_until:
                continue
            self._numbers[_key(word)] = self.end
            self._words.append(replace(word, committed=True))
            self.committed_until = max(self.committed_until, word.span.end)
        while len(self._words) > self._kept:
            old = self._words.popleft()
            del self._numbers[_key(old)]
            self._forgotten_until = max(self._forgotten_until, old.span.end)
            self.first += 1


class SpeechLag:
    """How far the words are behind the voice: seconds since the oldest voice of which nothing is final yet."""

    def __init__(self) -> None:
        self._final_until = 0.0
        self._voiced: deque[tuple[float, float]] = deque(maxlen=256)

    def take_activity(self, activity: SpeechActivity) -> None:
        """Take voiced stretches; it does no harm if some messages between were skipped."""
        spans: list[tuple[float, float]] = list(activity.spans)
        if activity.speaking and isfinite(activity.settled_until):
            spans.append((activity.settled_until, activity.settled_until))
        for start, end in spans:
            if self._voiced and start - self._voiced[-1][1] < _TOGETHER:
                begun, until = self._voiced.pop()
                self._voiced.append((begun, max(until, end)))
            else:
                self._voiced.append((start, end))
        self._forget()

    def take_utterance(self, utterance: Utterance) -> None:
        """Everything up to the end of a final utterance or of a committed word is decided, understood or not."""
        ends = [w.span.end for w in utterance.words if w.committed]
        until = utterance.span.end if utterance.final else max(ends, default=0.0)
        if until > self._final_until:
            self._final_until = until
            self._forget()

    def behind(self, now: float) -> float | None:
        """Seconds at ``now``; None where no voice waits for its words."""
        if not self._voiced:
            return None
        return max(0.0, now - max(self._final_until, self._voiced[0][0]))

    def _forget(self) -> None:
        while self._voiced and self._voiced[0][1] <= self._final_until + _ROUND:
            self._voiced.popleft()


class TranscriptModel(QObject):
    """The words and how far they are behind; touched by the window's thread only.

    Attributes
    ----------
    lag : float or None
        Seconds from what was said to what is committed, at the last :meth:`note_time`; None where nothing waits.
    absent : str
        Why there are no words, else empty.

    Signals
    -------
    committed : words ``first`` to ``end`` (not included) were added.
    trimmed : words before this number are no longer kept.
    attributed : of this word it is now known whether the speaker was in view.
    tentative_changed : the tentative words are others.
    lag_changed, absent_changed
    cleared : everything is gone.
    """

    committed = Signal(int, int)
    trimmed = Signal(int)
    attributed = Signal(int)
    tentative_changed = Signal()
    lag_changed = Signal()
    absent_changed = Signal()
    cleared = Signal()

    def __init__(self, parent: QObject | None = None, *, kept: int = KEPT) -> None:
        super().__init__(parent)
        self._kept = kept
        self._transcript = Transcript(kept)
        self._speech = SpeechLag()
        self.lag: float | None = None
        self.absent = ""

    @property
    def first(self) -> int:
        """Number of the oldest word that is kept."""
        return self._transcript.first

    @property
    def end(self) -> int:
        """Number of the next word to be committed."""
        return self._transcript.end

    @property
    def words(self) -> Sequence[Word]:
        """Committed words, oldest first; they never change but for ``speaker_visible`` becoming known."""
        return self._transcript.committed

    @property
    def tentative(self) -> tuple[Word, ...]:
        """Words that may still change."""
        return self._transcript.tentative

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return self.end == 0 and not self.tentative

    @property
    def model_is_missing(self) -> bool:
        """Whether there are no words because a model is missing, which can be helped."""
        return "missing" in self.absent

    def word(self, number: int) -> Word:
        """The committed word with this number, ``first <= number < end``."""
        return self._transcript.word(number)

    def take_utterance(self, utterance: Utterance) -> None:
        """Take what the recogniser made of a stretch of speech."""
        self._speech.take_utterance(utterance)
        before = self.end, self.first, self.tentative
        self._transcript.take_utterance(utterance)
        self._tell(*before)

    def take_word(self, word: Word) -> None:
        """Take a committed word."""
        before = self.end, self.first, self.tentative
        number = self._transcript.take_word(word)
        self._tell(*before)
        if number is not None:
            self.attributed.emit(number)

    def take_activity(self, activity: SpeechActivity) -> None:
        """Take where there was voice."""
        self._speech.take_activity(activity)

    def note_time(self, now: float) -> None:
        """Tell the session time; the lag is measured against it."""
        lag = None if self.absent else self._speech.behind(now)
        if lag != self.lag:
            self.lag = lag
            self.lag_changed.emit()

    def set_absent(self, reason: str) -> None:
        """Say why there are no words, or, empty, that there are some."""
        if reason != self.absent:
            self.absent = reason
            self.absent_changed.emit()

    def reset(self) -> None:
        """Forget all words, for a new session."""
        self._transcript, self._speech = Transcript(self._kept), SpeechLag()
        self.lag = None
        self.cleared.emit()
        self.lag_changed.emit()

    def _tell(self, end: int, first: int, tentative: tuple[Word, ...]) -> None:
        if self.end > end:
            self.committed.emit(max(end, self.first), self.end)
        if self.first > first:
            self.trimmed.emit(self.first)
        if self.tentative != tentative:
            self.tentative_changed.emit()


def _key(word: Word) -> tuple[float, float, str]:
    return (word.span.start, word.span.end, word.text)


def _is_spaceless(letter: str) -> bool:
    return any(low <= ord(letter) <= high for low, high in _SPACELESS)
