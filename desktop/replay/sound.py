"""Sound of a replay: decoded, stretched and queued ahead by a thread of its own, taken by the sound device.

The device's callback tells the clock what is heard when; see :class:`~desktop.replay.clock.PlaybackClock`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication, QObject, QThread, Signal

import dmd_runtime
from desktop.capture.portaudio import LIBRARY
from desktop.replay.clock import PlaybackClock
from dmd_runtime import DeviceError, DMDError

if TYPE_CHECKING:  # loads FFmpeg's libraries: not before a session is opened
    from dmd_runtime import Medium, SoundReader

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

Sound = npt.NDArray[np.float32]
Fill = Callable[[Sound, float], None]
"""Writes the next samples into float32 (n,); they are heard when the machine's time is the second argument."""

AHEAD: Final = 0.3
"""Seconds of sound, as it is heard, that are ready before the device asks."""
_PIECE = 0.05  # s, as heard, that is decoded at a time
_IDLE = 5.0  # s after a pause that the device is given back
_LATEST = 5.0  # s that the sound may begin after the pictures


class OutputStream(Protocol):
    """An open loudspeaker; asks for sound by its callback until it is closed."""

    def close(self) -> None:
        """Stop and release it; no callback runs afterwards."""
        ...


OpenOutput = Callable[[int, Fill, Callable[[], float], Callable[[], None]], OutputStream]
"""Open the loudspeaker: samples per second, what fills, the machine's time, what is told when it is gone by itself.
DeviceError where there is none."""


def open_output(rate: int, fill: Fill, machine: Callable[[], float], on_end: Callable[[], None]) -> OutputStream:
    """Open the default loudspeaker through PortAudio.

    Raises
    ------
    DeviceError
        There is none, it refuses, or PortAudio is missing.
    """
    with LIBRARY.lock:
        sd = LIBRARY.load()
        try:
            return _Loudspeaker(sd, rate, fill, machine, on_end)
        except sd.PortAudioError as error:
            if "device -1" in str(error):  # PortAudio's way to say that there is no default one
                raise DeviceError(translate("replay", "no loudspeaker was found")) from error
            text = translate("replay", "the loudspeaker cannot be opened: {reason}")
            raise DeviceError(text.format(reason=error.args[0])) from error


class _Loudspeaker:
    """See :class:`OutputStream`."""

    def __init__(
        self, sd: Any, rate: int, fill: Fill, machine: Callable[[], float], on_end: Callable[[], None]
    ) -> None:
        self._closing = False
        self._stream: Any = None

        def take(out: Sound, frames: int, when: Any, status: object) -> None:  # noqa: ARG001 - sounddevice's
            ahead = when.outputBufferDacTime - when.currentTime
            usual = self._stream.latency if self._stream is not None else 0.05
            fill(out[:, 0], machine() + (ahead if 0 < ahead < 2 else usual))

        def end() -> None:
            if not self._closing:
                on_end()

        sound: dict[str, Any] = {"samplerate": rate, "channels": 1, "dtype": "float32", "latency": "low"}
        self._stream = sd.OutputStream(callback=take, finished_callback=end, **sound)
        LIBRARY.streams += 1
        try:
            self._stream.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """See :class:`OutputStream`."""
        self._closing = True
        with LIBRARY.lock:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.close(ignore_errors=True)
                LIBRARY.streams -= 1


class SoundQueue:
    """Pieces of sound that wait to be heard, each with its session time. Filled by one thread, emptied by another.

    Attributes
    ----------
    rate : int
    on_low : callable
        Called by who takes, when little is left; must not wait.
    """

    def __init__(self) -> None:
        self.rate = 1
        self.on_low: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._pieces: deque[tuple[float, float, Sound]] = deque()
        self._waiting = 0
        self._version = 0

    @property
    def seconds(self) -> float:
        """What waits, as it will be heard."""
        return self._waiting / self.rate

    def put(self, version: int, t: float, speed: float, samples: Sound) -> None:
        """Add samples, the first of which belongs to ``t`` s of the session; of no effect if ``version`` is old."""
        with self._lock:
            if version == self._version:
                self._pieces.append((t, speed, samples))
                self._waiting += len(samples)

    def clear(self, version: int) -> None:
        """Drop what waits; only what is put with ``version`` is taken from now on."""
        with self._lock:
            self._pieces.clear()
            self._waiting, self._version = 0, version

    def take(self, out: Sound) -> float | None:
        """Fill ``out``, the rest with silence; returns the session time of its first sample, None where it has none."""
        at, done = None, 0
        with self._lock:
            while done < len(out) and self._pieces:
                t, speed, samples = self._pieces.popleft()
                count = min(len(samples), len(out) - done)
                out[done : done + count] = samples[:count]
                at = t if at is None else at
                done += count
                if count < len(samples):
                    self._pieces.appendleft((t + count / self.rate * speed, speed, samples[count:]))
            self._waiting -= done
            low = self._waiting < AHEAD * self.rate
        out[done:] = 0.0
        if low:
            self.on_low()
        return at


