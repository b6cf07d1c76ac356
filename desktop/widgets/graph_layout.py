"""Where everything in a distillation graph stands: pure geometry, the same for the same size and text.

The directed triangle has L on top, V and A below. Both arrows of a pair run side by side, each shifted to the same hand
of its own direction, and each number stands on the outer flank of its own arrow, so that no number ever lies on a line.
Numbers get the room of the widest arrow and of three decimals: nothing moves when weights change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Final, NamedTuple

from dmd_runtime import EDGES, UNIFORM, Edge, Modality

KNEE: Final = 3 * UNIFORM
"""Up to this weight width grows in proportion to weight, beyond it more slowly, so that one strong arrow fits too."""
_HAIRLINE, _WIDTH, _SLOW = 0.6, 12.0, 4.0
_RING: Final = 3.0
_TITLE: Final = 28.0
_FLAT: Final = 1.45
"""Base over height at most."""
_L, _V, _A = Modality.LANGUAGE, Modality.VISUAL, Modality.ACOUSTIC
_SHRINK: Final = (1.0, 0.94, 0.88, 0.82, 0.76, 0.7)
_OUTER: Final = (_L, _V), (_A, _L)
_INNER: Final = (_V, _L), (_L, _A)


class Point(NamedTuple):
    """Pixels from the top left."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def centre(self) -> Point:
        """Its middle."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    def grown(self, by: float) -> Box:
        """The box with a margin around it."""
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def meets(self, other: Box) -> bool:
        """Whether both share an area."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def holds(self, other: Box) -> bool:
        """Whether the other lies inside."""
        return self.x <= other.x and self.y <= other.y and self.right >= other.right and self.bottom >= other.bottom

    def distance(self, p: Point) -> float:
        """From ``p`` to the nearest point of the box; 0 inside."""
        return hypot(max(self.x - p.x, 0.0, p.x - self.right), max(self.y - p.y, 0.0, p.y - self.bottom))

    def distance_to_line(self, a: Point, b: Point) -> float:
        """From the box to the segment a-b; 0 where they meet."""
        if self._cut_by(a, b):
            return 0.0
        corners = (
            Point(x, y) for x in (self.x, self.right) for y in (self.y, self.bottom)
        )  # of two convex shapes apart, one of the nearest points is a corner
        return min(self.distance(a), self.distance(b), *(_to_segment(corner, a, b) for corner in corners))

    def _cut_by(self, a: Point, b: Point) -> bool:
        enter, leave = 0.0, 1.0
        for start, step, low, high in (
            (a.x, b.x - a.x, self.x, self.right),
            (a.y, b.y - a.y, self.y, self.bottom),
        ):
            if abs(step) < 1e-12:
                if not low <= start <= high:
                    return False
                continue
            near, far = sorted(((low - start) / step, (high - start) / step))
            enter, leave = max(enter, near), min(leave, far)
        return enter <= leave


def _to_segment(p: Point, a: Point, b: Point) -> float:
    dx, dy = b.x - a.x, b.y - a.y
    share = min(1.0, max(0.0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy or 1.0)))
    return hypot(p.x - a.x - dx * share, p.y - a.y - dy * share)


@dataclass(frozen=True)
class Arrow:
    """One edge on screen.

    Attributes
    ----------
    tail, tip : ends on the arrow's own axis.
    along, aside : unit vectors, in its direction and away from its twin.
    number : room of the number.
    """

    edge: Edge
    tail: Point
    tip: Point
    along: Point
    aside: Point
    number: Box

    @property
    def length(self) -> float:
        """From tail to tip."""
        return hypot(self.tip.x - self.tail.x, self.tip.y - self.tail.y)

    def at(self, share: float, aside: float = 0.0) -> Point:
        """The point at a share of the way from tail to tip, shifted by ``aside`` pixels."""
        return Point(
            self.tail.x + (self.tip.x - self.tail.x) * share + self.aside.x * aside,
            self.tail.y + (self.tip.y - self.tail.y) * share + self.aside.y * aside,
        )

    def distance(self, p: Point) -> float:
        """From ``p`` to the arrow's axis."""
        return _to_segment(p, self.tail, self.tip)


