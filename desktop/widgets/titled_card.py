"""A quiet card with a title at its left and a remark at its right."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop import theme
from desktop.widgets.labels import Label


def paint_card(painter: QPainter, area: QRectF) -> None:
    """Paint a card's ground and its hairline, crisp at every pixel ratio."""
    colours = theme.theme()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colours.line, 1.0))
    painter.setBrush(colours.card)
    painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS, theme.RADIUS)


class TitledCard(QWidget):
    """A card; what belongs on it is added to :attr:`body`.

    Attributes
    ----------
    title, remark : Label
    header : QHBoxLayout
    body : QVBoxLayout
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = Label(title, pixels=11, weight=QFont.Weight.DemiBold, dim=True)
        self.remark = Label(pixels=11, dim=True)
        self.header = QHBoxLayout()
        self.header.setSpacing(theme.GAP)
        self.header.addWidget(self.title)
        self.header.addStretch(1)
        self.header.addWidget(self.remark)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(theme.INSIDE, theme.GAP, theme.INSIDE, theme.GAP)
        self.body.setSpacing(4)
        self.body.addLayout(self.header)
        self.setAccessibleName(title)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint the ground."""
        painter = QPainter(self)
        paint_card(painter, QRectF(self.rect()))
        painter.end()
