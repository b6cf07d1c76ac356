"""What the window shows of a recording: whether one runs, how long, what it costs, what is wrong. No widgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from PySide6.QtCore import QObject, Signal


class RecordState(Enum):
    """Where a recording is."""

    IDLE = "idle"
    RECORDING = "recording"
    ENDED = "ended"
    """It has ended by itself, because of the disk; the session goes on and is not kept."""
    SAVING = "saving"
    """It has ended; files are being finished."""


@dataclass(frozen=True, kw_only=True)
class RecordFigures:
    """How a recording does.

    Attributes
    ----------
    state : RecordState
    elapsed : float
        Seconds recorded.
    frames, frames_dropped, audio_lost : int
        Pictures written and left out, samples of sound lost.
    disk_seconds : float or None
        How long the disk lasts at this rate; None where unknown.
    share : float or None
        How far saving is; None where unknown.
    ended : str
        Why it has ended by itself.
    """

    state: RecordState = RecordState.IDLE
    elapsed: float = 0.0
    frames: int = 0
    frames_dropped: int = 0
    audio_lost: int = 0
    disk_seconds: float | None = None
    share: float | None = None
    ended: str = ""


class RecordingModel(QObject):
    """The recording of the window; touched by its thread only.

    Attributes
    ----------
    figures : RecordFigures

    Signals
    -------
    changed : any figure.
    state_changed : the state alone.
    """

    changed = Signal()
    state_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.figures = RecordFigures()

    @property
    def state(self) -> RecordState:
        """Where it is."""
        return self.figures.state

    def set_state(self, state: RecordState) -> None:
        """Go to ``state``; the figures begin anew with a recording."""
        if state is self.state:
            return
        goes_on = state in (RecordState.ENDED, RecordState.SAVING)
        self.figures = replace(self.figures, state=state) if goes_on else RecordFigures(state=state)
        self.state_changed.emit()
        self.changed.emit()

    def update(self, **figures: float | str | None) -> None:
        """Take newer figures."""
        changed = replace(self.figures, **figures)  # type: ignore[arg-type]  # each is what its field says
        if changed != self.figures:
            self.figures = changed
            self.changed.emit()


def clock_text(seconds: float) -> str:
    """``0:07``, ``12:34``, ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
