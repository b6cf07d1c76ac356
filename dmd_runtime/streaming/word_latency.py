"""How long after it was said a word is certain: written by the words thread, read by the one that tells health."""

from __future__ import annotations

from collections import deque
from threading import Lock

import numpy as np

from dmd_runtime.messages import Utterance

_KEPT = 256  # words: a minute or two of talk


class WordLatency:
    """Seconds on the session's clock from the end of a word to the message that commits it.

    Words carry media time, and a live source is captured as the clock goes; of an unpaced file the figures say nothing.
    """

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=_KEPT)
        self._until = float("-inf")
        self._first: deque[float] = deque(maxlen=_KEPT)
        self._begun = -1  # seq of the last utterance that has shown a word
        self._ended = float("-inf")  # of the last one that is final; one that begins there goes on with it
        self._lag = 0.0
        self._lock = Lock()

    def note(self, utterance: Utterance, now: float) -> None:
        """Take an utterance at session time ``now``."""
        with self._lock:
            self._lag = now - utterance.span.end
            if utterance.words and utterance.seq > self._begun:
                self._begun = utterance.seq
                if utterance.span.start > self._ended:
                    self._first.append(now - utterance.span.start)
            if utterance.final:
                self._ended = utterance.span.end
            for word in utterance.words:
                if word.committed and word.span.end > self._until:
                    self._until = word.span.end
                    self._latencies.append(now - word.span.end)

    def figures(self) -> dict[str, float]:
        """Mean and 95th percentile of the last 256 words, median of first partials, lag of the last message.

        Seconds; a figure without anything to tell is left out.
        """
        with self._lock:
            words, first = np.array(self._latencies), np.array(self._first)
            out = {"lag_s": self._lag} if len(words) or len(first) else {}
        if len(words):
            out |= {"committed_mean_s": float(words.mean()), "committed_p95_s": float(np.percentile(words, 95))}
        if len(first):
            out["first_partial_p50_s"] = float(np.median(first))
        return {name: round(value, 3) for name, value in out.items()}
