"""Pictures of the demo's face: the portrait drawn through its mesh, as a camera sees it.

Every triangle carries its piece of the portrait with it. Lids slide over the eyeballs; lips open on the portrait's own
teeth, which go with the skull, on a tongue and on darkness.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.demo.mesh import Expression, Mesh
from scripts.demo.points import LOWER_LIP, UPPER_LIP

Floats: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]

SIZE: Final = (640, 480)
_FINER: Final = 2  # pictures are drawn this many times as large, then averaged
_LARGER: Final = 4  # the portrait is enlarged this many times first: sampling it stays smooth
_BORDER: Final = 24  # px of the portrait that are mirrored around it
_BITS: Final = 4  # of fractions in drawn points
_DARK: Final = np.array([42, 14, 14], dtype=np.float32)  # inside the mouth
_TONGUE: Final = np.array([132, 62, 62], dtype=np.float32)
_INNER: Final = [*UPPER_LIP[-1], *LOWER_LIP[-1][-2:0:-1]]  # around the mouth's opening
_OUTER: Final = [*UPPER_LIP[0], *LOWER_LIP[0][-2:0:-1]]
_LABEL: Final = "DEMO"


class Camera(NamedTuple):
    """The middle of the view in pixels of the portrait, and how many of them it is wide."""

    x: float
    y: float
    width: float


class _View(NamedTuple):
    """From the head's frame to the drawing's pixels (the middle of the first is at 0) and back to the portrait's."""

    mesh: Mesh
    zoom: float
    corner: Floats

    def drawn(self, points: Floats) -> Floats:
        return (self.mesh.frame.to_pixels(points) - self.corner) * self.zoom - 0.5

    @property
    def back(self) -> Floats:
        """(2, 3) from the drawing to the portrait where nothing moves."""
        return np.column_stack([np.eye(2) / self.zoom, 0.5 / self.zoom + self.corner])


class Painter:
    """Draws one portrait with any expression; the same picture for the same numbers.

    Parameters
    ----------
    portrait : uint8 (h, w, 3), RGB
    mesh : Mesh
        Of that portrait.
    """

    def __init__(self, portrait: Picture, mesh: Mesh) -> None:
        self._mesh = mesh
        self._source = mesh.frame.to_pixels(mesh.rest[:, :2])
        # what is drawn first lies below: from the outside in, then eyeballs, then the skin with its holes
        self._triangles = np.concatenate([mesh.around[::-1], mesh.eyeballs, mesh.skin])
        self._balls = slice(len(mesh.around), len(mesh.around) + len(mesh.eyeballs))
        large = _enlarged(portrait)
        self._teeth = _only_teeth(large, self._source[_INNER])
        self._skin = _without_teeth(large, self._source[_INNER], self._source[_OUTER])

    def __call__(self, e: Expression, camera: Camera) -> Picture:
        """Draw uint8 (480, 640, 3)."""
        zoom = SIZE[0] * _FINER / camera.width
        corner = np.array([camera.x, camera.y]) - np.array(SIZE) * _FINER / zoom / 2.0
        view = _View(self._mesh, zoom, corner)
        at = view.drawn(self._mesh.displaced(e))
        balls = view.drawn(self._mesh.eyeballs_at(e))
        picture = _sample(self._skin, *self._origins(at, balls, view)).astype(np.float32)
        self._paint_mouth(picture, at, e, view)
        small = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)
        return stamped(np.rint(small.clip(0, 255)).astype(np.uint8))

    def _origins(self, at: Floats, balls: Floats, view: _View) -> tuple[Singles, Singles]:
        """Where in the portrait each drawn pixel comes from: x and y, float32 (h, w)."""
        width, height = SIZE[0] * _FINER, SIZE[1] * _FINER
        targets = at[self._triangles]  # (m, 3, 2)
        targets[self._balls] = balls[self._triangles[self._balls]]
        seen = np.all((targets.max(axis=1) >= 0) & (targets.min(axis=1) <= [width, height]), axis=1)
        table = np.concatenate([view.back[None], affines(targets, self._source[self._triangles])]).astype(np.float32)
        label = np.zeros((height, width), dtype=np.int32)  # 0: no triangle, nothing moves
        fixed = _fixed(targets)
        for i in np.flatnonzero(seen):
            cv2.fillConvexPoly(label, fixed[i], int(i) + 1, cv2.LINE_8, _BITS)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        a = table[label]  # (h, w, 2, 3)
        return tuple(a[..., k, 0] * x + a[..., k, 1] * y + a[..., k, 2] for k in (0, 1))  # type: ignore[return-value]

    def _paint_mouth(self, picture: Singles, at: Floats, e: Expression, view: _View) -> None:
        """Fill the opening between the lips, and darken the line where they touch; in place."""
        low = np.maximum(np.floor(at[_INNER].min(axis=0)).astype(int) - 12, 0)
        high = np.minimum(np.ceil(at[_INNER].max(axis=0)).astype(int) + 13, [picture.shape[1], picture.shape[0]])
        if np.any(high - low < 8):
            return  # out of view
        size = (int(high[1] - low[1]), int(high[0] - low[0]))
        upper, lower = at[list(UPPER_LIP[-1])] - low, at[list(LOWER_LIP[-1])] - low
        gap = float((lower - upper)[3:8, 1].mean()) / view.zoom / self._mesh.frame.unit  # in eye distances
        inside = self._inside(e, view, low, size)
        tongue = _polygon(np.concatenate([(0.38 * upper + 0.62 * lower)[2:-2], lower[-3:1:-1]]), size, blur=6.0)
        tongue *= 0.6 * np.clip(gap / 0.2 - 0.4, 0.0, 1.0)
        inside += tongue[..., None] * (_TONGUE - inside)
        inside = _DARK + (inside - _DARK) * np.float32(0.7 + 0.3 * np.clip(gap / 0.12, 0.0, 1.0))
        seam = np.zeros(size, dtype=np.float32)
        cv2.polylines(seam, [_fixed((upper + lower) / 2.0)], False, 1.0, 2, cv2.LINE_AA, _BITS)
        mask = np.maximum(_polygon(at[_INNER] - low, size, blur=1.6), 0.75 * cv2.GaussianBlur(seam, (0, 0), 1.6))
        part = picture[low[1] : high[1], low[0] : high[0]]
        part += (inside - part) * mask[..., None]

    def _inside(self, e: Expression, view: _View, low: NDArray[np.int64], size: tuple[int, int]) -> Singles:
        """Teeth in darkness as they go with the skull, float32 (h, w, 3)."""
        rest = self._mesh.rest[_INNER, :2]
        drawn = view.drawn(self._mesh.posed(rest, e, _INNER)) - low
        back, *_ = np.linalg.lstsq(np.column_stack([drawn, np.ones(len(drawn))]), self._source[_INNER], rcond=None)
        x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
        origin = (np.stack([x, y, np.ones_like(x)], axis=-1) @ back).astype(np.float32)
        return _sample(self._teeth, origin[..., 0], origin[..., 1]).astype(np.float32)


