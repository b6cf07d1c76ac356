"""A session folder read back: every table as arrays, whatever state a crash left it in.

The formats are specified in ``docs/formats.md``. A line that is torn or no record is left out and said in
``problems``; it never costs the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import Span
from dmd_runtime.recording.column_reader import read_faces, read_readings
from dmd_runtime.recording.kept_arrays import LARGE, Stamp, keep, recall, stamp_of
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.readings import Line, Readings, RecordedFaces, is_number, number

__all__ = ["Line", "Readings", "RecordedFaces", "RecordedSession", "is_number", "open_session", "read_lines"]

LONGEST_LINE = 1 << 20
"""Bytes: a longer one is no line of ours."""
_Table = TypeVar("_Table", Readings, RecordedFaces)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedWord:
    """A committed word of ``words.jsonl``."""

    span: Span
    text: str
    p: float
    speaker_visible: bool | None
    other: Mapping[str, Any] = field(default_factory=dict)
    """What a newer version of the program also wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedMarker:
    """A line of ``markers.jsonl``; ``t1`` None is a point in time. A later line with the same ``id`` replaces it.

    ``open`` says that it is a span whose end was never written.
    """

    t0: float
    t1: float | None
    tier: str
    label: str
    note: str
    by: str
    id: str = ""
    open: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedSession:
    """One session folder; tables are read when they are first asked for. Made by :func:`open_session`.

    Attributes
    ----------
    folder : Path
    manifest : mapping
        ``session.json``.
    problems : list of str
        One line for whatever could not be read, as far as it was asked for.
    """

    folder: Path
    manifest: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)
    _parsed: dict[str, tuple[Stamp | None, Readings | RecordedFaces]] = field(default_factory=dict, repr=False)

    @property
    def state(self) -> str:
        """``recording``, ``complete`` or ``recovered``."""
        return str(self.manifest["state"])

    @property
    def marks(self) -> tuple[str, ...]:
        """What must not be mistaken for a person's reading."""
        return tuple(map(str, self.manifest.get("marks", ())))

    @cached_property
    def media(self) -> Path | None:
        """The medium: of this folder, else the file the session was made from, if it is still there."""
        names = (path for path in self.folder.glob("media.*") if path.suffix not in (".part", ".json"))
        own = sorted(path for path in names if not path.name.startswith("media.torn"))  # what a recovery put aside
        if own:
            return own[0]
        named = _part(self.manifest, "media").get("path")
        return Path(named) if isinstance(named, str) and Path(named).is_file() else None

    @cached_property
    def readings(self) -> Readings:
        """``readings.jsonl``."""
        return self._columns("readings", ("t0", "t1"), Readings, read_readings)

    @cached_property
    def words(self) -> tuple[RecordedWord, ...]:
        """``words.jsonl``, in the order of time."""
        known = {"t0", "t1", "text", "p", "speaker_visible", "marks"}
        words = [
            RecordedWord(
                span=Span(float(line["t0"]), float(line["t1"])),
                text=str(line["text"]),
                p=number(line.get("p"), float("nan")),
                speaker_visible=line.get("speaker_visible"),
                other={key: value for key, value in line.items() if key not in known},
            )
            for line in self.lines("words", need=("t0", "t1", "text"))
        ]
        return tuple(sorted(words, key=lambda word: word.span))

    @cached_property
    def markers(self) -> tuple[RecordedMarker, ...]:
        """``markers.jsonl`` as it was recorded, in the order of time; edits are in ``annotations.json``."""
        kept: dict[str, RecordedMarker] = {}
        for i, line in enumerate(self.lines("markers", need=("t0",))):
            key = str(line.get("id") or f"#{i}")
            t0, t1 = number(line["t0"], math.nan), number(line.get("t1"), math.nan)
            if line.get("void") is True or math.isnan(t0):  # taken back, or no time
                kept.pop(key, None)
                continue
            kept[key] = RecordedMarker(
                t0=t0,
                t1=None if math.isnan(t1) else t1,
                tier=str(line.get("tier", "marker")),
                label=str(line.get("label", "")),
                note=str(line.get("note", "")),
                by=str(line.get("by", "")),
                id=str(line.get("id", "")),
                open=line.get("open") is True and math.isnan(t1),
            )
        return tuple(sorted(kept.values(), key=lambda marker: marker.t0))

    @cached_property
    def faces(self) -> RecordedFaces:
        """``faces.jsonl``."""
        return self._columns("faces", ("t", "box"), RecordedFaces, read_faces)

    @cached_property
    def health(self) -> tuple[Line, ...]:
        """``health.jsonl`` as it is."""
        return tuple(self.lines("health"))

    @cached_property
    def end(self) -> float:
        """Seconds: of the medium as the manifest says, else of whatever was kept last."""
        said = _part(self.manifest, "counts").get("media_end_s")
        if is_number(said):
            return float(said)
        ends = [float(self.readings.t1[-1])] if len(self.readings) else []
        ends += [word.span.end for word in self.words[-1:]] + [float(self.faces.t[-1])] * bool(len(self.faces.t))
        return max(ends, default=0.0)

    def lines(self, table: str, need: Sequence[str] = ()) -> Iterator[Line]:
        """The whole lines of ``<table>.jsonl`` that are objects and have what ``need`` names, of the right kind."""
        yield from read_lines(self.path(table), self.problems, need)

    def path(self, table: str) -> Path:
        """Where a table lies."""
        return self.folder / f"{table}.jsonl"

    def prepare(self) -> None:
        """Parse and keep the large tables, for whoever opens the session next.

        Raises
        ------
        RecordingError
            One is there and cannot be read.
        """
        for table in ("readings", "faces"):
            if (stamp := stamp_of(self.path(table))) is not None and stamp.size >= LARGE:
                getattr(self, table)
        self.keep()

    def keep(self) -> None:
        """Keep the large tables that were parsed, so that the next who opens the session need not parse them.

        Not of a session that is being recorded, which changes all the time, nor what had problems.
        """
        if self.state != "recording":
            for table, (stamp, parsed) in self._parsed.items():
                keep(stamp, table, parsed.arrays())
        self._parsed.clear()

    def _columns(
        self, table: str, need: Sequence[str], kind: type[_Table], read: Callable[[Path], _Table | None]
    ) -> _Table:
        """A table of numbers: as it was kept, else read by columns, else by lines."""
        path = self.path(table)
        stamp, told = stamp_of(path), len(self.problems)
        if (kept := recall(stamp, table)) is not None:
            try:
                return kind.of_arrays(kept)
            except (KeyError, ValueError, IndexError, TypeError):  # of another version
                pass
        found = read(path)
        if found is None:
            found = kind.of_lines(list(self.lines(table, need=need)))
        if len(self.problems) == told:
            self._parsed[table] = stamp, found
        return found


