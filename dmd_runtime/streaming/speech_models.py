"""The speech models one may choose, and where each is: a model of the manifest, of the hub, or any folder.

Whisper: Radford et al., 2022, https://arxiv.org/abs/2212.04356; converted to CTranslate2. Sizes are those of the hub's
files (float16); memory is that of the recogniser on a CPU, where weights are int8.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event
from typing import Final

from dmd_runtime import asset_hub
from dmd_runtime.asset_hub import HubModel
from dmd_runtime.asset_sources import OnProgress
from dmd_runtime.assets import Assets, AssetStatus
from dmd_runtime.errors import AssetError

NO_SPEECH: Final = "none"
DEFAULT: Final = "tiny.en"
_PREFIX = "whisper-"
_NEEDED = (("model.bin",), ("config.json",), ("tokenizer.json",), ("vocabulary.*",))
_MANY_CORES = 8
_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SpeechModel:
    """A speech model that may be chosen by its name.

    Attributes
    ----------
    name : str
    multilingual : bool
        Else it hears English only, and better than one of the same size that knows all languages.
    bytes : int
        Of its files, about; a download tells them exactly.
    memory : int
        Bytes it takes while it runs on a CPU, about.
    purpose : str
        One line: what it is good for.
    repository : str
        On the hub.
    """

    name: str
    multilingual: bool
    bytes: int
    memory: int
    purpose: str
    repository: str

    @property
    def asset(self) -> str:
        """Name among the model files."""
        return _PREFIX + self.name

    @property
    def hub(self) -> HubModel:
        """What to ask the hub for."""
        languages = "about 100 languages" if self.multilingual else "English"
        return HubModel(
            name=self.asset,
            repository=self.repository,
            title=f"Whisper {self.name} (CTranslate2)",
            purpose=f"speech recognition, {languages}",
            licence="MIT",
            licence_url="https://github.com/openai/whisper/blob/main/LICENSE",
            source=f"OpenAI Whisper, converted by {self.repository.partition('/')[0]}",
            needed=_NEEDED,
            welcome=("preprocessor_config.json",),
        )


def _model(name: str, megabytes: int, memory_mb: int, purpose: str, owner: str = "Systran") -> SpeechModel:
    return SpeechModel(
        name=name,
        multilingual=not name.endswith(".en"),
        bytes=megabytes * _MB,
        memory=memory_mb * _MB,
        purpose=purpose,
        repository=f"{owner}/faster-whisper-{name}",
    )


SPEECH_MODELS: Final = tuple(
    _model(*row)
    for row in (
        ("tiny.en", 78, 150, "Keeps up on two cores; hears clear English well"),
        ("tiny", 78, 150, "Keeps up on two cores; other languages with many errors"),
        ("base.en", 148, 240, "English with fewer errors, at twice the work of tiny"),
        ("base", 148, 240, "Other languages on a fast CPU, at twice the work of tiny"),
        ("small.en", 486, 660, "English with few errors, on a fast CPU with eight cores or a GPU"),
        ("small", 486, 660, "Other languages with few errors, on eight fast cores or a GPU"),
        ("medium.en", 1531, 2000, "English on a GPU; too slow for a CPU"),
        ("medium", 1531, 2000, "Other languages on a GPU; too slow for a CPU"),
        ("large-v3", 3090, 3900, "The fewest errors in most languages, on a large GPU only"),
        (
            "large-v3-turbo",
            1622,
            2100,
            "The best on a GPU: nearly the errors of large-v3 at the speed of small",
            "mobiuslabsgmbh",
        ),
    )
)
"""All that are offered; every other name that faster-whisper knows is taken, too."""


class Presence(Enum):
    """How much of a model is on this machine."""

    HERE = "here"
    PART = "half there"
    ABSENT = "not here"


@dataclass(frozen=True, kw_only=True)
class SpeechModelStatus:
    """A speech model and how much of it is here.

    Attributes
    ----------
    model : SpeechModel
    place : Path or None
        Its folder, where it is whole and right.
    origin : str
        What kind of place that is.
    done_bytes, total_bytes : int
        How much of it is here; the total is exact once a download has begun.
    problems : tuple of str
        What was refused on the way.
    """

    model: SpeechModel
    place: Path | None
    origin: str
    done_bytes: int
    total_bytes: int
    problems: tuple[str, ...] = ()

    @property
    def presence(self) -> Presence:
        """Whether it is here."""
        if self.place is not None:
            return Presence.HERE
        return Presence.PART if self.done_bytes else Presence.ABSENT


def speech_model(name: str) -> SpeechModel | None:
    """The one of :data:`SPEECH_MODELS` called so, with or without ``whisper-``; None for all else."""
    plain = name.removeprefix(_PREFIX)
    return next((model for model in SPEECH_MODELS if model.name == plain), None)


def known_speech_model(name: str) -> SpeechModel | None:
    """:func:`speech_model`, or one that only faster-whisper's own table has (a second of imports)."""
    return speech_model(name) or _unlisted(name.removeprefix(_PREFIX))


