"""Sound as a device hands it over, made into mono blocks at the analysis rate whose time is their sample count."""

from __future__ import annotations

from typing import Any, Final

import av
import numpy as np

from desktop.capture.sample_clock import SampleClock
from desktop.capture.sound_input import Sound
from dmd_runtime import ANALYSIS_RATE, AudioBlock, freeze

BLOCK: Final = 512
"""Samples in a block: 32 ms. One before a hole, and the last, may be shorter."""

_NOTHING: Sound = freeze(np.empty(0, dtype=np.float32))


class Resampler:
    """Brings one stream to the analysis rate, without seams between the pieces it comes in.

    Parameters
    ----------
    rate : int
        Of what is put in; at the analysis rate nothing is changed, to the bit.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._converter = self._new()

    def __call__(self, mono: Sound) -> Sound:
        """Take float32 (n,), return what is ready (the last millisecond or so stays inside), float32 (m,)."""
        if self._converter is None or not len(mono):
            return mono
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None, :], format="flt", layout="mono")
        frame.sample_rate = self._rate
        return _joined(self._converter.resample(frame))

    def finish(self) -> Sound:
        """Return what is still inside, float32 (m,); what comes next has nothing to do with it."""
        if self._converter is None:
            return _NOTHING
        rest = _joined(self._converter.resample(None))
        self._converter = self._new()
        return rest

    def _new(self) -> av.AudioResampler | None:
        if self._rate == ANALYSIS_RATE:
            return None
        return av.AudioResampler(format="flt", layout="mono", rate=ANALYSIS_RATE)


class SoundTrack:
    """The sound of one session, whichever microphones it comes from; one thread at a time.

    Whatever is missing becomes ``lost`` of the block behind the hole. Blocks tile session time: ``block.t`` is where
    the one before ended, plus ``lost``.

    Attributes
    ----------
    clock : SampleClock
    """

    def __init__(self, clock: SampleClock | None = None) -> None:
        self.clock = clock if clock is not None else SampleClock()
        self._seq = 0
        self._lost = 0
        self._begin = 0  # number of the first sample that waits
        self._waiting: Sound = _NOTHING

    def begin(self, captured: float) -> list[AudioBlock]:
        """A stream begins whose first sample was captured at ``captured``; return what was left before it."""
        blocks = self.finish()
        self._lost += self.clock.begin(captured)
        self._begin = self.clock.count
        return blocks

    def add(self, samples: Sound, arrived: float, *, missing: int = 0, overrun: bool = False) -> list[AudioBlock]:
        """Take float32 (n,) at the analysis rate, return the blocks that are full; see :meth:`SampleClock.take`."""
        placed = self.clock.take(len(samples), arrived, missing=missing, overrun=overrun)
        kept = samples[placed.dropped :]
        blocks = []
        if placed.lost:
            blocks = self.finish()
            self._lost += placed.lost
            self._begin = self.clock.count - len(kept)
        self._waiting = np.concatenate((self._waiting, kept))
        while len(self._waiting) >= BLOCK:
            blocks.append(self._block(BLOCK))
        return blocks

    def finish(self) -> list[AudioBlock]:
        """Return what waits for its block to be full: none or one."""
        return [self._block(len(self._waiting))] if len(self._waiting) else []

    def _block(self, size: int) -> AudioBlock:
        block = AudioBlock(
            seq=self._seq,
            t=self.clock.time_of(self._begin),
            samples=freeze(self._waiting[:size].copy()),
            rate=ANALYSIS_RATE,
            lost=self._lost,
        )
        self._seq += 1
        self._lost = 0
        self._begin += size
        self._waiting = self._waiting[size:]
        return block


def mono(sound: Sound) -> Sound:
    """Mix float32 (n, channels) down to float32 (n,)."""
    return sound[:, 0] if sound.shape[1] == 1 else sound.mean(axis=1, dtype=np.float32)


def _joined(frames: list[Any]) -> Sound:
    return np.concatenate([_NOTHING, *(frame.to_ndarray()[0] for frame in frames)])
