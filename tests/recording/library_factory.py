"""Small session folders to list, search and delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dmd_runtime.recording.manifest import FORMAT, write_manifest

STARTED = "2026-03-01T09:30:00+00:00"


def words(text: str, start: float = 0.0, each: float = 0.4) -> list[dict[str, Any]]:
    """``text`` spoken one word after the other."""
    return [
        {"t0": start + i * each, "t1": start + (i + 1) * each, "text": word, "p": 0.9}
        for i, word in enumerate(text.split())
    ]


def reading(t1: float, *, valid: bool = True, **emotion: float) -> dict[str, Any]:
    """A line of ``readings.jsonl``."""
    return {"t0": t1 - 4, "t1": t1, "valid": valid, "emotion": emotion or None}


def make_session(
    root: Path,
    name: str = "sub-p1/ses-a",
    *,
    said: Iterable[Mapping[str, Any]] = (),
    markers: Iterable[Mapping[str, Any]] = (),
    readings: Iterable[Mapping[str, Any]] = (),
    **manifest: Any,
) -> Path:
    """A session folder with the tables that are given."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"state": "complete", "made_at": {"started": STARTED}, "counts": {"media_end_s": 60.0}} | manifest
    write_manifest(folder, {"format": FORMAT, **facts})
    for table, lines in (("words", said), ("markers", markers), ("readings", readings), ("faces", ()), ("health", ())):
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        (folder / f"{table}.jsonl").write_text(text, encoding="utf-8")
    return folder
