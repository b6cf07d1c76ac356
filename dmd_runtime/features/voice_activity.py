"""Where there is voice, and the stretches of it that the recogniser gets.

Sound goes through the Silero detector (:mod:`~dmd_runtime.features.silero`) chunk by chunk; what its probabilities mean
is decided in :mod:`~dmd_runtime.features.speech_cuts`, which is pure. The order of messages out of one call is:
segments, :class:`SpeechActivity`, :class:`SpeechSettled`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.features.silero import CHUNK, SileroModel, VoiceModel
from dmd_runtime.features.speech_cuts import Cut, Segmenter, VoiceActivityConfig, Voicing
from dmd_runtime.messages import FOREVER, AudioBlock, Float32, Span, SpeechActivity, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE

__all__ = ["SpeechPiece", "SpeechSegment", "SpeechSettled", "VoiceActivityConfig", "VoiceActivityDetector"]

SILENCE_DB = -120.0
"""Level given to digital silence, in dB relative to full scale."""
_EMPTY = freeze(np.empty(0, dtype=np.float32))
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpeechSegment:
    """One utterance's sound for the recogniser.

    Attributes
    ----------
    seq : int
        Counts utterances; tentative segments carry the number of the final one that will replace them.
    span : Span
        The voiced stretch: words belong inside.
    samples : float32 (n,)
        At 16 kHz; the first is heard ``lead`` seconds before ``span.start``, and some may come after ``span.end``.
    final : bool
        False for the first part of an utterance that still goes on.
    """

    seq: int
    span: Span
    samples: Float32
    final: bool
    lead: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpeechPiece:
    """The next sound of an utterance that is recognised while it goes on.

    Attributes
    ----------
    seq : int
        Counts utterances; all pieces of one carry its number.
    span : Span
        The voiced stretch so far.
    samples : float32 (n,)
        At 16 kHz; they follow those of the piece before. The first of an utterance is heard ``lead`` seconds before
        ``span.start``.
    final : bool
        The utterance has ended.
    """

    seq: int
    span: Span
    samples: Float32
    final: bool
    lead: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeechSettled:
    """All speech that begins before ``until`` has been handed over in final segments or pieces."""

    until: float


Speech: TypeAlias = SpeechSegment | SpeechPiece
Output: TypeAlias = Speech | SpeechActivity | SpeechSettled


class VoiceActivityDetector:
    """Streaming voice activity and utterances; touched by one thread.

    Apart from ``level_db`` and from where messages are cut in time, what comes out does not depend on how the sound was
    cut into blocks. A block with ``lost`` samples ends the open utterance and begins anew after the hole.

    Parameters
    ----------
    config : VoiceActivityConfig
    model : VoiceModel, optional
        A loaded detector to share; by default the bundled one is loaded (about 50 ms).
    """

    def __init__(self, config: VoiceActivityConfig | None = None, model: VoiceModel | None = None) -> None:
        self.config = config if config is not None else VoiceActivityConfig()
        self._model: VoiceModel = model if model is not None else SileroModel()
        self._run: _Run | None = None
        self._segments = 0
        self._settled = 0.0
        self._warned = False

    def push(self, block: AudioBlock) -> tuple[Output, ...]:
        """Take sound at 16 kHz; return what became certain.

        Raises
        ------
        ModelError
            The block has another rate.
        """
        if block.rate != ANALYSIS_RATE:
            raise ModelError(f"voice activity needs sound at {ANALYSIS_RATE} Hz, got {block.rate} Hz")
        samples = self._finite(block.samples)
        segments: list[Speech] = []
        spans: list[Span] = []
        if self._run is not None and block.lost:
            self._take(self._run.finish(), segments, spans)
            self._run = None
        if self._run is None:
            self._run = _Run(self.config, self._model, origin=block.t, first_number=self._segments)
        self._take(self._run.push(samples), segments, spans)
        activity = SpeechActivity(
            spans=tuple(spans),
            settled_until=self._run.decided_until,
            speaking=self._run.speaking,
            level_db=level_db(samples),
        )
        return (*segments, activity, *self._progress(self._run.settled))

    def finish(self) -> tuple[Output, ...]:
        """End of the sound: the open utterance, and everything settled."""
        segments: list[Speech] = []
        spans: list[Span] = []
        if self._run is not None:
            self._take(self._run.finish(), segments, spans)
            self._run = None
        activity = SpeechActivity(spans=tuple(spans), settled_until=FOREVER, speaking=False, level_db=SILENCE_DB)
        return (*segments, activity, *self._progress(FOREVER))

    def _take(self, said: tuple[list[Speech], list[Span]], segments: list[Speech], spans: list[Span]) -> None:
        segments += said[0]
        spans += said[1]
        self._segments += sum(s.final for s in said[0])

    def _progress(self, settled: float) -> Iterable[SpeechSettled]:
        if settled > self._settled:
            self._settled = settled
            yield SpeechSettled(settled)

    def _finite(self, samples: Float32) -> Float32:
        """One sample that is no number would silence the detector for the rest of the stream."""
        if np.isfinite(samples).all():
            return samples
        if not self._warned:
            self._warned = True
            logger.warning("sound holds samples that are no numbers; they are taken as 0")
        return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


class _Run:
    """Sound without holes: from its first sample or a hole up to the next hole or the end."""

    def __init__(self, config: VoiceActivityConfig, model: VoiceModel, *, origin: float, first_number: int) -> None:
        self._origin = origin
        self._voice = model.stream()
        self._voicing = Voicing(config)
        self._segmenter = Segmenter(config, first_number=first_number)
        self._undecided: deque[tuple[float, float]] = deque()  # (probability, level) of chunks not yet decided
        self._samples: Float32 = _EMPTY  # from sample number _kept_from on
        self._kept_from = 0
        self._heard = 0  # samples that the detector has heard
        self._in_pieces = config.in_pieces
        self._sent: int | None = None  # sample up to which the open utterance was handed over in pieces
        self.speaking = False

    @property
    def decided_until(self) -> float:
        """Voiced or not is certain before this time."""
        return self._time(self._segmenter.index * CHUNK)

    @property
    def settled(self) -> float:
        """No utterance that is open or to come begins before this time."""
        return self._time(self._segmenter.settled * CHUNK)

    def push(self, samples: Float32) -> tuple[list[Speech], list[Span]]:
        self._samples = np.concatenate((self._samples, samples))
        decisions = []
        while self._heard + CHUNK <= self._kept_from + len(self._samples):
            decisions += self._hear(self._piece(self._heard, self._heard + CHUNK))
        said = self._decide(decisions)
        self._forget()
        return said

    def finish(self) -> tuple[list[Speech], list[Span]]:
        rest = self._piece(self._heard, self._heard + CHUNK)
        decisions = []
        if len(rest):
            decisions += self._hear(np.pad(rest, (0, CHUNK - len(rest))))
        decisions += self._voicing.finish()
        segments, spans = self._decide(decisions)
        segments += [self._segment(cut) for cut in self._segmenter.finish()]
        self.speaking = False
        return segments, spans

    def _hear(self, chunk: Float32) -> list[bool]:
        probability = self._voice(chunk)
        self._undecided.append((probability, level_db(chunk)))
        self._heard += CHUNK
        return self._voicing.push(probability)

    def _decide(self, decisions: list[bool]) -> tuple[list[Speech], list[Span]]:
        first = self._segmenter.index
        segments: list[Speech] = []
        for voiced in decisions:
            probability, level = self._undecided.popleft()
            cuts = self._segmenter.push(voiced=voiced, probability=probability, level_db=level)
            segments += [self._segment(cut) for cut in cuts]
        if decisions:
            self.speaking = decisions[-1]
        edges = np.flatnonzero(np.diff(np.array([False, *decisions, False], dtype=np.int8))) + first
        return segments, [self._span(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def _segment(self, cut: Cut) -> Speech:
        begin, end = (cut.start - cut.lead) * CHUNK, (cut.end + cut.tail) * CHUNK
        if self._in_pieces:
            begin, self._sent = begin if self._sent is None else self._sent, None if cut.final else end
        made: type[Speech] = SpeechPiece if self._in_pieces else SpeechSegment
        return made(
            seq=cut.number,
            span=self._span(cut.start, cut.end),
            samples=freeze(self._piece(begin, end).copy()),
            final=cut.final,
            lead=cut.lead * CHUNK / ANALYSIS_RATE,
        )

    def _span(self, first: int, last: int) -> Span:
        """Chunks as time; the last chunk of all may be a part of one."""
        there = self._kept_from + len(self._samples)
        return Span(self._time(first * CHUNK), self._time(min(last * CHUNK, there)))

    def _piece(self, begin: int, end: int) -> Float32:
        return self._samples[begin - self._kept_from : end - self._kept_from]

    def _forget(self) -> None:
        begin = self._segmenter.reach * CHUNK if self._sent is None else self._sent
        if begin > self._kept_from:
            self._samples = self._samples[begin - self._kept_from :].copy()
            self._kept_from = begin

    def _time(self, sample: int) -> float:
        return self._origin + sample / ANALYSIS_RATE


def level_db(samples: Float32) -> float:
    """Loudness (root mean square) of float32 (n,) in dB relative to full scale."""
    if not len(samples):
        return SILENCE_DB
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DB, 10 * float(np.log10(power))) if power > 0 else SILENCE_DB
