"""Words put together to what is read at once: utterances, cues of subtitles and their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from dmd_runtime.recording.export.provenance import one_line
from dmd_runtime.recording.reader import RecordedWord

PAUSE: Final = 0.7
"""Seconds of silence that end an utterance."""
_SENTENCE_END: Final = re.compile(r"[.!?…。！？]['\"’”»)\]]*$")
_UNSPACED: Final = r"[\u0e00-\u0eff\u1780-\u17ff\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]"
_BETWEEN: Final = re.compile(f"(?<={_UNSPACED}) (?={_UNSPACED})")


def utterances(
    words: Iterable[RecordedWord], *, pause: float = PAUSE, longest: float = float("inf"), most: float = float("inf")
) -> list[tuple[RecordedWord, ...]]:
    """Words in groups that end at a pause, before they are longer than they may be, and, once half full, at a sentence.

    Parameters
    ----------
    words : iterable of RecordedWord
        In the order of time; those without any visible character are left out.
    pause : float
        Seconds without a word.
    longest : float
        Seconds from the start of the first word to the end of the last.
    most : float
        Characters of the text, blanks included.
    """
    groups: list[list[RecordedWord]] = []
    begin = end = 0.0
    size = 0
    for word in words:
        length = len(one_line(word.text))
        if not length:
            continue
        start, stop = word.span
        full = groups and (stop - begin > longest or size + 1 + length > most)
        said = groups and size > most / 2 and _SENTENCE_END.search(groups[-1][-1].text.strip())
        if not groups or start - end >= pause or full or said:
            groups.append([])
            begin, end, size = start, stop, -1
        groups[-1].append(word)
        end, size = max(end, stop), size + 1 + length
    return [tuple(group) for group in groups]


def end_of(group: Sequence[RecordedWord]) -> float:
    """Seconds: when the last of its words has ended."""
    return max(word.span.end for word in group)


def spaced(group: Sequence[RecordedWord]) -> list[str]:
    """The words of a group with the blank that each needs before it; together they are its text."""
    texts = [one_line(word.text) for word in group]
    return [
        text if i == 0 or _BETWEEN.search(f"{texts[i - 1][-1]} {text[0]}") else f" {text}"
        for i, text in enumerate(texts)
    ]


def text_of(group: Sequence[RecordedWord]) -> str:
    """The words of a group as text on one line."""
    return "".join(spaced(group))


def line_break(pieces: Sequence[str], most: int) -> int | None:
    """Which of the pieces should begin a second line, so that both are about as long; None where one line will do."""
    ends = list(accumulate(map(len, pieces)))
    if len(pieces) < 2 or ends[-1] <= most:
        return None
    return min(range(1, len(pieces)), key=lambda i: abs(2 * ends[i - 1] - ends[-1]))
