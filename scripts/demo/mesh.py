"""The mesh that a still portrait is laid on, and where its points go. Pure functions of numbers.

Points are landmarks of MediaPipe's face mesh, then rings around the face out to the edge of the picture, where nothing
moves. They are kept in the *head's frame*: origin between the irises, which are one unit apart; x to the picture's
right along the eyes, y down the face, z away from the viewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scripts.demo.moves import Moves, moves_of
from scripts.demo.points import FACE, IRISES, LOWER_LIDS, LOWER_LIP, OVAL, STILL, UPPER_LIDS, UPPER_LIP

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

RINGS: Final = (0.07, 0.16, 0.28, 0.44, 0.68, 1.0)
"""Where the rings lie, in shares of the way from the face's outline to the edge of the picture."""
_PIVOT: Final = np.array([0.0, 1.3, 0.9])  # about which the head turns
_HEAD_MIDDLE, _HEAD_RADII = np.array([0.0, -0.12]), np.array([1.85, 2.0])  # with its hair
_FAR: Final = 2  # rings from here on are moved by no expression


@dataclass(frozen=True, kw_only=True)
class Expression:
    """What the face does at one time; all 0 is a face at rest with its mouth closed.

    ``smile`` 1 is the portrait's own; the other amounts up to ``pucker`` (a narrow mouth) also go from 0 to 1. Angles
    are in radians (``yaw`` > 0: nose to the picture's right, ``pitch`` > 0: nose down, ``roll`` > 0: clockwise);
    ``x``, ``y`` and ``breath`` in eye distances.
    """

    smile: float = 0.0
    frown: float = 0.0
    brow_down: float = 0.0
    brow_up: float = 0.0
    brow_inner: float = 0.0
    blink: float = 0.0
    wide: float = 0.0
    squint: float = 0.0
    jaw: float = 0.0
    pucker: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    breath: float = 0.0

    def amounts(self) -> dict[str, float]:
        """How much of each of the moves it takes; the portrait smiles, so rest is its smile taken back."""
        names = ("frown", "brow_down", "brow_up", "brow_inner", "blink", "wide", "squint", "jaw", "pucker")
        return {"unsmile": 1.0 - self.smile, **{name: float(getattr(self, name)) for name in names}}


class Frame(NamedTuple):
    """The head's frame in a picture: pixel = origin + unit * (x * turn[0] + y * turn[1])."""

    origin: Floats
    unit: float
    turn: Floats

    def to_head(self, pixels: Floats) -> Floats:
        """(n, 2) pixels to the head's frame."""
        return (pixels - self.origin) @ self.turn.T / self.unit

    def to_pixels(self, points: Floats) -> Floats:
        """(n, 2) points of the head's frame to pixels."""
        return points @ self.turn * self.unit + self.origin


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A portrait's points, its triangles, and what each expression does to the points.

    Attributes
    ----------
    frame : Frame
    rest : float64 (n, 3)
    skin, around, eyeballs : int64 (m, 3)
        Triangles of the face, which leave holes for eyes and mouth; of all around it, from the inside out; of what is
        seen in the eyes' holes.
    weight : float64 (n,)
        How much a point goes with the head: 1 in the face, 0 at the picture's edge.
    chest : float64 (n,)
        How much it goes with the breath.
    basis : mapping of float64 (n, 2)
        Displacements at full amount, by the names of :meth:`Expression.amounts`.
    """

    frame: Frame
    rest: Floats
    skin: Ints
    around: Ints
    eyeballs: Ints
    weight: Floats
    chest: Floats
    basis: Mapping[str, Floats]

    def displaced(self, e: Expression) -> Floats:
        """Where all points go, float64 (n, 2)."""
        flat = self.rest[:, :2].copy()
        for name, amount in e.amounts().items():
            flat += amount * self.basis[name]
        for above, below in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
            a, b = list(above), list(below)
            gap = flat[b, 1] - flat[a, 1]
            without = gap + e.blink * (self.rest[b, 1] - self.rest[a, 1])
            flat[a, 1] += gap - (1.0 - e.blink) * without  # shut is shut, whatever else the lids do
        _meet(flat, UPPER_LIDS, LOWER_LIDS)
        _meet(flat, UPPER_LIP[-1:], LOWER_LIP[-1:])
        flat[:, 1] -= e.breath * self.chest
        return self.posed(flat, e)

    def posed(self, flat: Floats, e: Expression, only: Sequence[int] | slice = slice(None)) -> Floats:
        """Turn and shift points (k, 2) with the head; ``only`` says which points of the mesh they are."""
        depth, weight = self.rest[only, 2], self.weight[only, None]
        points = np.column_stack([flat, depth]) - _PIVOT
        moved = points @ rotation(e.yaw, e.pitch, e.roll).T + _PIVOT + np.array([e.x, e.y, 0.0])
        return flat + weight * (moved[:, :2] - flat)

    def eyeballs_at(self, e: Expression) -> Floats:
        """Where the eyeballs' points go, float64 (n, 2), all others 0: lids slide over them, only wide eyes stretch."""
        index = sorted(set(self.eyeballs.ravel().tolist()))
        out = np.zeros_like(self.rest[:, :2])
        out[index] = self.posed(self.rest[index, :2] + e.wide * self.basis["wide"][index], e, index)
        return out


