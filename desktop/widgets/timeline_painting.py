"""How the lanes of the timeline are drawn. Functions of numbers; no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from desktop import theme
from desktop.models.timeline import Lane, Marker, TimelineModel
from desktop.widgets.glide import Floats
from desktop.widgets.lanes import lane_top
from desktop.widgets.painted import LEFT, SEMI_BOLD, advance, draw_text, fitting
from dmd_runtime import MODALITIES, Modality

_MUTED: Final = {"dark": 0.76, "light": 0.82}
_PITCH: Final = 7.0
"""The least width of a coverage square with the room beside it, in pixels."""
_LEVELS: Final = 6


@dataclass(frozen=True)
class Axis:
    """Session time between ``left`` and ``right``: ``seconds`` up to ``now``; a pixel is ``ratio`` device pixels."""

    left: float
    right: float
    now: float
    seconds: float
    ratio: float

    def x(self, t: Floats) -> Floats:
        """Pixels of session times."""
        return self.right - (self.now - t) * (self.right - self.left) / self.seconds

    def at(self, t: float) -> float:
        """Pixels of one session time."""
        return self.right - (self.now - t) * (self.right - self.left) / self.seconds

    def time(self, x: float) -> float:
        """Session time at ``x``."""
        return self.now - (self.right - x) * self.seconds / (self.right - self.left)


def muted(colour: QColor) -> QColor:
    """A colour of the stack: quiet on the card, yet opaque, so that neighbours have no seam."""
    look = theme.theme()
    share = _MUTED[look.name]
    pairs = zip(_rgb(colour), _rgb(look.card), strict=True)
    return QColor(*(round(share * a + (1 - share) * b) for a, b in pairs))


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def draw_stack(painter: QPainter, box: QRectF, axis: Axis, model: TimelineModel) -> None:
    """Shares of the emotions over time, the first label on top; stretches that are not valid stay open, hatched."""
    emotions = model.emotions
    x_all = axis.x(model.times)
    if not len(x_all):
        return
    _draw_not_valid(painter, box, axis, model)
    upper = np.cumsum(emotions[:, ::-1], axis=1)[:, ::-1]  # (n, labels): top of each band, the first is 1
    for run in model.runs(emotions[:, 0]):
        rows = slice(run.first, run.stop)
        xs = [axis.at(run.since), *x_all[rows].tolist()]
        y = box.bottom() - np.concatenate((upper[run.first : run.first + 1], upper[rows])) * box.height()
        painter.fillRect(QRectF(xs[0], box.top(), xs[-1] - xs[0], box.height()), _band(model.labels[0]))
        foot = [QPointF(xs[-1], box.bottom()), QPointF(xs[0], box.bottom())]
        for i, label in enumerate(model.labels[1:], start=1):  # each covers what is below it, so there are no seams
            top = [QPointF(a, b) for a, b in zip(xs, y[:, i].tolist(), strict=True)]
            _draw_band(painter, top, foot, _band(label))


def _draw_band(painter: QPainter, top: list[QPointF], foot: list[QPointF], colour: QColor) -> None:
    """Everything below a line. Only the line is antialiased: that costs a quarter of an antialiased polygon."""
    line = QPolygonF(top)
    painter.setPen(QPen(colour, 0))
    painter.drawPolyline(line)
    for corner in foot:
        line.append(corner)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPolygon(line)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)


def _band(label: str) -> QColor:
    return muted(theme.emotion_colour(label))


def _draw_not_valid(painter: QPainter, box: QRectF, axis: Axis, model: TimelineModel) -> None:
    times, valid = model.times, model.valid
    step = model.step
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(theme.with_alpha(theme.theme().dim, 0.5), Qt.BrushStyle.BDiagPattern))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (~valid).astype(np.int8), [0]))))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        left, right = axis.at(times[first] - step), axis.at(times[stop - 1])
        painter.drawRect(QRectF(left, box.top(), right - left, box.height()))


def draw_lane(painter: QPainter, box: QRectF, axis: Axis, model: TimelineModel, lane: Lane) -> None:
    """One edge over time, raw, in its teacher's colour; broken where it was missing."""
    weights, colour = model.edge(*lane), theme.MODALITY[lane[1].teacher]
    top = lane_top(weights)
    x_all, y_all = axis.x(model.times), box.bottom() - weights / top * box.height()
    painter.setPen(QPen(colour, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.BevelJoin))
    for run in model.runs(weights):
        xs = [axis.at(run.since), *x_all[run.first : run.stop].tolist()]
        ys = [float(y_all[run.first]), *y_all[run.first : run.stop].tolist()]
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(xs, ys, strict=True)]))


def draw_coverage(painter: QPainter, boxes: Sequence[QRectF], axis: Axis, model: TimelineModel) -> None:
    """A row of squares per modality, fuller the more of what was due came; a dot where the modality was left out."""
    rows = model.times
    if not len(rows):
        return
    step = model.step
    pixels = step * (axis.right - axis.left) / axis.seconds
    each = max(1, int(np.ceil(_PITCH / pixels - 1e-9))) * step  # seconds per square
    cell = np.floor(rows / each + 1e-6).astype(np.int64)
    first = int(cell[0])
    counts = np.maximum(1, np.bincount(cell - first))
    seen = np.bincount(cell - first) > 0
    at = (np.arange(len(counts), dtype=np.float64) + first) * each
    lefts, rights = axis.x(at - (each if each <= step else 0.0)), axis.x(at + (0.0 if each <= step else each))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(Qt.PenStyle.NoPen)
    for i, m in enumerate(MODALITIES):
        share = np.bincount(cell - first, weights=model.coverage[:, i]) / counts
        here = np.bincount(cell - first, weights=model.present[:, i].astype(np.float64)) / counts >= 0.5
        _draw_squares(painter, boxes[i], axis, m, (lefts[seen], rights[seen], share[seen], here[seen]))
    painter.restore()


