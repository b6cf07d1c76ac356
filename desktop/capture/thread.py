"""A thread that keeps one device open: opens it, hands on what it gives, says when it is gone, and tries again."""

from __future__ import annotations

import logging
import threading
from typing import Final

from PySide6.QtCore import QObject, QThread, Signal

from dmd_runtime import Clock, DeviceError

logger = logging.getLogger(__name__)

RETRY: Final = 1.0
"""Seconds between two attempts to open a device that is not there."""
STOP_MS: Final = 3000
"""Milliseconds that each of the two waits of :meth:`CaptureThread.stop` may take."""

_left_behind: list[CaptureThread] = []


class CaptureThread(QThread):
    """Base of the camera's and the microphone's thread; each object runs once.

    A subclass gives the verbs ``_open``, ``_next``, ``_take``, ``_close`` and ``_finish``, which run on this thread
    only. Whatever they raise is said in one line and ends in another attempt, until :meth:`stop`.

    A QCoreApplication must exist. The object belongs to the thread that makes it, which needs no event loop. The
    signals are emitted on the *capture* thread (``trouble`` of a stall on the one that calls :meth:`watch`): a
    QObject's slot in the window is called through its event loop as usual; connect a plain function with
    ``Qt.ConnectionType.DirectConnection``.

    Signals
    -------
    opened(str)
        The device delivers; a description for people. Once for each time it is opened.
    trouble(str)
        What is wrong, one line for people: it cannot be opened, or it was there and is gone. Once until that changes.
    recovered()
        It delivers again after trouble; behind ``opened`` where it was opened anew.

    Attributes
    ----------
    stall_after, first_after : float
        Seconds of session time without anything from the open device that count as trouble; ``first_after`` until the
        first item has come.
    """

    opened = Signal(str)
    trouble = Signal(str)
    recovered = Signal()

    stall_after = 2.0
    first_after = 5.0

    def __init__(self, name: str, clock: Clock, *, retry_every: float = RETRY, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._clock = clock
        self._retry_every = retry_every
        self._ending = threading.Event()
        self._handing_over = threading.Lock()
        self._abandoned = False
        self._saying = threading.Lock()
        self._problem = ""  # what was said last, until it is over
        self._description = ""  # of the open device, until it has been said
        self._waiting_since: float | None = None  # session time of the last item, or of opening
        self._patience = self.first_after

    # ------------------------------------------------------ for subclasses

    def _open(self) -> str:
        """Open the device and return what it is, for people; DeviceError where that fails."""
        raise NotImplementedError

    def _next(self) -> object | None:
        """Wait (boundedly) for what the device gives next; None where nothing came. DeviceError: it is gone."""
        raise NotImplementedError

    def _take(self, item: object) -> None:
        """Hand over what ``_next`` returned; not called any more once the thread is left behind."""
        raise NotImplementedError

    def _close(self) -> None:
        """Release the device, open or not."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Hand over what is left of a device that was just closed."""

    def _wake(self) -> None:
        """Let a ``_next`` that waits return soon. Any thread."""

    def _release(self) -> None:
        """Take the device from a ``_next`` that does not return, where the library can bear it. Any thread."""

    @property
    def is_ending(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._ending.is_set()

    # ---------------------------------------------------------- any thread

    def interrupt(self) -> None:
        """Ask for the end, without waiting. Idempotent."""
        self._ending.set()
        self.requestInterruption()
        self._wake()

    def stop(self, timeout_ms: int = STOP_MS) -> bool:
        """End the thread: interrupt, wait, release the device, wait again; True if it has ended. Idempotent.

        A thread that hangs in a driver cannot be ended: it is named in the log and in :func:`left_behind`, and nothing
        of what it may still get is handed over. It is never terminated.
        """
        self.interrupt()
        if self.wait(timeout_ms):
            return True
        logger.warning("%s has not ended after %d ms; its device is released", self.objectName(), timeout_ms)
        self._release()
        if self.wait(timeout_ms):
            return True
        held = self._handing_over.acquire(timeout=1.0)  # a receiver that hangs must not hang the caller, too
        self._abandoned = True
        if held:
            self._handing_over.release()
        logger.error("%s has not ended and is left behind", self.objectName())
        if self not in _left_behind:
            _left_behind.append(self)  # destroying a QThread that runs ends the program
        return False

    def watch(self) -> None:
        """Say so where the open device has given nothing for too long; call a few times a second."""
        since = self._waiting_since
        if since is not None and self._clock.now() - since > self._patience:
            self._say(self._silence())

    def _silence(self) -> str:
        """What to say of a device that is open and gives nothing."""
        return self.tr("The device delivers nothing.")

    # ---------------------------------------------------------- its thread

    def run(self) -> None:
        """Try until told to stop (QThread)."""
        threading.current_thread().name = self.objectName()
        try:
            while not self.is_ending:
                self._attempt()
                self._ending.wait(self._retry_every)
        finally:
            _forget_this_thread()

    def _attempt(self) -> None:
        try:
            self._description = self._open()
            self._patience = self.first_after
            self._waiting_since = self._clock.now()
            while not self.is_ending:
                item = self._next()
                if item is None:
                    continue
                with self._handing_over:
                    if self._abandoned:
                        return
                    self._take(item)
                self._note_item()
        except DeviceError as error:
            self._say(str(error))
        except Exception as error:  # the boundary of a thread: said, logged, and tried again
            logger.exception("%s failed", self.objectName())
            self._say(self.tr("Capture stopped working: {reason}").format(reason=f"{type(error).__name__}: {error}"))
        finally:
            self._waiting_since = None
            self._end_attempt()

    def _end_attempt(self) -> None:
        try:
            self._close()
            with self._handing_over:
                if not self._abandoned:
                    self._finish()
        except Exception:
            logger.exception("%s: the device could not be closed", self.objectName())

    def _note_item(self) -> None:
        self._waiting_since = self._clock.now()
        if not self._description and not self._problem:
            return
        with self._saying:
            description, self._description = self._description, ""
            problem, self._problem = self._problem, ""
        self._patience = self.stall_after
        if description:
            logger.info("%s: %s", self.objectName(), description)
            self.opened.emit(description)
        if problem:
            self.recovered.emit()

    def _say(self, problem: str) -> None:
        if self.is_ending:
            return
        with self._saying:
            if problem == self._problem:
                return
            self._problem = problem
        logger.warning("%s: %s", self.objectName(), problem)
        self.trouble.emit(problem)


def left_behind() -> tuple[CaptureThread, ...]:
    """Threads that did not end when stopped, and still run.

    A program that quits with any must leave by ``os._exit``: destroying a QThread that runs aborts it.
    """
    return tuple(thread for thread in _left_behind if thread.isRunning())


def _forget_this_thread() -> None:
    """Take this thread out of ``threading.enumerate()``, where Python keeps threads that it did not start for ever.

    WORKAROUND for https://github.com/python/cpython/issues/114423 (fixed in Python 3.13).
    """
    this = threading.current_thread()
    if isinstance(this, threading._DummyThread):
        with threading._active_limbo_lock:  # type: ignore[attr-defined]
            threading._active.pop(threading.get_ident(), None)  # type: ignore[attr-defined]
