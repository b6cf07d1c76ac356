"""Speech to words with times: faster-whisper, one utterance at a time, nothing over the network.

Whisper: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, https://arxiv.org/abs/2212.04356.
Word times come from its cross-attention by dynamic time warping.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.short_context import ShortContext
from dmd_runtime.features.voice_activity import SpeechSegment, SpeechSettled, level_db
from dmd_runtime.features.word_guards import GuardConfig, Hypothesis, TimedWord, objection, placed
from dmd_runtime.messages import Float32, Utterance, Word
from dmd_runtime.sources.base import ANALYSIS_RATE

logger = logging.getLogger(__name__)

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_LONGEST = 30.0  # s that Whisper hears at once
_MOST_RESTS = 2  # times that what it left out is given to it again
_MOST_WINDOWS = 2  # times that Whisper may go on by itself within one call


@dataclass(frozen=True, kw_only=True)
class TranscriptionConfig:
    """How utterances are decoded.

    Attributes
    ----------
    language : str
        A code such as ``"en"``, or ``"auto"``: what the model says of each utterance (English for an English model).
    beam_size : int
        1 is greedy decoding.
    tokens_per_second : float
        Bound on the length of the text, so that a decoder caught in a loop costs little; fast speech has 7.
    rest : float
        Seconds of voice after the last word that are decoded once more: Whisper at times stops after a sentence.
    guard : GuardConfig
        When words are taken for invented.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    language: str = "auto"
    beam_size: int = 1
    tokens_per_second: float = 12.0
    rest: float = 1.0
    guard: GuardConfig = field(default_factory=GuardConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.beam_size <= 10:
            raise ConfigError(f"beam_size must be 1 to 10, got {self.beam_size}")
        if self.tokens_per_second < 5:
            raise ConfigError(f"tokens_per_second must be at least 5, got {self.tokens_per_second:g}")
        if self.rest < 0.5:
            raise ConfigError(f"rest must be at least 0.5 s, got {self.rest:g}")


class Recogniser(Protocol):
    """A loaded model; keeps nothing from one call to the next."""

    def __call__(self, samples: Float32) -> Hypothesis:
        """Decode float32 (n,) at 16 kHz, at most 30 s."""
        ...


class WhisperRecogniser:
    """A CTranslate2 Whisper folder, loaded and warmed up; used by one thread at a time, session after session.

    Parameters
    ----------
    folder : Path
        With ``model.bin``, ``config.json``, ``tokenizer.json`` and a vocabulary.
    config : TranscriptionConfig
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    compute_type : str
        What CTranslate2 computes with, e.g. ``"int8"``; ``"auto"``: int8 on a CPU, float16 on CUDA.
    threads : int
        CPU threads.
    name : str, optional
        By default the folder's.

    Raises
    ------
    ModelError
        A file is missing (named), the folder holds no Whisper model, the model does not know the language, or the
        device does not compute so.
    """

    def __init__(
        self,
        folder: Path,
        config: TranscriptionConfig | None = None,
        *,
        device: str = "auto",
        compute_type: str = "auto",
        threads: int = 1,
        name: str = "",
    ) -> None:
        self.config = config if config is not None else TranscriptionConfig()
        _check_files(folder)
        self.device, compute = _placement(device, compute_type)
        from faster_whisper import WhisperModel  # noqa: PLC0415 - a second of imports that only this model needs

        try:
            self._model: Any = WhisperModel(
                str(folder), device=self.device, compute_type=compute, cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            expected = f"a CTranslate2 Whisper model that runs on {self.device}"
            raise ModelError(f"{folder}: expected {expected}, got: {error}") from error
        self.name = name or folder.name
        self._language = self._chosen_language()
        self.short = ShortContext(
            self._model,
            language=self._language,
            beam_size=self.config.beam_size,
            tokens_per_second=self.config.tokens_per_second,
        )
        """The same model for sound that is decoded again and again while it grows."""
        self(np.zeros(ANALYSIS_RATE // 2, dtype=np.float32))  # the first decoding is the slow one

    def __call__(self, samples: Float32) -> Hypothesis:
        """See :class:`Recogniser`. Deterministic: temperature 0, no text carried over, no retries.

        Whisper may go on to decode the end of the sound by itself; over noise it does so again and again, and is left.
        """
        seconds = len(samples) / ANALYSIS_RATE
        segments, info = self._model.transcribe(
            samples[: int(_LONGEST * ANALYSIS_RATE)],
            language=self._language,
            beam_size=self.config.beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            max_new_tokens=min(200, 16 + round(seconds * self.config.tokens_per_second)),
        )
        parts: list[Any] = []
        windows: set[int] = set()
        for part in segments:
            windows.add(part.seek)
            if len(windows) > _MOST_WINDOWS:
                break
            parts.append(part)
        weights = [len(part.tokens) for part in parts]
        return Hypothesis(
            words=tuple(
                (w.word, float(w.start), float(w.end), float(w.probability)) for part in parts for w in part.words
            ),
            log_probability=_mean([part.avg_logprob for part in parts], weights),
            no_speech=float(parts[0].no_speech_prob) if parts else 1.0,
            language=info.language,
        )

    def _chosen_language(self) -> str | None:
        known = list(self._model.supported_languages)
        if self.config.language == "auto":
            return None if len(known) > 1 else known[0]
        if self.config.language not in known:
            some = ", ".join(known) if len(known) < 4 else f"{len(known)} languages such as {', '.join(known[:3])}"
            raise ModelError(f"{self.name} recognises {some}; got language {self.config.language!r}")
        return self.config.language


class Transcriber:
    """Segments in, utterances out: one call of the recogniser each; touched by one thread.

    A segment whose words are not believed gives an utterance without words, so that what was tentative is taken back.
    An exception of the recogniser becomes a :class:`~dmd_runtime.errors.ModelError` that names the span.
    """

    def __init__(self, recogniser: Recogniser, config: TranscriptionConfig | None = None) -> None:
        self._recogniser = recogniser
        self._config = config if config is not None else TranscriptionConfig()

    def push(self, item: SpeechSegment | SpeechSettled) -> tuple[Utterance, ...]:
        """Decode a segment; a mark of progress gives nothing.

        Raises
        ------
        ModelError
            The recogniser failed.
        """
        if isinstance(item, SpeechSettled):
            return ()
        words, language = self._decoded(item)
        return (Utterance(seq=item.seq, span=item.span, words=words, final=item.final, language=language),)

    def finish(self) -> tuple[Utterance, ...]:
        """Nothing is held back."""
        return ()

    def _decoded(self, item: SpeechSegment) -> tuple[tuple[Word, ...], str]:
        """Return the words that are believed, and their language.

        What the recogniser left out at the end of the voice is given to it once more.
        """
        voice_end = item.lead + item.span.duration  # from the first sample, as all times here
        said = self._recognise(item, 0.0)
        language = said.language
        timed = list(self._believed(said, item, 0.0))
        for _ in range(_MOST_RESTS):
            done = max((end for _, _, end, _ in timed), default=voice_end)
            if not item.final or voice_end - done < self._config.rest:
                break
            more = self._believed(self._recognise(item, done), item, done)
            if not more:
                break
            timed += more
        return placed(timed, item.span, lead=item.lead, committed=item.final), language

    def _recognise(self, item: SpeechSegment, skip: float) -> Hypothesis:
        try:
            return self._recogniser(item.samples[round(skip * ANALYSIS_RATE) :])
        except Exception as error:
            at = f"{item.span.start:.1f} to {item.span.end:.1f} s"
            raise ModelError(f"speech recognition failed on the sound from {at}: {error}") from error

    def _believed(self, said: Hypothesis, item: SpeechSegment, skip: float) -> list[TimedWord]:
        """Words of ``said``, which was heard from ``skip`` on, with times from the segment's first sample."""
        begin, end = max(item.lead, skip), item.lead + item.span.duration
        voiced = item.samples[round(begin * ANALYSIS_RATE) : round(end * ANALYSIS_RATE)]
        why = objection(said, seconds=end - begin, level_db=level_db(voiced), config=self._config.guard)
        if why is not None:
            if said.words:
                logger.debug("%r at %.1f s is dropped: %s", said.text, item.span.start, why)
            return []
        return [(text, start + skip, stop + skip, p) for text, start, stop, p in said.words]


def _mean(values: list[float], weights: list[int]) -> float:
    return float(np.average(values, weights=weights)) if sum(weights) else 0.0


def _check_files(folder: Path) -> None:
    """Refuse before loading: without its tokenizer.json faster-whisper would ask the hub."""
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing"
        raise ModelError(f"{folder}: expected a folder with {', '.join(_NEEDED)}, got {got}")
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(" or ".join(_VOCABULARIES))
    if missing:
        raise ModelError(f"{folder}: expected a CTranslate2 Whisper model, but {', '.join(missing)} is missing")


def _placement(device: str, compute_type: str) -> tuple[str, str]:
    """Device and number type."""
    if device not in ("auto", "cpu", "cuda"):
        raise ModelError(f"speech recognition runs on auto, cpu or cuda, got {device!r}")
    import ctranslate2  # noqa: PLC0415

    has_cuda = ctranslate2.get_cuda_device_count() > 0
    if device == "cuda" and not has_cuda:
        raise ModelError("speech recognition was to run on cuda, but there is no CUDA device")
    device, usual = ("cuda", "float16") if has_cuda and device != "cpu" else ("cpu", "int8")
    known = ctranslate2.get_supported_compute_types(device)
    if compute_type != "auto" and compute_type not in known:
        raise ModelError(f"speech.compute_type: {device} computes in {', '.join(sorted(known))}, got {compute_type}")
    return device, usual if compute_type == "auto" else compute_type
