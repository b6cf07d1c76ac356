"""The feature file, ``dmd-features/1``: a data set in one safetensors file that is mapped, not read.

Tensors of each split S: ``S/m/features`` F32 (N, T_m, D_m) and ``S/m/mask`` BOOL (N, T_m) for m in L, V, A;
``S/emotion`` F32 (N, C); ``S/sentiment`` F32 (N); where there are word pieces ``S/text_tokens`` I32 (N, 3, T). All else
is JSON in the header's metadata; ``docs/data.md`` has the format in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from dmd_runtime.errors import ConfigError, RecordingError, SourceError
from dmd_runtime.modality import MODALITIES
from dmd_runtime.model import strict_json
from dmd_runtime.training.samples import Dataset, Samples
from dmd_runtime.whole_file import whole_file

FORMAT: Final = "dmd-features/1"
MAX_HEADER: Final = 10**8
"""Bytes of a header; the library's own limit."""
_ALIGN = 64  # bytes: where the tensors begin
_CHUNK = 1 << 24  # bytes written at once
_TYPES: Final = {"F32": np.dtype("<f4"), "I32": np.dtype("<i4"), "BOOL": np.dtype(np.bool_)}
_ORDER: Final = {"train": 0, "valid": 1, "test": 2}


def write_dataset(dataset: Dataset, path: Path, *, notes: Mapping[str, Any] | None = None) -> None:
    """Write the file, whole or not at all.

    Arrays are taken in slices, so that they may be larger than memory, or made while they are read.

    Parameters
    ----------
    dataset : Dataset
        With at least one split; all have the same labels.
    notes : mapping, optional
        More to say about it, as JSON; :func:`read_notes` gives it back.

    Raises
    ------
    ConfigError
        The data set is not as the format wants it.
    RecordingError
        It cannot be written there.
    """
    tensors = dict(_tensors(dataset))
    header = _header(dataset, tensors, notes or {})
    try:
        with whole_file(path) as file:
            file.write(header)
            for kind, array in tensors.values():
                _write(file, array, _TYPES[kind])
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecordingError(f"{path}: expected a place that can be written to, got: {reason}") from error


def open_dataset(path: Path) -> Dataset:
    """Map a feature file; its features are read when they are asked for.

    Raises
    ------
    SourceError
        It is missing, damaged, no such file, or its tensors do not fit its metadata; names the tensor and its shape.
    """
    header, begin = _read_header(path)
    metadata = _metadata(path, header)
    splits, labels = _described(path, metadata, "splits"), tuple(_described(path, metadata, "labels", list))
    body = np.memmap(path, dtype=np.uint8, mode="r", offset=begin) if path.stat().st_size > begin else np.empty(0, "u1")

    def tensor(name: str, kind: str, *shape: int | str) -> Any:
        entry: dict[str, Any] = header.get(name) or {"dtype": "none", "shape": []}
        found = (entry["dtype"], *entry["shape"])
        fits = len(found) == 1 + len(shape) and all(
            isinstance(s, str) or s == f for s, f in zip(shape, found[1:], strict=True)
        )
        if found[0] != kind or not fits:
            expected = f"{kind} ({', '.join(map(str, shape))})"
            raise SourceError(f"{path}: {name}: expected {expected}, got {found[0]} {list(found[1:])}")
        first, last = entry["data_offsets"]
        return body[first:last].view(_TYPES[kind]).reshape(entry["shape"])

    made = {}
    for split, names in sorted(splits.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))):
        ids, groups = (_texts(path, names, f"{split} {key}", key) for key in ("ids", "groups"))
        n = len(ids)
        mask = {m: tensor(f"{split}/{m.value}/mask", "BOOL", n, "T") for m in MODALITIES}
        tokens = f"{split}/text_tokens"
        samples = Samples(
            features={m: tensor(f"{split}/{m.value}/features", "F32", n, mask[m].shape[1], "D") for m in MODALITIES},
            mask=mask,
            emotion=tensor(f"{split}/emotion", "F32", n, len(labels)),
            sentiment=tensor(f"{split}/sentiment", "F32", n),
            labels=labels,
            ids=ids,
            groups=groups if len(groups) == n else _short_of(path, split, n, len(groups)),
            text_tokens=tensor(tokens, "I32", n, 3, "T") if tokens in header else None,
        )
        _check_values(path, split, samples)
        made[split] = samples
    return Dataset(
        splits=made,
        recipe=_described(path, metadata, "recipe", dict, type(None)),
        source=str(_described(path, metadata, "source", str)),
        repaired=_described(path, metadata, "repaired"),
    )


def read_notes(path: Path) -> Mapping[str, Any]:
    """What was said about a data set when it was written.

    Raises
    ------
    SourceError
        As :func:`open_dataset`.
    """
    notes: Mapping[str, Any] = _described(path, _metadata(path, _read_header(path)[0]), "notes")
    return notes


