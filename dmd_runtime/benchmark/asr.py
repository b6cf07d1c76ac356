"""How fast and how well speech becomes words here: ``dmd bench asr``.

The program's streaming, the published LocalAgreement-2 and decoding utterance by utterance hear the same stream, with
the same model, on one thread each, against a clock that charges what the work takes (:mod:`.asr_stream`). The ends of
words come from the offline decoding of each recording with the same model; errors are counted against human transcripts
where there are some (only those recordings are heard then), else against that decoding.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmd_runtime.assets import Assets
from dmd_runtime.benchmark.asr_baselines import LocalAgreement, Said, UtteranceWise
from dmd_runtime.benchmark.asr_figures import latencies, slope, summary, word_error_rate, words_of
from dmd_runtime.benchmark.asr_stream import Clip, Listener, Run, Speech, offline_errors, read_clips, simulate, stream
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import SourceError
from dmd_runtime.features.pace import PaceConfig
from dmd_runtime.features.streaming_transcription import StreamingConfig, StreamingTranscriber
from dmd_runtime.features.transcription import Transcriber, WhisperRecogniser
from dmd_runtime.features.voice_activity import (
    SpeechPiece,
    SpeechSettled,
    VoiceActivityConfig,
    VoiceActivityDetector,
)
from dmd_runtime.messages import AudioBlock, Float32, Utterance
from dmd_runtime.resources import resource
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.streaming.speech_models import speech_model_folder

logger = logging.getLogger(__name__)

BLOCK = 512
"""Samples that reach the detector at once, as live."""
Say = Callable[[str], None]


class Streaming:
    """The program's own: voice activity, then the streaming transcriber."""

    def __init__(self, recogniser: WhisperRecogniser, cadence: float) -> None:
        self._detector = VoiceActivityDetector(VoiceActivityConfig.streaming(cadence))
        settings = StreamingConfig(pace=PaceConfig(cadence=cadence), guard=recogniser.config.guard)
        self._transcriber = StreamingTranscriber(recogniser.short, settings)
        self._heard = 0
        self._done: list[str] = []
        self._open: list[str] = []
        self._tentative: list[str] = []

    def hear(self, samples: Float32, now: float) -> Said:  # noqa: ARG002 - a listener
        """Take sound, and decode what is due."""
        items: list[Any] = []
        for begin in range(0, len(samples), BLOCK):
            piece = samples[begin : begin + BLOCK]
            block = AudioBlock(seq=0, t=self._heard / ANALYSIS_RATE, samples=piece, rate=ANALYSIS_RATE)
            self._heard += len(piece)
            items += self._detector.push(block)
        return self._take(items)

    def finish(self, now: float) -> Said:  # noqa: ARG002
        """The sound has ended: everything that waits is said."""
        said = self._take(self._detector.finish())
        for utterance in self._transcriber.finish():
            said = self._note(utterance)
        return said

    def _take(self, items: Sequence[Any]) -> Said:
        speech = [item for item in items if isinstance(item, SpeechPiece | SpeechSettled)]
        for k, item in enumerate(speech):
            behind = any(isinstance(later, SpeechPiece) for later in speech[k + 1 :])
            for utterance in self._transcriber.push(item, behind=behind):
                self._note(utterance)
        return self._said()

    def _note(self, utterance: Utterance) -> Said:
        words = [word.text for word in utterance.words if word.committed]
        self._tentative = [word.text for word in utterance.words if not word.committed]
        self._open = words
        if utterance.final:
            self._done, self._open = self._done + words, []
        return self._said()

    def _said(self) -> Said:
        return Said(committed=self._done + self._open, tentative=self._tentative)


