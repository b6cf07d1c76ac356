"""The feature extractors that run live, with what a checkpoint brings; training and evaluation use them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.features.acoustic import AcousticExtractor, acoustic_spec
from dmd_runtime.features.base import Recipe
from dmd_runtime.features.language import LanguageExtractor, language_spec
from dmd_runtime.features.speech_representation import SpeechRepresentation
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.visual import VisualExtractor, visual_spec
from dmd_runtime.features.windowed_speech import WindowedSpeech, acoustic_window
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.modality import Modality
from dmd_runtime.model.checkpoint import Checkpoint
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.streaming.hearing import Voice

LABELS = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
"""Ekman's six and neutral: the classes of an untrained model."""
FACES, TEXT, SPEECH = "face_landmarker", "minilm-l6-v2", "whisper-tiny.en"
"""Model files, by their names in ``models.toml``."""


def live_recipe(config: SessionConfig, assets: Assets, checkpoint: Checkpoint | None = None) -> Recipe:
    """The recipe of the extractors that run here; the same whether their model files are here or not.

    What ``checkpoint`` brings to the extractors is part of it.
    """
    duration = config.window.duration
    brought: Mapping[str, Encoder] = {} if checkpoint is None else checkpoint.encoders
    (faces,) = assets[FACES].files
    speech = next(file for file in assets[SPEECH].files if file.path == "model.bin")
    text = brought.get("text")
    return Recipe(
        duration=duration,
        specs={
            Modality.LANGUAGE: language_spec(delta=None if text is None else text.identity),
            Modality.VISUAL: visual_spec(faces.sha256, duration, config.visual.rate_hz, encoder=brought.get("face")),
            Modality.ACOUSTIC: acoustic_spec(speech.sha256, duration),
        },
    )


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


class Extractors:
    """Makes extractors; what they share is loaded when it is first needed, and once.

    Each extractor is touched by one thread; the encoders are shared by extractors that follow one another.

    Parameters
    ----------
    config : SessionConfig
    assets : Assets
    checkpoint : Checkpoint or None
        Whose encoders are used; None: none.
    fetch : callable, optional
        Gives the place of a model by its name; by default :meth:`Assets.fetch`.

    Raises
    ------
    AssetError
        By the methods: a model file cannot be had.
    ModelError, CheckpointError, ConfigError
        By the methods: a file, or an encoder of the checkpoint, is not what it should be.
    """

    def __init__(
        self,
        config: SessionConfig,
        assets: Assets,
        checkpoint: Checkpoint | None = None,
        *,
        fetch: Callable[[str], Path] | None = None,
    ) -> None:
        self._config = config
        self._fetch = assets.fetch if fetch is None else fetch
        self._brought: Mapping[str, Encoder] = {} if checkpoint is None else checkpoint.encoders
        self.recipe = live_recipe(config, assets, checkpoint)

    def fetch_with(self, fetch: Callable[[str], Path]) -> None:
        """Get what has not been loaded yet by ``fetch`` from now on."""
        self._fetch = fetch

    @cached_property
    def faces(self) -> Path:
        """MediaPipe's model file."""
        return self._fetch(FACES)

    @cached_property
    def text(self) -> TextEncoder:
        """The text encoder, changed as the checkpoint says."""
        return TextEncoder(self._fetch(TEXT), delta=self._brought.get("text"))

    @cached_property
    def speech(self) -> SpeechRepresentation:
        """The speech encoder, which is not the recogniser's."""
        return SpeechRepresentation(self._fetch(SPEECH), threads=self._config.runtime.threads)

    def visual(self) -> VisualExtractor:
        """A new extractor of face features, for videos and stills; its thread opens it."""
        return VisualExtractor(
            self.faces,
            self._config.window.duration,
            self._config.visual.rate_hz,
            encoder=self._brought.get("face"),
        )

    def language(self) -> LanguageExtractor:
        """A new extractor of language features, for utterances and texts."""
        return LanguageExtractor(self.text, min_confidence=self._config.speech.min_confidence)

    def voice(self) -> Voice:
        """A new extractor of acoustic features from a stream."""
        return Voice(AcousticExtractor(), WindowedSpeech(self.speech, self._config.window))

    def acoustic_window(self, samples: Float32) -> tuple[Float32, Bool]:
        """Acoustic features of one window's sound; see :func:`dmd_runtime.features.windowed_speech.acoustic_window`."""
        return acoustic_window(samples, self.speech, self._config.window.duration)
