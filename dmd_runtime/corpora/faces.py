"""FERPlus: FER2013's 48 x 48 grey faces in WebP sheets, with the votes of ten annotators in ``labels.csv``.

Barsoum et al., *Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution*, ICMI
2016, https://arxiv.org/abs/1608.01041.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from dmd_runtime.corpora.corpus import UNCERTAIN, Corpus, Face
from dmd_runtime.corpora.labels import label_index
from dmd_runtime.corpora.layout import Row, columns_of, find, read_rows, require_any
from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float32, UInt8, freeze
from dmd_runtime.streaming.extractors import LABELS

SIDE: Final = 48
"""Pixels of a face's side."""
_ENOUGH: Final = 4  # votes: fewer of the ten say that it is no face, or nobody can tell
_COLUMNS: Final = ("atlas", "row", "col", *LABELS, "majority")


def read_ferplus(path: Path, usage: str | None = None, *, soft: bool = False) -> Corpus[Face]:
    """Read the faces; ties and majorities outside the seven (contempt, unknown, no face) are excluded and counted.

    Parameters
    ----------
    path : Path
        ``labels.csv``, its folder, or a folder that holds that one.
    usage : str, optional
        Only those: ``Training``, ``PublicTest`` or ``PrivateTest``; default: all that the file names.
    soft : bool
        For training: keep every face with at least four votes for the seven, ``UNCERTAIN`` where no label leads.

    Raises
    ------
    SourceError
        There is no such set, a column or every sheet is missing, or a place lies outside its sheet.
    """
    source = find(Path(path), "ferplus", ferplus_in, "labels.csv (atlas, row, col, votes, majority) with its sheets")
    rows = read_rows(source, _COLUMNS)
    if usage is not None:
        known = sorted({row.get("usage", "") for row in rows})
        rows = [row for row in rows if row.get("usage", "").lower() == usage.lower()]
        if not rows:
            raise SourceError(f"{source}: expected faces of usage {usage}, it has {', '.join(known)}")
    sheets: dict[str, UInt8 | None] = {}
    samples: list[Face] = []
    excluded, missing = 0, ""
    absent = 0
    for k, row in enumerate(rows):
        label = label_index(row["majority"])
        votes = _votes(row, source)
        if label is None and not (soft and votes.sum() >= _ENOUGH):
            excluded += 1
            continue
        file = source.parent / row["atlas"]
        if row["atlas"] not in sheets:
            sheets[row["atlas"]] = _sheet(file) if file.is_file() else None
        sheet = sheets[row["atlas"]]
        if sheet is None:
            absent, missing = absent + 1, missing or row["atlas"]
            continue
        label = UNCERTAIN if label is None else label
        samples.append(
            Face(
                id=row.get("name") or str(k),
                emotion=votes / votes.sum() if votes.sum() > 0 else np.eye(len(LABELS), dtype=np.float32)[label],
                label=label,
                image=_cut(sheet, row, source),
                usage=row.get("usage", ""),
            )
        )
    if absent and not samples:
        raise SourceError(f"{source}: expected the sheet {source.parent / missing}, found no such file")
    require_any(len(samples), source, excluded)
    return Corpus(name="ferplus", source=source, samples=tuple(samples), n_excluded=excluded, n_missing=absent)


def ferplus_in(folder: Path) -> Path | None:
    """``labels.csv`` of a folder of sheets."""
    return folder / "labels.csv" if {"atlas", "row", "col"} <= {*columns_of(folder / "labels.csv")} else None


def _votes(row: Row, source: Path) -> Float32:
    try:
        votes = np.array([float(row[label] or 0) for label in LABELS], dtype=np.float32)
    except ValueError:
        votes = np.array([np.nan], dtype=np.float32)
    if not (np.isfinite(votes).all() and (votes >= 0).all()):
        raise SourceError(f"{source}: expected numbers of votes, got {[row[label] for label in LABELS]}")
    return votes


def _sheet(path: Path) -> UInt8:
    """A sheet as grey uint8 (H, W)."""
    import cv2  # noqa: PLC0415 - only where pictures are read

    try:
        body = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: expected a sheet of faces, got: {error.strerror or error}") from error
    sheet = cv2.imdecode(body, cv2.IMREAD_GRAYSCALE) if len(body) else None
    if sheet is None:
        raise SourceError(f"{path}: expected a sheet of faces (WebP), got a file that is no picture")
    return freeze(np.asarray(sheet, dtype=np.uint8))


def _cut(sheet: UInt8, row: Row, source: Path) -> UInt8:
    try:
        y, x = int(row["row"]) * SIDE, int(row["col"]) * SIDE
    except ValueError:
        y = x = -1
    if not (0 <= y <= sheet.shape[0] - SIDE and 0 <= x <= sheet.shape[1] - SIDE):
        rows, columns = sheet.shape[0] // SIDE, sheet.shape[1] // SIDE
        raise SourceError(
            f"{source}: expected a place inside {row['atlas']} ({rows} rows, {columns} columns), "
            f"got row {row['row']}, col {row['col']}"
        )
    return sheet[y : y + SIDE, x : x + SIDE]
