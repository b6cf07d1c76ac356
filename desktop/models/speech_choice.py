"""Choosing a speech model: where each one is, a download with its progress, what is taken. No widgets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from threading import Event
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal

from desktop.models.worker import Worker
from dmd_runtime import (
    NO_SPEECH,
    SPEECH_MODELS,
    Assets,
    DMDError,
    FetchCancelledError,
    Presence,
    Progress,
    SpeechModelStatus,
    fetch_speech_model,
    recommended_here,
    speech_model,
    speech_models,
)

logger = logging.getLogger(__name__)

DEFAULT: Final = "tiny.en"
"""What the empty choice stands for."""
_EVERY = 0.05  # s between two reports of a download at least


class SpeechState(Enum):
    """What there is to say of the model that is looked at."""

    LOOKING = "looking"
    HERE = "here"
    ABSENT = "not here"
    PART = "half there"
    FETCHING = "fetching"
    STOPPING = "stopping"
    FAILED = "failed"
    OFF = "off"
    """No speech recognition."""
    FOLDER = "folder"
    """A folder of the user's own."""
    UNKNOWN = "unknown"
    """No folder, and none of the models that are offered."""


class SpeechChoice(QObject):
    """The speech model that is looked at, the one in force, and at most one download; on the window's thread.

    A model is taken when it is looked at and here; one that is not here is taken when its download is over, unless
    another is looked at by then. A download goes on whatever else is done, until it is over or :meth:`cancel`.

    Parameters
    ----------
    assets : () -> Assets
        Made anew for each look and download.

    Attributes
    ----------
    chosen : str
        In force: empty for the default, a name, ``none`` or a folder.
    shown : str
        What is looked at.
    fetching : str
        Name of the model that is being fetched, else empty.
    done_bytes, total_bytes : int
        Of the model that is shown.
    heard : str
        Code of the language that the last words were in.
    best : str
        Name of the model that does best on this machine; empty as long as that is not known.

    Signals
    -------
    changed()
    taken(str)
        Another one is in force.
    fetch_ended(str, str)
        A download is over: the model's name, and the first line of what went wrong (empty: nothing did).
    """

    changed = Signal()
    taken = Signal(str)
    fetch_ended = Signal(str, str)
    _looked = Signal(object, str)
    _stepped = Signal(str, object)
    _over = Signal(str, str, bool, object)

    def __init__(self, assets: Callable[[], Assets] = Assets, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.chosen = self.shown = ""
        self.fetching = ""
        self.best = ""
        self.heard = ""
        self._assets = assets
        self._found: dict[str, SpeechModelStatus] = {}
        self._problems: dict[str, str] = {}
        self._step: Progress | None = None
        self._cancel = Event()
        self._looking = Worker("dmd-models")
        self._fetching = Worker("dmd-fetch")
        queued = Qt.ConnectionType.QueuedConnection
        self._looked.connect(self._take_found, queued)
        self._stepped.connect(self._take_step, queued)
        self._over.connect(self._take_end, queued)

    # ------------------------------------------------------------------ what

    @property
    def name(self) -> str:
        """Of the model that is shown, without a prefix; ``none`` or a folder as it is."""
        model = speech_model(self.shown or DEFAULT)
        return model.name if model else self.shown

    @property
    def status(self) -> SpeechModelStatus | None:
        """Of the model that is shown; None before it was looked for, and where it is none of those offered."""
        return self._found.get(self.name)

    @property
    def state(self) -> SpeechState:
        """Of what is shown."""
        name, status = self.name, self.status
        if name == NO_SPEECH:
            return SpeechState.OFF
        if speech_model(name) is None:
            return SpeechState.FOLDER if Path(name).is_dir() else SpeechState.UNKNOWN
        if name == self.fetching:
            return SpeechState.STOPPING if self._cancel.is_set() else SpeechState.FETCHING
        if status is None:
            return SpeechState.LOOKING
        if status.presence is not Presence.HERE and name in self._problems:
            return SpeechState.FAILED
        return {
            Presence.HERE: SpeechState.HERE,
            Presence.PART: SpeechState.PART,
            Presence.ABSENT: SpeechState.ABSENT,
        }[status.presence]

    @property
    def problem(self) -> str:
        """One line of why the model that is shown could not be had; empty where it was not tried."""
        return self._problems.get(self.name, "")

    @property
    def done_bytes(self) -> int:
        """How much of the model that is shown is here."""
        if self._step is not None and self.name == self.fetching:
            return self._step.whole_done
        return self.status.done_bytes if self.status else 0

    @property
    def total_bytes(self) -> int:
        """Size of the model that is shown: exact once its download has begun, else about; 0 where nobody knows."""
        if self._step is not None and self.name == self.fetching:
            return self._step.whole_total
        model = speech_model(self.name)
        return self.status.total_bytes if self.status else model.bytes if model else 0

    @property
    def is_exact(self) -> bool:
        """Whether :attr:`total_bytes` is known to the byte."""
        return self.state in (SpeechState.HERE, SpeechState.PART) or self._step is not None

    @property
    def english_only(self) -> bool:
        """Whether the model in force hears no other language."""
        model = speech_model(self.chosen or DEFAULT)
        return model is not None and not model.multilingual

    @property
    def is_taken(self) -> bool:
        """Whether what is shown is in force."""
        return (self.shown or DEFAULT) == (self.chosen or DEFAULT)

    # ----------------------------------------------------------------- verbs

    def set_chosen(self, choice: str) -> None:
        """Say which one is in force, and look at it, unless the one that is looked at is being fetched."""
        self.chosen = choice
        if not self.fetching or self.name != self.fetching:
            self.shown = choice
        self.look()

    def set_heard(self, language: str) -> None:
        """Say in which language the last words were heard; empty before there were any."""
        if language != self.heard:
            self.heard = language
            self.changed.emit()

    def look(self) -> None:
        """See anew where every model is; returns at once."""
        self._looking.submit(self._look)
        self.changed.emit()

    def show(self, choice: str) -> None:
        """Look at another one, and take it if that can be done at once."""
        self.shown = choice
        self._take_if_here()
        self.changed.emit()

    def fetch(self) -> None:
        """Download the model that is shown, going on with what is half there; returns at once."""
        model = speech_model(self.name)
        if model is None or self.fetching:
            return
        self.fetching, self._step, self._cancel = model.name, None, Event()
        self._problems.pop(model.name, None)
        cancel = self._cancel
        self._fetching.submit(lambda: self._fetch(model.name, cancel))
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the download; what came is kept."""
        if self.fetching and not self._cancel.is_set():
            self._cancel.set()
            self.changed.emit()

    def close(self, timeout: float) -> bool:
        """Stop what runs and wait for it; returns whether it ended in time."""
        self._cancel.set()
        return self._fetching.close(timeout) and self._looking.close(timeout)

    # --------------------------------------------------------- other threads

    def _look(self) -> None:
        best, found = "", []
        try:
            found = speech_models(self._assets())
            best = recommended_here()
        except Exception:  # what is not known is shown as being looked for
            logger.exception("speech models could not be looked for")
        self._looked.emit(found, best)

    def _fetch(self, name: str, cancel: Event) -> None:
        model = speech_model(name)
        assert model is not None
        last = 0.0

        def report(step: Progress) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _EVERY or step.whole_done == step.whole_total:
                last = now
                self._stepped.emit(name, step)

        problem, stopped = "", False
        try:
            fetch_speech_model(model, self._assets(), on_progress=report, cancel=cancel)
        except FetchCancelledError:
            stopped = True
        except DMDError as error:
            logger.warning("%s", error)
            problem = str(error).splitlines()[0]
        except Exception as error:
            logger.exception("a speech model could not be fetched")
            problem = f"{type(error).__name__}: {error}"
        try:
            found = speech_models(self._assets())
        except DMDError:
            found = []
        self._over.emit(name, problem, stopped, found)

    # ------------------------------------------------------- what they found

    def _take_found(self, found: list[SpeechModelStatus], best: str) -> None:
        self._found |= {status.model.name: status for status in found}
        self.best = best or self.best
        self.changed.emit()

    def _take_step(self, name: str, step: Progress) -> None:
        if name == self.fetching:
            self._step = step
            self.changed.emit()

    def _take_end(self, name: str, problem: str, stopped: bool, found: list[SpeechModelStatus]) -> None:
        self.fetching, self._step = "", None
        self._found |= {status.model.name: status for status in found}
        if problem:
            self._problems[name] = problem
        if not stopped and not problem and name == self.name:
            self._take_if_here()
        self.fetch_ended.emit(name, problem)
        self.changed.emit()

    def _take_if_here(self) -> None:
        usable = self.state in (SpeechState.HERE, SpeechState.OFF, SpeechState.FOLDER)
        if usable and not self.is_taken:
            self.chosen = self.shown
            self.taken.emit(self.chosen)


def names() -> tuple[str, ...]:
    """All that are offered, smallest first."""
    return tuple(model.name for model in SPEECH_MODELS)
