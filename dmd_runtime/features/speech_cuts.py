"""From voice probabilities to voiced stretches to utterances: pure, chunk by chunk, in whole chunks of 32 ms.

Both steps take one chunk at a time, so that how the sound was cut into blocks cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.silero import CHUNK
from dmd_runtime.sources.base import ANALYSIS_RATE

CHUNK_SECONDS = CHUNK / ANALYSIS_RATE
_DB_PER_PROBABILITY = 20.0  # a chunk that is surely no voice counts as 20 dB quieter when a cut is looked for
_FIRST_PIECE = 0.35  # s of voice that are worth a first try
_EDGE = 3  # chunks at either end of the search in which no cut is made


@dataclass(frozen=True, kw_only=True)
class VoiceActivityConfig:
    """When sound counts as voice and where voice is cut into utterances.

    Attributes
    ----------
    threshold, release : float
        Voice begins at a probability of at least ``threshold`` and ends below ``release``.
    min_speech, min_gap : float
        Seconds: a shorter burst is no speech, a shorter dip no gap. They are the delay of the decision.
    end_silence : float
        Seconds without voice that end an utterance.
    long_after, end_silence_long : float
        An utterance that has lasted ``long_after`` seconds already ends after ``end_silence_long`` seconds.
    max_utterance : float
        Seconds after which an utterance is cut although there is no pause ...
    cut_search : float
        ... at the best place within its last ``cut_search`` seconds.
    lead, tail : float
        Seconds of sound before and after the voiced span that the recogniser hears too; never another utterance's
        voice.
    partial_every : float or None
        Seconds between tentative segments of an open utterance; None gives final ones only.
    first_partial : float or None
        Seconds of voice before the first of them; None: as between two.
    in_pieces : bool
        Hand sound over piece by piece instead (:class:`~dmd_runtime.features.voice_activity.SpeechPiece`), each sample
        once; then nothing but a pause ends an utterance, and memory is bounded by ``partial_every``, which must be set.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    threshold: float = 0.5
    release: float = 0.35
    min_speech: float = 0.1
    min_gap: float = 0.1
    end_silence: float = 0.5
    long_after: float = 4.0
    end_silence_long: float = 0.25
    max_utterance: float = 7.0
    cut_search: float = 2.5
    lead: float = 0.25
    tail: float = 0.3
    partial_every: float | None = None
    first_partial: float | None = None
    in_pieces: bool = False

    @classmethod
    def streaming(cls, every: float) -> VoiceActivityConfig:
        """For speech that is recognised while it goes on: a piece every ``every`` seconds.

        No pause within a sentence needs to end an utterance early, because its words need not wait for the end.
        """
        first = min(_FIRST_PIECE, every)
        return cls(partial_every=every, first_partial=first, in_pieces=True, end_silence_long=cls.end_silence)

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.threshold < 1:
            raise ConfigError(f"0 < release <= threshold < 1 must hold, got {self.release:g} and {self.threshold:g}")
        for name in ("min_speech", "min_gap", "lead", "tail"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be 0 to 1 s, got {getattr(self, name):g}")
        if not self.min_gap <= self.end_silence_long <= self.end_silence <= 5:
            raise ConfigError(
                "min_gap <= end_silence_long <= end_silence <= 5 s must hold, "
                f"got {self.min_gap:g}, {self.end_silence_long:g}, {self.end_silence:g}"
            )
        if not 1 <= self.max_utterance <= 28:
            raise ConfigError(f"max_utterance must be 1 to 28 s (Whisper hears 30), got {self.max_utterance:g}")
        if not 0.3 <= self.cut_search < self.max_utterance:
            raise ConfigError(f"cut_search must be from 0.3 s to below max_utterance, got {self.cut_search:g}")
        if self.partial_every is not None and not self.partial_every >= 0.1:
            raise ConfigError(f"partial_every must be at least 0.1 s, or None, got {self.partial_every:g}")
        if self.first_partial is not None and not 0.1 <= self.first_partial <= 5:
            raise ConfigError(f"first_partial must be 0.1 to 5 s, got {self.first_partial:g}")
        if self.in_pieces and self.partial_every is None:
            raise ConfigError("in_pieces needs partial_every: pieces are what comes between")


def chunks(seconds: float) -> int:
    """Whole chunks nearest to ``seconds``."""
    return round(seconds / CHUNK_SECONDS)


class Voicing:
    """Hysteresis: probabilities in, one decision a chunk out, at most ``min_speech`` or ``min_gap`` later."""

    def __init__(self, config: VoiceActivityConfig) -> None:
        self._config = config
        self._voiced = False
        self._undecided = 0  # chunks that speak for a change not yet believed
        self._needed = {False: chunks(config.min_speech), True: chunks(config.min_gap)}

    def push(self, probability: float) -> list[bool]:
        """Take the next chunk; return the decisions, oldest first, that became final."""
        doubting = self._undecided > 0  # a change once begun goes on as easily as it would have lasted
        limit = self._config.threshold if self._voiced == doubting else self._config.release
        if (probability >= limit) is self._voiced:
            decided = [self._voiced] * (self._undecided + 1)
            self._undecided = 0
            return decided
        self._undecided += 1
        if self._undecided < self._needed[self._voiced]:
            return []
        decided = [not self._voiced] * self._undecided
        self._voiced, self._undecided = not self._voiced, 0
        return decided

    def finish(self) -> list[bool]:
        """Decide the rest at the end of the sound: what is in doubt is no voice."""
        decided = [False] * self._undecided
        self._voiced, self._undecided = False, 0
        return decided


class Cut(NamedTuple):
    """An utterance in chunks: voiced ``[start, end)``, with ``lead`` before and ``tail`` after to be heard too."""

    number: int
    start: int
    end: int
    lead: int
    tail: int
    final: bool


class Segmenter:
    """Voiced chunks in, utterances out; touched by one thread.

    Utterances are disjoint, ordered, and together hold every voiced chunk.
    """

    def __init__(self, config: VoiceActivityConfig, *, first_number: int = 0) -> None:
        self.index = 0
        """Chunks taken so far."""
        self.number = first_number
        """Number of the open utterance, or of the next one."""
        self._config = config
        self._start: int | None = None
        self._end = 0  # after the last voiced chunk
        self._voiced: list[bool] = []  # per chunk since _start
        self._scores: list[float] = []
        self._next_partial = 0
        self._free_from = 0  # end of the voice of the utterance before: no lead reaches back beyond

    @property
    def settled(self) -> int:
        """No utterance that is open or still to come begins before this chunk."""
        return self.index if self._start is None else self._start

    @property
    def reach(self) -> int:
        """First chunk whose sound may still be needed."""
        return max(self._free_from, self.settled - chunks(self._config.lead))

    def push(self, *, voiced: bool, probability: float, level_db: float) -> list[Cut]:
        """Take the next chunk (its loudness in dB relative to full scale); return what it completes."""
        self.index += 1
        if self._start is None:
            if not voiced:
                return []
            self._open(self.index - 1)
        if not self._config.in_pieces:
            self._voiced.append(voiced)
            self._scores.append(level_db + _DB_PER_PROBABILITY * probability)
        if not voiced:
            return [self._close()] if self.index - self._end >= self._patience() else []
        self._end = self.index
        out: list[Cut] = []
        if not self._config.in_pieces and self.index - self.settled >= chunks(self._config.max_utterance):
            out.append(self._divide())
        if self._config.partial_every is not None and self.index >= self._next_partial:
            out.append(self._cut(self._end, tail=0, final=False))
            self._next_partial = self.index + chunks(self._config.partial_every)
        return out

    def finish(self) -> list[Cut]:
        """Close what is open at the end of the sound."""
        return [] if self._start is None else [self._close()]

    def _patience(self) -> int:
        long = self._end - self.settled >= chunks(self._config.long_after)
        return chunks(self._config.end_silence_long if long else self._config.end_silence)

    def _open(self, start: int) -> None:
        self._start = start
        self._voiced, self._scores = [], []
        if self._config.partial_every is not None:
            first = self._config.first_partial
            self._next_partial = start + chunks(self._config.partial_every if first is None else first)

    def _cut(self, end: int, *, tail: int, final: bool) -> Cut:
        assert self._start is not None
        lead = min(chunks(self._config.lead), self._start - self._free_from)
        return Cut(self.number, self._start, end, lead, tail, final)

    def _close(self) -> Cut:
        cut = self._cut(self._end, tail=min(chunks(self._config.tail), self.index - self._end), final=True)
        self._free_from = self._end
        self._start = None
        self.number += 1
        return cut

    def _divide(self) -> Cut:
        """Cut a long utterance at its best place; what follows is the next one, and stays open."""
        assert self._start is not None
        quiet, resume = self._best_place()
        voiced, scores, next_partial = self._voiced[resume:], self._scores[resume:], self._next_partial
        start = self._start
        cut = self._cut(start + quiet, tail=min(chunks(self._config.tail), resume - quiet), final=True)
        self._free_from = start + quiet
        self.number += 1
        self._open(start + resume)
        self._voiced, self._scores = voiced, scores
        self._next_partial = max(self._next_partial, next_partial)
        return cut

    def _best_place(self) -> tuple[int, int]:
        """Where the first part ends and the second begins, relative to the start of the utterance.

        The longest gap in the voice, where there is one; else between the two quietest, least voiced chunks.
        """
        count = len(self._voiced)
        first, last = max(_EDGE, count - chunks(self._config.cut_search)), count - _EDGE
        gaps = [gap for gap in _gaps(self._voiced) if gap[0] >= first]
        if gaps:
            return max(gaps, key=lambda gap: gap[1] - gap[0])
        smooth = np.convolve(self._scores, (0.25, 0.5, 0.25), mode="same")
        place = first + int(np.argmin(smooth[first:last]))
        return place, place


def _gaps(voiced: list[bool]) -> list[tuple[int, int]]:
    """Find the runs of False, as half-open ranges."""
    edges = np.flatnonzero(np.diff(np.array([True, *voiced, True], dtype=np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
