"""The buttons under a replay: play, step, speed, loop, sound, where it is, and which readings are shown."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QHBoxLayout, QSizePolicy, QWidget

from desktop import theme
from desktop.models.replay import SPEEDS, ReplayModel
from desktop.widgets.choice_box import ChoiceBox
from desktop.widgets.painted import LEFT, SEMI_BOLD, advance, draw_text
from desktop.widgets.track_painting import clock_text

_SIDE: Final = 34
_NARROW: Final = 620


class SignButton(QAbstractButton):
    """A round button with a drawn sign; ``sign`` is one of :data:`_SIGNS`.

    Signals
    -------
    clicked
    """

    def __init__(self, sign: str, name: str, *, primary: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign, self._primary, self._active = sign, primary, False
        self.describe(name)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A square."""
        side = round(_SIDE * max(1.0, theme.scale()))
        return QSize(side, side)

    def describe(self, name: str) -> None:
        """What it does, with its key."""
        self.setToolTip(name)
        self.setAccessibleName(name.partition("  ")[0])

    def show_sign(self, sign: str, *, active: bool = False) -> None:
        """Another sign; ``active``: what it turns on is on."""
        self._sign, self._active = sign, active
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Ground and sign."""
        look = theme.theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        ground = look.accent if self._primary else look.button if self._active else look.card
        if self.isDown() or (self.underMouse() and not self._primary):
            ground = look.line if self.isDown() else look.track
        painter.setBrush(ground)
        edge = look.accent if self.hasFocus() or self._active else look.line
        painter.setPen(QPen(edge if not (self._primary and not self.hasFocus()) else ground, 1.4))
        if self._primary and self.hasFocus():
            painter.setPen(QPen(look.ink, 1.6))
        painter.drawRoundedRect(area, area.width() / 2, area.height() / 2)
        ink = look.on_accent if self._primary else look.accent if self._active else look.ink
        ink = ink if self.isEnabled() or self._primary else theme.with_alpha(look.dim, 0.55)
        painter.translate(area.center())
        painter.scale(area.width() / 32, area.width() / 32)
        painter.setPen(QPen(ink, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        painter.setBrush(ink)
        _SIGNS[self._sign](painter)
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Repaint as the mouse comes and goes."""
        if event.type() in (QEvent.Type.Enter, QEvent.Type.Leave):
            self.update()
        return super().event(event)


def _triangle(painter: QPainter, left: float, tip: float, half: float) -> None:
    painter.drawPolygon(QPolygonF([QPointF(left, -half), QPointF(tip, 0), QPointF(left, half)]))


def _play(painter: QPainter) -> None:
    _triangle(painter, -3.5, 6.0, 6.0)


def _pause(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(-5.2, -6, 3.4, 12), 1, 1)
    painter.drawRoundedRect(QRectF(1.8, -6, 3.4, 12), 1, 1)


def _on(painter: QPainter) -> None:
    _triangle(painter, -4.0, 3.0, 4.5)
    painter.drawLine(QPointF(5.0, -4.5), QPointF(5.0, 4.5))


def _back(painter: QPainter) -> None:
    painter.scale(-1, 1)
    _on(painter)


def _loop(painter: QPainter) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawArc(QRectF(-6.5, -4.5, 13, 9), 35 * 16, 150 * 16)
    painter.drawArc(QRectF(-6.5, -4.5, 13, 9), 215 * 16, 150 * 16)
    painter.setBrush(painter.pen().color())
    painter.drawPolygon(QPolygonF([QPointF(7.6, -4.8), QPointF(7.0, -0.4), QPointF(3.4, -3.0)]))
    painter.drawPolygon(QPolygonF([QPointF(-7.6, 4.8), QPointF(-7.0, 0.4), QPointF(-3.4, 3.0)]))


def _speaker(painter: QPainter) -> None:
    shape = QPainterPath(QPointF(-7, -2.5))
    for x, y in ((-4, -2.5), (0, -6), (0, 6), (-4, 2.5), (-7, 2.5)):
        shape.lineTo(x, y)
    shape.closeSubpath()
    painter.fillPath(shape, painter.brush())
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _sound(painter: QPainter) -> None:
    _speaker(painter)
    for r in (3.5, 7.0):
        painter.drawArc(QRectF(-r + 0.5, -r, 2 * r, 2 * r), -45 * 16, 90 * 16)


