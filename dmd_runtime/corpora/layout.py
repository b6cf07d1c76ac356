"""Finding a set on disk: the path may be its file, its folder, or a folder that holds it; and reading its table."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dmd_runtime.errors import SourceError

DEPTH = 3
"""Folders below a given path that are searched."""
_MOST_BYTES = 1 << 28
_SPLITS = ("test", "dev", "valid", "train")  # which one is evaluated where a folder has several

Row = dict[str, str]


def find(path: Path, name: str, file_of: Callable[[Path], Path | None], expected: str) -> Path:
    """The file with the labels of the set ``name``.

    A folder's own set comes before those below it; below, a folder with the set's name in its own, then the highest,
    then the first by name. Links are followed.

    Parameters
    ----------
    path : Path
        A file is taken as it is.
    file_of : callable
        The set's file in a folder, None where it is none of its kind.
    expected : str
        The layout in words.

    Raises
    ------
    SourceError
        Nothing is there, or no such set.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise SourceError(f"{path}: expected {name}: {expected}; there is no such file or folder")
    found = [(depth, folder, file) for depth, folder in _folders(path) if (file := file_of(folder)) is not None]
    if not found:
        raise SourceError(f"{path}: expected {name}: {expected}; found none there or up to {DEPTH} folders below")
    return min(found, key=lambda f: (f[0] > 0, name not in f[1].name.lower(), f[0], f[1]))[2]


def _folders(top: Path) -> Iterator[tuple[int, Path]]:
    """``top`` and the folders below it, with their depth."""
    level = [top]
    for depth in range(DEPTH + 1):
        yield from ((depth, folder) for folder in level)
        level = sorted(Path(entry.path) for folder in level for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:  # not ours to look into
        return []


def chosen_split(folder: Path, suffix: str, fits: Callable[[Path], bool]) -> Path | None:
    """Of a folder's files of a kind the test set, else dev, else the train set; a single one whatever its name."""
    files = sorted(file for file in folder.glob(f"*{suffix}") if file.is_file() and fits(file))
    for split in _SPLITS:
        if of_split := [file for file in files if split in file.stem.lower()]:
            return of_split[0]
    return files[0] if len(files) == 1 else None


def read_text(path: Path) -> str:
    """A text file in UTF-8 or, where it is none, in Windows-1252; stray Windows-1252 characters are mended.

    Raises
    ------
    SourceError
        It cannot be read, or is no text.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(f"{path}: expected a table of at most {_MOST_BYTES >> 20} MiB")
        body = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: expected a table, got: {error.strerror or error}") from error
    if b"\0" in body:
        raise SourceError(f"{path}: expected a table in UTF-8, got binary data")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", errors="replace")
    return "".join(map(_mended, text)) if any("\x80" <= c <= "\x9f" for c in text) else text


def _mended(character: str) -> str:
    """A control character U+0080 to U+009F is a Windows-1252 byte that somebody took for Latin-1."""
    return bytes([ord(character)]).decode("cp1252", "replace") if "\x80" <= character <= "\x9f" else character


def columns_of(path: Path) -> tuple[str, ...]:
    """Names of a csv file's columns, stripped; empty where it is none."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 16).decode("utf-8-sig")
        return tuple(name.strip() for name in next(csv.reader([line]), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def read_rows(path: Path, needed: Sequence[str]) -> list[Row]:
    """Rows of a csv file by the names of its columns; lines without any value are passed over.

    Raises
    ------
    SourceError
        It is no table with the columns ``needed``, has no rows, or a row is too short or too long.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        columns = [name.strip() for name in next(reader, [])]
        missing = [name for name in needed if name not in columns]
        if missing:
            got = ", ".join(columns)[:120] or "an empty file"
            raise SourceError(
                f"{path}: expected the columns {', '.join(needed)}; {', '.join(missing)} missing in: {got}"
            )
        rows = []
        for cells in reader:
            if len(cells) != len(columns):
                if not any(cell.strip() for cell in cells):
                    continue
                raise SourceError(
                    f"{path}, line {reader.line_num}: expected {len(columns)} values ({', '.join(needed)}, ...), "
                    f"got {len(cells)}"
                )
            rows.append(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: expected comma-separated values, got: {error}") from error
    if not rows:
        raise SourceError(f"{path}: expected rows below {', '.join(needed)}, got none")
    return rows


def require_any(count: int, path: Path, excluded: int) -> None:
    """Refuse a set of which nothing is left.

    Raises
    ------
    SourceError
        ``count`` is 0.
    """
    if not count:
        raise SourceError(f"{path}: expected rows labelled with one of the seven emotions, got {excluded} of others")
