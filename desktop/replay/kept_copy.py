"""Copies of annotations that could not be written to their session, in the program's data folder, until they are."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QStandardPaths

from dmd_runtime import Annotations, AnnotationStore, DMDError, read_annotations, write_annotations

logger = logging.getLogger(__name__)

_NAME = "annotations.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptCopy:
    """What could not be saved of a session.

    Attributes
    ----------
    folder : Path
        Of the session.
    annotations : Annotations
    at : datetime
        When the copy was made, local time.
    is_older : bool
        The session's own annotations were written since.
    """

    folder: Path
    annotations: Annotations
    at: datetime
    is_older: bool


def put_aside(store: AnnotationStore) -> None:
    """Keep a copy: the program may end before it can be saved."""
    folder = _place(store.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_annotations(folder, store.annotations)
        logger.error("%s: annotations could not be saved there; a copy is in %s", store.folder, folder)
    except (DMDError, OSError) as error:
        logger.error("%s: annotations could not be saved there, and no copy either: %s", store.folder, error)


def find_copy(folder: Path) -> KeptCopy | None:
    """The copy that is kept of a session; one that says what the session says is not needed, and thrown away."""
    copy, own = _place(folder) / _NAME, folder / _NAME
    try:
        made = copy.stat().st_mtime
    except OSError:
        return None
    try:
        annotations = read_annotations(copy.parent)
        if annotations == read_annotations(folder):
            throw_away(folder)
            return None
        is_older = own.exists() and own.stat().st_mtime > made
    except (DMDError, OSError) as error:
        logger.warning("%s: not offered: %s", copy, error)
        return None
    return KeptCopy(folder=folder, annotations=annotations, at=datetime.fromtimestamp(made), is_older=is_older)


def throw_away(folder: Path) -> None:
    """The copy is not needed any more, or its session was deleted."""
    try:
        shutil.rmtree(_place(folder))
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("%s: %s", folder, error)


def _place(folder: Path) -> Path:
    """Where the program may write what cannot be written to ``folder``."""
    root = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
    name = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return root / "unsaved annotations" / f"{folder.name}-{name}"