def run(
    *,
    corpus: Path | None = None,
    seconds: float = 300.0,
    long_minutes: float = 0.0,
    quiet_minutes: float = 1.0,
    model: str | None = None,
    say: Say = lambda line: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Measure; the result can be written as JSON.

    Parameters
    ----------
    corpus : Path, optional
        A folder of recordings, with ``transcripts.tsv`` where there is one; by default the demo's synthetic voice.
    seconds : float
        Of speech for each of the three.
    long_minutes : float
        Of speech for the program's own, for the slope of the latency; 0 leaves it out.
    quiet_minutes : float
        Of silence and of noise and music each, in which nobody says anything.
    model : str, optional
        Speech model; by default the settings'.

    Raises
    ------
    SourceError, AssetError, ModelError
        There is no speech, or no model.
    """
    settings = SessionConfig.load()
    assets = Assets()
    name = model or settings.speech.model
    folder = speech_model_folder(name, assets, assets.fetch)
    recogniser = WhisperRecogniser(folder, threads=1, device="cpu")
    plain = _plain_model(folder)
    clips = read_clips(corpus if corpus is not None else resource("demo.mkv"), _offline(plain))
    clips = [clip for clip in clips if clip.words]
    if not clips:
        raise SourceError(f"{corpus}: expected recordings of speech, the model understands nothing in them")
    clips = [clip for clip in clips if clip.truth is not None] or clips
    speech = stream(clips, seconds)
    cadence = settings.speech.partial_every or 0.5
    makers: dict[str, Callable[[], Listener]] = {
        "streaming": lambda: Streaming(recogniser, cadence),
        "local agreement": lambda: LocalAgreement(plain),
        "utterance-wise": lambda: UtteranceWise(Transcriber(recogniser), VoiceActivityDetector()),
    }
    figures: dict[str, Any] = {"model": name, "machine": platform.machine(), "speech": _of_speech(speech, clips)}
    for policy, make in makers.items():
        say(f"{policy}: {speech.seconds:.0f} s of speech")
        figures[policy] = _figures(simulate(make(), speech), speech)
    if long_minutes > 0:
        say(f"streaming: {long_minutes:g} min of speech")
        long = stream(clips, 60 * long_minutes)
        figures["long"] = _figures(simulate(makers["streaming"](), long), long) | {"peak_rss_mb": _peak()}
    if quiet_minutes > 0:
        figures["words that nobody said"] = {
            kind: len(simulate(makers["streaming"](), _nothing_said(kind, 60 * quiet_minutes)).committed)
            for kind in ("silence", "noise", "music")
        } | {"minutes each": quiet_minutes}
    return figures


def _figures(done: Run, speech: Speech) -> dict[str, Any]:
    waits = latencies(speech.words, done.committed)
    said = words_of(" ".join(word.text for word in done.committed))
    last = words_of(speech.words[-1].text)[-1:]
    return {
        "latency_s": summary(waits[:, 0]),
        "first_partial_s": summary(np.array(done.partials)),
        "wer": word_error_rate(list(speech.truth), said),
        "wer_to_offline": word_error_rate(words_of(" ".join(word.text for word in speech.words)), said),
        "rtf": done.real_time_factor,
        "changed": done.changed,
        "last_word_is_there": said[-1:] == last,
        "after_the_end_s": done.after,
        "slope_s_per_min": slope(waits[:, 0], waits[:, 1]),
    }


def _of_speech(speech: Speech, clips: Sequence[Clip]) -> dict[str, Any]:
    errors, words = offline_errors(clips)
    said = words_of(" ".join(word.text for word in speech.words))
    return {
        "seconds": round(speech.seconds, 1),
        "recordings": len(clips),
        "words": len(speech.truth),
        "wer_offline": word_error_rate(list(speech.truth), said),
        "wer_offline_on_transcribed": errors / words if words else None,
    }


def _plain_model(folder: Path) -> Any:
    from faster_whisper import WhisperModel  # noqa: PLC0415 - a second of imports

    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def _offline(model: Any) -> Callable[[Float32], Sequence[tuple[str, float, float]]]:
    def decode(samples: Float32) -> Sequence[tuple[str, float, float]]:
        segments, _ = model.transcribe(samples, language="en", beam_size=5, word_timestamps=True)
        return [(word.word.strip(), word.start, word.end) for part in segments for word in part.words]

    return decode


def _nothing_said(kind: str, seconds: float) -> Speech:
    """Silence as a microphone has it, the noise of a fan, or chords; float32, seeded."""
    rng, n = np.random.default_rng(0), round(seconds * ANALYSIS_RATE)
    if kind == "silence":
        samples = rng.normal(0, 1e-4, n)
    elif kind == "noise":
        white = rng.normal(0, 1, n)
        spectrum = np.fft.rfft(white) / np.sqrt(np.arange(1, n // 2 + 2))
        samples = np.fft.irfft(spectrum, n)
        samples *= 0.05 / samples.std()
    else:
        t = np.arange(n) / ANALYSIS_RATE
        chord = (t // 2).astype(int) % 4
        roots = np.array([220.0, 174.6, 261.6, 196.0])[chord]
        tones = [np.sin(2 * np.pi * np.cumsum(roots * k) / ANALYSIS_RATE) / k for k in (1, 1.25, 1.5, 2, 3)]
        samples = 0.05 * np.sum(tones, axis=0) * (1 - (t % 0.5))
    return Speech(samples=samples.astype(np.float32), words=(), truth=(), has_truth=True)


def _peak() -> float | None:
    """The most memory so far in MB; None where the system does not tell."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
