"""What the left side shows of a running session: phase, picture, face, loudness, marks and problems. No widgets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Final

from PySide6.QtCore import QObject, Signal

from desktop.models.loading import Loading, StepState
from dmd_runtime import FaceObservation, Modality, Progress, SpeechActivity, VideoFrame

FACE_KEPT: Final = 0.4
"""Seconds between a face and the picture on screen beyond which the face is not shown."""
SILENCE_DB: Final = -120.0
_RATE_OVER = 2.0  # s over which pictures are counted
_STALLED = 1.0  # s without a picture after which the rate is 0
_CLIP_KEPT = 1.0  # s that a clipped block stays visible
_FALL_DB = 40.0  # dB/s at which the meter's bar falls; it rises at once
_TEXT_EVERY = 0.25  # s between changes of the number beside it, so that it can be read
_MOCK = frozenset(("DEMO", "SYNTHETIC"))


class Phase(Enum):
    """What the page is about at the moment."""

    EMPTY = "empty"
    """Nothing is chosen yet."""
    LOADING = "loading"
    """Models are being fetched or loaded."""
    STARTING = "starting"
    """Devices or a file are being opened."""
    RUNNING = "running"
    ENDED = "ended"
    """The source has ended; the last picture and reading stay."""
    FAILED = "failed"


class Remedy(Enum):
    """What helps most after a failure; the page makes it the prominent button."""

    RETRY = "retry"
    CHOOSE = "choose"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A problem that stays on screen until it is resolved; ``action`` labels the button that helps, if one does.

    ``good``: no problem, but something that was done and is worth telling.
    """

    key: str
    text: str
    action: str = ""
    good: bool = False