def speech_models(assets: Assets) -> list[SpeechModelStatus]:
    """Every model that is offered and where it is; asks nobody. Hashes what is new, so off a window's thread."""
    return [speech_status(model, assets) for model in SPEECH_MODELS]


def speech_status(model: SpeechModel, assets: Assets, *, anew: bool = False) -> SpeechModelStatus:
    """Where one model is; ``anew`` hashes what is known to be right, too. Asks nobody."""
    if model.asset in assets.manifest:
        return _in_manifest(model, assets.verify(model.asset) if anew else assets.inspect(model.asset), assets)
    found = asset_hub.look(assets, model.hub, anew=anew)
    old = None if found.place or found.done_bytes else _old_copy(model, assets)
    place = found.place or old
    total = found.total_bytes or (_size(place) if place else model.bytes)
    return SpeechModelStatus(
        model=model,
        place=place,
        origin="hub's cache" if old else found.origin,
        done_bytes=total if place else found.done_bytes,
        total_bytes=total,
        problems=found.problems,
    )


def fetch_speech_model(
    model: SpeechModel, assets: Assets, *, on_progress: OnProgress | None = None, cancel: Event | None = None
) -> Path:
    """The folder of a model, which is fetched where it is not here; goes on with what is half there. Blocks.

    Raises
    ------
    AssetError
        It cannot be had; the first line says why.
    FetchCancelledError
        ``cancel`` was set; what came is kept.
    """
    if model.asset in assets.manifest:
        return assets.fetch(model.asset, on_progress=on_progress, cancel=cancel)
    if (there := speech_status(model, assets).place) is not None:
        return there
    return asset_hub.fetch(assets, model.hub, on_progress=on_progress, cancel=cancel)


def speech_model_folder(
    name: str,
    assets: Assets,
    fetch: Callable[[str], Path] | None = None,
    *,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Path:
    """Find or fetch the speech model called ``name``.

    Parameters
    ----------
    name : str
        ``tiny.en`` or another of :data:`SPEECH_MODELS`, with or without ``whisper-``, a folder with a CTranslate2
        model, or another name that faster-whisper knows.
    assets : Assets
    fetch : callable, optional
        Gives the place of a model of the manifest; by default :meth:`Assets.fetch`.
    on_progress, cancel :
        As for :func:`fetch_speech_model`.

    Raises
    ------
    AssetError
        There is no such model, or it cannot be had; says which there are.
    FetchCancelledError
        ``cancel`` was set.
    """
    asset = _PREFIX + name.removeprefix(_PREFIX)
    if fetch is not None and asset in assets.manifest:
        return fetch(asset)
    if speech_model(name) is None and Path(name).is_dir():
        return Path(name)
    model = known_speech_model(name)
    if model is None:
        names = ", ".join(model.name for model in SPEECH_MODELS)
        raise AssetError(f"speech model {name}: expected a folder, none, or one of {names}; got none of these")
    return fetch_speech_model(model, assets, on_progress=on_progress, cancel=cancel)


def recommended(*, gpu: bool, cores: int, language: str = "auto") -> str:
    """Name of the model that does best here without falling behind; a rule of thumb, see docs/models.md."""
    if gpu:
        return "large-v3-turbo"
    name = "base" if cores >= _MANY_CORES else "tiny"
    return f"{name}.en" if language in ("auto", "en") else name


def recommended_here(language: str = "auto") -> str:
    """:func:`recommended` for this machine. Loads CTranslate2, so off a window's thread."""
    import ctranslate2  # noqa: PLC0415 - a third of a second

    return recommended(gpu=ctranslate2.get_cuda_device_count() > 0, cores=os.cpu_count() or 1, language=language)


def _unlisted(name: str) -> SpeechModel | None:
    """A model that only faster-whisper's own table has."""
    from faster_whisper.utils import _MODELS  # noqa: PLC0415 - a second of imports, for rare names only

    if name not in _MODELS:
        return None
    purpose = "Known to faster-whisper; not measured here"
    english = ".en" in name or name.startswith("distil-")
    return SpeechModel(
        name=name, multilingual=not english, bytes=0, memory=0, purpose=purpose, repository=_MODELS[name]
    )


def _in_manifest(model: SpeechModel, found: AssetStatus, assets: Assets) -> SpeechModelStatus:
    total = found.asset.bytes
    return SpeechModelStatus(
        model=model,
        place=found.place,
        origin=found.origin,
        done_bytes=total if found.place else assets.bytes_here(found.asset),
        total_bytes=total,
        problems=found.problems,
    )


def _old_copy(model: SpeechModel, assets: Assets) -> Path | None:
    """Where faster-whisper's own download of earlier versions of this program lies, if it is whole."""
    kept = assets.cache / "hub" / f"models--{model.repository.replace('/', '--')}"
    try:
        revision = (kept / "refs" / "main").read_text(encoding="ascii").strip()
        folder = kept / "snapshots" / revision
        names = tuple(path.name for path in folder.iterdir() if path.exists())  # a link to nothing is not there
    except (OSError, ValueError):
        return None
    return None if model.hub.lacks(names) else folder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != asset_hub.LISTING)
