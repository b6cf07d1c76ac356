"""One labelled clip as windows of the live recipe: the same extractors, windows and presence rules as a session's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, Final, Literal

import numpy as np

from dmd_runtime.assets import Assets
from dmd_runtime.clock import SessionClock
from dmd_runtime.config import SessionConfig, WindowConfig
from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.features.acoustic import AcousticExtractor
from dmd_runtime.features.base import Recipe
from dmd_runtime.features.language import SpokenLanguage
from dmd_runtime.features.silero import SileroModel
from dmd_runtime.features.transcription import Transcriber, TranscriptionConfig, WhisperRecogniser
from dmd_runtime.features.visual import VisualExtractor
from dmd_runtime.features.voice_activity import SpeechSegment, VoiceActivityConfig, VoiceActivityDetector
from dmd_runtime.features.windowed_speech import WindowedSpeech
from dmd_runtime.messages import (
    AudioBlock,
    Bool,
    FeatureBlock,
    Float32,
    Message,
    Span,
    SpeechActivity,
    Utterance,
    VideoFrame,
    Window,
    Word,
)
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model import checkpoint
from dmd_runtime.sources.file import FileSource
from dmd_runtime.streaming.extractors import Extractors
from dmd_runtime.streaming.speech_models import speech_model_folder
from dmd_runtime.streaming.window import WindowBuilder
from dmd_runtime.training.label_csv import Clip

Transcripts = Literal["csv", "asr", "auto"]
_NO_OTHER: Final = 1e6  # s to the next window of a grid that has one
_NEAR: Final = 1e-3  # s: a window that ends so close to the clip's end is its last


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipWindows:
    """W windows of a clip; a modality that a session would not count is masked.

    Attributes
    ----------
    ends : tuple of W float
        Seconds.
    features : {m: float32 (W, T_m, D_m)}
    mask : {m: bool (W, T_m)}
    """

    ends: tuple[float, ...]
    features: Mapping[Modality, Float32]
    mask: Mapping[Modality, Bool]


@dataclass(frozen=True, kw_only=True)
class LiveSetup:
    """What a process needs to measure clips; the model files are on this machine.

    Attributes
    ----------
    config : SessionConfig
    transcripts : "csv", "asr" or "auto"
        Where words come from; "auto": from the csv where it has a text.
    checkpoint : Path or None
        Brings encoders.
    """

    config: SessionConfig
    transcripts: Transcripts = "auto"
    checkpoint: Path | None = None

    @cached_property
    def recipe(self) -> Recipe:
        """Of the features."""
        return self.extractors().recipe

    @property
    def identity(self) -> str:
        """Changes with whatever else the numbers depend on."""
        said = self.config.model_dump(mode="json", exclude={"runtime"})
        return f"{self.transcripts} {said}"

    def extractors(self) -> Extractors:
        """What makes the live extractors."""
        brings = None if self.checkpoint is None else checkpoint.load(self.checkpoint)
        return Extractors(self.config, Assets(offline=True), brings)

    def __call__(self) -> LiveMeasure:
        """Load what measures clips, in the process that uses it."""
        import cv2  # noqa: PLC0415 - heavy
        import torch  # noqa: PLC0415

        torch.set_num_threads(self.config.runtime.threads)
        cv2.setNumThreads(1)
        return LiveMeasure(self)


class LiveMeasure:
    """From clips to windows; models are loaded when they are first needed. One thread.

    Parameters
    ----------
    setup : LiveSetup
    """

    def __init__(self, setup: LiveSetup) -> None:
        self._setup = setup
        self._config = setup.config
        self._extractors = setup.extractors()
        self._activity = SileroModel()

    def __call__(self, clip: Clip) -> ClipWindows:
        """Measure a clip.

        Raises
        ------
        SourceError
            There is no such file, it cannot be read, or nothing can be seen or heard in it.
        AssetError, ModelError
            A model file is missing, or a model failed.
        """
        if clip.path is None:
            raise SourceError(
                f"{clip.id}: expected a file {clip.video}/{clip.name}.* in the folder or in Raw, got none"
            )
        source = FileSource(clip.path, paced=False, with_hash=False)
        info = source.info
        taken = _Taken(self._extractors.visual() if info.has_video else None)
        try:
            end = source.run(taken, SessionClock(), Event())
        finally:
            source.close()
            taken.close()
        detector = VoiceActivityDetector(VoiceActivityConfig(partial_every=None), self._activity)
        sound = taken.heard
        heard = [*(out for block in sound for out in detector.push(block)), *detector.finish()]
        moments = AcousticExtractor()
        messages: list[Message] = [
            *taken.seen,
            *(said for said in heard if isinstance(said, SpeechActivity)),
            *(out for block in sound for out in moments.push(block)),
            *moments.finish(),
            *self._words(clip, heard, end),
        ]
        absent = {} if info.has_video else {Modality.VISUAL: "no video"}
        absent |= {} if info.has_audio else {Modality.ACOUSTIC: "no sound"}
        windows = [
            window
            for grid, count in grids(self._config.window, end)
            for window in self._cut(grid, count, messages, sound, absent)
        ]
        kept = [window for window in windows if any(window.present.values())]
        if not kept:
            raise SourceError(f"{clip.path}: expected a face, a voice or words, got {windows[0].reason}")
        return ClipWindows(
            ends=tuple(window.span.end for window in kept),
            features={m: np.stack([w.features[m] for w in kept]) for m in MODALITIES},
            mask={m: np.stack([w.mask[m] & w.present[m] for w in kept]) for m in MODALITIES},
        )

    def _words(self, clip: Clip, heard: Sequence[Any], end: float) -> list[FeatureBlock]:
        """The clip's words as the extractor gives them."""
        how = self._setup.transcripts
        if how == "csv" or (how == "auto" and clip.text):
            said = spread(clip.text, voiced(heard, end))
            return [] if said is None else list(self._extractors.language().push(said))
        spoken = SpokenLanguage(Transcriber(self._recogniser, self._recogniser.config), self._extractors.language())
        found = [out for item in heard if isinstance(item, SpeechSegment) for out in spoken.push(item)]
        return [out for out in found if isinstance(out, FeatureBlock)]

    @cached_property
    def _recogniser(self) -> WhisperRecogniser:
        speech, assets = self._config.speech, Assets(offline=True)
        if speech.model == "none":
            raise ConfigError("transcripts: expected a speech model to recognise words with, got none")
        return WhisperRecogniser(
            speech_model_folder(speech.model, assets, assets.fetch),
            TranscriptionConfig(language=speech.language),
            device="cpu",
            threads=self._config.runtime.threads,
        )

    def _cut(
        self,
        config: WindowConfig,
        count: int,
        messages: Sequence[Any],
        sound: Sequence[AudioBlock],
        absent: Mapping[Modality, str],
    ) -> list[Window]:
        """The windows of one grid."""
        builder = WindowBuilder(config, self._extractors.recipe, absent, sound=bool(sound))
        voice = WindowedSpeech(self._extractors.speech, config) if sound else None
        rows = [] if voice is None else [*(out for block in sound for out in voice.push(block)), *voice.finish()]
        for message in (*messages, *rows):
            builder.add(message)
        return [builder.build() for _ in range(count)]


