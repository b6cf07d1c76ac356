"""Annotations on a replay's timeline: how a tier is drawn, and which item is under the mouse."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF

from desktop import theme
from desktop.models.level_of_detail import share_covered
from desktop.models.track import TierKey, TierRow
from desktop.widgets.painted import LEFT, advance, draw_text, fitting
from desktop.widgets.track_layout import TimeAxis
from desktop.widgets.track_painting import draw_trace, paint
from desktop.widgets.track_raster import bar_picture
from dmd_runtime import Item, Tier, TierKind

_MOST: Final = 400
"""Items in view that are drawn one by one; of more, where they are."""
_LINES: Final = 60
"""Moments in view whose lines go down through all rows."""
_ROUNDED: Final = 24.0
"""Pixels from which a span has round corners."""
_REACH: Final = 5.0
"""Pixels within which an edge or a moment is hit."""


class Part(Enum):
    """What of an item is under the mouse."""

    BODY = "body"
    START = "start"
    END = "end"


@dataclass(frozen=True)
class Hit:
    """An item under the mouse."""

    key: TierKey
    item: Item
    part: Part


def colour_of(tier: Tier, label: str) -> QColor:
    """The colour of a label: its own, an emotion's, or the ink of text."""
    own = next((one.color for one in tier.labels if one.name == label and one.color), "")
    if own and QColor(own).isValid():
        return QColor(own)
    return theme.EMOTION.get(label.lower(), theme.theme().dim)


def draw_tier(painter: QPainter, box: QRectF, axis: TimeAxis, row: TierRow, selected: str) -> None:
    """One tier; ``selected`` is the id of the item that is chosen, or empty."""
    look, font = theme.theme(), theme.font(11)
    painter.fillRect(box, theme.with_alpha(look.track, 0.5))
    if row.tier.kind is TierKind.TRACE:
        draw_trace(painter, box, axis, row)
        return
    inside = row.within(axis.start, axis.end)
    if len(inside) > _MOST:
        ends = np.maximum(row.ends, row.starts + 1 / axis.pixels)
        share = share_covered(row.starts, ends, axis.edges())
        paint(painter, box, bar_picture(share, axis.rows(box), theme.with_alpha(look.dim, 0.8)))
        return
    for n, i in enumerate(inside.tolist()):
        item = row.tier.items[i]
        after = axis.x(row.starts[inside[n + 1]]) if n + 1 < len(inside) else axis.right
        chosen = bool(selected) and item.id == selected
        colour = colour_of(row.tier, item.label)
        if item.t1 is None:
            left = _draw_moment(painter, QPointF(axis.x(item.t0), box.center().y()), box.height(), colour, chosen)
            room = QRectF(left, box.top(), after - left - 8, box.height())
        else:
            span = QRectF(max(axis.x(item.t0), axis.left - 8), box.top() + 1, 0, box.height() - 2)
            span.setRight(max(span.left() + 2, min(axis.x(item.end), axis.right + 8)))
            room = _draw_span(painter, span, colour, chosen)
        text = fitting(font, room.width(), item.label or item.note) if room.width() > 26 else ""
        if len(text) > 1:
            draw_text(painter, room, LEFT, text, font, look.ink)


def _draw_moment(painter: QPainter, at: QPointF, height: float, colour: QColor, chosen: bool) -> float:
    """A diamond; returns where its label may begin."""
    sign = _diamond(colour.name(), min(5.5, height / 2 - 1), chosen, painter.device().devicePixelRatioF())
    half = sign.deviceIndependentSize().width() / 2
    painter.drawPixmap(QPointF(at.x() - half, at.y() - half), sign)
    return at.x() + 9


@lru_cache(maxsize=256)
def _diamond(colour: str, size: float, chosen: bool, ratio: float) -> QPixmap:
    """Drawn once: hundreds of polygons would take longer than everything else."""
    look, side = theme.theme(), 2 * round(size) + 4
    sign = QPixmap(QSize(side, side) * ratio)
    sign.setDevicePixelRatio(ratio)
    sign.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sign)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(look.ink, 2.0) if chosen else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    middle, aside, down = QPointF(side / 2, side / 2), QPointF(size, 0), QPointF(0, size)
    painter.drawPolygon(QPolygonF([middle - down, middle + aside, middle + down, middle - aside]))
    painter.end()
    return sign


def _draw_span(painter: QPainter, span: QRectF, colour: QColor, chosen: bool) -> QRectF:
    """A box with a stripe at its left; returns the room for its label."""
    if chosen or span.width() >= _ROUNDED:
        painter.setPen(QPen(theme.theme().ink, 2.0) if chosen else Qt.PenStyle.NoPen)
        painter.setBrush(theme.with_alpha(colour, 0.38))
        painter.drawRoundedRect(span.adjusted(0.5, 0, -0.5, 0), 4, 4)
    else:
        painter.fillRect(span.adjusted(0.5, 0, -0.5, 0), theme.with_alpha(colour, 0.38))
    painter.fillRect(QRectF(span.left() + 0.5, span.top() + 2, min(3.0, span.width()), span.height() - 4), colour)
    return span.adjusted(8, -1, -4, 1)


def draw_moments(painter: QPainter, body: QRectF, axis: TimeAxis, rows: tuple[TierRow, ...]) -> None:
    """Dotted lines through all rows at the moments in view, where these are few."""
    moments = [row.starts[row.within(axis.start, axis.end)] for row in rows if row.tier.kind is TierKind.POINT]
    xs = axis.xs(np.unique(np.concatenate(moments))) if moments else np.empty(0)
    if not 0 < len(xs) <= _LINES:
        return
    painter.setPen(QPen(theme.with_alpha(theme.theme().ink, 0.6), 1.0, Qt.PenStyle.DotLine, Qt.PenCapStyle.FlatCap))
    painter.drawLines([QLineF(x, body.top(), x, body.bottom()) for x in (np.round(xs) + 0.5).tolist()])


def item_at(row: TierRow, axis: TimeAxis, x: float) -> Hit | None:
    """The item at ``x``: an edge within a few pixels, else the one that covers it; of moments the nearest."""
    if row.tier.kind is TierKind.TRACE or not len(row.starts):
        return None
    reach = _REACH / axis.pixels
    t = axis.time(x)
    best: tuple[float, Hit] | None = None
    for i in row.within(t - 2 * reach, t + 2 * reach).tolist():
        item = row.tier.items[i]
        start, end = abs(axis.x(item.t0) - x), abs(axis.x(item.end) - x)
        if item.t1 is None:
            part, away = Part.BODY, start - 1.0
        elif min(start, end) <= _REACH and axis.x(item.end) - axis.x(item.t0) > 3 * _REACH:
            part, away = (Part.START, start) if start <= end else (Part.END, end)
        else:
            part, away = Part.BODY, 0.0 if item.t0 <= t <= item.end else min(start, end)
        if away <= _REACH and (best is None or away <= best[0]):
            best = away, Hit(row.tier.key, item, part)
    return None if best is None else best[1]


def label_width(row: TierRow) -> float:
    """Width of a tier's name."""
    return min(130.0, advance(theme.font(12), f"{row.tier.name} · {row.tier.by}"))
