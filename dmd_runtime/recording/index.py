"""The index of all sessions below a root: listed at once, searched by text, never the only place where anything is.

It lies in the user's cache, one database a root, and is made from the folders: whatever is wrong with it, it is thrown
away and made again. A session is read anew when a file of it has another time or size.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from platformdirs import user_cache_path

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import kept_arrays
from dmd_runtime.recording.finding import CLOSE, FOUND_IN, OPEN, query, snippet
from dmd_runtime.recording.library import Moment, SessionSummary, delete_session, find_sessions, summarise, sweep
from dmd_runtime.recording.lock import NAME as LOCK
from dmd_runtime.recording.lock import is_held

logger = logging.getLogger(__name__)

Kind = Literal["word", "marker", "note", "participant", "session", "task"]
MOST_HITS: Final = 500
_APPLICATION = 0x444D4449  # "DMDI": no other program's database
_VERSION = 1
_PATIENCE = 5.0  # s for another process that writes
_BATCH = 25  # sessions between two commits
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
CREATE TABLE sessions (
    folder TEXT PRIMARY KEY, signature TEXT NOT NULL, participant TEXT, session TEXT, task TEXT, started TEXT,
    at REAL, length REAL, state TEXT, held INTEGER, marks TEXT, words INTEGER, readings INTEGER, markers INTEGER,
    size_bytes INTEGER, emotions TEXT, problem TEXT
) WITHOUT ROWID;
CREATE TABLE moments (id INTEGER PRIMARY KEY, folder TEXT NOT NULL, t REAL, kind TEXT, text TEXT, times TEXT);
CREATE INDEX moments_of ON moments (folder);
CREATE VIRTUAL TABLE found USING fts5 (
    text, content='moments', content_rowid='id', prefix='2 3',
    tokenize="unicode61 remove_diacritics 2 categories '{FOUND_IN}'"
);
CREATE TRIGGER moment_added AFTER INSERT ON moments BEGIN
    INSERT INTO found (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER moment_gone AFTER DELETE ON moments BEGIN
    INSERT INTO found (found, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A moment whose text was looked for.

    Attributes
    ----------
    folder : Path
    t : float
        Session time in seconds of the first word that was found; 0 for what holds for all of a session.
    kind : str
        ``word``, ``marker``, ``note``, ``participant``, ``session`` or ``task``.
    snippet : str
        The words around it.
    marked : tuple of (start, end)
        What was found, as places in ``snippet``.
    """

    folder: Path
    t: float
    kind: Kind
    snippet: str
    marked: tuple[tuple[int, int], ...] = ()


