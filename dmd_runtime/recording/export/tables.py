"""A session as four tables of named columns: the one place that says what CSV and Parquet hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export.provenance import marks, utf8
from dmd_runtime.recording.reader import RecordedSession

Values: TypeAlias = "np.ndarray[Any, np.dtype[Any]] | tuple[str | None, ...] | tuple[bool | None, ...]"
_SPACE: Final = {Graph.HOMOGENEOUS: "homogeneous graph", Graph.HETEROGENEOUS: "heterogeneous graph"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of n rows: float32, float64, int64 or bool (n,), or n texts or truths; NaN and None are no value."""

    name: str
    text: str
    values: Values
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Columns of equal length; ``text`` says what a row is."""

    name: str
    text: str
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.columns[0].values)


def tables(session: RecordedSession, annotations: Annotations) -> Iterator[Table]:
    """Readings, words, annotations and faces, in this order; each is made when it is asked for."""
    yield readings_table(session)
    yield words_table(session)
    yield annotations_table(session, annotations)
    yield faces_table(session)


def readings_table(session: RecordedSession) -> Table:
    """One row a window: :math:`9 + C + 2 (3 C + 6) + 4` columns for C emotions."""
    r = session.readings
    columns = [
        _time("t0", "start of the window", r.t0),
        _time("t1", "end of the window", r.t1),
        _time("made_at", "when it was read; latency = made_at − t1", r.made_at),
        Column(name="valid", text="whether enough was there to read", values=r.valid),
        Column(name="reason", text="what was missing", values=tuple(map(utf8, r.reason))),
        *(
            Column(
                name=f"emotion.{label}",
                text=f"probability of {label} as expressed; sums to 1 over all emotions",
                values=r.emotion[:, k],
            )
            for k, label in enumerate(map(utf8, r.labels))
        ),
        Column(name="sentiment", text="negative to positive, −3 … 3", values=r.sentiment),
    ]
    for graph in Graph:
        columns += [
            Column(
                name=f"edges.{graph.value}.{edge}",
                text=f"{edge.words} in the {_SPACE[graph]}: sums to 1 over the six edges, uniform 1/6",
                values=r.edges[graph][:, k],
            )
            for k, edge in enumerate(EDGES)
        ]
    columns += [
        Column(
            name=f"unimodal.{graph.value}.{m.value}.{label}",
            text=f"probability of {label} by {m.word} alone, {_SPACE[graph]}",
            values=r.unimodal[graph][:, i, k],
        )
        for graph in Graph
        for i, m in enumerate(MODALITIES)
        for k, label in enumerate(map(utf8, r.labels))
    ]
    what = ("share of the window covered by words", "frames with a face / frames due", "sound received / sound due")
    columns += [
        Column(name=f"coverage.{m.value}", text=text, values=r.coverage[:, i])
        for i, (m, text) in enumerate(zip(MODALITIES, what, strict=True))
    ]
    columns.append(Column(name="speech", text="voiced share of the window", values=r.speech))
    return Table(name="readings", text="a window of a few seconds", columns=(*columns, _marks(session, len(r))))


def words_table(session: RecordedSession) -> Table:
    """One row a committed word."""
    words = session.words
    columns = (
        _time("t0", "start of the word", [word.span.start for word in words]),
        _time("t1", "end of the word", [word.span.end for word in words]),
        Column(name="text", text="the word", values=tuple(utf8(word.text) for word in words)),
        Column(name="p", text="the recogniser's probability", values=np.array([w.p for w in words], dtype=np.float32)),
        Column(
            name="speaker_visible",
            text="whether a face was in view within 0.25 s; empty where there was no vision",
            values=tuple(w.speaker_visible if isinstance(w.speaker_visible, bool) else None for w in words),
        ),
        _marks(session, len(words)),
    )
    return Table(name="words", text="a word as the recogniser heard it", columns=columns)


def annotations_table(session: RecordedSession, annotations: Annotations) -> Table:
    """One row a marker, label, note or sample of a trace, tier after tier."""
    rows = [(tier, item) for tier in annotations.tiers for item in tier.items]
    columns = (
        Column(name="tier", text="name of the tier", values=tuple(utf8(tier.name) for tier, _ in rows)),
        Column(name="kind", text="point, span, category, trace or text", values=tuple(str(t.kind) for t, _ in rows)),
        Column(name="by", text="who rated", values=tuple(utf8(tier.by) for tier, _ in rows)),
        _time("t0", "when it begins", [item.t0 for _, item in rows]),
        _time("t1", "when it ends; empty for a moment", [np.nan if i.t1 is None else i.t1 for _, i in rows]),
        Column(name="label", text="what was said of it", values=tuple(utf8(item.label) for _, item in rows)),
        Column(
            name="value",
            text="of a trace, −1 … 1",
            values=np.array([np.nan if i.value is None else i.value for _, i in rows], dtype=np.float64),
        ),
        Column(name="note", text="free text", values=tuple(utf8(item.note) for _, item in rows)),
        Column(name="id", text="of the item in its tier", values=tuple(utf8(item.id) for _, item in rows)),
        _marks(session, len(rows)),
    )
    return Table(name="annotations", text="something a person said of the session", columns=columns)


def faces_table(session: RecordedSession) -> Table:
    """One row a measured face."""
    faces = session.faces
    sides = ("left edge", "upper edge", "width", "height")
    columns = (
        _time("t", "of the picture", faces.t),
        *(
            Column(name=name, text=f"{side} of the face, share of the picture", values=faces.box[:, k])
            for k, (name, side) in enumerate(zip(("x", "y", "width", "height"), sides, strict=True))
        ),
        Column(name="confidence", text="the detector's", values=faces.confidence),
        Column(name="id", text="changes with the person", values=faces.identity),
        _marks(session, len(faces.t)),
    )
    return Table(name="faces", text="the largest face in a measured picture", columns=columns)


def _time(name: str, text: str, values: Sequence[float] | np.ndarray[Any, np.dtype[Any]]) -> Column:
    return Column(name=name, text=text, unit="s", values=np.asarray(values, dtype=np.float64))


def _marks(session: RecordedSession, n: int) -> Column:
    """In every table: rows are taken out of their file and must still say it."""
    text = "UNTRAINED, DEMO, SYNTHETIC: what must not be mistaken for a person's reading"
    return Column(name="marks", text=text, values=(" ".join(map(utf8, marks(session))),) * n)
