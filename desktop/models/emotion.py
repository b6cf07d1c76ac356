"""What the emotion panel shows: the reading's emotion made steady, beside the raw one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import numpy as np
from PySide6.QtCore import QObject, Signal

from desktop.models.explanation import explain
from desktop.models.steady import Smoother, StableLabel
from desktop.models.words import EMOTIONS, coverage_text, emotion_word, in_order, present
from dmd_runtime import MODALITIES, Graph, Modality, Reading


class EmotionState(Enum):
    """What there is to show."""

    WAITING = "no reading yet"
    NOT_VALID = "the last reading is not valid"
    SENTIMENT_ONLY = "valid; the checkpoint has no emotion labels"
    EMOTION = "valid"


class EmotionModel(QObject):
    """The emotion expressed now. Lives on the GUI thread.

    ``raw`` is the reading's own; ``shown`` is ``raw`` smoothed over session time, and ``label`` the leading one of
    ``shown`` with hysteresis. A reading that is not valid has no label, no probabilities and no sentiment: nothing of
    an earlier one is held over, and smoothing starts anew after it.

    ``opinions`` is what each modality alone says. It is taken from the vertices of the *homogeneous* graph: they see
    one modality's own rows only, while the heterogeneous vertices have already looked at the other two by crossmodal
    attention (``dmd_runtime/model/dmd.py``).

    Attributes
    ----------
    reading : the last one taken, or None.
    labels : in the order of the bars.
    raw, shown : mapping label -> probability; empty where there is none.
    label : the stable label, or None.
    opinions : {label: {Modality: probability}}; a missing modality is absent.
    sentiment, raw_sentiment : float in [-3, 3] or None.

    Signals
    -------
    changed : after every :meth:`take`, :meth:`reset` and change of :attr:`smoothing`.
    """

    changed = Signal()

    def __init__(self, *, smoothing: float = 1.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.reading: Reading | None = None
        self.labels: tuple[str, ...] = EMOTIONS
        self.raw: Mapping[str, float] = {}
        self.shown: Mapping[str, float] = {}
        self.label: str | None = None
        self.opinions: Mapping[str, Mapping[Modality, float]] = {}
        self.sentiment: float | None = None
        self.raw_sentiment: float | None = None
        self._emotion = Smoother(smoothing)
        self._sentiment = Smoother(smoothing)
        self._stable = StableLabel()

    @property
    def smoothing(self) -> float:
        """Time constant of what is shown, in seconds of session time; 0 shows the raw values."""
        return self._emotion.seconds

    @smoothing.setter
    def smoothing(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"expected a time constant of 0 or more seconds, got {seconds}")
        self._emotion.seconds = self._sentiment.seconds = seconds
        self.changed.emit()

    def take(self, reading: Reading) -> None:
        """Show ``reading``; its raw values are kept as they are."""
        self.reading = reading
        if not reading.valid:
            self._clear()
        else:
            t = reading.span.end
            self._take_emotion(t, reading)
            self._take_sentiment(t, reading)
        self.changed.emit()

    def reset(self) -> None:
        """Forget everything: a session starts or another source is shown."""
        self.reading = None
        self.labels = EMOTIONS
        self._clear()
        self.changed.emit()

    @property
    def state(self) -> EmotionState:
        """Which of the panel's pictures applies."""
        if self.reading is None:
            return EmotionState.WAITING
        if not self.reading.valid:
            return EmotionState.NOT_VALID
        return EmotionState.EMOTION if self.raw else EmotionState.SENTIMENT_ONLY

    @property
    def valid(self) -> bool:
        """Whether the last reading may be shown as one."""
        return self.reading is not None and self.reading.valid

    @property
    def title(self) -> str:
        """The large words: the emotion, or in its place what there is instead."""
        return {
            EmotionState.WAITING: self.tr("No reading yet"),
            EmotionState.NOT_VALID: self.tr("Not valid"),
            EmotionState.SENTIMENT_ONLY: self.tr("Sentiment only"),
            EmotionState.EMOTION: _capital(emotion_word(self.label or "")),
        }[self.state]

    @property
    def probability(self) -> float | None:
        """What is shown of the label."""
        return self.shown[self.label] if self.label is not None else None

    @property
    def reason(self) -> str:
        """Why there is no label, or what the reading had to do without; empty where nothing is missing."""
        if self.reading is None:
            return self.tr("the first window needs a few seconds")
        if self.state is EmotionState.SENTIMENT_ONLY:
            return self.tr("this checkpoint has no emotion labels")
        return self.reading.reason or ("" if self.reading.valid else self.tr("the model gave no reason"))

    @property
    def coverage(self) -> Mapping[Modality, float]:
        """Share of what was due that came, per modality; empty before the first reading."""
        return {} if self.reading is None else {m: self.reading.coverage[m] for m in MODALITIES}

    @property
    def validity(self) -> str:
        """E.g. ``valid · L 0.81 V 0.97 A 1.00``, ``no face for 3 s · L 0.81 V 0.02 A 1.00``; the reason comes first."""
        if self.reading is None:
            return self.tr("waiting")
        first = self.reading.reason or (self.tr("valid") if self.reading.valid else self.tr("not valid"))
        return f"{first} · {coverage_text(dict(self.coverage))}"

    @property
    def marks(self) -> tuple[str, ...]:
        """UNTRAINED, DEMO, SYNTHETIC: what must be shown beside the reading."""
        return () if self.reading is None else self.reading.provenance.marks

    @property
    def span(self) -> tuple[float, float] | None:
        """The window, (start, end) in seconds of session time."""
        return None if self.reading is None else self.reading.span

    @property
    def settled(self) -> Mapping[Modality, bool]:
        """Whether all rows of each modality had come when the reading was made."""
        return {} if self.reading is None else self.reading.settled

    def explanation(self) -> str:
        """Why the panel says what it says: plain text of a few short paragraphs, for people."""
        return explain(self.reading, self.label, self.shown, self.smoothing)

    def _take_emotion(self, t: float, reading: Reading) -> None:
        raw = reading.emotion
        if not raw:
            self._emotion.reset()
            self._stable.reset()
            self.labels, self.label, self.raw, self.shown, self.opinions = (), None, {}, {}, {}
            return
        labels = in_order(tuple(raw))
        if labels != self.labels:
            self._emotion.reset()
        self.labels = labels
        self.raw = {label: raw[label] for label in labels}
        smooth = self._emotion.step(t, np.array(list(self.raw.values())))
        self.shown = dict(zip(labels, smooth.tolist(), strict=True))
        self.label = self._stable.step(t, self.shown)
        alone = reading.unimodal[Graph.HOMOGENEOUS]
        said = {m: p for m in MODALITIES if m in present(reading) and (p := alone[m]) is not None}
        self.opinions = {label: {m: p[label] for m, p in said.items() if label in p} for label in labels}

    def _take_sentiment(self, t: float, reading: Reading) -> None:
        self.raw_sentiment = reading.sentiment
        if reading.sentiment is None:
            self._sentiment.reset()
            self.sentiment = None
        else:
            self.sentiment = float(self._sentiment.step(t, np.array([reading.sentiment]))[0])

    def _clear(self) -> None:
        self.label, self.raw, self.shown, self.opinions = None, {}, {}, {}
        self.sentiment = self.raw_sentiment = None
        self._emotion.reset()
        self._sentiment.reset()
        self._stable.reset()


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
