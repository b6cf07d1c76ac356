"""Files in MMSA's format, as MOSI and MOSEI come, of any size."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CLIPS = 3
"""Clips of one video."""


def make_mmsa(
    path: Path,
    *,
    n: Mapping[str, int] = {"train": 24, "valid": 8, "test": 8},
    dims: tuple[int, int, int] = (768, 5, 20),
    lengths: tuple[int, int, int] = (50, 50, 50),
    seed: int = 0,
    informative: bool = True,
    words: int = 40,
    protocol: int = 4,
) -> Path:
    """Write a file with n[split] samples and return its place.

    ``dims`` and ``lengths`` are of text, audio, vision; where lengths differ the file is unaligned and says lengths.
    ``informative``: features and word pieces (below ``words``) lean towards the label; else they say nothing.
    """
    rng = np.random.default_rng(seed)
    content = {
        split: make_split(rng, size, dims=dims, lengths=lengths, informative=informative, words=words)
        for split, size in n.items()
    }
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def make_split(
    rng: np.random.Generator,
    n: int,
    *,
    dims: tuple[int, int, int] = (768, 5, 20),
    lengths: tuple[int, int, int] = (50, 50, 50),
    informative: bool = True,
    words: int = 40,
) -> dict[str, Any]:
    """One split as MMSA's files have it: padded on the right with zeros."""
    label = np.round(rng.uniform(-3, 3, n), 2).astype(np.float32)
    aligned = len(set(lengths)) == 1
    split: dict[str, Any] = {}
    spoken = rng.integers(max(1, lengths[0] // 2), lengths[0] + 1, n)
    for name, t, d in zip(("text", "audio", "vision"), lengths, dims, strict=True):
        real = spoken if aligned or name == "text" else rng.integers(max(1, t // 2), t + 1, n)
        rows = rng.normal(size=(n, t, d)) + informative * label[:, None, None] * np.linspace(0.2, 1, d)
        rows[np.arange(t) >= real[:, None]] = 0
        split[name] = rows.astype(np.float32)
        if name != "text" and not aligned:
            split[f"{name}_lengths"] = [int(k) for k in real]
    mask = np.arange(lengths[0]) < spoken[:, None]
    pieces = rng.integers(1, words, (n, lengths[0])) // 2 + informative * (label[:, None] > 0) * (words // 2)
    split["text_bert"] = np.stack([pieces * mask, mask, np.zeros_like(mask)], axis=1).astype(np.float32)
    split["regression_labels"] = label
    split["classification_labels"] = np.sign(label) + 1
    split["annotations"] = np.array([("Negative", "Neutral", "Positive")[k + 1] for k in np.sign(label).astype(int)])
    who = rng.bytes(4).hex()
    split["id"] = np.array([f"{who}{k // CLIPS}$_${k % CLIPS}" for k in range(n)], dtype=object)
    split["raw_text"] = np.array([f"words of sample {k}" for k in range(n)], dtype=object)
    return split
