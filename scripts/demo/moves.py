"""Where each expression takes the points that it is known for.

Numbers are of the head's frame (irises one unit apart, x to the picture's right, y down the face) and were chosen by
eye for the one portrait, whose face smiles with its teeth shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scripts.demo.points import BAGS, BROWS, CREASES, LOWER_LIDS, LOWER_LIP, UPPER_LIDS, UPPER_LIP

Floats: TypeAlias = NDArray[np.float64]
Moves: TypeAlias = dict[int, tuple[float, float]]
"""Displacement of some points, by index."""

_LINE = 1.02  # y of the closed lips when the smile is gone
_WIDTH = 0.84  # the mouth's width then, in shares of the smiling one's
_UPPER, _LOWER = 0.085, 0.13  # thickness of the lips then
_OPEN = 0.42  # the chin's way with the jaw wide open
_JAW = {  # share of the chin's way, along the outline up to the ears, and where it ends
    **dict.fromkeys((152, 148, 377, 18, 200, 199, 175), 1.0),
    **dict.fromkeys((176, 400), 0.97),
    **dict.fromkeys((149, 378), 0.9),
    **dict.fromkeys((150, 379), 0.8),
    **dict.fromkeys((136, 365), 0.66),
    **dict.fromkeys((172, 397), 0.45),
    **dict.fromkeys((58, 288), 0.22),
    **dict.fromkeys((132, 361), 0.08),
    **dict.fromkeys((187, 411, 205, 425), 0.05),
    **dict.fromkeys((2, 164, 326, 97, 50, 280), 0.0),
}
_ACROSS = tuple((j - 5) / 5.0 for j in range(11))  # where the columns of a lip are: -1 and 1 are the corners


def moves_of(rest: Floats) -> dict[str, Moves]:
    """Displacements at full amount, by expression; ``rest`` float64 (n, 2+) are the points of the portrait."""
    return {
        "unsmile": _unsmile(rest),
        "frown": _frown(),
        "brow_down": _brows((0.07, 0.10, 0.135, 0.17, 0.185), inward=(0.0, 0.01, 0.035, 0.06, 0.075), glabella=0.10),
        "brow_up": _brows((-0.08, -0.12, -0.15, -0.15, -0.13), glabella=-0.06),
        "brow_inner": _brows((0.03, 0.01, -0.03, -0.10, -0.15), inward=(0.0, 0.0, 0.0, 0.015, 0.03), glabella=-0.07),
        "blink": _blink(rest),
        "wide": _lids(upper_by=-0.045, lower_by=0.012, crease_by=-0.01),
        "squint": _lids(upper_by=0.024, lower_by=-0.04, crease_by=0.018),
        "jaw": _open(),
        "pucker": _pucker(rest),
    }


def _unsmile(rest: Floats) -> Moves:
    """Close the lips on a line, less wide; cheeks and lower lids sink."""
    out: Moves = {}
    middle = _middle(rest)
    for lips, sign, thick in ((UPPER_LIP, -1.0, _UPPER), (LOWER_LIP, 1.0, _LOWER)):
        for k, ring in enumerate(lips):
            for i, s in zip(ring, _ACROSS, strict=True):
                full = thick * (1.0 - s * s) ** 0.7
                if lips is UPPER_LIP:
                    full *= 1.0 - 0.16 * float(np.exp(-((s / 0.12) ** 2)))  # Cupid's bow
                x = middle + _WIDTH * (rest[i, 0] - middle)
                y = _LINE + 0.012 * s * s - 0.01 * (1.0 - abs(s)) + sign * full * (3 - k) / 3.0
                out[i] = (float(x - rest[i, 0]), float(y - rest[i, 1]))
    out |= {205: (0.03, 0.07), 425: (-0.03, 0.07), 187: (0.02, 0.05), 411: (-0.02, 0.05)}
    out |= {50: (0.01, 0.03), 280: (-0.01, 0.03), 152: (0.0, -0.01), 164: (0.0, 0.025), 18: (0.0, -0.05)}
    return out | {i: (0.0, 0.012) for lid in LOWER_LIDS for i in lid[1:-1]}


def _frown() -> Moves:
    """Lip corners down, the middle of the lower lip and the chin up."""
    out: Moves = {}
    for lips, middle in ((UPPER_LIP, -0.005), (LOWER_LIP, -0.03)):
        for ring in lips:
            out |= {i: (0.02 * s, middle + (0.11 - middle) * abs(s) ** 2.2) for i, s in zip(ring, _ACROSS, strict=True)}
    chin = {18: (0.0, -0.05), 200: (0.0, -0.035), 199: (0.0, -0.02), 152: (0.0, 0.0)}
    return out | chin | {205: (0.0, 0.02), 425: (0.0, 0.02)}


def _brows(down: Sequence[float], *, inward: Sequence[float] = (0.0,) * 5, glabella: float) -> Moves:
    """Move brows, given from tail to head; what lies between them and the lids follows a little."""
    out: Moves = {}
    for sign, edges in zip((1.0, -1.0), BROWS, strict=True):
        for edge in edges:
            out |= {i: (sign * x, y) for i, x, y in zip(edge, inward, down, strict=True)}
    for crease, ends in zip(CREASES, ((down[0], down[-1]), (down[-1], down[0])), strict=True):
        out |= {i: (0.0, 0.35 * float(y)) for i, y in zip(crease, np.linspace(*ends, len(crease)), strict=True)}
    out |= dict.fromkeys(chain(*UPPER_LIDS, *LOWER_LIDS), (0.0, 0.0))
    out |= {i: (0.0, 0.1 * max(0.0, down[3])) for lid in UPPER_LIDS for i in lid[2:-2]}
    return out | {9: (0.0, glabella), 8: (0.0, 0.7 * glabella), 168: (0.0, 0.2 * glabella)}


def _blink(rest: Floats) -> Moves:
    """The lids meet, the upper one going most of the way; the skin below the brow unfolds."""
    out: Moves = {}
    for upper, lower, crease, bag in zip(UPPER_LIDS, LOWER_LIDS, CREASES, BAGS, strict=True):
        for above, below in zip(upper[1:-1], lower[1:-1], strict=True):
            aside, gap = (float(v) for v in rest[below, :2] - rest[above, :2])
            out |= {above: (0.5 * aside, 0.85 * gap), below: (-0.5 * aside, -0.15 * gap)}
        out |= dict.fromkeys((upper[0], upper[-1]), (0.0, 0.0))
        out |= {i: (0.0, 0.1 * a) for i, a in zip(crease, _arch(len(crease)), strict=True)}
        out |= dict.fromkeys(bag, (0.0, -0.008))
    return out | _brows_stay()


def _lids(*, upper_by: float, lower_by: float, crease_by: float) -> Moves:
    """Move the lids apart or toward each other."""
    out: Moves = {}
    for upper, lower, crease, bag in zip(UPPER_LIDS, LOWER_LIDS, CREASES, BAGS, strict=True):
        arch = _arch(len(upper))
        out |= {i: (0.0, upper_by * a) for i, a in zip(upper, arch, strict=True)}
        out |= {i: (0.0, lower_by * a) for i, a in zip(lower, arch, strict=True)}
        out |= dict.fromkeys(crease[1:-1], (0.0, crease_by))
        out |= dict.fromkeys(bag, (0.0, 0.5 * lower_by))
    return out | _brows_stay()


def _open() -> Moves:
    """The jaw drops, turning about the ears; the corners of the mouth follow a little, and inward."""
    out: Moves = {i: (0.0, _OPEN * share) for i, share in _JAW.items()}
    for upper, lower in zip(UPPER_LIP, LOWER_LIP, strict=True):
        for i, j, s in zip(upper, lower, _ACROSS, strict=True):
            out[j] = (-0.05 * s, _OPEN * (0.26 + 0.70 * (1.0 - s * s) ** 0.8))
            out[i] = (-0.05 * s, 0.26 * _OPEN * abs(s) ** 3 - 0.02 * (1.0 - abs(s)))
    return out


def _pucker(rest: Floats) -> Moves:
    """Make the mouth narrow, the lips fuller."""
    out: Moves = {}
    middle = _middle(rest)
    for lips, sign in ((UPPER_LIP, -1.0), (LOWER_LIP, 1.0)):
        for k, ring in enumerate(lips):
            for i, s in zip(ring, _ACROSS, strict=True):
                out[i] = (-0.28 * (float(rest[i, 0]) - middle), sign * 0.03 * (1.0 - s * s) * (3 - k) / 3.0)
    return out


def _middle(rest: Floats) -> float:
    """X of the middle of the mouth."""
    return float(rest[list(UPPER_LIP[0]), 0].mean())


def _arch(count: int) -> list[float]:
    """0 at both ends, 1 in the middle."""
    return [float(v) for v in np.maximum(0.0, np.sin(np.pi * np.linspace(0.0, 1.0, count))) ** 0.7]


def _brows_stay() -> Moves:
    return dict.fromkeys(chain.from_iterable(edge for edges in BROWS for edge in edges), (0.0, 0.0))
