"""The preferences dialog at work, and what is chosen in it against what the command line said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from PySide6.QtWidgets import QWidget

from desktop.checkpoint_choice import CheckpointChoice
from desktop.loaded_models import ModelChoice
from desktop.models.speech_choice import SpeechChoice
from desktop.options import Options
from desktop.preferences import PreferencesDialog
from desktop.settings import Settings

_OPTIONS = {"checkpoint": "checkpoint", "speech_model": "asr_model", "language": "language"}


def models_of(settings: Settings, options: Options) -> ModelChoice:
    """Which models are to run: what the command line names goes before what is remembered."""
    return ModelChoice(
        checkpoint=options.checkpoint or settings.checkpoint or None,
        speech_model=options.asr_model or settings.speech_model,
        language=options.language or settings.language,
        device=options.device or settings.device,
        offline=options.offline,
    )


def overruled(options: Options, changed: Iterable[str]) -> Options:
    """The command line without what has been chosen in the window since."""
    chosen: dict[str, Any] = {_OPTIONS[name]: None for name in changed if name in _OPTIONS}
    return replace(options, **chosen)


def show_preferences(
    settings: Settings,
    models: ModelChoice,
    window: QWidget,
    *,
    changed: Callable[[dict[str, object]], None],
    checkpoints: CheckpointChoice,
    speech: SpeechChoice,
) -> None:
    """Let the user change ``settings``, shown with the ``models`` in force, until the dialog is closed."""
    in_force = {
        "checkpoint": models.checkpoint or "",
        "speech_model": models.speech_model,
        "language": models.language,
    }
    dialog = PreferencesDialog(settings.model_copy(update=in_force), window, speech=speech)
    dialog.changed.connect(changed)
    checkpoints.told.connect(dialog.show_checkpoint)
    dialog.exec()
    dialog.deleteLater()
