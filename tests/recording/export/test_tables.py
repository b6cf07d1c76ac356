"""CSV and Parquet, read back with their own libraries and compared with the session."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.recording.annotations import read_annotations
from dmd_runtime.recording.export import export
from dmd_runtime.recording.reader import RecordedSession, open_session
from tests.recording.export.sessions import ANNOTATED, HOSTILE, ODD, reading, write_session

GAPS = [reading(t / 2, valid=t % 5 > 1) for t in range(4, 20)]


def read_csv(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert all(len(row) == len(head) for row in rows)
    return {name: [row[k] for row in rows] for k, name in enumerate(head)}


def read_parquet(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def numbers(cells: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if cell in ("", None) else float(cell) for cell in cells])


def written(folder: Path, kind: str, table: str) -> tuple[RecordedSession, dict[str, list[Any]]]:
    export(folder, [kind])
    path = folder / "derived" / f"{table}.{kind}"
    return open_session(folder), read_csv(path) if kind == "csv" else read_parquet(path).to_pydict()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_readings_come_back_exactly(tmp_path: Path, kind: str) -> None:
    session, table = written(write_session(tmp_path, readings=GAPS), kind, "readings")
    r = session.readings

    def same(name: str, values: Any) -> None:
        np.testing.assert_array_equal(numbers(table[name]).astype(values.dtype), values, err_msg=name)

    assert len(table["t0"]) == len(GAPS)
    for name in ("t0", "t1", "made_at", "sentiment", "speech"):
        same(name, getattr(r, name))
    for i, m in enumerate(MODALITIES):
        same(f"coverage.{m.value}", r.coverage[:, i])
    for k, label in enumerate(r.labels):
        same(f"emotion.{label}", r.emotion[:, k])
        for graph in Graph:
            for i, m in enumerate(MODALITIES):
                same(f"unimodal.{graph.value}.{m.value}.{label}", r.unimodal[graph][:, i, k])
    for graph in Graph:
        for k, edge in enumerate(EDGES):
            same(f"edges.{graph.value}.{edge}", r.edges[graph][:, k])
    valid = [cell == "true" for cell in table["valid"]] if kind == "csv" else table["valid"]
    assert valid == r.valid.tolist()
    assert tuple(table["reason"]) == r.reason


def test_the_columns_keep_their_names_and_order(tmp_path: Path) -> None:
    _, table = written(write_session(tmp_path), "csv", "readings")
    names = list(table)
    assert names[:6] == ["t0", "t1", "made_at", "valid", "reason", "emotion.happiness"]
    assert names[12:16] == ["sentiment", "edges.homo.V>L", "edges.homo.A>L", "edges.homo.L>V"]
    assert names[25] == "unimodal.homo.L.happiness"
    assert names[-5:] == ["coverage.L", "coverage.V", "coverage.A", "speech", "marks"]
    assert len(names) == 5 + 7 + 1 + 12 + 42 + 5


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_words_come_back(tmp_path: Path, kind: str) -> None:
    session, table = written(write_session(tmp_path), kind, "words")
    assert table["text"] == [word.text for word in session.words]
    assert numbers(table["t0"]).tolist() == [word.span.start for word in session.words]
    assert numbers(table["t1"]).tolist() == [word.span.end for word in session.words]
    assert set(map(str, table["speaker_visible"])) <= {"true", "True"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_annotations_come_back(tmp_path: Path, kind: str) -> None:
    folder = write_session(tmp_path, **ANNOTATED)
    _, table = written(folder, kind, "annotations")
    items = [(tier, item) for tier in read_annotations(folder).tiers for item in tier.items]
    assert len(items) == 46
    assert table["tier"] == [tier.name for tier, _ in items]
    assert table["label"] == [item.label for _, item in items]
    assert table["note"] == [item.note for _, item in items]  # with its line break
    np.testing.assert_array_equal(numbers(table["t0"]), [item.t0 for _, item in items])
    np.testing.assert_array_equal(numbers(table["t1"]), [np.nan if i.t1 is None else i.t1 for _, i in items])
    np.testing.assert_array_equal(numbers(table["value"]), [np.nan if i.value is None else i.value for _, i in items])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_faces_come_back(tmp_path: Path, kind: str) -> None:
    session, table = written(write_session(tmp_path), kind, "faces")
    np.testing.assert_array_equal(numbers(table["t"]), session.faces.t)
    box = np.column_stack([numbers(table[name]) for name in ("x", "y", "width", "height")])
    np.testing.assert_array_equal(box.astype(np.float32), session.faces.box)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_marks_are_in_every_row(tmp_path: Path, kind: str) -> None:
    _, table = written(write_session(tmp_path, **ODD["marked"]), kind, "words")
    assert set(table["marks"]) == {"UNTRAINED SYNTHETIC"}


def test_parquet_has_types_units_and_provenance(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ODD["marked"])
    export(folder, ["parquet"])
    table = read_parquet(folder / "derived" / "readings.parquet")
    kinds = {name: str(table.schema.field(name).type) for name in ("t0", "valid", "reason", "emotion.anger", "speech")}
    assert kinds == {"t0": "double", "valid": "bool", "reason": "string", "emotion.anger": "float", "speech": "float"}
    assert table.schema.field("t1").metadata[b"unit"] == b"s"
    assert b"sums to 1" in table.schema.field("edges.hetero.L>V").metadata[b"text"]
    about = json.loads(table.schema.metadata[b"dmd"])
    assert about["checkpoint"]["digest"] == "sha256:abc"
    assert about["recipe"]["id"] == "00c97ac1b4f2"
    assert table.schema.metadata[b"marks"] == b"UNTRAINED SYNTHETIC"


@pytest.mark.parametrize("odd", ["nothing at all", "no readings"])
def test_empty_tables_keep_their_types(tmp_path: Path, odd: str) -> None:
    folder = write_session(tmp_path, **ODD[odd])
    export(folder, ["parquet"])
    schema = read_parquet(folder / "derived" / "readings.parquet").schema
    assert str(schema.field("t0").type) == "double"
    assert str(read_parquet(folder / "derived" / "words.parquet").schema.field("text").type) == "string"


def test_tables_json_describes_every_column_and_no_path(tmp_path: Path) -> None:
    folder = write_session(
        tmp_path, manifest={"media": {"path": "/home/ada/films/film.mp4", "sha256": "f00", "bytes": 1}}
    )
    paths = export(folder, ["csv"])
    text = (folder / "derived" / "tables.json").read_text(encoding="utf-8")
    about = json.loads(text)
    for path in paths[:-1]:
        told = about["tables"][path.name]
        assert list(told["columns"]) == list(read_csv(path))
        assert all(column["text"] for column in told["columns"].values())
    assert about["provenance"]["media"] == {"name": "film.mp4", "sha256": "f00", "bytes": 1}
    assert "/home" not in text


def test_hostile_text_is_kept(tmp_path: Path) -> None:
    _, table = written(write_session(tmp_path, **ODD["hostile words"]), "csv", "words")
    assert table["text"][0] == HOSTILE
    assert table["text"][1] == "a\x00b\x0b\ufffd\uffff"  # half a character is none
    assert table["text"][4] == "new\r\n\r\nline\u2028"
