"""Session time: seconds since the session started, the only time that messages carry."""

from __future__ import annotations

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """What stages need of time; tests pass a fake that only moves when told to."""

    def now(self) -> float:
        """Session time in seconds; never goes back."""
        ...

    def wait_until(self, t: float, interrupt: Event) -> bool:
        """Block until session time ``t`` or until ``interrupt`` is set; True if ``t`` was reached."""
        ...


class SessionClock:
    """The monotonic clock of the machine, counted from the moment of construction or of the last :meth:`restart`.

    Thread-safe once started: it holds one float.
    """

    def __init__(self) -> None:
        self._origin = time.monotonic()

    def restart(self) -> None:
        """Make now the zero of session time (called once, when the first source is about to deliver)."""
        self._origin = time.monotonic()

    def now(self) -> float:
        """Seconds since the origin."""
        return time.monotonic() - self._origin

    def wait_until(self, t: float, interrupt: Event) -> bool:
        """See :class:`Clock`."""
        # Event.wait may return a little early; the loop makes the promise exact.
        while (remaining := t - self.now()) > 0:
            if interrupt.wait(remaining):
                return False
        return not interrupt.is_set()
