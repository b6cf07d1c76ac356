"""Words as they are spoken: speech that goes on is decoded again and again, and what two decodings agree on stays.

The sound of an utterance is kept in one buffer. Each decoding begins with the words that are committed already (their
tokens are given to the decoder), so that they can neither change nor be said twice. Where speech goes on for long, the
buffer is cut behind a committed word, and a new utterance begins there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.agreement import Agreement, AgreementConfig
from dmd_runtime.features.pace import Pace, PaceConfig
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSettled, level_db
from dmd_runtime.features.word_guards import (
    GuardConfig,
    Hypothesis,
    TimedWord,
    is_invented,
    objection,
    placed,
    plain_text,
)
from dmd_runtime.messages import Float32, Span, Utterance, Word
from dmd_runtime.sources.base import ANALYSIS_RATE

logger = logging.getLogger(__name__)

_EMPTY: Float32 = np.empty(0, dtype=np.float32)
_SENTENCE_END = (".", "?", "!", "。", "？", "！")
_MOST_RESTS = 2  # times that what a final decoding left out is decoded by itself
_SHORTEST = 0.1  # s of sound that are worth decoding


@dataclass(frozen=True, kw_only=True)
class StreamingConfig:
    """How speech that goes on is decoded.

    Attributes
    ----------
    cut_after : float
        Seconds of sound after which an utterance is cut behind the last sentence that is committed whole ...
    cut_anywhere : float
        ... after these behind the word before the longest pause between committed words ...
    longest : float
        ... and after these it ends, whatever is committed: the bound of the buffer.
    stopped_after : float
        Seconds of voice after the committed words in which something more should have been said.
    rest : float
        Seconds of voice after the last word of a final decoding that are decoded once more.
    agreement : AgreementConfig
    pace : PaceConfig
    guard : GuardConfig

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    cut_after: float = 8.0
    cut_anywhere: float = 12.0
    longest: float = 20.0
    stopped_after: float = 0.5
    rest: float = 1.0
    agreement: AgreementConfig = field(default_factory=AgreementConfig)
    pace: PaceConfig = field(default_factory=PaceConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)

    def __post_init__(self) -> None:
        if not 2 <= self.cut_after <= self.cut_anywhere < self.longest <= 25:
            raise ConfigError(
                "2 <= cut_after <= cut_anywhere < longest <= 25 s must hold, "
                f"got {self.cut_after:g}, {self.cut_anywhere:g}, {self.longest:g}"
            )
        if self.rest < 0.5 or self.stopped_after < 0.2:
            raise ConfigError(
                "rest must be at least 0.5 s and stopped_after at least 0.2 s, "
                f"got {self.rest:g} and {self.stopped_after:g}"
            )


class StreamRecogniser(Protocol):
    """A loaded model; keeps nothing from one call to the next (:class:`~.short_context.ShortContext`)."""

    def __call__(
        self, samples: Float32, begin: Sequence[int] = (), *, language: str | None = None, beam_size: int | None = None
    ) -> Hypothesis:
        """Decode float32 (n,) at 16 kHz; the text begins with the tokens ``begin``."""
        ...


class _Open:
    """The utterance that is being spoken; ``origin`` is the session time of the first sample of its buffer."""

    def __init__(self, seq: int, origin: float, start: float, agreement: Agreement) -> None:
        self.seq = seq
        self.origin = origin
        self.start = start
        self.sound = _EMPTY
        self.agreement = agreement
        self.words: tuple[Word, ...] = ()  # committed
        self.begin: tuple[int, ...] = ()  # tokens of the committed words
        self.language: str | None = None

    @property
    def end(self) -> float:
        return self.origin + len(self.sound) / ANALYSIS_RATE


