"""What a crash left of a session made a session again. Nothing is deleted: what is torn is moved beside.

A session folder is unfinished when its manifest still says ``recording``, or is torn or gone, and no living process
holds it. Recovering makes the medium searchable (:mod:`~dmd_runtime.recording.media_recovery`), moves the torn end of a
table to ``<table>.torn``, ends open spans, and writes the manifest anew, last: broken off at any moment it can be done
again, and done twice it changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.integrity import KEY as INTEGRITY
from dmd_runtime.recording.integrity import hashes
from dmd_runtime.recording.lock import SessionLock, is_held
from dmd_runtime.recording.manifest import FORMAT, NAME, read_manifest, write_manifest
from dmd_runtime.recording.media_writer import NAME as MEDIA
from dmd_runtime.recording.reader import Line, is_number, open_session, read_lines
from dmd_runtime.recording.table_recovery import end_open_spans, move_torn_end

if TYPE_CHECKING:  # loads PyAV: only whoever recovers something needs to wait for that
    from dmd_runtime.recording.media_recovery import MediaContent

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "readings": ("t0", "t1"),
    "words": ("t0", "t1", "text"),
    "markers": ("t0",),
    "faces": ("t", "box"),
    "health": (),
    "traces": ("t", "tier", "value"),
}
"""What a line of each table has at least."""
_COUNTED: Final = ("frames", "frames_dropped", "frames_skipped", "audio_samples", "audio_lost")
_LONGEST: Final = 30 * 86_400.0  # s: a session that is longer has a damaged time


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What became of a session.

    Attributes
    ----------
    folder : Path
    media_end_s : float or None
        Where what was recorded ends, in seconds of session time; None where nothing has a time.
    counts : mapping
        Records of each table; a marker that was written again counts once.
    problems : tuple of str
        One line for whatever was torn, moved, made up or cannot be read.
    """

    folder: Path
    media_end_s: float | None
    counts: Mapping[str, int]
    problems: tuple[str, ...]


def find_unfinished(root: Path) -> list[Path]:
    """Session folders below ``root`` that a crash left and nobody holds, by name.

    Raises
    ------
    RecordingError
        ``root`` is no folder.
    """
    if not root.is_dir():
        raise RecordingError(
            f"{root}: expected a folder with sessions in it, got {'a file' if root.exists() else 'nothing'}"
        )
    folders = (path for path in root.glob("sub-*/ses-*") if path.is_dir())
    return sorted(folder for folder in folders if _is_unfinished(folder) and not is_held(folder))


def recover(folder: Path, progress: Callable[[float], None] | None = None) -> Recovery:
    """Make ``folder`` a session that can be opened, marked ``recovered``; ``progress`` gets the share done, 0 to 1.

    Raises
    ------
    RecordingError
        It is held, complete, no session, of a newer format, or cannot be written; what is there is still there.
    """
    with SessionLock(folder):
        try:
            return _recover(folder, progress)
        except OSError as error:
            raise RecordingError(f"{folder}: cannot be recovered: {error.strerror or error}") from None


def recover_all(root: Path, *, dry_run: bool = False) -> Iterator[str]:
    """One line for each unfinished session below ``root``, as it is recovered, or would be.

    Raises
    ------
    RecordingError
        ``root`` is no folder.
    """
    for folder in find_unfinished(root):
        name = folder.relative_to(root)
        if dry_run:
            yield f"{name}\tunfinished"
            continue
        try:
            done = recover(folder)
        except RecordingError as error:
            yield f"{name}\tnot recovered\t{error}"
            continue
        said = f"{done.counts['readings']} readings\t{done.counts['words']} words\t{done.counts['markers']} markers"
        yield f"{name}\trecovered\t{done.media_end_s or 0.0:.1f} s\t{said}\t{'; '.join(done.problems)}".rstrip()


