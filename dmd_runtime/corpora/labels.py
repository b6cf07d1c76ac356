"""One table of names: what corpora call an emotion, and what this program calls it."""

from __future__ import annotations

from typing import Final

import numpy as np

from dmd_runtime.messages import Float32
from dmd_runtime.streaming.extractors import LABELS

_NAMES: Final = {
    "happiness": "happiness happy joy joyful",
    "neutral": "neutral calm",
    "surprise": "surprise surprised",
    "sadness": "sadness sad",
    "anger": "anger angry",
    "fear": "fear fearful anxiety anxious",
    "disgust": "disgust disgusted",
}
_INDEX: Final = {name: LABELS.index(label) for label, names in _NAMES.items() for name in names.split()}


def label_index(name: str) -> int | None:
    """Place of an emotion in ``LABELS`` by any of its names (``calm``, ``Joy``, ``anxiety/fear``), or None.

    Two names with a stroke between them count where they mean the same.
    """
    found = {_INDEX.get(part.strip()) for part in name.strip().lower().split("/")}
    return found.pop() if len(found) == 1 else None


def one_hot(label: int) -> Float32:
    """float32 (7,): all of it on one label."""
    out = np.zeros(len(LABELS), dtype=np.float32)
    out[label] = 1.0
    return out
