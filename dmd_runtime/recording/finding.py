"""Text as it is looked for: words and, in writing without spaces, single characters; queries that mean what they say.

What a search finds is what whole words begin with, or a phrase; the full-text index is SQLite's (FTS5).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

OPEN: Final = "\x01"
"""Stands before what was found; no text has it (:func:`pieces`)."""
CLOSE: Final = "\x02"
"""Stands after it."""
FOUND_IN: Final = "L* M* N* Co So"
"""Categories of characters that words are made of: letters, marks, figures, pictographs."""
_BEFORE, _AFTER = 7, 16  # pieces shown around a hit
_ALONE = (  # writing without spaces between words, and pictographs: each character is found by itself
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\u2600-\u27bf\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_APART = re.compile(f"([{_ALONE}])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def pieces(text: str) -> list[str]:
    """``text`` as what is looked for: words, and single characters of writing that knows no spaces."""
    sound = text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a surrogate pair
    return _APART.sub(r" \1 ", _CONTROL.sub(" ", unicodedata.normalize("NFKC", sound))).split()


def query(text: str) -> str:
    """``text`` as an FTS5 query of nothing but quoted strings; empty where no word is in it."""
    terms: list[str] = []
    for number, part in enumerate(_quotes(text).split('"')):
        for term in [part] if number % 2 else part.split():
            found = [piece for piece in pieces(term) if any(map(_counts, piece))]
            if found:
                terms.append(f'"{" ".join(found)}"' + ("" if number % 2 else "*"))
    return " ".join(terms)


def _quotes(text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, "“”„«»"), '"'))


def _counts(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category in ("Co", "So")


def snippet(parts: Sequence[str], first: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The parts around ``first`` as text, and where in it the signs stood."""
    start = first - _BEFORE if first > _BEFORE + 2 else 0  # no sign of omission for a word or two
    end = min(len(parts), first + _AFTER)
    text, marked, since = ("… " if start else ""), [], None
    tight = True
    for part in parts[start:end]:
        bare = part.strip(OPEN + CLOSE)
        joins = tight and (_stands_alone(bare) or not any(map(_counts, bare)))
        text += "" if not text or text.endswith(" ") or joins else " "
        tight = _stands_alone(bare)
        for sign in part:
            if sign == OPEN:
                since = len(text)
            elif sign == CLOSE and since is not None:
                marked.append((since, len(text)))
                since = None
            else:
                text += sign
    if since is not None:
        marked.append((since, len(text)))
    return text + (" …" if end < len(parts) else ""), tuple(marked)


def _stands_alone(piece: str) -> bool:
    """Whether ``piece`` is a character that is written without spaces around it."""
    return _APART.fullmatch(piece) is not None
