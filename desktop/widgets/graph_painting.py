"""How the parts of a distillation graph are drawn. Functions of numbers; no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF

from desktop import theme
from desktop.widgets.graph_layout import Arrow, Box, Layout, Point, head, opacity, stroke
from desktop.widgets.painted import CENTRE, SEMI_BOLD, advance, draw_text
from dmd_runtime import Modality

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
