"""Type for films: the bundled Inter, and where it lacks a letter, a typeface of this machine that has it."""

from __future__ import annotations

import logging
import os
import struct
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from dmd_runtime.messages import UInt8, freeze
from dmd_runtime.resources import resource

logger = logging.getLogger(__name__)

_SUFFIXES: Final = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_FIRST: Final = (
    *("notosanscjk", "sourcehansans", "notosans", "pingfang", "hiragino", "applesdgothic", "arialunicode", "msyh"),
    *("yugoth", "meiryo", "malgun", "segoeui", "tahoma", "wqy", "droidsans", "dejavusans"),
)
"""Names begin like this; sans serif, and with many letters."""
_OTHERS: Final = ("bold", "italic", "oblique", "mono", "condensed", "light", "thin", "black", "medium")
_COLOURED: Final = frozenset({"CBDT", "COLR", "sbix", "SVG "})  # tables of pictures, which a mask cannot be made of
_MOST_FILES = 600


class Face(NamedTuple):
    """A typeface: its file, and which of those in it."""

    file: str
    number: int = 0


Piece: TypeAlias = tuple[Face | None, str]
"""Text in one typeface; None: the bundled one."""


class Type(NamedTuple):
    """A size in pixels and a weight: Regular, SemiBold, Bold or Italic."""

    size: int
    weight: str = "Regular"

    def width(self, text: str) -> int:
        """Pixels that ``text`` takes; figures are all equally wide."""
        return _width(self, text)

    def fitting(self, text: str, room: float) -> str:
        """``text``, cut with an ellipsis where it is wider than ``room``."""
        if self.width(text) <= room:
            return text
        while text and self.width(text + "…") > room:
            text = text[:-1]
        return text.rstrip() + "…" if text else ""

    def mask(self, text: str) -> tuple[UInt8, int, int]:
        """Coverage of ``text``, uint8 (h, w), and where its corner lies from the start of the base line."""
        return _mask(self, text)


def undrawable(texts: Iterable[str]) -> str:
    """The letters of ``texts`` that would show as boxes, each once, in order."""
    letters = dict.fromkeys(letter for text in texts for letter in text)
    return "".join(letter for letter in letters if _shows(letter) and not _is_bundled(letter) and _face(letter) is None)


def is_right_to_left(texts: Iterable[str]) -> bool:
    """Whether most letters of ``texts`` are of a script that runs to the left."""
    kinds = [unicodedata.bidirectional(letter) for text in texts for letter in text]
    return sum(kind in {"R", "AL"} for kind in kinds) > sum(kind == "L" for kind in kinds)


# ------------------------------------------------------------------ setting


@lru_cache(maxsize=4096)
def _width(kind: Type, text: str) -> int:
    return round(sum(_font(kind, face).getlength(part, features=_tabular()) for face, part in _pieces(text)))


@lru_cache(maxsize=2048)
def _mask(kind: Type, text: str) -> tuple[UInt8, int, int]:
    placed, x = [], 0.0
    for face, part in _pieces(text):
        font = _font(kind, face)
        placed.append((x, font, part, font.getbbox(part, anchor="ls", features=_tabular())))
        x += font.getlength(part, features=_tabular())
    boxes = np.array([(x + box[0], box[1], x + box[2], box[3]) for x, _, _, box in placed]).reshape(-1, 4)
    left, top = map(int, np.floor(boxes[:, :2].min(axis=0)))
    right, bottom = map(int, np.ceil(boxes[:, 2:].max(axis=0)))
    image = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    draw = ImageDraw.Draw(image)
    for x, font, part, _ in placed:
        draw.text((x + 2 - left, 2 - top), part, fill=255, font=font, anchor="ls", features=_tabular())
    return freeze(np.asarray(image).copy()), left - 2, top - 2


@lru_cache(maxsize=1024)
def _pieces(text: str) -> tuple[Piece, ...]:
    """``text`` in stretches of one typeface; what has no shape of its own goes with what is before it."""
    pieces: list[tuple[Face | None, list[str]]] = []
    for letter in text:
        follows = bool(pieces) and not _shows(letter)
        face = pieces[-1][0] if follows else None if _is_bundled(letter) else _face(letter)
        if pieces and pieces[-1][0] == face:
            pieces[-1][1].append(letter)
        else:
            pieces.append((face, [letter]))
    return tuple((face, "".join(letters)) for face, letters in pieces)


def _shows(letter: str) -> bool:
    """Not a space, a control character, or a mark on the letter before."""
    return unicodedata.category(letter)[0] not in "ZCM"


@lru_cache(maxsize=1)
def _tabular() -> list[str] | None:
    return ["tnum"] if features.check("raqm") else None


# ---------------------------------------------------------------- typefaces


@lru_cache(maxsize=64)
def _font(kind: Type, face: Face | None) -> ImageFont.FreeTypeFont:
    file, index = (str(resource("fonts", f"Inter-{kind.weight}.otf")), 0) if face is None else face
    return ImageFont.truetype(file, kind.size, index=index)


def _is_bundled(letter: str) -> bool:
    return not _shows(letter) or ord(letter) in _bundled()


@lru_cache(maxsize=1)
def _bundled() -> frozenset[int]:
    return _letters(Face(str(resource("fonts", "Inter-Regular.otf"))))


@lru_cache(maxsize=8192)
def _face(letter: str) -> Face | None:
    """The first typeface of this machine that has ``letter``."""
    return next((face for face in system_faces() if ord(letter) in _letters(face)), None)


@lru_cache(maxsize=1)
def system_faces() -> tuple[Face, ...]:
    """Those of this machine, plain ones with many letters first."""
    files = (
        path
        for folder in _folders()
        if folder.is_dir()
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES
    )
    return tuple(Face(str(path)) for path in sorted(set(files), key=_rank)[:_MOST_FILES])


@lru_cache(maxsize=_MOST_FILES)
def _letters(face: Face) -> frozenset[int]:
    """Code points that it can draw; none where it cannot be used."""
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped] # noqa: PLC0415

    try:
        with Path(face.file).open("rb") as raw, TTFont(raw, fontNumber=face.number, lazy=True) as font:
            if _COLOURED & set(font.keys()):
                return frozenset()
            letters = frozenset(font.getBestCmap() or ())
        ImageFont.truetype(face.file, 20, index=face.number)
    except (OSError, TTLibError, ValueError, KeyError, AssertionError, struct.error):
        logger.info("%s cannot be used", face.file, exc_info=True)
        return frozenset()
    return letters


def _rank(path: Path) -> tuple[int, int, str]:
    name = path.stem.lower().replace("-", "").replace("_", "").replace(" ", "")
    known = next((number for number, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST))
    return known, sum(word in name for word in _OTHERS), name


def _folders() -> Iterator[Path]:
    """Where typefaces lie on this system."""
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")
        yield home / "AppData/Local/Microsoft/Windows/Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    else:
        yield from (
            Path("/usr/share/fonts"),
            Path("/usr/local/share/fonts"),
            home / ".local/share/fonts",
            home / ".fonts",
        )
