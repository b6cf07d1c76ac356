"""Where the lanes of the timeline stand, and the words and numbers beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QRectF, QSize
from PySide6.QtGui import QPainter

from desktop import theme
from desktop.models.graph import decimals_for
from desktop.models.timeline import Lane, TimelineModel
from desktop.models.words import edge_arrow, emotion_word
from desktop.widgets.glide import Floats
from desktop.widgets.lanes import lane_top, strong
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, advance, draw_text, fitting, title_font
from dmd_runtime import EDGES, MODALITIES, UNIFORM, Graph

translate = QCoreApplication.translate
NONE: Final = "–"
_SHORT: Final = {Graph.HOMOGENEOUS: "homo", Graph.HETEROGENEOUS: "hetero"}
_LANE_GAP: Final = 3.0
"""A line seldom comes near the ends of its lane."""
_LEAST_LANE: Final = 8.0
_COMPACT: Final = 140.0
"""Height below which the title stands in the first row instead of above it."""
_STACK: Final = 1.35
"""Height of the stack of emotions, in lanes."""


@dataclass(frozen=True)
class Rows:
    """Where the lanes stand at one size; all share the columns left of, in and right of the plot."""

    top: QRectF
    stack: QRectF
    lanes: tuple[QRectF, ...]
    coverage: tuple[QRectF, ...]
    foot: QRectF
    left: float
    right: float
    names: QRectF
    """Column of the names; only its sides count."""
    values: QRectF
    """Column of the values; only its sides count."""
    compact: bool = False
    """Whether there is no line above the first row: title and marker labels stand in it."""

    @staticmethod
    def beside(column: QRectF, box: QRectF) -> QRectF:
        """A line of text in a column, level with the middle of ``box``."""
        height = 16 * theme.scale()
        return QRectF(column.left(), box.center().y() - height / 2, column.width(), height)


def arrange(size: QSize, model: TimelineModel) -> Rows:
    """Lay the timeline out; the plot's sides are whole pixels."""
    s, lanes = theme.scale(), len(model.lanes)
    font, small = theme.font(12), theme.font(11)
    width, height = size.width(), size.height()
    names = max(
        advance(title_font(), _title(model)),
        advance(font, translate("timeline", "coverage")) + 18,
        advance(font, "A→V") + 6 + advance(small, "hetero") + 8 + advance(theme.font(10), "1/6"),
    )
    bold = theme.font(11, weight=SEMI_BOLD)
    values = advance(small, "0.000")
    if width > 760:
        values = max((advance(bold, emotion_word(e)) for e in model.labels), default=values)
    left, right = round(theme.INSIDE + names + 8), round(width - theme.INSIDE - values - 10)
    compact = height < _COMPACT * s
    top = QRectF(theme.INSIDE, 9, width - 2 * theme.INSIDE, 15 * s)
    first = top.top() if compact else top.bottom() + 4
    foot = QRectF(left, height - 8 - 14 * s, right - left, 14 * s)
    row = 7.0 if compact else max(10.0, min(14.0, height / 17)) * max(1.0, 0.8 * s)
    covered = foot.top() - 4 - 3 * row
    room = covered - 5 - first
    lane = max(_LEAST_LANE, (room - lanes * _LANE_GAP) / (lanes + _STACK))
    stack = QRectF(QRectF(left, first, right - left, max(10.0, room - lanes * (lane + _LANE_GAP))).toRect())
    step = lane + _LANE_GAP
    return Rows(
        top=top,
        stack=stack,
        lanes=tuple(QRectF(left, stack.bottom() + _LANE_GAP + i * step, right - left, lane) for i in range(lanes)),
        coverage=tuple(QRectF(left, covered + i * row, right - left, row) for i in range(3)),
        foot=foot,
        left=left,
        right=right,
        names=QRectF(theme.INSIDE, 0, left - 8 - theme.INSIDE, 0),
        values=QRectF(right + 10, 0, width - theme.INSIDE - right - 10, 0),
        compact=compact,
    )


