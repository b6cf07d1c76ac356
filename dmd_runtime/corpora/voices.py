"""Spoken emotion: ``labels.csv`` (name, emotion) beside ``audio16k/NAME.flac``, as RAVDESS and EmoDB are laid out here.

Livingstone and Russo, *RAVDESS*, 2018, https://doi.org/10.1371/journal.pone.0196391 (CC BY-NC-SA 4.0);
Burkhardt et al., *A Database of German Emotional Speech*, 2005.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dmd_runtime.corpora.corpus import Corpus, VoiceClip
from dmd_runtime.corpora.labels import label_index, one_hot
from dmd_runtime.corpora.layout import Row, columns_of, find, read_rows, require_any
from dmd_runtime.errors import SourceError

_COLUMNS: Final = ("name", "emotion")
_FOLDERS: Final = ("audio16k", "audio", "wav", ".")
_SUFFIXES: Final = (".flac", ".wav", ".ogg", ".mp3", ".m4a", ".opus", ".aac", ".mp4", ".mkv")  # the first one there
_SPEAKERS: Final = ("actor", "speaker")
_BY_NAME: Final = (re.compile(r"(?:\d\d-){6}(\d\d)"), re.compile(r"(\d\d)[a-z]\d\d[A-Z][a-z]?"))


def read_voices(path: Path, name: str = "ravdess") -> Corpus[VoiceClip]:
    """Read a set of clips; labels outside the seven (boredom) are excluded and counted.

    Parameters
    ----------
    path : Path
        ``labels.csv``, its folder, or a folder that holds that one.
    name : str
        ``ravdess`` or ``emodb``.

    Raises
    ------
    SourceError
        There is no such set, a column is missing, or none of its sound files is there.
    """
    source = find(Path(path), name, voices_in, "labels.csv (name, emotion) with audio16k/NAME.flac")
    files = _sound_files(source.parent)
    samples: list[VoiceClip] = []
    excluded, missing = 0, ""
    absent = 0
    for row in read_rows(source, _COLUMNS):
        label = label_index(row["emotion"])
        if label is None:
            excluded += 1
            continue
        file = files.get(row["name"]) or files.get(Path(row["name"]).stem)
        if file is None:
            absent, missing = absent + 1, missing or row["name"]
            continue
        samples.append(VoiceClip(id=row["name"], emotion=one_hot(label), label=label, group=_speaker(row), path=file))
    if absent and not samples:
        raise SourceError(
            f"{source}: expected sound in {source.parent / _FOLDERS[0]}/{missing}.flac, found no such file"
        )
    require_any(len(samples), source, excluded)
    return Corpus(name=name, source=source, samples=tuple(samples), n_excluded=excluded, n_missing=absent)


def voices_in(folder: Path) -> Path | None:
    """``labels.csv`` of a folder of clips."""
    columns = columns_of(folder / "labels.csv")
    return folder / "labels.csv" if {*_COLUMNS} <= {*columns} and "atlas" not in columns else None


def _sound_files(folder: Path) -> Mapping[str, Path]:
    """Sound files by their names without suffix; the first folder and the first suffix win."""
    found: dict[str, Path] = {}
    for place in reversed([folder / name for name in _FOLDERS if (folder / name).is_dir()]):
        here = (file for file in place.iterdir() if file.suffix.lower() in _SUFFIXES)
        by_rank = sorted(here, key=lambda file: (-_SUFFIXES.index(file.suffix.lower()), file.name))
        found |= {file.stem: file for file in by_rank}
    return found


def _speaker(row: Row) -> str:
    """Who speaks, by a column or by the way the set names its files."""
    if given := next((row[column] for column in _SPEAKERS if row.get(column)), ""):
        return given
    matches = (pattern.fullmatch(Path(row["name"]).stem) for pattern in _BY_NAME)
    return next((match[1] for match in matches if match), "")
