"""What is drawn on the stage of the video: picture, face outline, chips, level meter. Functions of a painter only."""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen, QPixmap

from desktop import theme

Points: TypeAlias = npt.NDArray[np.float64]
EDGE: Final = 12.0
"""Pixels between the stage's edge and what is drawn on it."""
AROUND: Final = 24.0
"""Pixels of a chip that are not its text."""
SHADE: Final = QColor(0, 0, 0, 168)
"""Ground of chips over any picture: white ink on it has at least 6 : 1, over white too."""
INK: Final = QColor("#FFFFFF")
INK_DIM: Final = QColor("#D5DBE2")
_CROPPED_AT_MOST = 0.2  # share of the picture that may be cut away to fill the stage
_LOWEST_DB, _HIGHEST_DB = -60.0, 0.0
_DOTS_APART = 7.0
_NARROW = 400.0  # px; in a picture that is narrower, chips use the whole stage
_CHEAP = 4.0e6  # pixels read and written a picture up to which smooth scaling stays below 4 ms


def image_over(array: npt.NDArray[np.uint8]) -> tuple[QImage, npt.NDArray[np.uint8]]:
    """Return an image over ``array``, uint8 RGB (H, W, 3), and the array that has to live as long as the image.

    Nothing is copied unless ``array`` is not contiguous.
    """
    held = np.ascontiguousarray(array)
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
    ratio = _pixel_ratio(painter)
    exact = area.size() * ratio == QSizeF(image.size())
    pixels = image.width() * image.height() + area.width() * area.height() * ratio**2
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact and pixels <= _CHEAP)
    if mirrored:
        painter.translate(area.left() + area.right(), 0.0)
        painter.scale(-1.0, 1.0)
    painter.drawImage(area, image, QRectF(image.rect()))
    painter.restore()


def outline_points(outline: npt.NDArray[np.float32], area: QRectF, *, mirrored: bool) -> Points:
    """Points (n, 2) in pixels of an outline (n, 2) in shares of the picture that lies in ``area``."""
    shares = outline.astype(np.float64)
    if mirrored:
        shares[:, 0] = 1.0 - shares[:, 0]
    points: Points = shares * (area.width(), area.height()) + (area.left(), area.top())
    return points


def dots_along(points: Points, distance: float = _DOTS_APART) -> Points:
    """Points (k, 2), about ``distance`` apart, on the smooth closed curve (Catmull-Rom) through ``points`` (n, 2)."""
    if len(points) < 3:
        return np.empty((0, 2))
    before, there, after = (np.roll(points, -k, axis=0) for k in (-1, 1, 2))
    u = np.linspace(0.0, 1.0, 6, endpoint=False)[None, :, None]
    here = points[:, None]
    curve = here + 0.5 * u * (  # (n, 6, 2)
        (there - before)[:, None]
        + u * (2 * before - 5 * points + 4 * there - after)[:, None]
        + u**2 * (3 * points - before - 3 * there + after)[:, None]
    )
    closed = np.concatenate((curve.reshape(-1, 2), points[:1]))
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))))
    at = np.linspace(0.0, along[-1], max(3, round(along[-1] / distance)), endpoint=False)
    return np.stack([np.interp(at, along, closed[:, i]) for i in (0, 1)], axis=1)


def paint_outline(painter: QPainter, points: Points, colour: QColor) -> None:
    """Paint a dotted outline through ``points`` (n, 2) that is seen on light and dark pictures alike."""
    dot = _dot(colour.name(), _pixel_ratio(painter))
    half = dot.deviceIndependentSize().width() / 2
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    for x, y in dots_along(points) - half:
        painter.drawPixmap(QPointF(x, y), dot)
    painter.restore()


def _pixel_ratio(painter: QPainter) -> float:
    """Device pixels per pixel; the device itself does not know it where painting is redirected."""
    return abs(painter.combinedTransform().m11())


@cache
def _dot(colour: str, ratio: float) -> QPixmap:
    """One dot of an outline; drawn once, because stroking a dotted curve takes longer than painting the picture."""
    dot = QPixmap(QSize(6, 6) * ratio)
    dot.setDevicePixelRatio(ratio)
    dot.fill(Qt.GlobalColor.transparent)
    painter = QPainter(dot)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    for ink, radius in ((theme.with_alpha(QColor("#000000"), 0.4), 2.0), (QColor(colour), 1.4)):
        painter.setBrush(ink)
        painter.drawEllipse(QPointF(3.0, 3.0), radius, radius)
    painter.end()
    return dot


def paint_chip(painter: QPainter, area: QRectF, text: str, *, ground: QColor = SHADE, ink: QColor = INK) -> None:
    """Paint a rounded chip with text in its middle, in the painter's font; the text is not elided."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(area, area.height() / 2, area.height() / 2)
    painter.setPen(ink)
    painter.drawText(area, Qt.AlignmentFlag.AlignCenter, text)


def chip_width(font: QFont, text: str) -> float:
    """Width of a chip around ``text``."""
    return QFontMetricsF(font).horizontalAdvance(text) + AROUND


def chip_height() -> float:
    """Height of a chip."""
    return 24.0 * max(1.0, theme.scale())


def room_for_chips(stage: QRectF, area: QRectF) -> QRectF:
    """Where chips may be: on the picture that lies in ``area``, if it is wide enough, else anywhere on the stage."""
    seen = stage.intersected(area)
    return (seen if seen.width() >= _NARROW else stage).adjusted(EDGE, EDGE, -EDGE, -EDGE)


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
