"""The words of an annotated film, as they are said: lines that are set once and fill up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dmd_runtime.recording.export.canvas import CARD, DIM, INK, Box, Canvas, mixed
from dmd_runtime.recording.export.typeface import Type, is_right_to_left
from dmd_runtime.recording.reader import RecordedWord

_TYPE, _NOTE = Type(20), Type(16)
_LINE, _HEAD, _FOOT = 30, 38, 10  # px: a line's height, what the title and the lower edge take
_PAUSE: Final = 1.5  # s of silence after which a new line begins
_SAID: Final = 4.0  # s after its end for which the last line stays in ink


@dataclass
class _Line:
    """Words that stand in one line, and where each begins."""

    words: list[RecordedWord] = field(default_factory=list)
    lefts: list[int] = field(default_factory=list)


class Transcript:
    """Committed words; each appears when it is said, the one being said is underlined.

    Parameters
    ----------
    words : sequence of RecordedWord
        In the order of time.
    box : Box
        Of the card, without its margins left and right.
    """

    def __init__(self, words: Sequence[RecordedWord], box: Box) -> None:
        self._box = box
        self._lines = _set(words, box.width)
        self._starts = np.array([word.span.start for word in words])
        self._place = [(n, i) for n, line in enumerate(self._lines) for i in range(len(line.words))]
        self._shown = max(1, (box.height - _HEAD - _FOOT) // _LINE)

    def state(self, t: float) -> tuple[int, bool, bool]:
        """What there is to draw: the last word begun, whether it is being said, and whether it is recent."""
        last = self._last(t)
        if last < 0:
            return -1, False, False
        n, i = self._place[last]
        end = self._lines[n].words[i].span.end
        return last, t < end, t < end + _SAID

    def draw(self, canvas: Canvas, t: float) -> None:
        """Draw what was said up to ``t`` s."""
        last = self._last(t)
        if last < 0:
            if not self._place:
                canvas.text(self._box.x, self._box.y + _HEAD + 21, "no words were recognised", _NOTE, DIM)
            return
        now, until = self._place[last]
        _, saying, recent = self.state(t)
        first = max(0, now - self._shown + 1)
        for row, line in enumerate(self._lines[first : now + 1]):
            base = self._box.y + _HEAD + row * _LINE + 21
            current = first + row == now
            for i, (word, left) in enumerate(zip(line.words, line.lefts, strict=True)):
                if current and i > until:
                    break
                x = self._box.x + left
                width = canvas.text(x, base, word.text, _TYPE, INK if current and recent else mixed(DIM, CARD, 0.85))
                if current and saying and i == until:
                    canvas.card(Box(x, base + 5, width, 2), INK, 1)

    def _last(self, t: float) -> int:
        return int(np.searchsorted(self._starts, t + 1e-9, side="right")) - 1


def _set(words: Sequence[RecordedWord], room: int) -> list[_Line]:
    """Break words into lines: where they are full, and where somebody paused."""
    space = _TYPE.width("n n") - _TYPE.width("nn")
    lines: list[_Line] = []
    at, before = 0, float("-inf")
    for word in words:
        width = _TYPE.width(word.text)
        if not lines or at + width > room or word.span.start - before > _PAUSE:
            lines.append(_Line())
            at = 0
        lines[-1].words.append(word)
        lines[-1].lefts.append(at)
        at += width + space
        before = word.span.end
    for line in lines:
        if is_right_to_left(word.text for word in line.words):
            line.lefts = [
                room - left - _TYPE.width(word.text) for left, word in zip(line.lefts, line.words, strict=True)
            ]
    return lines
