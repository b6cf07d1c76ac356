"""How the pipeline and this window are doing: figures of the last minute or so, bounded in memory. No widgets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, isfinite
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from dmd_runtime import Health

AMBER_PERCENT: Final = 1.0
RED_PERCENT: Final = 5.0
_MINUTE = 60.0  # s of drops that count
_LATENCIES = 240  # two minutes of readings, two a second
_AGES = 900  # half a minute of pictures
_EVERY_MS = 500  # between changes of what is shown


class Severity(Enum):
    """How bad a figure is."""

    GOOD = "good"
    AMBER = "amber"
    RED = "red"


def severity(percent: float | None) -> Severity:
    """Judge a share that was lost: amber above 1 %, red above 5 %."""
    if percent is None or percent <= AMBER_PERCENT:
        return Severity.GOOD
    return Severity.AMBER if percent <= RED_PERCENT else Severity.RED


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed; None where there are none."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(share * len(values) - 1e-9) - 1)]


@dataclass(frozen=True, kw_only=True)
class StageFigures:
    """One stage: items a second, milliseconds an item takes, items dropped since the start, items waiting."""

    name: str
    rate: float
    p50_ms: float
    p95_ms: float
    drops: int
    depth: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that is shown of the machine; None where nothing has been measured.

    Attributes
    ----------
    preview_fps : float
        Pictures a second on screen.
    face_rate : float
        Pictures a second that were searched for a face.
    dropped_percent : float
        Pictures skipped, of those that were due for analysis within the last minute.
    audio_lost_percent : float
        Sound lost within the last minute.
    drawn_p50_ms, drawn_p95_ms : float
        From the end of a window to its reading on screen.
    frame_age_p95_ms : float
        From capture to screen.
    speech_lag : float
        Seconds that the committed words are behind the voice.
    disk_left : float
        Seconds that can still be recorded.
    word_mean, word_p95 : float
        Seconds from the end of a word to its commitment, over the last minute or two of talk.
    first_word_p50 : float
        Seconds from the beginning of an utterance to its first word, tentative or not.
    speech_load : float
        Seconds of work for a second of speech.
    """

    preview_fps: float | None = None
    face_rate: float | None = None
    dropped_percent: float | None = None
    audio_lost_percent: float | None = None
    drawn_p50_ms: float | None = None
    drawn_p95_ms: float | None = None
    frame_age_p95_ms: float | None = None
    speech_lag: float | None = None
    cpu_percent: float | None = None
    rss_mb: float | None = None
    disk_left: float | None = None
    word_mean: float | None = None
    word_p95: float | None = None
    first_word_p50: float | None = None
    speech_load: float | None = None
    stages: tuple[StageFigures, ...] = ()


class Losses:
    """Shares lost within the last minute, from running totals."""

    def __init__(self) -> None:
        self._history: deque[tuple[float, dict[str, float]]] = deque(maxlen=128)

    def take(self, t: float, totals: dict[str, float]) -> None:
        """Take running totals at ``t``; totals that fall, or a time before the last one, begin anew."""
        if self._history and (t <= self._history[-1][0] or any(totals[k] < v for k, v in self._history[-1][1].items())):
            self._history.clear()
        if not self._history:
            self._history.append((float("-inf"), dict.fromkeys(totals, 0.0)))
        self._history.append((t, totals))
        while len(self._history) > 2 and self._history[1][0] <= t - _MINUTE:
            self._history.popleft()

    def percent(self, lost: str, kept: str) -> float | None:
        """100 × lost / (lost + kept) of what came within the minute; None where nothing was due."""
        if not self._history:
            return None
        before, after = self._history[0][1], self._history[-1][1]
        gone, there = after[lost] - before[lost], after[kept] - before[kept]
        return 100 * gone / (gone + there) if gone + there > 0 else None


