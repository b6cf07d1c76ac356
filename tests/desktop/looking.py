"""Looking at a widget's picture: its pixels as numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from desktop import theme

Pixels = npt.NDArray[np.int16]


def look(app: QApplication, name: str) -> theme.Theme:
    """Put a theme in force, without motion."""
    theme.load_fonts()
    app.setProperty("dmd_reduced_motion", True)
    return theme.apply_theme(app, name)


def picture(widget: QWidget, size: QSize | None = None) -> Pixels:
    """What the widget paints, int16 (H, W, 3)."""
    if size is not None:
        widget.resize(size)
    pixmap = QPixmap(widget.size())
    pixmap.fill(Qt.GlobalColor.transparent)
    widget.render(pixmap, QPoint(), renderFlags=QWidget.RenderFlag.DrawChildren)
    image = pixmap.toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(np.int16)


def mixed(colour: QColor, ground: QColor, share: float) -> npt.NDArray[np.float64]:
    """A colour at an opacity on a ground, as (r, g, b)."""
    return share * np.array(colour.getRgb()[:3]) + (1 - share) * np.array(ground.getRgb()[:3])


def count(pixels: Pixels, colour: QColor, within: int = 3) -> int:
    """How many pixels have the colour."""
    return int((np.abs(pixels - np.array(colour.getRgb()[:3])).max(axis=-1) <= within).sum())


def luminance(colour: QColor) -> float:
    """Relative luminance (WCAG)."""
    shares = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return 0.2126 * shares[0] + 0.7152 * shares[1] + 0.0722 * shares[2]


def contrast(a: QColor, b: QColor) -> float:
    """Contrast ratio (WCAG)."""
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
