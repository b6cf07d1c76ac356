"""What the timeline shows: the last minute of readings as numbers, and the moments that were marked."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop.models.ring import Rows, TimeRing
from desktop.models.words import EMOTIONS, in_order, present
from dmd_runtime import EDGES, MODALITIES, Edge, Graph, Modality, Reading

_READINGS_PER_SECOND: Final = 10
_MARKERS: Final = 500
_STEP: Final = 0.5
_GRAPHS: Final = tuple(Graph)
_VALID, _EDGES, _COVERAGE = 2, 3, 3 + len(_GRAPHS) * len(EDGES)
_PRESENT: Final = _COVERAGE + len(MODALITIES)
_WIDTH: Final = _PRESENT + len(MODALITIES)

Lane = tuple[Graph, Edge]
DEFAULT_LANES: Final[tuple[Lane, ...]] = (
    (Graph.HOMOGENEOUS, Edge(Modality.LANGUAGE, Modality.VISUAL)),
    (Graph.HETEROGENEOUS, Edge(Modality.VISUAL, Modality.ACOUSTIC)),
)


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A marked moment. ``colour`` is ``#rrggbb``, or empty for the colour of text."""

    t: float
    label: str
    colour: str = ""


class Run(NamedTuple):
    """Neighbouring readings that a line may join: rows [first, stop), the first of which counts from ``since``."""

    first: int
    stop: int
    since: float


