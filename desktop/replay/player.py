"""Plays a medium: pictures and sound in step, at any speed, from anywhere. No widgets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal

from desktop.replay.clock import PATIENCE, PlaybackClock
from desktop.replay.pictures import PictureThread
from desktop.replay.sound import OpenOutput, SoundThread, open_output
from dmd_runtime import VideoFrame

if TYPE_CHECKING:  # loads FFmpeg's libraries: not before a session is opened
    from dmd_runtime import MediaTimeline, Medium

logger = logging.getLogger(__name__)

TICK_MS: Final = 16
_STEP = 0.04  # s of a single step where there are no pictures
_LEAST_LOOP = 0.05  # s
_WAIT_MS = 5000  # that a thread may take to end
_left_behind: list[QThread] = []  # destroying a thread that runs would end the program


class Player(QObject):
    """Playback of one medium, or of time alone where there is none. Lives on the window's thread, which never decodes.

    Signals
    -------
    picture(VideoFrame)
    moved(float)
        Session time, about 60 times a second while it plays.
    changed()
        Playing, speed, loop or mute.
    opened(MediaTimeline)
        The medium is known; :attr:`end` may have grown.
    trouble(str key, str text)
        ``sound`` or ``pictures`` are missing, in words; an empty text: no longer.

    Attributes
    ----------
    end : float
        Session time at which there is nothing more.
    timeline : MediaTimeline or None
    loop : (start, end) or None
    playing : bool
    """

    picture = Signal(object)
    moved = Signal(float)
    changed = Signal()
    opened = Signal(object)
    trouble = Signal(str, str)

    def __init__(
        self,
        medium: Medium | None,
        end: float,
        *,
        output: OpenOutput = open_output,
        searches: bool = True,
        clock: PlaybackClock | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.clock = clock or PlaybackClock()
        self.end = end
        self.timeline: MediaTimeline | None = None
        self.loop: tuple[float, float] | None = None
        self.playing = False
        self._position = 0.0
        self._sound: SoundThread | None = None
        self._sound_problem = ""
        self._pictures: PictureThread | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.clock.set_end(end)
        if medium is not None:
            self._pictures = PictureThread(medium, self.clock)
            self._pictures.ready.connect(self._take)
            self._pictures.opened.connect(self._know)
            self._pictures.trouble.connect(self._lose_pictures)
            self._sound = SoundThread(medium, self.clock, output=output)
            self._sound.trouble.connect(self._hear_trouble)
            if searches:
                self._pictures.search()
            self._pictures.start()
            self._sound.start()

    def search(self) -> None:
        """Find the timeline, where that was put off (``searches=False``): what is more urgent has been done."""
        if self._pictures is not None:
            self._pictures.search()

    def set_end(self, end: float) -> None:
        """There is nothing after ``end``."""
        self.end = end
        self.clock.set_end(end)

    # -------------------------------------------------------------- commands

    @property
    def position(self) -> float:
        """Session time."""
        return self.clock.now() if self.clock.runs else self._position

    @property
    def speed(self) -> float:
        """Seconds of the session a second."""
        return self.clock.speed

    @property
    def muted(self) -> bool:
        """Whether the sound is off."""
        return self._sound is not None and self._sound.is_mute

    def play(self) -> None:
        """Go on from here; from the start where it stands at the end."""
        if self.playing or self.end <= 0:
            return
        begin, end = self.loop or (0.0, self.end)
        if not begin <= self._position < end - 1e-3:
            self._position = begin
        self.playing = True
        self._run(self._position)
        self._timer.start()
        self.changed.emit()

    def pause(self) -> None:
        """Stand where it is."""
        if not self.playing:
            return
        self._position = self.position
        self.playing = False
        self._stand(self._position)
        self.changed.emit()

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing:
            self.pause()
        else:
            self.play()

    def seek(self, t: float) -> None:
        """Go to ``t``, and on from there if it plays."""
        self._position = min(self.end, max(0.0, t))
        if self.playing:
            self._run(self._position)
        else:
            self._stand(self._position)
        self.moved.emit(self._position)

    def scrub(self, t: float) -> None:
        """Show ``t`` while the play head is dragged; nothing is heard until :meth:`seek`."""
        self._position = min(self.end, max(0.0, t))
        self._stand(self._position)
        self.moved.emit(self._position)

    def step(self, by: int) -> None:
        """Stand, ``by`` pictures from the one that is shown."""
        self.pause()
        timeline = self.timeline
        if timeline is None or not len(timeline):
            self.seek(self._position + by * _STEP)
            return
        number = min(len(timeline) - 1, max(0, timeline.index(self._position) + by))
        self.seek(float(timeline.times[number]))

    def set_speed(self, speed: float) -> None:
        """Seconds of the session a second, 0.25 to 4; at once."""
        if speed == self.clock.speed:
            return
        t = self.position
        self.clock.set_speed(speed)
        if self.clock.runs:
            self._run(t)
        self.changed.emit()

    def set_loop(self, loop: tuple[float, float] | None) -> None:
        """Repeat from ``start`` to ``end``; None plays on."""
        self.loop = loop if loop is None or loop[1] - loop[0] >= _LEAST_LOOP else None
        self.changed.emit()

    def set_mute(self, mute: bool) -> None:
        """Turn the sound off, or on."""
        if self._sound is not None:
            self._sound.is_mute = mute
            self.changed.emit()

    def close(self) -> None:
        """End the threads. Idempotent; bounded."""
        self._timer.stop()
        self.playing = False
        self.clock.stop()
        threads = [thread for thread in (self._pictures, self._sound) if thread is not None]
        self._pictures = self._sound = None
        for thread in threads:
            thread.finish()
        for thread in threads:
            if not thread.wait(_WAIT_MS):
                logger.error("%s would not end", thread.objectName())
                _left_behind.append(thread)

    # --------------------------------------------------------------- threads

    def _run(self, t: float) -> None:
        sound, wait = self._sound, 0.0
        if sound is not None:
            wait = 0.0 if sound.is_silent else PATIENCE
            sound.play(t, self.clock.speed)  # before the clock: what waits to be heard must not move it
        self.clock.start(t, wait=wait)
        if self._pictures is not None:
            self._pictures.follow()

    def _stand(self, t: float) -> None:
        if self._sound is not None and self.clock.runs:
            self._sound.pause()
        self.clock.stop(t)
        if not self.playing:
            self._timer.stop()
        if self._pictures is not None:
            self._pictures.show(t)

    def _tick(self) -> None:
        if not self.clock.runs:  # the play head is dragged
            return
        t = self.clock.now()
        if self.loop is not None and t >= self.loop[1]:
            self.seek(self.loop[0])
        elif t >= self.end:
            self.pause()
            self.seek(self.end)
        else:
            self.moved.emit(t)

    def _take(self) -> None:
        frame: VideoFrame | None = self._pictures.take() if self._pictures is not None else None
        if frame is not None:
            self.picture.emit(frame)

    def _know(self, timeline: MediaTimeline) -> None:
        self.timeline = timeline
        self.set_end(max(self.end, timeline.end))
        self.opened.emit(timeline)
        self._hear_trouble(self._sound_problem)

    def _hear_trouble(self, problem: str) -> None:
        """A medium without sound is none, which is known only with the timeline."""
        self._sound_problem = problem
        if self.timeline is not None and self.timeline.has_sound:
            self.trouble.emit("sound", problem)

    def _lose_pictures(self, problem: str) -> None:
        self.trouble.emit("pictures", problem)