@dataclass(frozen=True)
class Layout:
    """A laid-out graph; ``unit`` scales strokes and radii, 1 at the size of the drawing."""

    unit: float
    radius: float
    nodes: Mapping[Modality, Point]
    arrows: Mapping[Edge, Arrow]

    def ring(self) -> float:
        """Stroke of a node's ring."""
        return _RING * self.unit


class Room(NamedTuple):
    """What a layout has to leave room for, in pixels."""

    number: tuple[float, float]
    """Width and height of the widest number."""
    below: float
    """Height of the caption with its margins."""
    corners: tuple[float, float, float]
    """Width of the text in the upper left and upper right corner, and where both end below."""


def unit_of(width: float, height: float) -> float:
    """How large things are drawn in a card of this size; 1 at the size of the drawing."""
    return max(0.76, min(1.7, width / 280, height / 256))


def stroke(weight: float) -> float:
    """Width of an arrow in units: affine in the weight up to :data:`KNEE`, then slower; strictly monotone."""
    slow = max(0.0, weight - KNEE)
    return _HAIRLINE + _WIDTH * (weight - slow) + _SLOW * slow


def opacity(weight: float) -> float:
    """Opacity of an arrow: 0.35 at nothing, about 0.76 at uniform; strictly monotone."""
    relative = max(0.0, weight) / UNIFORM
    return 0.35 + 0.65 * relative**2 / (relative**2 + 0.6)


def head(width: float, unit: float) -> tuple[float, float]:
    """Length and half width of the head of an arrow that is ``width`` pixels wide."""
    return 4.5 * unit + 1.4 * width, 2.3 * unit + 0.75 * width


def lay_out(width: float, height: float, room: Room) -> Layout:
    """Lay the graph out in a card of ``width`` x ``height``; where it is too small for all, the best there is."""
    best: tuple[int, Layout] | None = None
    for shrink in _SHRINK:
        layout, clashes = _attempt(width, height, room, shrink * unit_of(width, height))
        if best is None or clashes < best[0]:
            best = clashes, layout
        if not clashes:
            break
    assert best is not None
    return best[1]


def _attempt(width: float, height: float, room: Room, unit: float) -> tuple[Layout, int]:
    radius = max(13.0, 22.0 * unit)
    gap = max(11.0, 17.0 * unit)
    edge_of_node = radius + _RING * unit / 2
    reserve = stroke(1.0) * unit / 2 + 1.5
    top = max(_TITLE, room.corners[2] if _crowded(width, room, edge_of_node) else 0.0) + edge_of_node
    below = max(edge_of_node, gap / 2 + reserve + room.number[1]) + 4 * unit
    bottom = height - room.below - below
    base = width - 2 * (max(8.0, 12.0 * unit) + edge_of_node)
    tall = max(40.0, min(bottom - top, 1.05 * base))
    base = max(40.0, min(base, _FLAT * tall))
    spare = max(0.0, bottom - top - tall)
    apex = Point(width / 2, top + spare / 2)
    nodes = {
        _L: apex,
        _V: Point(width / 2 - base / 2, apex.y + tall),
        _A: Point(width / 2 + base / 2, apex.y + tall),
    }
    bare = {edge: _arrow(edge, nodes, radius + 4 * unit, gap) for edge in EDGES}
    placer = _Placer(
        Box(4, room.corners[2], width - 8, height - room.below - room.corners[2]), nodes, edge_of_node, unit
    )
    placer.arrows = list(bare.values())
    size = room.number
    boxes = placer.place(bare, ((_V, _A),), size, reserve, (0.5,))
    boxes |= placer.place(bare, ((_A, _V),), size, reserve, (0.5,))
    boxes |= placer.place(bare, _OUTER, size, reserve, _around(0.5))
    boxes |= placer.place(bare, _INNER, size, reserve, _around(0.5, down=True))
    arrows = {edge: Arrow(edge, a.tail, a.tip, a.along, a.aside, boxes[edge]) for edge, a in bare.items()}
    return Layout(unit, radius, nodes, arrows), placer.clashes


