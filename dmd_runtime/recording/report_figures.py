"""The pictures of a session report as inline SVG without script; colours are the page's own, dark or light.

A plot fills its row, whatever its width: x is the share of the session, in thousandths, and y that of the row's height.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dmd_runtime.messages import Float64
from dmd_runtime.modality import EDGES, UNIFORM, Edge, Modality

Floats: TypeAlias = npt.NDArray[Any]
WIDTH, HEIGHT = 1000, 100
POINTS: Final = 480
"""The most points of a curve; more windows are averaged."""
_PLACES: Final = {Modality.LANGUAGE: (150.0, 34.0), Modality.VISUAL: (40.0, 206.0), Modality.ACOUSTIC: (260.0, 206.0)}
_RADIUS: Final = 21.0
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Rows of readings put where their windows' middles lie, at most :data:`POINTS` of them.

    Attributes
    ----------
    x : float64 (n,)
        Thousandths of the session.
    half : float
        Half the distance of neighbours, in thousandths.
    member : int64 (N,)
        To which of the n points each of the N readings belongs.
    """

    x: Float64
    half: float
    member: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    def mean(self, values: Floats) -> Float64:
        """Means (n,) of ``values`` (N,) over those of each point that are no NaN; NaN where there are none."""
        there = np.isfinite(values)
        count = np.bincount(self.member[there], minlength=len(self))
        total = np.bincount(self.member[there], weights=values[there], minlength=len(self))
        mean: Float64 = np.divide(total, count, out=np.full(len(self), np.nan), where=count > 0)
        return mean


def scale(middles: Float64, end: float) -> Scale:
    """Points for readings at ``middles`` (N,) seconds of a session that ends at ``end``."""
    if len(middles) <= POINTS:
        x = middles / end * WIDTH
        half = float(np.median(np.diff(x))) / 2 if len(x) > 1 else WIDTH / 40
        return Scale(x=x, half=half, member=np.arange(len(x)))
    half = WIDTH / POINTS / 2
    member = np.clip((middles / end * POINTS).astype(np.int64), 0, POINTS - 1)
    return Scale(x=np.arange(1, 2 * POINTS, 2, dtype=np.float64) * half, half=half, member=member)


def area(
    at: Scale, values: Floats, *, color: str, low: float = 0.0, high: float = 1.0, base: float | None = None, title: str
) -> str:
    """A filled curve from ``base`` (a dashed line where it is given, else ``low``); ``values`` (N,), NaN is a gap."""
    y = _height(at.mean(values), low, high)
    floor = float(_height(np.array([low if base is None else base]), low, high)[0])
    path = "".join(
        f"M{_n(x[0] - at.half)},{_n(floor)}V{_n(v[0])}"
        + "".join(f"L{_n(a)},{_n(b)}" for a, b in zip(x, v, strict=True))
        + f"H{_n(x[-1] + at.half)}V{_n(floor)}Z"
        for x, v in _whole(at, y)
    )
    style = f'style="fill:var({color})"' if color else 'class="ink"'
    dashed = "" if base is None else f'<path class="base" d="M0,{_n(floor)}H{WIDTH}"/>'
    return _plot(f'<path {style} d="{path}"/>{dashed}', title)


def curve(at: Scale, values: Floats, *, low: float, high: float, title: str) -> str:
    """A line with a dashed one at zero; ``values`` (N,)."""
    y = _height(at.mean(values), low, high)
    lines = ("L".join(f"{_n(a)},{_n(b)}" for a, b in zip(x, v, strict=True)) for x, v in _whole(at, y))
    path = "".join(f"M{line}h0.01" for line in lines)
    zero = _n(float(_height(np.zeros(1), low, high)[0]))
    return _plot(f'<path class="base" d="M0,{zero}H{WIDTH}"/><path class="curve" d="{path}"/>', title, kind="tall")


def spans(items: Iterable[tuple[float, float, str, str]], end: float, *, title: str) -> str:
    """Bars and, above them, ticks: start and end in seconds, colour and text of each."""
    made = []
    for start, stop, color, text in sorted(items, key=lambda item: item[1] <= item[0]):
        x = min(start / end, 1.0) * WIDTH
        wide = max(min(stop / end, 1.0) * WIDTH - x, 2.0)
        if stop <= start:
            made.append(f'<rect class="edge" x="{_n(max(x - 2, 0.0))}" width="6" height="{HEIGHT}"/>')
        style = f"fill:var({color})" if color.startswith("--") else f"fill:{color}"
        made.append(
            f'<rect x="{_n(min(x, WIDTH - wide))}" width="{_n(wide)}" height="{HEIGHT}" style="{style}" '
            f'stroke="none"><title>{html.escape(text)}</title></rect>'
        )
    return _plot("".join(made), title, kind="thin")


