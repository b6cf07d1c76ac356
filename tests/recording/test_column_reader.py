"""Tables read by columns say what tables read by lines say, or leave it to those."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.modality import Graph
from dmd_runtime.recording import column_reader
from dmd_runtime.recording.column_reader import read_faces, read_readings
from dmd_runtime.recording.reader import read_lines
from dmd_runtime.recording.readings import Readings, RecordedFaces
from tests.recording.replayable import reading_line

Lines = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_reader, "LARGE", 1)


def written(path: Path, lines: Lines) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def by_lines(path: Path) -> Readings:
    return Readings.of_lines(list(read_lines(path, [], need=("t0", "t1"))))


def same(one: object, other: object) -> None:
    """Every field, with its kind and shape."""
    assert type(one) is type(other)
    for field in dataclasses.fields(one):  # type: ignore[arg-type]
        a, b = getattr(one, field.name), getattr(other, field.name)
        for x, y in zip(a.values(), b.values(), strict=True) if isinstance(a, dict) else [(a, b)]:
            if isinstance(x, tuple):
                assert x == y, field.name
            else:
                assert (x.dtype, x.shape) == (y.dtype, y.shape), field.name
                assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f"), field.name
                assert not x.flags.writeable


def lines() -> Lines:
    made: Lines = [reading_line(i, valid=i != 3) | {"marks": []} for i in range(8)]
    made[1]["settled"] = {"L": False, "V": True, "A": True}
    made[2] |= {"edges": {"homo": None, "hetero": made[2]["edges"]["hetero"]}, "sentiment": None}
    made[4]["unimodal"]["homo"]["V"] = None
    made[5] |= {"prior": {g.value: made[5]["edges"][g.value] for g in Graph}, "marks": ["UNTRAINED"], "t1": 3.75}
    made[6] |= {"reason": "kein Gesicht für 3 s", "coverage": {"L": 1, "V": 0, "A": 1}, "marks": ["DEMO", "UNTRAINED"]}
    del made[7]["prior"], made[7]["settled"]
    return made


def test_readings_are_those_of_the_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "readings.jsonl", lines())
    found = read_readings(path)
    assert found is not None
    same(found, by_lines(path))
    assert found.t1.tolist() == sorted(found.t1.tolist())
    assert found.marks == ("UNTRAINED", "DEMO")
    row = found.t1.tolist().index(2.5)
    assert found.settled[row].tolist() == [False, True, True]
    assert found.settled[-1].all()  # it does not say
    late = found.t1.tolist().index(3.75)
    assert found.prior[Graph.HOMOGENEOUS][late].tolist() == found.edges[Graph.HOMOGENEOUS][late].tolist()
    assert np.isnan(found.prior[Graph.HOMOGENEOUS][0]).all()


@pytest.mark.parametrize("key", ["emotion", "unimodal", "edges", "settled", "coverage", "reason", "marks"])
def test_what_no_line_has_is_nothing(tmp_path: Path, key: str) -> None:
    made = lines()
    for line in made:
        line.pop(key, None)
    path = written(tmp_path / "readings.jsonl", made)
    found = read_readings(path)
    assert found is not None
    same(found, by_lines(path))


def put(key: str, value: object) -> Callable[[Lines], None]:
    return lambda made: made[3].update({key: value})


@pytest.mark.parametrize(
    "spoil",
    [
        put("t1", "3.5"),
        put("t1", None),
        put("t0", True),
        put("speech", 1e20),
        put("reason", 7),
        put("valid", 1),
        put("emotion", 0.5),
        put("edges", {"homo": [1, 2], "hetero": None}),
        put("marks", "DEMO"),
    ],
)
def test_whatever_is_not_as_we_write_it_is_left_to_the_lines(tmp_path: Path, spoil: Callable[[Lines], None]) -> None:
    made = lines()
    spoil(made)
    assert read_readings(written(tmp_path / "readings.jsonl", made)) is None


@pytest.mark.parametrize(
    "tail", ['{"t0": 1.0, "t1"', "\n\n", "\0\0", "[1]\n", '{"t0":NaN,"t1":3.0}\n', '{"t0":1,"t1":2}{}\n']
)
def test_what_is_not_whole_is_left_to_the_lines(tmp_path: Path, tail: str) -> None:
    path = written(tmp_path / "readings.jsonl", lines())
    path.write_text(path.read_text() + tail)
    assert read_readings(path) is None
    assert len(by_lines(path)) == 8


def test_text_that_is_no_utf8_is_left_to_the_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "readings.jsonl", lines())
    path.write_bytes(path.read_bytes().replace(b"no face", b"no \xff\xfe!"))
    assert read_readings(path) is None


def test_faces_are_those_of_the_lines(tmp_path: Path) -> None:
    made: Lines = [{"t": 1 - i / 10, "box": [i, 0.2, 0.25, 0.5], "confidence": 0.9, "id": i % 3} for i in range(9)]
    made[4] |= {"confidence": None, "id": None}
    path = written(tmp_path / "faces.jsonl", made)
    found = read_faces(path)
    assert found is not None
    same(found, RecordedFaces.of_lines(list(read_lines(path, [], need=("t", "box")))))


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, None], None, "box", [1, 2, 3, "4"]])
def test_a_box_without_four_numbers_is_left_to_the_lines(tmp_path: Path, box: object) -> None:
    made: Lines = [{"t": 0.1, "box": [0.1, 0.2, 0.3, 0.4]}, {"t": 0.2, "box": box}]
    assert read_faces(written(tmp_path / "faces.jsonl", made)) is None


def test_small_and_missing_files_are_left_to_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_faces(tmp_path / "faces.jsonl") is None
    monkeypatch.setattr(column_reader, "LARGE", 1 << 20)
    assert read_readings(written(tmp_path / "readings.jsonl", lines())) is None
