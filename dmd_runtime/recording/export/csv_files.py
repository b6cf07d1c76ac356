"""Tables as CSV (RFC 4180, UTF-8), with ``tables.json``, which describes every column and says what made them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import provenance, utf8, written
from dmd_runtime.recording.export.tables import Column, Table, tables
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare

_ROWS: Final = 2000
"""Rows between two looks at whether to stop."""


def write_csv(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``readings.csv``, ``words.csv``, ``annotations.csv``, ``faces.csv`` and ``tables.json``.

    float32 have nine significant digits and times all of theirs, so that both are recovered exactly. What has no value
    is an empty cell.
    """
    described: dict[str, Any] = {}
    paths = []
    for number, table in enumerate(tables(session, annotations), 1):
        path = folder / f"{table.name}.csv"
        with written(path) as draft:
            text = io.TextIOWrapper(draft, encoding="utf-8", newline="")
            for rows in _rows(table):
                check(cancel, path)
                csv.writer(text, lineterminator="\n").writerows(rows)
            text.detach()
        described[path.name] = _described(table)
        paths.append(path)
        if progress is not None:
            progress(number / 5)
    about = {"tables": described, "provenance": provenance(session, options.analysis)}
    with written(folder / "tables.json") as draft:
        draft.write(utf8(json.dumps(about, indent=2, ensure_ascii=False)).encode() + b"\n")
    return (*paths, folder / "tables.json")


def _rows(table: Table) -> Iterator[Iterable[Iterable[str]]]:
    yield [[column.name for column in table.columns]]
    rows = zip(*(_cells(column) for column in table.columns), strict=True)
    while block := list(islice(rows, _ROWS)):
        yield block


def _cells(column: Column) -> Iterator[str]:
    values = column.values
    if not isinstance(values, np.ndarray):
        yield from ("" if v is None else str(v).lower() if isinstance(v, bool) else v for v in values)
        return
    kind = values.dtype.kind
    if kind == "f":
        say: Callable[[float], str] = "{:.9g}".format if values.dtype == np.float32 else repr
        yield from (say(value) if value - value == 0 else "" for value in values.tolist())
        return
    yield from (str(value).lower() for value in values.tolist())


def _described(table: Table) -> dict[str, Any]:
    columns = {c.name: {"text": c.text, **({"unit": c.unit} if c.unit else {})} for c in table.columns}
    return {"row": table.text, "rows": len(table), "columns": columns}
