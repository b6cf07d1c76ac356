"""Media files and other things that tests make for themselves.

Clips carry the numbers of :mod:`dmd_runtime.sources.synthetic` where the codec keeps them: every picture spells its
number, and 16 kHz mono sound of the codec ``pcm_s16le`` holds its sample numbers. Any other sound is a tone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np

from dmd_runtime.messages import AudioBlock, Float32, UInt8, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, frame_image, numbered_samples

TONE_HZ = 440.0
_CHUNK = 320  # samples in a packet of sound at 16 kHz: 20 ms
_TICKS = Fraction(1, 60_000)


@dataclass
class FakeClock:
    """Session time that moves only when told to; waiting jumps to the time waited for, and ``late`` seconds beyond."""

    t: float = 0.0
    late: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.t

    def advance(self, seconds: float) -> None:
        self.t += seconds

    def wait_until(self, t: float, interrupt: Event) -> bool:
        if interrupt.is_set():
            return False
        self.waits.append(t)
        if self.t < t:
            self.t = t + self.late
        return True


@dataclass
class RecordingSink:
    """Keeps everything with the time of ``clock`` at which it came; sets ``stop`` after ``stop_after`` items.

    Taking a picture costs ``picture_cost`` seconds of that clock.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    stop: Event = field(default_factory=Event)
    stop_after: int | None = None
    picture_cost: float = 0.0
    items: list[VideoFrame | AudioBlock] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    def video(self, frame: VideoFrame) -> None:
        self._add(frame)
        self.clock.advance(self.picture_cost)

    def audio(self, block: AudioBlock) -> None:
        self._add(block)

    def _add(self, item: VideoFrame | AudioBlock) -> None:
        self.items.append(item)
        self.arrivals.append(self.clock.now())
        if len(self.items) == self.stop_after:
            self.stop.set()

    @property
    def frames(self) -> list[VideoFrame]:
        return [item for item in self.items if isinstance(item, VideoFrame)]

    @property
    def blocks(self) -> list[AudioBlock]:
        return [item for item in self.items if isinstance(item, AudioBlock)]

    @property
    def samples(self) -> Float32:
        return np.concatenate([np.empty(0, np.float32), *(block.samples for block in self.blocks)])


