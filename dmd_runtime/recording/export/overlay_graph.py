"""A distillation graph as a directed triangle: two arrows a pair, coloured by the teacher, a number on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Final

import numpy as np

from dmd_runtime.modality import MODALITIES, UNIFORM, Edge, Modality
from dmd_runtime.recording.export.canvas import CARD, DIM, INK, MODALITY, TRACK, Box, Canvas, Points, mixed
from dmd_runtime.recording.export.typeface import Type

RADIUS: Final = 20.0
_RING, _GAP, _CLEAR = 3.0, 17.0, 4.0
_KNEE: Final = 3 * UNIFORM  # up to here width grows in proportion to weight, beyond it more slowly
_OUTSIDE_AT, _INSIDE_AT = 0.5, 0.66  # of the way from L down: numbers inside stand where there is more room
_NUMBER, _BOLD, _LETTER = Type(13), Type(13, "SemiBold"), Type(16, "SemiBold")
_FIGURE_HEIGHT: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class GraphState:
    """What is drawn: ``edges`` (None: no graph), and of each vertex how far it was covered and whether it is there."""

    edges: Mapping[Edge, float] | None
    coverage: Mapping[Modality, float]
    present: frozenset[Modality]


def stroke(weight: float) -> float:
    """Width in pixels: in proportion to the weight up to three times uniform, then slower; strictly monotone."""
    slow = max(0.0, weight - _KNEE)
    return 0.6 + 12.0 * (weight - slow) + 4.0 * slow


def opacity(weight: float) -> float:
    """0.35 at nothing, about 0.76 at uniform; strictly monotone."""
    relative = max(0.0, weight) / UNIFORM
    return 0.35 + 0.65 * relative**2 / (relative**2 + 0.6)


def draw_graph(canvas: Canvas, box: Box, state: GraphState) -> None:
    """Draw into ``box``, L on top, V and A below."""
    edge_of_node = RADIUS + _RING
    low, base = box.bottom - edge_of_node, min(box.width - 2 * edge_of_node, 1.3 * (box.height - 2 * edge_of_node))
    middle = box.x + box.width / 2
    nodes = {
        Modality.LANGUAGE: np.array([middle, box.y + edge_of_node]),
        Modality.VISUAL: np.array([middle - base / 2, low]),
        Modality.ACOUSTIC: np.array([middle + base / 2, low]),
    }
    if state.edges is not None:
        for edge, weight in sorted(state.edges.items(), key=lambda item: item[1]):
            here = {edge.teacher, edge.student} <= state.present
            _draw_edge(canvas, edge, nodes, weight, here=here)
    for m in MODALITIES:
        _draw_node(canvas, m, nodes[m], state)


def _draw_edge(canvas: Canvas, edge: Edge, nodes: Mapping[Modality, Points], weight: float, *, here: bool) -> None:
    start, end = nodes[edge.teacher], nodes[edge.student]
    length = hypot(*(end - start))
    along = (end - start) / length
    aside = np.array([-along[1], along[0]])  # away from the arrow that goes the other way
    inset = sqrt((RADIUS + _CLEAR) ** 2 - (_GAP / 2) ** 2)
    tail, tip = start + along * inset + aside * _GAP / 2, end - along * inset + aside * _GAP / 2
    width = max(0.8, stroke(weight))
    long, half = 4.5 + 1.4 * width, 2.3 + 0.75 * width
    neck = tip - along * long
    side = aside * width / 2
    shape = [tail + side, neck + side, neck + aside * half, tip, neck - aside * half, neck - side, tail - side]
    alpha = opacity(weight) * (1.0 if here else 0.45)
    canvas.polygon(np.array(shape), mixed(MODALITY[edge.teacher], CARD, alpha))
    if not here:
        return
    strong = weight > UNIFORM
    kind, text = (_BOLD if strong else _NUMBER), f"{weight:.2f}"
    room = abs(aside[0]) * kind.width(text) / 2 + abs(aside[1]) * _FIGURE_HEIGHT / 2
    at = tail + (tip - tail) * _share(edge) + aside * (max(half * 0.5, width / 2) + 3.5 + room)
    canvas.text(at[0], at[1] + _FIGURE_HEIGHT / 2, text, kind, INK if strong else DIM, align="middle")


def _share(edge: Edge) -> float:
    """How far along the arrow its number stands."""
    if Modality.LANGUAGE not in edge:
        return 0.5
    down = edge.teacher is Modality.LANGUAGE
    outside = edge in ((Modality.LANGUAGE, Modality.VISUAL), (Modality.ACOUSTIC, Modality.LANGUAGE))
    from_top = _OUTSIDE_AT if outside else _INSIDE_AT
    return from_top if down else 1 - from_top


def _draw_node(canvas: Canvas, m: Modality, at: Points, state: GraphState) -> None:
    centre = float(at[0]), float(at[1])
    if m in state.present:
        canvas.ring(centre, RADIUS, _RING, TRACK)
        canvas.ring(centre, RADIUS, _RING, MODALITY[m], state.coverage.get(m, 0.0))
    else:
        canvas.broken_ring(centre, RADIUS, _RING * 0.6, mixed(DIM, CARD, 0.75), 18)
    canvas.text(centre[0], centre[1] + 6, m.value, _LETTER, INK if m in state.present else DIM, align="middle")
