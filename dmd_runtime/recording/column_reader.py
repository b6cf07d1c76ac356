"""Large tables read column by column, several times as fast as line by line; or not at all.

Arrow's reader takes a table whole, on several threads and without the interpreter's lock. It is asked only for what is
whole and as we write it: whatever else a table holds (a torn line, a number that is a text, a NaN) gives None, and the
reader of lines says what is wrong with it and saves the rest.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmd_runtime.messages import Float64
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.recording.readings import EDGE_KEYS, MOST, Arrays, Readings, RecordedFaces

logger = logging.getLogger(__name__)

LARGE: Final = 256 << 10
"""Bytes from which it is worth while."""
_LETTERS: Final = [m.value for m in MODALITIES]


class _OtherwiseError(Exception):
    """The table is for the reader of lines."""


_OTHERWISE: Final = (_OtherwiseError, ValueError, TypeError, NotImplementedError, OSError)  # Arrow's are some of these


def read_readings(path: Path) -> Readings | None:
    """``readings.jsonl``, or None where it is small, not there or not whole and as we write it."""
    try:
        table, raw = _table(path)
        t1 = _numbers(table, "t1", need=True)
        order = np.argsort(t1, kind="stable")
        labels = _labels(table, raw, order)
        columns: Arrays = {
            "t0": _numbers(table, "t0", need=True),
            "t1": t1,
            **{key: _numbers(table, key) for key in ("made_at", "sentiment", "speech")},
            "valid": _truths(table, "valid", otherwise=False),
            "emotion": _matrix(table, labels, "emotion"),
            "coverage": _matrix(table, _LETTERS, "coverage"),
            "settled": np.stack([_truths(table, "settled", x, otherwise=True) for x in _LETTERS], axis=1),
        }
        for g in Graph:
            alone = [_matrix(table, labels, "unimodal", g.value, letter) for letter in _LETTERS]
            columns[f"unimodal.{g.value}"] = np.stack(alone, axis=1)
            columns |= {f"{key}.{g.value}": _matrix(table, EDGE_KEYS, key, g.value) for key in ("edges", "prior")}
        reason = table.at("reason")
        texts = [""] * len(t1) if reason is None else reason.to_pylist()
        if not all(isinstance(text, str) for text in texts):
            raise _OtherwiseError("a reason that is no text")
        return Readings.of_columns(
            {key: column[order] for key, column in columns.items()},
            reason=tuple([texts[i] for i in order.tolist()]),
            labels=labels,
            marks=_marks(table, order),
        )
    except _OTHERWISE as other:
        logger.debug("%s: read line by line: %s", path, other)
        return None


def read_faces(path: Path) -> RecordedFaces | None:
    """``faces.jsonl``, or None where it is small, not there or not whole and as we write it."""
    try:
        table, _ = _table(path)
        t, boxes = _numbers(table, "t", need=True), table.at("box")
        order = np.argsort(t, kind="stable")
        if boxes is None or boxes.null_count or not (boxes.value_lengths().to_numpy() == 4).all():
            raise _OtherwiseError("a box that has no four numbers")
        identity = np.nan_to_num(_numbers(table, "id"), nan=0.0)
        columns: Arrays = {
            "t": t,
            "box": _floats(boxes.flatten(), need=True).reshape(-1, 4),
            "confidence": _numbers(table, "confidence"),
            "identity": identity,
        }
        return RecordedFaces.of_arrays({key: column[order] for key, column in columns.items()})
    except _OTHERWISE as other:
        logger.debug("%s: read line by line: %s", path, other)
        return None


def _table(path: Path) -> tuple[_Records, bytes]:
    """All columns, one piece each, and what was read."""
    raw = path.read_bytes()
    if len(raw) < LARGE:
        raise _OtherwiseError("small")
    import pyarrow as pa  # noqa: PLC0415 - loads slowly
    from pyarrow import json as arrow_json  # noqa: PLC0415

    table = arrow_json.read_json(pa.BufferReader(raw))
    if table.num_rows != raw.count(b"\n") + (not raw.endswith(b"\n")):
        raise _OtherwiseError("not one record a line")
    table.validate(full=True)
    return _Records(table), raw


class _Records:
    """Arrays at places within records: each record that lies within others is taken apart once."""

    def __init__(self, table: Any) -> None:
        self.num_rows: int = table.num_rows
        self._parts: dict[tuple[str, ...], dict[str, Any]] = {
            (): {name: table[name].combine_chunks() for name in table.column_names}
        }

    def at(self, *path: str) -> Any:
        """The array there; None where no record has anything there."""
        import pyarrow as pa  # noqa: PLC0415

        *above, key = path
        found = self._within(tuple(above)).get(key)
        return None if found is None or pa.types.is_null(found.type) else found

    def _within(self, path: tuple[str, ...]) -> dict[str, Any]:
        import pyarrow as pa  # noqa: PLC0415

        if path not in self._parts:
            whole = self.at(*path)
            if whole is not None and not pa.types.is_struct(whole.type):
                raise _OtherwiseError(f"{'.'.join(path)} is {whole.type}")
            named = () if whole is None else zip((field.name for field in whole.type), whole.flatten(), strict=True)
            self._parts[path] = dict(named)
        return self._parts[path]


def _numbers(table: _Records, *path: str, need: bool = False) -> Float64:
    """Float64 (n,); NaN where a record has none."""
    found = table.at(*path)
    if found is None and not need:
        return np.full(table.num_rows, np.nan)
    return _floats(found, need=need)


def _floats(found: Any, *, need: bool) -> Float64:
    import pyarrow as pa  # noqa: PLC0415

    if found is None or not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type)):
        raise _OtherwiseError("no numbers")
    if need and found.null_count:
        raise _OtherwiseError("a record without a number that it needs")
    values: Float64 = found.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if np.any(np.abs(values) >= MOST) or np.count_nonzero(np.isnan(values)) != found.null_count:  # Arrow takes NaN
        raise _OtherwiseError("a number beyond ours")
    return values


def _matrix(table: _Records, keys: Sequence[str], *path: str) -> Float64:
    """Float64 (n, k)."""
    if table.at(*path) is None or not keys:
        return np.full((table.num_rows, len(keys)), np.nan)
    return np.stack([_numbers(table, *path, key) for key in keys], axis=1)


def _truths(table: _Records, *path: str, otherwise: bool) -> npt.NDArray[np.bool_]:
    import pyarrow as pa  # noqa: PLC0415

    found = table.at(*path)
    if found is None:
        return np.full(table.num_rows, otherwise)
    if not pa.types.is_boolean(found.type):
        raise _OtherwiseError(f"{'.'.join(path)} is {found.type}")
    return np.asarray(found.fill_null(otherwise).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _labels(table: _Records, raw: bytes, order: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Of the first record that has emotions, as it has them; records come in ``order``."""
    import pyarrow as pa  # noqa: PLC0415

    found = table.at("emotion")
    if found is None:
        return ()
    if not pa.types.is_struct(found.type):
        raise _OtherwiseError(f"emotion is {found.type}")
    there = order[found.is_valid().to_numpy(zero_copy_only=False)[order]]
    if not len(there):
        return ()
    first = int(there[0])
    emotion = json.loads(raw.split(b"\n", first + 1)[first])["emotion"]
    if not emotion:
        raise _OtherwiseError("emotion without labels")
    return tuple(emotion)


def _marks(table: _Records, order: npt.NDArray[np.int64]) -> tuple[str, ...]:
    import pyarrow as pa  # noqa: PLC0415

    found = table.at("marks")
    if found is None:
        return ()
    if not pa.types.is_list(found.type):
        raise _OtherwiseError(f"marks is {found.type}")
    if pa.types.is_null(found.type.value_type):
        return ()
    different = found.take(pa.array(order)).flatten().unique().to_pylist()
    if not all(isinstance(mark, str) for mark in different):
        raise _OtherwiseError("a mark that is no text")
    return tuple(different)