def _recover(folder: Path, progress: Callable[[float], None] | None) -> Recovery:
    from dmd_runtime.recording.media_recovery import free_name, recover_media  # noqa: PLC0415

    found = _find_manifest(folder)
    if found.state == "complete":
        raise RecordingError(f"{folder}: expected a session that was not finished, got one that is complete")
    data = _data(folder)
    if not data and not found.facts:
        raise RecordingError(f"{folder}: expected a session folder, got no manifest, no table and no medium")
    changed = max(path.stat().st_mtime for path in data or [folder])
    media = recover_media(folder, progress) if found.records_media else None
    problems: list[str] = []
    lines = _mend_tables(folder, problems)
    last = _last_time(lines)
    end = media.end if media is not None else last
    lines["markers"] += end_open_spans(folder / "markers.jsonl", lines["markers"], max(last or 0.0, end or 0.0))
    problems += _evidence(folder, found, media)
    manifest = _sound_manifest(found.facts, folder, lines)
    before = _part(manifest, "recovery")
    problems = list(dict.fromkeys([*map(str, _list(before, "problems")), *problems]))
    manifest |= {
        "state": "recovered",
        "counts": _counts(manifest["counts"], lines, media, end),
        "error": manifest.get("error") or "the program ended before the session did",
        "made_at": _made_at(changed, end) | manifest["made_at"],
        "recovery": {"at": datetime.now(UTC).isoformat(), **before, "problems": problems, "media_end_s": end},
    }
    if media is not None:
        manifest["recorded"] = _recorded(folder, media)
    if not found.whole and (folder / NAME).exists():
        (folder / NAME).rename(free_name(folder / "session.torn.json"))
    manifest[INTEGRITY] = hashes(folder, before=manifest.get(INTEGRITY))
    write_manifest(folder, manifest)
    if progress is not None:
        progress(1.0)
    counts = {table: len(kept) for table, kept in lines.items()} | {"markers": len(open_session(folder).markers)}
    return Recovery(folder=folder, media_end_s=end, counts=counts, problems=tuple(problems))


def _mend_tables(folder: Path, problems: list[str]) -> dict[str, list[Line]]:
    """All whole lines of each table, its torn end moved away."""
    lines = {}
    for table, need in TABLES.items():
        path = folder / f"{table}.jsonl"
        move_torn_end(path)
        if path.exists() or table != "traces":  # that one is there only where something was traced
            lines[table] = list(read_lines(path, problems, need))
    return lines


@dataclass(frozen=True, kw_only=True)
class _Found:
    """``session.json`` as found: its ``facts``, as far as they are JSON, and whether it is ``whole``."""

    facts: Mapping[str, Any]
    whole: bool

    @property
    def state(self) -> str:
        return str(self.facts.get("state")) if self.whole else ""

    @property
    def records_media(self) -> bool:
        """Whether a ``media.mkv`` was recorded; else it is a copy of the file that the session was made from."""
        return _part(self.facts, "source").get("kind") != "file"


def _find_manifest(folder: Path) -> _Found:
    """Find the manifest; else its draft, or what an earlier recovery put aside, as far as that is JSON.

    Raises
    ------
    RecordingError
        It is of a newer format.
    """
    with suppress(RecordingError):
        return _Found(facts=read_manifest(folder), whole=True)
    aside = [path for pattern in ("*session.json*.part", "session.torn*.json") for path in sorted(folder.glob(pattern))]
    for path in (folder / NAME, *aside):
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(facts, dict):
            known = facts.get("format")
            if isinstance(known, int) and known > FORMAT:
                raise RecordingError(f"{path}: expected format {FORMAT}, got {known}: a newer program can recover it")
            return _Found(facts=facts, whole=False)
    return _Found(facts={}, whole=False)


def _is_unfinished(folder: Path) -> bool:
    try:
        found = _find_manifest(folder)
    except RecordingError:
        return False
    return found.state == "recording" if found.whole else bool(_data(folder))


def _data(folder: Path) -> list[Path]:
    """The tables and media of a session folder."""
    return [path for pattern in ("*.jsonl", "media.*") for path in folder.glob(pattern) if path.is_file()]


def _last_time(lines: Mapping[str, Sequence[Line]]) -> float | None:
    """When the last reading, word, face or annotation is over, in seconds; None where nothing has a time."""
    keys = {"readings": "t1", "words": "t1", "faces": "t", "markers": "t0", "traces": "t"}
    times = [line.get(key) for table, key in keys.items() for line in lines.get(table, ())]
    return max((float(t) for t in times if is_number(t)), default=None)


