"""What every painted card has in common: its ground, its focus ring, its text, and repainting when the look changes."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QFocusEvent, QFont, QFontMetricsF, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop import theme

LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTRE: Final = Qt.AlignmentFlag.AlignCenter
SEMI_BOLD: Final = QFont.Weight.DemiBold
BOLD: Final = QFont.Weight.Bold
_STRIPE: Final = 4.0  # px
_KEYS: Final = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
_RESTYLING: Final = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.FontChange)


class PaintedCard(QWidget):
    """A card that paints itself: ``paint`` draws on the ground that is already there.

    A ring shows focus that came by the keyboard. On a change of theme or font :meth:`restyle` runs, then a repaint.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.focus_by_keys = False

    def paint(self, painter: QPainter) -> None:
        """Draw what is on the card; ``painter`` is antialiased."""
        raise NotImplementedError

    def restyle(self) -> None:
        """Forget what was measured or drawn in the old look."""

    def paintEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002  # Qt's name and arguments
        """Qt's call to draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_card(painter, QRectF(self.rect()), focused=self.focus_by_keys and self.hasFocus())
        self.paint(painter)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow the theme and the font."""
        super().changeEvent(event)
        if event.type() in _RESTYLING:
            self.restyle()
            self.updateGeometry()
            self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Remember how the focus came."""
        self.focus_by_keys = event.reason() in _KEYS
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Drop the ring."""
        super().focusOutEvent(event)
        self.update()


class LinkButton(QAbstractButton):
    """A button that looks like a link."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def fit(self) -> None:
        """Take the size of the text in the present font."""
        metrics = QFontMetricsF(theme.font(12, weight=SEMI_BOLD))
        self.resize(round(metrics.horizontalAdvance(self.text())) + 12, round(metrics.height()) + 8)

    def paintEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002
        """Draw the words, underlined under the mouse."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look, font = theme.theme(), theme.font(12, weight=SEMI_BOLD)
        font.setUnderline(self.underMouse() or self.isDown())
        draw_text(painter, QRectF(self.rect()), CENTRE, self.text(), font, look.accent)
        if self.hasFocus():
            painter.setPen(QPen(look.accent, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 5, 5)
        painter.end()

    def enterEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002
        """Show that it can be pressed."""
        self.update()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, ARG002
        """Back to rest."""
        self.update()


def draw_card(painter: QPainter, rect: QRectF, *, focused: bool = False) -> None:
    """A quiet card with a hairline around it, or a ring where it has the focus."""
    look = theme.theme()
    wide = 2.0 if focused else 1.0
    painter.setPen(Qt.PenStyle.NoPen)
    for inset, colour in (
        (0.0, look.accent if focused else look.line),
        (wide, look.card),
    ):  # fills: a third of a stroke
        painter.setBrush(colour)
        radius = theme.RADIUS - inset
        painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), radius, radius)


def draw_striped_card(painter: QPainter, rect: QRectF, *, warns: bool = True) -> None:
    """A slim card with a stripe at its left, of warning or quiet."""
    look, shape = theme.theme(), QPainterPath()
    shape.addRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS_SMALL, theme.RADIUS_SMALL)
    painter.fillPath(shape, look.card)
    painter.save()
    painter.setClipPath(shape)
    painter.fillRect(QRectF(0, 0, _STRIPE, rect.height()), theme.WARNING if warns else look.accent)
    painter.restore()
    painter.setPen(QPen(look.line, 1.0))
    painter.drawPath(shape)


def draw_text(  # noqa: PLR0917  # in the order of QPainter.drawText
    painter: QPainter, rect: QRectF, align: Qt.AlignmentFlag, text: str, font: QFont, colour: QColor
) -> None:
    """One line of text, on whole pixels."""
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(QRectF(rect.toRect()), int(align | Qt.TextFlag.TextSingleLine), text)


def draw_chip(painter: QPainter, left: float, middle: float, text: str) -> float:
    """A mark that must not be overlooked, with its left edge at ``left``; returns its right edge."""
    font = theme.font(10, weight=BOLD)
    metrics = QFontMetricsF(font)
    box = QRectF(
        round(left),
        round(middle - 8.5 * theme.scale()),
        round(metrics.horizontalAdvance(text)) + 14,
        17 * theme.scale(),
    )
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.WARNING)
    painter.drawRoundedRect(box, 5, 5)
    draw_text(painter, box, CENTRE, text, font, theme.WARNING_INK)
    return box.right()


def advance(font: QFont, text: str) -> float:
    """The width of a text."""
    return QFontMetricsF(font).horizontalAdvance(text)


def fitting(font: QFont, width: float, *candidates: str) -> str:
    """The first of the candidates that fits ``width``; the last one, elided, where none does."""
    metrics = QFontMetricsF(font)
    for text in candidates:
        if metrics.horizontalAdvance(text) <= width:
            return text
    return metrics.elidedText(candidates[-1], Qt.TextElideMode.ElideRight, max(0.0, width))


def title_font() -> QFont:
    """Of the small capitals above a card's content."""
    font = theme.font(11, weight=SEMI_BOLD)
    font.setLetterSpacing(QFont.SpacingType.PercentageSpacing, 101)
    return font
