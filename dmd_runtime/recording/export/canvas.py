"""A picture to draw on, without a window: smooth shapes and type in the program's look.

Colours are those of the desktop's dark theme; they carry the modality and the emotion, all else is ink on quiet cards.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dmd_runtime.messages import UInt8, freeze
from dmd_runtime.modality import Modality
from dmd_runtime.recording.export.typeface import Type

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = npt.NDArray[np.float64]
Span: TypeAlias = tuple[float, float]


def colour(text: str) -> Colour:
    """``#rrggbb`` as RGB."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mixed(over: Colour, ground: Colour, share: float) -> Colour:
    """What ``over`` looks like on ``ground`` with an opacity of ``share``."""
    r, g, b = (round(u + (o - u) * min(1.0, max(0.0, share))) for o, u in zip(over, ground, strict=True))
    return r, g, b


BACKGROUND, CARD, LINE = colour("#101418"), colour("#181D23"), colour("#2A313A")
INK, DIM, TRACK, STAGE = colour("#E8ECF1"), colour("#8D98A5"), colour("#232A32"), colour("#090C0F")
WARNING, WARNING_INK = colour("#E8B931"), colour("#1A1400")
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
MODALITY: Final = {
    Modality.LANGUAGE: colour("#4C9BE8"),
    Modality.VISUAL: colour("#E8A33D"),
    Modality.ACOUSTIC: colour("#54B689"),
}
_EMOTION: Final = {
    "happiness": colour("#F0C44C"),
    "neutral": colour("#9AA5B1"),
    "surprise": colour("#59C3D8"),
    "sadness": colour("#5C7CFA"),
    "anger": colour("#E4572E"),
    "fear": colour("#9B6DD6"),
    "disgust": colour("#6BA368"),
}
EMOTIONS: Final = tuple(_EMOTION)
"""The order in which emotions are listed."""
_SHIFT: Final = 4  # fractional bits of OpenCV's coordinates
_FINER: Final = 4  # times, in which masks are drawn before they are made smooth


def emotion_colour(label: str) -> Colour:
    """The colour of an emotion; never the only sign of it."""
    return _EMOTION.get(label, _EMOTION["neutral"])


