"""The live page: the person and their words on the left, what the model says on the right."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop.theme import GAP
from desktop.view_models import ViewModels
from desktop.widgets.emotion_panel import EmotionPanel
from desktop.widgets.graph_view import GraphView
from desktop.widgets.transcript_view import TranscriptView
from desktop.widgets.video_view import VideoView
from dmd_runtime import Edge, Graph

EDGE_SPACE = 20
"""Pixels between the window's edge and the cards."""


class LivePage(QWidget):
    """Lays out; knows nothing else.

    Signals
    -------
    why_requested, help_requested
    edge_selected(Graph, Edge)
    """

    why_requested = Signal()
    help_requested = Signal()
    edge_selected = Signal(object, object)

    def __init__(self, models: ViewModels, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.video = VideoView(models.live)
        self.words = TranscriptView(models.transcript)
        self.emotion = EmotionPanel(models.emotion)
        self.graphs = {graph: GraphView(models.graphs[graph]) for graph in Graph}
        self.words.setMinimumHeight(92)
        self.words.setMaximumHeight(150)

        left = QVBoxLayout()
        left.setSpacing(GAP)
        left.addWidget(self.video, 4)
        left.addWidget(self.words, 1)
        pair = QHBoxLayout()
        pair.setSpacing(GAP)
        for view in self.graphs.values():
            pair.addWidget(view)
        right = QVBoxLayout()
        right.setSpacing(GAP)
        right.addWidget(self.emotion, 10)
        right.addLayout(pair, 11)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(EDGE_SPACE, GAP, EDGE_SPACE, 0)
        whole.setSpacing(EDGE_SPACE - 4)
        whole.addLayout(left, 57)
        whole.addLayout(right, 50)

        self.emotion.why_requested.connect(self.why_requested)
        self.words.help_requested.connect(self.help_requested)
        for graph, view in self.graphs.items():
            view.edge_selected.connect(lambda edge, graph=graph: self._select(graph, edge))

    def _select(self, graph: Graph, edge: Edge) -> None:
        self.edge_selected.emit(graph, edge)
