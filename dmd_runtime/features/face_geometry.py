"""Face landmarks in a frame of their own: pose removed, size removed, left and right named. Pure functions.

The landmarks are those of MediaPipe's face mesh (478 points; the last ten are the irises). Where a face at rest has
them is MediaPipe's canonical face model, in centimetres, x toward the subject's *left*, y up, z toward the viewer
(``canonical_face_model.obj``, Apache-2.0, https://github.com/google-ai-edge/mediapipe; the same numbers are inside
``face_landmarker.task``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from dmd_runtime.messages import Float32, Float64, UInt8, freeze

LANDMARKS: Final = 478
"""Points of one face."""

_PAIRS: Final = (  # name, index on the subject's right, index on the left, canonical (x, y, z) of the left one
    ("brow_tail", 70, 300, (5.721, 4.255, 2.831)),
    ("brow_outer", 63, 293, (4.986, 4.802, 3.752)),
    ("brow_arch", 105, 334, (3.987, 5.109, 4.466)),
    ("brow_inner", 66, 296, (2.760, 5.101, 5.016)),
    ("brow_head", 107, 336, (1.396, 5.012, 5.316)),
    ("brow_under_arch", 52, 282, (3.735, 4.508, 4.550)),
    ("brow_under_inner", 65, 295, (2.645, 4.525, 4.922)),
    ("lid_upper_outer", 160, 387, (3.670, 2.928, 3.724)),
    ("lid_upper_mid", 159, 386, (3.177, 2.964, 3.877)),
    ("lid_upper_inner", 158, 385, (2.724, 2.962, 3.872)),
    ("lid_lower_outer", 144, 373, (3.670, 2.360, 3.635)),
    ("lid_lower_mid", 145, 374, (3.177, 2.294, 3.776)),
    ("lid_lower_inner", 153, 380, (2.724, 2.316, 3.777)),
    ("nose_wing", 48, 278, (1.609, -0.943, 5.814)),
    ("nose_base", 98, 327, (1.406, -1.714, 5.241)),
    ("cheek_fold", 205, 425, (3.833, -1.537, 4.138)),
    ("cheek_low", 187, 411, (5.279, -2.239, 2.861)),
    ("lip_corner", 61, 291, (2.456, -4.343, 4.284)),
    ("lip_upper_side", 40, 270, (1.915, -3.803, 5.029)),
    ("lip_upper_peak", 37, 267, (0.711, -3.329, 5.877)),
    ("lip_lower_side", 91, 321, (1.839, -4.829, 4.824)),
    ("lip_lower_edge", 84, 314, (0.700, -5.292, 5.448)),
    ("mouth_corner", 78, 308, (2.153, -4.276, 4.038)),
    ("mouth_upper", 81, 311, (1.024, -3.990, 4.927)),
    ("mouth_lower", 178, 402, (1.099, -4.459, 5.121)),
    ("chin_side", 148, 377, (1.293, -9.296, 4.094)),
    ("jaw", 172, 397, (5.941, -6.224, -0.631)),
)
_MIDDLE: Final = (  # name, index, canonical (y, z); x is 0
    ("glabella", 9, (4.886, 5.385)),
    ("lip_upper_mid", 0, (-3.406, 5.980)),
    ("mouth_upper_mid", 13, (-3.994, 5.219)),
    ("mouth_lower_mid", 14, (-4.542, 5.405)),
    ("lip_lower_mid", 17, (-5.365, 5.535)),
    ("chin", 152, (-9.403, 4.264)),
)
# Points that an expression hardly moves, with the weights of MediaPipe's own pose solver; the cheeks, the nose wings
# and the jaw, which it also uses, are left out. Right index, left index, weight, canonical (x, y, z) of the left one.
_ANCHORS: Final = (
    (4, 4, 0.0709, (0.0, -0.463, 7.587)),
    (6, 6, 0.0321, (0.0, 2.473, 5.789)),
    (10, 10, 0.0084, (0.0, 8.262, 4.482)),
    (33, 263, 0.0587, (4.446, 2.664, 3.173)),
    (133, 362, 0.0533, (1.856, 2.585, 3.758)),
    (54, 284, 0.0077, (6.279, 6.615, 1.426)),
    (67, 297, 0.0091, (3.524, 8.006, 3.729)),
    (121, 350, 0.0186, (1.821, 1.468, 4.224)),
    (127, 356, 0.0052, (7.743, 2.365, -2.005)),
    (143, 372, 0.0148, (6.408, 2.236, 1.561)),
    (198, 420, 0.0255, (1.247, 0.230, 5.681)),
)
EYE_DISTANCE: Final = 6.302
"""Between the eyes' centres on the canonical face, in its centimetres: the unit of :func:`aligned_points`."""
OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The face's outline, around from the top of the forehead by the subject's left."""
_MIRROR: Final = np.array([-1.0, 1.0, 1.0])


class _Table(NamedTuple):
    names: tuple[str, ...]
    rows: list[int]
    home: Float64  # (n, 3) canonical


def _points() -> _Table:
    names: list[str] = []
    index: list[int] = []
    home: list[tuple[float, float, float]] = []
    for name, right, left, (x, y, z) in _PAIRS:
        names += [f"{name}_right", f"{name}_left"]
        index += [right, left]
        home += [(-x, y, z), (x, y, z)]
    for name, middle, (y, z) in _MIDDLE:
        names.append(name)
        index.append(middle)
        home.append((0.0, y, z))
    return _Table(tuple(names), index, freeze(np.array(home)))


def _anchors() -> tuple[list[int], Float64, Float64]:
    """Lay the anchors out: indices, canonical positions (n, 3), weights (n,) that sum to 1."""
    index: list[int] = []
    home: list[Float64] = []
    weights: list[float] = []
    for right, left, weight, place in _ANCHORS:
        sides = (
            [(left, np.array(place))]
            if left == right
            else [(right, np.array(place) * _MIRROR), (left, np.array(place))]
        )
        for i, at in sides:
            index.append(i)
            home.append(at)
            weights.append(weight)
    w = np.array(weights)
    return index, freeze(np.array(home)), freeze(w / w.sum())


_TABLE: Final = _points()
_ANCHOR_INDEX, _ANCHOR_HOME, _ANCHOR_WEIGHT = _anchors()
POINT_NAMES: Final = _TABLE.names
"""The points of :func:`aligned_points`: pairs (subject's right, then left), then the midline."""


class Placement(NamedTuple):
    """A similarity, ``observed = scale * rotation @ canonical + shift``; the rotation is proper, ``residual`` in cm."""

    scale: float
    rotation: Float64
    shift: Float64
    residual: float


def in_pixels(shares: Float64, width: int, height: int) -> Float64:
    """Landmarks (n, 3) in shares of the picture (z in widths, as MediaPipe has it) to pixels; y up, z to the viewer."""
    return shares * np.array([width, -height, -width], dtype=np.float64)


def place(points: Float64) -> Placement | None:
    """Fit the canonical face's anchors to (478, 3) observed points, weighted least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 13(4), 1991.
    None where the anchors fall into one point or any point is no number.
    """
    if not np.isfinite(points).all():
        return None
    observed = points[_ANCHOR_INDEX]
    weight = _ANCHOR_WEIGHT[:, None]
    centre, home_centre = (weight * observed).sum(axis=0), (weight * _ANCHOR_HOME).sum(axis=0)
    y, x = observed - centre, _ANCHOR_HOME - home_centre
    u, s, vt = np.linalg.svd((weight * y).T @ x)
    sign = np.array([1.0, 1.0, -1.0 if np.linalg.det(u) * np.linalg.det(vt) < 0 else 1.0])
    rotation = (u * sign) @ vt
    scale = float((s * sign).sum() / (weight * x * x).sum())
    if not np.isfinite(scale) or scale <= 1e-9 * (1.0 + float(np.abs(observed).max())):
        return None
    rest = y / scale - x @ rotation.T
    residual = float(np.sqrt((weight * rest * rest).sum()))
    return Placement(scale, rotation, centre - scale * rotation @ home_centre, residual)


def aligned_points(points: Float64, placement: Placement) -> Float32:
    """Where the expressive points are, apart from where they are on a face at rest.

    Parameters
    ----------
    points : float64 (478, 3)
        As from :func:`in_pixels`, in any unit.

    Returns
    -------
    float32 (len(POINT_NAMES), 2)
        Displacement (x toward the subject's left, y up) from the canonical face in units of ``EYE_DISTANCE``; unchanged
        by any rotation, uniform scale and shift of ``points``.
    """
    seen = points[_TABLE.rows] - placement.shift
    canonical = seen @ placement.rotation / placement.scale  # rows times R = R^T applied to each point
    return np.asarray((canonical - _TABLE.home)[:, :2] / EYE_DISTANCE, dtype=np.float32)


def head_angles(rotation: Float64) -> tuple[float, float, float]:
    """Yaw, pitch, roll in radians of a (3, 3) rotation ``Rz(roll) Ry(yaw) Rx(-pitch)``.

    Yaw > 0: the nose toward the subject's left (the picture's right); pitch > 0: the nose up; roll > 0: the picture of
    the head turned counter-clockwise. A mirrored picture negates yaw and roll.
    """
    yaw = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    pitch = -np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float(yaw), float(pitch), float(roll)


def away_angle(rotation: Float64) -> float:
    """Angle in radians between where the face looks and the direction to the camera (roll does not count)."""
    return float(np.arccos(np.clip(rotation[2, 2], -1.0, 1.0)))


def bounding_box(shares: Float64) -> tuple[float, float, float, float]:
    """Box (x, y, width, height) around points (n, 2+) in shares of the picture; may reach outside it."""
    low, high = shares[:, :2].min(axis=0), shares[:, :2].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def inside_share(shares: Float64) -> float:
    """Share of the points (n, 2+) that lie inside the picture."""
    xy = shares[:, :2]
    return float(np.mean(np.all((xy >= 0.0) & (xy <= 1.0), axis=1)))


def _pixels(start: float, length: float, size: int) -> slice:
    """Every pixel of a stretch given in shares of ``size``, or every n-th where there are more than 128."""
    first, last = (int(np.clip(v, 0.0, 1.0) * size) for v in (start, start + length))
    return slice(first, last, max(1, (last - first) // 128))


def ramp(value: float, none: float, full: float) -> float:
    """0 at ``none``, 1 at ``full``, linear between, clipped outside; ``none`` may be the larger one."""
    return float(np.clip((value - none) / (full - none), 0.0, 1.0))


def confidence(image: UInt8, shares: Float64, rotation: Float64, placement: Placement) -> float:
    """:func:`measurability` of the face with landmarks (478, 3), in shares, in a picture uint8 (H, W, 3)."""
    x, y, w, h = bounding_box(shares)
    height, width = image.shape[:2]
    green = image[_pixels(y, h, height), _pixels(x, w, width), 1]  # most of the brightness
    return measurability(
        side_px=min(w * width, h * height),
        inside=inside_share(shares),
        away=away_angle(rotation),
        contrast=float(green.std()) if green.size else 0.0,
        misfit=placement.residual,
    )


def measurability(*, side_px: float, inside: float, away: float, contrast: float, misfit: float) -> float:
    """How well a found face can be measured, in [0, 1]; 0 means that it must not be used.

    MediaPipe's tasks give no score of a single face, so this is not a probability that there is a face; it is the
    product of five reasons to doubt the numbers, each 0 at the first and 1 at the second figure, linear between:

    ============  =====================================================  =============
    ``side_px``   the box's shorter side in pixels of the picture        24 ... 72
    ``inside``    share of the landmarks inside the picture              0.7 ... 0.95
    ``away``      angle of the face to the camera, radians               75 ... 30 deg
    ``contrast``  standard deviation of brightness in the box (0 - 255)  2 ... 12
    ``misfit``    :attr:`Placement.residual` of the rigid points, cm     1.0 ... 0.6
    ============  =====================================================  =============

    The last one catches meshes laid over something that is no face: 1.1 cm for the one seen in an empty room, against
    0.25 cm (99 %: 0.4) on talkers and 0.31 cm (99 %: 0.6) on FERPlus.
    """
    return (
        ramp(side_px, 24.0, 72.0)
        * ramp(inside, 0.7, 0.95)
        * ramp(away, np.radians(75.0), np.radians(30.0))
        * ramp(contrast, 2.0, 12.0)
        * ramp(misfit, 1.0, 0.6)
    )
