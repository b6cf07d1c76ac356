"""A session folder read back: every table as arrays, whatever state a crash left it in.

The formats are specified in ``docs/formats.md``. A line that is torn or no record is left out and said in
``problems``; it never costs the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import Float32, Float64, Span, freeze
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.recording.manifest import read_manifest

Line = dict[str, Any]
LONGEST_LINE = 1 << 20
"""Bytes: a longer one is no line of ours."""
_EDGE_KEYS = [str(edge) for edge in EDGES]
_NONE: Mapping[str, Any] = {}
_MOST = 1e18  # that a number of ours can be; float32 and int64 hold it


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """All readings of a session, one row each, in the order of their ends.

    Attributes
    ----------
    t0, t1, made_at : float64 (n,)
    valid : bool (n,)
    reason : tuple of n str
    labels : tuple of C str
        Of the emotions, as the checkpoint orders them.
    emotion : float32 (n, C)
        NaN rows where there is none.
    sentiment : float32 (n,)
        NaN where there is none.
    unimodal : {Graph: float32 (n, 3, C)}
        Each vertex's own opinion, order L, V, A; NaN where that modality was missing.
    edges : {Graph: float32 (n, 6)}
        In the order of :data:`~dmd_runtime.modality.EDGES`; NaN rows where there is no graph.
    coverage : float32 (n, 3)
        Order L, V, A.
    speech : float32 (n,)
    marks : tuple of str
        UNTRAINED, DEMO, SYNTHETIC, as far as any line has them.
    """

    t0: Float64
    t1: Float64
    made_at: Float64
    valid: np.ndarray
    reason: tuple[str, ...]
    labels: tuple[str, ...]
    emotion: Float32
    sentiment: Float32
    unimodal: Mapping[Graph, Float32]
    edges: Mapping[Graph, Float32]
    coverage: Float32
    speech: Float32
    marks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t1)

    def at(self, t: float) -> int | None:
        """Row of the last reading whose window has ended at ``t``; None before the first."""
        row = int(np.searchsorted(self.t1, t + 1e-9, side="right")) - 1
        return row if row >= 0 else None


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
class RecordedFaces:
    """``faces.jsonl``: ``t`` float64 (n,), ``box`` float32 (n, 4) x, y, width, height in shares, ``confidence`` float32
    (n,), ``identity`` int64 (n,).
    """  # noqa: D205

    t: Float64
    box: Float32
    confidence: Float32
    identity: np.ndarray

    def at(self, t: float, within: float = 0.25) -> int | None:
        """Row of the last face at ``t`` that is no older than ``within`` seconds."""
        row = int(np.searchsorted(self.t, t + 1e-9, side="right")) - 1
        return row if row >= 0 and t - self.t[row] <= within else None


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
        return _readings(sorted(self.lines("readings", need=("t0", "t1")), key=lambda line: float(line["t1"])))

    @cached_property
    def words(self) -> tuple[RecordedWord, ...]:
        """``words.jsonl``, in the order of time."""
        known = {"t0", "t1", "text", "p", "speaker_visible", "marks"}
        words = [
            RecordedWord(
                span=Span(float(line["t0"]), float(line["t1"])),
                text=str(line["text"]),
                p=_number(line.get("p"), float("nan")),
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
        for number, line in enumerate(self.lines("markers", need=("t0",))):
            key = str(line.get("id") or f"#{number}")
            t0, t1 = _number(line["t0"], math.nan), _number(line.get("t1"), math.nan)
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
        lines = sorted(self.lines("faces", need=("t", "box")), key=lambda line: float(line["t"]))
        return RecordedFaces(
            t=freeze(np.array([line["t"] for line in lines], dtype=np.float64)),
            box=freeze(np.array([line["box"] for line in lines], dtype=np.float32).reshape(-1, 4)),
            confidence=freeze(np.array([_number(line.get("confidence"), np.nan) for line in lines], dtype=np.float32)),
            identity=freeze(
                np.array([_number(line.get("id"), 0.0) for line in lines], dtype=np.float64).astype(np.int64)
            ),
        )

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
        yield from read_lines(self.folder / f"{table}.jsonl", self.problems, need)


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
            for number, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
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
                wrong, first = wrong + 1, first or f"line {number}"
    except FileNotFoundError:
        problems.append(f"{path.name}: expected a table, got nothing")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None
    if wrong:
        problems.append(f"{path.name}: {wrong} lines are no whole record and are left out (first: {first})")


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a line is a number that can be one of ours."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _fits(key: str, value: object) -> bool:
    if key in ("text", "tier"):
        return isinstance(value, str)
    if key == "box":
        return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))
    return is_number(value)


def _part(line: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = line.get(key)
    return value if isinstance(value, dict) else _NONE


def _refuse(name: str) -> float:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # ``json.loads`` would make one for each line


def _number(value: object, otherwise: float) -> float:
    return float(value) if is_number(value) else otherwise


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _readings(lines: list[Line]) -> Readings:
    labels = next((tuple(e) for line in lines if isinstance(e := line.get("emotion"), dict) and e), ())
    nothing = [np.nan] * len(labels)

    def shares(value: object) -> list[float]:
        return [_number(value.get(k), np.nan) for k in labels] if isinstance(value, dict) else nothing

    def of_graph(line: Line, key: str, graph: Graph) -> Mapping[str, Any]:
        return _part(_part(line, key), graph.value)

    def column(key: str, otherwise: float = np.nan) -> list[float]:
        return [_number(line.get(key), otherwise) for line in lines]

    n, c = len(lines), len(labels)
    coverage = [[_number(_part(line, "coverage").get(m.value), 0.0) for m in MODALITIES] for line in lines]
    return Readings(
        t0=freeze(np.array(column("t0"), dtype=np.float64)),
        t1=freeze(np.array(column("t1"), dtype=np.float64)),
        made_at=freeze(np.array(column("made_at"), dtype=np.float64)),
        valid=freeze(np.array([line.get("valid") is True for line in lines], dtype=np.bool_)),
        reason=tuple(str(line.get("reason", "")) for line in lines),
        labels=labels,
        emotion=freeze(np.array([shares(line.get("emotion")) for line in lines], dtype=np.float32).reshape(n, c)),
        sentiment=freeze(np.array(column("sentiment"), dtype=np.float32)),
        unimodal={
            g: freeze(
                np.array(
                    [[shares(of_graph(line, "unimodal", g).get(m.value)) for m in MODALITIES] for line in lines],
                    dtype=np.float32,
                ).reshape(n, len(MODALITIES), c)
            )
            for g in Graph
        },
        edges={
            g: freeze(
                np.array(
                    [[_number(of_graph(line, "edges", g).get(k), np.nan) for k in _EDGE_KEYS] for line in lines],
                    dtype=np.float32,
                ).reshape(n, len(EDGES))
            )
            for g in Graph
        },
        coverage=freeze(np.array(coverage, dtype=np.float32).reshape(n, len(MODALITIES))),
        speech=freeze(np.array(column("speech", 0.0), dtype=np.float32)),
        marks=tuple(dict.fromkeys(str(mark) for line in lines for mark in _list(line.get("marks")))),
    )
