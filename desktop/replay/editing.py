"""Editing a replayed session's annotations: read once, saved beside the window, never lost. No widgets."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QStandardPaths, QTimer, Signal

from desktop.models.editing import EditingModel
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.models.worker import Worker
from dmd_runtime import AnnotationStore, DMDError, is_held, write_annotations

logger = logging.getLogger(__name__)

SAVE_MS: Final = 700
"""From an edit until it is written; further edits do not put it off. Where writing takes long, five times as long."""
_AT_MOST_MS: Final = 4000
AGAIN_MS: Final = 5000
"""From a failure until it is tried again."""
UNSAVED: Final = "unsaved annotations"
"""Key of the notice that says so; its button tries again."""


class ReplayEditing(QObject):
    """Opens the annotations of a :class:`ReplayModel`'s session for editing; lives on the window's thread.

    They are read when :meth:`toggle` is called first, and stay until another session is opened. Each edit is written
    within a second or little more, by a thread of its own, and what is not yet written when the session goes is written
    then. What cannot be written stays here, is tried again, and is found again when its session is opened again; a copy
    of it lies in the program's data folder, should the program end before.

    Attributes
    ----------
    edits : EditingModel
    is_on : bool
        Whether somebody edits.

    Signals
    -------
    changed : ``is_on``.
    saved : everything is on the disk.
    """

    changed = Signal()
    saved = Signal()
    _read = Signal(object, object, str)
    _written = Signal(object, str)

    def __init__(self, model: ReplayModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.edits = EditingModel(model.track, self)
        self.is_on = False
        self._worker = Worker("dmd-annotations")
        self._reading: Path | None = None
        self._unsaved: dict[Path, AnnotationStore] = {}
        self._copied: set[Path] = set()
        self._took = 0.0  # s, the last writing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save)
        self._read.connect(self._begin)
        self._written.connect(self._note_written)
        self.edits.edited.connect(self._note_edit)
        self.edits.refused.connect(lambda text: model.live.notice("edit", text, action=self.tr("Close")))
        model.leaving.connect(self._leave)
        model.session_changed.connect(self._remind)

    # ------------------------------------------------------------------ life

    def toggle(self) -> None:
        """Begin to edit, or end it; undo stays."""
        if self.is_on:
            self._turn(on=False)
        elif self.edits.store is not None:
            self._turn(on=True)
        else:
            self._open()

    @property
    def is_saved(self) -> bool:
        """Whether the disk has every edit of this session."""
        return self.edits.store is None or self.edits.store.is_saved

    def save(self) -> None:
        """Write what is not yet written, off the window's thread."""
        self._timer.stop()
        for store in self._unsaved.values():
            self._worker.submit(partial(self._write, store))

    def flush(self) -> None:
        """Write what is not yet written, now."""
        for store in tuple(self._unsaved.values()):
            self._note_written(store, _saving(store))

    # --------------------------------------------------------------- private

    def _open(self) -> None:
        folder = self.model.folder
        if folder is None or self.model.live.phase is not Phase.RUNNING or self._reading == folder:
            return
        self._reading = folder
        if folder in self._unsaved:
            self._begin(folder, self._unsaved[folder], "")
        else:
            self._worker.submit(partial(self._load, folder))

    def _load(self, folder: Path) -> None:
        """On the worker's thread."""
        store, problem = None, ""
        try:
            if is_held(folder):  # what is edited stands for what was recorded, and would hide what is yet to come
                problem = self.tr("This session is still being recorded: annotate it there, or when it has ended.")
            else:
                store = AnnotationStore(folder, autosave=False)
        except DMDError as error:
            problem = self.tr("The annotations cannot be edited: {0}").format(error)
        self._read.emit(folder, store, problem)

    def _begin(self, folder: Path, store: AnnotationStore | None, problem: str) -> None:
        if folder != self._reading:
            return
        self._reading = None
        if store is None:
            self.model.live.notice("edit", problem, action=self.tr("Close"))
            return
        self.model.is_edited = True
        self.edits.begin(store)
        self._turn(on=True)

    def _turn(self, *, on: bool) -> None:
        self.is_on = on
        if on:
            self.edits.start_marking(self._now)
        else:
            self.edits.stop_marking()
        self.changed.emit()

    def _now(self) -> float | None:
        transport = self.model.transport
        return None if transport is None else transport.position

    def _leave(self) -> None:
        self._reading = None
        store = self.edits.store
        if store is None:
            return
        self.edits.stop_marking()
        if not store.is_saved:
            self._unsaved[store.folder] = store
            self.flush()
        if store.folder in self._unsaved:
            self._copied.add(store.folder)
            _put_aside(store)
        self.edits.end()
        self.is_on = False
        self.changed.emit()

    def _note_edit(self) -> None:
        store = self.edits.store
        if store is not None and not store.is_saved:
            self._unsaved[store.folder] = store
            if not self._timer.isActive() or self._timer.interval() > self._wait():
                self._timer.start(self._wait())

    def _wait(self) -> int:
        """Milliseconds; two hours of a trace take 0.4 s to write, in which the window is slow."""
        return int(min(_AT_MOST_MS, max(SAVE_MS, 5000 * self._took)))

    def _write(self, store: AnnotationStore) -> None:
        """On the worker's thread."""
        began = time.perf_counter()
        problem = _saving(store)
        self._took = time.perf_counter() - began
        self._written.emit(store, problem)

    def _note_written(self, store: AnnotationStore, problem: str) -> None:
        if store.is_saved or not store.folder.is_dir():  # a session that was deleted takes its annotations along
            self._unsaved.pop(store.folder, None)
            if store.folder in self._copied:
                self._copied.remove(store.folder)
                _throw_away(store.folder)
        if problem and store.folder in self._unsaved:
            self._tell(problem)
            self._timer.start(AGAIN_MS)
        elif self._unsaved:
            self._timer.start(self._wait())
        else:
            self.model.live.notice(UNSAVED, None)
            self.saved.emit()

    def _tell(self, problem: str) -> None:
        text = self.tr("Annotations are not saved, but kept here and tried again: {0}").format(problem)
        self.model.live.notice(UNSAVED, text, action=self.tr("Try again"))

    def _remind(self) -> None:
        """The notices of the session before are gone; what was not saved of it is not."""
        left = [str(folder) for folder in self._unsaved if folder != self.model.folder]
        if left and UNSAVED not in self.model.live.notices:
            self._tell(", ".join(left))


def _saving(store: AnnotationStore) -> str:
    """Save; returns why it could not be done."""
    try:
        store.save()
    except DMDError as error:
        logger.warning("%s", error)
        return str(error)
    return ""


def _aside(folder: Path) -> Path:
    """Where the program may write what cannot be written to ``folder``."""
    root = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
    name = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    return root / "unsaved annotations" / f"{folder.name}-{name}"


def _put_aside(store: AnnotationStore) -> None:
    """Keep a copy: the program may end before it can be saved."""
    folder = _aside(store.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_annotations(folder, store.annotations)
        logger.error("%s: annotations could not be saved there; a copy is in %s", store.folder, folder)
    except (DMDError, OSError) as error:
        logger.error("%s: annotations could not be saved there, and no copy either: %s", store.folder, error)


def _throw_away(folder: Path) -> None:
    """The copy is not needed any more, or its session was deleted."""
    try:
        shutil.rmtree(_aside(folder))
    except OSError as error:
        logger.warning("%s: %s", folder, error)
