"""The feature file: what is written is what is mapped, whole or not at all, and nothing else is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dmd_runtime.errors import ConfigError, RecordingError, SourceError
from dmd_runtime.modality import MODALITIES
from dmd_runtime.training.feature_file import FORMAT, open_dataset, read_notes, write_dataset
from dmd_runtime.training.samples import Dataset
from tests.training.training_factory import make_samples

L, V, A = MODALITIES
NAMES = ("a", "b", "c")


def dataset(**changes: Any) -> Dataset:
    splits = {name: make_samples(n, seed=n, labels=NAMES, tokens=True) for name, n in (("train", 9), ("test", 4))}
    return replace(Dataset(splits=splits, recipe={"id": "abc"}, source="made up", repaired={"acoustic": 3}), **changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written, path = dataset(), tmp_path / "a.safetensors"
    write_dataset(written, path, notes={"broken": {"x": "y"}})
    read = open_dataset(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert (read.recipe, read.source, read.repaired) == (written.recipe, written.source, written.repaired)
    assert read_notes(path) == {"broken": {"x": "y"}}
    for name, expected in written.splits.items():
        found = read[name]
        assert (found.ids, found.groups, found.labels) == (expected.ids, expected.groups, expected.labels)
        for m in MODALITIES:
            assert isinstance(found.features[m], np.memmap)
            np.testing.assert_array_equal(found.features[m], expected.features[m])
            np.testing.assert_array_equal(found.mask[m], expected.mask[m])
            assert found.features[m].flags.aligned
            with pytest.raises(ValueError, match="read-only"):
                found.features[m][0] = 0
        np.testing.assert_array_equal(found.emotion, expected.emotion)
        np.testing.assert_array_equal(found.sentiment, expected.sentiment)
        np.testing.assert_array_equal(found.text_tokens, expected.text_tokens)


def test_any_reader_of_safetensors_reads_it(tmp_path: Path) -> None:
    written, path = dataset(), tmp_path / "a.safetensors"
    write_dataset(written, path)
    tensors = load_file(path)
    assert set(tensors) == {
        f"{split}/{name}"
        for split in ("train", "test")
        for name in (
            *(f"{m}/{what}" for m in "LVA" for what in ("features", "mask")),
            *("emotion", "sentiment", "text_tokens"),
        )
    }
    np.testing.assert_array_equal(tensors["test/A/features"], written["test"].features[A])


def test_without_labels_or_pieces(tmp_path: Path) -> None:
    samples = make_samples(3, labels=(), sentiment=False)
    write_dataset(dataset(splits={"train": samples}, recipe=None), tmp_path / "a.safetensors")
    read = open_dataset(tmp_path / "a.safetensors")
    assert read.recipe is None
    assert read["train"].text_tokens is None
    assert read["train"].emotion.shape == (3, 0)
    assert np.isnan(read["train"].sentiment).all()


def test_equal_data_are_equal_bytes_whatever_the_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(dataset(), tmp_path / "a")
    monkeypatch.setattr("dmd_runtime.training.feature_file._CHUNK", 1)
    write_dataset(dataset(), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_write_that_fails_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_dataset(dataset(), path)
    before = path.read_bytes()

    class Broken:
        shape, ndim = (9, 8, 6), 3

        def __len__(self) -> int:
            return 9

        def __getitem__(self, rows: Any) -> Any:
            raise OSError("the disk is full")

    train = dataset()["train"]
    broken: Any = {**train.features, L: Broken()}
    with pytest.raises(RecordingError, match="the disk is full"):
        write_dataset(dataset(splits={"train": replace(train, features=broken)}), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(RecordingError, match="expected a place that can be written to"):
        write_dataset(dataset(), tmp_path / "nowhere" / "a.safetensors")


def test_no_splits_or_other_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected at least one split"):
        write_dataset(dataset(splits={}), tmp_path / "a")
    mixed = {"train": make_samples(3, labels=NAMES), "test": make_samples(3, labels=("x",))}
    with pytest.raises(ConfigError, match="the same labels in all splits"):
        write_dataset(dataset(splits=mixed), tmp_path / "a")


def rewritten(tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Path:
    """A whole file with other tensors or metadata."""
    path = tmp_path / "a.safetensors"
    write_dataset(dataset(), path)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)
    return path


WRONG: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "other format": (lambda _, m: m.update(format="dmd-features/9"), f"expected format {FORMAT}, got dmd-features/9"),
    "no metadata": (lambda _, m: m.clear(), "got none"),
    "a tensor is missing": (lambda t, _: t.pop("train/V/mask"), r"train/V/mask: expected BOOL \(9, T\), got none"),
    "other n": (lambda t, _: t.update({"test/sentiment": np.zeros(3, "f4")}), r"expected F32 \(4\), got F32 \[3\]"),
    "other type": (lambda t, _: t.update({"test/sentiment": np.zeros(4, "f8")}), r"expected F32 \(4\), got F64"),
    "other rows": (
        lambda t, _: t.update({"test/L/features": np.zeros((4, 7, 6), "f4")}),
        r"test/L/features: expected F32 \(4, 8, D\), got F32 \[4, 7, 6\]",
    ),
    "other labels": (lambda _, m: m.update(labels='["a"]'), r"train/emotion: expected F32 \(9, 1\), got F32 \[9, 3\]"),
    "labels are no list": (lambda _, m: m.update(labels="{}"), "its labels: expected list, got dict"),
    "no json": (lambda _, m: m.update(splits="{"), "its splits: expected JSON"),
    "no ids": (lambda _, m: m.update(splits='{"train":{}}'), "its train ids: expected a list of texts"),
    "groups of others": (
        lambda _, m: m.update(splits='{"test":{"ids":["a","b","c","d"],"groups":["x"]}}'),
        "its test groups: expected 4, one for each id, got 1",
    ),
    "a score too far": (
        lambda t, _: t["train/sentiment"].fill(4),
        r"train/sentiment: expected \[-3, 3\] or NaN, got 4",
    ),
    "shares below 0": (lambda t, _: t["train/emotion"].fill(-1), r"train/emotion: expected \[0, 1\] or NaN, got -1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name: str, tmp_path: Path) -> None:
    change, says = WRONG[name]
    path = rewritten(tmp_path, change)
    with pytest.raises(SourceError, match=says) as refused:
        open_dataset(path)
    assert str(path) in str(refused.value)


def test_a_mask_of_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_dataset(dataset(), path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(SourceError, match="test/A/mask: expected 0 and 1 as bytes"):
        open_dataset(path)


def test_parts_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_dataset(dataset(), path)
    body = path.read_bytes()
    for spoilt in (b"", body[:7], body[:100], body[:-1], body + b"x", b"\xff" * 8 + body[8:], b"PK\x03\x04" * 9):
        path.write_bytes(spoilt)
        with pytest.raises(SourceError, match="expected a whole feature file"):
            open_dataset(path)
    with pytest.raises(SourceError, match="No such file"):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(SourceError, match="directory"):
        open_dataset(tmp_path)
