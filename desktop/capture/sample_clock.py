"""Session time of sound by counting its samples, held against the clock: holes, overruns, drift. Pure arithmetic.

The count gives every sample its time, without jitter. The clock tells when sound came, late by what the system took to
hand it over, never early; the *least* delay in a second is therefore what the count is compared with. No device keeps
its nominal rate: the count follows the clock by reading the sound a little denser or wider than it came (at most 0.1 %,
no ear hears it), so that there are neither steps nor a drift.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dmd_runtime import ANALYSIS_RATE

MOST: Final = 1e-3
"""Share by which sound is read denser or wider at most."""
TOLERANCE: Final = 0.040
"""Seconds that count and clock may differ."""
PATIENCE: Final = 10
"""Seconds that they must differ by more before the count is corrected in one step."""
_CLOSE = 0.001  # s of difference that are let be: a device that keeps its rate is not touched, to the bit
_SETTLE = 10.0  # s in which what is above that shrinks to a third
_EVIDENCE = 5  # s whose median is followed: one busy moment is none
_EVERY = 1.0  # s of which the least delay is kept
_POINTS = 64  # of the line through the delays; when full, neighbours become one
_JUMP = 0.1  # s of a step that no device's rate explains: the machine slept, or sound was lost and nobody said so
_SURE_PPM = 50.0  # three standard errors of a drift that is told
_FEWEST = 16  # points of a line


@dataclass(frozen=True, slots=True)
class Placed:
    """What to do with samples just counted: ``lost`` are missing before them, the first ``dropped`` are too many.

    ``at``, float64 (m,), are the places between the others, from 0 for the first of them on, at which the m samples of
    session time are to be read; whole numbers while nothing needs correction.
    """

    lost: int
    dropped: int
    at: npt.NDArray[np.float64]


class SampleClock:
    """Counts the samples of one session, over all microphones that give them one after another; one thread at a time.

    Always ``t == origin + count / rate``, and ``count`` is what was given plus ``lost`` and ``stretched`` less
    ``dropped`` samples.

    Attributes
    ----------
    count : int
        Samples so far, lost ones included.
    lost : int
        Samples that never came: between two microphones or plugs, in overruns, by correction.
    stretch : float
        By which share more samples are read than come, now: 1e-4 for a device that is 100 ppm slow.
    stretched : int
        Samples that there are more (below 0: fewer) by it.
    corrected : int
        Samples that were counted as lost, or dropped, only because count and clock were too far apart to be stretched.
    drift_ppm : float or None
        How much faster than its nominal rate the device runs, in millionths; None until that is known within about 50.

    Parameters
    ----------
    rate : int
        Samples per second.
    tolerance, patience
        See :data:`TOLERANCE` and :data:`PATIENCE`.
    """

    def __init__(self, rate: int = ANALYSIS_RATE, *, tolerance: float = TOLERANCE, patience: int = PATIENCE) -> None:
        self.rate = rate
        self.count = 0
        self.lost = 0
        self.corrected = 0
        self.stretch = 0.0
        self.stretched = 0
        self.drift_ppm: float | None = None
        self._tolerance = tolerance
        self._origin: float | None = None
        self._surplus = 0  # samples that are still to be dropped
        self._phase = 0.0  # of the next sample to be read, behind the first that is to come
        self._least: deque[float] = deque(maxlen=patience)  # delays, one a second, as if nothing had been corrected
        self._second = _Least()
        self._shift = 0.0  # s that have been corrected since the stream began
        self._line = _Line()

    @property
    def t(self) -> float:
        """Session time of the next sample.

        Raises
        ------
        ValueError
            There was none yet.
        """
        return self.time_of(self.count)

    def time_of(self, number: int) -> float:
        """Session time of sample ``number``."""
        if self._origin is None:
            raise ValueError("samples have a time from the first begin() on")
        return self._origin + number / self.rate

    def begin(self, captured: float) -> int:
        """A stream begins; its first sample was captured at ``captured``. Returns the samples lost since the last one.

        The first stream of all sets the origin. One that seems to begin before the last ended loses nothing.
        """
        self._surplus, self._phase = 0, 0.0
        self._start_anew()
        if self._origin is None:
            self._origin = captured - self.count / self.rate
            return 0
        return self._lose(round((captured - self.t) * self.rate))

    def take(self, samples: int, arrived: float, *, missing: int = 0, overrun: bool = False) -> Placed:
        """Count ``samples`` whose last one was captured at ``arrived`` or a little before.

        ``missing`` samples are known to have been lost before them; after an ``overrun`` an unknown number were, which
        is estimated from the clock.
        """
        lost = self._lose(missing)
        ahead = (samples - self._surplus - self._phase) * (1 + self.stretch)
        delay = arrived - self.time_of(self.count) - ahead / self.rate
        if overrun:
            usual = min((*self._least, self._second.value)) - self._shift
            lost += self._lose(round((delay - (usual if usual < math.inf else 0.0)) * self.rate))
            self._start_anew()
        else:
            lost += self._watch(arrived, delay + self._shift)
        dropped = min(self._surplus, samples)
        self._surplus -= dropped
        return Placed(lost, dropped, self._read(samples - dropped))

    def _read(self, samples: int) -> npt.NDArray[np.float64]:
        """Count ``samples`` that are kept; returns the places to read them at."""
        step = 1 / (1 + self.stretch)
        count = max(0, math.ceil((samples - self._phase) / step))
        at = self._phase + step * np.arange(count, dtype=np.float64)
        self._phase = max(0.0, self._phase + count * step - samples)
        self._shift += samples * self.stretch / self.rate
        self.count += count
        self.stretched += count - samples
        return at

    def _watch(self, arrived: float, delay: float) -> int:
        """Keep the least delay of each second; correct the count where it is wrong. Returns samples lost."""
        full = self._second.add(arrived, delay)
        if full is None:
            return 0
        at, least = full
        self._least.append(least)
        if self._line.add(at, least):
            self.drift_ppm = self._line.drift_ppm(self.drift_ppm)
        wrong = np.asarray(self._least) - self._shift
        lost = 0
        is_far = min(wrong) > self._tolerance or max(wrong) < -self._tolerance
        if is_far and len(wrong) == self._least.maxlen and not self._surplus:
            lost = self._step(round(float(np.median(wrong)) * self.rate))
            wrong = np.asarray(self._least) - self._shift
        if len(wrong) >= min(_EVIDENCE, self._least.maxlen or 0):
            far = float(np.median(wrong[-_EVIDENCE:]))
            self.stretch = float(np.clip((far - np.clip(far, -_CLOSE, _CLOSE)) / _SETTLE, -MOST, MOST))
        return lost

    def _step(self, samples: int) -> int:
        """Correct the count at once; returns samples lost."""
        self.corrected += abs(samples)
        self._shift += samples / self.rate
        self._surplus = max(0, -samples)
        if abs(samples) > _JUMP * self.rate:
            self._line = _Line()
        return self._lose(samples)

    def _lose(self, samples: int) -> int:
        lost = max(0, samples)
        self.count += lost
        self.lost += lost
        return lost

    def _start_anew(self) -> None:
        """Delays from here on have nothing to do with those before."""
        self._least.clear()
        self._second = _Least()
        self._shift = self.stretch = 0.0
        self._line = _Line()


class _Least:
    """The least delay of one second after another."""

    def __init__(self) -> None:
        self.value = math.inf
        self._at = 0.0
        self._until: float | None = None

    def add(self, at: float, delay: float) -> tuple[float, float] | None:
        """Take a delay; returns (time, least delay) of a second that is over."""
        over = None
        if self._until is None:
            self._until = at + _EVERY
        elif at >= self._until:
            over = (self._at, self.value)
            self.value, self._until = math.inf, at + _EVERY
        if delay < self.value:
            self.value, self._at = delay, at
        return over


class _Line:
    """A robust line (Theil–Sen) through delays over time, however long: at most 64 points, which grow coarser."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._open: list[tuple[float, float]] = []
        self._per_point = 1

    def add(self, at: float, delay: float) -> bool:
        """Take the least delay of a second; True where the line may have changed."""
        self._open.append((delay, at))
        if len(self._open) < self._per_point:
            return False
        delay, at = min(self._open)
        self._open.clear()
        self._points.append((at, delay))
        if len(self._points) == _POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [min(pair, key=lambda point: point[1]) for pair in pairs]
            self._per_point *= 2
        return True

    def drift_ppm(self, otherwise: float | None) -> float | None:
        """How fast the device runs, in millionths, if that is known well enough; else ``otherwise``."""
        if len(self._points) < _FEWEST:
            return otherwise
        at, delay = np.asarray(self._points, dtype=np.float64).T
        first, second = np.triu_indices(len(at), k=1)
        slope = float(np.median((delay[second] - delay[first]) / (at[second] - at[first])))
        rest = delay - slope * at
        spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        error = spread * math.sqrt(12.0 / len(at)) / float(at[-1] - at[0])
        return -slope * 1e6 if 3.0 * error * 1e6 <= _SURE_PPM else otherwise
