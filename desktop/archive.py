"""The places of what was recorded: the library and the replay, made when they are first gone to."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices

import dmd_runtime
from desktop.actions import Actions
from desktop.export_dialog import ExportDialog
from desktop.exporting import Exporting, ExportProgress, done_text, session_name
from desktop.loaded_models import ModelChoice
from desktop.main_window import MainWindow
from desktop.models.live import Phase
from desktop.models.worker import Worker
from desktop.reanalysis_dialog import ReanalysisDialog, speech_models_here
from desktop.recovering import Recovering, recovered_text, unfinished_text
from desktop.settings import SettingsStore
from dmd_runtime import DMDError, Recovery, analyses, open_session

if TYPE_CHECKING:  # they load what reads films, which the first start need not wait for
    from desktop.library_page import LibraryPage
    from desktop.models.library import LibraryModel
    from desktop.models.replay import ReplayModel
    from desktop.replay.session import ReplaySession
    from desktop.replay_page import ReplayPage

_PATIENCE = 5.0  # s for a look at a slow disk, when the window closes


class Archive(QObject):
    """Goes between the live page, the library and the replay; touched by the window's thread only.

    What is made of sessions (exports, reports, recoveries) is made beside the window, and told by its notices.

    Parameters
    ----------
    window : MainWindow
    actions : Actions
    store : SettingsStore
    models : () -> ModelChoice
        The choice of models in force, which a re-analysis is offered first.

    Signals
    -------
    record_requested
    """

    record_requested = Signal()
    _asked = Signal(object, object, str)
    _speech_found = Signal(object)

    def __init__(
        self,
        window: MainWindow,
        actions: Actions,
        store: SettingsStore,
        models: Callable[[], ModelChoice],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._actions = actions
        self._store = store
        self._models = models
        self._library: LibraryPage | None = None
        self._replay: ReplayPage | None = None
        self._session: ReplaySession | None = None
        self._start = 0.0
        self._kept: Path | None = None
        self._looking = Worker("dmd-export-look")
        self._reanalysing: ReanalysisDialog | None = None
        self.exporting = Exporting(self)
        self.recovering = Recovering(self)
        window.add_progress(ExportProgress(self.exporting))
        window.add_progress(ExportProgress(self.recovering, self.tr("Recovering")))
        self._connect()
        actions.live.triggered.connect(self.show_live)
        actions.sessions.triggered.connect(self.show_library)
        actions.reanalyse.triggered.connect(self.reanalyse)

    def _connect(self) -> None:
        live, exporting, recovering = self._window.models.live, self.exporting, self.recovering
        close = self.tr("Close")

        def exported(paths: Sequence[Path], folder: Path) -> None:
            live.notice("exported", done_text(paths, folder), action=close, good=True)
            self.note_changed([folder])

        def recovered(done: Sequence[Recovery]) -> None:
            live.notice("recovered", recovered_text(done), action=close, good=True)
            self.note_changed([recovery.folder for recovery in done])

        exporting.done.connect(exported)
        exporting.remarked.connect(lambda text: live.notice("remarked", text, action=close))
        exporting.reanalysed.connect(self._take_analysis)
        exporting.reported.connect(lambda path: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))))
        recovering.found.connect(lambda _: self._offer_recovery())
        recovering.recovered.connect(recovered)
        for work in (exporting, recovering):
            work.failed.connect(lambda text: live.notice("not made", text, action=close))
        self._window.notices.action_requested.connect(self._help)
        self._asked.connect(self._ask_formats, Qt.ConnectionType.QueuedConnection)
        self._speech_found.connect(self._offer_speech, Qt.ConnectionType.QueuedConnection)

    def _offer_recovery(self) -> None:
        """Offer it here; the library does so itself."""
        text = unfinished_text(self.recovering.unfinished) if self._window.is_live else ""
        self._window.models.live.notice("unfinished", text or None, action=self.tr("Recover"))

    def look_for_unfinished(self) -> None:
        """See whether a recording was cut off, and offer to recover it."""
        self.recovering.look(self._store.now.sessions_folder)

    @property
    def library(self) -> LibraryPage:
        """The list of sessions."""
        if self._library is None:
            page_module: Any = importlib.import_module("desktop.library_page")
            model_module: Any = importlib.import_module("desktop.models.library")
            model: LibraryModel = model_module.LibraryModel(self._store.now.sessions_folder, parent=self)
            page: LibraryPage = page_module.LibraryPage(model)
            page.open_requested.connect(self.open)
            page.export_requested.connect(self.export)
            page.report_requested.connect(self.exporting.report)
            page.recover_requested.connect(self.recovering.recover)
            page.record_requested.connect(self.record_requested)
            page.root_chosen.connect(lambda root: self._store.update(session_root=str(root)))
            model.deleted.connect(self._forget)
            self._library = page
        return self._library

    @property
    def replay(self) -> ReplayPage:
        """The session that is looked at."""
        if self._replay is None:
            page_module: Any = importlib.import_module("desktop.replay_page")
            model_module: Any = importlib.import_module("desktop.models.replay")
            session_module: Any = importlib.import_module("desktop.replay.session")
            model: ReplayModel = model_module.ReplayModel(self)
            self._session = session_module.ReplaySession(model, parent=self)
            self._session.opened.connect(self._seek)
            model.choose_requested.connect(self.show_library)
            model.reanalysis_requested.connect(self.reanalyse)
            model.live.phase_changed.connect(self._follow_replay)
            self._replay = page_module.ReplayPage(model)
        return self._replay

    def show_live(self) -> None:
        """Go to the live page."""
        self._pause()
        self._window.go_to(None)
        self._follow_replay()
        self._offer_recovery()

    def show_library(self) -> None:
        """Go to the list of sessions; it looks at the disk anew."""
        self._pause()
        page = self.library
        if page.model.root != self._store.now.sessions_folder:
            page.model.set_root(self._store.now.sessions_folder)
        page.model.refresh()
        self._go_to(page)

    def open(self, folder: Path, t: float = 0.0) -> None:
        """Go to the replay of a session, at a moment of it."""
        page = self.replay
        assert self._session is not None
        marks, edits = self._window.models.annotating, page.editing.edits
        edits.marks.set_sets(marks.sets)
        edits.marks.choose(marks.chosen.name)
        edits.set_rater(edits.rater if edits.rater != "user" else self._store.now.recorded_by)
        self._start = t
        self._session.open(folder)
        self._go_to(page)

    def export(self, folder: Path) -> None:
        """Ask what to make of a session, and make it."""

        def look() -> None:  # reads the disk
            from dmd_runtime import medium_of  # noqa: PLC0415 - loads PyAV

            problem = ""
            names: list[str] = []
            try:
                names = [analysis.name for analysis in analyses(folder)]
                if medium_of(open_session(folder)) is None:
                    problem = self.tr("The film of this session is not there.")
            except DMDError as error:
                problem = str(error)
            self._asked.emit(folder, names, problem)

        self._looking.submit(look)

    def _ask_formats(self, folder: Path, names: Sequence[str], no_film: str) -> None:
        chosen = self._store.now.export_formats
        dialog = ExportDialog(chosen, analyses=tuple(names), no_film=no_film, parent=self._window)
        if dialog.exec():
            self.exporting.start([folder], dialog.formats, dialog.options)
            if dialog.for_every_recording is not None:
                self._store.update(export_formats=dialog.for_every_recording)
        dialog.deleteLater()

    def reanalyse(self) -> None:
        """Ask with which models the session that is replayed is to be read once more, and do it."""
        if self._replay is None or (folder := self._replay.model.folder) is None:
            return
        model, models = self._replay.model, self._models()
        dialog = ReanalysisDialog(
            session_name(folder),
            checkpoint=models.checkpoint or "",
            recorded_speech=model.facts.speech_model,
            analyses=model.analyses,
            problem=model.no_film,
            parent=self._window,
        )
        self._reanalysing = dialog
        self._looking.submit(lambda: self._speech_found.emit(speech_models_here()))
        if dialog.exec():
            wanted = replace(models, checkpoint=dialog.checkpoint, speech_model=dialog.speech_model)
            self.exporting.reanalyse(folder, wanted, dialog.name)
        self._reanalysing = None
        dialog.deleteLater()

    def _offer_speech(self, names: tuple[str, ...]) -> None:
        if self._reanalysing is not None:  # it may have been closed meanwhile
            self._reanalysing.offer_speech(names)

    def _take_analysis(self, made: Path, folder: Path) -> None:
        """A re-analysis is done: it is shown where its session is open."""
        shown = self._session is not None and self._session.show_analysis(folder, made.name)
        text = self.tr("{0} was analysed anew, as “{1}”.").format(session_name(folder), made.name)
        more = self.tr("It is shown; what was recorded stays.")
        self._window.models.live.notice(
            "exported", f"{text} {more}" if shown else text, action=self.tr("Close"), good=True
        )
        self.note_changed([folder])

    def _help(self, key: str) -> None:
        if key == "unfinished":
            self.recovering.recover(self.recovering.unfinished)
        elif key == "folder" and self._kept is not None:
            self._actions.sessions.trigger()
            self.library.select(self._kept)

    def note_kept(self, folder: Path) -> None:
        """A session was recorded: the list shows it, and what is wanted of every recording is made.

        What its replay needs is found out beforehand.
        """
        self._kept = folder
        self._looking.submit(lambda: dmd_runtime.prepare_replay(folder))
        if self._store.now.export_formats:
            self.exporting.after_recording(folder, self._store.now.export_formats)
        if self._library is not None:
            self._library.model.refresh()
            self._library.select(folder)

    def note_changed(self, folders: Sequence[Path]) -> None:
        """Sessions were recovered or exported."""
        if folders and self._library is not None:
            self._library.model.refresh()

    def close(self) -> None:
        """End every thread of both places; what is half made is taken back."""
        self._looking.close(_PATIENCE)
        self.exporting.shut_down()
        self.recovering.shut_down()
        if self._session is not None:
            self._session.close()
        if self._library is not None:
            self._library.model.close()

    def _go_to(self, page: Any) -> None:
        self._actions.sessions.setChecked(True)
        self._window.go_to(page)
        page.setFocus()
        self._follow_replay()
        self._offer_recovery()

    def _follow_replay(self) -> None:
        """A session can be analysed anew while it is looked at."""
        replay = self._replay
        runs = replay is not None and not replay.isHidden() and replay.model.live.phase is Phase.RUNNING
        self._actions.reanalyse.setEnabled(runs)

    def _pause(self) -> None:
        player = None if self._session is None else self._session.player
        if player is not None:
            player.pause()

    def _seek(self, _: Path) -> None:
        player = None if self._session is None else self._session.player
        if player is not None and self._start:
            player.seek(self._start)

    def _forget(self, folder: Path) -> None:
        """A session was deleted: it must not stay open."""
        if self._session is not None and self._session.model.folder == folder:
            self._session.close()
        kept_copy: Any = importlib.import_module("desktop.replay.kept_copy")
        kept_copy.throw_away(folder)  # nor may what could not be saved be offered to one that takes its place
