"""Whisper on the sound there is, not on half a minute: what makes decoding twice a second affordable.

Whisper's encoder hears 30 s; a shorter sound is padded, and nearly all the work is done for the padding. CTranslate2
takes fewer frames as well, and those that are there keep the positions that they had in training. With the sound alone
the decoder loops or stops; with silence up to 12 s, and 3 s of it at least, it makes no more errors than with 30 s
(``docs/speech.md`` has the figures) at a fifth of the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dmd_runtime.features.word_guards import Hypothesis, TimedWord, has_letters
from dmd_runtime.messages import Float32
from dmd_runtime.sources.base import ANALYSIS_RATE

LONGEST = 27.0
"""Seconds of sound at most: 30 with the silence that follows."""
_LEAST, _MARGIN = 12.0, 3.0  # s of sound and silence; s of silence
_FRAME = 160  # samples of a frame of the spectrogram
_LATEST_START = 50  # time tokens (20 ms) within which the first words must begin: 1 s, Whisper's own limit
_MOST_TOKENS = 200
_WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))  # languages whose words nothing tells apart


class ShortContext:
    """Decodes with a loaded ``faster_whisper.WhisperModel``; greedy or by beam, deterministic, nothing carried over.

    Parameters
    ----------
    model : WhisperModel
    language : str or None
        None: what the model hears, decided by whoever calls (:meth:`language_of`).
    beam_size : int
    tokens_per_second : float
        Bound on the length of the text.
    """

    def __init__(self, model: Any, *, language: str | None, beam_size: int, tokens_per_second: float) -> None:
        from faster_whisper.tokenizer import Tokenizer  # noqa: PLC0415 - loaded with the model
        from faster_whisper.transcribe import get_suppressed_tokens  # noqa: PLC0415

        self._model = model
        self._language = language
        self._beam_size = beam_size
        self._rate = tokens_per_second
        self._make = Tokenizer
        self._suppressed = get_suppressed_tokens
        self._tokenizers: dict[str, tuple[Any, list[int]]] = {}

    def __call__(
        self, samples: Float32, begin: Sequence[int] = (), *, language: str | None = None, beam_size: int | None = None
    ) -> Hypothesis:
        """Decode float32 (n,) at 16 kHz, at most ``LONGEST`` seconds.

        Parameters
        ----------
        samples : float32 (n,)
        begin : sequence of int
            Tokens that the text begins with: of words that are committed already.
        language : str, optional
            What was heard before in the same utterance.
        beam_size : int, optional
        """
        encoded = self._encode(samples[: int(LONGEST * ANALYSIS_RATE)])
        language = self._language or language or self._heard(encoded)
        tokenizer, suppressed = self._tokenizer(language)
        seconds = len(samples) / ANALYSIS_RATE
        prompt = [*tokenizer.sot_sequence, *begin]
        room = self._model.max_length - len(prompt)
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=beam_size or self._beam_size,
            max_length=len(prompt) + max(1, min(_MOST_TOKENS, room, 16 + round(seconds * self._rate))),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=suppressed,
            max_initial_timestamp_index=_LATEST_START,
        )[0]
        tokens = result.sequences_ids[0]  # those of ``begin`` are among them
        words, ends = self._words(tokenizer, tokens, encoded, len(samples) // _FRAME)
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        if begin and words:  # the score is of the new tokens alone, often only the mark of the end
            logs = np.log([max(p, 1e-6) for *_, p in words])
            fresh = logs[[end > len(begin) for end in ends]]
            log_probability = max(float(part.mean()) for part in (logs, fresh) if len(part))
        return Hypothesis(
            words=words,
            log_probability=float(log_probability),
            no_speech=float(result.no_speech_prob),
            language=language,
            tokens=tuple(tokens),
            token_ends=ends,
        )

    def _encode(self, samples: Float32) -> Any:
        total = max(_LEAST, len(samples) / ANALYSIS_RATE + _MARGIN)
        padded = np.pad(samples, (0, max(0, round(total * ANALYSIS_RATE) - len(samples))))
        spectrogram = self._model.feature_extractor(padded, padding=False)  # (mels, frames)
        return self._model.encode(np.ascontiguousarray(spectrogram[:, : spectrogram.shape[1] // 2 * 2]))

    def _heard(self, encoded: Any) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        return str(self._model.model.detect_language(encoded)[0][0][0])[2:-2]  # "<|en|>"

    def _tokenizer(self, language: str) -> tuple[Any, list[int]]:
        if language not in self._tokenizers:
            multilingual = self._model.model.is_multilingual
            made = self._make(self._model.hf_tokenizer, multilingual, "transcribe", language)
            self._tokenizers[language] = made, self._suppressed(made, [-1])
        return self._tokenizers[language]

    def _words(
        self, tokenizer: Any, tokens: Sequence[int], encoded: Any, frames: int
    ) -> tuple[tuple[TimedWord, ...], tuple[int, ...]]:
        """Words with their times, and the number of tokens up to each word's end.

        Marks, and what follows one without a space ("-Banknotes", ",000", ".S."), belong to the word before.
        """
        places = [i for i, token in enumerate(tokens) if token < tokenizer.eot]
        if not places:
            return (), ()
        found = self._model.find_alignment(tokenizer, [[tokens[i] for i in places]], encoded, max(1, frames))[0]
        words: list[TimedWord] = []
        ends: list[int] = []
        done = 0
        for part in found:
            done += len(part["tokens"])
            text, p = part["word"].strip(), float(part["probability"])
            begins = part["word"].startswith(" ") or tokenizer.language_code in _WITHOUT_SPACES
            if not has_letters(text):
                if words and text:
                    words[-1] = (words[-1][0] + text, *words[-1][1:])
            elif begins or not words:
                words.append((text, float(part["start"]), float(part["end"]), p))
                ends.append(places[done - 1] + 1)
            else:
                before, start, _, least = words[-1]
                words[-1] = (before + text, start, float(part["end"]), min(least, p))
                ends[-1] = places[done - 1] + 1
        return tuple(words), tuple(ends)
