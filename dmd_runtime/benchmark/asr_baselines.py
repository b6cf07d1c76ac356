"""What the program's transcription is compared with: a plain LocalAgreement-2, and decoding utterance by utterance.

Both run the same model as the program. :class:`LocalAgreement` follows the published description and its parameters
(Machacek, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System", 2023,
https://arxiv.org/abs/2307.14743, section 3): at least a second of new sound for each decoding of the whole buffer, the
longest common prefix of two decodings in a row is committed, the buffer is cut at the end of the last committed segment
once it is longer than 15 s, and the last 200 characters of text before the buffer are the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dmd_runtime.benchmark.asr_figures import plain
from dmd_runtime.features.transcription import Transcriber
from dmd_runtime.features.voice_activity import SpeechSegment, VoiceActivityDetector
from dmd_runtime.messages import AudioBlock, Float32
from dmd_runtime.sources.base import ANALYSIS_RATE

_CHUNK = 1.0  # s of new sound for a decoding
_TRIM = 15.0  # s of buffer from which it is cut
_PROMPT = 200  # characters
_SEAM = 1.0  # s around the last committed word in which a phrase said twice is taken for one
_LONGEST_REPEAT = 5  # words
_SLACK = 0.1  # s that times of words wander from one decoding to the next


class _Word(NamedTuple):
    text: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Said:
    """All that is certain, and what may change."""

    committed: Sequence[str] = ()
    tentative: Sequence[str] = ()


class LocalAgreement:
    """The published streaming policy, plainly.

    Parameters
    ----------
    model : faster_whisper.WhisperModel
    language : str
    beam_size : int
        As published, 5.
    """

    def __init__(self, model: Any, *, language: str = "en", beam_size: int = 5) -> None:
        self._model = model
        self._language = language
        self._beam = beam_size
        self._buffer: Float32 = np.empty(0, dtype=np.float32)
        self._begin = 0.0  # s of the stream at which the buffer begins
        self._waiting = 0  # samples since the last decoding
        self._committed: list[_Word] = []
        self._last: list[_Word] = []  # what the last decoding said after the committed words

    def hear(self, samples: Float32, now: float) -> Said:  # noqa: ARG002 - a listener
        """Take sound; decode where a chunk is full."""
        self._buffer = np.concatenate((self._buffer, samples))
        self._waiting += len(samples)
        if self._waiting >= _CHUNK * ANALYSIS_RATE:
            self._waiting = 0
            self._decode()
        return self._said()

    def finish(self, now: float) -> Said:  # noqa: ARG002
        """What was last said stands."""
        if self._waiting:
            self._decode()
        self._committed += self._last
        self._last = []
        return self._said()

    def _said(self) -> Said:
        return Said(
            committed=[word.text for word in self._committed],
            tentative=[word.text for word in self._last],
        )

    def _decode(self) -> None:
        segments, _ = self._model.transcribe(
            self._buffer,
            language=self._language,
            beam_size=self._beam,
            initial_prompt=self._prompt(),
            condition_on_previous_text=True,
            word_timestamps=True,
        )
        parts = list(segments)
        words = [
            _Word(word.word.strip(), word.start + self._begin, word.end + self._begin)
            for part in parts
            if part.no_speech_prob <= 0.9
            for word in part.words
        ]
        self._agree(words)
        if len(self._buffer) > _TRIM * ANALYSIS_RATE:
            self._trim([part.end + self._begin for part in parts])

    def _agree(self, words: list[_Word]) -> None:
        until = self._committed[-1].end if self._committed else float("-inf")
        new = [word for word in words if word.start > until - _SLACK]
        if new and self._committed and abs(new[0].start - until) < _SEAM:
            for length in range(min(_LONGEST_REPEAT, len(new), len(self._committed)), 0, -1):
                before = [plain(word.text) for word in self._committed[-length:]]
                if before == [plain(word.text) for word in new[:length]]:
                    new = new[length:]
                    break
        agreed = 0
        for one, other in zip(self._last, new, strict=False):
            if plain(one.text) != plain(other.text):
                break
            agreed += 1
        self._committed += new[:agreed]
        self._last = new[agreed:]

    def _trim(self, ends: Sequence[float]) -> None:
        """Cut at the end of the last segment but one that is committed."""
        if not self._committed:
            return
        done = [end for end in ends[:-1] if end <= self._committed[-1].end]
        if done:
            cut = round((done[-1] - self._begin) * ANALYSIS_RATE)
            self._buffer, self._begin = self._buffer[cut:], done[-1]

    def _prompt(self) -> str:
        text = ""
        for word in reversed([word for word in self._committed if word.end <= self._begin]):
            if len(text) + len(word.text) > _PROMPT:
                break
            text = f"{word.text} {text}"
        return text.strip()


class UtteranceWise:
    """Each utterance is decoded when it has ended: nothing is shown before, and nothing is decoded twice."""

    def __init__(self, transcriber: Transcriber, detector: VoiceActivityDetector) -> None:
        self._transcriber = transcriber
        self._detector = detector
        self._heard = 0
        self._words: list[str] = []

    def hear(self, samples: Float32, now: float) -> Said:  # noqa: ARG002 - a listener
        """Take sound."""
        block = AudioBlock(seq=0, t=self._heard / ANALYSIS_RATE, samples=samples, rate=ANALYSIS_RATE)
        self._heard += len(samples)
        return self._take(self._detector.push(block))

    def finish(self, now: float) -> Said:  # noqa: ARG002
        """The open utterance ends."""
        return self._take(self._detector.finish())

    def _take(self, items: Sequence[object]) -> Said:
        for item in items:
            if isinstance(item, SpeechSegment) and item.final:
                for utterance in self._transcriber.push(item):
                    self._words += [word.text for word in utterance.words]
        return Said(committed=self._words)
