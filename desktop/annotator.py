"""Annotating what runs: the panel beside the live page, and how its marks reach the timeline and the recording."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop import theme
from desktop.live_session import LiveSession
from desktop.marker_set_dialog import MarkerSetDialog
from desktop.models.annotating import AnnotatingModel
from desktop.models.live import LiveModel
from desktop.models.timeline import TimelineModel
from desktop.settings import SettingsStore
from desktop.widgets.marker_palette import MarkerPalette
from desktop.widgets.trace_pad import TracePad
from dmd_runtime import DMDError, MarkerSetStore, Session

_WIDTHS = 300, 360  # pixels, least and most
_LOOK_MS = 250


class AnnotatingPanel(QWidget):
    """The palette, and the pad below it."""

    def __init__(self, model: AnnotatingModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.palette_ = MarkerPalette(model)
        self.pad = TracePad(model)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GAP)
        column.addWidget(self.palette_, 3)
        column.addWidget(self.pad, 2)
        self.setMinimumWidth(_WIDTHS[0])
        self.setMaximumWidth(_WIDTHS[1])


class Annotator(QObject):
    """Lets marks follow the session that runs; touched by the window's thread only.

    Marks are shown on the timeline, and kept where the session is recorded. They end with the session, or with a
    recording that ends before it.
    """

    def __init__(
        self, model: AnnotatingModel, sessions: LiveSession, store: SettingsStore, sets: MarkerSetStore, window: QWidget
    ) -> None:
        super().__init__(window)
        self._model = model
        self._sessions = sessions
        self._store = store
        self._sets = sets
        self._window = window
        self._watch = QTimer(self)
        self._watch.setInterval(_LOOK_MS)
        self._watch.timeout.connect(self._look)
        model.set_sets(sets.sets)
        model.choose(store.now.marker_set)
        sessions.started.connect(self._begin)
        sessions.saving.connect(self._finish)
        sessions.ended.connect(self._finish)

    def show_in(self, timeline: TimelineModel, live: LiveModel, panel: AnnotatingPanel) -> None:
        """Draw marks on ``timeline``, tell problems to ``live``, and follow what is asked on ``panel``."""

        def draw() -> None:
            timeline.markers = self._model.markers

        self._model.changed.connect(draw)
        self._model.failed.connect(lambda text: live.notice("marks", text, action=self.tr("Close")))
        panel.palette_.edit_requested.connect(lambda: self._edit(live))
        panel.palette_.set_chosen.connect(lambda name: self._store.update(marker_set=name))
        if self._sets.problem:
            live.notice("marks", self._sets.problem, action=self.tr("Close"))

    def _begin(self, session: Session) -> None:
        self._model.by = self._store.now.recorded_by or "user"
        self._model.attach(session.clock.now, self._sessions.recording)
        if self._sessions.recording is not None:
            self._watch.start()

    def _look(self) -> None:
        recording = self._sessions.recording
        if recording is not None and recording.ended:
            self._watch.stop()
            self._model.end(recording.ended)

    def _finish(self, session: Session) -> None:
        """What runs ends with the last picture or sample; since then there was only waiting for what was inside."""
        self._watch.stop()
        self._model.finish(session.counts.media_end)

    def _edit(self, live: LiveModel) -> None:
        dialog = MarkerSetDialog(self._sets.sets, self._model.chosen.name, self._window)
        if dialog.exec():
            try:
                self._sets.replace(dialog.sets)
            except DMDError as error:
                live.notice("marks", str(error), action=self.tr("Close"))
            self._model.set_sets(self._sets.sets)
            self._model.choose(dialog.chosen)
        dialog.deleteLater()