def open_session(folder: Path) -> RecordedSession:
    """Open a session folder; tables are read later.

    Raises
    ------
    RecordingError
        There is no readable ``session.json``.
    """
    return RecordedSession(folder=folder, manifest=read_manifest(folder))


def read_lines(path: Path, problems: list[str], need: Sequence[str] = ()) -> Iterator[Line]:
    """Lines of a ``.jsonl`` file as objects; what is torn or no object is counted in ``problems``, in one line.

    Raises
    ------
    RecordingError
        The file is there and cannot be read.
    """
    wrong, first = 0, ""
    try:
        with path.open("rb") as file:
            for i, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                text = raw.strip(b"\0 \t\r\n")  # zeros: where a power cut kept the length of the file and not the text
                if not text:
                    continue
                try:
                    line = _DECODER.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
                except (ValueError, RecursionError):
                    line = None
                if isinstance(line, dict) and all(_fits(key, line.get(key)) for key in need):
                    yield line
                    continue
                wrong, first = wrong + 1, first or f"line {i}"
    except FileNotFoundError:
        problems.append(f"{path.name}: expected a table, got nothing")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None
    if wrong:
        problems.append(f"{path.name}: {wrong} lines are no whole record and are left out (first: {first})")


def _fits(key: str, value: object) -> bool:
    if key in ("text", "tier"):
        return isinstance(value, str)
    if key == "box":
        return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))
    return is_number(value)


def _part(line: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = line.get(key)
    return value if isinstance(value, dict) else {}


def _refuse(name: str) -> float:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # ``json.loads`` would make one for each line
