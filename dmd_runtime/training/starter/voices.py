"""Voices as windows, in several versions each: as recorded, and as other microphones in other rooms might hear them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dmd_runtime.corpora.sound import read_sound
from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.training.sound_augmentation import augmented

Measure = Callable[[Float32], tuple[Float32, Bool]]
_WANDER = int(0.4 * ANALYSIS_RATE)
_SHORTEST = int(1.5 * ANALYSIS_RATE)


def write_versions(
    clips: Sequence[Path],
    measure: Measure,
    *,
    spec: FeatureSpec,
    duration: float,
    count: int,
    into: tuple[Path, Path],
    progress: Callable[[float, str], None],
) -> None:
    """Write windows of all clips: float16 (N, count, T, D) and bool (N, count, T) as ``.npy`` files.

    Parameters
    ----------
    measure : callable
        The live extractors' float32 (n,) -> values (T, D), mask (T,).
    count : int
        Versions of a clip, the first as recorded; the others depend on the clip's place and their number alone.
    into : (Path, Path)
        Where values and masks go.
    """
    shape = (len(clips), count, spec.rows)
    drafts = [path.with_suffix(".part.npy") for path in into]
    values = np.lib.format.open_memmap(drafts[0], mode="w+", dtype=np.float16, shape=(*shape, spec.dim))
    mask = np.lib.format.open_memmap(drafts[1], mode="w+", dtype=np.bool_, shape=shape)
    for i, path in enumerate(clips):
        sound = read_sound(path)
        for k in range(count):
            rng = np.random.default_rng((i, k))
            heard = augmented(sound, rng) if k else sound
            measured, mask[i, k] = measure(_cut(heard, round(duration * ANALYSIS_RATE), rng if k else None))
            values[i, k] = measured
        progress((i + 1) / len(clips), f"clip {i + 1}")
    for array in (values, mask):
        array.flush()
    for draft, path in zip(drafts, into, strict=True):
        draft.replace(path)


def _cut(sound: Float32, longest: int, rng: np.random.Generator | None) -> Float32:
    """The loudest stretch of at most ``longest`` samples; with a generator somewhere near it, or only a part."""
    if len(sound) > longest:
        energy = np.cumsum(np.concatenate([[0.0], sound.astype(np.float64) ** 2]))
        begin = int(np.argmax(energy[longest:] - energy[:-longest]))
        if rng is not None:
            begin = int(np.clip(begin + rng.integers(-_WANDER, _WANDER), 0, len(sound) - longest))
        return sound[begin : begin + longest]
    if rng is not None and len(sound) > _SHORTEST and rng.random() < 0.3:
        length = int(rng.integers(_SHORTEST, len(sound)))
        begin = int(rng.integers(0, len(sound) - length + 1))
        return sound[begin : begin + length]
    return sound