class Box(NamedTuple):
    """A rectangle in whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where it lies in an array."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def inside(self, across: int, down: int) -> Box:
        """Without a margin on each side."""
        return Box(self.x + across, self.y + down, self.width - 2 * across, self.height - 2 * down)


class Canvas:
    """uint8 (H, W, 3) in RGB, drawn on in place."""

    def __init__(self, pixels: UInt8) -> None:
        self.pixels = pixels

    def text(self, x: float, base: float, text: str, kind: Type, ink: Colour, *, align: str = "left") -> int:
        """Write ``text`` with its figures standing on ``base``; ``x`` is left of it. Returns its width."""
        if not text:
            return 0
        width = kind.width(text)
        left = round(x - {"left": 0, "right": width, "middle": width / 2}[align])
        mask, dx, dy = kind.mask(text)
        self._blend(mask, left + dx, round(base) + dy, ink)
        return width

    def card(self, box: Box, fill: Colour, radius: int, opacity: float = 1.0) -> None:
        """Fill a rectangle with round corners."""
        if box.width > 0 and box.height > 0:
            mask = _rounded(box.width, box.height, min(radius, box.width // 2, box.height // 2))
            self._blend(mask, box.x, box.y, fill, opacity)

    def polygon(self, points: Points, fill: Colour) -> None:
        """Fill an outline (n, 2)."""
        cv2.fillPoly(self.pixels, [_fixed(points)], fill, cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, ink: Colour, width: int = 1) -> None:
        """Draw along points (n, 2)."""
        cv2.polylines(self.pixels, [_fixed(points)], False, ink, width, cv2.LINE_AA, _SHIFT)

    def ring(self, centre: tuple[float, float], radius: float, width: float, ink: Colour, share: float = 1.0) -> None:
        """A ring, or the ``share`` of it that begins on top and goes to the right."""
        self._rings(centre, radius, width, ink, ((0.0, min(1.0, share)),) if share > 0 else ())

    def broken_ring(self, centre: tuple[float, float], radius: float, width: float, ink: Colour, dashes: int) -> None:
        """A ring of dashes."""
        pieces = tuple((number / dashes, (number + 0.55) / dashes) for number in range(dashes))
        self._rings(centre, radius, width, ink, pieces)

    def disc(self, centre: tuple[float, float], radius: float, fill: Colour) -> None:
        """A full circle."""
        self._rings(centre, radius / 2, radius, fill, ((0.0, 1.0),))

    def dots(self, centres: Points, radius: float, fill: Colour, shade: Colour) -> None:
        """Full circles of one size around centres (n, 2), each with a thin rim of ``shade``."""
        reach = int(radius) + 2
        corner = np.floor(centres).astype(np.intp)
        inside = (corner >= reach).all(axis=1) & (corner < np.array(self.pixels.shape[1::-1]) - reach).all(axis=1)
        corner, offset = corner[inside, None, None], (centres - corner)[inside, None, None].astype(np.float32)
        around = np.arange(-reach, reach + 1)
        x, y = corner[..., 0] + around, corner[..., 1] + around[:, None]  # (n, 1, k), (n, k, 1)
        distance = np.hypot(around + 0.5 - offset[..., 0], around[:, None] + 0.5 - offset[..., 1])[..., None]
        dot, rim = np.clip(radius + 0.5 - distance, 0, 1), 0.7 * np.clip(radius + 1.2 - distance, 0, 1)
        ground = self.pixels[y, x]
        dark = ground + rim * (np.array(shade, dtype=np.float32) - ground)
        self.pixels[y, x] = np.rint(dark + dot * (np.array(fill, dtype=np.float32) - dark)).astype(np.uint8)

    def _rings(
        self, centre: tuple[float, float], radius: float, width: float, ink: Colour, pieces: tuple[Span, ...]
    ) -> None:
        x, y = int(centre[0]), int(centre[1])
        mask = _ring(radius, width, centre[0] - x, centre[1] - y, pieces)
        self._blend(mask, x - mask.shape[1] // 2, y - mask.shape[0] // 2, ink)

    def _blend(self, mask: UInt8, x: int, y: int, ink: Colour, opacity: float = 1.0) -> None:
        """Lay ``ink`` on, as far as ``mask``, uint8 (h, w), lets it through; what lies outside is cut off."""
        height, width = self.pixels.shape[:2]
        left, top = max(0, x), max(0, y)
        right, bottom = min(width, x + mask.shape[1]), min(height, y + mask.shape[0])
        if left >= right or top >= bottom:
            return
        part = self.pixels[top:bottom, left:right]
        alpha = mask[top - y : bottom - y, left - x : right - x, None].astype(np.int32)
        if opacity < 1.0:
            alpha = (alpha * opacity).astype(np.int32)
        part += ((np.array(ink, dtype=np.int32) - part) * alpha // 255).astype(np.int16).astype(np.uint8)


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)  # OpenCV's pixel centres are whole numbers


@lru_cache(maxsize=1024)
def _rounded(width: int, height: int, radius: int) -> UInt8:
    """Coverage, uint8 (height, width), of a rectangle with round corners."""
    fine = Image.new("L", (width * _FINER, height * _FINER), 0)
    corners = (0, 0, width * _FINER - 1, height * _FINER - 1)
    ImageDraw.Draw(fine).rounded_rectangle(corners, radius * _FINER, fill=255)
    return freeze(np.asarray(fine.resize((width, height), Image.Resampling.BOX)).copy())


@lru_cache(maxsize=512)
def _ring(radius: float, width: float, dx: float, dy: float, pieces: tuple[Span, ...]) -> UInt8:
    """Coverage, uint8 (k, k), of pieces of a ring around the middle pixel's corner moved by ``dx``, ``dy``."""
    reach = int(radius + width / 2) + 3
    x, y = np.meshgrid(np.arange(-reach, reach) + 0.5 - dx, np.arange(-reach, reach) + 0.5 - dy)
    distance, turn = np.hypot(x, y), (np.arctan2(x, -y) / (2 * np.pi)) % 1.0
    ring = np.clip((width + 1) / 2 - np.abs(distance - radius), 0, min(1.0, width))
    along = np.zeros_like(ring)
    for start, end in pieces:
        inside = np.minimum(turn - start, end - turn) * 2 * np.pi * np.maximum(distance, 1.0)  # px within the ends
        along = np.maximum(along, 1.0 if end - start >= 1 else np.clip(inside + 0.5, 0, 1))
    return freeze(np.rint(255 * ring * along).astype(np.uint8))
