"""Files in MMSA's format (https://github.com/thuiar/MMSA): a pickle of splits of arrays, read without running it.

``{"train" | "valid" | "test": {"text": (N, T, D), "audio": …, "vision": …, "text_bert": (N, 3, T), "audio_lengths":
(N,), "vision_lengths": (N,), "regression_labels": (N,), "id": (N,), …}}``. Rows stay where the file has them, at the
beginning of a sample (a live window has them at its end): the masks say which are real, and with them the model reads
either.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from dmd_runtime.errors import RecordingError, SourceError
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.training.feature_file import open_dataset, write_dataset
from dmd_runtime.training.safe_pickle import read_pickle
from dmd_runtime.training.samples import Dataset, Samples

logger = logging.getLogger(__name__)

SPLITS: Final = ("train", "valid", "test")
KEYS: Final = {Modality.LANGUAGE: "text", Modality.VISUAL: "vision", Modality.ACOUSTIC: "audio"}
LARGEST: Final = 1e9
"""A feature at or beyond it is no measurement."""
BETWEEN: Final = "$_$"
"""Between the video and the clip in an id."""
_CHUNK = 256  # samples read at once
_READ = 1  # grows when the same file would be read differently


@dataclass(frozen=True)
class Repaired:
    """Features of the file as the program wants them, made when they are read: float32, and 0 where there is no number.

    Attributes
    ----------
    raw : array (N, T, D)
        Numbers of any type and byte order.
    largest : float
    """

    raw: Any
    largest: float = LARGEST

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, D)."""
        return tuple(self.raw.shape)

    @property
    def ndim(self) -> int:
        """3."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Float32:
        return self.mended(rows)[0]

    def mended(self, rows: Any) -> tuple[Float32, int]:
        """Some samples, and how many of their values were replaced."""
        raw = np.asarray(self.raw[rows])
        good = np.abs(raw) < self.largest  # False for NaN too
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(good, raw, 0).astype(np.float32), int(raw.size - np.count_nonzero(good))

    def survey(self) -> tuple[int, Bool]:
        """How many values are replaced, and which rows say anything: bool (N, T)."""
        count, said = 0, np.zeros(self.shape[:2], dtype=np.bool_)
        for begin in range(0, len(self), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            values, replaced = self.mended(part)
            count, said[part] = count + replaced, values.any(axis=2)
        return count, said


def load_mmsa(path: Path, cache: Path | None = None) -> Dataset:
    """Read a file in MMSA's format, aligned or not.

    Masks of language are those of ``text_bert``, where it has one for each row of ``text``; a row of audio or vision
    is real where it says anything (is not all zero) and, in an unaligned file with lengths, lies within its sample's.
    Values that are not finite, or no measurement (1e9 and beyond), become 0 and are counted.

    Parameters
    ----------
    cache : Path, optional
        A folder for a feature file that is mapped from then on; files are known by place, size and time of change.
        Without it all features are in memory.

    Raises
    ------
    SourceError
        The file cannot be read, wants to run something, or a key or shape is not as it should be; names it.
    RecordingError
        The cache cannot be written to.
    """
    kept = None if cache is None else cache / f"{path.stem}-{_identity(path)}.safetensors"
    if kept is not None and kept.is_file():
        try:
            return open_dataset(kept)
        except SourceError as error:
            logger.warning("%s; it is made again", error)
    dataset = _read(path)
    if kept is None:
        splits = {name: replace(s, features=_whole(s)) for name, s in dataset.splits.items()}
        return replace(dataset, splits=splits)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"{cache}: expected a folder for the cache, got: {error.strerror or error}") from error
    write_dataset(dataset, kept)
    return open_dataset(kept)


def _read(path: Path) -> Dataset:
    """The data set with features that are made when they are read."""
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise SourceError(f"{path}: expected a dictionary of {', '.join(SPLITS)}, got a {type(content).__name__}")
    splits, counts = {}, dict.fromkeys((m.word for m in MODALITIES), 0)
    for name in SPLITS:
        found = content.get(name)
        if not isinstance(found, dict):
            got = ", ".join(str(key)[:20] for key in list(content)[:8]) or "nothing"
            raise SourceError(f"{path}: expected a split {name!r} with a dictionary of arrays, got {got}")
        split = _Split(path, name, found)
        splits[name] = split.samples(counts)
    for m in MODALITIES:
        widths = {name: tuple(s.features[m].shape[1:]) for name, s in splits.items()}
        if len(set(widths.values())) > 1:
            raise SourceError(f"{path}: {KEYS[m]}: expected the same rows and width in all splits, got {widths}")
    return Dataset(splits=splits, recipe=None, source=path.name, repaired=counts)


@dataclass(frozen=True)
class _Split:
    """One split of the file, checked key by key."""

    path: Path
    name: str
    content: Mapping[Any, Any]

    def samples(self, counts: dict[str, int]) -> Samples:
        """All of it; ``counts`` learns how much was repaired."""
        ids = self._ids()
        n = len(ids)
        features = {m: Repaired(self._array(KEYS[m], n, "T", "D")) for m in MODALITIES}
        mask = {}
        for m in MODALITIES:
            replaced, mask[m] = features[m].survey()
            counts[m.word] += replaced
        rows = {m: features[m].shape[1] for m in MODALITIES}
        if len(set(rows.values())) > 1:
            for m in (Modality.VISUAL, Modality.ACOUSTIC):
                mask[m] &= self._within(f"{KEYS[m]}_lengths", n, rows[m])
        tokens = self._tokens(n)
        if tokens is not None and tokens.shape[2] == rows[Modality.LANGUAGE]:
            mask[Modality.LANGUAGE] = tokens[:, 1] > 0
        return Samples(
            features=cast("Any", features),  # as good as arrays until they are written or put in memory
            mask=mask,
            emotion=np.empty((n, 0), dtype=np.float32),
            sentiment=self._sentiment(n),
            labels=(),
            ids=ids,
            groups=tuple(i.split(BETWEEN)[0] if BETWEEN in i else "" for i in ids),
            text_tokens=tokens,
        )

    def _ids(self) -> tuple[str, ...]:
        found = self.content.get("id")
        if isinstance(found, np.ndarray) and found.ndim == 1:
            found = found.tolist()
        if not isinstance(found, list) or not found or not all(isinstance(i, str | int | bytes) for i in found):
            raise self._wrong("id", "a list of texts, at least one", found)
        texts = (i.decode("utf-8", "replace") if isinstance(i, bytes) else str(i) for i in found)
        return tuple(text.encode("utf-8", "replace").decode() for text in texts)

    def _array(self, key: str, *shape: int | str) -> Any:
        """An array of numbers of a shape, in which letters stand for any size from 1 up."""
        found = self.content.get(key)
        if isinstance(found, list) and all(isinstance(x, int | float | np.number) for x in found):
            found = np.array(found, dtype=np.float64)
        sizes = getattr(found, "shape", None)
        fits = (
            isinstance(found, np.ndarray)
            and found.dtype.kind in "fiub"
            and len(found.shape) == len(shape)
            and all(f > 0 if isinstance(s, str) else s == f for s, f in zip(shape, found.shape, strict=True))
        )
        if not fits:
            raise self._wrong(key, f"numbers ({', '.join(map(str, shape))})", found, sizes)
        return found

    def _within(self, key: str, n: int, rows: int) -> Bool:
        """Which rows lie within the lengths, (N, T); all of them where the file has none."""
        if self.content.get(key) is None:
            return np.ones((n, rows), dtype=np.bool_)
        lengths = np.nan_to_num(np.asarray(self._array(key, n), dtype=np.float64), nan=1.0)
        return np.asarray(np.arange(rows) < np.clip(lengths, 1, rows)[:, None])

    def _tokens(self, n: int) -> Any:
        if self.content.get("text_bert") is None:
            return None
        found = np.asarray(self._array("text_bert", n, 3, "T"))
        with np.errstate(invalid="ignore"):
            whole = found.astype(np.int32)
        if not np.array_equal(whole, found) or whole.min() < 0 or whole[:, 1].max() > 1:
            raise self._wrong("text_bert", "word pieces, a mask of 0 and 1, segments: whole numbers from 0 up", found)
        return whole

    def _sentiment(self, n: int) -> Float32:
        found = np.array(self._array("regression_labels", n), dtype=np.float32)
        strange = found[~np.isnan(found) & ~(np.abs(found) <= 3)]
        if len(strange):
            raise SourceError(
                f"{self.path}: {self.name}/regression_labels: expected scores in [-3, 3], got {strange[0]:g}"
            )
        return found

    def _wrong(self, key: str, expected: str, found: Any, sizes: Any = None) -> SourceError:
        if found is None:
            known = ", ".join(str(name)[:24] for name in list(self.content)[:16]) or "no keys"
            got = f"nothing (it has {known})"
        elif isinstance(found, np.ndarray):
            got = f"{found.dtype} {found.shape if sizes is None else sizes}"
        else:
            got = f"a {type(found).__name__}"
        return SourceError(f"{self.path}: {self.name}/{key}: expected {expected}, got {got}")


def _whole(samples: Samples) -> dict[Modality, Float32]:
    """All features in memory."""

    def put(lazy: Any) -> Float32:
        whole = np.empty(lazy.shape, dtype=np.float32)
        for part in _parts(len(lazy)):
            whole[part] = lazy[part]
        return whole

    return {m: put(samples.features[m]) for m in MODALITIES}


def _parts(n: int) -> Iterator[slice]:
    return (slice(begin, begin + _CHUNK) for begin in range(0, n, _CHUNK))


def _identity(path: Path) -> str:
    """Changes with the file, without reading it."""
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: expected a file in MMSA's format, got: {error.strerror or error}") from error
    said = f"{_READ} {path.resolve()} {found.st_size} {found.st_mtime_ns}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]
