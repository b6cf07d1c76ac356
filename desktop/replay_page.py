"""The replay page: a recorded session as it was live, and all of its time below."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.compare_dialog import CompareDialog
from desktop.editing_panel import EditingPanel
from desktop.live_page import EDGE_SPACE
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.replay.editing import KEPT, UNSAVED, ReplayEditing
from desktop.theme import GAP
from desktop.widgets.emotion_panel import EmotionPanel
from desktop.widgets.graph_view import GraphView
from desktop.widgets.mark_banner import MarkBanner
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.replay_controls import ReplayControls
from desktop.widgets.replay_states import ReplayStates
from desktop.widgets.replay_timeline import ReplayTimeline
from desktop.widgets.replay_transcript import ReplayTranscript
from desktop.widgets.replay_video import ReplayVideo
from desktop.widgets.trace_pad import TracePad
from dmd_runtime import Edge, Graph

_FINE, _COARSE = 1.0, 10.0  # s
_COMPACT, _LEAST_TIMELINE = 560, 58  # px, of 1.0 text
_WALKING = ("Left", "Right", "Up", "Down", "Home", "End")


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
        self.editing = ReplayEditing(model, self)
        self.panel = EditingPanel(self.editing, self.timeline)
        self.comparing: CompareDialog | None = None
        self.states = ReplayStates(model)
        self.banner, self.notices = MarkBanner(model.live), NoticeBar(model.live)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.states)
        self._stack.addWidget(self._lay_out())
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        for above in (self.banner, self.notices):
            whole.addWidget(above)
        whole.addWidget(self._stack, 1)
        self._shortcuts = {key: self._shortcut(key, action) for key, action in self._keys().items()}
        self._only_editing = frozenset(self._editing_keys())
        self._connect()
        self._share_keys()
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
        beside = QWidget()
        right = QVBoxLayout(beside)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(GAP)
        right.addWidget(self.emotion, 10)
        right.addLayout(pair, 11)
        self._beside = QStackedWidget()
        self._beside.addWidget(beside)
        self._beside.addWidget(self.panel)
        upper = QWidget()
        columns = QHBoxLayout(upper)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(EDGE_SPACE - 4)
        columns.addLayout(left, 57)
        columns.addWidget(self._beside, 50)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(upper)
        self.splitter.addWidget(self.timeline)
        self.splitter.setStretchFactor(0, 5)
        self.splitter.setStretchFactor(1, 4)
        self.splitter.setSizes([430, 252])
        page = QWidget()
        self._inside = QVBoxLayout(page)
        self._inside.addWidget(self.splitter)
        self._beside_rows = right
        self._room = QScrollArea()  # for many notices above, or large text: what does not fit is scrolled to, not cut
        self._room.setWidgetResizable(True)
        self._room.setFrameShape(QFrame.Shape.NoFrame)
        self._room.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._room.setWidget(page)
        for ground in (page, self._room.viewport()):
            ground.setAutoFillBackground(False)
        return self._room

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Spare what can be spared where there is little room."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        above = sum(bar.sizeHint().height() for bar in (self.banner, self.notices) if bar.isVisibleTo(self))
        compact = self.height() - above < _COMPACT * theme.scale()
        space = GAP // 3 if compact else GAP
        self._inside.setContentsMargins(EDGE_SPACE, space, EDGE_SPACE, space)
        self._beside_rows.setSpacing(space)
        self.splitter.setHandleWidth(space)
        self.timeline.setMinimumHeight(round(_LEAST_TIMELINE * theme.scale()) if compact else 0)

    def _connect(self) -> None:
        model = self.model
        model.live.phase_changed.connect(self._follow_phase)
        model.live.notices_changed.connect(self._fit)
        model.live.source_changed.connect(self._fit)
        model.state_changed.connect(self._follow_state)
        model.drag_changed.connect(self._follow_drag)
        self.timeline.seek_requested.connect(model.seek)
        self.timeline.scrub_requested.connect(model.scrub)
        self.words.seek_requested.connect(model.seek)
        self.emotion.why_requested.connect(self.why_requested)
        self.notices.action_requested.connect(self._help)
        self.controls.edit.clicked.connect(self.editing.toggle)
        self.editing.changed.connect(self._follow_editing)
        self.editing.edits.marks.changed.connect(self._share_keys)
        self.panel.tiers.compare_wanted.connect(self.compare)
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
            "E": self.editing.toggle,
            "K": self.compare,
            **self._editing_keys(),
        }

    def _editing_keys(self) -> dict[str, Callable[[], object]]:
        edits, panel = self.editing.edits, self.panel
        return {
            "Ctrl+Z": edits.undo,
            "Ctrl+Shift+Z": edits.redo,
            "Ctrl+Y": edits.redo,
            "Del": edits.remove_selected,
            "F2": panel.ask_item,
            "Ins": panel.ask_new_item,
            ",": lambda: edits.select(-1),
            ".": lambda: edits.select(1),
        }

    def _shortcut(self, key: str, action: Callable[[], object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(action)
        return shortcut

    def _follow_focus(self, old: QWidget | None, now: QWidget | None) -> None:
        """Keys that the widget with the keyboard needs itself are its own."""
        if now is None and old is self.panel.palette_.note and self.isActiveWindow():  # it gave the keys back
            self.timeline.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        self._share_keys()

    def _share_keys(self) -> None:
        """Enable what has a meaning now; the keys of markers go before the page's."""
        now, editing = QApplication.focusWidget(), self.editing.is_on
        types, walks = isinstance(now, QLineEdit), isinstance(now, GraphView | QComboBox | QListWidget)
        presses = isinstance(now, QAbstractButton | GraphView | QComboBox) or types
        draws = isinstance(now, TracePad)
        marks = {label.key for label in self.editing.edits.marks.chosen.labels} if editing else set[str]()
        for key, shortcut in self._shortcuts.items():
            theirs = key in ("Space",) and presses
            theirs = theirs or (key in _WALKING and (walks or types or draws))
            theirs = theirs or (types and key not in ("Ctrl+F", "Ctrl+Left", "Ctrl+Right"))
            theirs = theirs or (draws and key in ("Space", "Escape", "Shift+Left", "Shift+Right"))
            shortcut.setEnabled(not theirs and key not in marks and (editing or key not in self._only_editing))

    def event(self, event: QEvent) -> bool:
        """While somebody edits, M is a marker of this session, not of the live one."""
        if event.type() is QEvent.Type.ShortcutOverride and _is_marker(event) and self.editing.is_on:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Set a marker; nothing that is meant for the page goes to the window."""
        if _is_marker(event) and self.editing.is_on:
            self.editing.edits.marks.moment()
            return
        super().keyPressEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Whoever goes elsewhere finds there what was edited here."""
        super().hideEvent(event)
        self.editing.flush()

    # ------------------------------------------------------------ annotating

    def compare(self) -> None:
        """Ask who is to be compared, and show how far they agree."""
        model = self.model
        if model.live.phase is not Phase.RUNNING:
            return
        dialog = CompareDialog(
            self.editing.edits.annotations, model.readings, analysis=model.analysis, parent=self.window()
        )
        self.comparing = dialog
        dialog.finished.connect(self._end_comparing)
        dialog.open()

    def _end_comparing(self) -> None:
        if self.comparing is not None:
            self.comparing.deleteLater()
            self.comparing = None

    def _follow_editing(self) -> None:
        editing = self.editing.is_on
        self._beside.setCurrentIndex(1 if editing else 0)
        self.controls.edit.show_sign("pencil", active=editing)
        self.controls.edit.describe(self.tr("End annotating  (E)") if editing else self.tr("Annotate  (E)"))
        self._share_keys()
        self.timeline.setFocus(Qt.FocusReason.OtherFocusReason)

    def _help(self, key: str) -> None:
        if key == UNSAVED:
            self.editing.save()
        elif key == KEPT:
            self.editing.restore()
        else:
            self.model.live.notice(key, None)

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

    def _follow_drag(self) -> None:
        for glide in (self.emotion.glide, *(view.glide for view in self.graphs.values())):
            glide.is_still = self.model.is_dragged

    def _follow_phase(self) -> None:
        running = self.model.live.phase is Phase.RUNNING
        self._stack.setCurrentIndex(1 if running else 0)
        if running:
            self.timeline.setFocus(Qt.FocusReason.OtherFocusReason)


def _is_marker(event: QEvent) -> bool:
    return (
        isinstance(event, QKeyEvent)
        and event.key() == Qt.Key.Key_M
        and event.modifiers() == Qt.KeyboardModifier.NoModifier
    )
