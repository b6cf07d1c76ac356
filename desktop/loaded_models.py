"""Which models run, and the one set that is loaded, for the sessions that follow one another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dmd_runtime
from dmd_runtime import NO_SPEECH, Assets, Modality, Progress, SessionConfig, speech_model, speech_models

if TYPE_CHECKING:
    from dmd_runtime import Toolbox


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which models run; another choice loads anew."""

    checkpoint: str | None = None
    speech_model: str = ""
    language: str = "auto"
    device: str = "auto"
    offline: bool = False

    def config(self) -> SessionConfig:
        """The session's settings.

        Raises
        ------
        ConfigError
            A value is outside its rule.
        """
        speech = {"language": self.language} | ({"model": self.speech_model} if self.speech_model else {})
        return SessionConfig.load(speech=speech, runtime={"device": self.device})

    @property
    def left_out(self) -> frozenset[Modality]:
        """What is gone without on purpose."""
        return frozenset((Modality.LANGUAGE,) if self.speech_model == NO_SPEECH else ())


class LoadedModels:
    """Loads a choice of models and keeps it until another is asked for; any thread, one load at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[ModelChoice, Toolbox] | None = None

    def has(self, choice: ModelChoice) -> bool:
        """Whether ``choice`` is loaded, with everything that may still be fetched for it."""
        return self._found(choice) is not None

    def load(
        self,
        choice: ModelChoice,
        *,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Toolbox:
        """Load ``choice`` unless it is loaded; see :meth:`dmd_runtime.Toolbox.load` for what it raises."""
        with self._lock:  # the second to come finds what the first has loaded
            found = self._found(choice)
            if found is not None:
                return found
            assets = Assets(offline=choice.offline)
            if (like := self._like(choice)) is not None:
                toolbox = like.with_speech(choice.config(), assets, progress=progress, cancel=cancel)
            else:
                toolbox = dmd_runtime.Toolbox.load(  # loads torch: on a loader's thread, behind the window
                    choice.config(), assets, checkpoint=choice.checkpoint, progress=progress, cancel=cancel
                )
            self._loaded = choice, toolbox
            return toolbox

    @staticmethod
    def check(choice: ModelChoice) -> None:
        """Load the checkpoint of ``choice`` for nothing but to see that it would run; nothing is fetched or kept.

        Raises
        ------
        DMDError
            It would not; says why.
        """
        quick = replace(choice, speech_model=NO_SPEECH)
        dmd_runtime.Toolbox.load(quick.config(), Assets(offline=True), checkpoint=quick.checkpoint)

    def _like(self, choice: ModelChoice) -> Toolbox | None:
        """What is loaded, where only the recogniser has to be another."""
        if self._loaded is None:
            return None
        before, toolbox = self._loaded
        same = replace(before, speech_model=choice.speech_model, language=choice.language, offline=choice.offline)
        whole = {Modality.LANGUAGE}.issuperset(toolbox.missing)
        return toolbox if same == choice and (choice.offline or whole) else None

    def _found(self, choice: ModelChoice) -> Toolbox | None:
        loaded = self._loaded
        if loaded is None or replace(loaded[0], offline=False) != replace(choice, offline=False):
            return None
        toolbox = loaded[1]
        return toolbox if choice.offline or choice.left_out.issuperset(toolbox.missing) else None


def not_here(choice: ModelChoice) -> list[tuple[str, str, int]]:
    """(name, title, bytes) of each model file that has yet to be fetched; hashes files, so not on a window's thread."""
    assets = Assets(offline=True)
    missing = (status.asset for status in assets.status() if status.place is None)
    plan = [(asset.name, asset.title, asset.bytes) for asset in missing]
    speech = speech_model(choice.speech_model)
    if speech is None or speech.asset in assets.manifest:
        return plan
    status = next(status for status in speech_models(assets) if status.model == speech)
    return plan if status.place else [*plan, (speech.asset, speech.hub.title, status.total_bytes)]
