"""A pad to draw valence and arousal on while one watches: a plane, or one slider for valence alone."""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.models.annotating import TRAIL, AnnotatingModel
from desktop.models.words import signed
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, PaintedCard, advance, draw_text, title_font

_STEP, _LEAP = 0.05, 0.25  # of an arrow key, and with Shift
_KNOB = 8.0


class PadMode(Enum):
    """What is drawn."""

    PLANE = "plane"
    """Valence to the right, arousal up."""
    SLIDER = "slider"
    """Valence alone."""


EVERY: Final = {PadMode.PLANE: 100, PadMode.SLIDER: 50}
"""Milliseconds between samples while the pen is down: 20 lines a second in a file, two for a sample of the plane."""
_ARROWS: Final = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class TracePad(PaintedCard):
    """Draws for an :class:`AnnotatingModel` while the pen is down.

    By mouse the pen is down while a button is; by keys an arrow puts it down and moves it (Shift: further), Space puts
    it down where it is or lifts it, Home centres it, Escape lifts it. It is lifted when the focus goes.
    """

    def __init__(self, model: AnnotatingModel, mode: PadMode = PadMode.PLANE, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._mode = mode
        self._at = (0.0, 0.0)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._emit)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        model.traced.connect(self.update)
        model.changed.connect(self._follow)
        self._name()

    @property
    def mode(self) -> PadMode:
        """What is drawn; a change lifts the pen."""
        return self._mode

    @mode.setter
    def mode(self, mode: PadMode) -> None:
        self.lift()
        self._mode = mode
        self._name()
        self.updateGeometry()
        self.update()

    @property
    def is_down(self) -> bool:
        """Whether it draws."""
        return self._timer.isActive()

    @property
    def values(self) -> tuple[float, float | None]:
        """Where the pen is: valence and arousal, each in [-1, 1]."""
        return self._at[0], self._at[1] if self._mode is PadMode.PLANE else None

    def put_down(self) -> None:
        """Begin to draw, if there is a time to draw at."""
        if not self.is_down and self._model.is_ready:
            self._timer.start(EVERY[self._mode])
            self._emit()
            self.update()

    def lift(self) -> None:
        """End the stroke."""
        if self.is_down:
            self._timer.stop()
            self._model.lift()
            self._describe()
            self.update()

    def move_to(self, valence: float, arousal: float) -> None:
        """Move the pen; values outside [-1, 1] are brought back."""
        self._at = (min(1.0, max(-1.0, valence)), min(1.0, max(-1.0, arousal)))
        self._describe()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A square plane, or a slim line."""
        s = theme.scale()
        return QSize(round(230 * s), round((248 if self._mode is PadMode.PLANE else 84) * s))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Smaller, nobody hits what they mean."""
        s = theme.scale()
        return QSize(round(170 * s), round((188 if self._mode is PadMode.PLANE else 76) * s))

    # ----------------------------------------------------------------- events

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Draw from here."""
        if event.button() is Qt.MouseButton.LeftButton and self.area().adjusted(-12, -12, 12, 12).contains(
            event.position()
        ):
            self._point_at(event.position())
            self.put_down()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Draw on; the samples come by the clock."""
        if self.is_down and event.buttons() & Qt.MouseButton.LeftButton:
            self._point_at(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Lift the pen."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.lift()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """See the class."""
        key = Qt.Key(event.key())
        if key in _ARROWS and not (self._mode is PadMode.SLIDER and _ARROWS[key][1]):
            step = _LEAP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            right, up = _ARROWS[key]
            self.move_to(round(self._at[0] + right * step, 6), round(self._at[1] + up * step, 6))
            self.put_down()
        elif key == Qt.Key.Key_Home:
            self.move_to(0.0, 0.0)
        elif key == Qt.Key.Key_Space and not event.isAutoRepeat():
            if self.is_down:
                self.lift()
            else:
                self.put_down()
        elif key == Qt.Key.Key_Escape and self.is_down:
            self.lift()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Nobody would see that it still draws."""
        self.lift()
        super().focusOutEvent(event)

    def hideEvent(self, event: object) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Neither here."""
        self.lift()

    # --------------------------------------------------------------- painting

    def area(self) -> QRectF:
        """Where the pen can be."""
        s = theme.scale()
        inside = QRectF(self.rect()).adjusted(theme.INSIDE, 0, -theme.INSIDE, 0)
        if self._mode is PadMode.SLIDER:
            return QRectF(inside.left() + _KNOB * s, self.height() / 2 - 2 * s, inside.width() - 2 * _KNOB * s, 12 * s)
        inside = inside.adjusted(0, 46 * s, 0, -40 * s)
        side = min(inside.width(), inside.height())
        return QRectF(inside.center().x() - side / 2, inside.top(), side, side)

    def point_of(self, valence: float, arousal: float | None) -> QPointF:
        """Where a value is."""
        area = self.area()
        up = 0.0 if arousal is None or self._mode is PadMode.SLIDER else arousal
        return QPointF(area.center().x() + valence * area.width() / 2, area.center().y() - up * area.height() / 2)

    def paint(self, painter: QPainter) -> None:
        """Draw axes, trail and pen."""
        look, s = theme.theme(), theme.scale()
        line = QRectF(theme.INSIDE, 10 * s, self.width() - 2 * theme.INSIDE, 18 * s)
        title = self.tr("MY TRACE")
        draw_text(painter, line, LEFT, title, title_font(), look.dim)
        ready = self._model.is_ready
        font = theme.font(11)
        idle = self.tr("not kept any more") if self._model.ended else self.tr("nothing runs")
        state = self.tr("drawing") if self.is_down else self.tr("press to draw") if ready else idle
        if advance(font, state) + advance(title_font(), title) < line.width() - 12:
            draw_text(painter, line, RIGHT, state, font, look.ink if self.is_down else look.dim)
        self._paint_axes(painter)
        self._paint_trail(painter)
        at = self.point_of(*self._at)
        painter.setPen(QPen(look.accent if self.isEnabled() else look.dim, 2.0))
        painter.setBrush(look.accent if self.is_down else look.card)
        painter.drawEllipse(at, _KNOB * s, _KNOB * s)

    def _paint_axes(self, painter: QPainter) -> None:
        look, s, area = theme.theme(), theme.scale(), self.area()
        font = theme.font(11)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.track)
        values = self.tr("valence %1").replace("%1", signed(self._at[0], 2))
        if self._mode is PadMode.SLIDER:
            rail = QRectF(area.left() - _KNOB * s, area.center().y() - 3.5 * s, area.width() + 2 * _KNOB * s, 7 * s)
            painter.drawRoundedRect(rail, 3.5 * s, 3.5 * s)
            zero, foot = area.center().x(), QRectF(rail.left(), rail.bottom() + 6 * s, rail.width(), 16 * s)
            painter.setPen(QPen(look.dim, 1.0))
            painter.drawLine(QPointF(zero, rail.top() - 3), QPointF(zero, rail.bottom() + 3))
        else:
            painter.drawRoundedRect(area, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
            painter.setPen(QPen(look.line, 1.0))
            middle = area.center()
            painter.drawLine(QPointF(area.left(), middle.y()), QPointF(area.right(), middle.y()))
            painter.drawLine(QPointF(middle.x(), area.top()), QPointF(middle.x(), area.bottom()))
            wide = QRectF(theme.INSIDE, area.top() - 17 * s, self.width() - 2 * theme.INSIDE, 16 * s)
            draw_text(painter, wide, CENTRE, self.tr("excited"), font, look.dim)
            draw_text(painter, wide.translated(0, area.height() + 18 * s), CENTRE, self.tr("calm"), font, look.dim)
            foot = QRectF(wide.left(), area.bottom() + 18 * s, wide.width(), 16 * s)
            values += self.tr(" · arousal %1").replace("%1", signed(self._at[1], 2))
        words = self.tr("negative"), values, self.tr("positive")
        if self._mode is PadMode.PLANE:
            inner = QRectF(area.left() + 5 * s, area.center().y() - 18 * s, area.width() - 10 * s, 16 * s)
            if advance(font, words[0]) + advance(font, words[2]) + 3 * _KNOB * s < inner.width():
                draw_text(painter, inner, LEFT, words[0], font, look.dim)
                draw_text(painter, inner, RIGHT, words[2], font, look.dim)
            draw_text(painter, foot, CENTRE, values, theme.font(11, weight=SEMI_BOLD), look.ink)
            return
        for align, text in zip((LEFT, CENTRE, RIGHT), words, strict=True):
            draw_text(painter, foot, align, text, font, look.ink if text == values else look.dim)

    def _paint_trail(self, painter: QPainter) -> None:
        """The last seconds, the older the fainter; a break in time is a break in the line."""
        look, trail = theme.theme(), list(self._model.trail)
        if self._mode is PadMode.SLIDER or len(trail) < 2:
            return
        newest, gap = trail[-1].t, 5 * EVERY[self._mode] / 1000
        for old, new in pairwise(trail):
            if new.t - old.t <= gap:
                strength = max(0.06, 0.75 * (1 - (newest - new.t) / TRAIL))
                painter.setPen(QPen(theme.with_alpha(look.accent, strength), 2.0))
                painter.drawPolyline(QPolygonF([self.point_of(*old[1:]), self.point_of(*new[1:])]))

    # --------------------------------------------------------------- private

    def _point_at(self, place: QPointF) -> None:
        area = self.area()
        valence = 2 * (place.x() - area.center().x()) / area.width()
        arousal = -2 * (place.y() - area.center().y()) / area.height() if self._mode is PadMode.PLANE else 0.0
        self.move_to(valence, arousal)

    def _emit(self) -> None:
        if not self._model.is_ready:
            self.lift()
            return
        self._model.trace(*self.values)

    def _follow(self) -> None:
        if not self._model.is_ready:
            self.lift()
        if self.isEnabled() == bool(self._model.ended):
            self.setEnabled(not self._model.ended)
            self._name()
        self.update()

    def _name(self) -> None:
        plane = self._mode is PadMode.PLANE
        self.setAccessibleName(self.tr("My trace of valence and arousal") if plane else self.tr("My trace of valence"))
        keys = self.tr(
            "Press and move to draw what you see expressed, as it happens. Keys: arrows, Space lifts, Home centres"
        )
        self.setToolTip(self._model.ended or keys)
        self._describe()

    def _describe(self) -> None:
        valence, arousal = self.values
        said = self.tr("valence %1").replace("%1", signed(valence, 2))
        if arousal is not None:
            said += self.tr(", arousal %1").replace("%1", signed(arousal, 2))
        self.setAccessibleDescription(f"{said}, {self.tr('drawing') if self.is_down else self.tr('lifted')}")
