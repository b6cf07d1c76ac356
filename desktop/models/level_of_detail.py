"""Many readings on few pixels: what to draw in each column, in time that hardly depends on how many there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_HELD = 2.5
"""Steps over which a reading holds; beyond them nothing was read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Rows ``first[i]`` to ``stop[i]`` (not included) belong to column ``i``; none where they are equal."""

    first: Ints
    stop: Ints


class Detail:
    """Readings at rising times, each of which holds until the next: what is drawn at a time is what was known then.

    Parameters
    ----------
    times : float64 (n,)
        Ends of their windows.

    Attributes
    ----------
    step : float
        The usual seconds between two.
    """

    def __init__(self, times: Floats) -> None:
        self.times = times
        self.step = float(np.median(np.diff(times))) if len(times) > 1 else 0.5
        self._last: tuple[Floats, Cells] | None = None  # all lanes ask for the same columns

    def cells(self, edges: Floats) -> Cells:
        """The readings of columns between ``edges`` (k + 1,); a column without one has the reading that still holds."""
        if self._last is not None and np.array_equal(self._last[0], edges):
            return self._last[1]
        bounds = np.searchsorted(self.times, edges, side="left").astype(np.int64)
        first, stop = bounds[:-1].copy(), bounds[1:].copy()
        empty = first == stop
        before = np.maximum(first - 1, 0)
        since = edges[1:] - self.times[before] if len(self.times) else np.full(len(empty), np.inf)
        held = empty & (first > 0) & (since <= _HELD * self.step + (edges[1:] - edges[:-1]))
        first[held] -= 1
        self._last = edges, Cells(first=first, stop=stop)
        return self._last[1]

    @staticmethod
    def extent(values: Floats, cells: Cells) -> tuple[Floats, Floats]:
        """Least and greatest of ``values`` (n,) in each column, (k,) each; NaN where there is none."""
        padded = np.append(values, np.nan)
        pairs = np.stack((cells.first, cells.stop), axis=1).ravel()
        none = cells.first >= cells.stop
        low = np.asarray(np.fmin.reduceat(padded, pairs), dtype=np.float64)[::2]
        high = np.asarray(np.fmax.reduceat(padded, pairs), dtype=np.float64)[::2]
        return np.where(none, np.nan, low), np.where(none, np.nan, high)


class Means:
    """Means of ``values`` (n, c) over any rows, without looking at them again; a row with a NaN does not count."""

    def __init__(self, values: Floats) -> None:
        good = np.logical_and.reduce(~np.isnan(values), axis=1)
        self._sums = _before(np.where(good[:, None], values, 0.0))
        self._counts = _before(good.astype(np.float64)[:, None])

    def over(self, cells: Cells) -> Floats:
        """In each column, (k, c); NaN where there is none."""
        counts = self._counts[cells.stop] - self._counts[cells.first]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Floats = (self._sums[cells.stop] - self._sums[cells.first]) / np.where(counts > 0, counts, np.nan)
        return mean


def share_covered(starts: Floats, ends: Floats, edges: Floats) -> Floats:
    """Share (k,) of each column between ``edges`` (k + 1,) that lies within spans from ``starts`` to ``ends`` (n,)."""
    if not len(starts):
        return np.zeros(len(edges) - 1)
    latest = np.maximum.accumulate(ends)
    begins = np.maximum(starts, np.concatenate(([-np.inf], latest[:-1])))  # what an earlier span covers counts once
    lengths = np.maximum(0.0, latest - np.minimum(begins, latest))
    sums = np.concatenate(([0.0], np.cumsum(lengths)))
    at = np.stack((np.minimum(begins, latest), latest), axis=1).ravel()
    total = np.stack((sums[:-1], sums[1:]), axis=1).ravel()
    covered: Floats = np.diff(np.interp(edges, at, total)) / np.maximum(1e-9, np.diff(edges))
    return covered.clip(0.0, 1.0)


def _before(values: Floats) -> Floats:
    """Sums of all rows before each, (n + 1, c)."""
    return np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)))
