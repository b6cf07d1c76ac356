"""The container of ``media.mkv`` and its streams: what a picture and a block of sound become in the file.

Matroska with these options can be played to its last written cluster however the program ends: ``flush_packets`` gives
every packet to the system at once, ``cluster_time_limit`` ends a cluster, which FFmpeg holds back until then, every
0.4 s, and ``max_interleave_delta`` keeps the muxer from holding one stream back while the other stands still. Time
stamps are session time.
"""

from __future__ import annotations

import os
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import AudioBlock, UInt8, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE

OPTIONS: Final = {"flush_packets": "1", "cluster_time_limit": "400", "max_interleave_delta": "300000"}
CODEC_OPTIONS: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "250", "threads": "1"}
_KEY_EVERY: Final = 1.0  # s, at any rate of pictures: what a replay must decode at most before it can show one
_VIDEO_BASE, _AUDIO_BASE = Fraction(1, 1000), Fraction(1, ANALYSIS_RATE)


class Amount(NamedTuple):
    """So many pictures and samples, and bytes of pictures."""

    frames: int = 0
    samples: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, item: VideoFrame | AudioBlock) -> Amount:
        """What there is of one message."""
        return cls(1, 0, item.image.nbytes) if isinstance(item, VideoFrame) else cls(samples=len(item.samples))

    def __add__(self, other: Amount) -> Amount:  # type: ignore[override]
        return Amount(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other: Amount) -> Amount:
        return Amount(*(a - b for a, b in zip(self, other, strict=True)))


class Output:
    """A file that is being written and may be given another name meanwhile, on any system.

    Parameters
    ----------
    path : Path
        Must not be there.

    Raises
    ------
    OSError
        It is, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = FileIO(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o644), "r+")

    @property
    def closed(self) -> bool:
        """As of any file."""
        return self._file.closed

    def fileno(self) -> int:
        """The system's descriptor."""
        return self._file.fileno()

    def write(self, data: bytes) -> int:
        """Give all of ``data`` to the system."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def replace(self, path: Path) -> None:
        """Take the place of ``path``, which nobody may have open; closed meanwhile, as some systems want it."""
        at = self.tell()
        self._file.close()
        self.path.replace(path)
        self.path = path
        self._file = FileIO(str(path), "r+")
        self.seek(at)

    def close(self) -> None:
        """Idempotent."""
        self._file.close()


class MediaFile:
    """The container and its streams; one thread.

    Parameters
    ----------
    output : Output
        Empty.
    size : (int, int) or None
        Width and height of pictures, both even; None without pictures.
    audio : bool
    """

    def __init__(self, output: Output, size: tuple[int, int] | None, *, audio: bool) -> None:
        import av  # noqa: PLC0415 - only when something is recorded

        self._av = av
        self._container: Any = av.open(output, "w", format="matroska", options=dict(OPTIONS))
        self._video: Any = None
        self._audio: Any = None
        self._converter = av.video.reformatter.VideoReformatter()  # one for all: a frame's own costs four times as much
        self._size = size
        self._is_over = False
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

    @property
    def has_video(self) -> bool:
        """Whether it can take pictures."""
        return self._video is not None

    def picture(self, item: VideoFrame) -> Amount:
        """Write a picture; returns what is in the file."""
        if item.t < 0:
            return Amount()
        assert self._size is not None
        rgb = self._av.VideoFrame.from_ndarray(fitted(item.image, self._size), format="rgb24")
        frame = self._converter.reformat(rgb, format="yuv420p", threads=1)
        if item.t >= self._key_due:
            frame.pict_type = self._av.video.frame.PictureType.I
            self._key_due = item.t + _KEY_EVERY
        frame.pts = self._last = max(self._last + 1, round(item.t / _VIDEO_BASE))
        frame.time_base = _VIDEO_BASE
        self._container.mux(self._video.encode(frame))
        return Amount(frames=1)

    def sound(self, item: AudioBlock) -> Amount:
        """Write a block; returns what is in the file."""
        if item.rate != ANALYSIS_RATE:
            raise RecordingError(f"expected sound at {ANALYSIS_RATE} Hz, got {item.rate} Hz")
        number = round(item.t * ANALYSIS_RATE)  # of its first sample
        samples = item.samples[max(0, -number) :]
        if not len(samples):
            return Amount()
        values = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        frame = self._av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = ANALYSIS_RATE, _AUDIO_BASE
        frame.pts = max(0, number)
        self._container.mux(self._audio.encode(frame))
        return Amount(samples=len(samples))

    def take_sound_of(self, path: Path) -> None:
        """Copy the packets of ``path``, which a :class:`MediaFile` without pictures has written, with their times."""
        with self._av.open(str(path), format="matroska") as old:
            for packet in old.demux(audio=0):
                if packet.size:
                    packet.stream = self._audio
                    self._container.mux(packet)

    def close(self) -> None:
        """Write what is held back, the length and the index. Idempotent."""
        streams = [stream for stream in (self._video, self._audio) if stream is not None and not self._is_over]
        self._is_over = True
        try:
            for stream in streams:
                self._container.mux(stream.encode(None))
        finally:
            self._container.close()


def even_size(image: UInt8) -> tuple[int, int]:
    """Width and height of ``image`` uint8 (H, W, 3), less an odd column or row."""
    height, width = image.shape[:2]
    return width // 2 * 2, height // 2 * 2


def fitted(image: UInt8, size: tuple[int, int]) -> UInt8:
    """``image`` uint8 (H, W, 3) in a picture of (width, height): as it is, less an odd row or column, or scaled to fit
    between black borders.
    """  # noqa: D205
    width, height = size
    if even_size(image) == size:
        return np.ascontiguousarray(image[:height, :width])
    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    inner_w, inner_h = max(2, round(w * scale)), max(2, round(h * scale))
    rows = np.minimum((np.arange(inner_h) + 0.5) * h / inner_h, h - 1).astype(np.int64)
    columns = np.minimum((np.arange(inner_w) + 0.5) * w / inner_w, w - 1).astype(np.int64)
    out = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    out[top : top + inner_h, left : left + inner_w] = image[rows[:, None], columns]
    return out
