"""The last minute: emotions, chosen edges, coverage, and the moments that were marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.timeline import Lane, TimelineModel
from desktop.models.words import edge_arrow, emotion_word, graph_name
from desktop.widgets.lanes import lane_top
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, PaintedCard, advance, draw_text, fitting, title_font
from desktop.widgets.timeline_painting import (
    Axis,
    Readout,
    draw_coverage,
    draw_lane,
    draw_markers,
    draw_readout,
    draw_stack,
    draw_uniform,
)
from dmd_runtime import MODALITIES, UNIFORM, Graph

_READ: Final = 3
"""Emotions in the readout."""
_NONE: Final = "–"
_SHORT: Final = {Graph.HOMOGENEOUS: "homo", Graph.HETEROGENEOUS: "hetero"}


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


class Picture(NamedTuple):
    """What was drawn when ``now`` was the right edge; good as long as ``key`` is the same."""

    key: tuple[object, ...]
    words: QPixmap
    plot: QPixmap
    now: float


def _blank(size: QSize, ratio: float) -> QPixmap:
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    return picture


class TimelineView(PaintedCard):
    """Time runs to the right edge; nothing is smoothed, and nothing is drawn where nothing was read.

    What is read stays in a picture of its own until readings, size or look change; the mouse, or the arrow keys where
    the card has the focus, read a moment.
    """

    def __init__(self, model: TimelineModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self._rows: Rows | None = None
        self._picture: Picture | None = None
        self._moment: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Timeline of the last {seconds:.0f} seconds").format(seconds=model.seconds))
        model.changed.connect(self._take)
        model.moved.connect(self._move)
        self._take()

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """The size of the drawing."""
        return QSize(1240, 180 + 26 * max(0, len(self.model.lanes) - 2))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The least at which lanes can be told apart."""
        return QSize(420, 118 + 16 * len(self.model.lanes)) * max(1.0, theme.scale())

    def point_at(self, t: float | None) -> None:
        """Read the moment ``t`` of session time, as the mouse does."""
        self._moment = t
        self.update()

    def axis(self) -> Axis:
        """Where session time lies now."""
        rows = self.rows()
        return Axis(rows.left, rows.right, self.model.now, self.model.seconds, self.devicePixelRatioF())

    def rows(self) -> Rows:
        """Where everything stands at the present size."""
        if self._rows is None:
            self._rows = self._arrange()
        return self._rows

    # What is on screen -------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """The words and the plot from their pictures, the plot shifted by the time since, then the moment read."""
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        key = (self.model.revision, self.size(), ratio, theme.theme(), theme.scale())
        if self._picture is None or self._picture.key != key:
            self._picture = self._draw_picture(key, ratio)
        painter.drawPixmap(QPointF(0, 0), self._picture.words)
        rows, axis = self.rows(), self.axis()
        passed = round((axis.at(self.model.now) - axis.at(self._picture.now)) * ratio) / ratio
        painter.setClipRect(QRectF(rows.left, 0, rows.right - rows.left, self.height()))
        painter.drawPixmap(QPointF(rows.left - passed, 0), self._picture.plot)
        painter.setClipping(False)
        if self._moment is not None and len(self.model):
            area = QRectF(rows.left, rows.top.top(), rows.right - rows.left, rows.foot.bottom() - rows.top.top())
            draw_readout(painter, axis.at(self._moment), area, self._readout(self._moment))

    def restyle(self) -> None:
        """Measure and draw anew."""
        self._rows = self._picture = None

    def _draw_picture(self, key: tuple[object, ...], ratio: float) -> Picture:
        rows = self.rows()
        words, plot = _blank(self.size(), ratio), _blank(QSize(round(rows.right - rows.left), self.height()), ratio)
        painter = QPainter(words)
        self._paint_words(painter)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(rows.stack, theme.theme().track)
        for lane, box in zip(self.model.lanes, rows.lanes, strict=True):
            draw_uniform(painter, box, self.model.edge(*lane))
        painter.end()
        painter = QPainter(plot)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(-rows.left, 0)
        self._paint_plot(painter, ratio)
        painter.end()
        return Picture(key, words, plot, self.model.now)

    def _paint_plot(self, painter: QPainter, ratio: float) -> None:
        rows, model = self.rows(), self.model
        axis = Axis(rows.left, rows.right, model.now, model.seconds, ratio)
        draw_stack(painter, rows.stack, axis, model)
        for lane, box in zip(model.lanes, rows.lanes, strict=True):
            draw_lane(painter, box, axis, model, lane)
        draw_coverage(painter, rows.coverage, axis, model)
        line = QRectF(rows.left, rows.top.top(), rows.right - rows.left, rows.top.height())
        draw_markers(painter, line, rows.coverage[-1].bottom(), axis, model.markers)

    def _paint_words(self, painter: QPainter) -> None:
        rows, look, small = self.rows(), theme.theme(), theme.font(11)
        title = self.tr("LAST {seconds:.0f} s").format(seconds=self.model.seconds)
        draw_text(painter, rows.top, LEFT, title, title_font(), look.dim)
        names = QRectF(rows.top.left(), 0, rows.left - rows.top.left() - 8, 0)
        self._word(painter, names, rows.stack, self.tr("emotion"))
        self._paint_now(painter, rows.stack)
        for lane, box in zip(self.model.lanes, rows.lanes, strict=True):
            self._paint_lane_words(painter, names, lane, box)
        self._word(painter, names, rows.coverage[1], self.tr("coverage"))
        for m, box in zip(MODALITIES, rows.coverage, strict=True):
            cell = QRectF(names.left(), box.center().y() - 8, names.width(), 14)
            draw_text(painter, cell, RIGHT, m.value, theme.font(10, weight=SEMI_BOLD), look.dim)
        quarters = 4 if rows.right - rows.left > 500 else 2
        for i in range(quarters + 1):
            x = rows.left + (rows.right - rows.left) * i / quarters
            left = self.model.seconds * (1 - i / quarters)
            text = self.tr("now") if i == quarters else self.tr("−{seconds:.0f} s").format(seconds=left)
            align = LEFT if i == 0 else RIGHT if i == quarters else CENTRE
            start = x if i == 0 else x - 60 if i == quarters else x - 30
            draw_text(painter, QRectF(start, rows.foot.top(), 60, rows.foot.height()), align, text, small, look.dim)

    def _paint_now(self, painter: QPainter, box: QRectF) -> None:
        """The leading emotion of the last reading, in words: colour alone would not say it."""
        if not len(self.model):
            return
        look, values = theme.theme(), self.model.emotions[-1]
        room = QRectF(
            self.rows().right + 10, box.top(), self.width() - theme.INSIDE - self.rows().right - 10, box.height()
        )
        if np.isnan(values).any():
            text = _NONE if self.model.valid[-1] else fitting(theme.font(11), room.width(), self.tr("not valid"), _NONE)
            draw_text(painter, room, LEFT, text, theme.font(11), look.dim)
            return
        first = int(np.argmax(values))
        word, number = emotion_word(self.model.labels[first]), f"{values[first]:.2f}"
        bold, s = theme.font(11, weight=SEMI_BOLD), theme.scale()
        if advance(bold, word) > room.width() or box.height() < 28 * s:
            draw_text(painter, room, LEFT, number, bold, look.ink)
            return
        middle = round(box.center().y())
        draw_text(painter, QRectF(room.left(), middle - 15 * s, room.width(), 15 * s), LEFT, word, bold, look.ink)
        draw_text(painter, QRectF(room.left(), middle, room.width(), 15 * s), LEFT, number, theme.font(11), look.dim)

    def _paint_lane_words(self, painter: QPainter, names: QRectF, lane: Lane, box: QRectF) -> None:
        look = theme.theme()
        arrow, font = edge_arrow(lane[1]), theme.font(12)
        line = QRectF(names.left(), box.center().y() - 8, names.width(), 16)
        draw_text(painter, line, LEFT, arrow, font, look.ink)
        left = advance(font, arrow) + 6
        draw_text(painter, line.adjusted(left, 0, 0, 0), LEFT, _SHORT[lane[0]], theme.font(11), look.dim)
        values = self.model.edge(*lane)
        y = box.bottom() - UNIFORM / lane_top(values) * box.height()
        mark = QRectF(names.left(), y - 7, names.width(), 14)
        draw_text(painter, mark, RIGHT, "1/6", theme.font(10), look.dim)
        last = float(values[-1]) if len(values) else float("nan")
        strong = last > UNIFORM + 1e-4
        text = _NONE if np.isnan(last) else f"{last:.{self._decimals(lane)}f}"
        room = QRectF(self.rows().right + 10, line.top(), 80, line.height())
        number = theme.font(11, weight=SEMI_BOLD) if strong else theme.font(11)
        draw_text(painter, room, LEFT, text, number, look.ink if strong else look.dim)

    def _word(self, painter: QPainter, names: QRectF, box: QRectF, text: str) -> None:
        line = QRectF(names.left(), box.center().y() - 8, names.width(), 16)
        draw_text(painter, line, LEFT, text, theme.font(12), theme.theme().dim)

    # Measures ----------------------------------------------------------------------------------------------------

    def _decimals(self, lane: Lane) -> int:
        """3 where the whole lane is near uniform, as beside the arrows."""
        values = self.model.edge(*lane)
        known = values[~np.isnan(values)]
        return 3 if len(known) and float(np.abs(known - UNIFORM).max()) <= 0.02 else 2

    def _arrange(self) -> Rows:
        s, lanes = theme.scale(), len(self.model.lanes)
        font, small = theme.font(12), theme.font(11)
        width, height = self.width(), self.height()
        names = max(
            advance(title_font(), self.tr("LAST {seconds:.0f} s").format(seconds=self.model.seconds)),
            advance(font, self.tr("coverage")) + 18,
            advance(font, "A→V") + 6 + advance(small, "hetero") + 8 + advance(theme.font(10), "1/6"),
        )
        numbers = max(
            (advance(theme.font(11, weight=SEMI_BOLD), emotion_word(e)) for e in self.model.labels), default=0
        )
        numbers = numbers if width > 760 else advance(small, "0.000")
        left, right = theme.INSIDE + names + 8, width - theme.INSIDE - numbers - 10
        top = QRectF(theme.INSIDE, 9, width - 2 * theme.INSIDE, 15 * s)
        foot = QRectF(left, height - 8 - 14 * s, right - left, 14 * s)
        row = max(10.0, min(14.0, height / 17)) * max(1.0, 0.8 * s)
        covered = foot.top() - 4 - 3 * row
        gap = 3.0  # a line seldom comes near the ends of its lane
        room = covered - 5 - top.bottom() - 4
        lane = max(8.0, (room - lanes * gap) / (lanes + 1.35))
        stack = QRectF(left, top.bottom() + 4, right - left, max(10.0, room - lanes * (lane + gap)))
        return Rows(
            top=top,
            stack=QRectF(stack.toRect()),
            lanes=tuple(
                QRectF(left, stack.bottom() + gap + i * (lane + gap), right - left, lane) for i in range(lanes)
            ),
            coverage=tuple(QRectF(left, covered + i * row, right - left, row) for i in range(3)),
            foot=foot,
            left=round(left),
            right=round(right),
        )

    def _readout(self, t: float) -> Readout:
        model = self.model
        ago = max(0.0, model.now - t)
        when = self.tr("−{ago:.1f} s · at {t:.1f} s").format(ago=ago, t=t)
        row = model.nearest(t)
        if row is None:
            return Readout(when, [(None, self.tr("nothing was read"))])
        lines: list[tuple[QColor | None, str]] = []
        values = model.emotions[row]
        if np.isnan(values).any():
            lines.append(
                (
                    None,
                    model.reason(row) or (self.tr("no emotion labels") if model.valid[row] else self.tr("not valid")),
                )
            )
        else:
            for i in np.argsort(-values, kind="stable")[:_READ]:
                label = model.labels[int(i)]
                lines.append((theme.emotion_colour(label), f"{emotion_word(label)} {values[i]:.2f}"))
        for graph, edge in model.lanes:
            weight = model.edge(graph, edge)[row]
            number = _NONE if np.isnan(weight) else f"{weight:.3f}"
            lines.append((theme.MODALITY[edge.teacher], f"{edge_arrow(edge)} {graph_name(graph)} {number}"))
        shares = " ".join(f"{m.value} {c:.2f}" for m, c in zip(MODALITIES, model.coverage[row], strict=True))
        return Readout(when, [*lines, (None, shares)])

    # Events ------------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        if self._rows is not None and len(self._rows.lanes) != len(self.model.lanes):
            self._rows = None
            self.updateGeometry()
        self.setAccessibleDescription(self._words())
        self.update()

    def _move(self) -> None:
        self.update()

    def _words(self) -> str:
        """The right end of the timeline for who does not see it."""
        if not len(self.model):
            return self.tr("nothing was read yet")
        readout = self._readout(float(self.model.times[-1]))
        markers = [f"{m.label} {m.t:.1f} s" for m in self.model.markers if m.t >= self.model.now - self.model.seconds]
        return "; ".join([readout.when, *(text for _, text in readout.lines), *markers])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Read what is under the mouse."""
        rows, x = self.rows(), event.position().x()
        self.point_at(self.axis().time(x) if rows.left <= x <= rows.right else None)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Read nothing."""
        super().leaveEvent(event)
        self.point_at(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Arrow keys walk the readings, Home and End go to the ends, Escape lets go."""
        times, key = self.model.times, event.key()
        if key == Qt.Key.Key_Escape and self._moment is not None:
            self.point_at(None)
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -len(times), Qt.Key.Key_End: len(times)}
        if key not in steps or not len(times):
            super().keyPressEvent(event)
            return
        first = int(np.searchsorted(times, self.model.now - self.model.seconds))
        at = len(times) if self._moment is None else int(np.searchsorted(times, self._moment - 1e-9))
        at = max(first, min(len(times) - 1, at + steps[Qt.Key(key)]))
        self.point_at(float(times[at]))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Measure anew."""
        self._rows = None
        super().resizeEvent(event)
