"""When a word of a hypothesis that still grows is certain: LocalAgreement on words with times. Pure.

Two hypotheses in a row that say the same word in the same place commit it (Liu, Spanakis, Niehues, "Low-Latency
Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection", 2020,
https://arxiv.org/abs/2005.11185; with word times as in Machacek, Dabre, Bojar, 2023, https://arxiv.org/abs/2307.14743).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.word_guards import TimedWord, plain_text

_LONGEST_OVERLAP = 8  # words at a seam that are looked at for a phrase said twice
_SEAM = 1.0  # s around the last committed word within which such a phrase is taken for one


@dataclass(frozen=True, kw_only=True)
class AgreementConfig:
    """When two words are the same, and when an agreed word may be committed.

    Attributes
    ----------
    tolerance : float
        Seconds that the same word may wander from one hypothesis to the next.
    hold : float
        Seconds before the end of the sound in which nothing is committed: a word that is cut off there is guessed.
    sure_after, sure_probability : float
        A word that ends this many seconds before the end of the sound, with every word before it, and that is at least
        so probable, needs no second hypothesis. ``sure_probability`` above 1 turns that off.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    tolerance: float = 1.0
    hold: float = 0.3
    sure_after: float = 1.0
    sure_probability: float = 2.0

    def __post_init__(self) -> None:
        if self.tolerance <= 0:
            raise ConfigError(f"tolerance must be above 0 s, got {self.tolerance:g}")
        if not 0 <= self.hold <= self.sure_after:
            raise ConfigError(f"0 <= hold <= sure_after must hold, got {self.hold:g} and {self.sure_after:g}")


class Agreement:
    """The words of one stretch of sound: ``committed`` only grows, ``tentative`` is replaced as a whole.

    Hypotheses are for the same sound from its beginning, each for more of it. Times are seconds on any axis that stays.
    A word is whole where another one follows it, or the sound has ended: only then it is committed.
    """

    def __init__(self, config: AgreementConfig | None = None) -> None:
        self._config = config if config is not None else AgreementConfig()
        self.committed: list[TimedWord] = []
        self.tentative: tuple[TimedWord, ...] = ()

    @property
    def until(self) -> float:
        """End of the last committed word; minus infinity before the first."""
        return self.committed[-1][2] if self.committed else float("-inf")

    def push(self, said: Sequence[TimedWord], *, heard_until: float) -> tuple[TimedWord, ...]:
        """Take a hypothesis for the sound up to ``heard_until``; return the words that it commits."""
        fresh = self.unsaid(said)
        limit, sure = heard_until - self._config.hold, heard_until - self._config.sure_after
        count = 0
        for i, word in enumerate(fresh[:-1]):  # the last one may still grow: "Euro" and then "Euro-Banknotes"
            agreed = i < len(self.tentative) and self._same(self.tentative[i], word) and word[2] <= limit
            if not (agreed or (word[2] <= sure and word[3] >= self._config.sure_probability)):
                break
            count = i + 1
        return self._commit(fresh, count)

    def flush(self, said: Sequence[TimedWord] | None = None) -> tuple[TimedWord, ...]:
        """Commit the rest: of ``said``, the last hypothesis there will be, or of the one before where it is None."""
        fresh = self.tentative if said is None else self.unsaid(said)
        return self._commit(fresh, len(fresh))

    def withdraw(self) -> None:
        """Forget what is tentative: nothing of it is believed any more."""
        self.tentative = ()

    def behind(self, count: int) -> Agreement:
        """The same for sound that is trimmed behind the first ``count`` committed words: those are not in it."""
        rest = Agreement(self._config)
        rest.committed, rest.tentative = self.committed[count:], self.tentative
        return rest

    def unsaid(self, said: Sequence[TimedWord]) -> tuple[TimedWord, ...]:
        """The words of a hypothesis that come after the committed ones.

        A hypothesis that begins with all committed words goes on behind them, be it within the last one ("Euro", now
        "Euro-Banknotes"); any other one is cut by time, and a phrase that stands on both sides of the seam counts once.
        """
        if not self.committed or not said:
            return tuple(said)
        texts, known = [plain_text(w[0]) for w in said], [plain_text(w[0]) for w in self.committed]
        if texts[: len(known)] == known:
            return tuple(said[len(known) :])
        if (
            texts[: len(known) - 1] == known[:-1]
            and len(said) >= len(known)
            and texts[len(known) - 1].startswith(known[-1] + " ")
        ):
            _, _, end, p = said[len(known) - 1]
            rest = texts[len(known) - 1][len(known[-1]) + 1 :]
            return ((rest, min(self.until, end), end, p), *said[len(known) :])
        first = next((i for i, w in enumerate(said) if (w[1] + w[2]) / 2 > self.until), len(said))
        fresh = tuple(said[first:])
        if fresh and fresh[0][1] - self.until < _SEAM:
            for length in range(min(_LONGEST_OVERLAP, len(fresh), len(known)), 1, -1):
                if known[-length:] == texts[first : first + length]:
                    return fresh[length:]
        return fresh

    def _commit(self, fresh: tuple[TimedWord, ...], count: int) -> tuple[TimedWord, ...]:
        self.committed += fresh[:count]
        self.tentative = fresh[count:]
        return fresh[:count]

    def _same(self, one: TimedWord, other: TimedWord) -> bool:
        return plain_text(one[0]) == plain_text(other[0]) and self._beside(one, other)

    def _beside(self, one: TimedWord, other: TimedWord) -> bool:
        return abs(one[1] - other[1]) <= self._config.tolerance
