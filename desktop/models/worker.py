"""Work off the window's thread, one job after the other."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Worker:
    """A thread of its own for one kind of work; starts with the first.

    Parameters
    ----------
    name : str
    newest_first : bool
        What was asked for last is done first: it is what is on screen.
    """

    def __init__(self, name: str, *, newest_first: bool = False) -> None:
        self._name = name
        self._newest_first = newest_first
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Do ``job`` when its turn comes; nothing after :meth:`close`."""
        with self._changed:
            if self._closing:
                return
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def clear(self) -> None:
        """Forget what has not begun."""
        with self._changed:
            self._jobs.clear()

    def close(self, timeout: float) -> bool:
        """Forget what has not begun and wait for the rest; returns whether it ended in time."""
        with self._changed:
            self._closing = True
            self._jobs.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closing)
                if self._closing:
                    return
                job = self._jobs.pop() if self._newest_first else self._jobs.popleft()
            try:
                job()
            except Exception:  # the next job may fare better
                logger.exception("%s: a job failed", self._name)
