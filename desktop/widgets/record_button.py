"""The button that records, which is also the light that says it does."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from desktop import theme
from desktop.models.recording import RecordFigures, RecordingModel, RecordState, clock_text
from desktop.widgets.painted import SEMI_BOLD

_DOT = 10.0
_BLINK_MS = 1000


def _tr(text: str) -> str:
    return QCoreApplication.translate("RecordButton", text)


class RecordButton(QAbstractButton):
    """Quiet while nothing is recorded; red with the time while it is; touched by the window's thread only.

    A click triggers ``action``. The tool tip and the accessible description have all figures.
    """

    def __init__(self, model: RecordingModel, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._action = action
        self._bright = True
        self._blink = QTimer(self)
        self._blink.setInterval(_BLINK_MS)
        self._blink.timeout.connect(self._toggle)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        model.changed.connect(self._follow)
        self._follow()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for an hour and more, so that nothing moves while the time runs."""
        text = QFontMetricsF(self._font()).horizontalAdvance("0:00:00")
        return QSize(round(_DOT + 8 + text + 26), round(32 * theme.scale()))

    @property
    def caption(self) -> str:
        """What stands on it."""
        state = self._model.state
        if state is RecordState.RECORDING:
            return clock_text(self._model.figures.elapsed)
        if state is RecordState.ENDED:
            return self.tr("Ended")
        return self.tr("Saving…") if state is RecordState.SAVING else self.tr("Record")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint ground, dot and caption."""
        colours, figures = theme.theme(), self._model.figures
        recording = figures.state is RecordState.RECORDING
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(colours.accent if self.hasFocus() else Qt.GlobalColor.transparent, 1.0))
        painter.setBrush(theme.RECORDING if recording else colours.button)
        painter.drawRoundedRect(area, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
        if figures.state is RecordState.SAVING and figures.share is not None:
            done = QRectF(area.left(), area.bottom() - 3, area.width() * figures.share, 3)
            painter.fillRect(done, colours.accent)
        painter.setFont(self._font())
        ink = Qt.GlobalColor.white if recording else colours.ink if self.isEnabled() else colours.dim
        width = QFontMetricsF(self._font()).horizontalAdvance(self.caption)
        left = (self.width() - (_DOT + 8 + width)) / 2
        painter.setPen(Qt.PenStyle.NoPen)
        dot = Qt.GlobalColor.white if recording else theme.RECORDING if self.isEnabled() else colours.dim
        if self._bright or not recording:
            painter.setBrush(dot)
            painter.drawEllipse(QRectF(left, (self.height() - _DOT) / 2, _DOT, _DOT))
        painter.setPen(ink)
        rest = QRectF(left + _DOT + 8, 0, width + 4, self.height())
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.caption)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow font and theme."""
        super().changeEvent(event)
        self.updateGeometry()
        self.update()

    def _font(self) -> QFont:
        return theme.font(13, weight=SEMI_BOLD)

    def _toggle(self) -> None:
        self._bright = not theme.moves() or not self._bright
        self.update()

    def _follow(self) -> None:
        recording = self._model.state is RecordState.RECORDING
        if recording and not self._blink.isActive():
            self._blink.start()
        elif not recording:
            self._blink.stop()
            self._bright = True
        self.setEnabled(self._action.isEnabled())
        key = self._action.shortcut().toString()
        self.setAccessibleName(self._action.text() if not recording else self.tr("Recording: stop"))
        told = figures_text(self._model.figures)
        self.setAccessibleDescription(told)
        self.setToolTip(f"{self._action.text()} ({key})" + (f"\n{told}" if told else ""))
        self.update()


def figures_text(figures: RecordFigures) -> str:
    """All figures in words; empty while nothing is recorded."""
    if figures.state is RecordState.IDLE:
        return ""
    parts = [_tr("{0} recorded").format(clock_text(figures.elapsed))]
    if figures.frames or figures.frames_dropped:
        parts.append(_tr("{0} pictures, {1} left out").format(figures.frames, figures.frames_dropped))
    if figures.audio_lost:
        parts.append(_tr("{0:.2f} s of sound lost").format(figures.audio_lost / 16_000))
    if figures.disk_seconds is not None:
        parts.append(_tr("the disk lasts {0} at this rate").format(clock_text(figures.disk_seconds)))
    if figures.ended:
        parts.append(figures.ended)
    return " · ".join(parts)
