"""The sound of a medium over any span, and faster or slower at the same pitch. Nothing here knows Qt."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph as FilterGraph

from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.messages import Float32, freeze
from dmd_runtime.recording.playback_timeline import Medium
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import BROKEN, decoded

SLOWEST, FASTEST = 0.25, 4.0
_HOLE = 0.02  # s: smaller steps between stamps are rounding, larger ones are missing or doubled sound
_BEFORE = 0.25  # s decoded before what is asked for: coded sound needs some to settle
_AHEAD = 2.0  # s: what lies further on is gone to, not decoded to
_MIX = {"rematrix_maxval": "1.0"}  # else FFmpeg's float mix of two equal channels is 3 dB too loud, and clips
_STAGE: Final = (0.5, 2.0)
"""What one ``atempo`` does without skipping samples."""


class SoundReader:
    """Mono sound of a medium by session time; what was lost or lies outside is silence. For one thread.

    Attributes
    ----------
    rate : int
        Samples per second, as the medium has them.

    Raises
    ------
    SourceError
        There is nothing that can be played, or no sound.
    """

    def __init__(self, medium: Medium) -> None:
        self._media = open_media(medium.path, with_hash=False)
        audio = self._media.audio
        if audio is None:
            self._media.close()
            raise SourceError(f"{medium.path}: expected a medium with sound, got one without")
        self._stream: Any = audio.stream
        self._origin = self._media.origin if medium.origin is None else medium.origin
        first: Any = audio.first
        self.rate = int(first.sample_rate)
        self._resampler: AudioResampler | None = None
        self._setup: tuple[object, ...] = ()
        self._pieces: deque[tuple[int, Float32]] = deque()
        self._frames: Iterator[Any] = iter(())
        self._from = self._until = 0
        """What ``_pieces`` cover, in samples of session time."""
        self._over = True

    def read(self, start: float, end: float) -> Float32:
        """Sound from ``start`` to ``end`` s, float32 (n,)."""
        first = round(start * self.rate)
        return self.samples(first, max(0, round(end * self.rate) - first))

    def samples(self, first: int, count: int) -> Float32:
        """``count`` samples from sample ``first`` of session time, float32 (count,)."""
        if first < self._from or first > self._until + _AHEAD * self.rate or self._over:
            self._seek(first)
        while self._until < first + count and not self._over:
            self._decode()
        out = np.zeros(count, dtype=np.float32)
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= first:
            at, piece = self._pieces.popleft()
            self._from = at + len(piece)
        for at, piece in self._pieces:
            a, b = max(at, first), min(at + len(piece), first + count)
            if a < b:
                out[a - first : b - first] = piece[a - at : b - at]
        return freeze(out)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._frames = iter(())
        self._media.close()

    def _seek(self, first: int) -> None:
        at = Fraction(first, self.rate) - Fraction(_BEFORE) + self._origin
        base = self._stream.time_base
        start = self._stream.start_time
        stamp = max(int(at / base), start if start is not None else 0)
        try:
            self._stream.container.seek(stamp, stream=self._stream, backward=True)
        except BROKEN:
            self._stream.container.seek(0)
        self._pieces.clear()
        self._resampler = None
        self._from = self._until = first - round(_BEFORE * self.rate)
        self._expected: int | None = None
        self._frames = self._decoded()
        self._over = False

    def _decode(self) -> None:
        frame = next(self._frames, None)
        if frame is None:
            self._over = True
            return
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or setup != self._setup:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=self.rate, options=_MIX)
            self._setup = setup
        at = self._expected
        if frame.pts is not None:
            stamp = round((frame.pts * frame.time_base - self._origin) * self.rate)
            at = stamp if at is None or abs(stamp - at) > _HOLE * self.rate else at
        frame.pts = None  # the resampler must not look at time
        try:
            pieces = [piece.to_ndarray().reshape(-1) for piece in self._resampler.resample(frame) if piece is not None]
        except BROKEN:
            return
        samples = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        at = self._until if at is None else at
        self._expected = at + len(samples)
        doubled = max(0, min(len(samples), self._until - at)) if self._pieces else 0
        if len(samples) > doubled:
            self._pieces.append((at + doubled, np.nan_to_num(samples[doubled:]).clip(-1.0, 1.0)))
        self._until = max(self._until, self._expected)

    def _decoded(self) -> Iterator[Any]:
        frames: Iterator[Any] = decoded(self._stream)
        return (frame for frame in frames if frame.samples and frame.sample_rate)


class Tempo:
    """Sound at another speed and the same pitch (FFmpeg's ``atempo``, in stages of a half to twice).

    Parameters
    ----------
    rate : int
    speed : float
        0.25 to 4; at 1 samples pass as they are.

    Attributes
    ----------
    ahead : float
        Seconds of the session by which slowed sound is ahead of ``samples so far / rate * speed``: each stage puts
        windows of some 50 ms together at their starts, and what is heard is their middle (measured: within 20 ms).

    Raises
    ------
    ConfigError
        ``speed`` is outside.
    """

    def __init__(self, rate: int, speed: float) -> None:
        if not SLOWEST <= speed <= FASTEST:
            raise ConfigError(f"expected a speed from {SLOWEST} to {FASTEST}, got {speed}")
        self.rate, self.speed = rate, speed
        self.ahead = 0.0
        self._fed = 0
        self._graph: FilterGraph | None = None
        if speed != 1.0:
            graph = FilterGraph()
            base = Fraction(1, rate)
            nodes = [graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=base)]
            half, passed = (1 << math.ceil(math.log2(rate // 24))) / rate / 2, 1.0
            for stage in stages(speed):
                nodes.append(graph.add("atempo", f"{stage:.6f}"))
                self.ahead += half * max(0.0, 1 - stage) * passed
                passed *= stage
            nodes.append(graph.add("abuffersink"))
            graph.link_nodes(*nodes).configure()
            self._graph = graph

    def push(self, samples: Float32) -> Float32:
        """Feed float32 (n,); what is ready comes out, float32 (m,), some 50 ms later than it went in."""
        if self._graph is None:
            return samples
        if not len(samples):
            return samples
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._fed, Fraction(1, self.rate)
        self._fed += len(samples)
        self._graph.push(frame)
        return self._pull(self._graph)

    @staticmethod
    def _pull(graph: FilterGraph) -> Float32:
        out: list[Float32] = []
        while True:
            try:
                frame: Any = graph.pull()
            except (BlockingIOError, EOFError):  # it wants more
                return np.concatenate(out) if out else np.empty(0, np.float32)
            out.append(frame.to_ndarray().reshape(-1))


def stages(speed: float) -> list[float]:
    """Factors between 0.5 and 2 whose product is ``speed``."""
    count = 1
    while not _STAGE[0] <= speed ** (1 / count) <= _STAGE[1]:
        count += 1
    return [speed ** (1 / count)] * count
