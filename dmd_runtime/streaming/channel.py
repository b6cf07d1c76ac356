"""Bounded channels between threads: each names its overflow policy, and every drop is counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, TypeVar

from dmd_runtime.errors import ConfigError

T = TypeVar("T")


class Overflow(Enum):
    """What a full channel does with one more item."""

    BLOCK = "block"
    """The sender waits: nothing is lost, the sender slows down."""
    DROP_OLDEST = "drop-oldest"
    """The oldest item is dropped and counted; the receiver is told which (video under load)."""
    REFUSE = "refuse"
    """``put`` returns False and counts; the sender accounts for it (audio: the next block says ``lost``)."""


class ChannelClosed(Exception):  # noqa: N818 - an end, not an error
    """Nothing more will come: the channel is closed and drained."""


class Channel(Generic[T]):
    """A bounded queue of messages between two threads.

    Parameters
    ----------
    name : str
        As shown in health figures.
    capacity : int
        Items held at most.
    overflow : Overflow
    trace : callable, optional
        What is kept of an item that is dropped, for the receiver; by default the item itself.
    """

    def __init__(
        self, name: str, capacity: int, overflow: Overflow, trace: Callable[[T], Any] = lambda item: item
    ) -> None:
        if capacity < 1:
            raise ConfigError(f"channel {name}: capacity must be at least 1, got {capacity}")
        self.name = name
        self.capacity = capacity
        self.overflow = overflow
        self._items: deque[T] = deque()
        self._trace = trace
        self._skipped: list[Any] = []
        self._closed = False
        self._dropped = 0
        self._changed = threading.Condition()

    @property
    def depth(self) -> int:
        """Items waiting now."""
        return len(self._items)

    @property
    def dropped(self) -> int:
        """Items lost to the overflow policy so far."""
        return self._dropped

    def put(self, item: T) -> bool:
        """Hand ``item`` over; False where it was refused or the channel is closed (then it is gone)."""
        with self._changed:
            if self.overflow is Overflow.BLOCK:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self.capacity)
            if self._closed:
                return False
            if len(self._items) >= self.capacity:
                self._dropped += 1
                if self.overflow is Overflow.REFUSE:
                    return False
                self._skipped.append(self._trace(self._items.popleft()))
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None = None) -> tuple[T, tuple[Any, ...]]:
        """Take the oldest item and the traces of whatever was dropped before it.

        Raises
        ------
        TimeoutError
            Nothing came within ``timeout`` seconds.
        ChannelClosed
            The channel is closed and empty.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or bool(self._items), timeout):
                raise TimeoutError
            if not self._items:
                raise ChannelClosed(self.name)
            item = self._items.popleft()
            skipped, self._skipped = tuple(self._skipped), []
            self._changed.notify_all()
            return item, skipped

    def close(self) -> None:
        """Let nothing more in; what is inside can still be taken. Idempotent, wakes everyone who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Latest(Generic[T]):
    """A slot that holds only the newest value: the sender never waits, the reader never lags."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._version = 0
        self._lock = threading.Lock()

    def put(self, value: T) -> None:
        """Replace the value."""
        with self._lock:
            self._value = value
            self._version += 1

    def get(self) -> tuple[int, T | None]:
        """The version (0 = never set) and the value; two equal versions are the same value."""
        with self._lock:
            return self._version, self._value
