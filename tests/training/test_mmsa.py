"""Files in MMSA's format: both kinds, what is repaired, what is refused, and what is kept."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.errors import RecordingError, SourceError
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.training.mmsa import load_mmsa
from tests.training.mmsa_factory import make_mmsa

L, V, A = MODALITIES
SMALL: dict[str, Any] = {"n": {"train": 7, "valid": 3, "test": 4}, "dims": (6, 3, 4)}
KEYS = {L: "text", V: "vision", A: "audio"}


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], Any], **options: Any) -> Path:
    """A small file after ``change`` of what is in it."""
    path = make_mmsa(tmp_path / "set.pkl", **(SMALL | {"lengths": (5, 8, 10)} | options))
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


@pytest.mark.parametrize("lengths", [(6, 6, 6), (5, 8, 10)])
@pytest.mark.parametrize("cached", [False, True])
def test_a_file_becomes_samples(lengths: tuple[int, int, int], cached: bool, tmp_path: Path) -> None:
    path = make_mmsa(tmp_path / "set.pkl", lengths=lengths, **SMALL)
    data = load_mmsa(path, tmp_path / "cache" if cached else None)
    assert list(data.splits) == ["train", "valid", "test"]
    assert data.repaired == {"language": 0, "visual": 0, "acoustic": 0}
    assert data.source == "set.pkl"
    for name, raw in pickle.loads(path.read_bytes()).items():
        samples = data[name]
        assert samples.labels == ()
        assert samples.ids == tuple(raw["id"])
        assert samples.groups == tuple(i.split("$_$")[0] for i in raw["id"])
        assert np.array_equal(samples.sentiment, raw["regression_labels"])
        assert np.array_equal(samples.text_tokens, raw["text_bert"])
        for m in MODALITIES:
            assert samples.features[m].dtype == np.float32
            assert np.array_equal(samples.features[m], raw[KEYS[m]])
            assert np.array_equal(samples.mask[m], raw[KEYS[m]].any(axis=2))  # as the factory pads
    assert len(set(data["train"].groups)) == 3


def test_the_same_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = make_mmsa(tmp_path / "set.pkl", **SMALL), tmp_path / "cache"
    first = load_mmsa(path, cache)
    kept = next(cache.iterdir())
    before = kept.stat().st_mtime_ns
    assert isinstance(first["train"].features[L], np.memmap)
    monkeypatch.setattr("dmd_runtime.training.mmsa.read_pickle", lambda _: pytest.fail("it was read again"))
    assert load_mmsa(path, cache)["train"].ids == first["train"].ids
    monkeypatch.undo()

    kept.write_bytes(kept.read_bytes()[:-1])  # damaged: made again
    assert np.array_equal(load_mmsa(path, cache)["train"].features[L], first["train"].features[L])
    make_mmsa(path, seed=1, **SMALL)  # another file at the same place
    os.utime(path, ns=(before + 10**9, before + 10**9))
    assert load_mmsa(path, cache)["train"].ids != first["train"].ids
    assert len(list(cache.iterdir())) == 2


def test_what_is_no_number_becomes_zero_and_is_counted(tmp_path: Path) -> None:
    def spoil(content: dict[str, Any]) -> None:
        content["train"]["audio"][0, 0, :2] = -np.inf, np.nan
        content["valid"]["audio"][1, 1, 0] = np.inf
        content["test"]["vision"] = content["test"]["vision"].astype(np.float64)
        content["test"]["vision"][0, 0, 0] = 1e300
        content["test"]["audio"][2] = -np.inf

    for cache in (None, tmp_path / "cache"):
        data = load_mmsa(changed(tmp_path, spoil), cache)
        assert data.repaired == {"language": 0, "visual": 1, "acoustic": 3 + 8 * 3}
        assert data["train"].features[A][0, 0, :2].tolist() == [0, 0]
        assert data["train"].features[A][0, 0, 2] != 0
        assert data["train"].mask[A][0, 0]
        assert not data["test"].mask[A][2].any()  # nothing is left: the voice is missing
        assert all(np.isfinite(s.features[m]).all() for s in data.splits.values() for m in MODALITIES)


def test_other_types_orders_and_lists(tmp_path: Path) -> None:
    def rewrite(content: dict[str, Any]) -> None:
        for split in content.values():
            split["text"] = np.asfortranarray(split["text"].astype(">f8"))
            split["regression_labels"] = [float(x) for x in split["regression_labels"]]
            split["id"] = list(split["id"])
            split["text_bert"] = split["text_bert"].astype(np.int64)

    expected = load_mmsa(make_mmsa(tmp_path / "plain.pkl", lengths=(5, 8, 10), **SMALL))
    found = load_mmsa(changed(tmp_path, rewrite))
    for name, samples in expected.splits.items():
        assert np.array_equal(found[name].features[L], samples.features[L])
        assert np.array_equal(found[name].sentiment, samples.sentiment)
        assert np.array_equal(found[name].text_tokens, samples.text_tokens)


def test_lengths_count_only_where_there_are_some(tmp_path: Path) -> None:
    def rewrite(content: dict[str, Any]) -> None:
        train = content["train"]
        train["audio"][:] = 1
        train["audio_lengths"] = [0, 1, 3, 8, 99, 2, 2]
        del train["vision_lengths"]
        train["vision"][:] = 1

    train = load_mmsa(changed(tmp_path, rewrite))["train"]
    assert train.mask[A].sum(axis=1).tolist() == [1, 1, 3, 8, 8, 2, 2]
    assert train.mask[A][2].tolist() == [True] * 3 + [False] * 5
    assert train.mask[V].all()
    aligned = load_mmsa(changed(tmp_path, lambda c: c["train"].update(audio_lengths=[1] * 7), lengths=(5, 5, 5)))
    assert aligned["train"].mask[A].sum() > 7  # meaningless there


def test_without_word_pieces_rows_speak_for_themselves(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda content: [split.pop("text_bert") for split in content.values()])
    train = load_mmsa(path)["train"]
    assert train.text_tokens is None
    assert np.array_equal(train.mask[L], np.any(train.features[L] != 0, axis=2))


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a split is missing": (lambda c: c.pop("valid"), "a split 'valid' with a dictionary of arrays, got train, test"),
    "a split is a list": (lambda c: c.update(test=[]), "a split 'test'"),
    "no text": (
        lambda c: c["train"].pop("text"),
        r"train/text: expected numbers \(7, T, D\), got nothing \(it has aud",
    ),
    "other n": (lambda c: _cut(c, "audio"), r"train/audio: expected numbers \(7, T, D\), got float32 \(6, 8, 3\)"),
    "two axes": (lambda c: _put(c, "vision", np.ones((7, 4))), r"train/vision: .* got float64 \(7, 4\)"),
    "no rows": (lambda c: _put(c, "vision", np.ones((7, 0, 4))), r"train/vision: .* got float64 \(7, 0, 4\)"),
    "texts": (lambda c: _put(c, "audio", np.full((7, 8, 3), "a")), r"train/audio: .* got <U1 \(7, 8, 3\)"),
    "complex": (lambda c: _put(c, "audio", np.ones((7, 8, 3), complex)), "dtype of numbers"),
    "a list of rows": (lambda c: _put(c, "audio", [[1.0]]), "train/audio: .* got a list"),
    "no labels": (lambda c: c["train"].pop("regression_labels"), "train/regression_labels: .* got nothing"),
    "a label too far": (lambda c: _set(c, "regression_labels", 3.5), r"expected scores in \[-3, 3\], got 3.5"),
    "an infinite label": (lambda c: _set(c, "regression_labels", np.inf), "got inf"),
    "no ids": (lambda c: c["train"].pop("id"), "train/id: expected a list of texts, at least one, got nothing"),
    "no samples": (lambda c: _put(c, "id", []), "train/id: .* at least one"),
    "half a piece": (lambda c: _set(c, "text_bert", 0.5), "train/text_bert: .* whole numbers"),
    "a piece below 0": (lambda c: _set(c, "text_bert", -1), "train/text_bert: .* from 0 up"),
    "two rows of pieces": (lambda c: _put(c, "text_bert", np.ones((7, 2, 5))), r"\(7, 3, T\), got float64 \(7, 2, 5\)"),
    "other width": (lambda c: c["test"].update(audio=np.ones((4, 8, 9))), "audio: expected the same rows and width"),
    "lengths of others": (lambda c: _put(c, "audio_lengths", [1, 2]), r"train/audio_lengths: .*\(7\)"),
}


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    content["train"][key] = value


def _cut(content: dict[str, Any], key: str) -> None:
    content["train"][key] = content["train"][key][:-1]


def _set(content: dict[str, Any], key: str, value: float) -> None:
    content["train"][key].reshape(-1)[0] = value


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    change, says = REFUSED[name]
    path = changed(tmp_path, change)
    with pytest.raises(SourceError, match=says) as refused:
        load_mmsa(path, tmp_path / "cache")
    assert str(path) in str(refused.value)
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_another_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(SourceError, match="a dictionary of train, valid, test, got a list"):
        load_mmsa(tmp_path / "list.pkl")
    with pytest.raises(SourceError, match=r"nothing\.pkl: expected a file in MMSA's format"):
        load_mmsa(tmp_path / "nothing.pkl", tmp_path)


def test_a_cache_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RecordingError, match="expected a folder for the cache"):
        load_mmsa(make_mmsa(tmp_path / "set.pkl", **SMALL), tmp_path / "cache")


def test_groups_are_unknown_where_ids_say_none(tmp_path: Path) -> None:
    train = load_mmsa(changed(tmp_path, lambda c: _put(c, "id", np.arange(7))))["train"]
    assert train.ids[3] == "3"
    assert train.groups == ("",) * 7


def test_modalities_are_not_mixed_up(tmp_path: Path) -> None:
    """The order of the file's features is text, audio, vision; ours is language, visual, acoustic."""
    train = load_mmsa(make_mmsa(tmp_path / "set.pkl", dims=(6, 3, 4), lengths=(5, 8, 10), n=SMALL["n"]))["train"]
    shapes = {m: train.features[m].shape[1:] for m in Modality}
    assert shapes == {L: (5, 6), A: (8, 3), V: (10, 4)}
