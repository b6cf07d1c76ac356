"""What has to be loaded before a session can run: models, the feature recipe, and what is missing, and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import torch

from dmd_runtime import __version__
from dmd_runtime.assets import Assets, FetchCancelledError, Progress
from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, CheckpointError, ModelError
from dmd_runtime.features.acoustic import AcousticExtractor, acoustic_spec
from dmd_runtime.features.base import Block, Recipe, nothing
from dmd_runtime.features.language import LanguageExtractor, SpokenLanguage, language_spec
from dmd_runtime.features.silero import SileroModel
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.transcription import Transcriber, TranscriptionConfig, WhisperRecogniser
from dmd_runtime.features.visual import VisualExtractor, visual_spec
from dmd_runtime.features.voice_activity import (
    SpeechSegment,
    SpeechSettled,
    VoiceActivityConfig,
    VoiceActivityDetector,
)
from dmd_runtime.messages import AudioBlock, FeatureBlock, Provenance
from dmd_runtime.modality import Modality
from dmd_runtime.model.checkpoint import Checkpoint, load, untrained
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.fast import FastDMD
from dmd_runtime.privacy import import_mediapipe, quiet_hub
from dmd_runtime.resources import resource
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.inference import Interpreter
from dmd_runtime.streaming.speech_models import speech_model_folder

logger = logging.getLogger(__name__)

LABELS = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
"""Ekman's six and neutral: the classes of an untrained model."""
_FACES, _TEXT = "face_landmarker", "minilm-l6-v2"
_SENT = {Modality.VISUAL: "no video", Modality.ACOUSTIC: "no sound", Modality.LANGUAGE: "no sound"}

OnProgress = Callable[[Progress], None]


def live_config(recipe: Recipe) -> DMDConfig:
    """The size of model that runs live on two cores, for the features of ``recipe``."""
    return DMDConfig(
        dims={m: spec.dim for m, spec in recipe.specs.items()},
        lengths={m: spec.rows for m, spec in recipe.specs.items()},
        kernels={Modality.LANGUAGE: 3, Modality.VISUAL: 3, Modality.ACOUSTIC: 5},
        width=32,
        heads=4,
        layers=2,
        labels=LABELS,
    )


class Hearing:
    """Acoustic features and voice activity of the same sound, as one block for one thread."""

    def __init__(self, voice: AcousticExtractor, activity: VoiceActivityDetector) -> None:
        self._voice = voice
        self._activity = activity

    def push(self, block: AudioBlock) -> Sequence[Any]:
        """Take sound; speech comes first, so that it is decoded while the rest is still in work."""
        return (*self._activity.push(block), *self._voice.push(block))

    def finish(self) -> Sequence[Any]:
        """The tails of both."""
        return (*self._activity.finish(), *self._voice.finish())


class Missing:
    """Stands where a model is missing: takes everything, says nothing, holds nothing up."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality

    def open(self) -> None:
        """Nothing to load."""

    def push(self, *_: object) -> Sequence[FeatureBlock]:
        """Take anything."""
        return ()

    def finish(self) -> Sequence[FeatureBlock]:
        """Settle for ever."""
        return (nothing(self._modality),)


@dataclass(frozen=True, kw_only=True)
class _Speech:
    recogniser: WhisperRecogniser
    encoder: TextEncoder


class Toolbox:
    """Loaded models, shared by the sessions of a process that follow one another; :meth:`load` makes one.

    Attributes
    ----------
    recipe : Recipe
        Of the extractors that run here; the checkpoint's is the same.
    checkpoint : Checkpoint
    device : torch.device
        Where DMD runs.
    marks : tuple of str
        Of the checkpoint (UNTRAINED).
    missing : {Modality: reason}
        What no session of this toolbox can have.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        recipe: Recipe,
        checkpoint: Checkpoint,
        device: torch.device,
        faces: Path | None,
        voice: SileroModel,
        speech: _Speech | None,
        missing: Mapping[Modality, str],
    ) -> None:
        self.config = config
        self.recipe = recipe
        self.checkpoint = checkpoint
        self.device = device
        self.marks = checkpoint.marks
        self.missing = dict(missing)
        self._faces = faces
        self._voice = voice
        self._speech = speech
        figures = checkpoint.normalisation
        self._standardizer = (
            Standardizer.identity(recipe) if figures is None else Standardizer.from_json(figures, recipe)
        )
        self._model = FastDMD(checkpoint.model.to(device))
        self._model.prepare()

    @classmethod
    def load(
        cls,
        config: SessionConfig,
        assets: Assets,
        *,
        checkpoint: str | Path | None = None,
        progress: OnProgress | None = None,
        cancel: Event | None = None,
    ) -> Toolbox:
        """Fetch what is missing, load everything, warm it up; seconds, on any thread but a window's.

        A default model that cannot be had leaves its modality out (``missing`` says why); what was asked for by name
        must be had.

        Raises
        ------
        AssetError, ModelError, CheckpointError, ConfigError
            With one clear line.
        FetchCancelledError
            The download was stopped.
        """
        quiet_hub()
        torch.set_num_threads(config.runtime.threads)
        device = torch_device(config.runtime.device)
        recipe = live_recipe(config, assets)
        chosen = (
            untrained(live_config(recipe), recipe.to_json())
            if checkpoint is None
            else load(find_checkpoint(checkpoint))
        )
        chosen.require(recipe.to_json())
        missing: dict[Modality, str] = {}

        def fetch(name: str) -> Path:
            return assets.fetch(name, on_progress=progress, cancel=cancel)

        faces = _optional(Modality.VISUAL, missing, "face model", lambda: fetch(_FACES))
        speech = _load_speech(config, assets, missing, fetch)
        if faces is not None:
            _warm_vision()
        return cls(
            config,
            recipe=recipe,
            checkpoint=chosen,
            device=device,
            faces=faces,
            voice=SileroModel(),
            speech=speech,
            missing=missing,
        )

    def absent_for(self, info: SourceInfo) -> dict[Modality, str]:
        """Modalities that a session on this source cannot have, with the reason."""
        absent = dict(self.missing)
        if not info.has_video:
            absent[Modality.VISUAL] = _SENT[Modality.VISUAL]
        if not info.has_audio:
            absent |= {m: _SENT[m] for m in (Modality.ACOUSTIC, Modality.LANGUAGE)}
        return absent

    def visual(self) -> VisualExtractor | Missing:
        """A new extractor of face features; its thread opens it."""
        if self._faces is None:
            return Missing(Modality.VISUAL)
        return VisualExtractor(self._faces, self.config.window.duration, self.config.visual.rate_hz)

    def sound(self, *, partial: bool) -> Hearing:
        """A new front end for sound; ``partial``: also tentative segments of an utterance that goes on."""
        every = self.config.speech.partial_every
        settings = VoiceActivityConfig(partial_every=every if partial and every > 0 else None)
        detector = VoiceActivityDetector(settings, self._voice)
        return Hearing(AcousticExtractor(self.config.window.duration), detector)

    def words(self) -> Block[SpeechSegment | SpeechSettled]:
        """A new recogniser with its encoder."""
        if self._speech is None:
            return Missing(Modality.LANGUAGE)
        recogniser, encoder = self._speech.recogniser, self._speech.encoder
        return SpokenLanguage(Transcriber(recogniser, recogniser.config), LanguageExtractor(encoder))

    def interpreter(self, *, clock: Clock, marks: tuple[str, ...]) -> Interpreter:
        """What turns windows into readings; ``marks`` are the session's."""
        return Interpreter(
            self.checkpoint,
            self._model,
            self._standardizer,
            device=self.device,
            clock=clock,
            provenance=Provenance(
                checkpoint=self.checkpoint.digest,
                checkpoint_name=self.checkpoint.name,
                recipe=self.recipe.id,
                device=str(self.device),
                app_version=__version__,
                marks=marks,
            ),
        )

    def provenance(self) -> dict[str, Any]:
        """What the manifest says of the models."""
        return {
            "checkpoint": {
                "name": self.checkpoint.name,
                "digest": self.checkpoint.digest,
                "trained": self.checkpoint.training is not None,
            },
            "recipe": self.recipe.to_json(),
            "speech_model": None if self._speech is None else self._speech.recogniser.name,
            "device": str(self.device),
        }


