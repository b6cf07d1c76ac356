"""The ``.jsonl`` tables that a crash left: a torn end moved beside, spans that were open ended."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from dmd_runtime.recording.reader import Line, is_number

_CHUNK: Final = 1 << 16


def move_torn_end(path: Path) -> None:
    """Append what follows the last line end of a table to ``<table>.torn``, then cut it off.

    A record that only lacks its line end stays and gets one. Zeros, which a power cut leaves, say nothing and go.
    Nothing happens where there is no such table. Broken off at any moment, it can be done again.

    Raises
    ------
    OSError
        The table cannot be read or written.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = _end_of_lines(file)
        torn = file.read()
        if not torn:
            return
        whole = torn.rstrip(b"\0")
        if _is_record(whole):
            file.seek(end + len(whole))
            file.write(b"\n")
        else:
            _append(path.with_suffix(".torn"), torn.strip(b"\0") + b"\n")
            file.seek(end)
        file.truncate()
        _keep(file)


def end_open_spans(path: Path, lines: Sequence[Line], end: float) -> list[Line]:
    """Append a line to the markers for each span that was never ended: the same one, ended at ``end`` seconds.

    Parameters
    ----------
    path : Path
        ``markers.jsonl``.
    lines : sequence of dict
        What is in it.

    Returns
    -------
    list of dict
        What was appended.
    """
    last = {str(line["id"]): line for line in lines if line.get("id")}
    ended = [
        {**line, "t1": max(end, line["t0"]), "open": False}
        for line in last.values()
        if line.get("open") is True and line.get("void") is not True and is_number(line.get("t0"))
    ]
    if ended:
        with path.open("ab") as file:
            file.writelines(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n" for line in ended)
            _keep(file)
    return ended


def _end_of_lines(file: BinaryIO) -> int:
    """Where the last line end of ``file`` is over, 0 where there is none; the file is left standing there."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - _CHUNK)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return file.seek(start + found + 1)
        at = start
    return file.seek(0)


def _is_record(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _append(path: Path, piece: bytes) -> None:
    """Append ``piece`` unless a recovery that was broken off has already done so."""
    with path.open("ab+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(piece)))
        if file.read() != piece:
            file.write(piece)
            _keep(file)


def _keep(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
