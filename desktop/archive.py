"""The places of what was recorded: the library and the replay, made when they are first gone to."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop.actions import Actions
from desktop.main_window import MainWindow
from desktop.settings import SettingsStore

if TYPE_CHECKING:  # they load what reads films, which the first start need not wait for
    from desktop.library_page import LibraryPage
    from desktop.models.library import LibraryModel
    from desktop.models.replay import ReplayModel
    from desktop.replay.session import ReplaySession
    from desktop.replay_page import ReplayPage


class Archive(QObject):
    """Goes between the live page, the library and the replay; touched by the window's thread only.

    Signals
    -------
    record_requested
    export_requested(Path), report_requested(Path)
    recover_requested(list of Path)
    """

    record_requested = Signal()
    export_requested = Signal(object)
    report_requested = Signal(object)
    recover_requested = Signal(object)

    def __init__(self, window: MainWindow, actions: Actions, store: SettingsStore) -> None:
        super().__init__(window)
        self._window = window
        self._actions = actions
        self._store = store
        self._library: LibraryPage | None = None
        self._replay: ReplayPage | None = None
        self._session: ReplaySession | None = None
        self._start = 0.0
        actions.live.triggered.connect(self.show_live)
        actions.sessions.triggered.connect(self.show_library)

    @property
    def library(self) -> LibraryPage:
        """The list of sessions."""
        if self._library is None:
            page_module: Any = importlib.import_module("desktop.library_page")
            model_module: Any = importlib.import_module("desktop.models.library")
            model: LibraryModel = model_module.LibraryModel(self._store.now.sessions_folder, parent=self)
            page: LibraryPage = page_module.LibraryPage(model)
            page.open_requested.connect(self.open)
            page.export_requested.connect(self.export_requested)
            page.report_requested.connect(self.report_requested)
            page.recover_requested.connect(self.recover_requested)
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
            self._replay = page_module.ReplayPage(model)
        return self._replay

    def show_live(self) -> None:
        """Go to the live page."""
        self._pause()
        self._window.go_to(None)

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
        self._start = t
        self._session.open(folder)
        self._go_to(page)

    def note_kept(self, folder: Path) -> None:
        """A session was recorded, or written to: the list shows it."""
        if self._library is not None:
            self._library.model.refresh()
            self._library.select(folder)

    def note_changed(self, folders: Sequence[Path]) -> None:
        """Sessions were recovered or exported."""
        if folders and self._library is not None:
            self._library.model.refresh()

    def close(self) -> None:
        """End every thread of both places."""
        if self._session is not None:
            self._session.close()
        if self._library is not None:
            self._library.model.close()

    def _go_to(self, page: Any) -> None:
        self._actions.sessions.setChecked(True)
        self._window.go_to(page)
        page.setFocus()

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
