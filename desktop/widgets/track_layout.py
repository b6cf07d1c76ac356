"""Where the rows of a replay's timeline stand, and where session time lies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from PySide6.QtCore import QRectF, QSize

from desktop import theme
from desktop.models.level_of_detail import Floats
from desktop.models.track import TrackModel

_GAP: Final = 4.0
_AXIS, _OVERVIEW, _SLIM = 24.0, 22.0, 12.0
_LOW: Final = 190.0
"""Height below which the overview is slim."""
_TINY: Final = 72.0
"""Height below which it only tells where the view is: one row is worth more."""
_LEAST: Final = {"emotion": 26.0, "line": 12.0, "coverage": 4.0, "words": 12.0, "tier": 15.0}
_USUAL: Final = {"emotion": 58.0, "line": 26.0, "coverage": 7.0, "words": 17.0, "tier": 20.0}
_ROOMY: Final = {"emotion": 110.0, "line": 48.0, "coverage": 8.0, "words": 18.0, "tier": 22.0}


class Kind(Enum):
    """What a row shows."""

    EMOTION = "emotion"
    SENTIMENT = "sentiment"
    EDGE = "edge"
    COVERAGE = "coverage"
    WORDS = "words"
    TIER = "tier"


@dataclass(frozen=True)
class Row:
    """One row: what it shows, which of its kind, and where."""

    kind: Kind
    number: int
    box: QRectF


@dataclass(frozen=True)
class TrackLayout:
    """Everything at one size. ``rows`` are cut off at ``body``; ``hidden`` pixels of them do not fit."""

    axis: QRectF
    body: QRectF
    rows: tuple[Row, ...]
    overview: QRectF
    names: QRectF
    values: QRectF
    hidden: float

    @property
    def plot(self) -> QRectF:
        """Axis and rows, without names and values."""
        return QRectF(self.axis.left(), self.axis.top(), self.axis.width(), self.body.bottom() - self.axis.top())


@dataclass(frozen=True)
class TimeAxis:
    """Session time from ``start`` to ``end`` between ``left`` and ``right``; a pixel is ``ratio`` device pixels."""

    left: float
    right: float
    start: float
    end: float
    ratio: float = 1.0

    @property
    def pixels(self) -> float:
        """Pixels a second."""
        return (self.right - self.left) / (self.end - self.start)

    def x(self, t: float) -> float:
        """Pixel of a time."""
        return self.left + (t - self.start) * self.pixels

    def xs(self, t: Floats) -> Floats:
        """Pixels of times."""
        return self.left + (t - self.start) * self.pixels

    def time(self, x: float) -> float:
        """Time at a pixel."""
        return self.start + (x - self.left) / self.pixels

    def edges(self) -> Floats:
        """Times between the columns of device pixels, (k + 1,)."""
        count = max(1, round((self.right - self.left) * self.ratio))
        edges: Floats = np.linspace(self.start, self.end, count + 1)
        return edges

    def rows(self, box: QRectF) -> int:
        """How many device pixels a box is tall."""
        return max(1, round(box.height() * self.ratio))


def arrange(size: QSize, model: TrackModel, names: float, values: float, scrolled: float) -> TrackLayout:
    """Lay out; ``names`` and ``values`` are the widths of the columns beside the plot."""
    s = theme.scale()
    left, right = round(theme.INSIDE + names + 10), round(size.width() - theme.INSIDE - values - 10)
    width = max(40, right - left)
    low, tiny = size.height() < _LOW * s, size.height() < _TINY * s
    strip, edge, gap = (4.0, 4, 2) if tiny else (_SLIM * s, 7, 6) if low else (_OVERVIEW * s, 10, 6)
    axis = QRectF(left, 4 if low else 8, width, _AXIS * s)
    overview = QRectF(left, size.height() - edge - strip, width, strip)
    body = QRectF(left, axis.bottom() + 2, width, max(10.0, overview.top() - gap - axis.bottom() - 2))
    wanted = _wanted(model)
    heights = _heights([name for _, _, name in wanted], body.height(), s)
    rows, y = [], body.top() - scrolled
    for (kind, number, _), height in zip(wanted, heights, strict=True):
        rows.append(Row(kind, number, QRectF(left, round(y), width, round(height))))
        y += height + (1.0 if kind is Kind.COVERAGE and number < 2 else _GAP)
    total = y - _GAP - (body.top() - scrolled)
    return TrackLayout(
        axis=axis,
        body=body,
        rows=tuple(rows),
        overview=overview,
        names=QRectF(theme.INSIDE, 0, names, 0),
        values=QRectF(right + 10, 0, values, 0),
        hidden=max(0.0, total - body.height()),
    )


def _wanted(model: TrackModel) -> list[tuple[Kind, int, str]]:
    rows = [(Kind.EMOTION, 0, "emotion"), (Kind.SENTIMENT, 0, "line")]
    rows += [(Kind.EDGE, i, "line") for i in range(len(model.lanes))]
    own = [(Kind.WORDS, 0, "words"), *((Kind.TIER, i, "tier") for i in range(len(model.tiers)))]
    if model.hides_model:
        return own
    rows = own + rows if model.tiers_first else rows + own
    return rows + [(Kind.COVERAGE, i, "coverage") for i in range(3)]


def _heights(names: list[str], room: float, s: float) -> list[float]:
    """Heights between the least and the roomiest, as the room allows; nothing shrinks below the least."""
    gaps = _GAP * (len(names) - 1) - 6.0
    sums = [sum(table[name] * s for name in names) + gaps for table in (_LEAST, _USUAL, _ROOMY)]
    if room <= sums[0]:
        return [_LEAST[name] * s for name in names]
    low, high, at = (_LEAST, _USUAL, 0) if room < sums[1] else (_USUAL, _ROOMY, 1)
    share = min(1.0, (room - sums[at]) / max(1.0, sums[at + 1] - sums[at]))
    return [(low[name] + share * (high[name] - low[name])) * s for name in names]