def _mute(painter: QPainter) -> None:
    _speaker(painter)
    painter.drawLine(QPointF(3, -3), QPointF(8, 3))
    painter.drawLine(QPointF(8, -3), QPointF(3, 3))


def _fit(painter: QPainter) -> None:
    painter.drawLine(QPointF(-8, -5), QPointF(-8, 5))
    painter.drawLine(QPointF(8, -5), QPointF(8, 5))
    painter.drawLine(QPointF(-4.5, 0), QPointF(4.5, 0))
    for side in (-1, 1):
        points = [QPointF(side * 6, 0), QPointF(side * 2.8, -2.6), QPointF(side * 2.8, 2.6)]
        painter.drawPolygon(QPolygonF(points))


def _pencil(painter: QPainter) -> None:
    painter.rotate(45)
    painter.drawRect(QRectF(-2.0, -7.5, 4.0, 9.5))
    painter.drawPolygon(QPolygonF([QPointF(-2.0, 4.2), QPointF(2.0, 4.2), QPointF(0, 7.8)]))


def _redo(painter: QPainter) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawArc(QRectF(-6.0, -3.5, 11, 10), 20 * 16, 200 * 16)
    painter.setBrush(painter.pen().color())
    painter.drawPolygon(QPolygonF([QPointF(7.0, -4.5), QPointF(6.4, 1.4), QPointF(1.8, -1.8)]))


def _undo(painter: QPainter) -> None:
    painter.scale(-1, 1)
    _redo(painter)


_SIGNS: Final = {
    "play": _play,
    "pause": _pause,
    "on": _on,
    "back": _back,
    "loop": _loop,
    "sound": _sound,
    "mute": _mute,
    "fit": _fit,
    "pencil": _pencil,
    "undo": _undo,
    "redo": _redo,
}


