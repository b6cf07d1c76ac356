"""A machine's time and a loudspeaker that do what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from desktop.replay.sound import Fill
from dmd_runtime import DeviceError

LATENCY = 0.05
"""Seconds from the callback until what it gave is heard."""


class FakeTime:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self._now = 100.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class FakeSpeaker:
    """An :data:`~desktop.replay.sound.OpenOutput`; asks for sound when the test does."""

    def __init__(self, time: FakeTime | None = None, *, refuses: str = "") -> None:
        self.time = time
        self.refuses = refuses
        self.opened = self.closed = 0
        self.rate = 0
        self._fill: Fill | None = None
        self.on_end: Callable[[], None] = lambda: None

    def __call__(self, rate: int, fill: Fill, machine: Callable[[], float], on_end: Callable[[], None]) -> FakeSpeaker:
        if self.refuses:
            raise DeviceError(self.refuses)
        self.opened += 1
        self.rate, self._fill, self.on_end = rate, fill, on_end
        self._machine = machine
        return self

    def ask(self, count: int) -> np.ndarray:
        """What would be heard next, float32 (count,)."""
        assert self._fill is not None
        out = np.full(count, 9.0, dtype=np.float32)
        self._fill(out, self._machine() + LATENCY)
        return out

    def close(self) -> None:
        self.closed += 1
        self._fill = None
