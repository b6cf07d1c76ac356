"""What session folders lie below a root, what each of them holds, and how one is deleted whole."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.finding import pieces
from dmd_runtime.recording.lock import is_held
from dmd_runtime.recording.manifest import NAME
from dmd_runtime.recording.reader import RecordedSession, RecordedWord, open_session

logger = logging.getLogger(__name__)

TABLES: Final = tuple(f"{name}.jsonl" for name in ("readings", "words", "markers", "faces", "health"))
UNREADABLE: Final = "unreadable"
"""Stands for the state of a session whose manifest cannot be read."""
_ASIDE: Final = ".deleting-"
_PAUSE = 1.5  # s without words after which another stretch of speech begins
_LONGEST = 80  # words of a stretch; a longer one is cut, and …
_OVERLAP = 10  # … begins with so many of the one before, so that no phrase is lost at the cut
_STAMP = re.compile(r"ses-(\d{8}T\d{6})")


@dataclass(frozen=True, kw_only=True)
class SessionSummary:
    """What a list of sessions says of one.

    Attributes
    ----------
    folder : Path
    participant, session, task : str
    started : datetime
        With its time zone; where the manifest does not say, of the folder's name or of the file.
    length : float
        Seconds.
    state : str
        ``recording``, ``complete``, ``recovered``, or ``unreadable``.
    held : bool
        A living process is recording it now; with ``recording`` and without this it was cut off.
    marks : tuple of str
    words, readings, markers : int
    size_bytes : int
        Of the folder, derived files included; a medium that lies elsewhere is not.
    emotions : {label: share}
        Of the valid readings, by the strongest emotion; the largest share first.
    problem : str
        Why something could not be read; empty where nothing was in the way.
    """

    folder: Path
    participant: str
    session: str
    task: str
    started: datetime
    length: float
    state: str
    held: bool = False
    marks: tuple[str, ...] = ()
    words: int = 0
    readings: int = 0
    markers: int = 0
    size_bytes: int = 0
    emotions: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether it was cut off: nobody records it, and its manifest says that somebody does."""
        return self.state == "recording" and not self.held


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A stretch of text that can be found: ``pieces`` (n words or single characters) with the time of each."""

    t: float
    kind: str
    pieces: tuple[str, ...]
    times: tuple[float, ...] = ()


def find_sessions(root: Path) -> list[Path]:
    """All session folders below ``root``, by name.

    Raises
    ------
    RecordingError
        ``root`` is no folder.
    """
    if not root.is_dir():
        raise RecordingError(
            f"{root}: expected a folder with sessions in it, got {'a file' if root.exists() else 'nothing'}"
        )
    return sorted(folder for folder in root.glob("sub-*/ses-*") if is_session(folder))


def is_session(folder: Path) -> bool:
    """Whether ``folder`` has a manifest or a table of ours."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name == NAME or entry.name in TABLES for entry in entries)
    except OSError:
        return False


def session_line(summary: SessionSummary, root: Path) -> str:
    """One line, tab-separated: folder, state, length, readings, words, marks; or folder, ``unreadable``, why."""
    name = summary.folder.relative_to(root).as_posix()
    if summary.state == UNREADABLE:
        return f"{name}\t{UNREADABLE}\t{summary.problem}"
    counts = f"{summary.readings} readings\t{summary.words} words"
    return f"{name}\t{summary.state}\t{summary.length:.1f} s\t{counts}\t{' '.join(summary.marks)}"


def summarise(folder: Path) -> tuple[SessionSummary, list[Moment]]:
    """Read a session folder for a list and a search; whatever is wrong with it ends up in ``problem``.

    Of a session that is being recorded only the manifest is read: its tables change all the time.
    """
    names = {"participant": folder.parent.name.removeprefix("sub-"), "session": _label(folder), "task": ""}
    try:
        session = open_session(folder)
    except RecordingError as error:
        summary = SessionSummary(
            folder=folder,
            participant=names["participant"],
            session=names["session"],
            task="",
            started=_started({}, folder),
            length=0.0,
            state=UNREADABLE,
            size_bytes=folder_size(folder),
            problem=str(error),
        )
        return summary, _named(names)
    manifest = session.manifest
    names |= {key: text for key in names if isinstance(text := manifest.get(key), str) and text}
    held = session.state == "recording" and is_held(folder)
    problem, tables = "", _Tables()
    if not held:
        try:
            tables = _Tables.read(session)
            session.prepare()
        except (RecordingError, OSError, TypeError, ValueError) as error:
            logger.info("%s: not all of it could be read", folder, exc_info=True)
            problem = str(error)
    counts: Mapping[str, Any] = manifest.get("counts") or {}
    summary = SessionSummary(
        folder=folder,
        participant=names["participant"],
        session=names["session"],
        task=names["task"],
        started=_started(manifest, folder),
        length=_seconds(counts.get("media_end_s"), tables.end),
        state=session.state,
        held=held,
        marks=session.marks,
        words=tables.words or _count(counts.get("words")),
        readings=tables.readings or _count(counts.get("readings")),
        markers=tables.markers,
        size_bytes=folder_size(folder),
        emotions=tables.emotions,
        problem=problem,
    )
    notes = manifest.get("notes")
    return summary, [*_named(names | ({"note": notes} if isinstance(notes, str) else {})), *tables.moments]


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; links count as themselves."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(place, name)).st_size
    return total


# ------------------------------------------------------------------ deleting


