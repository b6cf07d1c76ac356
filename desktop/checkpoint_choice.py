"""Another checkpoint is taken only when it was seen to run; one that would not leaves everything as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QComboBox

from desktop.live_session import LiveSession
from desktop.loaded_models import ModelChoice
from desktop.models.live import LiveModel
from dmd_runtime import resource

SUFFIX = ".safetensors"
DEFAULT = "starter"
"""What runs where nothing is chosen and it ships."""


def shipped() -> tuple[str, ...]:
    """Names of the checkpoints that come with the program."""
    return tuple(sorted(path.stem for path in resource("checkpoints").glob(f"*{SUFFIX}")))


def title_of(checkpoint: str) -> str:
    """How a checkpoint is called for people: a file by its own name."""
    return Path(checkpoint).name if checkpoint.endswith(SUFFIX) else checkpoint


class CheckpointChoice(QObject):
    """Checks a checkpoint off the window's thread, then tells whether it is taken; on the window's thread.

    Attributes
    ----------
    now : () -> ModelChoice
        The choice of models in force.

    Signals
    -------
    told(str, str)
        The checkpoint that is chosen now, empty for the one that ships, and what there is to say.
    taken(str)
        It runs from the next start.
    """

    told = Signal(str, str)
    taken = Signal(str)

    def __init__(
        self, sessions: LiveSession, live: LiveModel, now: Callable[[], ModelChoice], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.now = now
        self._sessions = sessions
        self._live = live
        self._asked: str | None = None
        sessions.checked.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    def ask(self, checkpoint: str) -> None:
        """Check a name or a file, and take it if it would run; returns at once."""
        self._asked = checkpoint
        self._live.notice("checkpoint", None)
        self.told.emit(checkpoint, self.tr("Checking…"))
        self._sessions.check(replace(self.now(), checkpoint=checkpoint or None))

    def _answer(self, models: ModelChoice, problem: str) -> None:
        checkpoint = models.checkpoint or ""
        if checkpoint != self._asked:
            return  # another has been asked for since
        self._asked = None
        if problem:
            self._live.notice("checkpoint", problem, action=self.tr("Close"))
            self.told.emit(self.now().checkpoint or "", self.tr("Nothing was changed. %1").replace("%1", problem))
            return
        self.taken.emit(checkpoint)
        text = (
            self.tr("It runs from the next start of a session.") if self._sessions.is_busy else self.tr("It is used.")
        )
        self.told.emit(checkpoint, text)


def show_chosen(box: QComboBox, chosen: str) -> None:
    """Choose a checkpoint in a list of them, whose last item stands for any file; one that is not there is added."""
    at = box.findData(chosen)
    if at < 0:
        at = box.count() - 1
        box.insertItem(at, title_of(chosen), chosen)
    box.setCurrentIndex(at)
    box.setToolTip(chosen)
