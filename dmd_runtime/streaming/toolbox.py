"""What has to be loaded before a session can run: models, the feature recipe, and what is missing, and why."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import torch

from dmd_runtime import __version__
from dmd_runtime.assets import Assets, FetchCancelledError, Progress
from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, CheckpointError, ModelError
from dmd_runtime.features.base import nothing
from dmd_runtime.features.language import SpokenLanguage
from dmd_runtime.features.pace import PaceConfig
from dmd_runtime.features.silero import SileroModel
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.features.streaming_transcription import StreamingConfig, StreamingTranscriber
from dmd_runtime.features.transcription import Transcriber, WhisperRecogniser
from dmd_runtime.features.visual import VisualExtractor
from dmd_runtime.features.voice_activity import VoiceActivityConfig, VoiceActivityDetector
from dmd_runtime.messages import FeatureBlock, Provenance
from dmd_runtime.modality import Modality
from dmd_runtime.model.checkpoint import Checkpoint, load, untrained
from dmd_runtime.model.fast import FastDMD
from dmd_runtime.privacy import import_mediapipe, quiet_hub
from dmd_runtime.resources import resource
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.extractors import LABELS, Extractors, live_config, live_recipe
from dmd_runtime.streaming.hearing import Hearing
from dmd_runtime.streaming.inference import Interpreter
from dmd_runtime.streaming.speech_engine import SPEECH_OFF, SpeechInUse, load_recogniser
from dmd_runtime.streaming.speech_models import NO_SPEECH

__all__ = ["LABELS", "Toolbox", "find_checkpoint", "live_config", "live_recipe", "torch_device"]

logger = logging.getLogger(__name__)

_SENT = {Modality.VISUAL: "no video", Modality.ACOUSTIC: "no sound", Modality.LANGUAGE: "no sound"}

STARTER = "starter"
"""The checkpoint that is used where none is asked for."""
T = TypeVar("T")
OnProgress = Callable[[Progress], None]


class Missing:
    """Stands where a model is missing: takes everything, says nothing, holds nothing up."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality

    def open(self) -> None:
        """Nothing to load."""

    def push(self, *_: object, **__: object) -> Sequence[FeatureBlock]:
        """Take anything."""
        return ()

    def figures(self) -> dict[str, float]:
        """None."""
        return {}

    def finish(self) -> Sequence[FeatureBlock]:
        """Settle for ever."""
        return (nothing(self._modality),)


class Toolbox:
    """Loaded models, shared by the sessions of a process that follow one another; :meth:`load` makes one.

    Attributes
    ----------
    extractors : Extractors
        Make what turns pictures, sound and words into features.
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
        extractors: Extractors,
        checkpoint: Checkpoint,
        device: torch.device,
        activity: SileroModel,
        recogniser: WhisperRecogniser | None,
        missing: Mapping[Modality, str],
    ) -> None:
        self.config = config
        self.extractors = extractors
        self.recipe = recipe = extractors.recipe
        self.checkpoint = checkpoint
        self.device = device
        self.marks = checkpoint.marks
        self.missing = dict(missing)
        self._activity = activity
        self._recogniser = recogniser
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
        chosen = _chosen(checkpoint)

        gathering = _Gathering(assets, progress, cancel)
        extractors = Extractors(config, assets, chosen, fetch=gathering.fetch)
        recipe = extractors.recipe
        if chosen is None:
            chosen = untrained(live_config(recipe), recipe.to_json())
        chosen.require(recipe.to_json())
        if gathering.optional(Modality.VISUAL, "face model", lambda: extractors.faces) is not None:
            _warm_vision()
        gathering.optional(Modality.ACOUSTIC, "speech encoder", lambda: extractors.speech)
        recogniser = _recogniser(config, assets, gathering, extractors)
        return cls(
            config,
            extractors=extractors,
            checkpoint=chosen,
            device=device,
            activity=SileroModel(),
            recogniser=recogniser,
            missing=gathering.missing,
        )

    def with_speech(
        self,
        config: SessionConfig,
        assets: Assets,
        *,
        progress: OnProgress | None = None,
        cancel: Event | None = None,
    ) -> Toolbox:
        """The same models with the recogniser that ``config`` asks for; this toolbox stays as it is. As :meth:`load`.

        For :meth:`Session.change_speech` and for the sessions to come; ``config`` may differ in ``speech`` only.
        """
        gathering = _Gathering(assets, progress, cancel)
        self.extractors.fetch_with(gathering.fetch)
        other = copy.copy(self)
        other.config = config
        other._recogniser = _recogniser(config, assets, gathering, self.extractors)
        kept = {m: reason for m, reason in self.missing.items() if m is not Modality.LANGUAGE}
        other.missing = kept | gathering.missing
        return other

    @property
    def speech(self) -> SpeechInUse:
        """Which recogniser words come from."""
        return SpeechInUse(
            model=NO_SPEECH if self._recogniser is None else self._recogniser.name,
            language=self.config.speech.language,
            absent=self.missing.get(Modality.LANGUAGE, ""),
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
        return Missing(Modality.VISUAL) if Modality.VISUAL in self.missing else self.extractors.visual()

    def sound(self) -> Hearing:
        """A new front end for sound; speech that goes on comes in pieces, if it is to be recognised as it is spoken."""
        settings = VoiceActivityConfig()
        if (every := self.config.speech.partial_every) > 0:
            settings = VoiceActivityConfig.streaming(every)
        voice = None if Modality.ACOUSTIC in self.missing else self.extractors.voice()
        return Hearing(VoiceActivityDetector(settings, self._activity), voice)

    def words(self, *, patient: bool) -> SpokenLanguage | Missing:
        """A new recogniser with its encoder; a ``patient`` one decodes as often as wished, whatever it takes."""
        if self._recogniser is None:
            return Missing(Modality.LANGUAGE)
        transcriber: StreamingTranscriber | Transcriber
        if (every := self.config.speech.partial_every) > 0:
            settings = StreamingConfig(pace=PaceConfig(cadence=every), guard=self._recogniser.config.guard)
            transcriber = StreamingTranscriber(self._recogniser.short, settings, patient=patient)
        else:
            transcriber = Transcriber(self._recogniser, self._recogniser.config)
        return SpokenLanguage(transcriber, self.extractors.language())

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
        """What the manifest says of the models; the checkpoint's licence where its training record states one."""
        licence = (self.checkpoint.training or {}).get("licence")
        return {
            "checkpoint": {
                "name": self.checkpoint.name,
                "digest": self.checkpoint.digest,
                "trained": self.checkpoint.training is not None,
                **({"licence": licence} if licence else {}),
            },
            "recipe": self.recipe.to_json(),
            "speech_model": None if self._recogniser is None else self._recogniser.name,
            "device": str(self.device),
        }


