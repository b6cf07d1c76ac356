"""CMU's aligned sequences as npz (``youtube.npz``, ``pom.npz``): 20 steps of GloVe, COVAREP and FACET features.

Arrays are ``audio_SPLIT`` and ``video_SPLIT`` (N, T, D), ``text_SPLIT_emb`` (N, T, D) where there is text, and
``y_SPLIT``: (N, 3) one-hot classes of sentiment, or (N, 17) mean ratings of a speaker's traits, 1 to 7. Padding is at
the end, and is moved to the front, as a live window has it.

Paper: Liang et al., Found in Translation: Learning Robust Joint Representations by Cyclic Translations Between
Modalities, AAAI 2019 (https://arxiv.org/abs/1812.07809), whose code has the files.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.training.samples import Dataset, Samples

SPLITS: Final = ("train", "valid", "test")
KEYS: Final = {Modality.LANGUAGE: "text_{}_emb", Modality.VISUAL: "video_{}", Modality.ACOUSTIC: "audio_{}"}
SENTINELS: Final = (-255.0, 450.0)
"""What lies at or beyond them was not measured (a face or a pitch that was not found)."""
CLASSES: Final = ("class 0", "class 1", "class 2")
"""Of sentiment; the files do not say which is which."""
TRAITS: Final = 17
_TEXT_WIDTH = 300
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def load_cmu(path: Path) -> Dataset:
    """Read a file of either kind.

    Where a split has no text, language is missing in all its samples. Ratings of traits are no shares of labels, and
    are not in the samples: :func:`read_traits` has them.

    Raises
    ------
    SourceError
        It is no such file; names the array and its shape.
    """
    arrays = _arrays(path)
    repaired: Counter[str] = Counter()
    splits = {split: _split(path, arrays, split, repaired) for split in SPLITS}
    return Dataset(splits=splits, recipe=None, source=str(path), repaired=dict(repaired))


def read_traits(path: Path) -> dict[str, Float32]:
    """Mean ratings {split: float32 (N, 17)} of a file with traits.

    Raises
    ------
    SourceError
        It is no such file, or holds classes of sentiment.
    """
    arrays = _arrays(path)
    found = {split: arrays.get(f"y_{split}", np.empty((0, 0), np.float32)) for split in SPLITS}
    for split, y in found.items():
        if y.ndim != 2 or y.shape[1] != TRAITS:
            raise SourceError(f"{path}: y_{split}: expected ratings (N, {TRAITS}), got {y.shape}")
    return found


def _arrays(path: Path) -> Mapping[str, Float32]:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise SourceError(f"{path}: expected CMU's sequences as an .npz file, got one array")
            return {name: np.asarray(found[name], dtype=np.float32) for name in found.files}
    except _BROKEN as error:
        first = " ".join(str(error).split())[:120]
        raise SourceError(f"{path}: expected CMU's sequences as an .npz file of numbers, got: {first}") from error


def _split(path: Path, arrays: Mapping[str, Float32], split: str, repaired: Counter[str]) -> Samples:
    y = _array(path, arrays, f"y_{split}", 2)
    n = len(y)
    if y.shape[1] not in (len(CLASSES), TRAITS):
        raise SourceError(f"{path}: y_{split}: expected (N, {len(CLASSES)}) or (N, {TRAITS}), got {y.shape}")
    labels = CLASSES if y.shape[1] == len(CLASSES) else ()
    features: dict[Modality, Float32] = {}
    mask: dict[Modality, Bool] = {}
    for m in MODALITIES:
        name = KEYS[m].format(split)
        if m is Modality.LANGUAGE and name not in arrays:
            continue
        raw = _array(path, arrays, name, 3)
        if len(raw) != n:
            raise SourceError(f"{path}: {name}: expected {n} samples as in y_{split}, got {raw.shape}")
        features[m], mask[m], count = _repaired(raw)
        repaired[m.word] += count
    features, mask = _padded_first(path, features, mask)
    if Modality.LANGUAGE not in features:
        steps = features[Modality.ACOUSTIC].shape[1]
        features[Modality.LANGUAGE] = np.broadcast_to(np.float32(0), (n, steps, _TEXT_WIDTH))
        mask[Modality.LANGUAGE] = np.zeros((n, steps), dtype=np.bool_)
    return Samples(
        features=features,
        mask=mask,
        emotion=y if labels else np.empty((n, 0), dtype=np.float32),
        sentiment=np.full(n, np.nan, dtype=np.float32),
        labels=labels,
        ids=tuple(f"{path.stem}/{split}/{k}" for k in range(n)),
        groups=("",) * n,
    )


def _array(path: Path, arrays: Mapping[str, Any], name: str, ndim: int) -> Float32:
    if name not in arrays:
        raise SourceError(f"{path}: expected an array {name}, got {', '.join(sorted(arrays))[:120] or 'none'}")
    array: Float32 = arrays[name]
    if array.ndim != ndim or 0 in array.shape[1:]:
        raise SourceError(f"{path}: {name}: expected an array of {ndim} axes, none of them empty, got {array.shape}")
    return array


def _repaired(raw: Float32) -> tuple[Float32, Bool, int]:
    """Rows (N, T, D) with 0 for what was not measured; which rows say anything; how many values were replaced."""
    low, high = SENTINELS
    good = (raw > low) & (raw < high)  # False for NaN too
    values = np.where(good, raw, np.float32(0))
    return values, np.any(values != 0, axis=2), int(raw.size - np.count_nonzero(good))


def _padded_first(
    path: Path, features: Mapping[Modality, Float32], mask: Mapping[Modality, Bool]
) -> tuple[dict[Modality, Float32], dict[Modality, Bool]]:
    """The padding of a sample before its rows; all modalities move alike, so that steps stay aligned."""
    lengths = {real.shape[1] for real in mask.values()}
    if len(lengths) != 1:
        raise SourceError(f"{path}: expected the same number of steps in all modalities, got {sorted(lengths)}")
    steps = lengths.pop()
    real = np.logical_or.reduce(list(mask.values()))
    behind = np.where(real.any(axis=1), real[:, ::-1].argmax(axis=1), 0)  # rows of padding
    order = (np.arange(steps) - behind[:, None]) % steps
    return (
        {m: np.take_along_axis(values, order[..., None], axis=1) for m, values in features.items()},
        {m: np.take_along_axis(rows, order, axis=1) for m, rows in mask.items()},
    )
