"""A microphone on its own thread: sound timed by its sample count, holes told, opened again when it is back."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from PySide6.QtCore import QObject

from desktop.capture.devices import MicrophoneChoice
from desktop.capture.sound_input import InputStream, OnChunk, Sound, open_input
from desktop.capture.sound_track import Resampler, SoundTrack, mono
from desktop.capture.thread import RETRY, CaptureThread
from dmd_runtime import ANALYSIS_RATE, AudioBlock, Clock, DeviceError

logger = logging.getLogger(__name__)

OpenMicrophone: TypeAlias = Callable[[str | None, OnChunk, Callable[[], None]], InputStream]

_CAPACITY = 256  # chunks: 8 s of sound at 32 ms each
_GRACE = 0.25  # s more, for a program that was too busy itself to notice what came
_WARN_EVERY = 10.0  # s
_LOG_PPM = 50.0  # a drift is logged when it has changed by this much


class _Chunk(NamedTuple):
    """What the device handed over at once; ``captured`` is the session time of its first sample, stamped once."""

    sound: Sound
    captured: float
    missing: int
    """Samples refused before it, because the queue was full."""
    overrun: bool
    """Some were lost before it, nobody knows how many."""


class _Inlet:
    """What PortAudio's thread does with sound: stamp, copy, queue; all of it quick. One for each opened stream."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._chunks: queue.Queue[_Chunk | None] = queue.Queue(_CAPACITY)
        self._missing = 0
        self._overrun = False

    def put(self, sound: Sound, age: float, overrun: bool) -> None:
        """PortAudio's thread: take float32 (n, channels) whose first sample is ``age`` seconds old."""
        chunk = _Chunk(sound.copy(), self._clock.now() - age, self._missing, overrun or self._overrun)
        try:
            self._chunks.put_nowait(chunk)
        except queue.Full:
            self._missing += len(sound)
            self._overrun = chunk.overrun
        else:
            self._missing, self._overrun = 0, False

    def end(self) -> None:
        """Any thread: let the reader wake up, behind what is queued."""
        with contextlib.suppress(queue.Full):  # then the reader does not wait
            self._chunks.put_nowait(None)

    def get(self, timeout: float) -> _Chunk | None:
        """Return the next chunk, or None where :meth:`end` was called; ``queue.Empty`` after ``timeout`` seconds."""
        return self._chunks.get(timeout=timeout)


class MicrophoneThread(CaptureThread):
    """Records one microphone and gives blocks of mono sound at the analysis rate to ``sink`` on this thread.

    The time of a block is the count of samples, which begins when the first sample was captured. What is missing
    (between two plugs, in an overrun, by a device clock that runs slow) is ``lost`` of the next block, never silence.

    Signals, life: see :class:`~desktop.capture.thread.CaptureThread`.

    Attributes
    ----------
    choice : MicrophoneChoice
        What was chosen; once it was open, the very device that was found, so that no other takes its place.
    track : SoundTrack
        Holds the count; to be read, not touched, by other threads.

    Parameters
    ----------
    choice : MicrophoneChoice
    sink : callable
    clock : Clock
    track : SoundTrack, optional
        That of the thread which this one follows, so that time goes on.
    open_microphone : callable, optional
        Opens and starts the device of a name (None: the default one); raises DeviceError.
    """

    stall_after = 1.0

    def __init__(
        self,
        choice: MicrophoneChoice,
        sink: Callable[[AudioBlock], None],
        clock: Clock,
        *,
        track: SoundTrack | None = None,
        open_microphone: OpenMicrophone = open_input,
        retry_every: float = RETRY,
        parent: QObject | None = None,
    ) -> None:
        super().__init__("dmd-microphone", clock, retry_every=retry_every, parent=parent)
        self.choice = choice
        self.track = track if track is not None else SoundTrack()
        self._sink = sink
        self._open_microphone = open_microphone
        self._stream: InputStream | None = None
        self._inlet = _Inlet(clock)
        self._resampler: Resampler | None = None  # of the open stream, from its first chunk on
        self._rate = ANALYSIS_RATE
        self._logged_ppm = 0.0
        self._warned_at: float | None = None

    @property
    def drift_ppm(self) -> float | None:
        """How much faster than its nominal rate the device runs, in millionths; None until that is known."""
        return self.track.clock.drift_ppm

    @property
    def corrected_samples(self) -> int:
        """Samples marked lost, or dropped, only because count and clock had drifted apart."""
        return self.track.clock.corrected

    def _open(self) -> str:
        self._inlet = inlet = _Inlet(self._clock)
        self._resampler = None
        name = None if self.choice.kind == "default" else self.choice.name
        self._stream = stream = self._open_microphone(name, inlet.put, inlet.end)
        if name is not None:
            self.choice = replace(self.choice, name=stream.name, missing=False)
        self._rate = stream.rate
        return stream.description

    def _next(self) -> object | None:
        chunk = self._wait_for_chunk(self.first_after if self._resampler is None else self.stall_after)
        if chunk is None and not self.is_ending:
            text = self.tr("Microphone “{name}” was unplugged, or its sound system ended.")
            raise DeviceError(text.format(name=self.choice.name))
        return chunk

    def _wait_for_chunk(self, seconds: float) -> _Chunk | None:
        for patience in (seconds, _GRACE):
            with contextlib.suppress(queue.Empty):
                return self._inlet.get(patience)
        raise DeviceError(self._silence())

    def _take(self, item: object) -> None:
        assert isinstance(item, _Chunk)
        missing, overrun = round(item.missing * ANALYSIS_RATE / self._rate), item.overrun
        if self._resampler is None:
            self._resampler = Resampler(self._rate)
            self._give(self.track.begin(item.captured))
            overrun = False  # there was nothing before
        elif missing or overrun:
            self._warn_of_loss()
            self._flush(item.captured)
        sound = self._resampler(mono(item.sound))
        ended = item.captured + len(item.sound) / self._rate
        self._give(self.track.add(sound, ended, missing=missing, overrun=overrun))
        self._log_drift()

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _finish(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                chunk = self._inlet.get(0.0)
                if chunk is not None:
                    self._take(chunk)
        if self._resampler is not None:
            self._flush(self._clock.now())
            self._give(self.track.finish())
            self._resampler = None

    def _flush(self, now: float) -> None:
        """Get out what the resampler holds, so that nothing is mixed across a hole."""
        assert self._resampler is not None
        rest = self._resampler.finish()
        if len(rest):
            self._give(self.track.add(rest, now))

    def _give(self, blocks: list[AudioBlock]) -> None:
        for block in blocks:
            self._sink(block)

    def _wake(self) -> None:
        self._inlet.end()

    def _silence(self) -> str:
        return self.tr("Microphone “{name}” gives no sound.").format(name=self.choice.name)

    def _warn_of_loss(self) -> None:
        now = self._clock.now()
        if self._warned_at is None or now - self._warned_at > _WARN_EVERY:
            self._warned_at = now
            logger.warning("%s: sound was lost, the machine is too busy", self.objectName())

    def _log_drift(self) -> None:
        drift = self.drift_ppm
        if drift is not None and abs(drift - self._logged_ppm) > _LOG_PPM:
            self._logged_ppm = drift
            logger.info("%s: the device runs %+.0f ppm against the clock", self.objectName(), drift)
