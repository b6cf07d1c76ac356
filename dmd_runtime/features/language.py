"""Utterances to language features: one row per word-piece, at the time of its word."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.base import SHORT, FeatureSpec, nothing
from dmd_runtime.features.streaming_transcription import StreamingTranscriber
from dmd_runtime.features.stretches import Stretch, stretches
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.transcription import Transcriber
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSegment, SpeechSettled
from dmd_runtime.messages import EMPTY_TIMES, FOREVER, FeatureBlock, Float32, Utterance, Word, freeze
from dmd_runtime.modality import Modality

ROWS = 32
"""Rows in a window at most: 4 s hold 8 to 20 words of fluent speech, up to 28 word-pieces."""
_APART = 1e-9  # s between pieces of one word, so that times ascend strictly; far below what windows tell apart


def language_spec(dim: int = 384, delta: str | None = None) -> FeatureSpec:
    """What these features are, for the recipe; known without the encoder.

    ``delta`` is the identity of what a checkpoint changes in the encoder's weights.
    """
    return FeatureSpec(
        modality=Modality.LANGUAGE,
        name="minilm-l6-v2",
        version=1,
        dim=dim,
        rate_hz=None,
        rows=ROWS,
        settings={"layer": "last", "unit": "word-piece", "context": "utterance"}
        | ({} if delta is None else {"delta": delta[:SHORT]}),
    )


class LanguageExtractor:
    """Utterances in, feature blocks out; touched by one thread.

    All pieces of a word begin with it (1 ns apart, to keep their order) and end with it; ``confidence`` is the word's
    probability. ``due`` stays empty: nobody owes words. Rows of tentative words are there at once and are replaced by
    whatever comes next. An utterance longer than those that were learned on is encoded in stretches
    (:mod:`.stretches`); one whose words are all certain is encoded once, and its rows never change again.

    Deviates: ``ends`` is the end of the word, though the encoder has read its whole stretch; otherwise no word would
    count before its stretch has ended.

    Parameters
    ----------
    encoder : TextEncoder
    min_confidence : float
        Words less probable are read, as the context of others, but give no rows of their own.

    Raises
    ------
    ConfigError
        ``min_confidence`` is not in 0 to 1.
    """

    def __init__(self, encoder: TextEncoder, *, min_confidence: float = 0.0) -> None:
        if not 0 <= min_confidence <= 1:
            raise ConfigError(f"min_confidence must be in 0 to 1, got {min_confidence:g}")
        self._encoder = encoder
        self._least = min_confidence
        self._settled = 0.0
        self._fixed_until = (
            -math.inf
        )  # end of the last word whose rows can change no more, though its utterance is open
        self._tentative_from: float | None = None

    @property
    def spec(self) -> FeatureSpec:
        """What these features are, for the recipe."""
        return language_spec(self._encoder.dim, self._encoder.delta)

    def push(self, item: Utterance | SpeechSettled) -> tuple[FeatureBlock, ...]:
        """Encode an utterance, or pass on that speech is settled."""
        if isinstance(item, SpeechSettled):
            self._settled = max(self._settled, item.until)
            return (nothing(Modality.LANGUAGE, self._settled),)
        words = [word for word in item.words if word.span.start >= self._fixed_until]
        parts = tuple(stretches(words))
        fixed = sum(part.fixed for part in parts)
        if fixed:
            self._fixed_until = words[parts[fixed - 1].end - 1].span.end
        start = max(item.span.start, self._fixed_until)
        self._settled = max(self._settled, item.span.end if item.final else self._fixed_until)
        replaces_from, self._tentative_from = self._tentative_from, None if item.final else start
        return (self._rows(words, parts, replaces_from),)

    def finish(self) -> tuple[FeatureBlock, ...]:
        """Nothing more will be said."""
        return (nothing(Modality.LANGUAGE, FOREVER),)

    def encode_text(self, text: str) -> tuple[tuple[str, ...], Float32]:
        """Encode a text without times (training corpora) on the same path as :meth:`push`.

        Returns the n word-pieces and their rows, float32 (n, D).
        """
        encoded = self._encoder.encode(text.split())
        return encoded.pieces, encoded.values

    def _rows(self, words: Sequence[Word], parts: Sequence[Stretch], replaces_from: float | None) -> FeatureBlock:
        """Rows of words that were not fixed before, ``parts`` of them together."""
        encoded = [self._encoder.encode([word.text for word in words[part.begin : part.end]]) for part in parts]
        numbers = [one.word + part.begin for one, part in zip(encoded, parts, strict=True)]
        of = np.concatenate((np.empty(0, dtype=np.int64), *numbers))  # (n,) word of each row
        none = np.empty((0, self._encoder.dim), dtype=np.float32)
        values = np.concatenate((none, *(one.values for one in encoded)))  # (n, D)
        order = np.arange(len(of)) - np.searchsorted(of, of)  # piece number in its word
        starts = np.array([word.span.start for word in words], dtype=np.float64)
        ends = np.array([word.span.end for word in words], dtype=np.float64)
        confidence = np.array([word.p for word in words], dtype=np.float32)
        heard = confidence[of] >= self._least
        return FeatureBlock(
            modality=Modality.LANGUAGE,
            times=freeze((starts[of] + order * _APART)[heard]),
            ends=freeze(ends[of][heard]),
            values=freeze(values[heard]),
            confidence=freeze(confidence[of][heard]),
            due=EMPTY_TIMES,
            settled_until=self._settled,
            replaces_from=replaces_from,
        )


class SpokenLanguage:
    """Recogniser and encoder one after the other, for one thread: speech in, utterances and their features out.

    Parameters
    ----------
    transcriber : StreamingTranscriber or Transcriber
        For pieces of speech that goes on, or for segments that have ended.
    extractor : LanguageExtractor
    """

    def __init__(self, transcriber: StreamingTranscriber | Transcriber, extractor: LanguageExtractor) -> None:
        self._transcriber = transcriber
        self._extractor = extractor

    def figures(self) -> dict[str, float]:
        """What the health figures say of the recogniser."""
        return self._transcriber.figures() if isinstance(self._transcriber, StreamingTranscriber) else {}

    def push(
        self, item: SpeechPiece | SpeechSegment | SpeechSettled, *, behind: bool = False
    ) -> Sequence[Utterance | FeatureBlock]:
        """Decode and encode speech, or pass on that it is settled; ``behind``: newer speech waits already.

        Raises
        ------
        ModelError
            The recogniser failed.
        """
        if isinstance(item, SpeechSettled):
            return self._extractor.push(item)
        out: list[Utterance | FeatureBlock] = []
        for said in self._transcribed(item, behind=behind):
            out += (said, *self._extractor.push(said))
        return out

    def finish(self) -> Sequence[Utterance | FeatureBlock]:
        """The utterance that is still open, if there is one; language is settled for ever."""
        out: list[Utterance | FeatureBlock] = []
        for said in self._transcriber.finish():
            out += (said, *self._extractor.push(said))
        return (*out, *self._extractor.finish())

    def _transcribed(self, item: SpeechPiece | SpeechSegment, *, behind: bool) -> Sequence[Utterance]:
        if isinstance(self._transcriber, StreamingTranscriber):
            if isinstance(item, SpeechPiece):
                return self._transcriber.push(item, behind=behind)
        elif isinstance(item, SpeechSegment):
            return self._transcriber.push(item)
        raise ModelError(f"{type(self._transcriber).__name__} cannot take a {type(item).__name__}")
