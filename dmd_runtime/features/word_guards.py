"""Which decoded words are believed, and where in time they lie: pure.

A recogniser always says something. What it says over noise has signs: a low average log-probability, a high no-speech
probability, text that repeats itself, more words than fit into the time, or one of the few sentences that subtitles are
full of.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import Span, Word

_LETTER = re.compile(r"\w")
_CROWD = 3  # words that may stand in any time: voice may begin before it is detected
_MIN_WORD = 0.02  # s: the recogniser's own time resolution
_INVENTED = frozenset(
    (
        "thank you",
        "thank you for watching",
        "thank you very much",
        "thanks for watching",
        "thanks for watching everyone",
        "please subscribe",
        "subscribe",
        "you",
        "the end",
        "silence",
        "music",
        "applause",
        "subtitles by the amara org community",
        # What tiny.en said most often to 160 pieces of silence, white, brown and chopped noise, hum, tones and chords
        # (0.5 to 7 s, -70 to -20 dB), beside nothing at all (78) and "you" (51):
        "i'm",
        "i'm not",
        "i'm a",
        "i'm going to go",
        "i'm not going to be able to do it",
        "i'm gonna go get it",
        "beep",
    )
)


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """When a decoded utterance is taken for invented, and dropped as a whole.

    Attributes
    ----------
    min_log_probability : float
        Least mean log-probability of its tokens.
    max_no_speech, sure_log_probability : float
        An utterance with a higher no-speech probability is dropped, unless its log-probability is at least this.
    max_compression : float
        Highest ratio of its length to its deflated length (text that repeats itself); None of them for short texts.
    max_repeats : int
        Times that one phrase may follow itself.
    max_words_per_second : float
        Of voiced time; people speak 2 to 5, fast ones 7.
    blocklist_level_db, blocklist_no_speech, blocklist_log_probability : float
        A sentence that recognisers say to noise ("Thank you.") and that is all that was said is dropped where the sound
        is quieter, or no speech more probable, or the words less probable than this.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    min_log_probability: float = -1.2
    max_no_speech: float = 0.6
    sure_log_probability: float = -0.6
    max_compression: float = 2.4
    max_repeats: int = 4
    max_words_per_second: float = 9.0
    blocklist_level_db: float = -45.0
    blocklist_no_speech: float = 0.3
    blocklist_log_probability: float = -1.0

    def __post_init__(self) -> None:
        if not self.min_log_probability <= self.sure_log_probability <= 0:
            raise ConfigError(
                "min_log_probability <= sure_log_probability <= 0 must hold, "
                f"got {self.min_log_probability:g} and {self.sure_log_probability:g}"
            )
        if not 0 <= self.max_no_speech <= 1:
            raise ConfigError(f"max_no_speech must be in 0 to 1, got {self.max_no_speech:g}")
        if self.max_compression <= 1 or self.max_repeats < 1 or self.max_words_per_second <= 0:
            raise ConfigError(
                "max_compression > 1, max_repeats >= 1 and max_words_per_second > 0 must hold, "
                f"got {self.max_compression:g}, {self.max_repeats}, {self.max_words_per_second:g}"
            )


TimedWord: TypeAlias = tuple[str, float, float, float]
"""Text, start and end in seconds from the first sample, probability."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """What a recogniser made of one piece of sound.

    ``log_probability`` is the mean over tokens, natural logarithm; ``no_speech`` the model's probability that there was
    no speech. ``tokens`` are the recogniser's own, ``token_ends`` the number of them up to the end of each word
    (without a mark behind it): what a decoding of more of the same sound may begin with.
    """

    words: tuple[TimedWord, ...]
    log_probability: float
    no_speech: float
    language: str = "en"
    tokens: tuple[int, ...] = ()
    token_ends: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(text.strip() for text, *_ in self.words)


def objection(said: Hypothesis, *, seconds: float, level_db: float, config: GuardConfig) -> str | None:
    """Why ``said`` is not believed, in words for a log, or None.

    ``seconds`` is the voiced time it was said in, ``level_db`` the loudness of that time.
    """
    words = [w for w in (plain_text(text) for text, *_ in said.words) if w]
    if not words:
        return "no words"
    ratio, times = compression(said.text), repeats(words)
    invented = is_invented(words) and (
        level_db < config.blocklist_level_db
        or said.no_speech > config.blocklist_no_speech
        or said.log_probability < config.blocklist_log_probability
    )
    unsure = said.log_probability < config.sure_log_probability
    crowded = len(words) > _CROWD and len(words) > config.max_words_per_second * seconds
    checks = (
        (said.log_probability < config.min_log_probability, f"log-probability {said.log_probability:.2f}"),
        (unsure and said.no_speech > config.max_no_speech, f"no-speech probability {said.no_speech:.2f}"),
        (ratio > config.max_compression, f"compression ratio {ratio:.1f}"),
        (times > config.max_repeats, f"a phrase is said {times} times in a row"),
        (crowded, f"{len(words)} words in {seconds:.1f} s"),
        (invented, "it is what recognisers say to noise"),
    )
    return next((why for bad, why in checks if bad), None)


def has_letters(text: str) -> bool:
    """Whether ``text`` is a word, and not only marks."""
    return bool(_LETTER.search(text))


def is_invented(words: Sequence[str]) -> bool:
    """Whether that is all that was said which recognisers say to noise; ``words`` plain."""
    return " ".join(words) in _INVENTED


def compression(text: str) -> float:
    """Length over deflated length, in bytes; the measure that Whisper's authors use against loops."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repeats(words: Sequence[str]) -> int:
    """Most times that a phrase of one to four words follows itself without a break; 1 where none does."""
    most = 1
    for length in range(1, 5):
        run = 0
        for i in range(len(words) - length):
            run = run + 1 if words[i] == words[i + length] else 0
            most = max(most, run // length + 1)
    return most


def placed(said: Sequence[TimedWord], span: Span, *, lead: float, committed: bool) -> tuple[Word, ...]:
    """Give the words their session time: inside ``span``, one after the other, each at least a moment long.

    Marks without a letter or digit are joined to the word before. ``lead`` is the time from the first sample to
    ``span.start``.
    """
    merged: list[TimedWord] = []
    for text, start, end, p in said:
        text = text.strip()  # noqa: PLW2901
        if has_letters(text):
            merged.append((text, start, end, p))
        elif merged and text:
            merged[-1] = (merged[-1][0] + text, *merged[-1][1:])
    least = min(_MIN_WORD, span.duration / max(1, len(merged)))
    words = []
    at = span.start
    for i, (text, start, end, p) in enumerate(merged):
        rest = len(merged) - i - 1
        begin = max(at, min(start - lead + span.start, span.end - (rest + 1) * least))
        at = min(span.end - rest * least, max(end - lead + span.start, begin + least))
        words.append(Word(span=Span(begin, at), text=text, p=min(1.0, max(0.0, p)), committed=committed))
    return tuple(words)


def plain_text(text: str) -> str:
    """``text`` in lower case, marks as spaces, single spaces."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())