def draw_ground(painter: QPainter, rows: Rows, model: TimelineModel) -> None:
    """What seldom changes: names, scales, and the ground of the stack."""
    look, small = theme.theme(), theme.font(11)
    painter.fillRect(rows.stack, look.track)
    titled = rows.beside(rows.names, rows.stack) if rows.compact else rows.top
    draw_text(painter, titled, LEFT, _title(model), title_font(), look.dim)
    named = [(rows.coverage[1], translate("timeline", "coverage"))]
    if not rows.compact:
        named.append((rows.stack, translate("timeline", "emotion")))
    for box, text in named:
        draw_text(painter, rows.beside(rows.names, box), LEFT, text, theme.font(12), look.dim)
    for lane, box in zip(model.lanes, rows.lanes, strict=True):
        _draw_lane_ground(painter, rows, box, lane, model.edge(*lane))
    letters = theme.font(10, weight=SEMI_BOLD)
    if rows.compact:  # in the order of the rows
        text = " ".join(m.value for m in MODALITIES)
        draw_text(painter, rows.beside(rows.names, rows.coverage[1]), RIGHT, text, letters, look.dim)
    else:
        for m, box in zip(MODALITIES, rows.coverage, strict=True):
            draw_text(painter, rows.beside(rows.names, box.adjusted(0, 0, 0, -2)), RIGHT, m.value, letters, look.dim)
    parts = 4 if rows.right - rows.left > 500 else 2
    for i in range(parts + 1):
        ago = translate("timeline", "−{seconds:.0f} s").format(seconds=model.seconds * (1 - i / parts))
        text = translate("timeline", "now") if i == parts else ago
        align, shift = (LEFT, 0) if i == 0 else (RIGHT, 60) if i == parts else (CENTRE, 30)
        x = rows.left + (rows.right - rows.left) * i / parts - shift
        draw_text(painter, QRectF(x, rows.foot.top(), 60, rows.foot.height()), align, text, small, look.dim)


def draw_values(painter: QPainter, rows: Rows, model: TimelineModel) -> None:
    """The last reading in words and numbers, at the right end of each lane: colour alone would not say it."""
    look = theme.theme()
    if len(model):
        _draw_leader(painter, rows, model)
    for lane, box in zip(model.lanes, rows.lanes, strict=True):
        weights = model.edge(*lane)
        last = float(weights[-1]) if len(weights) else float("nan")
        decimals = _decimals(model, lane[0])
        bold = not np.isnan(last) and strong(last, decimals)
        text = NONE if np.isnan(last) else f"{last:.{decimals}f}"
        font = theme.font(11, weight=SEMI_BOLD) if bold else theme.font(11)
        draw_text(painter, rows.beside(rows.values, box), LEFT, text, font, look.ink if bold else look.dim)


def _draw_lane_ground(painter: QPainter, rows: Rows, box: QRectF, lane: Lane, weights: Floats) -> None:
    look, font = theme.theme(), theme.font(12)
    line, arrow = rows.beside(rows.names, box), edge_arrow(lane[1])
    draw_text(painter, line, LEFT, arrow, font, look.ink)
    after = line.adjusted(advance(font, arrow) + 6, 0, 0, 0)
    draw_text(painter, after, LEFT, _SHORT[lane[0]], theme.font(11), look.dim)
    y = round(box.bottom() - UNIFORM / lane_top(weights) * box.height())
    painter.fillRect(QRectF(box.left(), y, box.width(), 1), theme.with_alpha(look.dim, 0.4))
    mark = rows.beside(rows.names, QRectF(0, y, 0, 0))
    draw_text(painter, mark, RIGHT, "1/6", theme.font(10), look.dim)


def _draw_leader(painter: QPainter, rows: Rows, model: TimelineModel) -> None:
    look, small, bold, s = theme.theme(), theme.font(11), theme.font(11, weight=SEMI_BOLD), theme.scale()
    values, line = model.emotions[-1], rows.beside(rows.values, rows.stack)
    if np.isnan(values).any():
        missing = translate("timeline", "not valid")
        text = NONE if model.valid[-1] else fitting(small, line.width(), missing, NONE)
        draw_text(painter, line, LEFT, text, small, look.dim)
        return
    first = int(np.argmax(values))
    word, number = emotion_word(model.labels[first]), f"{values[first]:.2f}"
    if advance(bold, word) > line.width() + 1 or rows.stack.height() < 28 * s:
        draw_text(painter, line, LEFT, number, bold, look.ink)
        return
    draw_text(painter, line.translated(0, -7.5 * s), LEFT, word, bold, look.ink)
    draw_text(painter, line.translated(0, 7.5 * s), LEFT, number, small, look.dim)


def _decimals(model: TimelineModel, graph: Graph) -> int:
    """As beside the arrows of the graph."""
    return decimals_for([weights[-1] for edge in EDGES if len(weights := model.edge(graph, edge))])


def _title(model: TimelineModel) -> str:
    return translate("timeline", "LAST {seconds:.0f} s").format(seconds=model.seconds)
