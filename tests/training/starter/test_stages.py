"""The parts before the model: splits that share nobody, and a cache that makes nothing twice."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.errors import SourceError
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.visual import NAMES
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.training.starter import stages as module
from dmd_runtime.training.starter.faces import FaceSchedule
from dmd_runtime.training.starter.stages import TEST_ACTORS, VALID_ACTORS, Corpora, Stages, valence
from dmd_runtime.training.starter.text import Texts, TextSchedule
from tests.training.starter.starter_factory import (
    A,
    MadeVisual,
    make_corpora,
    make_stages,
    make_text_encoder,
)

TEXT = TextSchedule(epochs=1, batch=8, rank=2)
FACE = FaceSchedule(epochs=1, batch=4, channels=2, embedding=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpora(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def corpora(data: Path) -> Corpora:
    return Corpora.read(data)


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_encoder(tmp_path_factory.mktemp("text"))


@pytest.fixture(autouse=True)
def made_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VisualExtractor", MadeVisual)


@pytest.fixture
def make(data: Path, text_folder: Path, tmp_path: Path) -> Callable[..., Stages]:
    return lambda told=None, **more: make_stages(
        data, text_folder, tmp_path / "cache", [] if told is None else told, **more
    )


def everything(stages: Stages) -> list[object]:
    with torch.random.fork_rng(devices=[]):
        text, face = stages.text_encoder(TEXT), stages.face_encoder(FACE)
        rows, lengths = stages.words(text)
        return [
            text.identity,
            face.identity,
            np.array(rows),
            lengths,
            stages.face_rows(face, 3),
            *stages.voice_windows(2),
        ]


def test_no_actor_is_in_two_splits(corpora: Corpora) -> None:
    of: dict[str, set[str]] = {}
    for clip, split in zip(corpora.voices, corpora.splits()["voices"], strict=True):
        of.setdefault(str(split), set()).add(clip.group)
    assert of == {"train": {"1", "2", "3", "16"}, "valid": {*VALID_ACTORS}, "test": {*TEST_ACTORS}}


def test_faces_and_sentences_for_testing_are_the_sets_own(corpora: Corpora) -> None:
    splits = corpora.splits()
    assert corpora.dev == (7 + 1, 3)
    assert splits["sentences"].tolist() == ["train"] * 10 + ["valid"] * 7 + ["test"] * 8
    assert splits["utterances"].tolist() == ["train"] * 3 + ["test"] * 3
    assert splits["faces"].tolist() == ["train"] * 7 + ["valid"] * 7 + ["test"] * 7 + ["train"]
    assert all(face.usage == "PublicTest" for face in corpora.faces[14:21])


def test_a_sample_stays_in_its_split_whatever_stands_around_it(corpora: Corpora) -> None:
    assert [module._bucket(name, 14) for name in ("fer0000000.png", "fer0000001.png", "eebbqej")] == [13, 4, 9]
    turned = replace(corpora, faces=corpora.faces[::-1], voices=corpora.voices[5:], sentences=corpora.sentences[3:])
    before, after = corpora.splits(), turned.splits()
    assert after["faces"].tolist() == before["faces"].tolist()[::-1]
    assert after["voices"].tolist() == before["voices"].tolist()[5:]
    assert after["sentences"].tolist() == before["sentences"].tolist()[3:]
    shares = np.bincount([module._bucket(f"name {k}", 20) for k in range(4000)], minlength=20) / 4000
    assert abs(shares - 0.05).max() < 0.02


def test_what_is_in_the_cache_is_not_made_again(make: Callable[..., Stages]) -> None:
    told: list[str] = []
    first = everything(make(told))
    assert {"words", "faces", "voices"} <= {*told}
    told.clear()
    before, made = MadeVisual.made, make(told)
    files = {path: path.stat().st_mtime_ns for path in made._cache.iterdir()}
    for one, other in zip(everything(made), first, strict=True):
        np.testing.assert_array_equal(one, other)
    assert told == []
    assert MadeVisual.made == before
    assert {path: path.stat().st_mtime_ns for path in made._cache.iterdir()} == files
    assert not [path for path in files if ".part" in path.name]


def test_other_settings_seeds_and_sources_have_other_files(make: Callable[..., Stages], corpora: Corpora) -> None:
    stages, other, changed = make(), make(seed=1), make()
    changed.corpora = replace(corpora, sources={**corpora.sources, "ferplus": "other"})
    keys = [s._key("face", {"a": a}, s.corpora.sources["ferplus"]) for s in (stages, other, changed) for a in (1, 2)]
    assert len({*keys}) == 6
    assert stages._key("face rows", {}) == make()._key("face rows", {})
    assert stages._key("face rows", {}).startswith("face-rows-")


def test_the_text_encoder_learns_from_the_training_split_alone(
    make: Callable[..., Stages], corpora: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Texts] = []

    def tune(folder: Path, texts: Texts, *_: object) -> Encoder:
        seen.append(texts)
        return Encoder(config={}, tensors={"a": torch.zeros(1)})

    monkeypatch.setattr(module.text_training, "tune", tune)
    make().text_encoder(TEXT)
    (texts,) = seen
    assert list(texts.text) == [s.text for s in (*corpora.sentences[:10], *corpora.utterances[:3])]
    assert texts.weight.tolist() == pytest.approx([1.0] * 10 + [module.MELD_WEIGHT] * 3)
    assert texts.weight.dtype == texts.sentiment.dtype == np.float32
    assert texts.sentiment[10:].tolist() == [1, -1, 0]  # MELD's own
    np.testing.assert_array_equal(texts.sentiment[:10], valence(texts.emotion[:10]))


def test_words_are_the_live_extractors_rows(make: Callable[..., Stages], corpora: Corpora, text_folder: Path) -> None:
    stages = make()
    with torch.random.fork_rng(devices=[]):
        delta = stages.text_encoder(TEXT)
    rows, lengths = stages.words(delta)
    live = TextEncoder(text_folder, delta=delta)
    ends = np.cumsum(lengths)
    texts = [s.text for s in (*corpora.sentences, *corpora.utterances)]
    assert (len(lengths), ends[-1], rows.dtype) == (len(texts), len(rows), np.float16)
    for k in (0, 11, len(texts) - 1):
        expected = live.encode(texts[k].split()).values
        np.testing.assert_allclose(rows[ends[k] - lengths[k] : ends[k]], expected, atol=5e-3)


def test_a_face_that_is_not_found_is_said_and_nobody_learns_from_it(
    make: Callable[..., Stages], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, seen = make(), []
    measured = stages.measured_faces()
    assert measured["found"].tolist() == [False] + [True] * 21  # the first is nearly black
    assert measured["rows"].shape == (22, len(NAMES))
    assert (measured["patches"].dtype, measured["patches"].shape) == (np.uint8, (22, 48, 48))
    assert not measured["rows"][0].any()
    fit = module.face_training.fit
    monkeypatch.setattr(module.face_training, "fit", lambda faces, *more: seen.append(faces) or fit(faces, *more))
    with torch.random.fork_rng(devices=[]):
        encoder = stages.face_encoder(FACE)
    assert seen[0].votes.argmax(axis=1).tolist() == [1, 2, 3, 4, 5, 6, 0]
    rows = stages.face_rows(encoder, 2)
    assert (rows.shape, rows.dtype) == ((22, 2, len(NAMES) + 3), np.float32)
    np.testing.assert_array_equal(rows[:, 0, : len(NAMES)], measured["rows"])


def test_voices_are_windows_of_the_recipe(make: Callable[..., Stages]) -> None:
    stages = make()
    values, mask = stages.voice_windows(2)
    spec = stages.extractors.recipe.specs[A]
    assert (values.shape, values.dtype) == ((64, 2, spec.rows, spec.dim), np.float16)
    assert isinstance(values, np.memmap)
    assert mask[:, 0].sum(axis=1).tolist() == [spec.rows * 0.6 / stages.extractors.recipe.duration] * 64


def test_a_cache_that_would_run_code_is_refused(make: Callable[..., Stages]) -> None:
    stages = make()
    rows = stages.face_rows(encoder := stages.face_encoder(FACE), 2)
    (path,) = stages._cache.glob("face-rows-*.npy")
    body = io.BytesIO()
    np.save(body, np.array([print, len(rows)], dtype=object), allow_pickle=True)
    path.write_bytes(body.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        stages.face_rows(encoder, 2)


def test_valence_is_the_labels_sign_and_unknown_for_surprise() -> None:
    found = dict(zip(LABELS, valence(np.eye(7, dtype=np.float32)), strict=True))
    assert np.isnan(found.pop("surprise"))
    assert found == {"happiness": 1, "neutral": 0, "sadness": -1, "anger": -1, "fear": -1, "disgust": -1}
    mixed = np.zeros((1, 7), dtype=np.float32)
    mixed[0, [LABELS.index("happiness"), LABELS.index("neutral")]] = 0.5
    assert valence(mixed).tolist() == [0.5]


@pytest.mark.parametrize("gone", ["goemotions/ekman_dev.tsv", "meld/train_sent_emo.csv", "ferplus/labels.csv"])
def test_a_set_that_is_missing_is_named(gone: str, tmp_path: Path) -> None:
    root = make_corpora(tmp_path)
    (root / gone).unlink()
    with pytest.raises(SourceError, match=gone.split("/", maxsplit=1)[0]):
        Corpora.read(root)
