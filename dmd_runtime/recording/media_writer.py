"""Pictures and sound of a session into ``media.mkv``, on a thread of its own, so that a crash costs a second at most.

Matroska with these options can be played to its last written cluster however the program ends: ``flush_packets`` gives
every packet to the system at once, ``cluster_time_limit`` ends a cluster, which FFmpeg holds back until then, every
0.4 s, and ``max_interleave_delta`` keeps the muxer from holding one stream back while the other stands still. Time
stamps are session time.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import AudioBlock, Message, UInt8, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE

logger = logging.getLogger(__name__)

NAME: Final = "media.mkv"
OPTIONS: Final = {"flush_packets": "1", "cluster_time_limit": "400", "max_interleave_delta": "300000"}
CODEC_OPTIONS: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "250", "threads": "1"}
_KEY_EVERY: Final = 1.0  # s, at any rate of pictures: what a replay must decode at most before it can show one
_FRAMES: Final = 45  # that wait at most: one and a half seconds
_SAMPLES: Final = 64 * ANALYSIS_RATE  # that wait at most: about a minute of sound
_SIZE: Final = (640, 480)  # where no picture came in time to tell
_WAIT_FOR_PICTURE: Final = 2.0  # s of sound, before the file is begun without one
_VIDEO_BASE, _AUDIO_BASE = Fraction(1, 1000), Fraction(1, ANALYSIS_RATE)
_PATIENCE: Final = 60.0  # s for what waits to be written at the end


@dataclass(frozen=True, kw_only=True)
class MediaCounts:
    """What was written and what was not: pictures, samples at 16 kHz, bytes."""

    frames: int = 0
    frames_dropped: int = 0
    audio_samples: int = 0
    audio_lost: int = 0
    bytes: int = 0


class _Amount(NamedTuple):
    """So many pictures and samples."""

    frames: int = 0
    samples: int = 0

    @classmethod
    def of(cls, item: VideoFrame | AudioBlock) -> _Amount:
        return cls(frames=1) if isinstance(item, VideoFrame) else cls(samples=len(item.samples))

    def __add__(self, other: _Amount) -> _Amount:  # type: ignore[override]
        return _Amount(self.frames + other.frames, self.samples + other.samples)

    def __sub__(self, other: _Amount) -> _Amount:
        return _Amount(self.frames - other.frames, self.samples - other.samples)


class MediaWriter:
    """A subscriber that writes pictures and sound; nobody who hands something over waits, unless asked to.

    A picture for which there is no room is left out and counted; so is sound, beyond a minute that waits. Sound that
    was lost leaves a hole in the time stamps. Pictures of another size than the first are fitted into it. What was
    captured before session time 0 is not in the file.

    Parameters
    ----------
    folder : Path
        ``media.mkv`` must not be there.
    video, audio : bool
        What will come; at least one.
    patient : bool
        Whoever hands something over waits for room instead: for sources that are read as fast as they can be.
    on_failure : callable
        Called once, on the writer's thread, when the file cannot be written any more.

    Raises
    ------
    RecordingError
        The file cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        video: bool,
        audio: bool,
        patient: bool = False,
        on_failure: Callable[[RecordingError], None] | None = None,
    ) -> None:
        self.path = folder / NAME
        self.failure: RecordingError | None = None
        self._video, self._audio = video, audio
        self._patient = patient
        self._on_failure = on_failure
        self._waiting: deque[VideoFrame | AudioBlock] = deque()
        self._came, self._held, self._kept = _Amount(), _Amount(), _Amount()  # held: waits, or is being written
        self._closed = False
        self._changed = threading.Condition()
        try:
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self._thread = threading.Thread(target=self._run, name="dmd-recorder", daemon=True)
        self._thread.start()

    def __call__(self, message: Message) -> None:
        """Take a picture or a block of sound; anything else is not for this file."""
        if isinstance(message, VideoFrame):
            self._put(message, picture=True)
        elif isinstance(message, AudioBlock):
            self._put(message, picture=False)

    @property
    def counts(self) -> MediaCounts:
        """So far; any thread."""
        try:
            size = os.fstat(self._file).st_size if self._file >= 0 else self.path.stat().st_size
        except OSError:
            size = 0
        with self._changed:
            return MediaCounts(
                frames=self._kept.frames,
                frames_dropped=self._came.frames - self._held.frames - self._kept.frames,
                audio_samples=self._kept.samples,
                audio_lost=self._came.samples - self._held.samples - self._kept.samples,
                bytes=size,
            )

    @property
    def is_over(self) -> bool:
        """Whether nobody writes the file any more."""
        return not self._thread.is_alive()

    def sync(self) -> None:
        """Have the disk keep what was written; any thread but the session's."""
        with self._changed:
            if self._file < 0:
                return
            file = os.dup(self._file)  # the descriptor may be closed meanwhile
        try:
            os.fsync(file)
        except OSError as error:
            self._fail(error)
        finally:
            os.close(file)

    def finish(self, timeout: float = _PATIENCE, progress: Callable[[float], None] | None = None) -> None:
        """Write what waits, and the end of the file; bounded. Idempotent.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier, or not in time.
        """
        with self._changed:
            self._closed = True
            most = max(1, len(self._waiting))
            self._changed.notify_all()
        step, waited = 0.1, 0.0
        while self._thread.is_alive() and waited < timeout:
            self._thread.join(step)
            waited += step
            if progress is not None:
                progress(1 - min(1.0, len(self._waiting) / most))
        if self._thread.is_alive():
            raise RecordingError(
                f"{self.path}: was not finished within {timeout:g} s; what was written can be recovered"
            )
        with self._changed:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
        if self.failure is not None:
            raise self.failure

    # ------------------------------------------------------------ any thread

    def _put(self, item: VideoFrame | AudioBlock, *, picture: bool) -> None:
        with self._changed:
            if self._patient:
                self._changed.wait_for(lambda: self._closed or self._has_room)
            if self._closed or not (self._video if picture else self._audio):
                return
            amount = _Amount.of(item)
            self._came += amount
            if isinstance(item, AudioBlock):
                self._came += _Amount(samples=item.lost)
            is_full = self._held.frames >= _FRAMES if picture else self._held.samples >= _SAMPLES
            if is_full or self.failure is not None:
                return
            self._held += amount
            self._waiting.append(item)
            self._changed.notify_all()

    @property
    def _has_room(self) -> bool:
        return self.failure is not None or (self._held.frames < _FRAMES and self._held.samples < _SAMPLES)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            if self.failure is not None:
                return
            reason = getattr(error, "strerror", None) or error
            self.failure = RecordingError(f"{self.path}: cannot be written: {reason}")
            self._waiting.clear()
            self._held = _Amount()
            self._changed.notify_all()  # whoever waits for room waits for nothing
        logger.error("%s", self.failure)
        if self._on_failure is not None:
            self._on_failure(self.failure)

    # ----------------------------------------------------- the writer's thread

    def _run(self) -> None:
        file: _File | None = None
        try:
            file = self._begin()
            while file is not None and (item := self._next()) is not None:
                self._write(file, item)
        except Exception as error:  # noqa: BLE001 - whatever breaks the file must not break the session
            self._fail(error)
        try:
            if file is not None:
                file.close()
            if self.failure is None:
                os.fsync(self._file)
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        while self._next() is not None:  # counted as lost; nobody takes them any more
            pass

    def _begin(self) -> _File | None:
        """Begin the file with the first picture's size, or without one where none comes in time; None at the end."""
        held: list[AudioBlock] = []
        while (item := self._next()) is not None:
            if isinstance(item, VideoFrame):
                height, width = item.image.shape[:2]
                file = _File(self.path, (width // 2 * 2, height // 2 * 2), audio=self._audio)
                self._write(file, *held, item)
                return file
            held.append(item)
            if not self._video or item.end - held[0].t >= _WAIT_FOR_PICTURE:
                break
        if not held:
            return None
        file = _File(self.path, _SIZE if self._video else None, audio=True)
        self._write(file, *held)
        return file

    def _next(self) -> VideoFrame | AudioBlock | None:
        """The next item; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            return self._waiting.popleft()

    def _write(self, file: _File, *items: VideoFrame | AudioBlock) -> None:
        for item in items:
            kept = file.picture(item) if isinstance(item, VideoFrame) else file.sound(item)
            with self._changed:
                self._kept += kept
                self._held -= _Amount.of(item)
                self._changed.notify_all()


class _File:
    """The container and its streams; one thread."""

    def __init__(self, path: Path, size: tuple[int, int] | None, *, audio: bool) -> None:
        import av  # noqa: PLC0415 - only when something is recorded

        self._av = av
        self._container: Any = av.open(str(path), "w", format="matroska", options=dict(OPTIONS))
        self._video: Any = None
        self._audio: Any = None
        self._converter = av.video.reformatter.VideoReformatter()  # one for all: a frame's own costs four times as much
        self._size = size
        self._last = -1  # pts of the last picture
        self._key_due = 0.0
        if size is not None:
            self._video = self._container.add_stream("libx264", rate=30, options=dict(CODEC_OPTIONS))
            self._video.width, self._video.height = size
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = _VIDEO_BASE
        if audio:
            self._audio = self._container.add_stream("pcm_s16le", rate=ANALYSIS_RATE, layout="mono")
            self._audio.codec_context.time_base = _AUDIO_BASE

    def picture(self, item: VideoFrame) -> _Amount:
        """Write a picture; returns what is in the file."""
        if item.t < 0:
            return _Amount()
        rgb = self._av.VideoFrame.from_ndarray(fitted(item.image, self._size or _SIZE), format="rgb24")
        frame = self._converter.reformat(rgb, format="yuv420p", threads=1)
        if item.t >= self._key_due:
            frame.pict_type = self._av.video.frame.PictureType.I
            self._key_due = item.t + _KEY_EVERY
        frame.pts = self._last = max(self._last + 1, round(item.t / _VIDEO_BASE))
        frame.time_base = _VIDEO_BASE
        self._container.mux(self._video.encode(frame))
        return _Amount(frames=1)

    def sound(self, item: AudioBlock) -> _Amount:
        """Write a block; returns what is in the file."""
        if item.rate != ANALYSIS_RATE:
            raise RecordingError(f"expected sound at {ANALYSIS_RATE} Hz, got {item.rate} Hz")
        number = round(item.t * ANALYSIS_RATE)  # of its first sample
        samples = item.samples[max(0, -number) :]
        if not len(samples):
            return _Amount()
        values = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        frame = self._av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = ANALYSIS_RATE, _AUDIO_BASE
        frame.pts = max(0, number)
        self._container.mux(self._audio.encode(frame))
        return _Amount(samples=len(samples))

    def close(self) -> None:
        try:
            for stream in (self._video, self._audio):
                if stream is not None:
                    self._container.mux(stream.encode(None))
        finally:
            self._container.close()


def fitted(image: UInt8, size: tuple[int, int]) -> UInt8:
    """``image`` uint8 (H, W, 3) in a picture of (width, height): as it is, less an odd row or column, or scaled to fit
    between black borders.
    """  # noqa: D205
    width, height = size
    h, w = image.shape[:2]
    if (w // 2 * 2, h // 2 * 2) == (width, height):
        return np.ascontiguousarray(image[:height, :width])
    scale = min(width / w, height / h)
    inner_w, inner_h = max(2, round(w * scale)), max(2, round(h * scale))
    rows = np.minimum((np.arange(inner_h) + 0.5) * h / inner_h, h - 1).astype(np.int64)
    columns = np.minimum((np.arange(inner_w) + 0.5) * w / inner_w, w - 1).astype(np.int64)
    out = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    out[top : top + inner_h, left : left + inner_w] = image[rows[:, None], columns]
    return out
