"""Tables as Apache Parquet: typed columns with their unit and meaning, provenance in the file's own metadata."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import marks, provenance, utf8, written
from dmd_runtime.recording.export.tables import Column, Table, tables
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare


def write_parquet(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``readings.parquet``, ``words.parquet``, ``annotations.parquet`` and ``faces.parquet``.

    The schema's metadata has ``dmd`` (provenance, JSON), ``marks`` and ``row``; that of a field has ``text`` and
    ``unit``. What has no value is null, never NaN.
    """
    from pyarrow import parquet  # noqa: PLC0415  # 0.2 s

    about = {
        "dmd": utf8(json.dumps(provenance(session, options.analysis), ensure_ascii=False)),
        "marks": utf8(" ".join(marks(session))),
    }
    paths = []
    for number, table in enumerate(tables(session, annotations), 1):
        path = folder / f"{table.name}.parquet"
        check(cancel, path)
        with written(path) as draft:
            parquet.write_table(_arrow(table, about), draft, compression="zstd")
        paths.append(path)
        if progress is not None:
            progress(number / 4)
    return tuple(paths)


def _arrow(table: Table, about: dict[str, str]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    arrays = [_array(column) for column in table.columns]
    fields = [
        pa.field(column.name, array.type, metadata={"text": column.text, "unit": column.unit or "1"})
        for column, array in zip(table.columns, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={**about, "row": table.text}))


def _array(column: Column) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    values = column.values
    if isinstance(values, np.ndarray):
        return pa.array(np.ascontiguousarray(values), from_pandas=True)  # NaN becomes null
    return pa.array(values, pa.bool_() if column.name == "speaker_visible" else pa.string())
