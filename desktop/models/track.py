"""What the timeline of a replay shows: a whole session, the part of it in view, play head, selection, annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop.models.level_of_detail import Detail, Floats, Means
from desktop.models.timeline import DEFAULT_LANES, Lane
from desktop.models.words import in_order
from dmd_runtime import EDGES, MODALITIES, Annotations, Edge, Graph, Item, Readings, Tier

CLOSEST: Final = 0.5
"""Seconds that are in view at least."""
_LEAST_SELECTION = 0.02  # s
_FOLLOWED_AT = 0.08  # share of the view at which the play head stands after the view has turned a page
TierKey = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Series:
    """The readings of a session as the timeline draws them.

    Attributes
    ----------
    detail : Detail
    labels : tuple of str
        In the order of the stack.
    emotions : float64 (n, C)
        NaN rows where a reading is not valid or has no emotion.
    sentiment : float64 (n,)
    edges : {Graph: float64 (n, 6)}
        Raw; NaN where there is no graph, or an end of the edge was missing.
    coverage : float64 (n, 3)
    present : bool (n, 3)
    valid : bool (n,)
    """

    detail: Detail
    labels: tuple[str, ...]
    emotions: Floats
    sentiment: Floats
    edges: dict[Graph, Floats]
    coverage: Floats
    present: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, readings: Readings) -> Series:
        """Made of what was recorded."""
        labels = in_order(readings.labels)
        order = [readings.labels.index(label) for label in labels]
        valid = np.asarray(readings.valid, dtype=np.bool_)
        emotions = np.where(valid[:, None], readings.emotion[:, order], np.nan).astype(np.float64)
        here = {graph: present_in(readings, graph) for graph in Graph}
        ends = [(MODALITIES.index(edge.teacher), MODALITIES.index(edge.student)) for edge in EDGES]
        teachers, students = (list(side) for side in zip(*ends, strict=True))
        edges = {
            graph: np.where(here[graph][:, teachers] & here[graph][:, students], readings.edges[graph], np.nan).astype(
                np.float64
            )
            for graph in Graph
        }
        return cls(
            detail=Detail(np.asarray(readings.t1, dtype=np.float64)),
            labels=labels,
            emotions=emotions,
            sentiment=np.where(valid, readings.sentiment, np.nan).astype(np.float64),
            edges=edges,
            coverage=np.asarray(readings.coverage, dtype=np.float64),
            present=here[Graph.HOMOGENEOUS],
            valid=valid,
        )

    @cached_property
    def mean_emotions(self) -> Means:
        """Over any stretch."""
        return Means(self.emotions)

    @cached_property
    def mean_coverage(self) -> Means:
        """Over any stretch, where the modality took part."""
        return Means(np.where(self.present, self.coverage, 0.0))

    @cached_property
    def mean_sentiment(self) -> Means:
        """Over any stretch."""
        return Means(self.sentiment[:, None])

    @cached_property
    def _mean_edges(self) -> dict[Lane, Means]:
        return {}

    def mean_edge(self, lane: Lane) -> Means:
        """Weight of an edge over any stretch."""
        if lane not in self._mean_edges:
            self._mean_edges[lane] = Means(self.edge(lane)[:, None])
        return self._mean_edges[lane]

    def edge(self, lane: Lane) -> Floats:
        """Weights (n,) of one edge."""
        return self.edges[lane[0]][:, EDGES.index(lane[1])]

    def __len__(self) -> int:
        return len(self.valid)


def present_in(readings: Readings, graph: Graph) -> npt.NDArray[np.bool_]:
    """Which modalities took part, bool (n, 3); as :func:`desktop.models.words.present` of one reading."""
    if readings.labels:
        return ~np.isnan(readings.unimodal[graph][:, :, 0])
    weights = readings.edges[graph]
    teaches = np.stack(
        [np.nanmax(np.nan_to_num(weights[:, [e.teacher is m for e in EDGES]]), axis=1) > 0 for m in MODALITIES], axis=1
    )
    graphless = np.isnan(weights[:, 0])
    return np.where(graphless[:, None], readings.coverage > 0, teaches).astype(np.bool_)


@dataclass(frozen=True, eq=False)
class Spoken:
    """The words of a session: starts and ends float64 (n,), texts."""

    starts: Floats = field(default_factory=lambda: np.empty(0))
    ends: Floats = field(default_factory=lambda: np.empty(0))
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TierRow:
    """A tier as the timeline draws it: starts, ends (of a moment its start) and values (n,), float64; NaN: no value."""

    tier: Tier
    starts: Floats
    ends: Floats
    values: Floats

    @classmethod
    def of(cls, tier: Tier) -> TierRow:
        """Made of a tier."""
        rows = [(i.t0, i.end, np.nan if i.value is None else i.value) for i in tier.items]
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        return cls(tier, table[:, 0], table[:, 1], table[:, 2])

    def within(self, start: float, end: float) -> npt.NDArray[np.int64]:
        """Numbers of the items that touch ``start`` to ``end``."""
        return np.flatnonzero((self.ends >= start) & (self.starts <= end)).astype(np.int64)


class TrackModel(QObject):
    """State of the timeline; on the window's thread.

    Attributes
    ----------
    end : float
        Of the session, s; it begins at 0.
    view : (start, end)
        What is on screen.
    position : float
        The play head.
    selection : (start, end) or None
    series, spoken, annotations
    hides_model : bool
        Whether ``series`` is None whatever was read: a rater is not to be influenced.
    tiers_first : bool
        Whether annotations stand above what the model says, as while they are edited.
    tiers : tuple of TierRow
        The annotations', for drawing.
    lanes : tuple of (Graph, Edge)
        The edges that have a lane.
    selected : (TierKey, id) or None
        The annotation that is chosen.
    revision : int
        Grows with what there is to draw.

    Signals
    -------
    changed : what there is to draw.
    view_changed
    moved : the play head.
    selection_changed
    item_selected(TierKey or None, str id)
    """

    changed = Signal()
    view_changed = Signal()
    moved = Signal()
    selection_changed = Signal()
    item_selected = Signal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.lanes: tuple[Lane, ...] = DEFAULT_LANES
        self.hides_model = self.tiers_first = False
        self.revision = 0
        self._clear()

    def _clear(self) -> None:
        self.end = 0.0
        self.view = (0.0, 1.0)
        self.position = 0.0
        self.selection: tuple[float, float] | None = None
        self.series: Series | None = None
        self._read: Series | None = None
        self.spoken = Spoken()
        self.annotations = Annotations()
        self.tiers: tuple[TierRow, ...] = ()
        self.selected: tuple[TierKey, str] | None = None

    def reset(self) -> None:
        """Nothing is open; lanes stay."""
        self._clear()
        self._touch()
        self.view_changed.emit()
        self.selection_changed.emit()

    # ------------------------------------------------------------------ data

    def set_end(self, end: float) -> None:
        """The session's length; a view of all stays one of all."""
        was_all = self.shows_all
        self.end = max(0.0, end)
        self._touch()
        if was_all:
            self.show_all()
        else:
            self.set_view(*self.view)

    def set_series(self, series: Series | None) -> None:
        """Show these readings."""
        self._read = series
        self.series = None if self.hides_model else series
        self._touch()

    def lead_with_tiers(self, first: bool) -> None:
        """Show annotations above everything, or between words and coverage."""
        self.tiers_first = first
        self._touch()

    def hide_model(self, hides: bool) -> None:
        """Show nothing that the model says, or show it again."""
        self.hides_model = hides
        self.set_series(self._read)

    def set_spoken(self, spoken: Spoken) -> None:
        """Show these words."""
        self.spoken = spoken
        self._touch()

    def set_annotations(self, annotations: Annotations) -> None:
        """Show these tiers; what is selected stays so if it is still there."""
        old = {id(row.tier): row for row in self.tiers}
        self.annotations = annotations
        self.tiers = tuple(old.get(id(tier)) or TierRow.of(tier) for tier in annotations.tiers)
        if self.selected is not None and self.item(*self.selected) is None:
            self.select_item(None)
        self._touch()

    def toggle_lane(self, graph: Graph, edge: Edge) -> None:
        """Give an edge a lane, or take it away."""
        lane = (graph, edge)
        kept = tuple(one for one in self.lanes if one != lane)
        self.lanes = kept if len(kept) < len(self.lanes) else (*kept, lane)
        self._touch()

    def item(self, key: TierKey, id: str) -> Item | None:  # noqa: A002 - the field's name
        """An annotation, if it is there."""
        tier = next((tier for tier in self.annotations.tiers if tier.key == key), None)
        return None if tier is None else next((item for item in tier.items if item.id == id and id), None)

    def select_item(self, key: TierKey | None, id: str = "") -> None:  # noqa: A002
        """Choose an annotation, or none."""
        self.selected = None if key is None else (key, id)
        self.item_selected.emit(key, id)
        self.selection_changed.emit()

    def moments(self) -> Floats:
        """Starts of all annotations but traces, rising, float64 (n,): where Ctrl+arrow goes."""
        tiers: tuple[Tier, ...] = self.annotations.tiers
        times = [item.t0 for tier in tiers for item in tier.items if item.value is None]
        return np.unique(np.array(times, dtype=np.float64))

    # ------------------------------------------------------------------ view

    @property
    def shows_all(self) -> bool:
        """Whether the whole session is in view."""
        return self.view[0] <= 0.0 and self.view[1] >= max(self.end, CLOSEST) - 1e-9

    def set_view(self, start: float, end: float) -> None:
        """Show ``start`` to ``end``, within the session and not closer than :data:`CLOSEST`."""
        whole = max(self.end, CLOSEST)
        span = min(whole, max(CLOSEST, end - start))
        start = min(max(0.0, start), whole - span)
        view = (start, start + span)
        if view != self.view:
            self.view = view
            self.view_changed.emit()

    def show_all(self) -> None:
        """Show the whole session."""
        self.set_view(0.0, max(self.end, CLOSEST))

    def zoom(self, factor: float, around: float | None = None) -> None:
        """See ``factor`` times as much, while ``around`` (else the play head, if it is seen) stays where it is."""
        start, end = self.view
        if around is None:
            around = self.position if start <= self.position <= end else (start + end) / 2
        span = min(max(self.end, CLOSEST), max(CLOSEST, (end - start) * factor))
        share = (around - start) / (end - start)
        self.set_view(around - share * span, around + (1 - share) * span)

    def pan(self, seconds: float) -> None:
        """Move the view."""
        self.set_view(self.view[0] + seconds, self.view[1] + seconds)

    def zoom_to_selection(self) -> None:
        """Show what is selected, with a little on both sides; all, where that is shown or nothing is selected."""
        if self.selection is None:
            self.show_all()
            return
        start, end = self.selection
        room = 0.05 * (end - start)
        before = self.view
        self.set_view(start - room, end + room)
        if self.view == before:
            self.show_all()

    # ------------------------------------------------- play head, selection

    def move(self, t: float, *, follow: bool) -> None:
        """The play head is at ``t``; ``follow``: the view turns a page when it leaves."""
        self.position = t
        start, end = self.view
        if follow and not start <= t <= end:
            self.set_view(t - _FOLLOWED_AT * (end - start), t + (1 - _FOLLOWED_AT) * (end - start))
        self.moved.emit()

    def select(self, a: float | None, b: float = 0.0) -> None:
        """Select from ``a`` to ``b`` in either order; None, or hardly anything, selects nothing."""
        chosen = None
        if a is not None and abs(b - a) >= _LEAST_SELECTION:
            chosen = (max(0.0, min(a, b)), min(self.end, max(a, b)))
        if chosen != self.selection:
            self.selection = chosen
            self.selection_changed.emit()

    def _touch(self) -> None:
        self.revision += 1
        self.changed.emit()