def _chosen(name: str | Path | None) -> Checkpoint | None:
    """The checkpoint of that name or place; by default the starter, where one ships; None: an untrained model."""
    if name is None:
        shipped = resource("checkpoints") / f"{STARTER}.safetensors"
        return load(shipped) if shipped.is_file() else None
    return load(find_checkpoint(name))


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


class _Gathering:
    """Model files fetched one after the other; ``missing`` is what could not be had, and why."""

    def __init__(self, assets: Assets, progress: OnProgress | None, cancel: Event | None) -> None:
        self._assets = assets
        self.progress = progress
        self.cancel = cancel
        self._failed: dict[str, AssetError] = {}
        self.missing: dict[Modality, str] = {}

    def fetch(self, name: str) -> Path:
        """Give the place of a model; one that could not be had is not tried again, though two ask for it."""
        if name in self._failed:
            raise self._failed[name]
        try:
            return self._assets.fetch(name, on_progress=self.progress, cancel=self.cancel)
        except FetchCancelledError:
            raise
        except AssetError as error:
            self._failed[name] = error
            raise

    def optional(self, modality: Modality, what: str, get: Callable[[], T]) -> T | None:
        """Get it, or None with the reason in ``missing``."""
        told = len(self._failed)
        try:
            return get()
        except FetchCancelledError:
            raise
        except AssetError as error:
            if len(self._failed) > told:
                logger.warning("%s", error)
            self.missing.setdefault(modality, f"{what} missing (dmd models fetch)")
            return None


def _recogniser(
    config: SessionConfig, assets: Assets, gathering: _Gathering, extractors: Extractors
) -> WhisperRecogniser | None:
    """The recogniser, or None with the reason in ``gathering.missing``; without a text encoder it is of no use."""
    name = config.speech.model
    if name == NO_SPEECH:
        gathering.missing[Modality.LANGUAGE] = SPEECH_OFF
        return None

    def get() -> WhisperRecogniser:
        return load_recogniser(config, assets, gathering.fetch, on_progress=gathering.progress, cancel=gathering.cancel)

    default = name == SessionConfig.load().speech.model
    recogniser = gathering.optional(Modality.LANGUAGE, "speech model", get) if default else get()
    if recogniser and gathering.optional(Modality.LANGUAGE, "text encoder", lambda: extractors.text) is None:
        return None
    return recogniser


def _warm_vision() -> None:
    """Import what the face extractor needs now: up to 3 s that the first pictures must not wait for."""
    import cv2  # noqa: PLC0415

    import_mediapipe()
    cv2.setNumThreads(1)