class SoundThread(QThread):
    """Keeps the queue of the loudspeaker full while the clock runs. Any thread may command it.

    Signals
    -------
    trouble(str)
        Why nothing is heard, while playback goes on by the machine's time; empty when something is heard again.

    Attributes
    ----------
    is_mute : bool
        Whether silence is played; the sound's time still leads.
    is_silent : bool
        Whether there is nothing to hear, or no loudspeaker to hear it by.
    """

    trouble = Signal(str)

    def __init__(
        self, medium: Medium, clock: PlaybackClock, *, output: OpenOutput = open_output, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("replay-sound")
        self.is_mute = self.is_silent = False
        self._medium, self._clock, self._output = medium, clock, output
        self._wake = threading.Condition()
        self._queue = SoundQueue()
        self._queue.on_low = self._nudge
        self._stream: OutputStream | None = None
        self._command: tuple[float, float] | None = None
        self._version = 0
        self._ends = False

    def play(self, t: float, speed: float) -> None:
        """Sound from ``t`` on; what waits is dropped."""
        self._tell((t, speed))

    def pause(self) -> None:
        """Nothing more."""
        self._tell(None)

    def finish(self) -> None:
        """End the thread; wait for it with ``wait``."""
        with self._wake:
            self._ends = True
            self._wake.notify_all()

    def _tell(self, command: tuple[float, float] | None) -> None:
        with self._wake:
            self._command = command
            self._version += 1
            self._queue.clear(self._version)
            self._wake.notify_all()

    # ---------------------------------------------------------- on the thread

    def run(self) -> None:
        """Qt's entry of the thread."""
        try:
            reader = dmd_runtime.SoundReader(self._medium)
        except DMDError as error:
            self._go_silent(str(error))
            return
        try:
            self._queue.rate = reader.rate
            self._serve(reader)
        except Exception as error:  # replay goes on without sound, and says so
            logger.exception("sound of the replay")
            self._go_silent(str(error))
        finally:
            self._close()
            reader.close()

    def _serve(self, reader: SoundReader) -> None:
        """Decode up to ``t``; ``heard`` is how far the stretched sound, which comes a little later, has come."""
        version, t, heard, tempo = -1, 0.0, 0.0, dmd_runtime.Tempo(reader.rate, 1.0)
        playing = False
        while True:
            with self._wake:
                if self._version == version and not self._ends and (not playing or self._queue.seconds >= AHEAD):
                    idle = not self._wake.wait(_IDLE) and not playing
                    if idle:
                        self._close()
                if self._ends:
                    return
                changed, version, command = self._version != version, self._version, self._command
            if changed:
                playing = command is not None and self._open(reader.rate)
            if changed and command is not None:
                late = self._clock.now() if self._clock.runs else command[0]  # opening the loudspeaker may take long
                t = late if 0 < late - command[0] < _LATEST else command[0]
                tempo = dmd_runtime.Tempo(reader.rate, command[1])
                heard = t + tempo.ahead
            if playing and self._queue.seconds < AHEAD:
                end = t + _PIECE * tempo.speed
                samples = tempo.push(reader.read(t, end))
                self._queue.put(version, heard, tempo.speed, samples)
                t, heard = end, heard + len(samples) / reader.rate * tempo.speed

    def _open(self, rate: int) -> bool:
        """Whether there is a loudspeaker."""
        if self._stream is not None and not self.is_silent:
            return True
        self._close()
        try:
            self._stream = self._output(rate, self._fill, self._clock.machine, self._lose)
        except DeviceError as error:
            self._go_silent(str(error))
            return False
        if self.is_silent:
            self.is_silent = False
            self.trouble.emit("")
        return True

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _go_silent(self, why: str) -> None:
        was, self.is_silent = self.is_silent, True
        if self._clock.runs:
            self._clock.start(self._clock.now())
        if not was:
            self.trouble.emit(why)

    # ---------------------------------------------------------- on the device's thread

    def _fill(self, out: Sound, at: float) -> None:
        t = self._queue.take(out)
        if self.is_mute:
            out[:] = 0.0
        if t is not None:
            self._clock.follow(t, at)
        elif self._command is not None:
            self._clock.hold()

    def _lose(self) -> None:
        if not self._ends:
            self._go_silent(translate("replay", "the loudspeaker is gone"))

    def _nudge(self) -> None:
        if self._wake.acquire(blocking=False):  # the device's thread must not wait; the next block nudges again
            self._wake.notify_all()
            self._wake.release()
