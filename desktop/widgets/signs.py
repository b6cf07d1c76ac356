"""Signs that stand beside a colour, so that colour is never alone: a triangle for amber, an octagon for red."""

from __future__ import annotations

from math import cos, pi, sin

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.health import Severity


def severity_colour(severity: Severity) -> QColor:
    """Ink for a figure in the theme in force."""
    colours = theme.theme()
    return {Severity.GOOD: colours.dim, Severity.AMBER: colours.caution, Severity.RED: colours.alarm}[severity]


def paint_sign(
    painter: QPainter, centre: QPointF, size: float, severity: Severity, *, ground: QColor, ink: QColor | None = None
) -> None:
    """Paint a filled triangle (amber) or octagon (red) with an exclamation mark; nothing where all is good."""
    if severity is Severity.GOOD:
        return
    shape, bar, dot = _triangle(centre, size) if severity is Severity.AMBER else _octagon(centre, size)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(ground, size * 0.14)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(ground)
    painter.drawPath(shape)
    pen = QPen(ink if ink is not None else _ink_on(ground), size * 0.14)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawLine(QPointF(centre.x(), bar[0]), QPointF(centre.x(), bar[1]))
    painter.drawPoint(QPointF(centre.x(), dot))
    painter.restore()


class Sign(QWidget):
    """A sign as a widget, for use in layouts.

    Parameters
    ----------
    severity : Severity
    size : int
        Pixels.
    on_warning : bool
        Dark on the warning colour instead of filled on a quiet ground.
    """

    def __init__(
        self, severity: Severity, size: int = 16, *, on_warning: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._severity = severity
        self._size = size
        self._on_warning = on_warning
        self.setFixedSize(QSize(size + 4, size + 4))

    def set_severity(self, severity: Severity) -> None:
        """Show another one."""
        self._severity = severity
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint it."""
        painter = QPainter(self)
        ground = theme.WARNING_INK if self._on_warning else severity_colour(self._severity)
        ink = theme.WARNING if self._on_warning else None
        paint_sign(painter, QRectF(self.rect()).center(), self._size, self._severity, ground=ground, ink=ink)
        painter.end()


def _triangle(centre: QPointF, size: float) -> tuple[QPainterPath, tuple[float, float], float]:
    half, top = size * 0.46, centre.y() - size * 0.44
    path = QPainterPath(QPointF(centre.x(), top))
    path.lineTo(centre.x() + half, top + size * 0.82)
    path.lineTo(centre.x() - half, top + size * 0.82)
    path.closeSubpath()
    return path, (top + size * 0.28, top + size * 0.48), top + size * 0.69


def _octagon(centre: QPointF, size: float) -> tuple[QPainterPath, tuple[float, float], float]:
    path = QPainterPath()
    for i in range(8):
        angle = pi / 8 + i * pi / 4
        point = centre + QPointF(cos(angle), sin(angle)) * (size * 0.46)
        if i:
            path.lineTo(point)
        else:
            path.moveTo(point)
    path.closeSubpath()
    return path, (centre.y() - size * 0.22, centre.y() + size * 0.04), centre.y() + size * 0.25


def _ink_on(ground: QColor) -> QColor:
    return QColor(theme.WARNING_INK) if ground.lightnessF() > 0.45 else QColor("#FFFFFF")