def bar(share: float, color: str) -> str:
    """A share, 0 … 1, of a bar."""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<div class="bar"><i style="width:{width:.1f}%;background:var({color})"></i></div>'


def triangle(weights: Mapping[Edge, float], title: str) -> str:
    """A graph: arrows from teacher to student in the teacher's colour, as wide as their weight over 1/6 is large."""
    heads, lines, numbers = [], [], []
    for edge in EDGES:
        start, stop = (np.array(_PLACES[m]) for m in (edge.teacher, edge.student))
        along = (stop - start) / np.linalg.norm(stop - start)
        aside = np.array([-along[1], along[0]]) * 8
        ratio = weights[edge] / UNIFORM
        wide = float(np.clip(2.2 * ratio, 0.8, 8))
        head = 5 + 1.3 * wide
        a, b = start + aside + along * (_RADIUS + 3), stop + aside - along * (_RADIUS + 4)
        tip, neck = b, b - along * head
        side = np.array([-along[1], along[0]]) * head * 0.55
        style = f"var(--{edge.teacher.value})"
        opacity = float(np.clip(0.35 + 0.5 * ratio, 0.35, 1))
        lines.append(
            f'<line x1="{_n(a[0])}" y1="{_n(a[1])}" x2="{_n(neck[0])}" y2="{_n(neck[1])}" '
            f'style="stroke:{style};stroke-width:{_n(wide)};opacity:{opacity:.2f}"/>'
        )
        corners = " ".join(f"{_n(p[0])},{_n(p[1])}" for p in (tip, neck + side, neck - side))
        heads.append(f'<polygon points="{corners}" style="fill:{style};opacity:{opacity:.2f}"/>')
        where = start + aside * 2.4 + (stop - start) * 0.42
        bold = " more" if ratio > 1.005 else ""
        words = html.escape(f"{edge.words}: {weights[edge]:.3f}, uniform 0.167")
        numbers.append(
            f'<text class="w{bold}" x="{_n(where[0])}" y="{_n(where[1])}">{ratio:.2f}<title>{words}</title></text>'
        )
    nodes = "".join(
        f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" style="fill:var(--card);stroke:var(--{m.value});stroke-width:3"/>'
        f'<text x="{x}" y="{y}">{m.value}</text>'
        for m, (x, y) in _PLACES.items()
    )
    content = "".join((*lines, *heads, nodes, *numbers))
    return f'<svg class="graph" viewBox="0 0 300 240" role="img" aria-label="{html.escape(title)}">{content}</svg>'


def ticks(end: float) -> list[tuple[str, str]]:
    """Places in percent and texts of an axis from 0 to ``end`` seconds: nine at most."""
    step = next((step for step in _STEPS if end / step <= 8), _STEPS[-1])
    return [(f"{100 * t / end:.2f}", clock(t, hours=end >= 3600)) for t in range(0, int(end * 0.985) + 1, step)]


def clock(seconds: float, *, hours: bool = False, tenths: bool = False) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on or where ``hours`` says so; with tenths of a second where wished."""
    whole = round(max(seconds, 0.0), 1) if tenths else int(max(seconds, 0.0))
    minutes, rest = divmod(whole, 60)
    last = f"{rest:04.1f}" if tenths else f"{rest:02.0f}"
    if hours or minutes >= 60:
        return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{last}"
    return f"{int(minutes)}:{last}"


def _height(values: Floats, low: float, high: float) -> Float64:
    return np.asarray(HEIGHT * (1 - (np.clip(values, low, high) - low) / (high - low)), dtype=np.float64)


def _whole(at: Scale, y: Float64) -> Iterator[tuple[list[float], list[float]]]:
    """The stretches of a curve without NaN and without a hole in time."""
    there = np.flatnonzero(np.isfinite(y))
    x = at.x[there]
    cuts = np.flatnonzero((np.diff(there) > 1) | (np.diff(x) > 5 * at.half)) + 1
    for part in np.split(there, cuts):
        if len(part):
            yield at.x[part].tolist(), y[part].tolist()


def _plot(content: str, title: str, kind: str = "") -> str:
    return (
        f'<svg class="plot {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(title)}">{content}</svg>'
    )


def _n(value: float) -> str:
    """Short: a tenth of a thousandth of the page's width is less than a dot."""
    return f"{value:.1f}".removesuffix(".0")