def delete_session(root: Path, folder: Path) -> None:
    """Delete a session folder whole: recorded, derived, everything in it; a participant's empty folder goes with it.

    It is moved aside first: a crash in between never leaves half a session that looks whole, and :func:`sweep` ends
    what was begun. Links within are removed as links; a medium that lies elsewhere is not touched.

    Raises
    ------
    RecordingError
        As :func:`check_session` does, or it cannot be removed.
    """
    place = check_session(root, folder)
    aside = place.parent.parent / f"{_ASIDE}{secrets.token_hex(6)}"
    try:
        place.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        left = f"; what is left of it is in {aside}" if aside.exists() else ""
        raise RecordingError(f"{folder}: cannot be deleted: {error.strerror or error}{left}") from None
    with contextlib.suppress(OSError):  # other sessions are in it
        place.parent.rmdir()


def check_session(root: Path, folder: Path) -> Path:
    """See that ``folder`` may be deleted: a session of ``root`` that has ended; returns it without links above it.

    Raises
    ------
    RecordingError
        It is not a session folder of ``root``, is reached by a link, or is being recorded.
    """
    root = root.resolve()
    folder = folder.absolute()
    place = folder.parent.parent.resolve() / folder.parent.name / folder.name
    fits = place.parent.name.startswith("sub-") and place.name.startswith("ses-")
    if place.parent.parent != root or not fits:
        raise RecordingError(f"{folder}: expected a session folder of {root} (sub-…/ses-…), got another place")
    if place.is_symlink() or place.parent.is_symlink():
        raise RecordingError(f"{folder}: expected a folder, got a link to one; delete it where it is")
    if not is_session(place):
        what = "a folder without session.json and tables" if place.is_dir() else "nothing"
        raise RecordingError(f"{folder}: expected a session folder, got {what}")
    if is_held(place):
        raise RecordingError(f"{folder}: expected a session that has ended, got one that is being recorded")
    return place


def sweep(root: Path) -> None:
    """End deletions that a crash cut short."""
    for aside in root.glob(f"{_ASIDE}*"):
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)


# ------------------------------------------------------------------- reading


@dataclass(kw_only=True)
class _Tables:
    """What the tables of a session hold, as far as a list wants to know."""

    words: int = 0
    readings: int = 0
    markers: int = 0
    end: float = 0.0
    emotions: Mapping[str, float] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)

    @classmethod
    def read(cls, session: RecordedSession) -> _Tables:
        """Read readings, words and annotations."""
        made, readings = cls(), session.readings
        made.readings = len(readings)
        made.end = float(readings.t1[-1]) if made.readings else 0.0
        told = readings.emotion[readings.valid & ~np.isnan(readings.emotion).all(axis=1)]
        strongest = Counter(readings.labels[i] for i in np.nanargmax(told, axis=1).tolist()) if told.size else Counter()
        made.emotions = {label: n / strongest.total() for label, n in strongest.most_common()}
        made.words = len(session.words)
        made.moments += _stretches(session.words)
        marked = list(_marked(session.folder))
        made.markers = len(marked)
        made.moments += [
            Moment(t=t, kind="marker", pieces=tuple(found)) for t, text in marked if (found := pieces(text))
        ]
        made.end = max([made.end, *(word.span.end for word in session.words[-1:])])
        return made


def _marked(folder: Path) -> Iterator[tuple[float, str]]:
    """(time, label and note) of everything annotated, as it is after editing."""
    from dmd_runtime.recording.annotations import read_annotations  # noqa: PLC0415 - reads sessions itself
    from dmd_runtime.recording.tiers import TierKind  # noqa: PLC0415

    for tier in read_annotations(folder).tiers:
        if tier.kind is not TierKind.TRACE:
            yield from ((item.t0, f"{item.label} {item.note}".strip()) for item in tier.items)


def _stretches(words: Iterable[RecordedWord]) -> Iterator[Moment]:
    """Words that follow each other without a pause, so that phrases are found; cut with an overlap where too long."""
    held: list[RecordedWord] = []
    for word in words:
        if held and (paused := word.span.start - held[-1].span.end > _PAUSE) | (len(held) >= _LONGEST):
            yield _stretch(held)
            held = [] if paused else held[-_OVERLAP:]
        held.append(word)
    if held:
        yield _stretch(held)


def _stretch(words: list[RecordedWord]) -> Moment:
    parts = [(piece, round(word.span.start, 3)) for word in words for piece in pieces(word.text)]
    return Moment(
        t=words[0].span.start, kind="word", pieces=tuple(p for p, _ in parts), times=tuple(t for _, t in parts)
    )


def _named(names: Mapping[str, str]) -> list[Moment]:
    return [Moment(t=0.0, kind=kind, pieces=tuple(found)) for kind, text in names.items() if (found := pieces(text))]


def _label(folder: Path) -> str:
    return folder.name.removeprefix("ses-").partition("_task-")[0]


def _started(manifest: Mapping[str, Any], folder: Path) -> datetime:
    """When it began: as the manifest says, else as the folder is called, else as old as the folder is."""
    consent = manifest.get("consent")
    for part, key in ((manifest.get("made_at"), "started"), (manifest, "started"), (consent, "given_at")):
        text = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(text, str):
            with contextlib.suppress(ValueError):
                at = datetime.fromisoformat(text)
                return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if stamp := _STAMP.match(folder.name):
        with contextlib.suppress(ValueError):
            return datetime.strptime(stamp[1], "%Y%m%dT%H%M%S").astimezone()
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    return datetime.fromtimestamp(0, UTC)


def _seconds(value: object, otherwise: float) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else otherwise  # type: ignore[arg-type]


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
