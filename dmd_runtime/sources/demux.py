"""From packets of one stream to messages with session times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from dmd_runtime.messages import AudioBlock, UInt8, VideoFrame, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE

logger = logging.getLogger(__name__)

BLOCK = 512
"""Samples in a block of sound: 32 ms, and one step of the voice detector."""
_HOLE = 0.02  # s: smaller steps between stamps are rounding, larger ones are missing sound


class VideoTrack:
    """Decodes pictures: RGB, upright, contiguous, never larger than asked for, strictly later than the one before."""

    def __init__(self, stream: Any, origin: Fraction, max_side: int) -> None:
        self.stream = stream
        stream.thread_type = "SLICE"
        self._origin = origin
        self._max_side = max_side
        self._seq = 0
        self._last = -1.0

    def decode(self, packet: Any) -> Iterator[VideoFrame]:
        """Pictures that this packet completes."""
        for frame in packet.decode():
            image = self._picture(frame)
            yield VideoFrame(seq=self._seq, t=self._time(frame), image=image)
            self._seq += 1

    def _time(self, frame: Any) -> float:
        step = 1.0 / float(self.stream.average_rate or 30)
        t = self._last + step if frame.pts is None else float(frame.pts * frame.time_base - self._origin)
        if t <= self._last:  # a broken stamp: keep the order, stay close
            t = self._last + min(step, 1e-3)
        self._last = max(0.0, t)
        return self._last

    def _picture(self, frame: Any) -> UInt8:
        scale = min(1.0, self._max_side / max(frame.width, frame.height))
        if scale < 1.0:
            frame = frame.reformat(width=round(frame.width * scale), height=round(frame.height * scale), format="rgb24")
        image = frame.to_ndarray(format="rgb24")
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        # PyAV's arrays are not contiguous at some widths, and the face model then silently finds nothing.
        return freeze(np.array(np.rot90(image, turns) if turns else image, order="C"))


class AudioTrack:
    """Decodes sound to mono float32 at 16 kHz in blocks of 512 samples; time is the sample count, holes become ``lost``."""

    def __init__(self, stream: Any, origin: Fraction) -> None:
        self.stream = stream
        self._origin = origin
        self._resampler = self._new_resampler()
        self._pending: list[np.ndarray] = []
        self._have = 0
        self._seq = 0
        self._start: float | None = None
        self._delivered = 0  # samples since _start, lost ones included
        self._lost = 0
        self._expected_pts: Fraction | None = None

    @staticmethod
    def _new_resampler() -> Any:
        return av.AudioResampler(format="flt", layout="mono", rate=ANALYSIS_RATE)

    def decode(self, packet: Any) -> Iterator[AudioBlock]:
        """Blocks that this packet completes."""
        for frame in packet.decode():
            yield from self._bridge_hole(frame)
            for piece in self._resampler.resample(frame):
                self._keep(piece)
            yield from self._blocks()

    def finish(self) -> Iterator[AudioBlock]:
        """The tail."""
        yield from self._end_run()

    def _bridge_hole(self, frame: Any) -> Iterator[AudioBlock]:
        rate = frame.sample_rate
        if frame.pts is None:
            if self._start is None:
                self._start = 0.0
            return
        pts = frame.pts * frame.time_base - self._origin
        if self._start is None:
            self._start = float(pts)
        elif self._expected_pts is not None and pts - self._expected_pts > _HOLE:
            yield from self._end_run()
            self._resampler = self._new_resampler()
            due = round((float(pts) - self._start) * ANALYSIS_RATE)
            self._lost += max(0, due - self._delivered)
            self._delivered = max(due, self._delivered)
        self._expected_pts = pts + Fraction(frame.samples, rate)
        frame.pts = None  # the resampler would fill holes with silence

    def _end_run(self) -> Iterator[AudioBlock]:
        for piece in self._resampler.resample(None):
            self._keep(piece)
        yield from self._blocks(tail=True)

    def _keep(self, piece: Any) -> None:
        samples = piece.to_ndarray().reshape(-1).astype(np.float32, copy=False)
        self._pending.append(samples)
        self._have += len(samples)

    def _blocks(self, *, tail: bool = False) -> Iterator[AudioBlock]:
        if self._have < BLOCK and not (tail and self._have):
            return
        samples = np.concatenate(self._pending)
        whole = len(samples) if tail else len(samples) - len(samples) % BLOCK
        for first in range(0, whole, BLOCK):
            yield self._block(samples[first : min(first + BLOCK, whole)])
        self._pending = [samples[whole:]]
        self._have = len(samples) - whole

    def _block(self, samples: np.ndarray) -> AudioBlock:
        assert self._start is not None
        clean = freeze(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0))
        block = AudioBlock(
            seq=self._seq,
            t=self._start + self._delivered / ANALYSIS_RATE,
            samples=clean,
            rate=ANALYSIS_RATE,
            lost=self._lost,
        )
        self._seq += 1
        self._delivered += len(samples)
        self._lost = 0
        return block
