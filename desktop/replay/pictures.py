"""Pictures of a replay: decoded by a thread of its own, which follows the clock or the last wish."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, QThread, Signal

import dmd_runtime
from desktop.replay.clock import PlaybackClock
from dmd_runtime import DMDError, Latest, VideoFrame

if TYPE_CHECKING:  # loads FFmpeg's libraries: not before a session is opened
    from dmd_runtime import FrameReader, MediaTimeline, Medium

logger = logging.getLogger(__name__)

FASTEST: Final = 1 / 60
"""Seconds between two pictures that are shown; at high speeds some are passed over."""
_LONGEST = 0.25  # s without a look at the clock
_UNKNOWN = 0.1  # s between pictures while it plays and the timeline is not known
_THREADS: Final = max(1, min(4, (os.cpu_count() or 2) // 2))


class PictureThread(QThread):
    """Shows the picture of the clock's time while it runs, else that of the last :meth:`show`; the latest wish wins.

    Where another wish comes while it is on its way from the key picture, it shows how far it got and goes on to that:
    who drags the play head sees pictures near it, and the very one as soon as it rests.

    Signals
    -------
    ready()
        :meth:`take` has another picture; at most one of these is under way.
    opened(MediaTimeline)
        Where every picture lies.
    trouble(str)
        There are no pictures, in words.
    """

    ready = Signal()
    opened = Signal(object)
    trouble = Signal(str)

    def __init__(self, medium: Medium, clock: PlaybackClock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("replay-pictures")
        self._medium, self._clock = medium, clock
        self._wake = threading.Condition()
        self._wish: float | None = 0.0
        self._may_search = threading.Event()
        self._timeline: MediaTimeline | None = None
        self._version = 1
        self._ends = False
        self._shown: Latest[VideoFrame] = Latest()
        self._told = False

    def show(self, t: float) -> None:
        """The picture at ``t`` of the session, as soon as can be; an earlier wish that waits is forgotten."""
        self._tell(t)

    def follow(self) -> None:
        """Follow the clock, which runs or was set anew."""
        self._tell(None)

    def search(self) -> None:
        """Find out where every picture lies, which takes some work in a medium that was never played."""
        self._may_search.set()

    def finish(self) -> None:
        """End the thread; wait for it with ``wait``."""
        with self._wake:
            self._ends = True
            self._wake.notify_all()
        self._may_search.set()

    def take(self) -> VideoFrame | None:
        """The newest picture."""
        self._told = False
        return self._shown.get()[1]

    def _tell(self, wish: float | None) -> None:
        with self._wake:
            self._wish = wish
            self._version += 1
            self._wake.notify_all()

    # ---------------------------------------------------------- on the thread

    def run(self) -> None:
        """Qt's entry of the thread."""
        finder = threading.Thread(target=self._find, name="replay-timeline", daemon=True)
        try:
            reader = dmd_runtime.FrameReader(self._medium, threads=_THREADS)
        except DMDError as error:
            self._without(str(error))
            return
        try:
            self._put(reader.first)
            finder.start()
            self._serve(reader)
        except Exception as error:  # replay goes on without pictures, and says so
            logger.exception("pictures of the replay")
            self.trouble.emit(str(error))
        finally:
            self.finish()
            if finder.is_alive():
                finder.join()
            reader.close()

    def _without(self, why: str) -> None:
        """No pictures: sound alone is no trouble."""
        try:
            timeline = dmd_runtime.media_timeline(self._medium)
        except DMDError as error:
            self.trouble.emit(str(error))
            return
        self.opened.emit(timeline)
        if len(timeline):
            self.trouble.emit(why)

    def _find(self) -> None:
        """On a thread of its own: until the timeline is there, pictures are shown without their number."""
        self._may_search.wait()
        if self._ends:
            return
        try:
            found = dmd_runtime.media_timeline(self._medium, apart=True, unwanted=lambda: self._ends)
        except DMDError as error:
            logger.info("replay: %s", error)
            return
        with self._wake:
            self._timeline = found
            self._version += 1
            self._wake.notify_all()

    def _serve(self, reader: FrameReader) -> None:
        version, number = 0, -1
        timeline: MediaTimeline | None = None
        pause: float | None = 0.0
        while True:
            with self._wake:
                if self._version == version and not self._ends and (pause is None or pause > 0):
                    self._wake.wait(pause)
                if self._ends:
                    return
                moved, version, wish = self._version != version, self._version, self._wish
                new = self._timeline if timeline is None else None
            if new is not None:
                timeline = new
                reader.use(timeline)
                self.opened.emit(timeline)
            t = self._clock.now() if wish is None else wish
            follows = wish is None and self._clock.runs
            if timeline is None:
                if (moved and version > 1) or follows:
                    self._deliver(reader.glimpse, t)
                pause = _UNKNOWN if follows else None
                continue
            wanted = timeline.index(t)
            if wanted != number and wanted >= 0:
                there = self._deliver(partial(reader.frame, hurry=partial(self._is_past, version)), wanted)
                number = wanted if there == wanted or not self._is_past(version) else -1  # -1: it was hurried on
            pause = self._pause(timeline, number) if follows else None

    def _is_past(self, version: int) -> bool:
        """Whether there was another wish since."""
        return self._version != version

    def _deliver(self, read: Callable[[Any], VideoFrame], what: float) -> int:
        """Show a picture; returns its number."""
        try:
            frame = read(what)
        except DMDError as error:
            logger.warning("replay: %s", error)
            return -1
        self._put(frame)
        return frame.seq

    def _pause(self, timeline: MediaTimeline, number: int) -> float:
        """Seconds until the next picture is due."""
        if number + 1 >= len(timeline):
            return _LONGEST
        due = self._clock.machine_time_of(float(timeline.times[number + 1])) - self._clock.machine()
        return min(_LONGEST, max(FASTEST, due))

    def _put(self, frame: VideoFrame) -> None:
        self._shown.put(frame)
        if not self._told:
            self._told = True
            self.ready.emit()