def live_recipe(config: SessionConfig, assets: Assets) -> Recipe:
    """The recipe of the extractors that run here; the same whether their model files are here or not."""
    duration = config.window.duration
    (faces,) = assets[_FACES].files
    return Recipe(
        duration=duration,
        specs={
            Modality.LANGUAGE: language_spec(),
            Modality.VISUAL: visual_spec(faces.sha256, duration, config.visual.rate_hz),
            Modality.ACOUSTIC: acoustic_spec(duration),
        },
    )


def find_checkpoint(name: str | Path) -> Path:
    """A file, or a checkpoint that ships with the program by its name.

    Raises
    ------
    CheckpointError
        There is neither; says which ship.
    """
    shipped = {path.stem: path for path in sorted(resource("checkpoints").glob("*.safetensors"))}
    if Path(name).exists():
        return Path(name)
    if str(name) not in shipped:
        known = f"one of {', '.join(shipped)}" if shipped else "none ships with this version"
        raise CheckpointError(f"checkpoint {name}: expected a .safetensors file or a name ({known}), got nothing there")
    return shipped[str(name)]


def torch_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    ModelError
        The device is not there, or has no such name.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, here in there.items() if here))
    if not there.get(name, False):
        here = ", ".join(device for device, is_here in there.items() if is_here)
        raise ModelError(f"device {name}: expected auto or one that is here ({here})")
    return torch.device(name)


def _load_speech(
    config: SessionConfig, assets: Assets, missing: dict[Modality, str], fetch: Callable[[str], Path]
) -> _Speech | None:
    """Recogniser and encoder, or None with the reason in ``missing``."""
    name = config.speech.model
    if name == "none":
        missing[Modality.LANGUAGE] = "speech recognition is off"
        return None
    default = SessionConfig.load().speech.model
    if name == default:
        folder = _optional(Modality.LANGUAGE, missing, "speech model", lambda: speech_model_folder(name, assets, fetch))
    else:
        folder = speech_model_folder(name, assets, fetch)
    text = _optional(Modality.LANGUAGE, missing, "text encoder", lambda: fetch(_TEXT))
    if folder is None or text is None:
        return None
    settings = TranscriptionConfig(language=config.speech.language)
    device = "cpu" if config.runtime.device == "mps" else config.runtime.device
    recogniser = WhisperRecogniser(folder, settings, device=device, threads=config.runtime.threads)
    return _Speech(recogniser=recogniser, encoder=TextEncoder(text))


def _optional(modality: Modality, missing: dict[Modality, str], what: str, get: Callable[[], Path]) -> Path | None:
    try:
        return get()
    except FetchCancelledError:
        raise
    except AssetError as error:
        logger.warning("%s", error)
        missing.setdefault(modality, f"{what} missing (dmd models fetch)")
        return None


def _warm_vision() -> None:
    """Import what the face extractor needs now: up to 3 s that the first pictures must not wait for."""
    import cv2  # noqa: PLC0415

    import_mediapipe()
    cv2.setNumThreads(1)
