"""A label that can be pressed: its key, its colour in a shape that tells points from spans, its name, its count."""

from __future__ import annotations

from math import ceil
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from desktop import theme
from desktop.widgets.labels import RESTYLING
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, advance, draw_text, fitting
from dmd_runtime import Label

_HEIGHT: Final = 30
_LONGEST: Final = 190  # px of a name
_GAP: Final = 7
_SIGN: Final = 14


class LabelChip(QAbstractButton):
    """Shows a label; what a press means, the owner knows.

    Parameters
    ----------
    label : Label
    text : str
        Its name in words.
    colour : QColor or None
        None is the quiet ink of the theme in force.
    """

    def __init__(self, label: Label, text: str, colour: QColor | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = label
        self._colour = colour
        self._count = 0
        self._elapsed: float | None = None
        self.setText(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        kind = self.tr("starts and stops a span") if label.span else self.tr("sets a point")
        self.setAccessibleName(text)
        self.setToolTip(f"{text}: {kind}" + (f" ({label.key})" if label.key else ""))
        self._describe()

    def show_state(self, count: int, elapsed: float | None) -> None:
        """How often it was marked, and for how long it runs (s; None where it does not)."""
        state = (count, None if elapsed is None else int(elapsed))
        if state == (self._count, None if self._elapsed is None else int(self._elapsed)):
            return
        grown = len(self._told()) != len(self._words(*state))
        self._count, self._elapsed = count, elapsed
        if grown:
            self.updateGeometry()
        self._describe()
        self.update()

    @property
    def colour(self) -> QColor:
        """Of its sign."""
        return self._colour if self._colour is not None else theme.theme().dim

    @property
    def is_running(self) -> bool:
        """Whether its span has begun."""
        return self._elapsed is not None

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for everything; what it tells has room for two figures from the start."""
        s = theme.scale()
        name = min(advance(theme.font(13, weight=SEMI_BOLD), self.text()), _LONGEST * s)
        told = max(
            advance(theme.font(11), self._told()), advance(theme.font(11), "00" if not self.label.span else "0:00")
        )
        width = 8 * s + self._cap_width() + _SIGN * s + _GAP * s + name + _GAP * s + told + 9 * s
        return QSize(ceil(width) + 2, round(_HEIGHT * s))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Never less."""
        return self.sizeHint()

    def paintEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look, s = theme.theme(), theme.scale()
        ink = look.ink if self.isEnabled() else look.dim
        self._paint_ground(painter, look)
        x = 8 * s
        if self.label.key:
            cap = QRectF(x, self.height() / 2 - 9 * s, self._cap_width() - _GAP * s, 18 * s)
            painter.setPen(QPen(look.line, 1.0))
            painter.setBrush(look.card)
            painter.drawRoundedRect(cap.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
            draw_text(painter, cap, CENTRE, self.label.key, theme.font(11, weight=SEMI_BOLD), ink)
        x += self._cap_width()
        self._paint_sign(painter, QPointF(x + _SIGN * s / 2, self.height() / 2))
        x += (_SIGN + _GAP) * s
        told, small = self._told(), theme.font(11)
        right = QRectF(x, 0, self.width() - x - 9 * s, self.height())
        font = theme.font(13, weight=SEMI_BOLD) if self.is_running else theme.font(13)
        room = right.width() - advance(small, told) - _GAP * s
        draw_text(painter, right, LEFT, fitting(font, room, self.text()), font, ink)
        draw_text(painter, right, RIGHT, told, small, ink if self.is_running else look.dim)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow theme and font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING:
            self.updateGeometry()
            self.update()

    def enterEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Show that it can be pressed."""
        self.update()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Back to rest."""
        self.update()

    def _paint_ground(self, painter: QPainter, look: theme.Theme) -> None:
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.line if self.isDown() else look.track)
        painter.drawRoundedRect(box, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
        if self.is_running:
            painter.setBrush(theme.with_alpha(self.colour, 0.28))
            painter.drawRoundedRect(box, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
        edge = None
        if self.hasFocus():
            edge = QPen(look.accent, 2.0)
        elif self.is_running:
            edge = QPen(self.colour, 2.0)
        elif self.isEnabled() and self.underMouse():
            edge = QPen(look.dim, 1.0)
        if edge is not None:
            painter.setPen(edge)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, theme.RADIUS_SMALL, theme.RADIUS_SMALL)

    def _paint_sign(self, painter: QPainter, middle: QPointF) -> None:
        """A diamond for a point, a bar for a span, a square (stop) for one that runs."""
        s = theme.scale()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.colour if self.isEnabled() else theme.with_alpha(self.colour, 0.5))
        if self.is_running:
            painter.drawRoundedRect(QRectF(middle.x() - 4.5 * s, middle.y() - 4.5 * s, 9 * s, 9 * s), 1.5, 1.5)
        elif self.label.span:
            painter.drawRoundedRect(QRectF(middle.x() - 7 * s, middle.y() - 2.5 * s, 14 * s, 5 * s), 2.5 * s, 2.5 * s)
        else:
            r = 5.5 * s
            x, y = middle.x(), middle.y()
            painter.drawPolygon([QPointF(x - r, y), QPointF(x, y - r), QPointF(x + r, y), QPointF(x, y + r)])

    def _cap_width(self) -> float:
        if not self.label.key:
            return 0.0
        s = theme.scale()
        return max(18 * s, advance(theme.font(11, weight=SEMI_BOLD), self.label.key) + 10 * s) + _GAP * s

    def _told(self) -> str:
        return self._words(self._count, self._elapsed)

    @staticmethod
    def _words(count: int, elapsed: float | None) -> str:
        if elapsed is not None:
            minutes, seconds = divmod(int(elapsed), 60)
            return f"{minutes}:{seconds:02d}"
        return str(count) if count else ""

    def _describe(self) -> None:
        parts = [self.tr("key %1").replace("%1", self.label.key)] if self.label.key else []
        parts.append(self.tr("span") if self.label.span else self.tr("point"))
        if self.is_running:
            parts.append(self.tr("running for %1").replace("%1", self._told()))
        elif self._count:
            parts.append(self.tr("marked %1 times").replace("%1", str(self._count)))
        self.setAccessibleDescription(", ".join(parts))
