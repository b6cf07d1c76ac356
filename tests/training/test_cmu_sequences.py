"""CMU's sequences: what was not measured is masked and counted, padding is moved to the front."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.errors import SourceError
from dmd_runtime.modality import Modality
from dmd_runtime.training.cmu_sequences import CLASSES, load_cmu, read_traits
from tests.shared_data import shared

L, V, A = Modality


def file(tmp_path: Path, **changes: Any) -> Path:
    """A small file with classes; ``changes`` over its arrays, None leaves one out."""
    arrays: dict[str, Any] = {}
    for split, n in (("train", 3), ("valid", 2), ("test", 2)):
        arrays[f"audio_{split}"] = np.ones((n, 4, 5), np.float32)
        arrays[f"video_{split}"] = np.ones((n, 4, 2), np.float32)
        arrays[f"y_{split}"] = np.eye(3, dtype=np.float32)[:n]
    arrays["text_test_emb"] = np.ones((2, 4, 6), np.float32)
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(tmp_path / "set.npz", **kept)
    return tmp_path / "set.npz"


def test_padding_comes_first_and_what_was_not_measured_is_masked(tmp_path: Path) -> None:
    audio = np.zeros((3, 4, 5), np.float32)
    audio[0, :2] = [[1], [2]]  # two rows, two of padding
    audio[1] = [[1], [0], [3], [4]]  # a gap
    audio[1, 2, 0], audio[1, 3] = np.nan, -255
    video = np.zeros((3, 4, 2), np.float32)
    video[:2, 1] = 7  # one row, the second
    data = load_cmu(file(tmp_path, audio_train=audio, video_train=video))
    train = data["train"]
    assert train.features[A][:, :, 1].tolist() == [[0, 0, 1, 2], [0, 1, 0, 3], [0, 0, 0, 0]]
    assert train.mask[A].tolist() == [[0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert train.features[A][1, 3, 0] == 0
    assert train.mask[V].tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]  # beside the same row of sound
    assert data.repaired == {"acoustic": 6, "visual": 0, "language": 0}


def test_language_is_missing_where_a_split_has_no_text(tmp_path: Path) -> None:
    data = load_cmu(file(tmp_path))
    assert not data["train"].mask[L].any()
    assert data["test"].mask[L].all()
    assert data["test"].labels == CLASSES
    assert data["train"].ids == ("set/train/0", "set/train/1", "set/train/2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_valid": None}, "expected an array y_valid"),
        ({"video_test": None}, "expected an array video_test"),
        ({"y_train": np.zeros((3, 4))}, r"y_train: expected \(N, 3\) or \(N, 17\), got \(3, 4\)"),
        ({"audio_train": np.zeros((2, 4, 5))}, r"audio_train: expected 3 samples as in y_train, got \(2, 4, 5\)"),
        ({"audio_train": np.zeros((3, 4))}, r"audio_train: expected an array of 3 axes, none .* got \(3, 4\)"),
        ({"video_train": np.ones((3, 5, 2))}, r"the same number of steps in all modalities, got \[4, 5\]"),
        ({"audio_train": np.array(["a"])}, "expected CMU's sequences as an .npz file of numbers"),
        ({"audio_train": np.array([{}], dtype=object)}, "expected CMU's sequences as an .npz file of numbers"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=rf"set\.npz: .*{message}|set\.npz: {message}"):
        load_cmu(file(tmp_path, **changes))


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    for name, body in (("a.npz", b"PK\x03\x04"), ("b.npz", b""), ("c.npz", b"text")):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(SourceError, match=r"expected CMU's sequences as an \.npz file"):
            load_cmu(tmp_path / name)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(SourceError, match="got one array"):
        load_cmu(tmp_path / "one.npy")
    with pytest.raises(SourceError, match="expected ratings"):
        read_traits(file(tmp_path))


def test_the_youtube_file() -> None:
    data = load_cmu(shared("data", "cmu_seq", "youtube.npz"))
    assert {split: len(samples) for split, samples in data.splits.items()} == {"train": 173, "valid": 36, "test": 60}
    for samples in data.splits.values():
        assert samples.emotion.sum(axis=1).tolist() == [1] * len(samples)
        real = samples.mask[L] | samples.mask[V] | samples.mask[A]
        assert real[real.any(axis=1), -1].all()
        assert all(np.isfinite(samples.features[m]).all() for m in (L, V, A))
    assert data["valid"].mask[L].any(axis=1).sum() == 35  # one has no words
    assert data.repaired["acoustic"] == 1


def test_the_file_of_traits() -> None:
    path = shared("data", "cmu_seq", "pom.npz")
    data, traits = load_cmu(path), read_traits(path)
    for split, samples in data.splits.items():
        assert samples.labels == ()
        assert traits[split].shape == (len(samples), 17)
        assert 0 < traits[split].min() <= traits[split].max() <= 7
