"""What the files of a session were when it was finished: bytes and SHA-256 in its manifest; and whether they still are.

Kept are those of the tables, the medium, and what a recovery put aside: of whatever is never changed after the end. Not
of the manifest itself, of annotations, which are edited, and of what is derived.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.library import find_sessions, is_session
from dmd_runtime.recording.lock import SessionLock, is_held
from dmd_runtime.recording.manifest import NAME, read_manifest, write_manifest

logger = logging.getLogger(__name__)

_PATTERNS: Final = ("*.jsonl", "media.*", "*.torn", "session.torn*.json")
_CHUNK: Final = 1 << 20
_NONE: Final = "no hashes were kept"
KEY: Final = "integrity"

Progress = Callable[[float], None]
Cancel = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What became of a session's files.

    Attributes
    ----------
    folder : Path
    whole : tuple of str
        Names of files that are what they were.
    changed : mapping
        Name -> what was expected and what came.
    missing, unknown : tuple of str
        Files that are gone; files that are there and were not when it was finished.
    problem : str
        Why nothing could be compared; empty where it could.
    """

    folder: Path
    whole: tuple[str, ...] = ()
    changed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all that was kept is there as it was."""
        return not (self.changed or self.missing or self.problem)

    def __str__(self) -> str:
        parts = [f"{name} changed: {why}" for name, why in self.changed.items()]
        parts += [f"{name} missing" for name in self.missing]
        return "; ".join(parts)


def kept_files(folder: Path) -> list[Path]:
    """Files of a session that do not change after its end, by name."""
    found = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.suffix != ".part")


def hashes(
    folder: Path, *, progress: Progress | None = None, cancel: Cancel | None = None, before: object = None
) -> dict[str, Any] | None:
    """The entry ``integrity`` of a manifest; None where ``cancel`` said so, or a file cannot be read.

    Reads every byte: a second or two for an hour. ``before`` is an entry that stays as it is if it says the same.
    """
    paths = kept_files(folder)
    try:
        found = [
            {"file": path.name, "bytes": size, "sha256": digest}
            for path, size, digest in _digests(paths, progress, cancel)
        ]
    except OSError as error:
        logger.warning("%s: without hashes: %s", folder, error)
        return None
    if len(found) < len(paths):
        return None
    if isinstance(before, dict) and before.get("files") == found:
        return before
    return {"at": datetime.now(UTC).isoformat(), "files": found}


def verify(folder: Path, progress: Progress | None = None) -> Verification:
    """Compare the files of a session with what its manifest says of them; changes nothing.

    Raises
    ------
    RecordingError
        It has no manifest that can be read.
    """
    manifest = read_manifest(folder)
    if manifest["state"] == "recording":
        held = "it is being recorded" if is_held(folder) else "it was not finished"
        return Verification(folder=folder, problem=held)
    entry = manifest.get(KEY)
    files = entry.get("files") if isinstance(entry, dict) else None
    if not isinstance(files, list):
        return Verification(folder=folder, problem=_NONE)
    said = {str(one["file"]): one for one in files if isinstance(one, dict) and "file" in one}
    here = {path.name: path for path in kept_files(folder)}
    medium = manifest.get("media")
    if isinstance(medium, dict) and not any(name.startswith("media.") for name in here):  # it lies elsewhere
        path = Path(str(medium.get("path")))
        said[path.name] = medium
        here |= {path.name: path} if path.is_file() else {}
    whole: list[str] = []
    changed: dict[str, str] = {}
    for path, size, digest in _digests([here[name] for name in said if name in here], progress, None):
        expected = said[path.name]
        if size != expected.get("bytes"):
            changed[path.name] = f"expected {expected.get('bytes')} bytes, got {size}"
        elif digest != expected.get("sha256"):
            changed[path.name] = f"expected SHA-256 {str(expected.get('sha256'))[:12]}…, got {digest[:12]}…"
        else:
            whole.append(path.name)
    return Verification(
        folder=folder,
        whole=tuple(whole),
        changed=changed,
        missing=tuple(sorted(set(said) - set(here))),
        unknown=tuple(sorted(set(here) - set(said))),
    )


def add_hashes(folder: Path, progress: Progress | None = None) -> bool:
    """Keep the hashes of what is there now in a manifest that has none; whether it had none.

    Raises
    ------
    RecordingError
        It is at work, was not finished, or cannot be read or written.
    """
    with SessionLock(folder):
        manifest = read_manifest(folder)
        if manifest["state"] == "recording":
            raise RecordingError(f"{folder / NAME}: expected a session that was finished, got one that was not")
        if isinstance(manifest.get(KEY), dict):
            return False
        entry = hashes(folder, progress=progress)
        if entry is None:
            raise RecordingError(f"{folder}: expected files that can be read, got some that cannot")
        write_manifest(folder, {**manifest, KEY: entry})
    return True


def verify_all(place: Path, *, add: bool = False) -> Iterator[tuple[bool, str]]:
    """For the session ``place``, or each below the root ``place``: whether it is whole, and a line about it.

    Raises
    ------
    RecordingError
        ``place`` is no folder, or holds no session.
    """
    folders = [place] if place.is_dir() and is_session(place) else find_sessions(place)
    if not folders:
        raise RecordingError(f"{place}: expected a session, or a folder with sessions in it, got neither")
    for folder in folders:
        name = folder.name if folder == place else folder.relative_to(place).as_posix()
        try:
            found = verify(folder)
            added = add and found.problem == _NONE and add_hashes(folder)
            found = verify(folder) if added else found
        except (RecordingError, OSError) as error:
            yield False, f"{name}\tcannot be read\t{error}"
            continue
        if found.problem:
            yield False, f"{name}\tnot compared\t{found.problem}"
            continue
        said = "added" if added else "whole" if found.is_whole else "NOT WHOLE"
        more = f"\tnot known: {', '.join(found.unknown)}" if found.unknown else ""
        yield found.is_whole, f"{name}\t{said}\t{len(found.whole)} files\t{found}{more}".rstrip()


def _digests(
    paths: Sequence[Path], progress: Progress | None, cancel: Cancel | None
) -> Iterator[tuple[Path, int, str]]:
    """Path, bytes and SHA-256 of each; ends early where ``cancel`` says so."""
    total = max(1, sum(path.stat().st_size for path in paths))
    done = 0
    for path in paths:
        digest, size = hashlib.sha256(), 0
        for piece in _pieces(path):
            if cancel is not None and cancel():
                return
            digest.update(piece)
            size += len(piece)
            if progress is not None:
                progress(min(1.0, (done + size) / total))
        done += size
        yield path, size, digest.hexdigest()


def _pieces(path: Path) -> Iterable[memoryview]:
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(buffer):
            yield buffer[:n]
