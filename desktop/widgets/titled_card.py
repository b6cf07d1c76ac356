"""A quiet card with a title at its left and a remark at its right."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop import theme
from desktop.widgets.labels import Label
from desktop.widgets.painted import draw_card


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

    @property
    def is_focused(self) -> bool:
        """Whether the card itself shows where the keyboard is."""
        return False

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint the ground."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_card(painter, QRectF(self.rect()), focused=self.is_focused)
        painter.end()
