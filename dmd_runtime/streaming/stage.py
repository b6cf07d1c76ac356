"""A stage: one named thread that takes from a channel, runs blocks, and hands on what they say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from dmd_runtime.messages import Message
from dmd_runtime.streaming.channel import Channel, ChannelClosed
from dmd_runtime.streaming.health import StageStats

T = TypeVar("T")
logger = logging.getLogger(__name__)

Step = Callable[[T, tuple[Any, ...]], Sequence[Any]]
"""What a stage does with an item and with the traces of those that were dropped before it."""


class Stage(Generic[T]):
    """One thread between a channel and an ``emit`` function.

    Parameters
    ----------
    name : str
        Thread name and the key in health figures.
    channel : Channel
        Closing it ends the stage after what is inside has been handled.
    step, finish : callables
        Run on the stage's thread only.
    emit : callable
        Takes each message that came out.
    on_failure : callable
        Told when the stage died; the session goes on without it.
    open : callable, optional
        Run first, on the stage's thread: what may take seconds, such as loading a model that belongs to one thread.
    is_work : callable
        Which items count in the figures; marks that are only handed on do not.
    figures : callable
        More figures of its own for the stage's health; called on any thread.
    """

    def __init__(
        self,
        name: str,
        channel: Channel[T],
        step: Step[T],
        finish: Callable[[], Sequence[Message]],
        *,
        emit: Callable[[Message], None],
        on_failure: Callable[[str, BaseException], None],
        open: Callable[[], None] | None = None,  # noqa: A002 - the verb of every resource in this program
        is_work: Callable[[T], bool] = lambda _: True,
        figures: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.name = name
        self.ready = threading.Event()
        """Set once ``open`` is over, well or badly."""
        self.channel = channel
        self.stats = StageStats(depth=lambda: channel.depth, dropped=lambda: channel.dropped)
        self.figures = figures
        self._step = step
        self._finish = finish
        self._emit = emit
        self._on_failure = on_failure
        self._open = open
        self._is_work = is_work
        self._thread = threading.Thread(target=self._run, name=f"dmd-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; True if it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if self._open is not None:
                self._open()
            self.ready.set()
            while True:
                try:
                    item, skipped = self.channel.get()
                except ChannelClosed:
                    break
                if self._is_work(item):
                    with self.stats.timed():
                        out = self._step(item, skipped)
                else:
                    out = self._step(item, skipped)
                for message in out:
                    self._emit(message)
            for message in self._finish():
                self._emit(message)
        except Exception as error:  # the boundary of a thread: publish the death, never lose it
            logger.exception("stage %s died", self.name)
            self.channel.close()
            self._on_failure(self.name, error)
        finally:
            self.ready.set()