class Position(QWidget):
    """Where it is, how long it all is, what is selected; painted, because a label lays the page out with every text."""

    def __init__(self, model: ReplayModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(self.tr("Position"))
        for signal in (model.moved, model.session_changed, model.track.selection_changed, model.track.changed):
            signal.connect(self.update)
        for signal in (model.state_changed, model.session_changed):
            signal.connect(self._describe)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A time and its whole."""
        return QSize(round(160 * theme.scale()), round(_SIDE * theme.scale()))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A time."""
        return QSize(round(96 * theme.scale()), round(_SIDE * theme.scale()))

    def texts(self) -> tuple[str, str, tuple[str, ...]]:
        """Position, whole length, and what follows in ever shorter words."""
        track = self._model.track
        remarks: tuple[str, ...] = (
            " · ".join(filter(None, (self._model.title, self._model.facts.when))),
            self._model.title,
        )
        if track.selection is not None:
            start, end = track.selection
            span = self.tr("selected {0} – {1} ({2:.2f} s)")
            long = span.format(clock_text(start, 2), clock_text(end, 2), end - start)
            remarks = (long, self.tr("{0:.2f} s selected").format(end - start), f"{end - start:.2f} s")
        return clock_text(self._model.position, 2), f"/ {clock_text(track.end, 1)}", remarks

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Three texts in a row, as far as they fit."""
        look, painter, s = theme.theme(), QPainter(self), theme.scale()
        now, whole, remarks = self.texts()
        large, plain, small = theme.font(16, weight=SEMI_BOLD), theme.font(13), theme.font(12)
        line = QRectF(self.rect())
        draw_text(painter, line, LEFT, now, large, look.ink)
        at = max(advance(large, now), 66 * s) + 8
        if at + advance(plain, whole) <= self.width():
            draw_text(painter, line.adjusted(at, 0, 0, 0), LEFT, whole, plain, look.dim)
            at += advance(plain, whole) + 18
        room = self.width() - at
        text = next((text for text in remarks if advance(small, text) <= room), "")
        draw_text(painter, line.adjusted(at, 0, 0, 0), LEFT, text, small, look.dim)
        painter.end()

    def _describe(self) -> None:
        now, whole, remarks = self.texts()
        self.setAccessibleDescription(" ".join((now, whole, remarks[0])))
        self.setToolTip(self._model.facts.whole)


class ReplayControls(QWidget):
    """One row of buttons; every one has a key, which its tool tip names."""

    def __init__(self, model: ReplayModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setAccessibleName(self.tr("Playback"))
        self.play = SignButton("play", self.tr("Play  (Space)"), primary=True)
        self.back = SignButton("back", self.tr("One picture back  (←)"))
        self.on = SignButton("on", self.tr("One picture on  (→)"))
        self.loop = SignButton("loop", self.tr("Repeat the selection  (L)"))
        self.sound = SignButton("sound", self.tr("Sound off  (S)"))
        self.fit = SignButton("fit", self.tr("Zoom to the selection, or to all  (Z)"))
        self.edit = SignButton("pencil", self.tr("Annotate  (E)"))
        self.position = Position(model)
        self.speed = QComboBox()
        self.speed.setAccessibleName(self.tr("Speed"))
        self.speed.setToolTip(self.tr("Speed  (+ and −)"))
        for speed in SPEEDS:
            self.speed.addItem(self.tr("{0:g}×").format(speed), speed)
        self.analysis = ChoiceBox()
        self.analysis.setAccessibleName(self.tr("Readings"))
        self.analysis.setToolTip(self.tr("Which readings are shown; analyse anew  (Ctrl+Shift+A)"))
        self.analysis.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.analysis.setMinimumContentsLength(8)  # longer names are whole in the list
        self.analysis.setMinimumWidth(48)  # else it would keep the window from getting narrower
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for button in (self.back, self.play, self.on):
            row.addWidget(button)
        row.addSpacing(4)
        row.addWidget(self.position, 1)
        for widget in (self.analysis, self.edit, self.fit, self.loop, self.speed, self.sound):
            row.addWidget(widget)
        self.play.clicked.connect(model.toggle)
        self.back.clicked.connect(lambda: model.step(-1))
        self.on.clicked.connect(lambda: model.step(1))
        self.loop.clicked.connect(model.toggle_loop)
        self.sound.clicked.connect(model.toggle_mute)
        self.fit.clicked.connect(model.track.zoom_to_selection)
        self.speed.activated.connect(lambda i: model.set_speed(float(self.speed.itemData(i))))
        self.analysis.activated.connect(self._choose)
        model.state_changed.connect(self._refresh)
        model.session_changed.connect(self._refresh)
        self._refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Leave out what has other ways where there is no room."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        narrow, several = self.width() < _NARROW * theme.scale(), len(self._model.analyses) > 1
        self.analysis.setVisible(several or not narrow)
        for less in (self.fit, self.loop):  # they have keys
            less.setVisible(not (narrow and several))

    def _refresh(self) -> None:
        model, transport = self._model, self._model.transport
        playing = transport is not None and transport.playing
        self.play.show_sign("pause" if playing else "play")
        self.play.describe(self.tr("Pause  (Space)") if playing else self.tr("Play  (Space)"))
        loops = transport is not None and transport.loop is not None
        self.loop.show_sign("loop", active=loops)
        self.loop.describe(self.tr("Play on  (L)") if loops else self.tr("Repeat the selection  (L)"))
        muted = transport is not None and transport.muted
        self.sound.show_sign("mute" if muted else "sound", active=muted)
        self.sound.describe(self.tr("Sound on  (S)") if muted else self.tr("Sound off  (S)"))
        if transport is not None:
            self.speed.setCurrentIndex(max(0, self.speed.findData(transport.speed)))
        for control in [*self.findChildren(SignButton), self.speed]:
            control.setEnabled(transport is not None)
        names = [self.analysis.itemData(i) for i in range(self.analysis.count())]
        if names != [*model.analyses, None]:
            self.analysis.clear()
            for name in model.analyses:
                self.analysis.addItem(name or self.tr("as recorded"), name)
            self.analysis.addItem(self.tr("Analyse anew…"), None)
            view = self.analysis.view()
            view.setMinimumWidth(view.sizeHintForColumn(0) + 24)
        self.analysis.setCurrentIndex(max(0, self.analysis.findData(model.analysis)))
        self.analysis.setEnabled(model.folder is not None)
        self._make_room()

    def _choose(self, index: int) -> None:
        name = self.analysis.itemData(index)
        if name is None:
            self.analysis.setCurrentIndex(max(0, self.analysis.findData(self._model.analysis)))
            self._model.reanalysis_requested.emit()
        else:
            self._model.analysis_requested.emit(name)
