"""``session.json``: what a session is, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmd_runtime.errors import RecordingError

FORMAT = 1
NAME = "session.json"
STATES = ("recording", "complete", "recovered")


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replace ``session.json`` in one step; a crash leaves the old one or the new one, never a half.

    Raises
    ------
    RecordingError
        The disk is full or the folder gone; names the file.
    """
    path = folder / NAME
    draft = path.with_suffix(".json.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2, ensure_ascii=False, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None
    except ValueError as error:
        raise RecordingError(f"{path}: expected finite numbers, got: {error}") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``session.json``.

    Raises
    ------
    RecordingError
        It is missing, not JSON, or of a format this program does not know.
    """
    path = folder / NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecordingError(f"{path}: expected a session manifest, got {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise RecordingError(f"{path}: expected format {FORMAT}, got {found}")
    rules = {"counts": dict, "marks": list, "provenance": dict}
    wrong = [key for key, kind in rules.items() if not isinstance(manifest.get(key, kind()), kind)]
    if wrong or manifest.get("state") not in STATES:
        raise RecordingError(f"{path}: expected a state of {', '.join(STATES)} and well-formed {', '.join(rules)}")
    return manifest
