"""Pictures of the painted cards in many states, to be looked at: ``python -m tests.desktop.gallery OUT_DIR``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from desktop import theme
from desktop.models.emotion import EmotionModel
from desktop.models.graph import GraphModel
from desktop.models.timeline import TimelineModel
from desktop.widgets.emotion_panel import EmotionPanel
from desktop.widgets.graph_view import GraphView
from desktop.widgets.timeline_view import TimelineView
from dmd_runtime import Edge, Graph, Modality
from tests.desktop.readings import STATES

Make = Callable[[str], QWidget]
SIZES: Mapping[str, tuple[QSize, ...]] = {
    "graph": (QSize(200, 190), QSize(280, 256), QSize(460, 420)),
    "emotion": (QSize(380, 200), QSize(572, 236), QSize(860, 330)),
    "timeline": (QSize(620, 150), QSize(1240, 180), QSize(1880, 240)),
}
GAP = 12


def graph(state: str, which: Graph = Graph.HOMOGENEOUS) -> GraphView:
    """A graph view after the readings of a state."""
    model = GraphModel(which)
    for reading in STATES[state]():
        model.take(reading)
    return GraphView(model)


def emotion(state: str) -> EmotionPanel:
    """An emotion panel after the readings of a state."""
    model = EmotionModel()
    for reading in STATES[state]():
        model.take(reading)
    return EmotionPanel(model)


def timeline(state: str) -> TimelineView:
    """A timeline after the readings of a state."""
    model = TimelineModel()
    for reading in STATES[state]():
        model.take(reading)
    if len(model):
        model.mark(model.now - 42.2, "question 1")
        model.mark(model.now - 16.6, "smile", "#C0392B")
        model.mark(model.now - 1.5, "a long note at the very end")
    return TimelineView(model)


def shot(widget: QWidget, size: QSize, ratio: float) -> QPixmap:
    """A widget's picture at a pixel ratio."""
    widget.resize(size)
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    widget.render(picture, QPoint(), renderFlags=QWidget.RenderFlag.DrawChildren)
    return picture


def sheet(pictures: list[QPixmap], columns: int, ratio: float) -> QPixmap:
    """Pictures side by side on the background."""
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    size = [[p.deviceIndependentSize().toSize() for p in row] for row in rows]
    width = max(sum(s.width() + GAP for s in row) for row in size) + GAP
    height = sum(max(s.height() for s in row) + GAP for row in size) + GAP
    out = QPixmap(QSize(width, height) * ratio)
    out.setDevicePixelRatio(ratio)
    out.fill(theme.theme().background)
    painter = QPainter(out)
    y = GAP
    for row, sizes in zip(rows, size, strict=True):
        x = GAP
        for picture, s in zip(row, sizes, strict=True):
            painter.drawPixmap(x, y, picture)
            x += s.width() + GAP
        y += max(s.height() for s in sizes) + GAP
    painter.end()
    return out


def page(ratio: float) -> QPixmap:
    """The right half and the foot of the drawing, each card where the drawing has it."""
    out = QPixmap(QSize(1280, 800) * ratio)
    out.setDevicePixelRatio(ratio)
    out.fill(theme.theme().background)
    painter = QPainter(out)
    painter.drawPixmap(688, 68, shot(emotion("story"), QSize(572, 236), ratio))
    painter.drawPixmap(688, 316, shot(graph("story"), QSize(280, 256), ratio))
    painter.drawPixmap(980, 316, shot(graph("story", Graph.HETEROGENEOUS), QSize(280, 256), ratio))
    painter.drawPixmap(20, 584, shot(timeline("story"), QSize(1240, 178), ratio))
    painter.end()
    return out


def hovered(ratio: float) -> QPixmap:
    """Every popover, small and as drawn, and the crosshair of the timeline."""
    pictures = []
    for size in SIZES["graph"][:2]:
        for edge in (Edge(Modality.LANGUAGE, Modality.VISUAL), Edge(Modality.VISUAL, Modality.ACOUSTIC)):
            view = graph("story")
            view.resize(size)
            view.point_at(edge)
            pictures.append(shot(view, size, ratio))
    for share in (0.3, 0.97):
        line = timeline("story")
        line.resize(SIZES["timeline"][1])
        line.point_at(line.model.now - 60 + share * 60)
        pictures.append(shot(line, SIZES["timeline"][1], ratio))
    return sheet(pictures, 4, ratio)


def main(out: Path) -> None:
    """Write all pictures to ``out``."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.load_fonts()
    out.mkdir(parents=True, exist_ok=True)
    makers: Mapping[str, Make] = {"graph": graph, "emotion": emotion, "timeline": timeline}
    for look in ("dark", "light"):
        theme.apply_theme(app, look)
        for kind, make in makers.items():
            for i, size in enumerate(SIZES[kind]):
                for ratio in (1.0, 2.0):
                    states = [s for s in STATES if ratio == 1.0 or s in ("story", "near uniform", "prior", "no face")]
                    pictures = [shot(make(state), size, ratio) for state in states]
                    columns = max(1, 1600 // (size.width() + GAP))
                    sheet(pictures, columns, ratio).save(str(out / f"{kind}-{i}-{look}@{ratio:.0f}.png"))
        for ratio in (1.0, 2.0):
            page(ratio).save(str(out / f"page-{look}@{ratio:.0f}.png"))
            hovered(ratio).save(str(out / f"hover-{look}@{ratio:.0f}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
