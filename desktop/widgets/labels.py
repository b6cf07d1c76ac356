"""Text in the sizes of the design, in the ink of the theme in force."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QLabel, QWidget

from desktop import theme

RESTYLING: Final = (
    QEvent.Type.PaletteChange,
    QEvent.Type.StyleChange,
    QEvent.Type.FontChange,
    QEvent.Type.ApplicationFontChange,
)
"""Changes after which colours or sizes may be others; which of them come depends on style sheet and platform."""


def set_text_size(widget: QWidget, font: QFont) -> None:
    """Give a widget the size and weight of ``font``, whatever the application's style sheet says of text in general."""
    widget.setFont(font)
    rule = f"{type(widget).__name__} {{ font-size: {font.pixelSize()}px; font-weight: {font.weight().value}; }}"
    if widget.styleSheet() != rule:
        widget.setStyleSheet(rule)


class Label(QLabel):
    """Plain text of one size and weight; follows theme and font scale by itself.

    Parameters
    ----------
    text : str
    pixels : int
        As designed; the font scale of the settings comes on top.
    weight : QFont.Weight
    dim : bool
        In the quieter ink.
    wraps : bool
        Over several lines where it is too narrow.
    """

    _scale = 0.0  # in which the text was last sized; Qt tells of changes while the label is still being made

    def __init__(
        self,
        text: str = "",
        *,
        pixels: int = 13,
        weight: QFont.Weight = QFont.Weight.Normal,
        dim: bool = False,
        wraps: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self._pixels = pixels
        self._weight = weight
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wraps)
        self.setForegroundRole(QPalette.ColorRole.PlaceholderText if dim else QPalette.ColorRole.WindowText)
        self._size()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING and self._scale not in (0.0, theme.scale()):
            self._size()

    def _size(self) -> None:
        self._scale = theme.scale()
        set_text_size(self, theme.font(self._pixels, weight=self._weight))


class ElidedLabel(Label):
    """A single line that ends in an ellipsis where it is too long, with the whole text as its tool tip."""

    def __init__(self, text: str = "", *, pixels: int = 13, dim: bool = False, parent: QWidget | None = None) -> None:
        super().__init__("", pixels=pixels, dim=dim, parent=parent)
        self._whole = ""
        self.setMinimumWidth(24)
        self.set_whole(text)

    def set_whole(self, text: str) -> None:
        """Show ``text``, or as much of it as fits."""
        self._whole = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: object) -> None:  # noqa: ARG002, N802 - Qt's name
        """Fit the text anew."""
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))
