"""How the parts of a distillation graph are drawn. Functions of numbers; no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF

from desktop import theme
from desktop.widgets.glide import Floats
from desktop.widgets.graph_layout import Arrow, Box, Layout, Point, head, opacity, stroke
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, advance, draw_text, fitting
from dmd_runtime import UNIFORM, Modality

_FADED: Final = 0.45
_DIMMED: Final = 0.4
_TURN: Final = 360 * 16
ROOT: Final = 9.0
"""Length of the grey root that shows a prior, in units."""
_AFTER_ROOT: Final = 2.5


@dataclass(frozen=True, kw_only=True)
class ArrowStyle:
    """How one arrow is drawn.

    Attributes
    ----------
    weight : as animated, for width and opacity.
    presence : 0 where an end is missing, 1 where both are there.
    prior : what the checkpoint pulls it to, or None.
    lit, dimmed : it is pointed at; another one is.
    """

    weight: float
    presence: float
    prior: float | None
    lit: bool
    dimmed: bool


def draw_arrow(painter: QPainter, arrow: Arrow, style: ArrowStyle, unit: float) -> None:
    """One edge in its teacher's colour, one outline, so that opacity is even.

    With a prior it grows from a grey root: what the arrow's width would be if the weight were the prior.
    """
    width = max(0.5, stroke(style.weight) * unit)
    alpha = opacity(style.weight) * (_FADED + (1 - _FADED) * style.presence)
    if style.lit:
        alpha = max(alpha, 0.5 + 0.5 * style.presence)
    elif style.dimmed:
        alpha *= _DIMMED
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.with_alpha(theme.MODALITY[arrow.edge.teacher], alpha))
    tail = 0.0 if style.prior is None else (ROOT + _AFTER_ROOT) * unit
    painter.drawPolygon(arrow_outline(arrow, width, unit, tail))
    if style.prior is None:
        return
    root, end = stroke(style.prior) * unit / 2, ROOT * unit / arrow.length
    painter.setBrush(theme.with_alpha(theme.theme().dim, alpha if style.dimmed else min(0.9, 2 * alpha)))
    corners = (arrow.at(0, root), arrow.at(end, root), arrow.at(end, -root), arrow.at(0, -root))
    painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))


def arrow_outline(arrow: Arrow, width: float, unit: float, tail: float = 0.0) -> QPolygonF:
    """Shaft and head of an arrow ``width`` pixels wide that begins ``tail`` pixels after its tail."""
    length, half = head(width, unit)
    neck = max(0.0, 1 - length / arrow.length)
    start = min(neck, tail / arrow.length)
    corners = (
        arrow.at(start, width / 2),
        arrow.at(neck, width / 2),
        arrow.at(neck, half),
        arrow.at(1),
        arrow.at(neck, -half),
        arrow.at(neck, -width / 2),
        arrow.at(start, -width / 2),
    )
    return QPolygonF([QPointF(*corner) for corner in corners])


def draw_number(painter: QPainter, box: Box, text: str, font: QFont, colour: QColor) -> None:
    """A weight in the middle of its room, its figures standing on the room's lower edge."""
    painter.setFont(font)
    painter.setPen(colour)
    x = box.centre.x - advance(font, text) / 2
    painter.drawText(QPointF(round(x), round(box.bottom - 1)), text)


@dataclass(frozen=True, kw_only=True)
class NodeStyle:
    """How one vertex is drawn; ``coverage`` and ``presence`` in [0, 1], as animated."""

    letter: Modality
    coverage: float
    presence: float
    dimmed: bool


def draw_node(painter: QPainter, at: Point, style: NodeStyle, layout: Layout) -> None:
    """A vertex: its letter in a ring that is closed as far as the modality was covered, broken where it is missing."""
    look, here = theme.theme(), style.presence >= 0.5
    ring, radius = layout.ring(), layout.radius
    circle = QRectF(at.x - radius, at.y - radius, 2 * radius, 2 * radius)
    painter.setBrush(look.card)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawEllipse(circle)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    colour = theme.with_alpha(theme.MODALITY[style.letter], _DIMMED if style.dimmed else 1.0)
    if here:
        painter.setPen(QPen(look.track, ring))
        painter.drawEllipse(circle)
        if style.coverage > 0:
            painter.setPen(QPen(colour, ring, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            painter.drawArc(circle, _TURN // 4, -round(_TURN * min(1.0, style.coverage)))
    else:
        broken = QPen(theme.with_alpha(look.dim, 0.75), ring * 0.6)
        broken.setCapStyle(Qt.PenCapStyle.FlatCap)
        broken.setDashPattern([3.2, 2.8])
        painter.setPen(broken)
        painter.drawEllipse(circle)
    letter = theme.font(max(13, round(16 * layout.unit)), weight=SEMI_BOLD)
    faded = style.dimmed or not here
    draw_text(painter, circle, CENTRE, style.letter.value, letter, look.dim if faded else look.ink)


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
    painter.setPen(QPen(look.dim, 1.0))
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


def pieces(values: Floats) -> list[slice]:
    """The stretches of ``values`` without a NaN."""
    good = np.concatenate(([False], ~np.isnan(values), [False]))
    ends = np.flatnonzero(good[1:] != good[:-1])
    return [slice(int(a), int(b)) for a, b in zip(ends[::2], ends[1::2], strict=True)]


def lane_top(weights: Floats) -> float:
    """The upper end of an axis from 0 that has these weights on it: 1/3, 1/2 or 1, so that it seldom changes."""
    highest = float(np.nanmax(weights)) if len(weights) and not np.isnan(weights).all() else 0.0
    return next((top for top in (2 * UNIFORM, 3 * UNIFORM) if highest <= top), 1.0)