class SessionIndex:
    """Lists, searches and deletes the sessions below ``root``. Any thread, one at a time; several processes may.

    Parameters
    ----------
    root : Path
        Need not be there yet.
    cache : Path, optional
        Where the databases and small pictures of all roots are kept; by default in the user's cache.

    Raises
    ------
    RecordingError
        This Python's SQLite was built without full-text search (FTS5).
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root = root.absolute()
        where = cache if cache is not None else user_cache_path("dmd", appauthor=False) / "sessions"
        self.folder = where / hashlib.sha256(str(self.root.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
        """Of this root's database and pictures."""
        self._path = self.folder / "index.db"
        self._lock = threading.RLock()
        self._db = self._open()

    def close(self) -> None:
        """Let go of the database. Idempotent."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> SessionIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------- listing

    def refresh(
        self, progress: Callable[[int, int], None] | None = None, cancel: threading.Event | None = None
    ) -> bool:
        """Read what has changed below the root since the last time; returns whether anything had.

        Parameters
        ----------
        progress : callable, optional
            Called with (done, of) changed sessions, after what is done can be listed.
        cancel : Event, optional
            Stops between two sessions; the next call goes on from there.

        Raises
        ------
        RecordingError
            ``root`` is there and is no folder.
        """
        sweep(self.root)
        there = {f.relative_to(self.root).as_posix(): f for f in find_sessions(self.root)} if self.root.exists() else {}
        known = dict(self._ask(lambda db: db.execute("SELECT folder, signature FROM sessions").fetchall()))
        seen = {name: _signature(folder) for name, folder in there.items()}
        gone = [name for name in known if name not in there]
        if gone:
            self._write(lambda db: _forget(db, gone, for_good=True))
            self._drop_pictures(gone)
            kept_arrays.sweep()
        changed = [name for name, signature in seen.items() if known.get(name) != signature]
        for first in range(0, len(changed), _BATCH):
            batch = []
            for name in changed[first : first + _BATCH]:
                if cancel is not None and cancel.is_set():
                    break
                batch.append((name, seen[name], *summarise(there[name])))
            self._write(lambda db, batch=batch: _keep(db, batch))  # type: ignore[misc]  # bound now
            if progress is not None:
                progress(first + len(batch), len(changed))
            if cancel is not None and cancel.is_set():
                break
        return bool(gone or changed)

    def sessions(self) -> list[SessionSummary]:
        """All sessions as they were at the last :meth:`refresh`, the latest first; reads no session folder."""
        columns = "folder, participant, session, task, started, length, state, held, marks, words, readings, markers, "
        order = f"SELECT {columns} size_bytes, emotions, problem FROM sessions ORDER BY at DESC, folder"
        return [self._summary(row) for row in self._ask(lambda db: db.execute(order).fetchall())]

    def _summary(self, row: Sequence[object]) -> SessionSummary:
        name, participant, session, task, started, length, state, held, marks, *rest = row
        words, readings, markers, size, emotions, problem = rest
        return SessionSummary(
            folder=self.root / str(name),
            participant=str(participant),
            session=str(session),
            task=str(task),
            started=datetime.fromisoformat(str(started)),
            length=float(cast("float", length)),
            state=str(state),
            held=bool(held),
            marks=tuple(json.loads(str(marks))),
            words=int(cast("int", words)),
            readings=int(cast("int", readings)),
            markers=int(cast("int", markers)),
            size_bytes=int(cast("int", size)),
            emotions=json.loads(str(emotions)),
            problem=str(problem),
        )

    # ------------------------------------------------------------ searching

    def search(self, text: str, most: int = MOST_HITS) -> list[Hit]:
        """Moments that hold every word of ``text``, the latest session first, then by time.

        A word is found by its beginning, in any case, with or without accents; text in double quotes as a phrase. No
        character of ``text`` has another meaning.
        """
        wanted = query(text)
        if not wanted:
            return []
        order = (
            f"SELECT m.folder, m.t, m.kind, m.times, highlight(found, 0, '{OPEN}', '{CLOSE}') FROM found "
            "JOIN moments m ON m.id = found.rowid JOIN sessions s ON s.folder = m.folder "
            "WHERE found MATCH ? ORDER BY s.at DESC, s.folder, m.t LIMIT ?"
        )
        rows = self._ask(lambda db: db.execute(order, (wanted, most)).fetchall())
        hits = {(hit.folder, hit.t, hit.kind): hit for hit in (self._hit(*row) for row in rows)}
        return list(hits.values())  # overlapping stretches say the same moment twice

    def _hit(self, name: str, t: float, kind: Kind, times: str, text: str) -> Hit:
        parts = text.split(" ")
        first = next((i for i, part in enumerate(parts) if OPEN in part), 0)
        known = json.loads(times)
        words, marked = snippet(parts, first)
        return Hit(
            folder=self.root / name,
            t=known[first] if first < len(known) else t,
            kind=kind,
            snippet=words,
            marked=marked,
        )

    # --------------------------------------------------- deleting, pictures

    def delete(self, folder: Path) -> None:
        """Delete a session whole (:func:`~dmd_runtime.recording.library.delete_session`), here too.

        Raises
        ------
        RecordingError
            It is no session below the root, is being recorded, or cannot be removed.
        """
        delete_session(self.root, folder)
        name = folder.absolute().relative_to(self.root).as_posix()
        self._write(lambda db: _forget(db, [name], for_good=True))
        self._drop_pictures([name])
        kept_arrays.sweep()

    def thumbnail(self, folder: Path) -> Path | None:
        """A small picture of the session (JPEG), made when first asked for; None where there are no pictures."""
        from dmd_runtime.recording.thumbnail import thumbnail  # noqa: PLC0415 - loads av

        return thumbnail(folder, self.folder / "pictures", _key(folder.absolute().relative_to(self.root).as_posix()))

    def _drop_pictures(self, names: Sequence[str]) -> None:
        for name in names:
            for path in (self.folder / "pictures").glob(f"{_key(name)}-*"):
                with contextlib.suppress(OSError):
                    path.unlink()

    # ------------------------------------------------------------- database

    def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Ask the database; one that turns out to be broken is made anew."""
        with self._lock:
            try:
                return question(self._db)
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise RecordingError(f"{self._path}: the index of sessions cannot be used: {error}") from None
                logger.warning("%s: made anew: %s", self._path, error)
                self._db.close()
                self._throw_away()
                self._db = self._open()
                return question(self._db)

    def _write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        def whole(db: sqlite3.Connection) -> None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                change(db)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # what was deleted is not kept beside it either

        self._ask(whole)

    def _open(self) -> sqlite3.Connection:
        """The database in the cache; where it cannot be there, or is locked for good, one in memory."""
        with sqlite3.connect(":memory:") as probe:
            if not probe.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone()[0]:
                raise RecordingError(
                    f"expected an SQLite with full-text search (FTS5), got {sqlite3.sqlite_version} without"
                )
        for attempt in (1, 2):
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return _connect(str(self._path))
            except (sqlite3.DatabaseError, OSError) as error:
                broken = isinstance(error, sqlite3.DatabaseError) and _is_broken(error)
                logger.warning("%s: cannot be used: %s", self._path, error)
                if attempt == 2 or not broken or not self._throw_away():
                    break
        return _connect(":memory:")

    def _throw_away(self) -> bool:
        try:
            for path in (self._path, *(self._path.with_name(f"index.db-{end}") for end in ("wal", "shm", "journal"))):
                path.unlink(missing_ok=True)
        except OSError:
            logger.warning("%s: cannot be thrown away", self._path, exc_info=True)
            return False
        return True


