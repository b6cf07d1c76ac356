"""A page whose content stands in its middle, never wider than can be read; it scrolls where there is no room."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop import theme
from desktop.widgets.labels import RESTYLING

_WIDEST = 700


class CentredPage(QScrollArea):
    """Content goes to :attr:`column`.

    Attributes
    ----------
    column : QVBoxLayout
        At most 700 pixels wide, in the middle.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setAutoFillBackground(False)
        content, block = QWidget(), QWidget()
        content.setAutoFillBackground(False)
        block.setMaximumWidth(round(_WIDEST * theme.scale()))
        block.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._block = block
        self.column = QVBoxLayout(block)
        self.column.setContentsMargins(24, 24, 24, 24)
        self.column.setSpacing(theme.GAP)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(block, 1000)
        row.addStretch(1)
        whole = QVBoxLayout(content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addStretch(2)
        whole.addLayout(row)
        whole.addStretch(3)
        self.setWidget(content)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING and hasattr(self, "_block"):
            self._block.setMaximumWidth(round(_WIDEST * theme.scale()))
