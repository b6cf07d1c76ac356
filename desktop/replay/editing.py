"""Editing a replayed session's annotations: read once, saved beside the window, never lost. No widgets."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.models.editing import EditingModel
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.models.worker import Worker
from desktop.replay.kept_copy import KeptCopy, find_copy, put_aside, throw_away
from dmd_runtime import AnnotationStore, DMDError, is_held

logger = logging.getLogger(__name__)

SAVE_MS: Final = 700
"""From an edit until it is written; further edits do not put it off. Where writing takes long, five times as long."""
_AT_MOST_MS: Final = 4000
AGAIN_MS: Final = 5000
"""From a failure until it is tried again."""
UNSAVED: Final = "unsaved annotations"
"""Key of the notice that says so; its button tries again."""
KEPT: Final = "kept annotations"
"""Key of the notice that there is a copy of what could not be saved once; its button restores it."""


class ReplayEditing(QObject):
    """Opens the annotations of a :class:`ReplayModel`'s session for editing; lives on the window's thread.

    They are read when :meth:`toggle` is called first, and stay until another session is opened. Each edit is written
    within a second or little more, by a thread of its own, and what is not yet written when the session goes is written
    then. What cannot be written stays here, is tried again, and is found again when its session is opened again; a copy
    of it lies in the program's data folder, should the program end before. A copy that an earlier run left behind is
    offered when its session is opened; restoring it is an edit like any other.

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
    _found = Signal(object)

    def __init__(self, model: ReplayModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.edits = EditingModel(model.track, self)
        self.is_on = False
        self._worker = Worker("dmd-annotations")
        self._reading: Path | None = None
        self._unsaved: dict[Path, AnnotationStore] = {}
        self._copied: set[Path] = set()
        self._looked_at: Path | None = None
        self._kept: KeptCopy | None = None
        self._restores = False
        self._took = 0.0  # s, the last writing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save)
        self._read.connect(self._begin)
        self._written.connect(self._note_written)
        self._found.connect(self._offer)
        self.edits.edited.connect(self._note_edit)
        self.edits.refused.connect(lambda text: model.live.notice("edit", text, action=self.tr("Close")))
        model.leaving.connect(self._leave)
        model.session_changed.connect(self._remind)
        model.session_changed.connect(self._look_for_copy)

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

    def restore(self) -> None:
        """Take the copy of what could not be saved once; it can be undone."""
        if self._kept is None or self._kept.folder != self.model.folder:
            return
        self._restores = True
        if self.edits.store is None:
            self._open()
        else:
            self._restore()

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
        if self._restores:
            self._restore()

    def _look_for_copy(self) -> None:
        folder = self.model.folder
        if folder == self._looked_at or self.model.live.phase is not Phase.RUNNING:
            return
        self._looked_at = folder
        if folder is not None and folder not in self._unsaved:
            self._worker.submit(lambda: self._found.emit(find_copy(folder)))

    def _offer(self, kept: KeptCopy | None) -> None:
        if kept is None or kept.folder != self.model.folder or kept.folder in self._unsaved:
            return
        self._kept = kept
        text = self.tr("Annotations of {0} could not be saved then; a copy was kept.").format(
            f"{kept.at:%Y-%m-%d %H:%M}"
        )
        since = self.tr(
            "Those of the session were edited since: restoring puts the copy in their place (undo: Ctrl+Z)."
        )
        self.model.live.notice(KEPT, f"{text} {since}" if kept.is_older else text, action=self.tr("Restore"))

    def _restore(self) -> None:
        kept, self._kept, self._restores = self._kept, None, False
        self.model.live.notice(KEPT, None)
        if kept is not None and self.edits.apply(lambda _: kept.annotations, self.tr("restore the copy")):
            self._copied.add(kept.folder)  # thrown away as soon as the session has it

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
        self._reading = self._looked_at = self._kept = None
        self._restores = False
        store = self.edits.store
        if store is None:
            return
        self.edits.stop_marking()
        if not store.is_saved:
            self._unsaved[store.folder] = store
            self.flush()
        if store.folder in self._unsaved:
            self._copied.add(store.folder)
            put_aside(store)
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
        if problem and not self._copied.intersection((store.folder,)):
            put_aside(store)  # at once: the program may end in any way
        self._took = time.perf_counter() - began
        self._written.emit(store, problem)

    def _note_written(self, store: AnnotationStore, problem: str) -> None:
        if store.is_saved or not store.folder.is_dir():  # a session that was deleted takes its annotations along
            self._unsaved.pop(store.folder, None)
            if store.folder in self._copied or not store.folder.is_dir():
                self._copied.discard(store.folder)
                throw_away(store.folder)
        if problem and store.folder in self._unsaved:
            self._copied.add(store.folder)
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
