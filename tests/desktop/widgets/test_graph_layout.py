"""The picture of a graph as geometry: whatever the size, no number touches anything."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from desktop.widgets.graph_layout import Box, Layout, Point, Room, head, lay_out, opacity, stroke, unit_of
from dmd_runtime import EDGES, MODALITIES, UNIFORM, Edge

weights = st.floats(0, 1, allow_nan=False)
SIZES = st.tuples(st.integers(200, 900), st.integers(190, 800))


def room(width: int, height: int) -> Room:
    """About what the view asks for."""
    pixels = max(11, min(16, round(12 * unit_of(width, height))))
    margin = 16 if width >= 240 else 12
    return Room((2.8 * pixels, 0.73 * pixels + 2), 28 if height >= 230 else 22, (50 + margin, 54 + margin, 46))


def touching(layout: Layout, width: int, height: int, corners: tuple[float, float, float]) -> list[str]:
    """What is wrong with a layout, for arrows as wide as they can be."""
    wrong = []
    boxes = {edge: arrow.number for edge, arrow in layout.arrows.items()}
    thick = stroke(1.0) * layout.unit
    length, half = head(thick, layout.unit)
    for edge, box in boxes.items():
        if box.x < 0 or box.y < 0 or box.right > width or box.bottom > height:
            wrong.append(f"{edge} leaves the card")
        for side, x in ((corners[0], 0.0), (corners[1], width - corners[1])):
            if box.meets(Box(x, 0, side, corners[2])):
                wrong.append(f"{edge} on the words in a corner")
        wrong += [f"{edge} on {other}" for other, b in boxes.items() if other != edge and box.meets(b)]
        wrong += [
            f"{edge} on {m}" for m, p in layout.nodes.items() if box.distance(p) < layout.radius + layout.ring() / 2
        ]
        for other, arrow in layout.arrows.items():
            neck = arrow.at(1 - min(1.0, length / arrow.length))
            if box.distance_to_line(arrow.tail, arrow.tip) < thick / 2 or box.distance_to_line(neck, arrow.tip) < half:
                wrong.append(f"{edge} on the arrow {other}")
    return wrong


@settings(deadline=None)
@given(SIZES)
@example((200, 190))
@example((280, 256))
@example((900, 190))
@example((200, 800))
def test_numbers_touch_nothing_at_any_size(size: tuple[int, int]) -> None:
    layout = lay_out(*size, room(*size))
    assert touching(layout, *size, room(*size).corners) == []


@settings(deadline=None)
@given(SIZES)
def test_vertices_stay_in_the_card_and_apart(size: tuple[int, int]) -> None:
    layout = lay_out(*size, room(*size))
    outer = layout.radius + layout.ring() / 2
    for p in layout.nodes.values():
        assert outer <= p.x <= size[0] - outer
        assert outer <= p.y <= size[1] - room(*size).below - outer + 1e-6
    for a, b in pairwise([*layout.nodes.values(), layout.nodes[MODALITIES[0]]]):
        assert (a.x - b.x) ** 2 + (a.y - b.y) ** 2 > (2 * outer) ** 2


@settings(deadline=None)
@given(SIZES)
def test_arrows_of_a_pair_run_side_by_side(size: tuple[int, int]) -> None:
    layout = lay_out(*size, room(*size))
    for edge in EDGES:
        arrow, twin = layout.arrows[edge], layout.arrows[Edge(edge.student, edge.teacher)]
        gap = min(twin.distance(arrow.at(share)) for share in (0.2, 0.5, 0.8))
        assert gap == pytest.approx(twin.distance(arrow.at(0.5)))
        assert gap > (stroke(0.5) + stroke(0.5)) / 2 * layout.unit


@settings(deadline=None)
@given(SIZES)
def test_arrows_go_from_teacher_to_student(size: tuple[int, int]) -> None:
    layout = lay_out(*size, room(*size))
    for edge, arrow in layout.arrows.items():
        near = min(MODALITIES, key=lambda m: Box(*layout.nodes[m], 0, 0).distance(arrow.tail))
        far = min(MODALITIES, key=lambda m: Box(*layout.nodes[m], 0, 0).distance(arrow.tip))
        assert (near, far) == edge


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_any_size_can_be_laid_out(width: int, height: int) -> None:
    layout = lay_out(width, height, room(width, height))
    assert set(layout.arrows) == set(EDGES)


@settings(deadline=None)
@given(weights, weights)
def test_width_and_opacity_grow_with_weight(a: float, b: float) -> None:
    low, high = sorted((a, b))
    if high - low > 1e-9:
        assert stroke(low) < stroke(high)
        assert opacity(low) <= opacity(high)
    if high - low > 1e-6 and high > 1e-3:
        assert opacity(low) < opacity(high)


@settings(deadline=None)
@given(weights)
def test_width_exaggerates_nothing(weight: float) -> None:
    """An arrow is never wider in relation to the uniform one than its weight is, nor thinner than that turned round."""
    relative, drawn = weight / UNIFORM, stroke(weight) / stroke(UNIFORM)
    assert drawn <= max(1.0, relative) + 1e-9
    assert drawn >= min(1.0, relative) - 1e-9


def test_opacity_at_the_drawings_points() -> None:
    assert opacity(0) == pytest.approx(0.35)
    assert opacity(UNIFORM) == pytest.approx(0.756, abs=0.001)
    assert opacity(1) < 1


def test_distance_of_a_box_to_a_line() -> None:
    box = Box(0, 0, 10, 10)
    assert box.distance_to_line(Point(-5, 5), Point(15, 5)) == 0
    assert box.distance_to_line(Point(2, 2), Point(3, 3)) == 0
    assert box.distance_to_line(Point(0, 13), Point(10, 13)) == 3
    assert box.distance_to_line(Point(20, -10), Point(20, 30)) == 10
    assert box.distance_to_line(Point(13, 14), Point(13, 14)) == 5
