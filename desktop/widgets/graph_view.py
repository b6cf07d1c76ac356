"""One distillation graph, live: who teaches whom, how strongly, in the window that was read last."""

from __future__ import annotations

from typing import Final

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from desktop import theme
from desktop.models.graph import GraphModel
from desktop.models.words import coverage_words, edge_words, graph_name, modality_word, span_text
from desktop.widgets.glide import Floats, Glide
from desktop.widgets.graph_layout import Box, Layout, Point, Room, lay_out, stroke, unit_of
from desktop.widgets.graph_painting import (
    ROOT,
    ArrowStyle,
    NodeStyle,
    draw_arrow,
    draw_node,
    draw_number,
)
from desktop.widgets.graph_popover import Popover, draw_popover, place_popover, popover_size
from desktop.widgets.lanes import strong
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, PaintedCard, advance, draw_text, fitting
from dmd_runtime import EDGES, MODALITIES, UNIFORM, Edge, Graph, Modality

_REACH: Final = 7.0
_NEXT: Final = (Qt.Key.Key_Right, Qt.Key.Key_Down)
_PREVIOUS: Final = (Qt.Key.Key_Left, Qt.Key.Key_Up)
_CHOOSE: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class GraphView(PaintedCard):
    """A directed triangle: arrows from teacher to student in the teacher's colour, as wide as their weight is large.

    The numbers are the model's own, written as soon as they come; widths, opacities and rings follow by a
    :class:`~desktop.widgets.glide.Glide`. The mouse, or the arrow keys where the card has the focus, point at an edge,
    which then tells its words, value and history.

    Signals
    -------
    edge_selected : Edge
        An edge was clicked, or chosen with Enter or Space.
    """

    edge_selected = Signal(object)

    def __init__(self, model: GraphModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._layout: Layout | None = None
        self._hovered: Edge | None = None
        self._walked: Edge | None = None
        self.glide = Glide(self, self._target())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        model.changed.connect(self._take)
        self._take()

    def drawn_edges(self) -> dict[Edge, float]:
        """The weights whose numbers are on screen, raw as in the model's reading; empty where there is no graph."""
        return {} if self._model.edges is None else dict(self._model.edges)

    @property
    def active_edge(self) -> Edge | None:
        """The edge that is pointed at, by mouse or keyboard."""
        if self._model.edges is None:
            return None
        return self._hovered or (self._walked if self.hasFocus() else None)

    def arrangement(self) -> Layout:
        """Where everything stands at the present size."""
        if self._layout is None:
            self._layout = lay_out(self.width(), self.height(), self._room())
        return self._layout

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """The size of the drawing."""
        return QSize(280, 256)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The least at which no number touches anything."""
        return QSize(200, 190) * max(1.0, theme.scale())

    # What is on screen -------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """Title, graph or the reason why there is none, caption, and the popover of an edge."""
        self._paint_corners(painter)
        layout, active = self.arrangement(), self.active_edge
        if self._model.edges is not None:
            self._paint_arrows(painter, layout, active)
        for i, m in enumerate(MODALITIES):
            style = NodeStyle(
                letter=m,
                coverage=float(self.glide.at[6 + i]),
                presence=float(self.glide.at[9 + i]),
                dimmed=active is not None and m not in active,
            )
            draw_node(painter, layout.nodes[m], style, layout)
        if self._model.edges is None:
            self._paint_absence(painter, layout)
            return
        self._paint_numbers(painter, layout, active)
        caption = QRectF(*self._caption())
        if active is None:
            self._paint_caption(painter, caption)
            return
        popover = self._popover(active)
        box = self._popover_place(layout, active, popover)
        if not QRectF(*box).intersects(caption):
            self._paint_caption(painter, caption)
        draw_popover(painter, QRectF(*box), popover)

    def restyle(self) -> None:
        """Measure anew."""
        self._layout = None

    def _paint_corners(self, painter: QPainter) -> None:
        look, s = theme.theme(), theme.scale()
        margin = self._margin()
        first = QRectF(margin, 9 * s, self.width() - 2 * margin, 18 * s)
        own, title = self._space(), graph_name(self._model.graph)
        draw_text(painter, first, LEFT, title, theme.font(13, weight=SEMI_BOLD), look.ink)
        left = self.width() - 2 * margin - advance(theme.font(13, weight=SEMI_BOLD), title) - 8
        draw_text(painter, first, RIGHT, fitting(theme.font(11), left, own), theme.font(11), look.dim)
        second = first.translated(0, 17 * s)
        if self._model.span is not None:
            layout = self.arrangement()
            node = layout.nodes[Modality.LANGUAGE]
            room = node.x - margin - (layout.radius + 8 if node.y - layout.radius < second.bottom() else 0)
            text = fitting(theme.font(11), room, self._window_text(), f"{self._model.span[1]:.1f} s")
            draw_text(painter, second, LEFT, text, theme.font(11), look.dim)
        if self._model.edges is not None:
            self._paint_key(painter, second)

    def _paint_key(self, painter: QPainter, line: QRectF) -> None:
        """What a uniform arrow looks like, and the marks of a prior where there are any."""
        look, unit, font = theme.theme(), self.arrangement().unit, theme.font(11)
        right = line.right() - advance(font, "1/6")
        draw_text(painter, line, RIGHT, "1/6", font, look.dim)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.dim)
        bar = QRectF(right - 5 - 18, 0, 18, stroke(UNIFORM) * unit)
        bar.moveCenter(QPointF(bar.center().x(), round(line.center().y()) + 0.5))
        painter.drawRect(bar)
        if self._model.prior is None:
            return
        below = line.translated(0, 15 * theme.scale())
        text = self.tr("prior")
        draw_text(painter, below, RIGHT, text, font, look.dim)
        painter.setPen(Qt.PenStyle.NoPen)
        root = QRectF(line.right() - advance(font, text) - 5 - ROOT * unit, 0, ROOT * unit, stroke(0.4) * unit)
        root.moveCenter(QPointF(root.center().x(), round(below.center().y()) + 0.5))
        painter.drawRect(root)

    def _paint_arrows(self, painter: QPainter, layout: Layout, active: Edge | None) -> None:
        presence = dict(zip(MODALITIES, self.glide.at[9:], strict=True))
        prior = self._model.prior
        order = sorted(range(6), key=lambda i: (EDGES[i] == active, self.glide.at[i]))  # the strongest are on top
        for i in order:
            edge = EDGES[i]
            style = ArrowStyle(
                weight=float(self.glide.at[i]),
                presence=float(min(presence[edge.teacher], presence[edge.student])),
                prior=None if prior is None else prior[edge],
                lit=edge == active,
                dimmed=active is not None and edge != active,
            )
            draw_arrow(painter, layout.arrows[edge], style, layout.unit)

    def _paint_numbers(self, painter: QPainter, layout: Layout, active: Edge | None) -> None:
        look, pixels = theme.theme(), self._number_pixels()
        for edge, weight in self.drawn_edges().items():
            bold = strong(weight, self._model.decimals) and not self._model.missing(edge)
            font = theme.font(pixels, weight=SEMI_BOLD) if bold else theme.font(pixels)
            ink = look.ink if bold or edge == active else look.dim
            draw_number(painter, layout.arrows[edge].number, self._model.number(edge), font, ink)

    def _paint_caption(self, painter: QPainter, line: QRectF) -> None:
        text = fitting(
            theme.font(11),
            line.width(),
            self.tr("arrow: teacher → student · width relative to 1/6"),
            self.tr("teacher → student · width relative to 1/6"),
            self.tr("width relative to 1/6"),
        )
        draw_text(painter, line, CENTRE, text, theme.font(11), theme.theme().dim)

    def _paint_absence(self, painter: QPainter, layout: Layout) -> None:
        look, s = theme.theme(), theme.scale()
        top = layout.nodes[Modality.LANGUAGE].y + layout.radius
        left = layout.nodes[Modality.VISUAL].x + layout.radius
        foot = layout.nodes[Modality.VISUAL].y + layout.radius
        box = QRectF(left + 6, top + 6, self.width() - 2 * left - 12, foot - top - 6)
        words = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        font = theme.font(11)
        needed = QFontMetricsF(font).boundingRect(box, int(words), self._model.reason).height()
        start = box.top() + max(0.0, (box.height() - needed - 18 * s) * 0.55)
        line = QRectF(box.left(), start, box.width(), 16 * s)
        draw_text(painter, line, CENTRE, self.tr("No graph"), theme.font(13, weight=SEMI_BOLD), look.dim)
        painter.setFont(font)
        painter.setPen(look.dim)
        painter.drawText(QRectF(box.left(), line.bottom() + 2, box.width(), needed + 2), int(words), self._model.reason)
        rest = self._model.missing_besides
        if rest:
            below = QRectF(*self._caption())
            draw_text(painter, below, CENTRE, fitting(font, below.width(), rest), font, look.dim)

    def _popover(self, edge: Edge) -> Popover:
        times, weights = self._model.history(edge)
        span = self._model.span or (0.0, 0.0)
        return Popover(
            title=edge_words(edge),
            number=self._model.number(edge),
            about=self._model.about(edge),
            window=span_text(span),
            colour=theme.MODALITY[edge.teacher],
            times=times,
            weights=weights,
            now=span[1],
            seconds=self._model.seconds,
            ends=(self.tr("−{seconds:.0f} s").format(seconds=self._model.seconds), self.tr("now")),
        )

    def _popover_place(self, layout: Layout, edge: Edge, popover: Popover) -> Box:
        room = Box(8, 8, self.width() - 16, self.height() - 16)
        left, right, below = self._room().corners
        words = [Box(0, 0, left, below), Box(self.width() - right, 0, right, below), self._caption()]
        words += [arrow.number for arrow in layout.arrows.values() if arrow.edge != edge]
        size = popover_size(popover, room.width)
        return place_popover(layout.arrows[edge], [layout.nodes[m] for m in edge], words, room, size)

    # Measures ----------------------------------------------------------------------------------------------------

    def _margin(self) -> float:
        return theme.INSIDE if self.width() >= 240 else 12.0

    def _foot(self) -> float:
        """Height of the caption with the room below it."""
        return (22 + (6 if self.height() >= 230 else 0)) * theme.scale()

    def _caption(self) -> Box:
        margin = self._margin()
        return Box(margin, self.height() - self._foot() + 3, self.width() - 2 * margin, 16 * theme.scale())

    def _space(self) -> str:
        return self.tr("shared space") if self._model.graph is Graph.HOMOGENEOUS else self.tr("own space")

    def _window_text(self) -> str:
        return "" if self._model.span is None else span_text(self._model.span)

    def _number_pixels(self) -> int:
        return max(11, min(16, round(12 * unit_of(self.width(), self.height()))))

    def _room(self) -> Room:
        s, margin = theme.scale(), self._margin()
        bold = QFontMetricsF(theme.font(self._number_pixels(), weight=SEMI_BOLD))
        corner = theme.font(11)
        left = advance(corner, "8888.8 s") + margin
        right = max(advance(corner, self.tr("prior")), advance(corner, "1/6")) + 24 + margin
        size = (bold.horizontalAdvance("0.000") + 1, bold.capHeight() + 2)
        return Room(number=size, below=self._foot(), corners=(left, right, 46 * s))

    # Events ------------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        name = self.tr("{graph}, {space}").format(graph=graph_name(self._model.graph), space=self._space())
        self.setAccessibleName(name)
        self.setAccessibleDescription(self._model.summary())
        self.glide.to(self._target(), jump=self._model.edges is None)

    def _target(self) -> Floats:
        """Weights (6), coverages (3) and presences (3) to draw, float64 (12,)."""
        edges, here = self._model.edges, self._model.present
        weights = [0.0] * 6 if edges is None else [edges[e] for e in EDGES]
        return np.array([*weights, *self._model.coverage.values(), *(float(m in here) for m in MODALITIES)])

    def edge_at(self, point: QPointF) -> Edge | None:
        """The edge whose arrow or number is under ``point``."""
        if self._model.edges is None:
            return None
        p, arrows = Point(point.x(), point.y()), self.arrangement().arrows
        on_number = [e for e, arrow in arrows.items() if arrow.number.grown(2).distance(p) == 0]
        near = min(EDGES, key=lambda e: arrows[e].distance(p))
        return on_number[0] if on_number else near if arrows[near].distance(p) <= _REACH else None

    def _node_at(self, point: QPointF) -> Modality | None:
        layout, p = self.arrangement(), Point(point.x(), point.y())
        near = [
            m for m in MODALITIES if (layout.nodes[m].x - p.x) ** 2 + (layout.nodes[m].y - p.y) ** 2 <= layout.radius**2
        ]
        return near[0] if near else None

    def point_at(self, edge: Edge | None) -> None:
        """Point at an edge, as the mouse does."""
        self._hovered = edge
        self.update()

    def event(self, event: QEvent) -> bool:
        """Tool tips of vertices and of the whole; edges have their popover."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.hint_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def hint_at(self, point: QPointF) -> str:
        """The tool tip at ``point``."""
        m = self._node_at(point)
        if m is not None:
            gone = "" if m in self._model.present else self.tr(" (missing)")
            return f"{modality_word(m)}{gone}: {coverage_words(m, self._model.coverage[m])}"
        edge = self.edge_at(point)
        if edge is not None:
            return self._model.hint(edge)
        return self.tr("An arrow points from teacher to student. All six weights sum to 1; uniform is 1/6.")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Lay out anew."""
        self._layout = None
        super().resizeEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Point at what is under the mouse."""
        hovered = self.edge_at(event.position())
        if hovered != self._hovered:
            self.setCursor(Qt.CursorShape.PointingHandCursor if hovered else Qt.CursorShape.ArrowCursor)
            self.point_at(hovered)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Point at nothing."""
        super().leaveEvent(event)
        self.point_at(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Choose the edge under the mouse."""
        edge = self.edge_at(event.position())
        if edge is not None and event.button() is Qt.MouseButton.LeftButton:
            self._walked = None
            self.edge_selected.emit(edge)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Arrow keys walk the edges, Enter or Space chooses one, Escape lets go."""
        key = event.key()
        if key in _NEXT or key in _PREVIOUS:
            step = 1 if key in _NEXT else -1
            at = EDGES.index(self._walked) + step if self._walked is not None else min(0, step)
            self._walked = EDGES[at % len(EDGES)]
        elif key in _CHOOSE and self._walked is not None:
            self.edge_selected.emit(self._walked)
        elif key == Qt.Key.Key_Escape and self._walked is not None:
            self._walked = None
        else:
            super().keyPressEvent(event)
            return
        self.point_at(None)