def _tensors(dataset: Dataset) -> Iterator[tuple[str, tuple[str, Any]]]:
    """(name, (type, array)) in the file's order: wide types first, so that each stands where its type may."""
    if not dataset.splits:
        raise ConfigError(f"{dataset.source}: expected at least one split to write, got none")
    for split, s in dataset.splits.items():
        for m in MODALITIES:
            yield f"{split}/{m.value}/features", ("F32", s.features[m])
        yield f"{split}/emotion", ("F32", s.emotion)
        yield f"{split}/sentiment", ("F32", s.sentiment)
        if s.text_tokens is not None:
            yield f"{split}/text_tokens", ("I32", s.text_tokens)
    for split, s in dataset.splits.items():
        for m in MODALITIES:
            yield f"{split}/{m.value}/mask", ("BOOL", s.mask[m])


def _header(dataset: Dataset, tensors: Mapping[str, tuple[str, Any]], notes: Mapping[str, Any]) -> bytes:
    labels = {samples.labels for samples in dataset.splits.values()}
    if len(labels) != 1:
        raise ConfigError(f"{dataset.source}: expected the same labels in all splits, got {sorted(labels)}")
    said = {
        "labels": labels.pop(),
        "recipe": dataset.recipe,
        "source": dataset.source,
        "repaired": dict(dataset.repaired),
        "splits": {name: {"ids": s.ids, "groups": s.groups} for name, s in dataset.splits.items()},
        "notes": dict(notes),
    }
    entries: dict[str, Any] = {
        "__metadata__": {"format": FORMAT, **{name: strict_json.write(value) for name, value in said.items()}}
    }
    at = 0
    for name, (kind, array) in tensors.items():
        size = int(np.prod(array.shape, dtype=np.int64)) * _TYPES[kind].itemsize
        entries[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGN)
    if len(text) > MAX_HEADER:
        raise ConfigError(f"{dataset.source}: expected ids and groups of at most 100 MB, got {len(text) / 1e6:.0f} MB")
    return len(text).to_bytes(8, "little") + text


def _write(file: BinaryIO, array: Any, kind: np.dtype[Any]) -> None:
    """The bytes of an array, some rows at a time."""
    row = int(np.prod(array.shape[1:], dtype=np.int64)) * kind.itemsize
    rows = max(1, _CHUNK // max(1, row))
    for begin in range(0, len(array), rows):
        file.write(np.ascontiguousarray(array[begin : begin + rows], dtype=kind).data.cast("B") if row else b"")


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors begin. The library checks sizes, types and offsets; nothing is loaded."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if 2 <= length <= MAX_HEADER else b""
        with safe_open(path, framework="np"):
            pass
        header = strict_json.parse(text)
    except OSError as error:
        raise SourceError(f"{path}: expected a feature file ({FORMAT}), got: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        first = " ".join(str(error).split())[:120]
        raise SourceError(f"{path}: expected a whole feature file ({FORMAT}), got something else: {first}") from error
    return header, 8 + length


def _metadata(path: Path, header: dict[str, Any]) -> dict[str, str]:
    metadata: dict[str, str] = header.pop("__metadata__", None) or {}
    if metadata.get("format") != FORMAT:
        raise SourceError(f"{path}: expected format {FORMAT}, got {str(metadata.get('format', 'none'))[:80]}")
    return metadata


def _described(path: Path, metadata: Mapping[str, str], name: str, *kinds: type) -> Any:
    """One entry of the metadata, parsed; by default an object."""
    try:
        value = strict_json.parse(metadata.get(name, ""))
    except ValueError as error:
        raise SourceError(f"{path}: its {name}: expected JSON, got {' '.join(str(error).split())[:80]}") from error
    if not isinstance(value, kinds or dict):
        wanted = " or ".join(kind.__name__ for kind in kinds or (dict,))
        raise SourceError(f"{path}: its {name}: expected {wanted}, got {type(value).__name__}")
    return value


def _texts(path: Path, names: Any, what: str, key: str) -> tuple[str, ...]:
    found = names.get(key) if isinstance(names, dict) else None
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise SourceError(f"{path}: its {what}: expected a list of texts")
    return tuple(found)


def _short_of(path: Path, split: str, expected: int, found: int) -> Any:
    raise SourceError(f"{path}: its {split} groups: expected {expected}, one for each id, got {found}")


def _check_values(path: Path, split: str, samples: Samples) -> None:
    """Masks are bits, shares are shares and scores in their range; features are not read for it."""
    for m in MODALITIES:
        if samples.mask[m].size and samples.mask[m].view(np.uint8).max() > 1:
            raise SourceError(f"{path}: {split}/{m.value}/mask: expected 0 and 1 as bytes, got others")
    for name, values, low, high in (
        ("emotion", samples.emotion, 0.0, 1.001),
        ("sentiment", samples.sentiment, -3.001, 3.001),
    ):
        strange = values[~np.isnan(values) & ~((values >= low) & (values <= high))]
        if len(strange):
            raise SourceError(f"{path}: {split}/{name}: expected [{low:.0f}, {high:.0f}] or NaN, got {strange[0]:g}")
