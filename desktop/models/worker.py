"""Work off the window's thread, one job after the other."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Worker:
    """A thread for one kind of work, there as long as there is any: a window that is idle has none too many.

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
        self._changed = threading.Lock()
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

    def clear(self) -> None:
        """Forget what has not begun."""
        with self._changed:
            self._jobs.clear()

    def close(self, timeout: float) -> bool:
        """Forget what has not begun and wait for the rest; returns whether it ended in time."""
        with self._changed:
            self._closing = True
            self._jobs.clear()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._thread = None
                    return
                job = self._jobs.pop() if self._newest_first else self._jobs.popleft()
            try:
                job()
            except Exception:  # the next job may fare better
                logger.exception("%s: a job failed", self._name)
