"""Figures about the pipeline itself: how fast each stage is, what it dropped, what waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np

_KEPT = 512  # durations remembered per stage: percentiles over the last half minute or so, memory bounded


class StageStats:
    """Counts and durations of one stage; written by its thread, read by any."""

    def __init__(self, depth: Callable[[], int] = lambda: 0, dropped: Callable[[], int] = lambda: 0) -> None:
        self._durations: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self._counted = 0
        self._lock = Lock()
        self._depth = depth
        self._dropped = dropped

    @property
    def count(self) -> int:
        """Items handled so far."""
        return self._count

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count one item and the time spent on it."""
        begun = time.perf_counter()
        yield
        self.note(time.perf_counter() - begun)

    def note(self, seconds: float) -> None:
        """Count one item that took ``seconds``."""
        with self._lock:
            self._durations.append(seconds)
            self._count += 1

    def snapshot(self, elapsed: float) -> dict[str, float]:
        """Figures over the ``elapsed`` seconds since the last snapshot (durations: over the last 512 items)."""
        with self._lock:
            recent, done = np.array(self._durations), self._count - self._counted
            self._counted = self._count
        p50, p95 = np.percentile(recent, (50, 95)) * 1e3 if len(recent) else (0.0, 0.0)
        return {
            "rate": round(done / elapsed, 2) if elapsed > 0 else 0.0,
            "p50_ms": round(float(p50), 2),
            "p95_ms": round(float(p95), 2),
            "drops": self._dropped(),
            "depth": self._depth(),
        }
