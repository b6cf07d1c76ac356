"""Where each expression takes the points that it is known for.

Numbers are of the head's frame (irises one unit apart, x to the picture's right, y down) and were chosen by eye for
the one portrait, which smiles with its teeth shown.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scripts.demo_points import BAGS, BROWS, CREASES, LOWER_LIDS, LOWER_LIP, UPPER_LIDS, UPPER_LIP

Floats = NDArray[np.float64]
Moves: TypeAlias = dict[int, tuple[float, float]]

_LINE = 1.02  # y of the closed lips when the smile is gone
_WIDTH = 0.84  # the mouth's width then, in shares of the smiling one's
_THICK = (0.085, 0.13)  # of the upper and the lower lip then
_JAW = {  # share of the chin's way along the outline from the chin to the ears, and where it ends
    **dict.fromkeys((152, 148, 377), 1.0),
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
_OPEN = 0.42  # the chin's way with the jaw wide open


def moves_of(rest: Floats) -> dict[str, Moves]:
    """Displacements at full amount, by expression; ``rest`` float64 (n, 2+) are the points of the portrait."""
    return {
        "unsmile": _unsmile(rest),
        "frown": _frown(),
        "brow_down": _brows((0.06, 0.09, 0.12, 0.15, 0.16), inward=(0, 0.01, 0.03, 0.05, 0.065), glabella=0.09),
        "brow_up": _brows((-0.08, -0.12, -0.15, -0.15, -0.13), glabella=-0.06),
        "brow_inner": _brows((0.03, 0.01, -0.03, -0.10, -0.15), inward=(0, 0, 0, 0.015, 0.03), glabella=-0.07),
        "blink": _blink(rest),
        "wide": _lids(-0.045, 0.012, -0.01),
        "squint": _lids(0.02, -0.035, 0.015),
        "jaw": _open(),
        "pucker": _pucker(rest),
    }


def _columns() -> list[tuple[int, float]]:
    """(column of a lip, where it is from -1 to 1)."""
    return [(j, (j - 5) / 5.0) for j in range(11)]


def _unsmile(rest: Floats) -> Moves:
    """Close the lips on a line, less wide; the cheeks and the lower lids sink."""
    out: Moves = {}
    middle = float(rest[list(UPPER_LIP[0]), 0].mean())
    for lips, sign, thick in ((UPPER_LIP, -1.0, _THICK[0]), (LOWER_LIP, 1.0, _THICK[1])):
        for k, ring in enumerate(lips):
            for j, s in _columns():
                i = ring[j]
                full = thick * (1.0 - s * s) ** 0.7
                if sign < 0:
                    full *= 1.0 - 0.16 * np.exp(-((s / 0.12) ** 2))  # Cupid's bow
                x = middle + _WIDTH * (rest[i, 0] - middle)
                y = _LINE + 0.012 * s * s - 0.01 * (1 - abs(s)) + sign * full * (3 - k) / 3.0
                out[i] = (x - float(rest[i, 0]), y - float(rest[i, 1]))
    out |= {205: (0.03, 0.07), 425: (-0.03, 0.07), 187: (0.02, 0.05), 411: (-0.02, 0.05)}
    out |= {50: (0.01, 0.03), 280: (-0.01, 0.03), 152: (0.0, -0.01), 164: (0.0, 0.025)}
    out |= dict.fromkeys((*LOWER_LIDS[0][1:-1], *LOWER_LIDS[1][1:-1]), (0.0, 0.012))
    return out | dict.fromkeys((17 + 0, 18), (0.0, -0.05)) | {17: out[17]}


def _frown() -> Moves:
    """Lip corners down, the middle of the lower lip and the chin up."""
    out: Moves = {}
    for lips, middle in ((UPPER_LIP, -0.005), (LOWER_LIP, -0.03)):
        for ring in lips:
            for j, s in _columns():
                out[ring[j]] = (0.02 * s, middle + (0.11 - middle) * abs(s) ** 2.2)
    return out | {18: (0.0, -0.05), 200: (0.0, -0.035), 199: (0.0, -0.02), 152: (0.0, 0.0), 205: (0.0, 0.02), 425: (0.0, 0.02)}


def _brows(
    down: tuple[float, ...], inward: tuple[float, ...] = (0.0,) * 5, glabella: float = 0.0
) -> Moves:
    """Move brows, given from tail to head; folds and lids follow a little."""
    out: Moves = {}
    for sign, edges in ((1.0, BROWS[0]), (-1.0, BROWS[1])):
        for edge in edges:
            out |= {i: (sign * x, y) for i, x, y in zip(edge, inward, down, strict=True)}
    for crease in CREASES:
        profile = np.linspace(down[0], down[-1], len(crease)) if crease is CREASES[0] else np.linspace(down[-1], down[0], len(crease))
        out |= {i: (0.0, 0.35 * float(y)) for i, y in zip(crease, profile, strict=True)}
    for lids in (*UPPER_LIDS, *LOWER_LIDS):
        out |= dict.fromkeys(lids, (0.0, 0.0))
    for upper in UPPER_LIDS:
        out |= dict.fromkeys(upper[2:-2], (0.0, 0.1 * max(0.0, down[3])))
    return out | {9: (0.0, glabella), 8: (0.0, 0.7 * glabella), 168: (0.0, 0.2 * glabella)}


def _blink(rest: Floats) -> Moves:
    """The lids meet, the upper one going most of the way."""
    out: Moves = {}
    for upper, lower, crease, bag in zip(UPPER_LIDS, LOWER_LIDS, CREASES, BAGS, strict=True):
        for u, l in zip(upper, lower, strict=True):
            gap = float(rest[l, 1] - rest[u, 1])
            aside = float(rest[l, 0] - rest[u, 0])
            out[u] = (0.5 * aside, 0.85 * gap)
            if l != u:
                out[l] = (-0.5 * aside, -0.15 * gap)
        out |= {i: (0.0, 0.1 * float(a)) for i, a in zip(crease, _arch(len(crease)), strict=True)}
        out |= dict.fromkeys(bag, (0.0, -0.008))
        out |= {upper[0]: (0.0, 0.0), upper[-1]: (0.0, 0.0)}
    return _brow_stays(out)


def _lids(upper_by: float, lower_by: float, crease_by: float) -> Moves:
    out: Moves = {}
    for upper, lower, crease, bag in zip(UPPER_LIDS, LOWER_LIDS, CREASES, BAGS, strict=True):
        arch = _arch(len(upper))
        out |= {i: (0.0, upper_by * float(a)) for i, a in zip(upper, arch, strict=True)}
        out |= {i: (0.0, lower_by * float(a)) for i, a in zip(lower, arch, strict=True)}
        out |= dict.fromkeys(crease[1:-1], (0.0, crease_by))
        out |= dict.fromkeys(bag, (0.0, 0.5 * lower_by))
    return _brow_stays(out)


def _arch(count: int) -> Floats:
    """0 at both ends, 1 in the middle."""
    return np.sin(np.pi * np.linspace(0.0, 1.0, count)) ** 0.7


def _brow_stays(moves: Moves) -> Moves:
    return moves | {i: (0.0, 0.0) for edges in BROWS for edge in edges for i in edge}


def _open() -> Moves:
    """The jaw drops about the ears; the corners of the mouth follow a little, and inward."""
    out = {i: (0.0, _OPEN * share) for i, share in _JAW.items()}
    for k in range(4):
        for j, s in _columns():
            across = -0.05 * s
            out[UPPER_LIP[k][j]] = (across, 0.26 * _OPEN * abs(s) ** 3 - 0.02 * (1 - abs(s)))
            if abs(s) < 1.0:
                out[LOWER_LIP[k][j]] = (across, _OPEN * (0.26 + 0.70 * (1.0 - s * s) ** 0.8))
    out |= {18: (0.0, 0.97 * _OPEN), 200: (0.0, _OPEN), 199: (0.0, _OPEN), 175: (0.0, _OPEN)}
    return out


def _pucker(rest: Floats) -> Moves:
    """Make the mouth narrow, the lips fuller."""
    out: Moves = {}
    middle = float(rest[list(UPPER_LIP[0]), 0].mean())
    for lips, sign in ((UPPER_LIP, -1.0), (LOWER_LIP, 1.0)):
        for k, ring in enumerate(lips):
            for j, s in _columns():
                out[ring[j]] = (-0.28 * (float(rest[ring[j], 0]) - middle), sign * 0.03 * (1 - s * s) * (3 - k) / 3)
    return out
