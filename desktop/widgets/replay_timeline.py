"""The timeline of a replay: a whole session or a moment of it, with everything that is known over time."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.track import CLOSEST, TierKey, TrackModel
from desktop.widgets.painted import PaintedCard, advance
from desktop.widgets.timeline_painting import Readout, draw_readout
from desktop.widgets.track_layout import Kind, TimeAxis, TrackLayout, arrange
from desktop.widgets.track_painting import (
    draw_axis,
    draw_head,
    draw_name,
    draw_overview,
    draw_scroll,
    draw_selection,
    draw_series,
    draw_window,
    draw_words,
)
from desktop.widgets.track_readout import draw_values, readout_at, spoken_description, values_width
from desktop.widgets.track_tiers import Hit, Part, draw_moments, draw_tier, item_at, label_width

_WHEEL: Final = 1.0012
"""By how much a step of the wheel (120) zooms, to that power."""
_CLICK: Final = 4.0
"""Pixels within which a press and its release are a click."""
_GRIP: Final = 5.0


class Drag(Enum):
    """What the mouse is doing with its button down."""

    HEAD = "head"
    SELECT = "select"
    PAN = "pan"
    OVERVIEW = "overview"
    ITEM = "item"


class Drawn(NamedTuple):
    """A picture that is good as long as ``key`` is the same."""

    key: tuple[object, ...]
    picture: QPixmap


class ReplayTimeline(PaintedCard):
    """Wheel zooms around the mouse, shift or sideways pans; the axis drags the play head, the rows select.

    A click goes there. What was drawn stays in a picture until view, size, data or look change; the play head is drawn
    over it. Only the annotations can be hit, by :meth:`hit_at`.

    Attributes
    ----------
    editable : bool
        Whether items and their edges can be dragged: :attr:`item_dragged` tells of it, nothing is changed here.

    Signals
    -------
    seek_requested(float), scrub_requested(float)
        The play head was put or dragged there.
    item_activated(TierKey, str id)
        An item was clicked twice.
    item_dragged(TierKey, str id, float t0, float t1, bool done)
        An item or its edge is dragged; ``done`` when the mouse lets go.
    hovered(object)
        The :class:`Hit` under the mouse, or None.
    """

    seek_requested = Signal(float)
    scrub_requested = Signal(float)
    item_activated = Signal(object, str)
    item_dragged = Signal(object, str, float, float, bool)
    hovered = Signal(object)

    def __init__(self, model: TrackModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.editable = False
        self.loops = False
        self.moment: float | None = None
        self._layout: TrackLayout | None = None
        self._plot: Drawn | None = None
        self._whole: Drawn | None = None
        self._scrolled = 0.0
        self._drag: Drag | None = None
        self._pressed = QPointF()
        self._from = 0.0
        self._hit: Hit | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Timeline of the session"))
        model.changed.connect(self._remeasure)
        for signal in (model.view_changed, model.moved, model.selection_changed):
            signal.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """With a few tiers."""
        return QSize(1240, 230)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The least at which rows can be told apart."""
        return QSize(420, 94) * max(1.0, theme.scale())

    def arrangement(self) -> TrackLayout:
        """Where everything stands at the present size."""
        if self._layout is None:
            s, font = theme.scale(), theme.font(12)
            names = max(
                92.0 * s, advance(font, self.tr("sentiment")) + 8, *(label_width(r) for r in self.model.tiers), 0
            )
            values = values_width()
            self._layout = arrange(self.size(), self.model, names, values, self._scrolled)
            if self._scrolled > self._layout.hidden:
                self._scrolled = self._layout.hidden
                self._layout = arrange(self.size(), self.model, names, values, self._scrolled)
        return self._layout

    def axis(self) -> TimeAxis:
        """Where session time lies now."""
        box = self.arrangement().axis
        return TimeAxis(box.left(), box.right(), *self.model.view, self.devicePixelRatioF())

    def overview(self) -> TimeAxis:
        """Where session time lies in the strip below."""
        box = self.arrangement().overview
        return TimeAxis(box.left(), box.right(), 0.0, max(self.model.end, CLOSEST), self.devicePixelRatioF())

    def hit_at(self, at: QPointF) -> Hit | None:
        """The annotation under a point of the widget."""
        layout = self.arrangement()
        if not layout.body.contains(at):
            return None
        row = next((r for r in layout.rows if r.kind is Kind.TIER and r.box.top() <= at.y() <= r.box.bottom()), None)
        return None if row is None else item_at(self.model.tiers[row.number], self.axis(), at.x())

    # What is on screen -------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """The plot from its picture; over it selection, play head, values and the moment that is read."""
        layout, axis, model = self.arrangement(), self.axis(), self.model
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        painter.drawPixmap(QPointF(0, 0), self._drawn_plot(ratio))
        self._paint_overview(painter, layout, ratio)
        painter.setClipRect(layout.plot.adjusted(-7, 0, 7, 2))
        if model.selection is not None:
            draw_selection(painter, layout.body, *(axis.x(t) for t in model.selection), loops=self.loops)
        if axis.start <= model.position <= axis.end:
            draw_head(painter, axis.x(model.position), layout.axis, layout.body.bottom())
        painter.setClipRect(QRectF(0, layout.body.top(), self.width(), layout.body.height()))
        draw_values(painter, layout, model)
        painter.setClipping(False)
        if layout.hidden > 0:
            draw_scroll(painter, layout.body, self.width() - 8.0, self._scrolled, layout.hidden)
        if self.moment is not None and self._drag in (None, Drag.HEAD):
            area = QRectF(layout.plot.left(), 6, layout.plot.width(), self.height() - 12)
            said = readout_at(model, self.moment, self._hit)
            lines = max(2, int((area.height() - 12) / (13.5 * theme.scale())) - 1)
            draw_readout(painter, axis.x(self.moment), area, Readout(said.when, said.lines[:lines]))

    def restyle(self) -> None:
        """Measure and draw anew."""
        self._layout = self._plot = self._whole = None

    def _drawn_plot(self, ratio: float) -> QPixmap:
        model = self.model
        key = (
            model.revision,
            model.view,
            model.selected,
            self._scrolled,
            self.size(),
            ratio,
            theme.theme(),
            theme.scale(),
        )
        if self._plot is None or self._plot.key != key:
            picture = _blank(self.size(), ratio)
            painter = QPainter(picture)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw_plot(painter)
            painter.end()
            self._plot = Drawn(key, picture)
        return self._plot.picture

    def _draw_plot(self, painter: QPainter) -> None:
        layout, axis, model = self.arrangement(), self.axis(), self.model
        selected = model.selected
        painter.setClipRect(QRectF(0, layout.body.top(), layout.body.left() - 2, layout.body.height()))
        shown = [row for row in layout.rows if row.box.intersects(layout.body)]
        for row in shown:
            draw_name(painter, row, layout.names, model)
        painter.setClipRect(layout.plot)
        draw_axis(painter, layout.axis, layout.body, axis)
        painter.setClipRect(layout.body)
        for row in shown:
            if row.kind is Kind.WORDS:
                draw_words(painter, row.box, axis, model.spoken)
            elif row.kind is Kind.TIER:
                tier = model.tiers[row.number]
                chosen = selected[1] if selected is not None and selected[0] == tier.tier.key else ""
                draw_tier(painter, row.box, axis, tier, chosen)
            else:
                draw_series(painter, row, axis, model)
        draw_moments(painter, layout.body, axis, model.tiers)

    def _paint_overview(self, painter: QPainter, layout: TrackLayout, ratio: float) -> None:
        key = (self.model.revision, self.size(), ratio, theme.theme(), theme.scale())
        if self._whole is None or self._whole.key != key:
            picture = _blank(self.size(), ratio)
            inside = QPainter(picture)
            draw_overview(inside, layout.overview, self.model, ratio)
            inside.end()
            self._whole = Drawn(key, picture)
        painter.drawPixmap(QPointF(0, 0), self._whole.picture)
        whole = self.overview()
        draw_window(painter, layout.overview, *(whole.x(t) for t in self.model.view))
        x = round(whole.x(self.model.position))
        painter.fillRect(QRectF(x - 1, layout.overview.top(), 2, layout.overview.height()), theme.theme().ink)

    # Events ------------------------------------------------------------------------------------------------------

    def _remeasure(self) -> None:
        self._layout = None
        self.setAccessibleDescription(spoken_description(self.model))
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take hold of the play head, the overview, an item, or begin to select."""
        at, layout = event.position(), self.arrangement()
        self._pressed, self._from = at, self.axis().time(at.x())
        self._hit = None
        if event.button() is Qt.MouseButton.MiddleButton:
            self._drag = Drag.PAN
        elif event.button() is not Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
        elif layout.overview.adjusted(0, -4, 0, 8).contains(at):
            self._drag = Drag.OVERVIEW
            self._centre_view(at.x())
        elif layout.axis.adjusted(-8, -8, 8, 2).contains(at):
            self._drag = Drag.HEAD
            self.scrub_requested.emit(self._from)
        elif layout.body.contains(at):
            self._press_rows(event, at)

    def _press_rows(self, event: QMouseEvent, at: QPointF) -> None:
        hit, model = self.hit_at(at), self.model
        if hit is not None:
            model.select_item(hit.key, hit.item.id)
            self._hit = hit
            self._drag = Drag.ITEM if self.editable else Drag.SELECT
            return
        self._drag = Drag.SELECT
        if model.selection is None:
            return
        start, end = model.selection
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:  # to here, from the end that is farther
            self._from = end if abs(self._from - start) < abs(self._from - end) else start
            model.select(self._from, self.axis().time(at.x()))
            return
        near = [abs(self.axis().x(t) - at.x()) <= _GRIP for t in (start, end)]
        if any(near):  # an edge of the selection: the other one stays
            self._from = end if near[0] else start

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Go on with what was begun, or read what is under the mouse."""
        at, layout, axis = event.position(), self.arrangement(), self.axis()
        t = axis.time(min(layout.axis.right(), max(layout.axis.left(), at.x())))
        if self._drag is None:
            self._hover(at)
            return
        if self._drag is Drag.HEAD:
            self.moment = t
            self.scrub_requested.emit(t)
        elif self._drag is Drag.SELECT and not self._is_click(at):
            self.model.select(self._from, t)
        elif self._drag is Drag.PAN:
            self.model.pan((self._pressed.x() - at.x()) / axis.pixels)
            self._pressed = at
        elif self._drag is Drag.OVERVIEW:
            self._centre_view(at.x())
        elif self._drag is Drag.ITEM and not self._is_click(at):
            self._drag_item(t, done=False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """A click goes there; the end of a drag is told."""
        at, drag = event.position(), self._drag
        self._drag = None
        t = self.axis().time(at.x())
        if drag is Drag.HEAD:
            self.seek_requested.emit(t)
        elif drag is Drag.ITEM and not self._is_click(at):
            self._drag_item(t, done=True)
        elif drag in (Drag.SELECT, Drag.ITEM) and self._is_click(at):
            if self._hit is None and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.model.select(None)
                self.model.select_item(None)
            self.seek_requested.emit(self._hit.item.t0 if self._hit is not None else t)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Activate an item."""
        hit = self.hit_at(event.position())
        if hit is not None:
            self.item_activated.emit(hit.key, hit.item.id)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Zoom around the mouse; with shift, or sideways, pan; over the names, scroll the rows."""
        turned, layout = event.angleDelta(), self.arrangement()
        if event.position().x() < layout.axis.left() - 4:
            self._scroll(-turned.y() / 3)
        elif abs(turned.x()) > abs(turned.y()) or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            span = self.model.view[1] - self.model.view[0]
            self.model.pan(-(turned.x() or turned.y()) / 1200 * span)
        else:
            x = min(layout.axis.right(), max(layout.axis.left(), event.position().x()))
            self.model.zoom(_WHEEL ** -turned.y(), self.axis().time(x))
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Read nothing."""
        super().leaveEvent(event)
        self.moment = self._hit = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Measure anew."""
        self._layout = None
        super().resizeEvent(event)

    def scroll_rows(self, pages: float) -> None:
        """Show rows further down (or up) where not all fit."""
        self._scroll(pages * self.arrangement().body.height())

    def _scroll(self, by: float) -> None:
        self._scrolled = min(self.arrangement().hidden, max(0.0, self._scrolled + by))
        self._layout = None
        self.update()

    def _hover(self, at: QPointF) -> None:
        layout = self.arrangement()
        hit = self.hit_at(at)
        if (hit is None) != (self._hit is None) or (hit and self._hit and hit.item is not self._hit.item):
            self.hovered.emit(hit)
        self._hit = hit
        self.moment = self.axis().time(at.x()) if layout.plot.contains(at) else None
        edge = hit is not None and hit.part is not Part.BODY and self.editable
        near = self.model.selection is not None and layout.body.contains(at)
        near = near and any(abs(self.axis().x(t) - at.x()) <= _GRIP for t in self.model.selection or ())
        shape = Qt.CursorShape.SizeHorCursor if edge or near else Qt.CursorShape.ArrowCursor
        self.setCursor(Qt.CursorShape.PointingHandCursor if hit is not None and not edge else shape)
        self.update()

    def _is_click(self, at: QPointF) -> bool:
        return abs(at.x() - self._pressed.x()) < _CLICK

    def _centre_view(self, x: float) -> None:
        span = self.model.view[1] - self.model.view[0]
        t = self.overview().time(x)
        self.model.set_view(t - span / 2, t + span / 2)

    def _drag_item(self, t: float, *, done: bool) -> None:
        if self._hit is None:
            return
        key: TierKey = self._hit.key
        item, part = self._hit.item, self._hit.part
        by = t - self._from
        if part is Part.BODY:  # it stays as long as it is
            by = min(max(by, -item.t0), self.model.end - item.end)
        start = item.t0 + (by if part is not Part.END else 0.0)
        end = item.end + (by if part is not Part.START else 0.0)
        start, end = max(0.0, min(start, end)), min(self.model.end, max(start, end))
        self.item_dragged.emit(key, item.id, start, end, done)


def _blank(size: QSize, ratio: float) -> QPixmap:
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    return picture
