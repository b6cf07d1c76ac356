"""Sound as a device hands it over, made into mono blocks at the analysis rate whose time is their sample count."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from desktop.capture.sample_clock import SampleClock
from desktop.capture.sound_input import Sound
from dmd_runtime import ANALYSIS_RATE, AudioBlock, freeze

if TYPE_CHECKING:
    import av  # 0.1 s and more, which only a microphone of another rate needs to wait for

BLOCK: Final = 512
"""Samples in a block: 32 ms. One before a hole, and the last, may be shorter."""

_NOTHING: Sound = freeze(np.empty(0, dtype=np.float32))
_HALF: Final = 32  # samples on either side of a place that say what is there
_PLACES: Final = 256  # between two samples; what is between these is interpolated in a line (-94 dB)
_STEEPNESS: Final = 8.0  # of the Kaiser window: -80 dB, flat up to 0.46 of the rate


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
        import av  # noqa: PLC0415

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
        import av  # noqa: PLC0415

        return av.AudioResampler(format="flt", layout="mono", rate=ANALYSIS_RATE)


class Stretcher:
    """Reads one stream at places between its samples (windowed sinc); at whole places nothing is changed, to the bit.

    What there is at a place is known 2 ms of sound later.
    """

    def __init__(self) -> None:
        self._kernel = _kernel()
        self._heard: Sound = np.zeros(_HALF, dtype=np.float32)  # enough for the next place
        self._owed: npt.NDArray[np.float64] = np.empty(0)  # places in it

    def __call__(self, samples: Sound, at: npt.NDArray[np.float64]) -> Sound:
        """Take float32 (n,) and rising places (m,), 0 being the first of ``samples``; return what is ready."""
        heard = np.concatenate((self._heard, samples))
        owed = np.concatenate((self._owed, at + len(self._heard)))
        left = np.floor(owed).astype(np.int64)
        is_whole = bool((left == owed).all())
        ready = len(owed) if is_whole else int(np.searchsorted(left, len(heard) - _HALF))
        found = heard[left[:ready]] if is_whole else self._between(heard, left[:ready], owed[:ready] - left[:ready])
        kept = max(0, (int(left[ready]) if ready < len(owed) else len(heard)) - _HALF)
        self._heard, self._owed = heard[kept:], owed[ready:] - kept
        return found

    def finish(self) -> Sound:
        """Return what is still owed, as if silence followed; what comes next has nothing to do with it."""
        rest = self(np.zeros(_HALF, dtype=np.float32), np.empty(0))
        self._heard, self._owed = np.zeros(_HALF, dtype=np.float32), np.empty(0)
        return rest

    def _between(self, heard: Sound, left: npt.NDArray[np.int64], right_by: npt.NDArray[np.float64]) -> Sound:
        if not len(left):
            return _NOTHING
        near = sliding_window_view(heard, 2 * _HALF)[left - _HALF + 1]  # (m, taps)
        row, rest = np.divmod(right_by * _PLACES, 1.0)
        row, rest = row.astype(np.int64), rest.astype(np.float32)[:, None]
        weights = self._kernel[row] * (1 - rest) + self._kernel[row + 1] * rest
        found: Sound = np.einsum("mk,mk->m", near, weights)
        return found


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
        self._stretcher = Stretcher()

    def begin(self, captured: float) -> list[AudioBlock]:
        """A stream begins whose first sample was captured at ``captured``; return what was left before it."""
        blocks = self.finish()
        self._lost += self.clock.begin(captured)
        self._begin = self.clock.count
        return blocks

    def add(self, samples: Sound, arrived: float, *, missing: int = 0, overrun: bool = False) -> list[AudioBlock]:
        """Take float32 (n,) at the analysis rate, return the blocks that are full; see :meth:`SampleClock.take`."""
        placed = self.clock.take(len(samples), arrived, missing=missing, overrun=overrun)
        blocks = []
        if placed.lost or placed.dropped:  # nothing is mixed across a hole or a cut
            blocks = self.finish() if placed.lost else self._keep(self._stretcher.finish())
        if placed.lost:
            self._lost += placed.lost
            self._begin = self.clock.count - len(placed.at)
        return blocks + self._keep(self._stretcher(samples[placed.dropped :], placed.at))

    def finish(self) -> list[AudioBlock]:
        """Return what waits for its block to be full: two at most."""
        blocks = self._keep(self._stretcher.finish())
        return [*blocks, self._block(len(self._waiting))] if len(self._waiting) else blocks

    def _keep(self, samples: Sound) -> list[AudioBlock]:
        """Let samples wait; returns the blocks that are full."""
        self._waiting = np.concatenate((self._waiting, samples))
        return [self._block(BLOCK) for _ in range(len(self._waiting) // BLOCK)]

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


@cache
def _kernel() -> Sound:
    """Weights, float32 (places + 1, taps), of the samples around a place."""
    away = np.arange(_PLACES + 1)[:, None] / _PLACES - np.arange(1 - _HALF, _HALF + 1)  # samples
    window = np.i0(_STEEPNESS * np.sqrt(np.maximum(0.0, 1 - (away / _HALF) ** 2)))
    weights = np.sinc(away) * window
    return freeze((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _joined(frames: list[Any]) -> Sound:
    return np.concatenate([_NOTHING, *(frame.to_ndarray()[0] for frame in frames)])