def _crowded(width: float, room: Room, edge_of_node: float) -> bool:
    return width / 2 - edge_of_node - 6 < max(room.corners[0], room.corners[1])


def _around(middle: float, *, down: bool = False) -> tuple[float, ...]:
    """Shares of the way from L to the base, best first: near the middle, or lower and lower first."""
    steps = [0.02 * i for i in range(1, 15)]
    lower, upper = [middle + s for s in steps], [middle - s for s in steps]
    if down:
        return (middle, *lower, *upper)
    return (middle, *(s for pair in zip(upper, lower, strict=True) for s in pair))


def _arrow(edge: Edge, nodes: Mapping[Modality, Point], clear: float, gap: float) -> Arrow:
    start, end = nodes[edge.teacher], nodes[edge.student]
    length = hypot(end.x - start.x, end.y - start.y)
    along = Point((end.x - start.x) / length, (end.y - start.y) / length)
    aside = Point(-along.y, along.x)
    shift = gap / 2
    inset = sqrt(max(0.0, clear**2 - shift**2))

    def at(distance: float) -> Point:
        return Point(
            start.x + along.x * distance + aside.x * shift,
            start.y + along.y * distance + aside.y * shift,
        )

    return Arrow(edge, at(inset), at(length - inset), along, aside, Box(0, 0, 0, 0))


class _Placer:
    """Finds room for numbers; counts those that found none."""

    def __init__(self, inside: Box, nodes: Mapping[Modality, Point], node: float, unit: float) -> None:
        self.arrows: list[Arrow] = []
        self.clashes = 0
        self._inside = inside
        self._nodes = tuple(nodes.values())
        self._node = node
        self._head = head(stroke(1.0) * unit, unit)
        self._half = stroke(1.0) * unit / 2
        self._placed: list[Box] = []

    def place(
        self,
        arrows: Mapping[Edge, Arrow],
        pairs: Iterable[tuple[Modality, Modality]],
        size: tuple[float, float],
        reserve: float,
        shares: tuple[float, ...],
    ) -> dict[Edge, Box]:
        """Numbers of mirrored edges, all at one height: the first share of the way down at which all are free."""
        edges = [Edge(*pair) for pair in pairs]
        for share in shares:
            boxes = {e: self._box(arrows[e], share if e.teacher is _L else 1 - share, size, reserve) for e in edges}
            if self._free(tuple(boxes.values())):
                break
        else:
            self.clashes += 1
            boxes = {e: self._box(arrows[e], 0.5, size, reserve) for e in edges}
        self._placed += boxes.values()
        return boxes

    def _box(self, arrow: Arrow, share: float, size: tuple[float, float], reserve: float) -> Box:
        extent = (size[0] * abs(arrow.aside.x) + size[1] * abs(arrow.aside.y)) / 2
        p = arrow.at(share, reserve + extent)
        return Box(p.x - size[0] / 2, p.y - size[1] / 2, *size)

    def _free(self, boxes: tuple[Box, ...]) -> bool:
        others = self._placed
        for i, box in enumerate(boxes):
            outside = (
                box.x < self._inside.x
                or box.y < self._inside.y
                or box.right > self._inside.right
                or box.bottom > self._inside.bottom
            )
            if outside or any(box.grown(2).meets(other) for other in (*others, *boxes[:i])):
                return False
            if any(box.distance(node) < self._node + 2 for node in self._nodes):
                return False
            if any(self._touches(box, arrow) for arrow in self.arrows):
                return False
        return True

    def _touches(self, box: Box, arrow: Arrow) -> bool:
        length, half = self._head
        neck = arrow.at(1 - min(1.0, length / arrow.length))
        return box.distance_to_line(arrow.tail, arrow.tip) < self._half or box.distance_to_line(neck, arrow.tip) < half
