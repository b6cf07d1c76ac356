"""JSON from files that nobody vouches for: finite, flat enough, every name once."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 16
"""Of lists and objects in each other."""


def parse(text: str | bytes) -> Any:
    """Read one JSON value (bytes: UTF-8).

    Raises
    ------
    ValueError
        It is no JSON, or holds a number that is not finite, a name twice in one object (two readers might see different
        things) or more than ``MAX_DEPTH`` levels.
    """
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    try:
        value = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"more than {MAX_DEPTH} levels") from None
    if _deeper(value, MAX_DEPTH):
        raise ValueError(f"more than {MAX_DEPTH} levels")
    return value


def write(value: Any) -> str:
    """The one text of a value: names sorted, no spaces; ValueError where a number is not finite."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice in one object")
    return dict(pairs)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text}, which is no finite number")
    return number


def _deeper(value: Any, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is not None and (levels == 0 or any(_deeper(part, levels - 1) for part in inside))
