"""The last minute: emotions, chosen edges, coverage, and the moments that were marked."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.timeline import TimelineModel
from desktop.models.words import edge_arrow, emotion_word, graph_name
from desktop.widgets.lanes import lane_top
from desktop.widgets.painted import PaintedCard
from desktop.widgets.timeline_painting import (
    Axis,
    Readout,
    draw_coverage,
    draw_lane,
    draw_markers,
    draw_readout,
    draw_stack,
)
from desktop.widgets.timeline_words import NONE, Rows, arrange, draw_ground, draw_values
from dmd_runtime import MODALITIES

_READ: Final = 3
"""Emotions in the readout."""


class Ground(NamedTuple):
    """What stands still; good as long as ``key`` is the same."""

    key: tuple[object, ...]
    picture: QPixmap


class Plot(NamedTuple):
    """What moves, drawn when ``now`` was the right edge; good as long as ``key`` is the same."""

    key: tuple[object, ...]
    picture: QPixmap
    now: float


def _blank(size: QSize, ratio: float) -> QPixmap:
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    return picture


class TimelineView(PaintedCard):
    """Time runs to the right edge; nothing is smoothed, and nothing is drawn where nothing was read.

    What is drawn stays in a picture until readings, size or look change, and as time passes it is only shifted. The
    mouse, or the arrow keys where the card has the focus, read a moment.

    Attributes
    ----------
    moment : session time that is read, or None.
    """

    def __init__(self, model: TimelineModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self._rows: Rows | None = None
        self._ground: Ground | None = None
        self._plot: Plot | None = None
        self._labels = model.labels
        self.moment: float | None = None
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
        return QSize(420, 78 + 11 * len(self.model.lanes)) * max(1.0, theme.scale())

    def point_at(self, t: float | None) -> None:
        """Read the moment ``t`` of session time, as the mouse does."""
        self.moment = t
        self.update()

    def axis(self) -> Axis:
        """Where session time lies now."""
        rows = self.rows()
        return Axis(rows.left, rows.right, self.model.now, self.model.seconds, self.devicePixelRatioF())

    def rows(self) -> Rows:
        """Where everything stands at the present size."""
        if self._rows is None:
            self._rows = arrange(self.size(), self.model)
        return self._rows

    # What is on screen -------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """The ground and the plot from their pictures, the plot shifted by the time since; values, moment."""
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        rows, axis, plot = self.rows(), self.axis(), self._drawn_plot(ratio)
        painter.drawPixmap(QPointF(0, 0), self._drawn_ground(ratio))
        passed = round((axis.at(self.model.now) - axis.at(plot.now)) * ratio) / ratio
        painter.setClipRect(QRectF(rows.left, 0, rows.right - rows.left, self.height()))
        painter.drawPixmap(QPointF(rows.left - passed, 0), plot.picture)
        painter.setClipping(False)
        draw_values(painter, rows, self.model)
        if self.moment is not None and len(self.model):
            area = QRectF(rows.left, rows.top.top(), rows.right - rows.left, rows.foot.bottom() - rows.top.top())
            draw_readout(painter, axis.at(self.moment), area, self._readout(self.moment))

    def restyle(self) -> None:
        """Measure and draw anew."""
        self._rows = self._ground = self._plot = None

    def _drawn_ground(self, ratio: float) -> QPixmap:
        lanes = tuple((lane, lane_top(self.model.edge(*lane))) for lane in self.model.lanes)
        key = (self.size(), ratio, theme.theme(), theme.scale(), lanes)
        if self._ground is None or self._ground.key != key:
            picture = _blank(self.size(), ratio)
            painter = QPainter(picture)
            draw_ground(painter, self.rows(), self.model)
            painter.end()
            self._ground = Ground(key, picture)
        return self._ground.picture

    def _drawn_plot(self, ratio: float) -> Plot:
        key = (self.model.revision, self.size(), ratio, theme.theme(), theme.scale())
        if self._plot is None or self._plot.key != key:
            rows, model = self.rows(), self.model
            axis = Axis(rows.left, rows.right, model.now, model.seconds, ratio)
            picture = _blank(QSize(round(rows.right - rows.left), self.height()), ratio)
            painter = QPainter(picture)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.translate(-rows.left, 0)
            draw_stack(painter, rows.stack, axis, model)
            for lane, box in zip(model.lanes, rows.lanes, strict=True):
                draw_lane(painter, box, axis, model, lane)
            draw_coverage(painter, rows.coverage, axis, model)
            line = QRectF(rows.left, rows.top.top(), rows.right - rows.left, rows.top.height())
            draw_markers(painter, line, rows.coverage[-1].bottom(), axis, model.markers)
            painter.end()
            self._plot = Plot(key, picture, model.now)
        return self._plot

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
            other = self.tr("no emotion labels") if model.valid[row] else self.tr("not valid")
            lines.append((None, model.reason(row) or other))
        else:
            for i in np.argsort(-values, kind="stable")[:_READ]:
                label = model.labels[int(i)]
                lines.append((theme.emotion_colour(label), f"{emotion_word(label)} {values[i]:.2f}"))
        for graph, edge in model.lanes:
            weight = model.edge(graph, edge)[row]
            number = NONE if np.isnan(weight) else f"{weight:.3f}"
            lines.append((theme.MODALITY[edge.teacher], f"{edge_arrow(edge)} {graph_name(graph)} {number}"))
        shares = " ".join(f"{m.value} {c:.2f}" for m, c in zip(MODALITIES, model.coverage[row], strict=True))
        return Readout(when, [*lines, (None, shares)])

    # Events ------------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        if self._rows is not None and len(self._rows.lanes) != len(self.model.lanes):
            self._rows = None
            self.updateGeometry()
        if self._labels != self.model.labels:
            self._labels, self._rows, self._ground = self.model.labels, None, None
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
        if key == Qt.Key.Key_Escape and self.moment is not None:
            self.point_at(None)
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -len(times), Qt.Key.Key_End: len(times)}
        if key not in steps or not len(times):
            super().keyPressEvent(event)
            return
        first = int(np.searchsorted(times, self.model.now - self.model.seconds))
        at = len(times) if self.moment is None else int(np.searchsorted(times, self.moment - 1e-9))
        at = max(first, min(len(times) - 1, at + steps[Qt.Key(key)]))
        self.point_at(float(times[at]))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Measure anew."""
        self._rows = None
        super().resizeEvent(event)
