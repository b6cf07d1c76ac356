"""``label.csv`` of a folder of clips: what is said and expressed in each, which split it is in, and where it lies."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from dmd_runtime.corpora.labels import label_index
from dmd_runtime.corpora.layout import read_rows
from dmd_runtime.errors import SourceError

NAME: Final = "label.csv"
NEEDED: Final = ("video_id", "clip_id", "text", "label")
RAW: Final = "Raw"
"""Where MMSA keeps its clips; they may also lie beside the csv."""
MODES: Final = {"train": "train", "valid": "valid", "val": "valid", "dev": "valid", "test": "test"}
SHARES: Final = {"train": 0.70, "valid": 0.85, "test": 1.0}
"""Upper bounds of the splits where the csv has none."""

_FilesIn = Callable[[Path], Mapping[str, Path]]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One line.

    Attributes
    ----------
    video, name : str
        ``video_id`` and ``clip_id``.
    text : str
        What is said; '' where nobody wrote it down.
    sentiment : float
        In [-3, 3]; NaN where nobody said.
    emotion : int or None
        Place in ``LABELS``; None where nobody said, or another than the seven.
    split : str
        ``train``, ``valid`` or ``test``.
    group : str
        The speaker, else the video.
    path : Path or None
        None: there is no such file.
    """

    video: str
    name: str
    text: str
    sentiment: float
    emotion: int | None
    split: str
    group: str
    path: Path | None

    @property
    def id(self) -> str:
        """As MMSA writes it."""
        return f"{self.video}$_${self.name}"


def read_clips(folder: Path) -> tuple[tuple[Clip, ...], bool]:
    """All clips of ``folder`` / ``label.csv`` in its order, and whether it has a column of emotions.

    A clip is ``Raw/VIDEO/CLIP.mp4``, another file of that name there, or one in ``VIDEO/``. Without a column ``mode``
    the splits follow from a hash of the speaker (else of the video): about 70, 15 and 15 %, and always the same.

    Raises
    ------
    SourceError
        There is no such file, a column is missing, or a value is not as it should be; names the line's clip.
    """
    table = folder / NAME
    if not table.is_file():
        raise SourceError(f"{folder}: expected a folder with {NAME} ({', '.join(NEEDED)}, …), got none there")
    rows = read_rows(table, NEEDED)
    files_in = cache(_files)
    clips = tuple(_clip(folder, row, files_in) for row in rows)
    names = [clip.id for clip in clips]
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise SourceError(f"{table}: expected every clip once, got {twice} twice")
    return clips, "emotion" in rows[0]


def hashed_split(group: str) -> str:
    """The split of a speaker or video where nobody has chosen one."""
    share = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    return next(split for split, bound in SHARES.items() if share < bound)


def _clip(folder: Path, row: Mapping[str, str], files_in: _FilesIn) -> Clip:
    video, name = row["video_id"], row["clip_id"]
    where = f"{folder / NAME}: {video[:40]} {name[:40]}"
    for said in (video, name):
        if not said or said in (".", "..") or any(c in said for c in "/\\\0"):
            raise SourceError(f"{where}: expected video_id and clip_id as names of a folder and a file")
    mode = row.get("mode", "")
    if mode and mode.lower() not in MODES:
        raise SourceError(f"{where}: mode: expected {', '.join(MODES)} or nothing, got {mode[:40]}")
    group = row.get("speaker") or video
    return Clip(
        video=video,
        name=name,
        text=row["text"],
        sentiment=_score(row["label"], where),
        emotion=label_index(row["emotion"]) if row.get("emotion") else None,
        split=MODES[mode.lower()] if mode else hashed_split(group),
        group=group,
        path=_find(folder, video, name, files_in),
    )


def _score(text: str, where: str) -> float:
    if not text:
        return math.nan
    try:
        score = float(text)
    except ValueError:
        score = math.inf
    if not -3 <= score <= 3:
        raise SourceError(f"{where}: label: expected a score in [-3, 3] or nothing, got {text[:40]}")
    return score


def _find(folder: Path, video: str, name: str, files_in: _FilesIn) -> Path | None:
    found = (files_in(place).get(name) for place in (folder / RAW / video, folder / video))
    return next((path for path in found if path is not None), None)


def _files(folder: Path) -> Mapping[str, Path]:
    """The files of a folder by their names without suffix; of several the .mp4, else the first."""
    if not folder.is_dir():
        return {}
    files = sorted((p for p in folder.iterdir() if p.is_file()), key=lambda p: (p.suffix != ".mp4", p.name))
    return {p.stem: p for p in reversed(files)}
