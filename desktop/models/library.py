"""The library of sessions: listed, searched, deleted and pictured off the window's thread. No widgets."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from desktop.models.worker import Worker
from dmd_runtime import DMDError, Hit, SessionIndex, SessionSummary

logger = logging.getLogger(__name__)

KEPT_PICTURES: Final = 96
"""Small pictures held at once; some 0.4 MB each."""


class LibraryState(Enum):
    """Where the list of sessions is."""

    LOADING = "loading"
    """Nothing is known yet."""
    READY = "ready"
    FAILED = "failed"


class Order(Enum):
    """How the list is sorted."""

    NEWEST = "newest"
    OLDEST = "oldest"
    PARTICIPANT = "participant"
    LONGEST = "longest"


class Show(Enum):
    """Which sessions are listed."""

    ALL = "all"
    COMPLETE = "complete"
    RECOVERED = "recovered"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"


_KEYS: Final[Mapping[Order, Callable[[SessionSummary], tuple[object, ...]]]] = {
    Order.NEWEST: lambda s: (-s.started.timestamp(), s.folder),
    Order.OLDEST: lambda s: (s.started.timestamp(), s.folder),
    Order.PARTICIPANT: lambda s: (s.participant.casefold(), -s.started.timestamp(), s.folder),
    Order.LONGEST: lambda s: (-s.length, s.folder),
}


class LibraryModel(QObject):
    """The sessions below a root; touched by the window's thread only.

    Parameters
    ----------
    root : Path
        Of the session folders; need not be there yet.
    cache : Path, optional
        Of index and pictures; by default in the user's cache.

    Attributes
    ----------
    root : Path
    state : LibraryState
    problem : str
        Why there is no list (FAILED).
    sessions : list of SessionSummary
        All of them, the latest first.
    progress : (done, of)
        Sessions that are being read; (0, 0) when none is.
    query : str
    hits : list of Hit
        Of ``query``.
    order : Order
    show : Show

    Signals
    -------
    changed : sessions, state, order or filter.
    progress_changed
    hits_changed : hits or query.
    picture_changed(Path) : the small picture of a session is there now.
    deleted(Path)
    failed(str) : a session could not be deleted; why.
    """

    changed = Signal()
    progress_changed = Signal()
    hits_changed = Signal()
    picture_changed = Signal(object)
    deleted = Signal(object)
    failed = Signal(str)
    _answer = Signal(object)

    def __init__(self, root: Path, cache: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache = cache
        self._lists, self._searches = Worker("dmd-library"), Worker("dmd-search")
        self._painter = Worker("dmd-pictures", newest_first=True)
        self._answer.connect(lambda call: call(), Qt.ConnectionType.QueuedConnection)
        self._cancel = threading.Event()
        self._index: SessionIndex | None = None
        self.order, self.show = Order.NEWEST, Show.ALL
        self._reset(root)

    def _reset(self, root: Path) -> None:
        self.root = root
        self.state, self.problem = LibraryState.LOADING, ""
        self.sessions: list[SessionSummary] = []
        self.progress = (0, 0)
        self.query = ""
        self.hits: list[Hit] = []
        self._pictures: OrderedDict[Path, QImage | None] = OrderedDict()
        self._asked: set[Path] = set()
        self._refreshing = False

    # -------------------------------------------------------------- listing

    @property
    def rows(self) -> list[SessionSummary]:
        """The sessions that are to be listed, in order."""
        fits = {
            Show.ALL: lambda _: True,
            Show.COMPLETE: lambda s: s.state == "complete",
            Show.RECOVERED: lambda s: s.state == "recovered",
            Show.UNFINISHED: lambda s: s.state == "recording",
            Show.UNREADABLE: lambda s: s.state == "unreadable",
        }[self.show]
        return sorted(filter(fits, self.sessions), key=_KEYS[self.order])

    @property
    def unfinished(self) -> list[Path]:
        """Sessions that were cut off and can be recovered."""
        return [session.folder for session in self.sessions if session.is_unfinished]

    def session(self, folder: Path) -> SessionSummary | None:
        """The session in ``folder``, if it is listed."""
        return next((session for session in self.sessions if session.folder == folder), None)

    def set_root(self, root: Path) -> None:
        """List the sessions of another folder."""
        if root == self.root:
            return
        self._cancel.set()
        for worker in (self._lists, self._searches, self._painter):
            worker.clear()
        index, self._index = self._index, None
        if index is not None:
            self._lists.submit(index.close)
        self._cancel = threading.Event()
        self._reset(root)
        self.changed.emit()
        self.hits_changed.emit()
        self.refresh()

    def set_order(self, order: Order) -> None:
        """Sort the list."""
        if order is not self.order:
            self.order = order
            self.changed.emit()

    def set_show(self, show: Show) -> None:
        """List only some."""
        if show is not self.show:
            self.show = show
            self.changed.emit()

    def refresh(self) -> None:
        """Look what has changed on the disk; the list follows. Does nothing while that is under way."""
        if not self._refreshing:
            self._refreshing = True
            root, index, cancel = self.root, self._index, self._cancel
            self._lists.submit(lambda: self._look(root, index, cancel))

    def _look(self, root: Path, known: SessionIndex | None, cancel: threading.Event) -> None:
        """On the worker: what the index knows at once, then what is new."""
        try:
            index = SessionIndex(root, self._cache) if known is None else known
            if known is None:
                listed = index.sessions()
                self._tell(lambda: self._take_index(index, listed, cancel))

            def progress(done: int, of: int) -> None:
                found = index.sessions() if done < of else []
                self._tell(lambda: self._take(found, (done, of), cancel) if found else None)

            index.refresh(progress, cancel)
            found = index.sessions()
            self._tell(lambda: self._take(found, None, cancel))
        except Exception as error:
            if not isinstance(error, DMDError):
                logger.exception("%s: the sessions cannot be listed", root)
            text = str(error)
            self._tell(lambda: self._fail(text, cancel))

    def _take_index(self, index: SessionIndex, known: list[SessionSummary], cancel: threading.Event) -> None:
        if cancel is not self._cancel:
            self._lists.submit(index.close)
            return
        self._index = index
        if known:
            self._take(known, (0, 0), cancel)

    def _take(self, found: list[SessionSummary], progress: tuple[int, int] | None, cancel: threading.Event) -> None:
        """Show what was found; ``progress`` None: that is all."""
        if cancel is not self._cancel:
            return
        self._refreshing = self._refreshing and progress is not None
        before = {session.folder: session for session in self.sessions}
        for session in found:
            if before.get(session.folder) != session:
                self._pictures.pop(session.folder, None)
        if found != self.sessions or self.state is not LibraryState.READY:
            self.state, self.problem, self.sessions = LibraryState.READY, "", found
            self.changed.emit()
            if self.query:
                self.search(self.query)
        self._set_progress(progress or (0, 0))

    def _fail(self, text: str, cancel: threading.Event) -> None:
        if cancel is not self._cancel:
            return
        self._refreshing = False
        self.state, self.problem, self.sessions = LibraryState.FAILED, text, []
        self._set_progress((0, 0))
        self.changed.emit()

    def _set_progress(self, progress: tuple[int, int]) -> None:
        if progress != self.progress:
            self.progress = progress
            self.progress_changed.emit()

    # ------------------------------------------------------------ searching

    def search(self, text: str) -> None:
        """Look for ``text``; the hits come as a signal. Only what was typed last is looked for."""
        self.query = text.strip()
        self._searches.clear()
        index, query = self._index, self.query
        if not query or index is None:
            self._take_hits(self.query, [])
            return

        def look() -> None:
            try:
                found: Sequence[Hit] = index.search(query)
            except DMDError:
                logger.warning("nothing can be searched", exc_info=True)
                found = []
            self._tell(lambda: self._take_hits(query, found))

        self._searches.submit(look)

    def _take_hits(self, query: str, hits: Sequence[Hit]) -> None:
        if query == self.query:
            self.hits = list(hits)
            self.hits_changed.emit()

    # -------------------------------------------------- deleting, pictures

    def delete(self, folder: Path) -> None:
        """Delete a session whole; ``deleted`` or ``failed`` follows."""
        index, cancel = self._index, self._cancel
        if index is None:
            return

        def work() -> None:
            try:
                index.delete(folder)
            except DMDError as error:
                text = str(error)
                self._tell(lambda: self.failed.emit(text))
                return
            found = index.sessions()
            self._tell(lambda: self._take(found, self.progress if self._refreshing else None, cancel))
            self._tell(lambda: self.deleted.emit(folder))

        self._lists.submit(work)

    def picture(self, folder: Path) -> QImage | None:
        """The small picture of a session, if it is here; else it is fetched, and ``picture_changed`` follows."""
        if folder in self._pictures:
            self._pictures.move_to_end(folder)
            return self._pictures[folder]
        index, cancel = self._index, self._cancel
        if index is not None and folder not in self._asked:
            self._asked.add(folder)

            def work() -> None:
                path = None if cancel.is_set() else index.thumbnail(folder)
                image = None if path is None else QImage(str(path))
                self._tell(lambda: self._take_picture(folder, image, cancel))

            self._painter.submit(work)
        return None

    def _take_picture(self, folder: Path, image: QImage | None, cancel: threading.Event) -> None:
        if cancel is not self._cancel:
            return
        self._asked.discard(folder)
        self._pictures[folder] = None if image is None or image.isNull() else image
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)
        self.picture_changed.emit(folder)

    # ------------------------------------------------------------------ end

    def close(self, timeout: float = 5.0) -> bool:
        """End the work that is under way; returns whether it ended in time. Idempotent."""
        self._cancel.set()
        ended = min(worker.close(timeout) for worker in (self._lists, self._searches, self._painter))  # all of them
        if ended and self._index is not None:
            self._index.close()
        return ended

    def _tell(self, call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the window went meanwhile
            self._answer.emit(call)