def affines(targets: Floats, sources: Floats) -> Floats:
    """(m, 2, 3) that carry triangles ``targets`` (m, 3, 2) to ``sources``; 0 where a target has no area."""
    square = np.concatenate([targets, np.ones((*targets.shape[:2], 1))], axis=2)  # (m, 3, 3)
    flat = np.abs(np.linalg.det(square)) < 1e-9
    square[flat] = np.eye(3)
    out = np.linalg.solve(square, sources).transpose(0, 2, 1)
    out[flat] = 0.0
    return np.asarray(out)


def stamped(picture: Picture) -> Picture:
    """Write the small mark into the lower right corner, in place, so that no screenshot can be mistaken."""
    (w, h), _ = cv2.getTextSize(_LABEL, cv2.FONT_HERSHEY_DUPLEX, 0.5, 1)
    x, y = SIZE[0] - w - 16, SIZE[1] - 14
    box = picture[y - h - 6 : y + 7, x - 7 : x + w + 7]
    box[:] = box * 0.45 + 9.0
    cv2.putText(picture, _LABEL, (x, y), cv2.FONT_HERSHEY_DUPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return picture


def _enlarged(portrait: Picture) -> Picture:
    padded = cv2.copyMakeBorder(portrait, *(_BORDER,) * 4, cv2.BORDER_REFLECT_101)
    large = cv2.resize(padded, None, fx=_LARGER, fy=_LARGER, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 0.9 * _LARGER)
    return cv2.addWeighted(large, 1.45, soft, -0.45, 0.0)


def _in_large(points: Floats) -> Floats:
    return (points + (_BORDER + 0.5)) * _LARGER - 0.5


def _only_teeth(large: Picture, inner: Floats) -> Picture:
    """What is seen in the portrait's mouth, fading into darkness."""
    mask = _polygon(_in_large(inner), large.shape[:2], blur=0.6 * _LARGER)[..., None]
    return np.rint(_DARK + (large - _DARK) * mask).astype(np.uint8)


def _without_teeth(large: Picture, inner: Floats, outer: Floats) -> Picture:
    """Paint over what is seen in the portrait's mouth in the colour of the lips beside it."""
    hole = _polygon(_in_large(inner), large.shape[:2])
    near = cv2.dilate(hole, np.ones((2 * _LARGER + 1,) * 2))
    lips = np.clip(_polygon(_in_large(outer), large.shape[:2]) - near, 0.0, 1.0)
    share = cv2.GaussianBlur(lips, (0, 0), 3.0 * _LARGER)[..., None]
    colour = cv2.GaussianBlur(lips[..., None] * large, (0, 0), 3.0 * _LARGER) / np.maximum(share, 1e-4)
    mask = cv2.GaussianBlur(cv2.dilate(hole, np.ones((_LARGER + 1,) * 2)), (0, 0), 0.5 * _LARGER)[..., None]
    return np.rint(large + (colour - large) * mask * np.clip(share / 0.02, 0.0, 1.0)).astype(np.uint8)


def _sample(large: Picture, x: Singles, y: Singles) -> Picture:
    """Take the enlarged portrait at points given in pixels of the portrait."""
    x, y = ((v + (_BORDER + 0.5)) * _LARGER - 0.5 for v in (x, y))
    return cv2.remap(large, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _fixed(points: Floats) -> NDArray[np.int32]:
    """Points as OpenCV draws them, with fractional bits."""
    return np.rint(points * (1 << _BITS)).astype(np.int32)


def _polygon(points: Floats, size: tuple[int, int], *, blur: float = 0.0) -> Singles:
    """Cover float32 (h, w) in [0, 1] with the polygon of ``points`` (k, 2)."""
    mask = np.zeros(size, dtype=np.float32)
    cv2.fillPoly(mask, [_fixed(points)], 1.0, cv2.LINE_AA, _BITS)
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask
