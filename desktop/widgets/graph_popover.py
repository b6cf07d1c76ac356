"""What a graph view tells of the edge that is pointed at: its words, its value, and where it has been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from desktop import theme
from desktop.widgets.glide import Floats
from desktop.widgets.graph_layout import Arrow, Box, Point
from desktop.widgets.lanes import lane_top, pieces
from desktop.widgets.painted import LEFT, RIGHT, SEMI_BOLD, advance, draw_text, fitting
from dmd_runtime import UNIFORM


@dataclass(frozen=True, kw_only=True)
class Popover:
    """What is said of the edge that is pointed at.

    ``times`` (n,) and ``weights`` (n,) are its history, ``seconds`` how far it goes back from ``now``; ``ends`` are the
    words below its two ends.
    """

    title: str
    number: str
    about: str
    window: str
    colour: QColor
    times: Floats
    weights: Floats
    now: float
    seconds: float
    ends: tuple[str, str]


def popover_size(popover: Popover, within: float) -> tuple[float, float]:
    """The room a popover needs in a card ``within`` pixels wide."""
    bold, small, s = theme.font(12, weight=SEMI_BOLD), theme.font(11), theme.scale()
    first = advance(bold, popover.title) + 14 + advance(bold, popover.number)
    second = advance(small, popover.about) + 14 + advance(small, popover.window)
    return min(within, max(176.0 * s, first, second) + 24), 96 * s


def draw_popover(painter: QPainter, box: QRectF, popover: Popover) -> None:
    """The edge in words, its value, and where it has been beside the uniform 1/6."""
    look, s = theme.theme(), theme.scale()
    bold, small, tiny = theme.font(12, weight=SEMI_BOLD), theme.font(11), theme.font(10)
    painter.setPen(QPen(theme.with_alpha(look.dim, 0.6), 1.0))
    painter.setBrush(look.background)
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS_SMALL, theme.RADIUS_SMALL)
    inside = box.adjusted(12, 8 * s, -12, -7 * s)
    line = QRectF(inside.left(), inside.top(), inside.width(), 16 * s)
    about = popover.about
    draw_text(painter, line, LEFT, fitting(bold, line.width(), popover.title), bold, look.ink)
    if advance(bold, popover.title) + 10 + advance(bold, popover.number) <= line.width():
        draw_text(painter, line, RIGHT, popover.number, bold, look.ink)
    else:
        about = f"{popover.number} · {about}"
    line.translate(0, 16 * s)
    about = fitting(small, line.width(), about)
    draw_text(painter, line, LEFT, about, small, look.dim)
    if advance(small, about) + 10 + advance(small, popover.window) <= line.width():
        draw_text(painter, line, RIGHT, popover.window, small, look.dim)
    foot = QRectF(inside.left(), inside.bottom() - 12 * s, inside.width(), 12 * s)
    room = advance(tiny, "1/6") + 5
    draw_text(painter, foot, LEFT, popover.ends[0], tiny, look.dim)
    draw_text(painter, foot.adjusted(0, 0, -room, 0), RIGHT, popover.ends[1], tiny, look.dim)
    plot = QRectF(inside.left(), line.bottom() + 4, inside.width() - room, foot.top() - line.bottom() - 6)
    _draw_sparkline(painter, plot, popover)


def _draw_sparkline(painter: QPainter, plot: QRectF, popover: Popover) -> None:
    look = theme.theme()
    top = lane_top(popover.weights)
    uniform = plot.bottom() - plot.height() * UNIFORM / top
    painter.setPen(QPen(look.dim, 1.0, Qt.PenStyle.DotLine))
    painter.drawLine(QPointF(plot.left(), uniform), QPointF(plot.right(), uniform))
    label = QRectF(plot.right() + 5, uniform - 7, 40, 14)
    draw_text(painter, label, LEFT, "1/6", theme.font(10), look.dim)
    if not len(popover.times):
        return
    x = plot.right() - (popover.now - popover.times) / popover.seconds * plot.width()
    y = plot.bottom() - popover.weights / top * plot.height()
    painter.setPen(QPen(popover.colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    for part in pieces(y):
        if part.stop - part.start == 1:
            painter.drawPoint(QPointF(x[part.start], y[part.start]))
        painter.drawPolyline([QPointF(a, b) for a, b in zip(x[part].tolist(), y[part].tolist(), strict=True)])
    if not np.isnan(y[-1]):
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(popover.colour)
        painter.drawEllipse(QPointF(x[-1], y[-1]), 2.6, 2.6)


def place_popover(
    arrow: Arrow, ends: Sequence[Point], words: Sequence[Box], room: Box, size: tuple[float, float]
) -> Box:
    """Where in ``room`` a popover of ``size`` hides least of its arrow, of the arrow's ends and of the card's words."""
    right, low = room.right - size[0], room.bottom - size[1]
    under = max((box.bottom for box in words if box.bottom < room.centre.y), default=room.y) + 3
    places = [
        Box(round(x), round(y), round(size[0]), round(size[1]))
        for y in (low, min(under, low), *(room.y + (low - room.y) * i / 8 for i in range(8)))
        for x in ((room.x + right) / 2, right, room.x)
    ]
    points = [arrow.at(i / 12) for i in range(13)] + [arrow.number.centre] * 4

    def cost(box: Box) -> float:
        own = sum(box.distance(point) < 3 for point in points)
        words_lost = sum((0.5 if box.holds(text) else 1.5) for text in words if box.meets(text))
        return own + words_lost + 4 * sum(box.distance(end) < 12 for end in ends)

    return min(places, key=cost)
