"""The words of a recorded session as a text: where each word stands, when it was said, what was searched for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QObject, Signal

from desktop.models.transcript import gap_between

PAUSE: Final = 1.2
"""Seconds of silence after which a new paragraph begins."""
_LONG = 60  # words after which a paragraph ends at the next short pause
_SHORT_PAUSE = 0.4  # s


@dataclass(frozen=True, eq=False)
class RecordedText:
    """A text and, for each of its words, where it begins in characters, and its times in seconds."""

    text: str = ""
    places: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    certainty: tuple[float, ...] = ()
    unseen: frozenset[int] = field(default_factory=frozenset)
    """Words at which no face was in view."""

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def of(cls, words: tuple[tuple[float, float, str, float, bool | None], ...]) -> RecordedText:
        """Made of (start, end, text, p, speaker visible) in the order of time."""
        pieces: list[str] = []
        places: list[int] = []
        at, run = 0, 0
        for i, (start, _, text, _, _) in enumerate(words):
            gap = ""
            if i:
                pause = start - words[i - 1][1]
                breaks = pause >= PAUSE or (run >= _LONG and pause >= _SHORT_PAUSE)
                gap = "\n" if breaks else gap_between(words[i - 1][2], text)
                run = 0 if breaks else run
            pieces += [gap, text]
            places.append(at + len(gap))
            at += len(gap) + len(text)
            run += 1
        return cls(
            "".join(pieces),
            tuple(places),
            tuple(len(word[2]) for word in words),
            tuple(word[0] for word in words),
            tuple(word[1] for word in words),
            tuple(word[3] for word in words),
            frozenset(i for i, word in enumerate(words) if word[4] is False),
        )

    def word_at_place(self, place: int) -> int | None:
        """The word at a character, or the one before."""
        i = bisect_right(self.places, place) - 1
        return i if i >= 0 else None

    def word_at(self, t: float) -> int | None:
        """The word that is said at ``t``, or was said last."""
        i = bisect_right(self.starts, t + 1e-6) - 1
        return i if i >= 0 else None

    def find(self, wanted: str) -> list[tuple[int, int]]:
        """Places and lengths of all occurrences, whatever the case."""
        wanted = " ".join(wanted.lower().split())
        if not wanted:
            return []
        text = self.text.lower().replace("\n", " ")
        if len(text) != len(self.text):  # a few letters are longer in lower case
            text, wanted = self.text.replace("\n", " "), " ".join(wanted.split())
        found, at = [], text.find(wanted)
        while at >= 0:
            found.append((at, len(wanted)))
            at = text.find(wanted, at + len(wanted))
        return found


class ReplayTextModel(QObject):
    """The transcript of a replay; on the window's thread.

    Attributes
    ----------
    text : RecordedText
    word : int or None
        The word that is being said, or was last.
    wanted : str
        What is searched for.
    hits : list of (place, length)
    hit : int
        The one that is shown, -1 for none.
    absent : str
        Why there are no words.

    Signals
    -------
    text_changed, word_changed, hits_changed
    """

    text_changed = Signal()
    word_changed = Signal()
    hits_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.text = RecordedText()
        self.word: int | None = None
        self.wanted = ""
        self.hits: list[tuple[int, int]] = []
        self.hit = -1
        self.absent = ""

    def set_text(self, text: RecordedText, absent: str = "") -> None:
        """Show another text."""
        self.text, self.absent, self.word = text, absent, None
        self.hits, self.hit = [], -1  # of the other text
        self.text_changed.emit()
        self.search(self.wanted)

    def move(self, t: float) -> None:
        """The play head is at ``t``."""
        word = self.text.word_at(t)
        if word != self.word:
            self.word = word
            self.word_changed.emit()

    def search(self, wanted: str) -> None:
        """Find all places of ``wanted``."""
        self.wanted = wanted
        self.hits, self.hit = self.text.find(wanted), -1
        self.hits_changed.emit()

    def next_hit(self, by: int = 1) -> float | None:
        """Go to the next (-1: the previous) place; returns when it was said."""
        if not self.hits:
            return None
        if self.hit < 0:  # the first after the play head
            here = self.text.places[self.word] if self.word is not None else 0
            after = next((i for i, (place, _) in enumerate(self.hits) if place >= here), 0)
            self.hit = after if by > 0 else (after - 1) % len(self.hits)
        else:
            self.hit = (self.hit + by) % len(self.hits)
        self.hits_changed.emit()
        word = self.text.word_at_place(self.hits[self.hit][0])
        return None if word is None else self.text.starts[word]
