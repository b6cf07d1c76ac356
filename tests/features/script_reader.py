"""A recogniser that knows what is said when, and its sound: for tests of what is made of its hypotheses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dmd_runtime.features.voice_activity import SpeechPiece
from dmd_runtime.features.word_guards import Hypothesis
from dmd_runtime.messages import Float32, Span, Utterance, Word

RATE = 16_000
LEAD = 0.25
EACH = 0.4  # s a word of the script takes


@dataclass
class Reader:
    """Understands sound whose samples are the (1-based) numbers of words; what is cut off at the end it guesses.

    Tokens are word numbers too.
    """

    script: list[str]
    seconds: float = 0.0
    now: float = 0.0
    log_probability: float = -0.3
    begun_with: list[tuple[int, ...]] = field(default_factory=list)
    beams: list[int | None] = field(default_factory=list)
    longest: float = 0.0

    def __call__(
        self, samples: Float32, begin: Sequence[int] = (), *, language: str | None = None, beam_size: int | None = None
    ) -> Hypothesis:
        self.now += self.seconds
        self.begun_with.append(tuple(begin))
        self.beams.append(beam_size)
        self.longest = max(self.longest, len(samples) / RATE)
        numbers = samples.astype(int)
        words, tokens = [], []
        for number in sorted(set(numbers[numbers > 0].tolist())):
            places = np.flatnonzero(numbers == number)
            if len(places) < 0.1 * RATE:
                continue
            whole = len(places) > 0.3 * RATE
            words.append((self.script[number - 1] if whole else "hm", places[0] / RATE, (places[-1] + 1) / RATE, 0.9))
            tokens.append(number)
        assert tuple(tokens[: len(begin)]) == tuple(begin)
        return Hypothesis(
            words=tuple(words),
            log_probability=self.log_probability,
            no_speech=0.0,
            tokens=tuple(tokens),
            token_ends=tuple(range(1, len(tokens) + 1)),
        )


def spoken(count: int) -> Float32:
    """The sound of ``count`` words."""
    return np.repeat(np.arange(1, count + 1), round(EACH * RATE)).astype(np.float32)


def pieces(sound: Float32, every: float = 0.4, *, seq: int = 0, start: float = 10.0) -> Iterator[SpeechPiece]:
    whole = np.concatenate((np.zeros(round(LEAD * RATE), dtype=np.float32), sound))
    step = round(every * RATE)
    for at in range(0, len(whole), step):
        end = min(len(whole), at + step)
        yield SpeechPiece(
            seq=seq,
            span=Span(start, start - LEAD + end / RATE),
            samples=whole[at:end],
            final=end == len(whole),
            lead=LEAD,
        )


def numbered(count: int, stop_every: int = 0) -> list[str]:
    return [f"w{i}" + ("." if stop_every and i % stop_every == 0 else "") for i in range(1, count + 1)]


def committed(utterances: Sequence[Utterance]) -> list[Word]:
    """All committed words in the order in which they came; fails if one of them changes."""
    out: list[Word] = []
    for utterance in utterances:
        certain = [word for word in utterance.words if word.committed]
        assert certain == list(utterance.words[: len(certain)])
        inside = [w for w in out if utterance.span.start <= w.span.start < utterance.span.end]
        assert certain[: len(inside)] == inside
        out += certain[len(inside) :]
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(out))
    return out
