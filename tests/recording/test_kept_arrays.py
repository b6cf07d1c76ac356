"""What is kept of large files counts only for the very content it was made of, and never breaks anything."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.recording import kept_arrays, reader
from dmd_runtime.recording.index import SessionIndex
from dmd_runtime.recording.kept_arrays import keep, recall, stamp_of
from dmd_runtime.recording.playback import media_timeline, medium_of
from dmd_runtime.recording.playback_timeline import prepare_replay
from dmd_runtime.recording.reader import open_session
from tests.recording.replayable import reading_line, write_session


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_arrays, "LARGE", 1)
    monkeypatch.setattr(reader, "LARGE", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_session(tmp_path / "sub-a" / "ses-a")


def test_what_is_kept_comes_back_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("one")
    keep(stamp_of(path), "table", {"a": np.arange(3), "b": np.array(["x", "é"])})
    found = recall(stamp_of(path), "table")
    assert found is not None
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"].tolist() == ["x", "é"]
    assert recall(stamp_of(path), "other") is None
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert recall(stamp_of(path), "table") is None
    keep(stamp_of(path), "table", {"a": np.arange(2)})
    assert recall(stamp_of(path), "table") is not None
    replaced = path.with_suffix(".new")
    replaced.write_text("two")
    os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    replaced.replace(path)  # the same size and time, another file
    assert recall(stamp_of(path), "table") is None


def test_what_changes_while_it_is_read_is_not_kept_as_new(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("one")
    stamp = stamp_of(path)
    path.write_text("one and two")
    keep(stamp, "table", {"a": np.arange(3)})
    assert recall(stamp_of(path), "table") is None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x05\x06" + bytes(18)])
def test_a_broken_cache_is_none(tmp_path: Path, user_cache: Path, content: bytes) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("one")
    keep(stamp_of(path), "table", {"a": np.arange(3)})
    (kept,) = user_cache.glob("*.npz")
    kept.write_bytes(content)
    assert recall(stamp_of(path), "table") is None


def test_a_bit_that_fell_over_is_noticed(tmp_path: Path, user_cache: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("one")
    keep(stamp_of(path), "table", {"a": np.arange(1000)})
    (kept,) = user_cache.glob("*.npz")
    content = bytearray(kept.read_bytes())
    content[content.index(np.arange(1000).tobytes()) + 800] ^= 1
    kept.write_bytes(content)
    assert recall(stamp_of(path), "table") is None


def test_what_is_kept_goes_with_its_file_and_nobody_else_reads_it(tmp_path: Path, user_cache: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
        keep(stamp_of(tmp_path / name), "table", {"a": np.arange(3)})
    assert len(list(user_cache.glob("*.npz"))) == 2
    assert user_cache.stat().st_mode & 0o077 == 0
    (tmp_path / "a").unlink()
    kept_arrays.sweep()
    assert len(list(user_cache.glob("*.npz"))) == 1
    assert recall(stamp_of(tmp_path / "b"), "table") is not None


def test_a_draft_that_was_never_ended_goes(tmp_path: Path, user_cache: Path) -> None:
    user_cache.mkdir(parents=True)
    old, new = (user_cache / f".{name}.npz.{name}.part" for name in ("old", "new"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    kept_arrays.sweep()
    assert not old.exists()
    assert new.exists()  # somebody may be writing it


def test_nothing_of_a_deleted_session_stays(folder: Path, tmp_path: Path, user_cache: Path) -> None:
    other = write_session(tmp_path / "sub-a" / "ses-b")
    for session in (folder, other):
        prepare_replay(session)
    assert len(list(user_cache.glob("*.npz"))) == 6  # readings, faces and the timeline of each
    with SessionIndex(tmp_path, tmp_path / "index") as index:
        index.refresh()
        late = open_session(folder)
        assert len(late.readings)
        stamp = stamp_of(folder / "readings.jsonl")
        index.delete(folder)
        keep(stamp, "readings", {"t0": np.arange(3.0)})  # whoever had it open keeps nothing either
    left = [np.load(kept)["kept.path"].item() for kept in user_cache.iterdir()]
    assert len(left) == 3
    assert all(Path(path).is_relative_to(other) for path in left)


def test_what_was_deleted_elsewhere_goes_when_the_library_looks(folder: Path, tmp_path: Path, user_cache: Path) -> None:
    with SessionIndex(tmp_path, tmp_path / "index") as index:
        index.refresh()
        prepare_replay(folder)
        assert list(user_cache.iterdir())
        shutil.rmtree(folder)
        index.refresh()
    assert not list(user_cache.iterdir())


def test_the_longest_unused_go_first(tmp_path: Path, user_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_arrays, "MOST", 2)
    for age, name in enumerate("abc"):
        (tmp_path / name).write_text(name)
        keep(stamp_of(tmp_path / name), "table", {"a": np.arange(3)})
        for kept in user_cache.glob("*.npz"):
            os.utime(kept, (kept.stat().st_mtime - 100 * (3 - age),) * 2)
    assert recall(stamp_of(tmp_path / "a"), "table") is None
    assert recall(stamp_of(tmp_path / "c"), "table") is not None


def test_a_cache_that_cannot_be_written_costs_nothing(tmp_path: Path, user_cache: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("one")
    user_cache.parent.write_text("a file where the folder should be")
    keep(stamp_of(path), "table", {"a": np.arange(3)})
    assert recall(stamp_of(path), "table") is None


def test_a_session_that_was_prepared_is_not_parsed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_session(folder)
    medium = medium_of(first)
    assert medium is not None
    found = media_timeline(medium)
    prepare_replay(folder)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(reader, "read_lines", refuse)
    monkeypatch.setattr("dmd_runtime.recording.playback_timeline._look", refuse)
    monkeypatch.setattr("dmd_runtime.recording.playback_timeline._found", {})
    later = open_session(folder)
    for graph, weights in first.readings.edges.items():
        assert np.array_equal(later.readings.edges[graph], weights)
    assert later.readings.reason == first.readings.reason
    assert later.readings.labels == first.readings.labels
    assert np.array_equal(later.faces.box, first.faces.box)
    again = media_timeline(medium)
    assert np.array_equal(again.times, found.times)
    assert (again.end, again.has_sound, again.medium) == (found.end, found.has_sound, found.medium)


def test_a_line_that_comes_later_is_there(folder: Path) -> None:
    prepare_replay(folder)
    count = len(open_session(folder).readings)
    with (folder / "readings.jsonl").open("a") as file:
        file.write(json.dumps(reading_line(99)) + "\n")
    assert len(open_session(folder).readings) == count + 1


@pytest.mark.parametrize("change", ["recording", "torn"])
def test_what_may_change_or_has_problems_is_not_kept(folder: Path, user_cache: Path, change: str) -> None:
    if change == "recording":
        manifest = json.loads((folder / "session.json").read_text()) | {"state": "recording"}
        (folder / "session.json").write_text(json.dumps(manifest))
    else:
        for table in ("readings", "faces"):
            with (folder / f"{table}.jsonl").open("a") as file:
                file.write('{"t0": 1.0, "t1"')
    session = open_session(folder)
    session.prepare()
    assert not list(user_cache.glob("*.npz"))
    if change == "torn":
        assert len(open_session(folder).problems) == 0
        assert len(session.problems) == 2


def test_arrays_of_another_version_are_parsed_anew(folder: Path) -> None:
    stamp = stamp_of(folder / "readings.jsonl")
    keep(stamp, "readings", {"t0": np.arange(3.0)})
    assert len(open_session(folder).readings) == 9
