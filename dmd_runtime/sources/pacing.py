"""Items of several streams brought into one order, as fast as they are taken or at their times, like a live device."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from threading import Event
from typing import NamedTuple

from dmd_runtime.clock import Clock
from dmd_runtime.messages import AudioBlock, VideoFrame
from dmd_runtime.sources.base import MediaSink

BLOCK = 512
"""Samples in a block of sound: 32 ms."""

_AHEAD_ITEMS = 16  # decoded ahead of their time in a paced run, at most …
_AHEAD = 0.25  # … and this many seconds of media


class Timed(NamedTuple):
    """An item, the time at which a live device would have it (``due``), and the media time just after it."""

    due: float
    end: float
    item: VideoFrame | AudioBlock


def deliver(streams: Sequence[Iterator[Timed]], sink: MediaSink, clock: Clock, stop: Event, *, paced: bool) -> float:
    """Give ``sink`` the items of all streams in the order (if ``paced``, at the times) in which they are due.

    Returns the media time just after the last item delivered; soon after ``stop`` is set, or at the end.
    """
    items: Iterator[Timed] = heapq.merge(*streams, key=lambda timed: timed.due)
    end = 0.0
    for timed in _ahead(items, clock, stop) if paced else items:
        if stop.is_set():
            break
        if isinstance(timed.item, VideoFrame):
            sink.video(timed.item)
        else:
            sink.audio(timed.item)
        end = max(end, timed.end)
    return end


def _ahead(items: Iterator[Timed], clock: Clock, stop: Event) -> Iterator[Timed]:
    """Items at their times, decoded a little ahead while there is time, so that a costly picture delays nothing."""
    ready: deque[Timed] = deque()
    cost, more = 0.0, True
    while not stop.is_set():
        while more and (not ready or _room(ready, clock.now() + cost)):
            began = clock.now()
            timed = next(items, None)
            cost = max(clock.now() - began, 0.9 * cost)
            more = timed is not None
            if timed is not None:
                ready.append(timed)
        if not ready or not clock.wait_until(ready[0].due, stop):
            return
        yield ready.popleft()


def _room(ready: deque[Timed], done_at: float) -> bool:
    full = len(ready) >= _AHEAD_ITEMS or ready[-1].due - ready[0].due >= _AHEAD
    return not full and done_at < ready[0].due
