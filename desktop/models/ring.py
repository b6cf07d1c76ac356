"""A bounded table of numbers in the order of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]


class TimeRing:
    """The latest rows of a table whose first column is time; appending is O(1), reading gives a view.

    The table lies in a buffer of twice its capacity; when that is full the latest rows move to its front, so that
    what is kept always lies in one piece.

    Attributes
    ----------
    capacity : rows kept at most; an older one is dropped for each that comes after that.
    """

    def __init__(self, capacity: int, columns: int) -> None:
        self.capacity = capacity
        self._buffer: Rows = np.full((2 * capacity, 1 + columns), np.nan)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def append(self, t: float, values: Sequence[float] | Rows) -> None:
        """Add a row. Rows at or after ``t`` are void first: the source was rewound."""
        if len(self) and t <= self._buffer[self._end - 1, 0]:
            self._end = self._start + int(np.searchsorted(self.rows[:, 0], t, side="left"))
        if self._end == len(self._buffer):
            keep = self.rows[max(0, len(self) - self.capacity + 1) :].copy()
            self._buffer[: len(keep)] = keep
            self._start, self._end = 0, len(keep)
        self._buffer[self._end, 0] = t
        self._buffer[self._end, 1:] = values
        self._end += 1
        self._start = max(self._start, self._end - self.capacity)

    def forget(self, before: float) -> None:
        """Drop the rows earlier than ``before``."""
        self._start += int(np.searchsorted(self.rows[:, 0], before, side="left"))

    def clear(self) -> None:
        """Drop all rows."""
        self._start = self._end = 0

    @property
    def rows(self) -> Rows:
        """float64 (n, 1 + columns), oldest first; a read-only view that the next append may change."""
        view = self._buffer[self._start : self._end]
        view.flags.writeable = False
        return view
