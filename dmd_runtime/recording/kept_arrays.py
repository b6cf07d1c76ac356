"""What was found in a large file, kept as arrays in the user's cache, so that it need not be read and parsed again.

Never the only place where anything is, and never trusted: what is kept counts only while the file it was made of has
the same place, size, time and inode; anything else, or anything that cannot be read, is as if it were not there. Each
lies there whole or not at all, with the checksums of its format (NumPy's ``.npz``, without pickles), readable by the
user alone, and goes when its file does.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from platformdirs import user_cache_path

from dmd_runtime.recording.readings import Arrays
from dmd_runtime.whole_file import whole_file

logger = logging.getLogger(__name__)

LARGE: Final = 1 << 20
"""Bytes of a file from which what is in it is kept."""
MOST: Final = 120
"""Files of which something is kept; those that were not used for the longest time go first."""
_BEGUN: Final = 3600.0
"""Seconds after which a draft is of a program that was killed."""
_VERSION: Final = 1
_STAMP, _PATH = "kept.stamp", "kept.path"
_UNUSABLE: Final = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Stamp(NamedTuple):
    """Which content of which file: taken before the file is read, so that what changes meanwhile is not kept as new."""

    path: Path
    size: int
    changed_ns: int
    inode: int


def stamp_of(path: Path) -> Stamp | None:
    """Of a file as it is now; None where it is not there."""
    try:
        place = path.resolve()
        status = place.stat()
    except OSError:
        return None
    return Stamp(place, status.st_size, status.st_mtime_ns, status.st_ino)


def recall(stamp: Stamp | None, kind: str) -> Arrays | None:
    """What was kept of that content as ``kind``; None where nothing usable was."""
    if stamp is None or stamp.size < LARGE:
        return None
    kept = _place(stamp.path, kind)
    try:
        with np.load(kept, allow_pickle=False) as archive:
            if str(archive[_STAMP]) != _text(stamp) or str(archive[_PATH]) != str(stamp.path):
                return None
            arrays = {name: archive[name] for name in archive.files if name not in (_STAMP, _PATH)}
        os.utime(kept)
    except FileNotFoundError:
        return None
    except _UNUSABLE as error:
        logger.info("%s: not used: %s", kept, error)
        return None
    return arrays


def keep(stamp: Stamp | None, kind: str, arrays: Arrays) -> None:
    """Keep ``arrays`` as what is in that content, if it is large; a cache that cannot be written is none."""
    if stamp is None or stamp.size < LARGE:
        return
    kept = _place(stamp.path, kind)
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(kept) as file:
            about = {_STAMP: np.array(_text(stamp)), _PATH: np.array(str(stamp.path))}
            np.savez(file, **about, **arrays)  # type: ignore[arg-type]
        sweep()
    except (OSError, ValueError) as error:
        logger.info("%s: not kept: %s", kept, error)


def sweep() -> None:
    """Throw away what was kept of files that are gone, and of too many, and drafts that were never ended."""
    with contextlib.suppress(OSError):
        for draft in folder().glob(".*.npz.*.part"):
            if time.time() - draft.stat().st_mtime > _BEGUN:
                draft.unlink(missing_ok=True)
        ours = sorted(folder().glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for number, path in enumerate(ours):
            if number >= MOST or not _source_is_there(path):
                path.unlink(missing_ok=True)


def folder() -> Path:
    """Where all of it lies."""
    return user_cache_path("dmd", appauthor=False) / "replay"


def _source_is_there(kept: Path) -> bool:
    try:
        with np.load(kept, allow_pickle=False) as archive:
            return Path(str(archive[_PATH])).exists()
    except _UNUSABLE:
        return False


def _place(path: Path, kind: str) -> Path:
    name = hashlib.sha256(f"{kind}\0{path}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder() / f"{name}.npz"


def _text(stamp: Stamp) -> str:
    return " ".join(map(str, (_VERSION, *stamp[1:])))
