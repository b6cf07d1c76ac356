"""One session at a time in the replay page: opens a folder, plays it, keeps the model told. No widgets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

import dmd_runtime
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.replay.loading import SessionLoader, Table, Words
from desktop.replay.player import Player
from desktop.replay.sound import OpenOutput, open_output
from dmd_runtime import Annotations, Modality, RecordedFaces, RecordedSession

if TYPE_CHECKING:  # loads FFmpeg's libraries: not before a session is opened
    from dmd_runtime import MediaTimeline, Medium

logger = logging.getLogger(__name__)

_SETTLE_MS = 120  # without another wish, after which the graphs' history is filled in
_WAIT_MS = 8000


class ReplaySession(QObject):
    """Opens session folders for a :class:`ReplayModel`; lives on the window's thread.

    Signals
    -------
    opened(Path)
        Its readings and words are there.
    failed(str)
    """

    opened = Signal(object)
    failed = Signal(str)

    def __init__(self, model: ReplayModel, *, output: OpenOutput = open_output, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.player: Player | None = None
        self._output = output
        self._loaders: list[SessionLoader] = []
        self._now: SessionLoader | None = None
        self._end = 0.0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(model.settle)
        model.analysis_requested.connect(self._choose_analysis)
        model.retry_requested.connect(self._again)
        model.track.selection_changed.connect(model.note_selection)

    def open(self, folder: Path) -> None:
        """Show a session instead of any other; returns at once."""
        self.model.leaving.emit()
        self._stop()
        self.model.begin(folder)
        self._end = 0.0
        self._load(folder)

    def close(self) -> None:
        """Show nothing, and end every thread. Idempotent; bounded."""
        self.model.leaving.emit()
        self._stop()
        for loader in self._loaders:
            if not loader.wait(_WAIT_MS):
                logger.error("the reader of %s would not end", loader.folder)
        self._loaders = [loader for loader in self._loaders if loader.isRunning()]
        self.model.reset()

    def show_analysis(self, folder: Path, name: str) -> bool:
        """Offer and show an analysis that has just been made; False where its session is not open (any more)."""
        if folder != self.model.folder or self.model.live.phase is not Phase.RUNNING:
            return False
        self.model.set_analyses(tuple(dict.fromkeys(("", *self.model.analyses, name))))
        self._choose_analysis(name)
        return True

    # ----------------------------------------------------------------- parts

    def _stop(self) -> None:
        self._settle.stop()
        if self._now is not None:
            self._now.abandon()
            self._now = None
        if self.player is not None:
            self.model.transport = None
            self.player.close()
            self.player.deleteLater()
            self.player = None

    def _load(self, folder: Path, analysis: str = "", *, only_tables: bool = False) -> None:
        loader = SessionLoader(
            folder,
            analysis=analysis,
            only_tables=only_tables,
            analyses=analysis_names,
            open_analysis=open_analysis,
        )
        self._now = loader
        self._loaders.append(loader)
        loader.begun.connect(self._begin)
        loader.found.connect(self._take)
        loader.problem.connect(self._note)
        loader.failed.connect(self._fail)
        loader.finished.connect(self._search)
        loader.finished.connect(self._forget_loaders)
        loader.start()

    def _search(self) -> None:
        if self.player is not None and self._is_current():
            self.player.search()

    def _forget_loaders(self) -> None:
        self._loaders = [loader for loader in self._loaders if not loader.isFinished()]

    def _is_current(self) -> bool:
        """Whether the loader that speaks is the one that is waited for."""
        return self._now is not None and self.sender() is self._now

    def _begin(self, session: RecordedSession, medium: Medium | None, analyses: tuple[str, ...]) -> None:
        if not self._is_current():
            return
        model = self.model
        model.set_session(session, ("", *analyses))
        self._end = _said_end(session)
        player = self.player = Player(medium, self._end, output=self._output, searches=False, parent=self)
        player.picture.connect(model.take_frame)
        player.moved.connect(self._move)
        player.changed.connect(model.state_changed)
        player.opened.connect(self._know_medium)
        player.trouble.connect(self._tell_trouble)
        model.transport = player
        self._grow(self._end)
        if medium is None:
            named = (session.manifest.get("media") or {}).get("path")
            text = self.tr("moved or deleted: {0}").format(named) if named else self.tr("no film was kept")
            model.no_film = self.tr("There is no film that could be read: {0}").format(text)
            model.live.set_absent({Modality.VISUAL: text})
        if session.state == "recording":
            model.no_film = self.tr("This recording was not finished: recover it first.")
            model.live.notice("unfinished", self.tr("This recording was not finished: it may be incomplete."))
        model.live.notice("facts", model.facts.notice or None, action=self.tr("Close"))
        model.state_changed.emit()

    def _take(self, part: object) -> None:
        if not self._is_current():
            return
        model = self.model
        if isinstance(part, Words):
            model.words.set_text(part.text, "" if len(part.text) else self.tr("no words were recorded"))
            model.track.set_spoken(part.spoken)
            self._grow(part.spoken.ends.max() if len(part.text) else 0.0)
        elif isinstance(part, Table):
            model.live.notice("table", None if len(part.readings) else self.tr("No readings were recorded."))
            model.set_readings(part.readings, part.series, part.provenance, part.analysis)
            self._grow(part.readings.t1[-1] if len(part.readings) else 0.0)
            self._search()  # not before: two cores have enough to do
            if model.folder is not None:
                self.opened.emit(model.folder)
        elif isinstance(part, Annotations):
            model.set_annotations(part)
        elif isinstance(part, RecordedFaces):
            model.set_faces(part)

    def _note(self, key: str, text: str) -> None:
        if self._is_current():
            self.model.live.notice(key, text, action=self.tr("Close"))

    def _fail(self, problem: str) -> None:
        if not self._is_current():
            return
        if self.model.live.phase is Phase.RUNNING:
            self.model.live.notice("table", problem, action=self.tr("Close"))
            return
        self._now = None
        self.model.fail(problem)
        self.failed.emit(problem)

    def _grow(self, end: float) -> None:
        """The session reaches to ``end`` at least."""
        self._end = max(self._end, float(end))
        if self.player is not None and self.player.end < self._end:
            self.player.set_end(self._end)
        self.model.set_end(max(self._end, self.player.end if self.player is not None else 0.0))

    def _know_medium(self, timeline: MediaTimeline) -> None:
        self._grow(timeline.end)
        absent = {}
        if not len(timeline):
            absent[Modality.VISUAL] = self.tr("sound only: this session has no pictures")
        if not timeline.has_sound:
            absent[Modality.ACOUSTIC] = self.tr("no sound was recorded")
        self.model.live.set_absent(absent)

    def _tell_trouble(self, key: str, text: str) -> None:
        if key == "pictures":
            self.model.live.set_absent({Modality.VISUAL: text})
            return
        notice = self.tr("Played without sound: {0}").format(text) if text else None
        self.model.live.notice("sound", notice, action=self.tr("Close"))

    def _move(self, t: float) -> None:
        self.model.move(t)
        if self.player is not None and not self.player.clock.runs:
            self._settle.start()

    def _choose_analysis(self, name: str) -> None:
        folder = self.model.folder
        if folder is not None and self.model.live.phase is Phase.RUNNING and name != self.model.analysis:
            self._load(folder, name, only_tables=True)

    def _again(self) -> None:
        if self.model.folder is not None:
            self.open(self.model.folder)


def analysis_names(folder: Path) -> tuple[str, ...]:
    """Names of the analyses of a session folder."""
    if not (
        folder / "derived" / "analyses"
    ).is_dir():  # spares a session that has none the time to load what reads them
        return ()
    return tuple(one.name for one in dmd_runtime.analyses(folder))


def open_analysis(folder: Path, name: str) -> RecordedSession:
    """A session with the tables of one of its analyses."""
    return dmd_runtime.open_analysis(folder, name)


def _said_end(session: RecordedSession) -> float:
    """Where the manifest says that the session ends; 0 where it does not."""
    counts = session.manifest.get("counts")
    said = counts.get("media_end_s") if isinstance(counts, dict) else None
    return float(said) if isinstance(said, int | float) else 0.0