def _draw_squares(
    painter: QPainter, box: QRectF, axis: Axis, m: Modality, cells: tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]
) -> None:
    lefts, rights, share, here = cells
    ratio = axis.ratio
    room = max(1.0, min(2.0, (rights[0] - lefts[0]) * 0.2))
    a = np.round(np.maximum(lefts, axis.left) * ratio) / ratio
    b = np.round((rights - room) * ratio) / ratio
    level = np.where(here, np.minimum(_LEVELS, np.floor(share * _LEVELS) + 1), 0).astype(np.int64)
    level[b - a < 1] = -1
    top, height = round(box.top()), round(box.height()) - 2
    for which in range(_LEVELS + 1):
        chosen = np.flatnonzero(level == which)
        if not len(chosen):
            continue
        pairs = zip(a[chosen].tolist(), b[chosen].tolist(), strict=True)
        if which == 0:
            painter.setBrush(theme.with_alpha(theme.theme().dim, 0.7))
            middle = top + height / 2 - 1
            painter.drawRects([QRectF((x + y) / 2 - 1, middle, 2, 2) for x, y in pairs])
        else:
            painter.setBrush(theme.with_alpha(theme.MODALITY[m], 0.25 + 0.75 * which / _LEVELS))
            painter.drawRects([QRectF(x, top, y - x, height) for x, y in pairs])


def draw_markers(painter: QPainter, line: QRectF, bottom: float, axis: Axis, markers: Sequence[Marker]) -> None:
    """Dotted lines down from ``line``, where their labels stand: right of them, or left where there is more room."""
    look, font = theme.theme(), theme.font(11)
    shown = sorted((m for m in markers if axis.now - axis.seconds <= m.t <= axis.now), key=lambda m: m.t)
    taken = line.left()  # up to here another label stands
    for i, marker in enumerate(shown):
        x = round(axis.at(marker.t)) + 0.5
        painter.setPen(QPen(look.ink, 1.4, Qt.PenStyle.DotLine, Qt.PenCapStyle.FlatCap))
        painter.drawLine(QPointF(x, line.top() + 1), QPointF(x, bottom))
        dot = 10 if marker.colour else 0
        wide = advance(font, marker.label)
        end = line.right() if i + 1 == len(shown) else axis.at(shown[i + 1].t) - 5
        after, before = end - (x + 5 + dot), x - 5 - dot - (taken + 8)
        if wide > after and before > after:
            text = fitting(font, before, marker.label)
            left = x - 5 - advance(font, text)
            mark = left - 7
        else:
            text = fitting(font, after, marker.label)
            left = x + 5 + dot
            mark = x + 8
        if len(text) > 1:
            draw_text(painter, QRectF(left, line.top(), wide + 2, line.height()), LEFT, text, font, look.ink)
            taken = max(taken, x, left + advance(font, text))
        if marker.colour:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(marker.colour))
            painter.drawEllipse(QPointF(mark, line.center().y()), 3, 3)


@dataclass(frozen=True)
class Readout:
    """What was at one moment: ``when`` in words, then lines with the colour of their mark, or none."""

    when: str
    lines: Sequence[tuple[QColor | None, str]]


def draw_readout(painter: QPainter, x: float, area: QRectF, readout: Readout) -> None:
    """A line through the moment at ``x``, and a box beside it."""
    look, s, font = theme.theme(), theme.scale(), theme.font(11)
    painter.setPen(QPen(look.ink, 1.0))
    painter.drawLine(QPointF(round(x) + 0.5, area.top()), QPointF(round(x) + 0.5, area.bottom()))
    bold = theme.font(11, weight=SEMI_BOLD)
    width = max(advance(bold, readout.when), *(advance(font, text) + 13 for _, text in readout.lines)) + 22
    pitch = min(15 * s, (area.height() - 12) / (1 + len(readout.lines)))
    height = pitch * (1 + len(readout.lines)) + 12
    left = x + 10 if x + 10 + width <= area.right() else x - 10 - width
    box = QRect(round(max(area.left(), left)), round(area.top()), round(width), round(height))
    painter.setPen(QPen(look.line, 1.0))
    painter.setBrush(look.background)
    painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS_SMALL, theme.RADIUS_SMALL)
    line = QRectF(box.left() + 11, box.top() + 6, width - 22, pitch)
    draw_text(painter, line, LEFT, readout.when, bold, look.ink)
    for colour, text in readout.lines:
        line.translate(0, pitch)
        if colour is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(line.left(), line.center().y() - 3.5, 7, 7), 2, 2)
        draw_text(painter, line.adjusted(13 if colour is not None else 0, 0, 0, 0), LEFT, text, font, look.ink)
