"""Lanes of a replay's timeline as pictures, a column of numbers for each column of pixels. Numpy only, no painter.

A polygon of ten thousand points takes the painter tens of milliseconds; these take one or two, however long a session.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor, QImage

from desktop.models.level_of_detail import Floats

_HALF = 0.85  # pixels of half a line's width
_HATCH = 7


def stack_picture(shares: Floats, height: int, colours: list[QColor]) -> QImage:
    """Bands of ``shares`` (k, C), the first on top, ``height`` pixels tall; NaN columns stay open."""
    filled = np.nan_to_num(shares).astype(np.float32).T * height
    upper = np.cumsum(filled[::-1], axis=0)[::-1]  # (C, k): top of each band in pixels, the first is the whole height
    v = np.arange(height, 0, -1, dtype=np.float32)[:, None] - 1.0  # lower side of each pixel
    inks = np.array([_rgb(c) for c in colours], dtype=np.float32)
    planes = np.empty((3, height, len(shares)), dtype=np.float32)
    planes[:] = inks[0, :, None, None]
    for i in range(1, len(inks)):  # each covers what is below it by the share of the pixel that it has
        weight = np.clip(upper[i] - v, 0.0, 1.0)
        for channel, change in enumerate(inks[i] - inks[i - 1]):
            planes[channel] += weight * change
    whole = np.where(np.isnan(shares[:, 0]), np.float32(0.0), np.float32(1.0))
    return _image(planes, np.broadcast_to(whole, planes.shape[1:]))


def line_picture(low: Floats, high: Floats, height: int, colour: QColor, ratio: float = 1.0) -> QImage:
    """A line through columns that reach from ``low`` to ``high`` (k,), in shares of the height; NaN breaks it."""
    edge = _HALF * ratio
    room = max(1.0, height - 2 * edge)
    top = (edge + (1.0 - high.clip(0.0, 1.0)) * room).astype(np.float32)  # y grows downward
    bottom = (edge + (1.0 - low.clip(0.0, 1.0)) * room).astype(np.float32)
    with np.errstate(invalid="ignore"):
        fall = np.flatnonzero(top[1:] > bottom[:-1])  # neighbours that do not touch meet half way
        middle = (top[1:] + bottom[:-1])[fall] / 2
        bottom[fall], top[fall + 1] = middle, middle
        rise = np.flatnonzero(bottom[1:] < top[:-1])
        middle = (bottom[1:] + top[:-1])[rise] / 2
        top[rise], bottom[rise + 1] = middle, middle
        y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
        reach = np.float32(edge + 0.5)
        alpha = np.minimum(bottom + reach - y, y - (top - reach))
        np.clip(alpha, 0.0, 1.0, out=alpha)
    alpha[:, np.isnan(top)] = 0.0
    return _inked(alpha, colour)


def bar_picture(shares: Floats, height: int, colour: QColor) -> QImage:
    """Bars from the bottom, as tall as ``shares`` (k,)."""
    y = np.arange(height, dtype=np.float32)[:, None]
    alpha = (shares.astype(np.float32) * height - (height - 1 - y)).clip(0.0, 1.0)
    return _inked(alpha, colour)


def strip_picture(shares: Floats, colour: QColor) -> QImage:
    """One row of pixels, the more opaque the larger the share (k,); NaN is nothing."""
    alpha = np.where(np.isnan(shares), 0.0, 0.22 + 0.78 * np.nan_to_num(shares).clip(0.0, 1.0)).astype(np.float32)
    return _inked(alpha[None], colour)


def hatch_picture(where: npt.NDArray[np.bool_], height: int, colour: QColor, ratio: float = 1.0) -> QImage:
    """Slanted lines in the columns ``where`` (k,): something was read there, and is not valid."""
    y, x = np.ogrid[:height, : len(where)]
    pitch = max(3, round(_HATCH * ratio))
    return _inked((((x + y) % pitch < max(1, round(ratio))) & where[None]).astype(np.float32), colour)


def _inked(alpha: npt.NDArray[np.float32], colour: QColor) -> QImage:
    """One colour with opacities (H, W) in 0 to 1, times its own: 256 pixels to choose from."""
    share = np.arange(256, dtype=np.float32) / 255 * np.float32(colour.alphaF())
    red, green, blue = ((share * c + np.float32(0.5)).astype(np.uint32) for c in _rgb(colour))
    pixels = (
        (share * 255 + np.float32(0.5)).astype(np.uint32) << np.uint32(24)
        | red << np.uint32(16)
        | green << np.uint32(8)
        | blue
    )
    return _as_image(pixels[(alpha * np.float32(255) + np.float32(0.5)).astype(np.uint8)])


def _image(planes: Iterable[npt.NDArray[np.float32]], alpha: npt.NDArray[np.float32]) -> QImage:
    """An image of red, green and blue (H, W) in 0 to 255 with opacities (H, W) in 0 to 1; the painter's own format."""
    red, green, blue = ((plane * alpha + np.float32(0.5)).astype(np.uint32) for plane in planes)
    pixels = (
        (alpha * 255 + np.float32(0.5)).astype(np.uint32) << np.uint32(24)
        | red << np.uint32(16)
        | green << np.uint32(8)
        | blue
    )
    return _as_image(pixels)


def _as_image(pixels: npt.NDArray[np.uint32]) -> QImage:
    """A copy of premultiplied pixels (H, W) as an image."""
    height, width = pixels.shape
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied).copy()


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()