def _connect(path: str) -> sqlite3.Connection:
    """Open a database and see that it is ours and whole enough; an empty one gets its tables."""
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.execute("COMMIT")
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        else:
            db.execute("COMMIT")
        ours = tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if ours != (_APPLICATION, _VERSION):
            raise sqlite3.DatabaseError(f"expected an index of version {_VERSION}, got {ours}")
        db.execute("SELECT count(*) FROM sessions").fetchone()
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is at fault, not another process that is at work or a disk that is full."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)


def _keep(db: sqlite3.Connection, batch: Sequence[tuple[str, str, SessionSummary, list[Moment]]]) -> None:
    _forget(db, [name for name, *_ in batch])
    db.executemany(
        f"INSERT INTO sessions VALUES ({', '.join('?' * 17)})",
        [
            (
                name,
                signature,
                *(_text(s) for s in (x.participant, x.session, x.task)),
                x.started.isoformat(),
                x.started.timestamp(),
                x.length,
                x.state,
                x.held,
                _dump(x.marks),
                x.words,
                x.readings,
                x.markers,
                x.size_bytes,
                _dump(x.emotions),
                _text(x.problem),
            )
            for name, signature, x, _ in batch
        ],
    )
    db.executemany(
        "INSERT INTO moments (folder, t, kind, text, times) VALUES (?, ?, ?, ?, ?)",
        [(name, m.t, m.kind, " ".join(m.pieces), _dump(m.times)) for name, _, _, moments in batch for m in moments],
    )


def _forget(db: sqlite3.Connection, names: Sequence[str], *, for_good: bool = False) -> None:
    rows = [(name,) for name in names]
    db.executemany("DELETE FROM moments WHERE folder = ?", rows)
    db.executemany("DELETE FROM sessions WHERE folder = ?", rows)
    if for_good:  # else deleted words stay in the full-text tables until they are merged some day
        db.execute("INSERT INTO found (found) VALUES ('optimize')")


def _signature(folder: Path) -> str:
    """What changes with any file of the session; while it is being recorded, only with that."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in entries if e.name != LOCK)
    except OSError as error:
        return f"unreadable: {error.errno}"
    if (folder / LOCK).exists() and is_held(folder):
        return "held"
    text = "|".join(f"{name}:{changed}:{size}" for name, changed, size in found)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which SQLite does not take."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _key(name: str) -> str:
    """Of a session's pictures."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