class _Taken:
    """What a file gives: pictures are measured as they come, sound is kept (a ``MediaSink``)."""

    def __init__(self, visual: VisualExtractor | None) -> None:
        self.seen: list[FeatureBlock] = []
        self.heard: list[AudioBlock] = []
        self._visual = visual

    def video(self, frame: VideoFrame) -> None:
        if self._visual is not None:
            self.seen += [out for out in self._visual.push(frame) if isinstance(out, FeatureBlock)]

    def audio(self, block: AudioBlock) -> None:
        self.heard.append(block)

    def close(self) -> None:
        if self._visual is not None:
            self._visual.close()


def grids(config: WindowConfig, end: float) -> list[tuple[WindowConfig, int]]:
    """Windows of a clip of ``end`` seconds: (grid, count) each.

    One that ends with the clip, where it fits into a window; else one every half window, and one at the clip's end.
    """
    whole = config.duration
    step = whole / 2
    if end <= whole + _NEAR:
        return [(_grid(config, end, _NO_OTHER), 1)]
    count = int((end - whole + _NEAR) / step) + 1
    found = [(_grid(config, whole, step), count)]
    if end - (whole + (count - 1) * step) > _NEAR:
        found.append((_grid(config, end, _NO_OTHER), 1))
    return found


def _grid(config: WindowConfig, first: float, step: float) -> WindowConfig:
    """Deviates: a session's first window may not end after its duration; here it may, and is a whole one."""
    return config.model_copy(update={"first": first, "step": step})


def voiced(heard: Sequence[Any], end: float) -> Span:
    """From the first to the last voice; the whole clip where none was found."""
    spans = [span for said in heard if isinstance(said, SpeechActivity) for span in said.spans]
    return Span(min(s.start for s in spans), min(end, max(s.end for s in spans))) if spans else Span(0.0, end)


def spread(text: str, span: Span) -> Utterance | None:
    """Words of a text, spread evenly over a span; None where there are none."""
    words = text.split()
    if not words:
        return None
    edges = np.linspace(span.start, span.end, len(words) + 1).tolist()
    timed = zip(words, edges[:-1], edges[1:], strict=True)
    said = tuple(Word(span=Span(start, stop), text=word, p=1.0, committed=True) for word, start, stop in timed)
    return Utterance(seq=0, span=span, words=said, final=True)