class TimelineModel(QObject):
    """The last ``seconds`` of raw readings, in numpy rings. Lives on the GUI thread.

    A reading stands at the end of its window. Arrays have one row per reading, oldest first, and are views that the
    next :meth:`take` may change. Taking a reading that is earlier than the last one (a rewind) voids what came after.

    Attributes
    ----------
    seconds : how far the timeline goes back.
    labels : columns of :attr:`emotions`, in the order of the stack.
    lanes : the (graph, edge) pairs that have a lane, top first; every edge is kept, so a new lane has its past.
    step : seconds between readings, as they come.
    revision : grows with every change but that of :attr:`now`.

    Signals
    -------
    changed : readings, lanes or markers changed.
    moved : only :attr:`now` changed.
    """

    changed = Signal()
    moved = Signal()

    def __init__(self, seconds: float = 60.0, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.seconds = seconds
        self.labels: tuple[str, ...] = EMOTIONS
        self.revision = 0
        self.step = _STEP
        self._lanes: tuple[Lane, ...] = DEFAULT_LANES
        self._capacity = ceil(seconds * _READINGS_PER_SECOND)
        self._table = TimeRing(self._capacity, _WIDTH - 1)
        self._emotion = TimeRing(self._capacity, len(self.labels))
        self._reasons: deque[tuple[float, str]] = deque(maxlen=self._capacity)
        self._markers: deque[Marker] = deque(maxlen=_MARKERS)
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._table)

    def take(self, reading: Reading) -> None:
        """Add a reading; the right edge moves to its end at least."""
        t = reading.span.end
        rewound = len(self) > 0 and t <= self.times[-1]
        here = present(reading)
        row = np.full(_WIDTH - 1, np.nan)
        row[0], row[1] = reading.index, reading.valid
        for g, graph in enumerate(_GRAPHS):
            edges = reading.edges[graph]
            if edges is not None:
                ends = present(reading, graph)
                weights = [edges[e] if e.teacher in ends and e.student in ends else np.nan for e in EDGES]
                row[_EDGES - 1 + g * len(EDGES) :][: len(EDGES)] = weights
        row[_COVERAGE - 1 :][: len(MODALITIES)] = [reading.coverage[m] for m in MODALITIES]
        row[_PRESENT - 1 :] = [m in here for m in MODALITIES]
        self._table.append(t, row)
        self._take_emotion(t, reading)
        self._take_reason(t, reading.reason)
        self._now = t if rewound else max(self._now, t)
        self.step = self._usual_step()
        self._forget()
        self._touch()

    def advance(self, now: float) -> None:
        """Move the right edge to session time ``now``; it never moves back."""
        if now > self._now:
            self._now = now
            self.moved.emit()

    def reset(self) -> None:
        """Forget readings and markers; lanes stay."""
        for ring in (self._table, self._emotion):
            ring.clear()
        self._reasons.clear()
        self._markers.clear()
        self._now = 0.0
        self._touch()

    @property
    def now(self) -> float:
        """Session time of the right edge."""
        return self._now

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """See the class."""
        return self._lanes

    @lanes.setter
    def lanes(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(dict.fromkeys(lanes))
        self._touch()

    def toggle_lane(self, graph: Graph, edge: Edge) -> None:
        """Give an edge a lane, or take it away."""
        lane = (graph, edge)
        self.lanes = [kept for kept in self._lanes if kept != lane] if lane in self._lanes else [*self._lanes, lane]

    @property
    def markers(self) -> tuple[Marker, ...]:
        """In the order in which they were set."""
        return tuple(self._markers)

    @markers.setter
    def markers(self, markers: Sequence[Marker]) -> None:
        self._markers = deque(markers, maxlen=_MARKERS)
        self._touch()

    def mark(self, t: float, label: str, colour: str = "") -> None:
        """Mark a moment."""
        self._markers.append(Marker(t=t, label=label, colour=colour))
        self._touch()

    @property
    def times(self) -> Rows:
        """float64 (n,)."""
        return self._table.rows[:, 0]

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Whether each reading was valid, bool (n,)."""
        return self._table.rows[:, _VALID] > 0

    @property
    def emotions(self) -> Rows:
        """Raw probabilities, float64 (n, labels); NaN where a reading has none."""
        return self._emotion.rows[:, 1:]

    def edge(self, graph: Graph, edge: Edge) -> Rows:
        """Raw weights, float64 (n,); NaN where there is no graph or an end of the edge is missing."""
        return self._table.rows[:, _EDGES + _GRAPHS.index(graph) * len(EDGES) + EDGES.index(edge)]

    @property
    def coverage(self) -> Rows:
        """float64 (n, 3) in the order of ``MODALITIES``."""
        return self._table.rows[:, _COVERAGE:_PRESENT]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Whether a modality took part, bool (n, 3)."""
        return self._table.rows[:, _PRESENT:] > 0

    def runs(self, values: Rows) -> list[Run]:
        """The stretches of ``values`` (n,) over which a line may be drawn.

        A NaN ends a stretch, and so do two or more readings in a row that were never seen: nothing is interpolated. A
        reading stands for the step that ends at it, so a stretch counts from one step before its first.
        """
        rows = self._table.rows
        good = ~np.isnan(values)
        if not good.any():
            return []
        joined = good[1:] & good[:-1] & (np.diff(rows[:, 1]) <= 2)
        starts = np.flatnonzero(good & ~np.concatenate(([False], joined)))
        stops = np.flatnonzero(good & ~np.concatenate((joined, [False]))) + 1
        step, times = self.step, rows[:, 0]
        before = [times[i - 1] if i else -np.inf for i in starts]
        since = np.maximum(times[starts] - step, before)
        return [Run(int(a), int(b), float(t)) for a, b, t in zip(starts, stops, since, strict=True)]

    def nearest(self, t: float) -> int | None:
        """The row of the reading that stands for time ``t``, or None where none does."""
        times = self.times
        i = int(np.searchsorted(times, t, side="left"))
        if i == len(times) or times[i] - self.step > t + 1e-9:
            return None
        return i

    def reason(self, row: int) -> str:
        """What reading ``row`` had to do without."""
        return self._reasons[row][1]

    def _take_emotion(self, t: float, reading: Reading) -> None:
        emotion = reading.emotion if reading.valid else None
        labels = in_order(tuple(emotion)) if emotion else self.labels
        if labels != self.labels:
            self.labels = labels
            self._emotion = TimeRing(self._capacity, len(labels))
            for earlier in self.times[:-1]:
                self._emotion.append(float(earlier), [np.nan] * len(labels))
        self._emotion.append(t, [emotion[label] for label in labels] if emotion else [np.nan] * len(labels))

    def _take_reason(self, t: float, reason: str) -> None:
        while self._reasons and self._reasons[-1][0] >= t:
            self._reasons.pop()
        self._reasons.append((t, reason))

    def _usual_step(self) -> float:
        rows = self._table.rows
        if len(rows) < 2:
            return _STEP
        return float(np.median(np.diff(rows[:, 0]) / np.maximum(1.0, np.diff(rows[:, 1]))))

    def _forget(self) -> None:
        """Keep one reading beyond the left edge, so that a line comes from outside."""
        before = self.times[-1] - self.seconds - 2 * self.step
        self._table.forget(before)
        self._emotion.forget(before)
        while self._reasons and self._reasons[0][0] < before:
            self._reasons.popleft()

    def _touch(self) -> None:
        self.revision += 1
        self.changed.emit()
