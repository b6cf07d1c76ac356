"""Where playback is: the sound's own time where there is sound to hear, else the machine's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 0.5
"""Seconds that pictures wait for a sound that was promised, before they go on without it."""
_JUMP = 0.03  # s: a larger step of what is heard is taken at once, a smaller one is jitter and is followed gently
_GENTLE = 0.1


class PlaybackClock:
    """Session time of what is to be seen and heard now. Any thread may ask; seconds throughout.

    :meth:`follow` ties it to the sound: ``t`` is heard at the machine's time ``at``. Between two such notes, and where
    there are none, it runs on the machine's time.

    Parameters
    ----------
    now : callable
        The machine's time, in seconds, that never steps back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.machine = now
        self._lock = threading.Lock()
        self._t = 0.0
        self._at = 0.0  # by the machine, from when on time runs
        self._speed = 1.0
        self._runs = False
        self._held = False
        self._until = float("inf")

    def now(self) -> float:
        """Session time."""
        with self._lock:
            return self._now()

    @property
    def speed(self) -> float:
        """Seconds of the session a second."""
        return self._speed

    @property
    def runs(self) -> bool:
        """Whether it plays."""
        return self._runs

    def set_end(self, end: float) -> None:
        """It never goes beyond ``end``."""
        with self._lock:
            self._until = end

    def start(self, t: float, *, wait: float = 0.0) -> None:
        """Run from ``t``; for ``wait`` seconds it stands there, unless :meth:`follow` tells better."""
        with self._lock:
            self._t, self._at, self._runs, self._held = t, self.machine() + wait, True, wait > 0

    def stop(self, t: float | None = None) -> None:
        """Stand, at ``t`` or where it is."""
        with self._lock:
            self._t, self._runs = self._now() if t is None else t, False

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        with self._lock:
            waits = max(0.0, self._at - self.machine())
            self._t, self._at, self._speed = self._now(), self.machine() + waits, speed

    def follow(self, t: float, at: float) -> None:
        """``t`` is heard when the machine's time is ``at``; of no effect while it stands."""
        with self._lock:
            if not self._runs:
                return
            error = t - (self._t + (at - self._at) * self._speed)
            if self._held or abs(error) > _JUMP * max(1.0, self._speed):
                self._t, self._at, self._held = t, at, False
            else:
                self._t += _GENTLE * error

    def hold(self) -> None:
        """Wait for the sound, which is late; not for long."""
        with self._lock:
            if self._runs and not self._held:
                self._t, self._at, self._held = self._now(), self.machine() + PATIENCE, True

    def machine_time_of(self, t: float) -> float:
        """When the machine's time will be at ``t`` of the session, as things are."""
        with self._lock:
            return self._at + (t - self._t) / self._speed

    def _now(self) -> float:
        if not self._runs:
            return self._t
        return min(self._until, self._t + max(0.0, self.machine() - self._at) * self._speed)
