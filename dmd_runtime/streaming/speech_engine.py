"""The recogniser that the settings ask for, found or fetched, loaded and warm."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from dmd_runtime.asset_sources import OnProgress
from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ModelError
from dmd_runtime.features.transcription import TranscriptionConfig, WhisperRecogniser
from dmd_runtime.streaming.speech_models import speech_model, speech_model_folder

SPEECH_OFF: Final = "speech recognition is off"
_MANY_CORES, _MANY_THREADS = 8, 4


@dataclass(frozen=True, kw_only=True)
class SpeechInUse:
    """Which recogniser words come from.

    Attributes
    ----------
    model : str
        Its name, or "none".
    language : str
        As asked for: a code, or "auto".
    absent : str
        Why there are no words; empty where there are.
    """

    model: str
    language: str
    absent: str = ""


def speech_threads(config: SessionConfig, cores: int | None = None) -> int:
    """CPU threads of the recogniser: the setting or, where it is 0, what suits ``cores`` (default: this machine's)."""
    cores = cores if cores is not None else os.cpu_count() or 1
    return config.speech.threads or (_MANY_THREADS if cores >= _MANY_CORES else config.runtime.threads)


def load_recogniser(
    config: SessionConfig,
    assets: Assets,
    fetch: Callable[[str], Path],
    *,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> WhisperRecogniser:
    """Load the model of ``config.speech``, which is not "none"; seconds.

    Raises
    ------
    AssetError, FetchCancelledError
        It cannot be had; see :func:`speech_model_folder`.
    ModelError
        It is no such model, or knows not the language; for an English one the message names a model that does.
    """
    speech = config.speech
    folder = speech_model_folder(speech.model, assets, fetch, on_progress=on_progress, cancel=cancel)
    listed = speech_model(speech.model)
    if listed is not None and not listed.multilingual and speech.language not in ("auto", "en"):
        other = listed.name.removesuffix(".en")
        raise ModelError(
            f"{listed.asset} recognises en only, got language {speech.language!r}; the model {other} knows many"
        )
    return WhisperRecogniser(
        folder,
        TranscriptionConfig(language=speech.language),
        device="cpu" if config.runtime.device == "mps" else config.runtime.device,
        compute_type=speech.compute_type,
        threads=speech_threads(config),
        name=listed.asset if listed else "",
    )
