"""Readers of the corpora: what they read, what they leave out and count, and what they say to what they cannot read."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.corpora.corpus import UNCERTAIN
from dmd_runtime.corpora.faces import read_ferplus
from dmd_runtime.corpora.labels import label_index
from dmd_runtime.corpora.sentences import read_goemotions, read_meld
from dmd_runtime.corpora.voices import read_voices
from dmd_runtime.errors import SourceError
from dmd_runtime.streaming.extractors import LABELS
from tests.corpora.corpus_factory import make_all, make_emodb, make_ferplus, make_goemotions, make_meld, make_ravdess
from tests.shared_data import shared


def names(corpus) -> list[str]:
    return [LABELS[sample.label] for sample in corpus.samples]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("calm", "neutral"),
        ("Joy", "happiness"),
        (" happy ", "happiness"),
        ("fear/anxiety", "fear"),
        ("boredom", None),
        ("", None),
        ("sad/angry", None),
        *((label, label) for label in LABELS),
    ],
)
def test_names_of_emotions(name: str, label: str | None) -> None:
    assert label_index(name) == (None if label is None else LABELS.index(label))


def test_ravdess(tmp_path: Path) -> None:
    corpus = read_voices(make_ravdess(tmp_path / "r"))
    assert names(corpus) == ["neutral", "neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"]
    first = corpus.samples[0]
    assert (first.id, first.group, first.path) == ("clip-0", "1", tmp_path / "r" / "audio16k" / "clip-0.flac")
    assert first.emotion.tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert (corpus.n_excluded, corpus.n_missing) == (0, 0)


def test_emodb_leaves_boredom_out_and_knows_speakers_by_name(tmp_path: Path) -> None:
    corpus = read_voices(make_emodb(tmp_path / "e"), "emodb")
    assert (names(corpus), corpus.n_excluded) == (["happiness", "anger"], 1)
    assert [sample.group for sample in corpus.samples] == ["03", "08"]


def test_any_sound_file_will_do_and_missing_ones_are_counted(tmp_path: Path) -> None:
    folder = make_ravdess(tmp_path / "r", suffix=".wav")
    (folder / "audio16k" / "clip-3.wav").unlink()
    (folder / "audio16k" / "clip-2.flac").touch()
    corpus = read_voices(folder)
    assert (len(corpus), corpus.n_missing) == (7, 1)
    assert corpus.samples[2].path.suffix == ".flac"


def test_no_sound_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,emotion\na,sad\n")
    with pytest.raises(SourceError, match=r"labels.csv: expected sound in .*audio16k/a.flac, found no such file"):
        read_voices(tmp_path)


def test_ferplus(tmp_path: Path) -> None:
    folder = make_ferplus(tmp_path / "f", ["neutral", "", "contempt", "fear"])
    corpus = read_ferplus(folder)
    assert (names(corpus), corpus.n_excluded) == (["neutral", "fear"], 2)
    assert [np.unique(face.image).tolist() for face in corpus.samples] == [[10], [40]]
    assert corpus.samples[0].image.shape == (48, 48)
    assert corpus.samples[0].emotion[LABELS.index("neutral")] == 1


def test_ferplus_for_training_keeps_ties_with_their_votes(tmp_path: Path) -> None:
    corpus = read_ferplus(make_ferplus(tmp_path / "f", ["neutral", "", "contempt"]), soft=True)
    assert [face.label for face in corpus.samples] == [LABELS.index("neutral"), UNCERTAIN]
    assert corpus.samples[1].emotion[:2].tolist() == [0.5, 0.5]
    assert corpus.n_excluded == 1


def test_ferplus_of_one_usage(tmp_path: Path) -> None:
    folder = make_ferplus(tmp_path / "f", usage="PublicTest")
    assert len(read_ferplus(folder, "publictest")) == 7
    with pytest.raises(SourceError, match="expected faces of usage Training, it has PublicTest"):
        read_ferplus(folder, "Training")


def test_a_face_outside_its_sheet_is_an_error(tmp_path: Path) -> None:
    folder = make_ferplus(tmp_path / "f", ["fear"])
    table = (folder / "labels.csv").read_text().replace("sheet_00.webp,0,0", "sheet_00.webp,2,0")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(SourceError, match=r"inside sheet_00.webp \(2 rows, 50 columns\), got row 2, col 0"):
        read_ferplus(folder)


def test_faces_without_their_sheet_are_counted_and_no_sheet_at_all_is_an_error(tmp_path: Path) -> None:
    folder = make_ferplus(tmp_path / "f", ["fear", "anger"])
    table = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(table + table.splitlines()[-1].replace("sheet_00", "sheet_01") + "\n")
    corpus = read_ferplus(folder)
    assert (len(corpus), corpus.n_missing, corpus.n_excluded) == (2, 1, 0)
    (folder / "sheet_00.webp").unlink()
    with pytest.raises(SourceError, match=r"expected the sheet .*sheet_00.webp, found no such file"):
        read_ferplus(folder)


def test_goemotions(tmp_path: Path) -> None:
    corpus = read_goemotions(make_goemotions(tmp_path / "g"))
    assert names(corpus) == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert (corpus.samples[0].text, corpus.samples[0].id, corpus.n_excluded) == ('test "sentence 0', "id0", 1)
    assert math.isnan(corpus.samples[0].sentiment)


def test_goemotions_for_training_keeps_several_labels_as_shares(tmp_path: Path) -> None:
    both = read_goemotions(make_goemotions(tmp_path / "g", names=False), soft=True).samples[-1]
    assert both.label == UNCERTAIN
    assert both.emotion[[LABELS.index("anger"), LABELS.index("happiness")]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("make", [make_goemotions, make_meld])
def test_the_test_set_is_read_else_dev_else_what_is_named(make, tmp_path: Path) -> None:
    read = read_goemotions if make is make_goemotions else read_meld
    folder = make(tmp_path / "set", "train")
    assert "train" in read(folder).source.name
    make(folder, "dev")
    assert "dev" in read(folder).source.name
    make(folder, "test")
    assert "test" in read(tmp_path).source.name
    train = next(folder.glob("*train*"))
    assert read(train).source == train


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-8-sig"])
def test_meld_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    corpus = read_meld(make_meld(tmp_path / "m", encoding=encoding))
    assert (names(corpus), corpus.n_excluded) == (["happiness", "anger", "neutral"], 1)
    assert corpus.samples[0].text == "It’s great, really"
    assert [(s.sentiment, s.group) for s in corpus.samples] == [(1.0, "0"), (-1.0, "0"), (0.0, "1")]


def test_windows_1252_taken_for_latin_1_is_mended(tmp_path: Path) -> None:
    file = make_meld(tmp_path / "m") / "test_sent_emo.csv"
    file.write_bytes(file.read_bytes().replace("’".encode(), "\x92".encode()))
    assert read_meld(file).samples[0].text == "It’s great, really"


def test_sets_are_found_below_a_folder_by_layout_and_name(tmp_path: Path) -> None:
    root = make_all(tmp_path / "deep" / "data")
    make_meld(root / "meld")
    for top in (root, tmp_path):
        assert read_voices(top, "ravdess").source == root / "ravdess" / "labels.csv"
        assert read_voices(top, "emodb").source == root / "emodb" / "labels.csv"
        assert read_ferplus(top).source == root / "ferplus" / "labels.csv"
        assert read_goemotions(top).source == root / "goemotions" / "ekman_test.tsv"
        assert read_meld(top).source == root / "meld" / "test_sent_emo.csv"


def test_a_set_is_found_by_its_layout_alone(tmp_path: Path) -> None:
    make_ravdess(tmp_path / "some voices")
    make_ferplus(tmp_path / "some faces")
    assert read_voices(tmp_path).source.parent.name == "some voices"
    assert read_ferplus(tmp_path).source.parent.name == "some faces"


def test_links_are_followed(tmp_path: Path) -> None:
    make_ravdess(tmp_path / "elsewhere" / "r")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ravdess").symlink_to(tmp_path / "elsewhere" / "r")
    assert len(read_voices(tmp_path / "data")) == 8


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_voices, "name,mood\na,sad\n", "expected the columns name, emotion; emotion missing in: name, mood"),
        (read_voices, "", "missing in: an empty file"),
        (read_voices, "name,emotion\n", "expected rows below name, emotion, got none"),
        (read_voices, "name,emotion\na\n", "line 2: expected 2 values"),
        (read_voices, "name,emotion\na,bored\n", "expected rows labelled with one of the seven emotions, got 1"),
        (read_ferplus, "name,emotion\na,sad\n", "expected the columns atlas, row, col, happiness"),
        (read_meld, "Text,Emotion\na,joy\n", "Utterance missing in: Text, Emotion"),
        (read_goemotions, "hello\tjoy\tid\n", "line 1: expected text, label numbers below 7, id with tabs between"),
        (read_goemotions, "hello\t7\tid\n", "label numbers below 7"),
        (read_goemotions, "hello\n", "label numbers below 7"),
        (read_voices, "name,emotion\n\0\n", "expected a table in UTF-8, got binary data"),
    ],
)
def test_a_bad_table_is_one_line_that_names_it(read, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text(text)
    with pytest.raises(SourceError) as error:
        read(tmp_path / "table.txt")
    assert said in str(error.value)
    assert str(tmp_path / "table.txt") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("read", [read_voices, read_ferplus, read_goemotions, read_meld])
def test_nothing_there(read, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found none there or up to 3 folders below"):
        read(tmp_path)
    with pytest.raises(SourceError, match="there is no such file or folder"):
        read(tmp_path / "no")


def test_the_real_sets_have_the_sizes_their_makers_state() -> None:
    data = shared("data")
    assert len(read_voices(data)) == 1200
    faces = read_ferplus(data, "PublicTest")
    assert len(faces) + faces.n_excluded == 3579
    sentences = read_goemotions(data)
    assert len(sentences) + sentences.n_excluded == 5426
    assert len(read_meld(data)) == 1109
