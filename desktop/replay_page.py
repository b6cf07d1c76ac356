"""The replay page: a recorded session as it was live, and all of its time below."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.live_page import EDGE_SPACE
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.theme import GAP
from desktop.widgets.emotion_panel import EmotionPanel
from desktop.widgets.graph_view import GraphView
from desktop.widgets.mark_banner import MarkBanner
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.replay_controls import ReplayControls, SignButton
from desktop.widgets.replay_states import ReplayStates
from desktop.widgets.replay_timeline import ReplayTimeline
from desktop.widgets.replay_transcript import ReplayTranscript
from desktop.widgets.replay_video import ReplayVideo
from dmd_runtime import Edge, Graph

_FINE, _COARSE = 1.0, 10.0  # s


class ReplayPage(QWidget):
    """Lays out and takes keys; what is shown and done is the model's.

    Signals
    -------
    why_requested
        Why does the reading say so: ``model.emotion.explanation()`` has the words.
    edge_selected(Graph, Edge)
        An edge got a row on the timeline, or lost it.
    """

    why_requested = Signal()
    edge_selected = Signal(object, object)

    def __init__(self, model: ReplayModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.setAccessibleName(self.tr("Replay"))
        self.video = ReplayVideo(model)
        self.words = ReplayTranscript(model.words)
        self.emotion = EmotionPanel(model.emotion)
        self.graphs = {graph: GraphView(model.graphs[graph]) for graph in Graph}
        self.controls = ReplayControls(model)
        self.timeline = ReplayTimeline(model.track)
        self.states = ReplayStates(model)
        self.notices = NoticeBar(model.live)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.states)
        self._stack.addWidget(self._lay_out())
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(MarkBanner(model.live))
        whole.addWidget(self.notices)
        whole.addWidget(self._stack, 1)
        self._shortcuts = {key: self._shortcut(key, action) for key, action in self._keys().items()}
        self._connect()
        self._follow_phase()

    def _lay_out(self) -> QWidget:
        left = QVBoxLayout()
        left.setSpacing(GAP)
        left.addWidget(self.video, 5)
        left.addWidget(self.controls)
        left.addWidget(self.words, 2)
        pair = QHBoxLayout()
        pair.setSpacing(GAP)
        for view in self.graphs.values():
            pair.addWidget(view)
        right = QVBoxLayout()
        right.setSpacing(GAP)
        right.addWidget(self.emotion, 10)
        right.addLayout(pair, 11)
        upper = QWidget()
        columns = QHBoxLayout(upper)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(EDGE_SPACE - 4)
        columns.addLayout(left, 57)
        columns.addLayout(right, 50)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(GAP)
        self.splitter.addWidget(upper)
        self.splitter.addWidget(self.timeline)
        self.splitter.setStretchFactor(0, 5)
        self.splitter.setStretchFactor(1, 4)
        self.splitter.setSizes([430, 252])
        page = QWidget()
        inside = QVBoxLayout(page)
        inside.setContentsMargins(EDGE_SPACE, GAP, EDGE_SPACE, GAP)
        inside.addWidget(self.splitter)
        return page

    def _connect(self) -> None:
        model = self.model
        model.live.phase_changed.connect(self._follow_phase)
        model.state_changed.connect(self._follow_state)
        self.timeline.seek_requested.connect(model.seek)
        self.timeline.scrub_requested.connect(model.scrub)
        self.words.seek_requested.connect(model.seek)
        self.emotion.why_requested.connect(self.why_requested)
        self.notices.action_requested.connect(lambda key: model.live.notice(key, None))
        for graph, view in self.graphs.items():
            view.edge_selected.connect(lambda edge, graph=graph: self._select(graph, edge))
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._follow_focus)

    # ------------------------------------------------------------------ keys

    def _keys(self) -> dict[str, Callable[[], object]]:
        model, track = self.model, self.model.track
        return {
            "Space": model.toggle,
            "Left": lambda: model.step(-1),
            "Right": lambda: model.step(1),
            "Shift+Left": lambda: model.jump(-_FINE),
            "Shift+Right": lambda: model.jump(_FINE),
            "Alt+Shift+Left": lambda: model.jump(-_COARSE),
            "Alt+Shift+Right": lambda: model.jump(_COARSE),
            "Ctrl+Left": lambda: model.go_to_marker(-1),
            "Ctrl+Right": lambda: model.go_to_marker(1),
            "+": lambda: model.change_speed(1),
            "=": lambda: model.change_speed(1),
            "-": lambda: model.change_speed(-1),
            "Home": lambda: model.seek(0.0),
            "End": lambda: model.seek(track.end),
            "Z": track.zoom_to_selection,
            "L": model.toggle_loop,
            "S": model.toggle_mute,
            "Up": lambda: track.zoom(0.5),
            "Down": lambda: track.zoom(2.0),
            "[": lambda: self._select_to(start=True),
            "]": lambda: self._select_to(start=False),
            "Escape": lambda: track.select(None),
            "PgUp": lambda: self.timeline.scroll_rows(-1.0),
            "PgDown": lambda: self.timeline.scroll_rows(1.0),
            "Ctrl+F": self.words.begin_search,
        }

    def _shortcut(self, key: str, action: Callable[[], object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(action)
        return shortcut

    def _follow_focus(self, _: QWidget | None, now: QWidget | None) -> None:
        """Keys that the widget with the keyboard needs itself are its own."""
        types, walks = isinstance(now, QLineEdit), isinstance(now, GraphView | QComboBox)
        presses = isinstance(now, SignButton | GraphView | QComboBox) or types
        for key, shortcut in self._shortcuts.items():
            mine = key in ("Space",) and presses
            mine = mine or (key in ("Left", "Right", "Up", "Down", "Home", "End") and (walks or types))
            mine = mine or (types and key not in ("Ctrl+F", "Ctrl+Left", "Ctrl+Right"))
            shortcut.setEnabled(not mine)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing that is meant for the page goes to the window."""
        super().keyPressEvent(event)

    # --------------------------------------------------------------- changes

    def _select(self, graph: Graph, edge: Edge) -> None:
        self.model.track.toggle_lane(graph, edge)
        self.edge_selected.emit(graph, edge)

    def _select_to(self, *, start: bool) -> None:
        """Let the selection begin or end at the play head."""
        track, t = self.model.track, self.model.position
        a, b = track.selection or ((t, track.end) if start else (0.0, t))
        track.select(*((t, max(t, b) if b > t else track.end) if start else (a if a < t else 0.0, t)))

    def _follow_state(self) -> None:
        transport = self.model.transport
        loops = transport is not None and transport.loop is not None
        if loops != self.timeline.loops:
            self.timeline.loops = loops
            self.timeline.update()

    def _follow_phase(self) -> None:
        running = self.model.live.phase is Phase.RUNNING
        self._stack.setCurrentIndex(1 if running else 0)
        if running:
            self.timeline.setFocus(Qt.FocusReason.OtherFocusReason)
