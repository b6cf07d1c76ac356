"""One immutable message per stage of the pipeline (the table in ``docs/architecture.md``).

All times are float seconds of session time; all arrays are read-only. Equality is identity, because arrays have no
single truth value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dmd_runtime.modality import Edge, Graph, Modality

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

EMPTY_TIMES: Float64 = np.empty(0, dtype=np.float64)
EMPTY_TIMES.flags.writeable = False
FOREVER = float("inf")

Array = TypeVar("Array", bound=npt.NDArray[Any])


def freeze(array: Array) -> Array:
    """Mark ``array`` read-only and return it."""
    array.flags.writeable = False
    return array


class Span(NamedTuple):
    """A half-open stretch of session time ``[start, end)``."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def overlap(self, other: Span) -> float:
        """Seconds that both spans share."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoFrame:
    """One picture. ``image`` is uint8 RGB (H, W, 3), contiguous; ``t`` was stamped when it was captured."""

    seq: int
    t: float
    image: UInt8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AudioBlock:
    """Mono samples, float32 (n,) in [-1, 1] at ``rate`` Hz; ``t`` is the time of the first one.

    ``lost`` samples went missing immediately before this block (an overrun or a hole in a file); ``t`` counts them.
    """

    seq: int
    t: float
    samples: Float32
    rate: int
    lost: int = 0

    @property
    def end(self) -> float:
        """Time just after the last sample."""
        return self.t + len(self.samples) / self.rate


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FeatureBlock:
    """Rows of one modality's features and the promise up to when they are complete.

    Attributes
    ----------
    times, ends : float64 (n,)
        Where each row starts in media time, and the latest media time it has looked at (``ends >= times``).
    values : float32 (n, D)
    confidence : float32 (n,)
        In [0, 1].
    due : float64 (k,)
        Times at which a row was to be expected, whether it came or not (no face, dropped, lost); rows / due = coverage.
    settled_until : float
        Every row with ``time < settled_until`` has been sent. ``FOREVER`` at the end of the stream.
    replaces_from : float or None
        Rows sent earlier whose time is at or after this are void (a hypothesis was revised).
    """

    modality: Modality
    times: Float64
    ends: Float64
    values: Float32
    confidence: Float32
    due: Float64
    settled_until: float
    replaces_from: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WindowRows:
    """Rows that know a whole window and belong to no other: columns to stand behind those of the modality's blocks.

    Sent before the block whose ``settled_until`` passes ``end``. ``values`` is float32 (n, D'), right-aligned: the last
    row ends with the window, at ``end``. None (n = 0) where there was nothing to look at.
    """

    modality: Modality
    end: float
    values: Float32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FaceObservation:
    """The face that the visual features were taken from.

    ``box`` is (x, y, width, height) and ``outline`` float32 (n, 2), both as shares of the image's width and height.
    ``identity`` changes when the tracked face does.
    """

    t: float
    box: tuple[float, float, float, float]
    confidence: float
    identity: int
    outline: Float32


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechActivity:
    """Voiced spans that became certain since the last message; nothing before ``settled_until`` will change.

    ``speaking`` tells whether the stream is inside speech at ``settled_until``; ``level_db`` is the block's loudness
    (dB relative to full scale).
    """

    spans: tuple[Span, ...]
    settled_until: float
    speaking: bool
    level_db: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One recognised word; a ``committed`` word never changes. ``p`` is the recogniser's probability.

    ``speaker_visible`` tells whether a face was in view while it was said; None until that is known.
    """

    span: Span
    text: str
    p: float
    committed: bool
    speaker_visible: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """The current reading of one stretch of speech; a later one with the same ``seq`` replaces it until ``final``."""

    seq: int
    span: Span
    words: tuple[Word, ...]
    final: bool
    language: str = "en"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """Aligned input of one reading.

    ``features[m]`` is float32 (T_m, D_m), left-padded with zeros; ``mask[m]`` bool (T_m,) is True where a row is real.
    ``coverage[m]`` is the share of what was due that came; ``speech`` the voiced share of the span; ``settled[m]``
    False where the window was made before all rows had come. ``present[m]`` is the decision whether a modality counts.
    ``reason`` names what is missing, in words for a user.
    """

    index: int
    span: Span
    features: Mapping[Modality, Float32]
    mask: Mapping[Modality, Bool]
    coverage: Mapping[Modality, float]
    speech: float
    settled: Mapping[Modality, bool]
    present: Mapping[Modality, bool]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What made a reading; its ``marks`` (UNTRAINED, DEMO, SYNTHETIC) must be shown."""

    checkpoint: str
    checkpoint_name: str
    recipe: str
    device: str
    app_version: str
    marks: tuple[str, ...] = ()


Probabilities: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What the model says about one window: *expressed* emotion, never an inner state.

    Attributes
    ----------
    emotion : mapping label -> probability, or None
        None where nothing was present (or the checkpoint has no emotion labels).
    sentiment : float in [-3, 3] or None
    unimodal : {Graph: {Modality: probabilities or None}}
        Each vertex's own opinion in each graph; None for a missing modality.
    edges : {Graph: {Edge: weight} or None}
        Six raw weights that sum to 1 (uniform 1/6); None where there is no graph.
    prior : {Graph: {Edge: weight}} or None
        What the checkpoint pulls its edges to, where it has one.
    latency : made_at - span.end, in seconds of session time.
    """

    index: int
    span: Span
    made_at: float
    valid: bool
    reason: str
    emotion: Probabilities | None
    sentiment: float | None
    unimodal: Mapping[Graph, Mapping[Modality, Probabilities | None]]
    edges: Mapping[Graph, Mapping[Edge, float] | None]
    prior: Mapping[Graph, Mapping[Edge, float]] | None
    coverage: Mapping[Modality, float]
    speech: float
    settled: Mapping[Modality, bool]
    provenance: Provenance

    @property
    def latency(self) -> float:
        """Seconds from the end of the window to the reading."""
        return self.made_at - self.span.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The pipeline's state, once a second: per stage ``rate`` (1/s), ``p50_ms``, ``p95_ms``, ``drops``, ``depth``."""

    t: float
    stages: Mapping[str, Mapping[str, float]]
    rss_mb: float
    cpu_percent: float
    counters: Mapping[str, int | float | str] = field(default_factory=dict)
    """Totals so far; and which recogniser words come from (``speech_model``), since when, in which language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A stage died; the session goes on without what it gave, and says so."""

    t: float
    stage: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechChange:
    """Words that begin at ``t`` or later come from another recogniser than those before.

    Attributes
    ----------
    t : float
        Session time.
    model, before : str
        Names of the recognisers, "none" where there is none.
    language : str
        As asked for: a code, or "auto".
    absent : str
        Why there are no words from now on; empty where there are.
    """

    t: float
    model: str
    language: str
    before: str
    absent: str = ""


Message: TypeAlias = (
    VideoFrame
    | AudioBlock
    | FeatureBlock
    | WindowRows
    | FaceObservation
    | SpeechActivity
    | Utterance
    | Word
    | Window
    | Reading
    | Health
    | Failure
    | SpeechChange
)
