"""Where a speech model is: a model of the manifest, a folder, or one of faster-whisper's own names, from its hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmd_runtime.assets import Assets
from dmd_runtime.errors import AssetError

_PREFIX = "whisper-"


def speech_model_folder(name: str, assets: Assets, fetch: Callable[[str], Path]) -> Path:
    """Find or fetch the speech model called ``name``.

    Parameters
    ----------
    name : str
        ``whisper-tiny.en`` or ``tiny.en`` (checked by its hash), a folder with a CTranslate2 model, or another name
        that faster-whisper knows (``small``, ``large-v3-turbo``, …), which comes from its hub; once it is in the cache,
        the hub is not asked again.

    Raises
    ------
    AssetError
        There is no such model, or it cannot be had; says which there are.
    """
    for known in (name, _PREFIX + name):
        if known in assets.manifest and known.startswith(_PREFIX):
            return fetch(known)
    if Path(name).is_dir():
        return Path(name)
    from faster_whisper.utils import available_models, download_model  # noqa: PLC0415 - only for other models

    names = available_models()
    if name not in names:
        raise AssetError(
            f"speech model {name}: expected a folder, none, or one of {', '.join(names)}; got none of these"
        )

    def get(*, local: bool) -> Path:
        return Path(download_model(name, cache_dir=str(assets.cache / "hub"), local_files_only=local))

    try:
        try:
            return get(local=True)
        except OSError:  # not all of it is in the cache
            if assets.offline:
                raise
            return get(local=False)
    except Exception as error:  # the hub's client raises errors of several libraries
        where = "here (working offline)" if assets.offline else "here, and the hub could not give it"
        text = " ".join(str(error).split())[:160]
        raise AssetError(f"speech model {name} is not {where}: {text}") from error