class HealthModel(QObject):
    """Collects figures and tells of changes at most twice a second; touched by the window's thread only.

    Attributes
    ----------
    checkpoint_name, device : str
        Of the model that runs.

    Signals
    -------
    changed : :meth:`figures` or what runs is different.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.checkpoint_name = ""
        self.device = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._tell_late)
        self._is_late = False
        self._clear()

    def _clear(self) -> None:
        self._health: Health | None = None
        self._losses = Losses()
        self._pictures_seen = 0.0
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._ages: deque[float] = deque(maxlen=_AGES)
        self._fps: float | None = None
        self._lag: float | None = None
        self._disk: float | None = None

    # -------------------------------------------------------------- measured

    def take(self, health: Health) -> None:
        """Take one second of the pipeline's condition."""
        seconds = health.t - self._health.t if self._health is not None else 1.0
        if seconds <= 0:  # another session
            seconds, self._pictures_seen = 1.0, 0.0
        visual = health.stages.get("visual", {})
        self._pictures_seen += visual.get("rate", 0.0) * seconds
        counters = health.counters
        self._losses.take(
            health.t,
            {
                "pictures": self._pictures_seen,
                "pictures_lost": float(counters.get("frames_dropped", int(visual.get("drops", 0)))),
                "sound": float(counters.get("audio_samples", 0)),
                "sound_lost": float(counters.get("audio_lost", 0)),
            },
        )
        self._health = health
        self._tell()

    def note_drawn(self, latency: float) -> None:
        """Take the seconds from the end of a window to its reading on screen."""
        if isfinite(latency):
            self._latencies.append(latency)
            self._tell()

    def note_frame_age(self, age: float) -> None:
        """Take the seconds from a picture's capture to the screen."""
        if isfinite(age):
            self._ages.append(age)
            self._tell()

    def set_fps(self, fps: float | None) -> None:
        """Say how many pictures a second are shown."""
        if fps != self._fps:
            self._fps = fps
            self._tell()

    def set_speech_lag(self, seconds: float | None) -> None:
        """Say how far the committed words are behind."""
        if seconds != self._lag:
            self._lag = seconds
            self._tell()

    def set_disk_left(self, seconds: float | None) -> None:
        """Say how long can still be recorded; None where nothing is recorded."""
        if seconds != self._disk:
            self._disk = seconds
            self._tell()

    def set_provenance(self, checkpoint_name: str, device: str) -> None:
        """Say which model runs, and where."""
        if (checkpoint_name, device) != (self.checkpoint_name, self.device):
            self.checkpoint_name, self.device = checkpoint_name, device
            self._tell()

    def reset(self) -> None:
        """Forget all figures, for a new session; what runs stays."""
        self._clear()
        self._tell()

    # ----------------------------------------------------------------- shown

    def figures(self) -> Figures:
        """Everything as it is now."""
        health = self._health
        stages = () if health is None else tuple(_stage(name, dict(s)) for name, s in health.stages.items())
        words = {} if health is None else health.stages.get("words", {})
        return Figures(
            preview_fps=self._fps,
            face_rate=next((s.rate for s in stages if s.name == "visual"), None),
            dropped_percent=self._losses.percent("pictures_lost", "pictures"),
            audio_lost_percent=self._losses.percent("sound_lost", "sound"),
            drawn_p50_ms=_ms(percentile(self._latencies, 0.5)),
            drawn_p95_ms=_ms(percentile(self._latencies, 0.95)),
            frame_age_p95_ms=_ms(percentile(self._ages, 0.95)),
            speech_lag=self._lag,
            cpu_percent=None if health is None else health.cpu_percent,
            rss_mb=None if health is None else health.rss_mb,
            disk_left=self._disk,
            word_mean=words.get("committed_mean_s"),
            word_p95=words.get("committed_p95_s"),
            first_word_p50=words.get("first_partial_p50_s"),
            speech_load=words.get("rtf"),
            stages=stages,
        )

    def _tell(self) -> None:
        if self._timer.isActive():
            self._is_late = True
            return
        self._is_late = False
        self._timer.start()
        self.changed.emit()

    def _tell_late(self) -> None:
        if self._is_late:
            self._tell()


def _stage(name: str, figures: dict[str, float]) -> StageFigures:
    return StageFigures(
        name=name,
        rate=figures.get("rate", 0.0),
        p50_ms=figures.get("p50_ms", 0.0),
        p95_ms=figures.get("p95_ms", 0.0),
        drops=int(figures.get("drops", 0)),
        depth=int(figures.get("depth", 0)),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3
