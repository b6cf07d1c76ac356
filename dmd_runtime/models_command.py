"""``dmd models list|fetch|verify``: the model files that always run, and the speech models one may choose."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from dmd_runtime import assets as files
from dmd_runtime.asset_commands import EXIT_INPUT, ProgressLine, print_table
from dmd_runtime.assets import Assets, FetchCancelledError
from dmd_runtime.errors import AssetError
from dmd_runtime.streaming.speech_models import (
    SPEECH_MODELS,
    Presence,
    SpeechModel,
    SpeechModelStatus,
    fetch_speech_model,
    known_speech_model,
    recommended_here,
    speech_status,
)


def command(what: str, names: Sequence[str], *, offline: bool, out: TextIO, err: TextIO | None = None) -> int:
    """Write to ``out``, return the exit status: 2 where a model is wrong, or is not here though it should be.

    Without names: ``list`` shows all, ``fetch`` gets those that always run, ``verify`` reads all that should be here.

    Raises
    ------
    AssetError
        A name is none of those there are.
    FetchCancelledError
    """
    assets = Assets(offline=offline)
    speech: list[SpeechModel] = []
    others: list[str] = []
    for name in dict.fromkeys(names):
        model = known_speech_model(name) if name not in assets.manifest else None
        if model is None or model.asset in assets.manifest:
            others.append(model.asset if model else _known(name, assets))
        else:
            speech.append(model)
    code = 0
    if others or not names:
        code = files.command(what, others, offline=offline, out=out)
    if not names and what == "list":
        print(file=out)
        _list([speech_status(model, assets) for model in SPEECH_MODELS], out, recommended_here())
    elif not names and what == "verify":
        here = [m for m in SPEECH_MODELS if m.asset not in assets.manifest and _is_kept(speech_status(m, assets))]
        code = max(code, _verify(here, assets, out) if here else 0)
    elif speech and what == "list":
        _list([speech_status(model, assets) for model in speech], out)
    elif speech and what == "verify":
        code = max(code, _verify(speech, assets, out))
    elif speech:
        code = max(code, _fetch(speech, assets, out, err or sys.stderr))
    return code


def _known(name: str, assets: Assets) -> str:
    if name in assets.manifest:
        return name
    speech = ", ".join(model.name for model in SPEECH_MODELS)
    raise AssetError(f"expected a model of {', '.join(sorted(assets.manifest))}, or of {speech}; got {name!r}")


def _is_kept(status: SpeechModelStatus) -> bool:
    return status.presence is Presence.HERE or bool(status.problems)


def _list(found: Sequence[SpeechModelStatus], out: TextIO, best: str = "") -> None:
    rows = [("SPEECH MODEL", "LANGUAGES", "SIZE", "MEMORY", "WHERE", "FOR")]
    for status in found:
        model = status.model
        languages = "many" if model.multilingual else "English"
        size = f"{status.total_bytes / 1e6:.0f} MB" if status.total_bytes else "?"
        memory = f"{model.memory / 1e6:.0f} MB" if model.memory else "?"
        name = f"{model.name} *" if model.name == best else model.name
        rows.append((name, languages, size, memory, where(status), model.purpose))
        rows += [("", "", "", "", f"refused {problem}", "") for problem in status.problems]
    print_table(rows, out)
    if best:
        print("* does best on this machine; get one with `dmd models fetch NAME`", file=out)


def _fetch(models: Sequence[SpeechModel], assets: Assets, out: TextIO, err: TextIO) -> int:
    failed = False
    show = ProgressLine(out)
    for model in models:
        try:
            place = fetch_speech_model(model, assets, on_progress=show)
        except FetchCancelledError:
            raise
        except AssetError as error:
            failed = True
            show.end()
            print(f"dmd: {error}", file=err, flush=True)
        else:
            show.end()
            print(
                f"{model.name}  {speech_status(model, assets).total_bytes / 1e6:.1f} MB  {place}", file=out, flush=True
            )
    return EXIT_INPUT if failed else 0


def _verify(models: Sequence[SpeechModel], assets: Assets, out: TextIO) -> int:
    results = [speech_status(model, assets, anew=True) for model in models]
    rows = []
    for status in results:
        verdict = "WRONG" if status.problems else "verified" if status.presence is Presence.HERE else "not here"
        rows.append(
            (status.model.name, verdict, "" if verdict == "not here" and not status.done_bytes else where(status))
        )
        rows += [("", "", problem) for problem in status.problems]
    print_table(rows, out)
    return 0 if all(s.presence is Presence.HERE and not s.problems for s in results) else EXIT_INPUT


def where(status: SpeechModelStatus) -> str:
    """Where it is, or how much of it, for people."""
    if status.place is not None:
        return f"{status.place} ({status.origin})"
    if status.presence is Presence.PART:
        return f"{status.done_bytes / 1e6:.0f} of {status.total_bytes / 1e6:.0f} MB"
    return "not here"
