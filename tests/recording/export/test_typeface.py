"""Letters that the bundled typeface lacks: found elsewhere on the machine, or told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import FORMATS, typeface
from dmd_runtime.recording.export.annotated import remarks
from dmd_runtime.recording.export.canvas import Box
from dmd_runtime.recording.export.overlay_words import Transcript
from dmd_runtime.recording.export.typeface import Type, undrawable
from tests.recording.export.films import film_session

KIND = Type(40)
NONE = Annotations()


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of this machine's typefaces: none but a file that is no typeface."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "NotoSansBroken.ttf").write_bytes(b"no typeface")
    monkeypatch.setattr(typeface, "_folders", lambda: iter([folder, tmp_path / "not there"]))
    forget()
    yield folder
    forget()


def forget() -> None:
    for cached in ("system_faces", "_face", "_letters", "_pieces", "_width", "_mask", "_font"):
        getattr(typeface, cached).cache_clear()


def make_font(path: Path, letters: str) -> None:
    """Every letter is a black square of one em."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, names = pen.glyph(), [f"uni{ord(letter):04X}" for letter in letters]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", *names])
    font.setupCharacterMap(dict(zip(map(ord, letters), names, strict=True)))
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph()} | dict.fromkeys(names, square))
    font.setupHorizontalMetrics(dict.fromkeys((".notdef", *names), (1000, 0)))
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupOS2()
    font.setupPost()
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.save(path)


def test_a_letter_that_is_lacking_comes_from_another_typeface(fonts: Path) -> None:
    make_font(fonts / "Squares.ttf", "你好")
    assert KIND.width("你好") == 80
    mask, dx, dy = KIND.mask("你好")
    assert mask.max(axis=0).sum() == 80 * 255
    assert (dx, dy) == (-2, -42)
    assert undrawable(["你好 hello"]) == ""


def test_text_in_two_typefaces_stands_side_by_side(fonts: Path) -> None:
    make_font(fonts / "Squares.ttf", "你")
    mixed, plain = "ab你", "ab"
    assert KIND.width(mixed) == KIND.width(plain) + 40
    there = KIND.mask(mixed)[0]
    alone = KIND.mask(plain)[0][2:-2, 2:-2]
    top = there.shape[0] - 2 - alone.shape[0]  # a square of one em is higher than "ab"; both stand on the base line
    assert np.abs(there[top : top + alone.shape[0], 2 : 2 + alone.shape[1]].astype(int) - alone).max() < 40
    assert (there[:, -40:-5] == 255).all(axis=1).sum() == 40


def test_marks_stay_with_the_letter_before_them(fonts: Path) -> None:
    make_font(fonts / "Squares.ttf", "你")
    assert [part for _, part in typeface._pieces("e\u0301你\u0301 x")] == ["e\u0301", "你\u0301 ", "x"]


def test_what_nothing_can_draw_is_named_once(fonts: Path, tmp_path: Path) -> None:
    assert undrawable(["你好", "好 hello, naïve Ünïcode Привет Ελλάδα → …"]) == "你好"
    lines = [{"t0": 1.0, "t1": 2.0, "text": text, "p": 0.9} for text in ("你好", "hello")]
    session = film_session(tmp_path / "one", words=lines)
    (told,) = remarks(session, NONE)
    assert FORMATS["annotated"].remark_on(session, NONE) == (told,)
    assert FORMATS["csv"].remark_on(session, NONE) == ()
    assert told.startswith("annotated.mp4: 2 letters show as boxes")
    assert "你 好;" in told
    assert remarks(film_session(tmp_path / "two", words=lines[1:]), NONE) == ()


def test_words_of_a_script_that_runs_to_the_left_begin_at_the_right(tmp_path: Path) -> None:
    lines = [{"t0": float(n), "t1": n + 0.5, "text": text, "p": 0.9} for n, text in enumerate(("שלום", "עולם"))]
    (line,) = Transcript(film_session(tmp_path, words=lines).words, Box(0, 0, 600, 200))._lines
    first, second = line.lefts
    assert first + Type(20).width("שלום") == 600
    assert second + Type(20).width("עולם") < first