def make_clip(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: float = 25,
    size: tuple[int, int] = (160, 120),
    video_codec: str | None = "libx264",
    pixel_format: str = "yuv420p",
    b_frames: int = 0,
    key_every: int = 12,
    frame_times: Sequence[float] | None = None,
    rotate: int = 0,
    picture: UInt8 | None = None,
    audio_codec: str | None = "pcm_s16le",
    audio_rate: int = ANALYSIS_RATE,
    layout: str = "mono",
    sample_format: str | None = None,
    gaps: Sequence[tuple[float, float]] = (),
    video_start: float = 0.0,
    audio_start: float = 0.0,
    audio_seconds: float | None = None,
    metadata: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Write a clip and return its path; the container follows from the suffix.

    Parameters
    ----------
    video_codec, audio_codec : str or None
        None leaves the stream out.
    frame_times : sequence of float, optional
        A variable rate: when each picture is shown; else ``fps`` throughout.
    rotate : int
        Degrees counter-clockwise that a player must turn the picture, as phones write it.
    picture : uint8 (H, W, 3), optional
        Shown throughout instead of numbers; sets ``size``.
    gaps : sequence of (time, step)
        From sound time ``time`` on, stamps are ``step`` seconds later: above 0 a hole, below 0 sound that overlaps.
    video_start, audio_start : float
        The first stamp of each stream.
    """
    options = {k: str(v) for k, v in (container_options or {}).items()}
    with av.open(str(path), "w", container_options=options) as container:
        container.metadata.update(dict(metadata or {}))
        packets: list[Any] = []
        if video_codec is not None:
            size = size if picture is None else (picture.shape[1], picture.shape[0])
            video: Any = container.add_stream(video_codec, rate=Fraction(fps).limit_denominator(1001))
            video.width, video.height = size
            video.pix_fmt = pixel_format
            video.codec_context.time_base = 1 / Fraction(fps) if path.suffix == ".avi" else _TICKS
            video.codec_context.thread_count = 1
            video.codec_context.gop_size = key_every
            if video_codec == "libx264":
                video.options = {"preset": "ultrafast", "crf": "18", "bf": str(b_frames), "b-adapt": "0"}
            if rotate:
                video.set_display_rotation(rotate)
        if audio_codec is not None:
            audio: Any = container.add_stream(audio_codec, rate=audio_rate, layout=layout)
            if sample_format is not None:
                audio.format = sample_format
        container.start_encoding()
        if video_codec is not None:
            times = frame_times if frame_times is not None else [i / fps for i in range(round(seconds * fps))]
            packets += _pictures(video, size, [t + video_start for t in times], picture)
        if audio_codec is not None:
            packets += _sound(audio, audio_rate, audio_seconds or seconds, audio_start, gaps)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _pictures(stream: Any, size: tuple[int, int], times: Sequence[float], picture: UInt8 | None) -> list[Any]:
    packets: list[Any] = []
    for number, t in enumerate(times):
        frame = av.VideoFrame.from_ndarray(frame_image(number, size) if picture is None else picture)
        frame.pts, frame.time_base = round(t / _TICKS), _TICKS
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(stream: Any, rate: int, seconds: float, start: float, gaps: Sequence[tuple[float, float]]) -> list[Any]:
    context = stream.codec_context
    channels, count = context.layout.nb_channels, round(seconds * rate)
    exact = context.name == "pcm_s16le" and rate == ANALYSIS_RATE and channels == 1
    mono = numbered_samples(0, count) if exact else tone(count, rate)
    packets: list[Any] = []
    chunk = context.frame_size or _CHUNK * rate // ANALYSIS_RATE
    for first in range(0, count, chunk):
        part = mono[first : first + chunk]
        t = start + first / rate + sum(step for at, step in gaps if first / rate >= at - 1e-9)
        frame = audio_frame(part, rate, channels=channels, t=t, layout=context.layout.name)
        packets += stream.encode(_as_format(frame, context.format.name))
    return packets + stream.encode(None)


def tone(count: int, rate: int, level: float = 0.5) -> Float32:
    """``count`` samples of a sine of ``TONE_HZ``."""
    return (level * np.sin(2 * np.pi * TONE_HZ * np.arange(count) / rate)).astype(np.float32)


def audio_frame(samples: Float32, rate: int, *, t: float | None, channels: int = 1, layout: str = "mono") -> Any:
    """Make a PyAV frame of 16-bit sound, ``samples`` on every channel; ``t`` None leaves it without a stamp."""
    pcm = np.clip(np.rint(samples * SAMPLE_CYCLE), -SAMPLE_CYCLE, SAMPLE_CYCLE - 1).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(pcm, channels)[None, :], format="s16", layout=layout)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = None if t is None else round(t * rate)
    return frame


def _as_format(frame: Any, name: str) -> Any:
    if name == "s16":
        return frame
    (converted,) = av.AudioResampler(format=name, layout=frame.layout.name, rate=frame.sample_rate).resample(frame)
    converted.pts, converted.time_base = frame.pts, frame.time_base
    return converted


def video_frame(number: int, *, t: float | None, size: tuple[int, int] = (64, 48)) -> Any:
    """Make a PyAV frame that spells ``number``; ``t`` None leaves it without a stamp."""
    frame = av.VideoFrame.from_ndarray(frame_image(number, size))
    frame.time_base = _TICKS
    frame.pts = None if t is None else round(t / _TICKS)
    return frame


def subtitles_only(path: Path) -> Path:
    """Write a Matroska file that holds subtitles and nothing else."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n\n", encoding="utf-8")
    with av.open(str(text)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def cover_art(path: Path, *, sound: bool = True) -> Path:
    """Write an MP3 or MP4 file with a picture of its cover, and sound if asked for."""
    with av.open(str(path), "w") as container:
        if sound:
            codec = "libmp3lame" if path.suffix == ".mp3" else "aac"
            audio: Any = container.add_stream(codec, rate=16_000, layout="mono")
        cover: Any = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.start_encoding()
        picture = av.VideoFrame.from_ndarray(frame_image(7, (64, 48))).reformat(format="yuvj420p")
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        packets = [*cover.encode(picture), *cover.encode(None)]
        if sound:
            packets += _sound(audio, 16_000, 1.0, 0.0, ())
        for packet in packets:
            container.mux(packet)
    return path
