"""Sessions that a crash left: looked for at the start, and recovered, off the window's thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal

import dmd_runtime
from desktop.exporting import LongWork, session_name
from desktop.models.recording import clock_text
from dmd_runtime import DMDError

if TYPE_CHECKING:  # loads what reads films
    from dmd_runtime import Recovery

logger = logging.getLogger(__name__)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Recovering", text)


class Recovering(LongWork):
    """Looks for unfinished sessions and recovers them; touched by the window's thread only.

    A recovery that has begun is not broken off by :meth:`cancel`: those after it are left as they are. One that is cut
    off by the end of the program can be done again.

    Attributes
    ----------
    unfinished : list of Path
        What was found, less what was recovered since.

    Signals
    -------
    found(list of Path)
        The unfinished sessions below the root that was looked through; may be empty.
    recovered(list of Recovery)
        Those that were recovered in one go, if any.
    """

    found = Signal(object)
    recovered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("dmd-recovery", parent)
        self.unfinished: list[Path] = []

    def look(self, root: Path) -> None:
        """Look for unfinished sessions below ``root``, which need not be there; ``found`` follows."""
        self._worker.submit(partial(self._look, root, self._cancel))

    def recover(self, folders: Sequence[Path]) -> None:
        """Recover sessions one after the other; ``recovered`` follows, and ``failed`` for each that could not be."""
        if folders:
            self._submit(partial(self._recover, tuple(folders)))

    def _look(self, root: Path, cancel: threading.Event) -> None:
        try:
            folders = dmd_runtime.find_unfinished(root) if root.is_dir() else []
        except (DMDError, OSError):
            logger.warning("%s: unfinished sessions cannot be looked for", root, exc_info=True)
            return
        self._tell(lambda: None if cancel.is_set() else self._note_found(folders))

    def _note_found(self, folders: list[Path]) -> None:
        self.unfinished = folders
        self.found.emit(folders)

    def _recover(self, folders: Sequence[Path], cancel: threading.Event) -> None:
        done: list[Recovery] = []
        told = self._teller(cancel)
        for number, folder in enumerate(folders):
            if cancel.is_set():
                break
            name = session_name(folder)

            def at(share: float, number: int = number, name: str = name) -> None:
                told(name, (number + share) / len(folders))

            at(0.0)
            try:
                done.append(dmd_runtime.recover(folder, at))
            except DMDError as error:
                self._tell(partial(self.failed.emit, str(error)))
        if done:
            self._tell(lambda: self._note_recovered(done))

    def _note_recovered(self, done: list[Recovery]) -> None:
        whole = {recovery.folder for recovery in done}
        self.unfinished = [folder for folder in self.unfinished if folder not in whole]
        self.recovered.emit(done)


def unfinished_text(folders: Sequence[Path]) -> str:
    """What was found, for a notice; empty where nothing was."""
    if not folders:
        return ""
    if len(folders) == 1:
        text = _tr("The recording {0} was not finished. What was recorded is there and can be recovered.")
        return text.format(session_name(folders[0]))
    text = _tr("{0} recordings were not finished. What was recorded is there and can be recovered.")
    return text.format(len(folders))


def recovered_text(done: Sequence[Recovery]) -> str:
    """What became of them, for a notice; what was torn is counted, and the report of each session lists it."""
    torn = sum(len(recovery.problems) for recovery in done)
    if len(done) == 1:
        length = clock_text(done[0].media_end_s or 0.0)
        text = _tr("{0} was recovered ({1}).").format(session_name(done[0].folder), length)
    else:
        text = _tr("{0} recordings were recovered.").format(len(done))
    if not torn:
        return text
    found = _tr("1 thing was torn; the report names it.") if torn == 1 else ""
    return f"{text} {found or _tr('{0} things were torn; the report names them.').format(torn)}"
