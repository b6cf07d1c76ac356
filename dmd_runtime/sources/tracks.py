"""Decoded frames made into messages: upright RGB pictures in rising time, 16 kHz mono sound that counts its samples."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from threading import Event
from typing import Any

import numpy as np
from av.audio.resampler import AudioResampler
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from dmd_runtime.clock import Clock
from dmd_runtime.messages import AudioBlock, Float32, UInt8, VideoFrame, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.sources.pacing import BLOCK, Timed
from dmd_runtime.sources.probe import MOST_CHANNELS
from dmd_runtime.sources.reader import BROKEN, Stamps, StreamReader, fits

_HOLE = 0.02  # s: smaller steps between stamps are rounding, larger ones are missing or doubled sound
_JITTER = 0.1  # s: a smaller step counts only if the next stamp agrees; some recorders stamp that unevenly
_LATE = 0.25  # s: pictures later than this are let go in a paced run, so that the sound need not wait for them …
_CAUGHT_UP = 0.05  # … until they are no later than this
_TOO_LATE = 1.0  # s: beyond this they are not even decoded, up to the next one that needs no other
_MIX = {"rematrix_maxval": "1.0"}  # else FFmpeg's float mix of two equal channels is 3 dB too loud, and clips


class VideoTrack:
    """Decodes pictures: RGB, upright, square pixels, contiguous, not larger than asked for, in strictly rising time."""

    def __init__(self, reader: StreamReader, origin: Fraction, max_side: int, far: float) -> None:
        self.reader = reader
        self.stamps = Stamps(origin, far)
        self.refused = 0
        self.skipped = 0
        self._max_side = max_side
        self._reformatter = VideoReformatter()  # one for all frames: a frame's own costs four times as much
        rate: Fraction | None = reader.stream.average_rate or reader.stream.guessed_rate
        self._step = 1 / rate if rate and 1 <= rate <= 1000 else Fraction(1, 25)
        aspect = getattr(reader.stream, "sample_aspect_ratio", None)
        self._pixel_aspect = float(aspect) if aspect and 0.25 <= aspect <= 4 else 1.0
        self._last: Fraction | None = None

    def items(self, stop: Event, clock: Clock | None = None) -> Iterator[Timed]:
        """All pictures, once only; with a ``clock``, those that come too late to be shown in time are ``skipped``."""
        seq, bound = 0, _LATE
        for frame in self.reader.frames(stop):
            t = self._time(frame)
            late = clock.now() - float(t) if clock is not None and seq else 0.0
            bound = _CAUGHT_UP if late > bound else _LATE
            if bound == _CAUGHT_UP:
                self.skipped += 1
                if late > _TOO_LATE and frame.pts is not None:  # without stamps, time would not go on meanwhile
                    self.reader.leap()
                continue
            try:
                image = self._picture(frame)
            except BROKEN:
                self.refused += 1
                continue
            stated = frame.duration * frame.time_base if frame.duration and frame.time_base else 0
            end = float(t + (stated if 0 < stated <= 10 else self._step))
            yield Timed(float(t), end, VideoFrame(seq=seq, t=float(t), image=image))
            seq += 1

    def describe(self) -> dict[str, object]:
        """Stream facts, JSON-able; ``delivered_size`` is that of the first picture as it will be delivered."""
        frame, stream = self.reader.first, self.reader.stream
        width, height = self._size(frame)
        turned, *_ = _orientation(frame)
        rate = stream.average_rate
        return {
            "codec": stream.codec_context.name,
            "size": [frame.width, frame.height],  # type: ignore[union-attr]
            "delivered_size": [height, width] if turned else [width, height],
            "fps": round(float(rate), 3) if rate else None,
            "rotation": int(frame.rotation),  # type: ignore[union-attr]  # degrees counter-clockwise to set it upright
            "start": round(float(self.stamps.peek(frame) or 0), 6),
        }

    def _time(self, frame: Any) -> Fraction:
        expected = None if self._last is None else self._last + self._step
        t = self.stamps.read(frame, expected)
        if t is None:
            t = expected if expected is not None else Fraction(0)
        elif self._last is not None and t <= self._last:  # late after an earlier repair: keep the order, stay close
            t = self._last + min(self._step, Fraction(1, 1000))
        self._last = t
        return t

    def _size(self, frame: Any) -> tuple[int, int]:
        """Width and height to scale to, before turning: square pixels, longest side at most ``max_side``."""
        aspect = self._pixel_aspect
        width, height = (frame.width * aspect, frame.height) if aspect > 1 else (frame.width, frame.height / aspect)
        scale = min(1.0, self._max_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _picture(self, frame: Any) -> UInt8:
        if not fits(frame.width, frame.height):
            raise ValueError(f"{frame.width} x {frame.height} pixels")
        width, height = self._size(frame)
        how = "BICUBIC" if (width, height) == (frame.width, frame.height) else "AREA"
        rgb = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=how, threads=1)
        image: Any = rgb.to_ndarray()
        turned, mirror_x, mirror_y = _orientation(frame)
        if turned:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        # PyAV's arrays are padded, not contiguous, at some widths; the face model then silently finds nothing.
        return freeze(np.ascontiguousarray(image))


class AudioTrack:
    """Decodes sound to mono float32 at 16 kHz in blocks of 512 samples.

    Time is the sample count from the first stamp. It is set anew only where stamps leave the count by over 20 ms:
    forward, the samples between are ``lost`` (never filled with silence); backward, the doubled samples are dropped.
    """

    def __init__(self, reader: StreamReader, origin: Fraction, far: float) -> None:
        self.reader = reader
        self.stamps = Stamps(origin, far)
        self.refused = 0
        self.lost = 0
        self.overlapping = 0
        self._resampler: AudioResampler | None = None
        self._setup: tuple[object, ...] = ()
        self._start: Fraction | None = None
        self._expected: Fraction | None = None  # session time at which the next frame should start
        self._pending: list[Float32] = []
        self._waiting = 0  # samples in _pending
        self._index = 0  # samples since _start that are delivered or lost
        self._skip = 0  # coming samples that double what was had
        self._lost_now = 0
        self._seq = 0

    def items(self, stop: Event) -> Iterator[Timed]:
        """All blocks; once only."""
        held: Any = None
        for frame in self.reader.frames(stop):
            if held is not None:
                yield from self._take(held, frame)
            held = frame
        if held is not None:
            yield from self._take(held, None)
        self._drain()
        yield from self._blocks(tail=True)

    def describe(self) -> dict[str, object]:
        """Stream facts, JSON-able."""
        frame: Any = self.reader.first
        return {
            "codec": self.reader.stream.codec_context.name,
            "rate": frame.sample_rate,
            "channels": frame.layout.nb_channels,
            "layout": frame.layout.name,
            "start": round(float(self.stamps.peek(frame) or 0), 6),
        }

    def _take(self, frame: Any, following: Any) -> Iterator[Timed]:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if not (frame.samples and rate and 1 <= channels <= MOST_CHANNELS):
            self.refused += bool(frame.samples)
            return
        t = self.stamps.read(frame, self._expected)
        if self._start is None or self._expected is None:
            self._start = self._expected = t if t is not None else Fraction(0)
        elif t is not None:
            step = self._step(t - self._expected, following, Fraction(frame.samples, rate))
            if abs(step) > _HOLE:
                self._expected += step
                yield from self._move_to(self._expected)
        self._expected += Fraction(frame.samples, rate)
        self._resample(frame)
        yield from self._blocks()

    def _step(self, step: Fraction, following: Any, length: Fraction) -> Fraction:
        """By how much the stamps really leave the count: what this stamp and the following one agree on."""
        upcoming = None if following is None or abs(step) > _JITTER else self.stamps.peek(following)
        if upcoming is None or self._expected is None:
            return step
        after = upcoming - self._expected - length
        return Fraction(0) if step * after <= 0 else min(step, after, key=abs)

    def _move_to(self, t: Fraction) -> Iterator[Timed]:
        """Go on counting at ``t``: across a hole, or back over sound that comes twice."""
        assert self._start is not None
        self._drain()
        gap = round((t - self._start) * ANALYSIS_RATE) - self._index - self._waiting
        self._skip = max(0, -gap)
        if gap > 0:
            yield from self._blocks(tail=True)
            self._index += gap
            self._lost_now += gap
            self.lost += gap

    def _resample(self, frame: Any) -> None:
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or setup != self._setup:
            self._drain()
            self._resampler = AudioResampler(format="flt", layout="mono", rate=ANALYSIS_RATE, options=_MIX)
            self._setup = setup
        frame.pts = None  # the resampler must not look at time: holes are dealt with here
        try:
            self._keep(self._resampler.resample(frame))
        except BROKEN:
            self.refused += 1

    def _drain(self) -> None:
        """Take what the resampler still holds and let it go."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            self._keep(resampler.resample(None))

    def _keep(self, pieces: list[Any]) -> None:
        for piece in pieces:
            if piece is None:  # what PyAV gives when it flushes and had nothing to convert
                continue
            samples: Float32 = piece.to_ndarray().reshape(-1)
            dropped = min(self._skip, len(samples))
            self._skip -= dropped
            self.overlapping += dropped
            self._pending.append(samples[dropped:])
            self._waiting += len(samples) - dropped

    def _blocks(self, *, tail: bool = False) -> Iterator[Timed]:
        whole = self._waiting if tail else self._waiting - self._waiting % BLOCK
        if not whole or self._start is None:
            return
        samples = np.nan_to_num(np.concatenate(self._pending), posinf=1.0, neginf=-1.0).clip(-1.0, 1.0)
        self._pending, self._waiting = [samples[whole:]], len(samples) - whole
        for first in range(0, whole, BLOCK):
            part = freeze(samples[first : min(first + BLOCK, whole)].copy())
            t = float(self._start + Fraction(self._index, ANALYSIS_RATE))
            lost, self._lost_now = self._lost_now, 0
            block = AudioBlock(seq=self._seq, t=t, samples=part, rate=ANALYSIS_RATE, lost=lost)
            self._seq += 1
            self._index += len(part)
            yield Timed(block.end, block.end, block)


def _orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Whether to transpose a picture, then mirror it in x, then in y, to set it upright (its display matrix)."""
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()  # (x, y) -> (a x + c y, b x + d y)
    return (True, c < 0, b < 0) if abs(b) + abs(c) > abs(a) + abs(d) else (False, a < 0, d < 0)
