"""Where a growing text is divided for an encoder that reads all of what it is given: pure.

Rows were learned on utterances, which :class:`~dmd_runtime.features.speech_cuts.VoiceActivityConfig` cuts at seven
seconds at the latest. Speech that goes on for longer is read in stretches as long: the work for a new word is bounded,
and what was said before them changes no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dmd_runtime.messages import Word

LONGEST = 7.0
"""Seconds of a stretch at most; a single word may be longer."""
MOST_WORDS = 64
"""Words of a stretch at most: 7 s of the fastest speech have 50."""
_SENTENCE_END = (".", "?", "!", "。", "？", "！")


class Stretch(NamedTuple):
    """Words ``begin`` to ``end`` (exclusive); ``fixed`` where no word to come, and no tentative one, can change it."""

    begin: int
    end: int
    fixed: bool


def stretches(words: Sequence[Word]) -> Iterator[Stretch]:
    """Divide words in the order in which they were said; every word is in one stretch.

    Where more than ``LONGEST`` or ``MOST_WORDS`` follow one another, a stretch ends behind the last sentence within
    them, else in the longest pause of their later half. That depends on the words up to the first one too many alone,
    so that a stretch is fixed as soon as this one is committed, however the words have come.
    """
    begin = 0
    while begin < len(words):
        count, decided = _first(words[begin:])
        yield Stretch(begin, begin + count, decided)
        begin += count


def _first(words: Sequence[Word]) -> tuple[int, bool]:
    latest = words[0].span.start + LONGEST
    over = next((i for i, word in enumerate(words) if i == MOST_WORDS or word.span.end > latest), None)
    if over is None:
        return len(words), False
    decided = words[over].committed
    for count in range(over, 0, -1):
        if words[count - 1].text.endswith(_SENTENCE_END):
            return count, decided
    half = over // 2
    pauses = [words[i + 1].span.start - words[i].span.end for i in range(half, over)]
    return (half + int(np.argmax(pauses)) + 1 if pauses else 1), decided