class PreviewRate:
    """Pictures per second over the last 2 s of the pictures' own times."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=512)
        self._stalled = False

    def take(self, t: float) -> None:
        """Count a picture; a time before the last one begins anew (another source)."""
        if self._times and t < self._times[-1]:
            self._times.clear()
        self._times.append(t)
        self._stalled = False
        while self._times[0] < t - _RATE_OVER:
            self._times.popleft()

    def note_time(self, now: float) -> bool:
        """Tell the time on the clock; True if pictures have just stopped coming."""
        was, self._stalled = self._stalled, bool(self._times) and now - self._times[-1] > _STALLED
        return self._stalled and not was

    @property
    def value(self) -> float | None:
        """None before two pictures have come, 0 when they have stopped."""
        if self._stalled:
            return 0.0
        if len(self._times) < 2 or self._times[-1] == self._times[0]:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])


class Loudness:
    """What a meter shows of levels in dB: a bar that rises at once and falls slowly, a number that can be read."""

    def __init__(self) -> None:
        self.bar_db = SILENCE_DB
        self.text_db = SILENCE_DB
        self.clipping = False
        self._t: float | None = None
        self._text_at = float("-inf")
        self._highest = SILENCE_DB
        self._clipped_at = float("-inf")

    def take(self, level_db: float, t: float, *, clipping: bool = False) -> None:
        """Take the level of the sound up to ``t``; infinity is the end of the sound."""
        if not isfinite(t):
            self.bar_db, self.text_db, self.clipping, self._t = SILENCE_DB, SILENCE_DB, False, None
            return
        past = max(0.0, t - self._t) if self._t is not None else 0.0
        self._t = t
        self.bar_db = max(level_db, self.bar_db - _FALL_DB * past, SILENCE_DB)
        self._highest = max(self._highest, level_db)
        if clipping:
            self._clipped_at = t
        self.clipping = t - self._clipped_at < _CLIP_KEPT
        if not 0 <= t - self._text_at < _TEXT_EVERY:
            self.text_db, self._highest, self._text_at = self._highest, SILENCE_DB, t


class LiveModel(QObject):
    """State of the live page's left side; touched by the window's thread only.

    Attributes
    ----------
    phase : Phase
    message : str
        What was expected and what came (FAILED), or what is being waited for.
    remedy : Remedy
    frame : VideoFrame or None
        The latest picture; stays after the end.
    fps : float or None
        Measured; None before two pictures have come.
    loudness : Loudness
    level_db : float
        Of the last block, as it came.
    speaking, has_sound : bool
    mirrored : bool
        Whether people should see themselves as in a mirror: cameras, not files.
    marks : tuple of str
        UNTRAINED, DEMO, SYNTHETIC.
    absent : {Modality: reason}
    notices : {key: Notice}
        In the order in which they came.
    loading : Loading
    source_name : str

    Signals
    -------
    frame_changed : picture, face or rate.
    level_changed : loudness, speaking or clipping.
    phase_changed : phase or message.
    source_changed : source name, mirrored, marks or absent.
    notices_changed, loading_changed
    """

    frame_changed = Signal()
    level_changed = Signal()
    phase_changed = Signal()
    source_changed = Signal()
    notices_changed = Signal()
    loading_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._clear()

    def _clear(self) -> None:
        self.phase = Phase.EMPTY
        self.message = ""
        self.remedy = Remedy.RETRY
        self.frame: VideoFrame | None = None
        self.loudness = Loudness()
        self.level_db = SILENCE_DB
        self.speaking = False
        self.has_sound = False
        self.mirrored = True
        self.marks: tuple[str, ...] = ()
        self.absent: Mapping[Modality, str] = {}
        self.notices: dict[str, Notice] = {}
        self.loading = Loading()
        self.source_name = ""
        self._face: FaceObservation | None = None
        self._rate = PreviewRate()

    @property
    def face(self) -> FaceObservation | None:
        """The latest face, unless it is older than 0.4 s against the picture on screen."""
        if self._face is None or self.frame is None or abs(self.frame.t - self._face.t) > FACE_KEPT:
            return None
        return self._face

    @property
    def fps(self) -> float | None:
        """Pictures per second, measured over the last 2 s; 0 once they have stopped coming."""
        return self._rate.value

    @property
    def clipping(self) -> bool:
        """Whether the sound was at full scale within the last second."""
        return self.loudness.clipping

    @property
    def is_mock(self) -> bool:
        """Whether what is shown is no person."""
        return not _MOCK.isdisjoint(self.marks)

    def reset(self) -> None:
        """As new: nothing chosen, nothing shown."""
        self._clear()
        for signal in (
            self.phase_changed,
            self.source_changed,
            self.frame_changed,
            self.level_changed,
            self.notices_changed,
            self.loading_changed,
        ):
            signal.emit()

    # ---------------------------------------------------------------- stream

    def take_frame(self, frame: VideoFrame) -> None:
        """Show a picture."""
        self.frame = frame
        self._rate.take(frame.t)
        self.frame_changed.emit()

    def take_face(self, face: FaceObservation) -> None:
        """Show where the face is."""
        self._face = face
        self.frame_changed.emit()

    def take_activity(self, activity: SpeechActivity, *, clipping: bool = False) -> None:
        """Show loudness and speech; ``clipping``: the sound of this stretch reached full scale."""
        self.has_sound = True
        self.level_db = activity.level_db
        self.speaking = activity.speaking
        self.loudness.take(activity.level_db, activity.settled_until, clipping=clipping)
        self.level_changed.emit()

    def note_time(self, now: float) -> None:
        """Tell the session time now and then, so that a picture that stands still is not called 30 fps."""
        if self.phase is Phase.RUNNING and self._rate.note_time(now):
            self.frame_changed.emit()

    # ----------------------------------------------------------------- state

    def set_phase(self, phase: Phase, message: str = "", *, remedy: Remedy = Remedy.RETRY) -> None:
        """Go to ``phase``; ``message`` says what is waited for or, FAILED, what was expected and what came."""
        if (phase, message, remedy) == (self.phase, self.message, self.remedy):
            return
        self.phase, self.message, self.remedy = phase, message, remedy
        self.phase_changed.emit()

    def set_source(
        self,
        name: str,
        *,
        mirrored: bool,
        marks: Iterable[str] = (),
        absent: Mapping[Modality, str] | None = None,
    ) -> None:
        """Name what is running; a new source takes picture, face and loudness of the old one away."""
        self.source_name, self.mirrored = name, mirrored
        self.marks, self.absent = tuple(dict.fromkeys(marks)), dict(absent or {})
        self.frame, self._face, self._rate = None, None, PreviewRate()
        self.loudness, self.level_db, self.speaking, self.has_sound = Loudness(), SILENCE_DB, False, False
        for signal in (self.source_changed, self.frame_changed, self.level_changed):
            signal.emit()

    def set_marks(self, marks: Iterable[str]) -> None:
        """Show ``marks`` (a reading's provenance has them too)."""
        new = tuple(dict.fromkeys(marks))
        if new != self.marks:
            self.marks = new
            self.source_changed.emit()

    def set_absent(self, absent: Mapping[Modality, str]) -> None:
        """Say which modalities the session goes without, and why."""
        if dict(absent) != self.absent:
            self.absent = dict(absent)
            self.source_changed.emit()

    def notice(self, key: str, text: str | None, *, action: str = "", good: bool = False) -> None:
        """Show a problem until it is resolved: ``None`` takes it away; the same key again changes its text."""
        new = None if text is None else Notice(key=key, text=text, action=action, good=good)
        if self.notices.get(key) == new:
            return
        if new is None:
            del self.notices[key]
        else:
            self.notices[key] = new
        self.notices_changed.emit()

    # --------------------------------------------------------------- loading

    def plan_loading(self, assets: Iterable[tuple[str, str, int]]) -> None:
        """Show what has to be fetched: (name, title, bytes) of each asset."""
        self._load(Loading.planned(assets))

    def take_progress(self, progress: Progress) -> None:
        """Show how far a download is."""
        self._load(self.loading.progressed(progress))

    def set_step(self, key: str, state: StepState, problem: str = "") -> None:
        """Say what became of one asset."""
        self._load(self.loading.with_state(key, state, problem))

    def cancel_loading(self) -> None:
        """Show that the user stopped it."""
        self._load(self.loading.stopped())

    def finish_loading(self) -> None:
        """Show that nothing is left to fetch."""
        self._load(self.loading.finished())

    def _load(self, loading: Loading) -> None:
        if loading != self.loading:
            self.loading = loading
            self.loading_changed.emit()
