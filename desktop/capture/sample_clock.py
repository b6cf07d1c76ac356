"""Session time of sound by counting its samples, held against the clock: holes, overruns, drift. Pure arithmetic.

The count gives every sample its time, without jitter. The clock tells when sound came, late by what the system took to
hand it over, never early; the *least* delay in a second is therefore what the count is compared with.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from dmd_runtime import ANALYSIS_RATE

TOLERANCE: Final = 0.040
"""Seconds that count and clock may differ."""
PATIENCE: Final = 10
"""Seconds that they must differ by more before the count is corrected."""
_EVERY = 1.0  # s of which the least delay is kept
_POINTS = 64  # of the line through the delays; when full, neighbours become one
_SURE_PPM = 50.0  # three standard errors of a drift that is told
_FEWEST = 8  # points of a line


@dataclass(frozen=True, slots=True)
class Placed:
    """What to do with samples just counted: ``lost`` are missing before them, the first ``dropped`` are too many."""

    lost: int
    dropped: int


class SampleClock:
    """Counts the samples of one session, over all microphones that give them one after another; one thread at a time.

    Always ``t == origin + count / rate``, and ``count`` is what was given plus ``lost`` less ``dropped`` samples.

    Attributes
    ----------
    count : int
        Samples so far, lost ones included.
    lost : int
        Samples that never came: between two microphones or plugs, in overruns, by correction.
    corrected : int
        Samples that were counted as lost, or dropped, only because count and clock had drifted apart.
    drift_ppm : float or None
        How much faster than its nominal rate the device runs, in millionths; None until that is known within 50.

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
        self.drift_ppm: float | None = None
        self._tolerance = tolerance
        self._origin: float | None = None
        self._surplus = 0  # samples that are still to be dropped
        self._least: deque[float] = deque(maxlen=patience)  # delays, one a second
        self._second = _Least()
        self._shift = 0.0  # s by which corrections have moved the delay since the stream began
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
        self._surplus = 0
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
        delay = arrived - self.time_of(self.count + samples - self._surplus)
        if overrun:
            usual = min((*self._least, self._second.value))
            lost += self._lose(round((delay - (usual if usual < math.inf else 0.0)) * self.rate))
            self._start_anew()
        else:
            lost += self._watch(arrived, delay)
        dropped = min(self._surplus, samples)
        self._surplus -= dropped
        self.count += samples - dropped
        return Placed(lost, dropped)

    def _watch(self, arrived: float, delay: float) -> int:
        """Keep the least delay of each second; correct the count when it has long been wrong. Returns samples lost."""
        full = self._second.add(arrived, delay)
        if full is None:
            return 0
        at, least = full
        self._least.append(least)
        if self._line.add(at, least + self._shift):
            self.drift_ppm = self._line.drift_ppm(self.drift_ppm)
        if len(self._least) < (self._least.maxlen or 0) or self._surplus:
            return 0
        wrong = float(np.median(self._least))
        if not (min(self._least) > self._tolerance or max(self._least) < -self._tolerance):
            return 0
        samples = round(wrong * self.rate)
        self.corrected += abs(samples)
        self._shift += samples / self.rate
        self._least.clear()
        self._second = _Least()
        if samples < 0:
            self._surplus = -samples
            return 0
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
        self._shift = 0.0
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
