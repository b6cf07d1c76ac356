"""Pictures of the demo's face: the portrait drawn through its mesh as a camera sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.demo_mesh import Expression, Mesh
from scripts.demo_points import FACE, LOWER_LIP, UPPER_LIP

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

SIZE: Final = (640, 480)
_FINER: Final = 2  # pictures are drawn this many times as large, then averaged
_LARGER: Final = 4  # the portrait is enlarged this many times first: bicubic sampling then stays smooth
_BORDER: Final = 24  # px of the portrait that are repeated around it
_DARK: Final = np.array([42, 14, 14], dtype=np.float32)  # inside the mouth
_TONGUE: Final = np.array([132, 62, 62], dtype=np.float32)
_SHIFT: Final = 4  # fractional bits of drawn points


class Camera(NamedTuple):
    """The middle of the view in pixels of the portrait, and how many of them are seen across."""

    x: float
    y: float
    width: float


class Painter:
    """Draws a portrait with any expression.

    Parameters
    ----------
    portrait : uint8 (h, w, 3)
    mesh : Mesh
        Of that portrait.
    """

    def __init__(self, portrait: Picture, mesh: Mesh) -> None:
        self._mesh = mesh
        self._size = (portrait.shape[1], portrait.shape[0])
        self._source = mesh.frame.to_pixels(mesh.rest[:, :2])
        self._triangles = np.concatenate([mesh.eyes, mesh.triangles])
        self._inner = [*UPPER_LIP[3], *LOWER_LIP[3][-2:0:-1]]
        self._large = _enlarged(portrait)
        self._teeth = self._teeth_picture(self._source[self._inner])
        self._large = self._without_teeth(self._source[self._inner], self._source[[*UPPER_LIP[0], *LOWER_LIP[0][-2:0:-1]]])

    def __call__(self, e: Expression, camera: Camera) -> Picture:
        """Draw uint8 (480, 640, 3)."""
        zoom = SIZE[0] * _FINER / camera.width
        corner = np.array([camera.x, camera.y]) - np.array(SIZE) * _FINER / zoom / 2
        moved = self._mesh.displaced(e)
        at = (self._mesh.frame.to_pixels(moved) - corner) * zoom - 0.5  # pixel centres
        content = self._eyeballs(e, zoom, corner)
        x, y = self._lookup(at, content, zoom, corner)
        picture = _sample(self._large, x, y).astype(np.float32)
        self._paint_mouth(picture, at, e, zoom, corner)
        return cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA).clip(0, 255).round().astype(np.uint8)

    def _eyeballs(self, e, zoom, corner):
        lids = sorted(set(self._mesh.eyes.ravel().tolist()))
        flat = self._mesh.rest[lids, :2] + e.wide * self._mesh.basis["wide"][lids]
        content = np.zeros_like(self._mesh.rest[:, :2])
        content[lids] = (self._mesh.frame.to_pixels(self._mesh.posed(flat, e, lids)) - corner) * zoom - 0.5
        return content

    def _lookup(self, at, content, zoom, corner):
        """Where each pixel comes from, float32 (h, w) twice, in pixels of the portrait."""
        w, h = SIZE[0] * _FINER, SIZE[1] * _FINER
        label = np.zeros((h, w), dtype=np.int32)
        eyes = len(self._mesh.eyes)
        targets = np.concatenate([content[self._mesh.eyes], at[self._mesh.triangles]])  # (m, 3, 2)
        sources = self._source[self._triangles]
        affine = affines(targets, sources)
        fixed = np.rint(targets * (1 << _SHIFT)).astype(np.int64)
        low, high = targets.min(axis=1), targets.max(axis=1)
        seen = np.all((high >= 0) & (low <= [w, h]), axis=1)
        # outermost first, so that the face lies over what is around it and lids over eyeballs
        order = [*range(len(targets) - 1, eyes + 852 - 1, -1), *range(eyes), *range(eyes, eyes + 852)]
        for i in order:
            if seen[i]:
                cv2.fillConvexPoly(label, fixed[i].astype(np.int32), i + 1, cv2.LINE_8, _SHIFT)
        still = np.array([[[1 / zoom, 0, 0.5 / zoom + corner[0]], [0, 1 / zoom, 0.5 / zoom + corner[1]]]])
        table = np.concatenate([still, affine]).astype(np.float32)
        px, py = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        a = table[label]
        return a[..., 0, 0] * px + a[..., 0, 1] * py + a[..., 0, 2], a[..., 1, 0] * px + a[..., 1, 1] * py + a[..., 1, 2]

    def _teeth_picture(self, inner):
        h, w = self._large.shape[:2]
        mask = np.zeros((h, w), dtype=np.float32)
        points = _in_large(inner)
        cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.2 * _LARGER / 2)[..., None]
        return (self._large * mask + _DARK * (1 - mask)).round().astype(np.uint8)

    def _without_teeth(self, inner, outer):
        """The portrait with the inside of its mouth painted over in the colour of the lips beside it."""
        size = self._large.shape[:2]
        hole = _polygon(_in_large(inner), size, 0.0)
        near = cv2.dilate(hole, np.ones((2 * _LARGER + 1,) * 2))
        lips = np.clip(_polygon(_in_large(outer), size, 0.0) - near, 0.0, 1.0)[..., None]
        blurred, share = (cv2.GaussianBlur(v, (0, 0), 3.0 * _LARGER) for v in (lips * self._large, lips[..., 0]))
        colour = blurred / np.maximum(share, 1e-4)[..., None]
        mask = cv2.GaussianBlur(cv2.dilate(hole, np.ones((_LARGER + 1,) * 2)), (0, 0), 0.5 * _LARGER)[..., None]
        mask = mask * np.clip(share / 0.02, 0.0, 1.0)[..., None]
        return (self._large + (colour - self._large) * mask).round().astype(np.uint8)

    def _paint_mouth(self, picture, at, e, zoom, corner):
        """What is seen between the lips: upper teeth, which go with the skull, a tongue, darkness."""
        hole = at[self._inner]
        x0, y0 = np.floor(hole.min(axis=0)).astype(int) - 12
        x1, y1 = np.ceil(hole.max(axis=0)).astype(int) + 13
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, picture.shape[1]), min(y1, picture.shape[0])
        if x1 - x0 < 8 or y1 - y0 < 8:
            return
        size = (y1 - y0, x1 - x0)
        mask = _polygon(hole - [x0, y0], size, 1.6)
        upper, lower = at[list(UPPER_LIP[3])] - [x0, y0], at[list(LOWER_LIP[3])] - [x0, y0]
        seam = np.zeros(size, dtype=np.float32)
        cv2.polylines(seam, [np.rint((upper + lower) * (8)).astype(np.int32)], False, 1.0, 2, cv2.LINE_AA, 4)
        mask = np.maximum(mask, 0.75 * cv2.GaussianBlur(seam, (0, 0), 1.6))
        # skull: affine from source to target by the upper inner lip and nose
        pts = [*UPPER_LIP[3], *LOWER_LIP[3][1:-1]]
        rest = self._mesh.rest[pts, :2]
        goal = (self._mesh.frame.to_pixels(self._mesh.posed(rest, e, pts)) - corner) * zoom - 0.5 - [x0, y0]
        src = self._mesh.frame.to_pixels(rest)
        m, *_ = np.linalg.lstsq(np.column_stack([goal, np.ones(len(goal))]), src, rcond=None)  # (3, 2)
        px, py = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
        sx, sy = (m[0, k] * px + m[1, k] * py + m[2, k] for k in (0, 1))
        inside = _sample(self._teeth, sx.astype(np.float32), sy.astype(np.float32)).astype(np.float32)
        gap = float((lower - upper)[3:8, 1].mean()) / zoom / self._mesh.frame.unit  # in eye distances
        # tongue
        mid = upper + (lower - upper) * 0.62
        tongue = _polygon(np.concatenate([mid[2:-2], lower[-3:1:-1]]), size, 6.0) * np.clip(gap / 0.2 - 0.4, 0, 1)
        inside = inside * (1 - tongue[..., None] * 0.6) + _TONGUE * tongue[..., None] * 0.6
        # shade: the less open the darker, corners darker
        shade = np.float32(0.7 + 0.3 * np.clip(gap / 0.12, 0, 1))
        inside = _DARK + (inside - _DARK) * shade
        part = picture[y0:y1, x0:x1]
        part += (inside - part) * mask[..., None]


def affines(targets, sources):
    """(m, 2, 3) that carry triangles ``targets`` (m, 3, 2) to ``sources``; 0 where a triangle has no area."""
    square = np.concatenate([targets, np.ones((*targets.shape[:2], 1))], axis=2)  # (m, 3, 3)
    flat = np.abs(np.linalg.det(square)) < 1e-9
    square[flat] = np.eye(3)
    out = np.linalg.solve(square, sources).transpose(0, 2, 1)
    out[flat] = 0.0
    return out


def _polygon(points, size, blur):
    mask = np.zeros(size, dtype=np.float32)
    cv2.fillPoly(mask, [np.rint(points * (1 << _SHIFT)).astype(np.int32)], 1.0, cv2.LINE_AA, _SHIFT)
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask


def _enlarged(portrait: Picture) -> Picture:
    padded = cv2.copyMakeBorder(portrait, *(_BORDER,) * 4, cv2.BORDER_REFLECT_101)
    large = cv2.resize(padded, None, fx=_LARGER, fy=_LARGER, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 0.9 * _LARGER)
    return cv2.addWeighted(large, 1.45, soft, -0.45, 0)


def _in_large(points):
    return (points + _BORDER + 0.5) * _LARGER - 0.5


def _sample(large: Picture, x, y) -> Picture:
    x, y = ((v + (_BORDER + 0.5)) * _LARGER - 0.5 for v in (x, y))
    return cv2.remap(large, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
