"""What is drawn on the stage of the video: picture, face outline, chips, level meter. Functions of a painter only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen

from desktop import theme

EDGE: Final = 12.0
"""Pixels between the stage's edge and what is drawn on it."""
CHIP: Final = 24.0
"""Height of a chip."""
SHADE: Final = QColor(0, 0, 0, 168)
"""Ground of chips over any picture: white ink on it has at least 6 : 1, over white too."""
INK: Final = QColor("#FFFFFF")
INK_DIM: Final = QColor("#D5DBE2")
_CROPPED_AT_MOST = 0.2  # share of the picture that may be cut away to fill the stage
_LOWEST_DB, _HIGHEST_DB = -60.0, 0.0
_CHEAP = 4.0e6  # pixels read and written a picture up to which smooth scaling stays below 4 ms


def image_over(array: npt.NDArray[np.uint8]) -> tuple[QImage, npt.NDArray[np.uint8]]:
    """Return an image over ``array``, uint8 RGB (H, W, 3), and the array that has to live as long as the image.

    Nothing is copied unless rows or pixels are not contiguous.
    """
    held = array if array.strides[1:] == (3, 1) and array.strides[0] >= 3 * array.shape[1] else array.copy(order="C")
    height, width = held.shape[:2]
    return QImage(held.data, width, height, held.strides[0], QImage.Format.Format_RGB888), held


def placed(stage: QRectF, picture: QSizeF) -> QRectF:
    """Where the whole picture lies: it fills the stage if little is lost by that, else it stands inside."""
    across, down = stage.width() / picture.width(), stage.height() / picture.height()
    inside, filling = min(across, down), max(across, down)
    factor = filling if 1 - inside / filling <= _CROPPED_AT_MOST else inside
    size = picture * factor
    corner = stage.center() - QPointF(size.width() / 2, size.height() / 2)
    return QRectF(corner, size)


def paint_picture(painter: QPainter, image: QImage, area: QRectF, *, mirrored: bool) -> None:
    """Paint ``image`` into ``area``; mirrored as one sees oneself. Smooth where it scales and that is cheap."""
    ratio = painter.device().devicePixelRatioF()
    exact = area.size() * ratio == QSizeF(image.size())
    pixels = image.width() * image.height() + area.width() * area.height() * ratio**2
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact and pixels <= _CHEAP)
    if mirrored:
        painter.translate(area.left() + area.right(), 0.0)
        painter.scale(-1.0, 1.0)
    painter.drawImage(area, image, QRectF(image.rect()))
    painter.restore()


def outline_points(outline: npt.NDArray[np.float32], area: QRectF, *, mirrored: bool) -> list[QPointF]:
    """Points of an outline (n, 2) in shares of the picture that lies in ``area``, in pixels."""
    x = 1.0 - outline[:, 0] if mirrored else outline[:, 0]
    return [
        QPointF(area.left() + float(a) * area.width(), area.top() + float(b) * area.height())
        for a, b in zip(x, outline[:, 1], strict=True)
    ]


def closed_curve(points: Sequence[QPointF]) -> QPainterPath:
    """Return a smooth closed curve through ``points`` (Catmull-Rom); empty for fewer than three."""
    path = QPainterPath()
    if len(points) < 3:
        return path
    path.moveTo(points[0])
    count = len(points)
    for i in range(count):
        before, here, there, after = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        path.cubicTo(here + (there - before) / 6.0, there - (after - here) / 6.0, there)
    path.closeSubpath()
    return path


def paint_outline(painter: QPainter, path: QPainterPath, colour: QColor) -> None:
    """Paint a dotted outline that is seen on light and dark pictures alike."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ink, width in ((theme.with_alpha(QColor("#000000"), 0.4), 4.0), (colour, 2.8)):
        pen = QPen(ink, width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setDashPattern([0.01 / width, 7.0 / width])
        painter.setPen(pen)
        painter.drawPath(path)


def paint_chip(painter: QPainter, area: QRectF, text: str, *, ground: QColor = SHADE, ink: QColor = INK) -> None:
    """Paint a rounded chip with text in its middle, in the painter's font; the text is not elided."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(area, area.height() / 2, area.height() / 2)
    painter.setPen(ink)
    painter.drawText(area, Qt.AlignmentFlag.AlignCenter, text)


def chip_width(font: QFont, text: str) -> float:
    """Width of a chip around ``text``."""
    return QFontMetricsF(font).horizontalAdvance(text) + 24.0


def level_share(db: float) -> float:
    """How much of the meter a level fills, 0 to 1."""
    return min(1.0, max(0.0, (db - _LOWEST_DB) / (_HIGHEST_DB - _LOWEST_DB)))


def paint_meter(painter: QPainter, track: QRectF, share: float, *, colour: QColor, clipping: bool) -> None:
    """Paint a level meter; its end lights up where the sound reached full scale."""
    radius = track.height() / 2
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(255, 255, 255, 38))
    painter.drawRoundedRect(track, radius, radius)
    shape = QPainterPath()
    shape.addRoundedRect(track, radius, radius)
    if share > 0:
        bar = QRectF(track.left(), track.top(), max(track.height(), track.width() * share), track.height())
        filled = QPainterPath()
        filled.addRoundedRect(bar, radius, radius)
        painter.fillPath(filled, QBrush(colour))
    if clipping:
        end = QPainterPath()
        end.addRect(QRectF(track.right() - 14.0, track.top(), 14.0, track.height()))
        painter.fillPath(shape.intersected(end), QBrush(theme.WARNING))


def paint_letter(painter: QPainter, centre: QPointF, letter: str, colour: QColor) -> None:
    """Paint a modality's letter in a ring of its colour, as the vertices of the graphs are drawn, small."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 1.6))
    painter.drawEllipse(centre, 7.5, 7.5)
    painter.save()
    painter.setFont(theme.font(9, weight=QFont.Weight.Bold))
    painter.setPen(INK)
    painter.drawText(QRectF(centre.x() - 8, centre.y() - 8, 16, 16), Qt.AlignmentFlag.AlignCenter, letter)
    painter.restore()


def paint_missing(painter: QPainter, centre: QPointF, letter: str, colour: QColor) -> None:
    """Paint a modality that is missing as the graphs do: its letter in a broken ring."""
    pen = QPen(theme.with_alpha(colour, 0.8), 2.4)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pen.setDashPattern([3.4, 2.2])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen)
    painter.drawEllipse(centre, 24.0, 24.0)
    painter.save()
    painter.setFont(theme.font(16, weight=QFont.Weight.Bold))
    painter.setPen(INK_DIM)
    painter.drawText(QRectF(centre.x() - 24, centre.y() - 24, 48, 48), Qt.AlignmentFlag.AlignCenter, letter)
    painter.restore()
