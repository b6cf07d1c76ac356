"""What is measured of a transcription: errors against a reference, and how long after it was said a word was certain.

Pure. Words are compared without case and punctuation. Latency is computation-aware in the sense of Machacek, Dabre and
Bojar, "Turning Whisper into Real-Time Transcription System" (2023, https://arxiv.org/abs/2307.14743): the clock charges
what decoding really took.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_MARKS = re.compile(r"[^\w']")


class SpokenWord(NamedTuple):
    """A word of the reference, and when it was said, in seconds of the stream."""

    text: str
    start: float
    end: float


class CommittedWord(NamedTuple):
    """A word of the transcription, and when it became certain, in seconds on the clock."""

    text: str
    at: float


class Matched(NamedTuple):
    """An alignment: ``pairs`` of (reference, transcription) indices, equal or substituted, and the errors."""

    pairs: tuple[tuple[int, int], ...]
    substituted: int
    deleted: int
    inserted: int

    @property
    def errors(self) -> int:
        """All three kinds."""
        return self.substituted + self.deleted + self.inserted


def plain(text: str) -> str:
    """``text`` in lower case without punctuation."""
    return _MARKS.sub("", text.lower().replace("’", "'")).strip("'")


def words_of(text: str) -> list[str]:
    """The words of a text, plain, without those that are only marks."""
    return [word for word in map(plain, text.replace("-", " ").split()) if word]


def align(reference: Sequence[str], said: Sequence[str]) -> Matched:
    """The alignment with the fewest errors (Levenshtein) of two sequences of plain words."""
    n, m = len(reference), len(said)
    cost: npt.NDArray[np.int32] = np.empty((n + 1, m + 1), dtype=np.int32)
    cost[0], cost[:, 0] = np.arange(m + 1), np.arange(n + 1)
    hypothesis = np.array(said, dtype=object)
    steps = np.arange(m + 1)
    for i in range(1, n + 1):
        through = cost[i - 1, :-1] + (hypothesis != reference[i - 1]) if m else cost[i - 1, :0]
        best = np.concatenate([[i], np.minimum(through, cost[i - 1, 1:] + 1)])
        cost[i] = np.minimum.accumulate(best - steps) + steps  # insertions along the row
    pairs, substituted, i, j = [], 0, n, m
    while i and j:
        differs = int(reference[i - 1] != said[j - 1])
        if cost[i, j] == cost[i - 1, j - 1] + differs:
            i, j, substituted = i - 1, j - 1, substituted + differs
            pairs.append((i, j))
        elif cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    paired = len(pairs)
    return Matched(tuple(reversed(pairs)), substituted, n - paired, m - paired)


def word_error_rate(reference: Sequence[str], said: Sequence[str]) -> float:
    """Errors over words of the reference; NaN without any."""
    return align(reference, said).errors / len(reference) if reference else float("nan")


def latencies(reference: Sequence[SpokenWord], committed: Sequence[CommittedWord]) -> npt.NDArray[np.float64]:
    """Seconds from the end of each recognised word to its commitment, and the ends: float64 (n, 2), by time.

    Words that were not recognised have none. One that was certain before it was over counts as it is, negative.
    """
    spoken = [plain(word.text) for word in reference]
    matched = align(spoken, [plain(word.text) for word in committed])
    rows = [
        (committed[j].at - reference[i].end, reference[i].end)
        for i, j in matched.pairs
        if spoken[i] == plain(committed[j].text)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def slope(values: npt.NDArray[np.float64], times: npt.NDArray[np.float64]) -> float:
    """Growth of ``values`` in their unit per minute of ``times`` (s), by least squares; NaN below three values."""
    if len(values) < 3:
        return float("nan")
    return float(np.polyfit(times / 60.0, values, 1)[0])


def summary(values: npt.NDArray[np.float64]) -> dict[str, float]:
    """``n``, ``mean``, ``p50``, ``p95``; None-like NaN without values."""
    if not len(values):
        return {"n": 0, "mean": float("nan"), "p50": float("nan"), "p95": float("nan")}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "mean": float(values.mean()), "p50": float(p50), "p95": float(p95)}