def make_mesh(landmarks: Floats, triangles: Ints, size: tuple[int, int]) -> Mesh:
    """Build the mesh of a portrait.

    Parameters
    ----------
    landmarks : float64 (478, 3)
        In pixels, y down, z away from the viewer.
    triangles : int64 (m, 3)
        Of the face mesh, with holes for eyes and mouth.
    size : (width, height) of the picture
    """
    frame = head_frame(landmarks)
    face = np.column_stack([frame.to_head(landmarks[:FACE, :2]), landmarks[:FACE, 2] / frame.unit])
    rest = np.concatenate([face, _rings(landmarks, frame, size)])
    weight, chest = _weights(rest, frame, size)
    return Mesh(
        frame=frame,
        rest=rest,
        skin=triangles,
        around=_ring_triangles(),
        eyeballs=np.array([t for pair in zip(UPPER_LIDS, LOWER_LIDS, strict=True) for t in _strip(*pair)]),
        weight=weight,
        chest=chest,
        basis={name: _spread(rest, moves) for name, moves in moves_of(rest).items()},
    )


def head_frame(landmarks: Floats) -> Frame:
    """Fit the head's frame to landmarks (478, 2+) in pixels."""
    right, left = landmarks[IRISES[0], :2], landmarks[IRISES[1], :2]
    unit = float(np.linalg.norm(left - right))
    across = (left - right) / unit
    return Frame((left + right) / 2.0, unit, np.array([across, [-across[1], across[0]]]))


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """(3, 3) in the head's frame, angles as in :class:`Expression`."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    about_z = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(about_z @ about_y @ about_x)


def smoothstep(x: Floats | float, low: float, high: float) -> Floats:
    """0 up to ``low``, 1 from ``high``, an S between."""
    t = np.clip((np.asarray(x, dtype=np.float64) - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _rings(landmarks: Floats, frame: Frame, size: tuple[int, int]) -> Floats:
    """Points (36 * rings, 3) between the face's outline and the edge of the picture, on which the last ring lies."""
    outline = landmarks[list(OVAL), :2]
    middle = outline.mean(axis=0)
    way = outline - middle
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(way > 0, (np.array(size) - middle) / way, np.where(way < 0, -middle / way, np.inf)).min(axis=1)
    depth = float(landmarks[list(OVAL), 2].mean()) / frame.unit
    rings = []
    for share in RINGS:
        flat = frame.to_head(middle + way * (1.0 + (reach - 1.0) * share)[:, None])
        rings.append(np.column_stack([flat, np.full(len(flat), depth + 0.4 * min(1.0, 4.0 * share))]))
    return np.concatenate(rings)


def _ring_triangles() -> Ints:
    count = len(OVAL)
    lines = [list(OVAL), *([FACE + k * count + i for i in range(count)] for k in range(len(RINGS)))]
    out: list[tuple[int, int, int]] = []
    for inner, outer in pairwise(lines):
        for i in range(count):
            out += [(inner[i - 1], inner[i], outer[i]), (inner[i - 1], outer[i], outer[i - 1])]
    return np.array(out)


def _strip(upper: Sequence[int], lower: Sequence[int]) -> list[tuple[int, int, int]]:
    """Triangles between two lines of points that share their ends."""
    pairs = zip(upper, upper[1:], lower, lower[1:], strict=False)
    return [t for a, b, c, d in pairs for t in ((a, b, d), (a, d, c)) if len(set(t)) == 3]


def _weights(rest: Floats, frame: Frame, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """How much each point goes with the head, and with the breath."""
    xy = rest[:, :2]
    away = np.linalg.norm((xy - _HEAD_MIDDLE) / _HEAD_RADII, axis=1)
    weight = (1.0 - smoothstep(away, 1.0, 1.6)) * (1.0 - smoothstep(xy[:, 1], 1.65, 2.7))
    weight[:FACE] = 1.0
    height = frame.to_pixels(xy)[:, 1] / size[1]
    chest = smoothstep(height, 0.36, 0.5) * (1.0 - smoothstep(height, 0.7, 1.0))
    weight[-len(OVAL) :] = chest[-len(OVAL) :] = 0.0
    return weight, chest


def _spread(rest: Floats, moves: Moves) -> Floats:
    """Carry the moves of some points on to all others (n, 2): exact at those, 0 at what stays still, smooth between.

    Interpolation by the radial basis r.
    """
    far = range(FACE + _FAR * len(OVAL), len(rest))
    known = {**dict.fromkeys((*STILL, *far), (0.0, 0.0)), **moves}
    index, values = np.array(list(known)), np.array(list(known.values()), dtype=np.float64)
    places = rest[index, :2]
    kernel = np.linalg.norm(places[:, None] - places[None], axis=2)
    weights = np.linalg.solve(kernel - 1e-6 * np.eye(len(index)), values)
    out = np.linalg.norm(rest[:, None, :2] - places[None], axis=2) @ weights
    out[index] = values
    return np.asarray(out)


def _meet(flat: Floats, upper: Sequence[Sequence[int]], lower: Sequence[Sequence[int]]) -> None:
    """Let lids and lips meet, never pass each other; in place."""
    for above, below in zip(upper, lower, strict=True):
        a, b = list(above), list(below)
        crossed = flat[a, 1] > flat[b, 1]
        middle = 0.5 * (flat[a, 1] + flat[b, 1])
        flat[a, 1] = np.where(crossed, middle, flat[a, 1])
        flat[b, 1] = np.where(crossed, middle, flat[b, 1])