class StreamingTranscriber:
    """Pieces of speech in, utterances out; touched by one thread.

    Words are committed from left to right and never change; a non-final utterance has its committed words first, then
    the tentative ones. Long speech is cut into several utterances, numbered (``seq``) here: a word that one of them has
    committed may pass to the next, as it is.

    Parameters
    ----------
    recogniser : StreamRecogniser
    config : StreamingConfig, optional
    patient : bool
        Decode every piece, whatever it takes: what comes out is then a function of the sound alone.
    stopwatch : callable
        Seconds of the clock that decodings are charged on (a benchmark may have its own).
    """

    def __init__(
        self,
        recogniser: StreamRecogniser,
        config: StreamingConfig | None = None,
        *,
        patient: bool = False,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._recogniser = recogniser
        self._config = config if config is not None else StreamingConfig()
        self._patient = patient
        self._stopwatch = stopwatch
        self._pace = Pace(self._config.pace)
        self._open: _Open | None = None
        self._seq = 0
        self.skipped = 0
        """Decodings of open speech that were left out because the machine was behind."""

    def push(self, item: SpeechPiece | SpeechSettled, *, behind: bool = False) -> tuple[Utterance, ...]:
        """Take the next sound of an utterance; a mark of progress gives nothing.

        ``behind``: newer sound waits already, so that only a final piece is worth decoding now.

        Raises
        ------
        ModelError
            The recogniser failed.
        """
        if isinstance(item, SpeechSettled):
            return ()
        if self._open is None:
            origin = item.span.start - item.lead
            self._open = _Open(self._seq, origin, item.span.start, Agreement(self._config.agreement))
        now = self._open
        now.sound = np.concatenate((now.sound, item.samples))
        if item.final:
            return self._close(now, voice_end=item.span.end)
        full = len(now.sound) >= self._config.longest * ANALYSIS_RATE
        if not full and not self._patient and (behind or not self._pace.due(now.end)):
            self.skipped += 1
            return ()
        self._decode_open(now)
        ended = self._cut(now)
        now = self._open
        return (*ended, self._utterance(now, Span(now.start, now.end), final=False))

    def finish(self) -> tuple[Utterance, ...]:
        """The sound has ended; an utterance that was not closed is, with what was understood of it."""
        return () if self._open is None else self._close(self._open, voice_end=self._open.end)

    def figures(self) -> dict[str, float]:
        """Seconds between decodings now, and work for a second of sound, for the health figures."""
        return {"cadence_s": round(self._pace.cadence, 2), "rtf": round(self._pace.rtf, 3), "coalesced": self.skipped}

    # ------------------------------------------------------------------ decoding

    def _decode_open(self, now: _Open) -> None:
        begun = self._stopwatch()
        said = self._hypothesis(now, now.end, thorough=self._patient or not self._pace.is_greedy)
        self._pace.note(now.end, took=self._stopwatch() - begun)
        if not self._believed(said, now, now.end):
            now.agreement.withdraw()
            return
        now.language = said.language
        words = _shifted(said.words, now.origin)
        if is_invented([plain_text(text) for text, *_ in words]):
            now.agreement.tentative = words  # it may yet turn out to be what is said to noise
        else:
            self._take(now, now.agreement.push(words, heard_until=now.end), now.end)
            self._begin_with(now, said)

    def _close(self, now: _Open, *, voice_end: float) -> tuple[Utterance, ...]:
        """Decode what there is for the last time, and commit it all."""
        end = max(voice_end, now.start + _SHORTEST)
        words: tuple[TimedWord, ...] = ()
        if voice_end - now.start >= _SHORTEST:  # else it is what was left behind a cut
            said = self._hypothesis(now, end, thorough=True)
            if self._believed(said, now, end):
                now.language = said.language
                words = _shifted(said.words, now.origin)
        fresh = now.agreement.flush(words)
        rests: list[TimedWord] = []
        for _ in range(_MOST_RESTS):
            done = max((w[2] for w in (*now.agreement.committed, *rests)), default=end)
            if end - done < self._config.rest:
                break
            more = self._recognise(now, now.sound[round((done - now.origin) * ANALYSIS_RATE) :], ())
            if not self._believed(more, now, end, since=done):
                break
            rests += _shifted(more.words, done)
        self._take(now, (*fresh, *rests), max(end, now.agreement.until))
        self._open, self._seq = None, self._seq + 1
        last = now.words[-1].span.end if now.words else now.start
        return (self._utterance(now, Span(now.start, max(end, last)), final=True),)

    def _cut(self, now: _Open) -> tuple[Utterance, ...]:
        """End the utterance behind a committed word where it has become long, and begin the next one there."""
        seconds = len(now.sound) / ANALYSIS_RATE
        if seconds < self._config.cut_after:
            return ()
        if seconds >= self._config.longest:
            ended = self._close(now, voice_end=now.end)
            self._open = _Open(self._seq, now.end, now.end, Agreement(self._config.agreement))
            return ended
        count = self._place(now.agreement.committed, anywhere=seconds >= self._config.cut_anywhere)
        if not count:
            return ()
        rest = now.agreement.behind(count)
        at = now.words[count - 1].span.end
        following = [word[1] for word in (*rest.committed, *rest.tentative)]
        if following and following[0] > at:
            at = (at + following[0]) / 2  # in the middle of the pause
        done = Utterance(
            seq=now.seq, span=Span(now.start, at), words=now.words[:count], final=True, language=now.language or "en"
        )
        self._seq += 1
        self._open = _Open(self._seq, at, at, rest)
        self._open.sound = now.sound[round((at - now.origin) * ANALYSIS_RATE) :].copy()
        self._open.language = now.language
        self._open.words = now.words[count:]
        return (done,)

    def _place(self, committed: Sequence[TimedWord], *, anywhere: bool) -> int:
        """Number of committed words before the cut; 0 where there is no place yet.

        After the last word of a sentence, or, if ``anywhere``, before the longest pause in the later half.
        """
        for count in range(len(committed), 0, -1):
            if committed[count - 1][0].endswith(_SENTENCE_END):
                return count
        if not anywhere or not committed:
            return 0
        half = len(committed) // 2
        pauses = [committed[i + 1][1] - committed[i][2] for i in range(half, len(committed) - 1)]
        return half + int(np.argmax(pauses)) + 1 if pauses else len(committed)

    def _hypothesis(self, now: _Open, voice_end: float, *, thorough: bool) -> Hypothesis:
        """What is said in the whole buffer, in so far as it does not stop with the committed words.

        A decoder that is given its first words at times takes them for all; it then gets a free hand if ``thorough``.
        """
        said = self._recognise(now, now.sound, now.begin)
        stopped = bool(now.begin) and len(said.words) <= len(now.agreement.committed)
        if thorough and stopped and voice_end - now.agreement.until >= self._config.stopped_after:
            said = self._recognise(now, now.sound, ())
        return said

    def _recognise(self, now: _Open, sound: Float32, begin: tuple[int, ...]) -> Hypothesis:
        try:
            beam = 1 if self._pace.is_greedy and not self._patient else None
            return self._recogniser(sound, begin, language=now.language, beam_size=beam)
        except Exception as error:
            at = f"{now.start:.1f} to {now.end:.1f} s"
            raise ModelError(f"speech recognition failed on the sound from {at}: {error}") from error

    def _believed(self, said: Hypothesis, now: _Open, end: float, *, since: float | None = None) -> bool:
        """Whether the words of ``said`` are taken for spoken between ``since`` (by default the start) and ``end``."""
        since = now.start if since is None else since
        a, b = (max(0, round((t - now.origin) * ANALYSIS_RATE)) for t in (since, end))
        why = objection(said, seconds=end - since, level_db=level_db(now.sound[a:b]), config=self._config.guard)
        if why is not None and said.words:
            logger.debug("%r at %.1f s is dropped: %s", said.text, since, why)
        return why is None

    # -------------------------------------------------------------------- words

    def _take(self, now: _Open, fresh: Sequence[TimedWord], until: float) -> None:
        """Give newly committed words their place behind those before; they are kept as they are from now on."""
        start = now.words[-1].span.end if now.words else now.start
        span = Span(start, max(until, start + 0.02 * len(fresh)))
        now.words += placed(fresh, span, lead=start, committed=True)

    def _begin_with(self, now: _Open, said: Hypothesis) -> None:
        """Remember the tokens of the committed words, where ``said`` begins with them."""
        count = len(now.agreement.committed)
        known = [plain_text(w[0]) for w in now.agreement.committed]
        if count and known == [plain_text(w[0]) for w in said.words[:count]] and len(said.token_ends) >= count:
            now.begin = said.tokens[: said.token_ends[count - 1]]

    def _utterance(self, now: _Open, span: Span, *, final: bool) -> Utterance:
        words = now.words
        if not final and now.agreement.tentative:
            start = words[-1].span.end if words else now.start
            words += placed(now.agreement.tentative, Span(start, max(span.end, start)), lead=start, committed=False)
        return Utterance(seq=now.seq, span=span, words=words, final=final, language=now.language or "en")


def _shifted(words: Sequence[TimedWord], by: float) -> tuple[TimedWord, ...]:
    return tuple((text, start + by, end + by, p) for text, start, end, p in words)