def _evidence(folder: Path, found: _Found, media: MediaContent | None) -> Iterator[str]:
    """What lies beside the session and what it lacks, in words; the same whoever moved it there and when."""
    from dmd_runtime.recording.media_recovery import is_finished  # noqa: PLC0415

    if not found.whole:
        yield f"{NAME}: was torn or missing and is rebuilt from what is there"
    for table in TABLES:
        if (folder / f"{table}.torn").exists():
            yield f"{table}.jsonl: a torn last line was moved to {table}.torn"
    for path in sorted(folder.glob("media.torn*.mkv")):
        what = "what could not be copied" if media is not None else "no packet of it can be read; it"
        yield f"{MEDIA}: {what} is kept in {path.name}"
    if media is not None and not is_finished(folder / MEDIA):
        yield f"{MEDIA}: could not be copied and stays without an index"
    size = _part(found.facts, "media").get("bytes")
    if media is None and isinstance(size, int):
        for path in folder.glob("media.*"):
            if not path.name.startswith("media.torn") and path.stat().st_size < size:
                yield f"{path.name}: holds {path.stat().st_size} of {size} bytes"


def _sound_manifest(facts: Mapping[str, Any], folder: Path, lines: Mapping[str, Sequence[Line]]) -> dict[str, Any]:
    """``facts`` where they are of the kind that is expected, else what the folder tells."""
    label, _, task = folder.name.removeprefix("ses-").partition("_task-")
    first = next(iter(lines["readings"]), {})
    marks = [mark for table in ("readings", "words", "faces") for line in lines[table] for mark in _list(line, "marks")]
    told: dict[str, Any] = {
        "marks": [],
        "participant": folder.parent.name.removeprefix("sub-"),
        "session": label,
        "task": task or None,
        "mode": "paced",
        "clock": {"unit": "s", "zero": "first sample or picture of the source", "audio": "sample count"},
        "source": {"kind": "unknown", "name": label, "details": {}},
        "media": None,
        "devices": [],
        "consent": None,
        "config": {},
        "provenance": {"checkpoint": {"digest": first.get("checkpoint"), "name": None}} if first else {},
        "absent": {},
        "counts": {},
        "made_at": {},
    }
    sound = {k: v for k, v in facts.items() if told.get(k) is None or isinstance(v, type(told[k]))}
    marked = list(dict.fromkeys(map(str, [*sound.get("marks", []), *marks])))
    return {**told, **sound, "format": FORMAT, "marks": marked}


def _counts(
    stated: Mapping[str, Any], lines: Mapping[str, Sequence[Line]], media: MediaContent | None, end: float | None
) -> dict[str, Any]:
    """What was counted up to the last sign of life, and not less than what is there."""
    alive = next((line for line in reversed(lines["health"]) if "frames" in line), {})
    counted = {key: n for key in _COUNTED if isinstance(n := alive.get(key, stated.get(key)), int)}
    if media is not None:
        counted["frames"] = max(counted.get("frames", 0), media.frames)
        counted["audio_samples"] = max(counted.get("audio_samples", 0), media.samples)
    return {
        **stated,
        **counted,
        "words": len(lines["words"]),
        "readings": len(lines["readings"]),
        "media_end_s": None if end is None else round(end, 6),
    }


def _recorded(folder: Path, media: MediaContent) -> dict[str, Any]:
    """What the recorder would have said at the end; what it left out nobody knows any more."""
    return {
        "frames": media.frames,
        "frames_dropped": None,
        "audio_samples": media.samples,
        "audio_lost": None,
        "bytes": sum(path.stat().st_size for path in _data(folder) if not path.name.startswith("media.torn")),
        "stopped": None,
    }


def _made_at(changed: float, end: float | None) -> dict[str, str]:
    """Wall-clock start and end, by the time of the last write."""
    finished = datetime.fromtimestamp(changed, UTC)
    return {
        "started": (finished - timedelta(seconds=min(end or 0.0, _LONGEST))).isoformat(),
        "finished": finished.isoformat(),
    }


def _part(line: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = line.get(key)
    return value if isinstance(value, dict) else {}


def _list(line: Mapping[str, Any], key: str) -> list[Any]:
    value = line.get(key)
    return value if isinstance(value, list) else []
