"""What the manifest of a session says of it: what it is made of and with, and what was counted."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from dmd_runtime import __version__
from dmd_runtime.config import SessionConfig
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.session import Session

if TYPE_CHECKING:  # loads torch: only whoever makes one needs to wait for that
    from dmd_runtime.streaming.toolbox import Toolbox

_PACKAGES = ("av", "ctranslate2", "faster-whisper", "mediapipe", "numpy", "torch", "transformers")


def facts_at_end(session: Session, stopped_at: float) -> dict[str, Any]:
    """``counts`` of the manifest; ``stopped_at`` is when its recording ended, if before it, else infinite."""
    counts = session.counts
    took = None if session.exact else counts.first_frame_to_last_reading
    return {
        **counts.as_dict(),
        "media_end_s": None if counts.media_end is None else round(min(counts.media_end, stopped_at), 6),
        "first_frame_to_last_reading_s": None if took is None else round(took, 3),
    }


def speech_at_start(toolbox: Toolbox) -> dict[str, str]:
    """The recogniser a session begins with, as an entry of ``speech`` in the manifest names it."""
    return {"model": toolbox.speech.model, "language": toolbox.speech.language}


def _devices(info: SourceInfo) -> list[dict[str, Any]]:
    """The devices that were chosen at the start."""
    chosen = info.details.items() if info.kind == "device" else ()
    return [{"kind": kind, **facts} for kind, facts in chosen if isinstance(facts, dict)]


def facts_at_start(session: Session, toolbox: Toolbox, config: SessionConfig) -> dict[str, Any]:
    """What is known before the session starts, for the manifest."""
    info = session.source.info
    return {
        "mode": "exact" if session.exact else "paced",
        "clock": {"unit": "s", "zero": "first sample or picture of the source", "audio": "sample count"},
        "source": {"kind": info.kind, "name": info.name, "details": info.details},
        "media": info.media,
        "devices": _devices(info),
        "consent": None,
        "config": config.model_dump(),
        "provenance": {
            **toolbox.provenance(),
            "app_version": __version__,
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in _PACKAGES},
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "absent": {m.value: reason for m, reason in session.absent.items()},
    }
