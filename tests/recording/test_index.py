"""The index: listed, searched, made anew whatever is wrong with it, and never more than a copy."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import index as index_module
from dmd_runtime.recording.index import SessionIndex
from dmd_runtime.recording.lock import SessionLock
from dmd_runtime.recording.manifest import read_manifest, write_manifest
from tests.recording.library_factory import make_session, words


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def made(root: Path, **options: object) -> SessionIndex:
    index = SessionIndex(root, root.parent / "cache")
    index.refresh(**options)  # type: ignore[arg-type]
    return index


def names(index: SessionIndex) -> list[str]:
    return [summary.folder.name for summary in index.sessions()]


def found(index: SessionIndex, text: str) -> list[tuple[str, str, float]]:
    return [(hit.folder.name, hit.kind, hit.t) for hit in index.search(text)]


def test_what_is_listed_is_what_is_there_the_latest_first(root: Path) -> None:
    make_session(root, "sub-a/ses-old", made_at={"started": "2026-01-01T00:00:00+02:00"}, marks=["DEMO"])
    make_session(root, "sub-b/ses-new", made_at={"started": "2026-02-01T00:00:00+00:00"})
    broken = make_session(root, "sub-c/ses-broken")
    (broken / "session.json").write_text("{")
    with made(root) as index:
        assert names(index)[1:] == ["ses-new", "ses-old"]  # the broken one is as old as its folder
        assert index.sessions()[0].state == "unreadable"
        old = index.sessions()[-1]
        assert (old.folder, old.marks) == (root / "sub-a" / "ses-old", ("DEMO",))
        assert old.started.isoformat() == "2026-01-01T00:00:00+02:00"


def test_a_root_that_is_not_there_yet_has_no_sessions(root: Path) -> None:
    with made(root / "later") as index:
        assert index.sessions() == []
        make_session(root / "later")
        assert index.refresh()
        assert names(index) == ["ses-a"]


def test_only_what_has_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_session(root, "sub-a/ses-1"), make_session(root, "sub-a/ses-2")
    read: list[str] = []
    summarise = index_module.summarise
    monkeypatch.setattr(index_module, "summarise", lambda folder: (read.append(folder.name), summarise(folder))[1])
    with made(root) as index:
        assert sorted(read) == ["ses-1", "ses-2"]
        assert not index.refresh()
        (first / "words.jsonl").write_text(json.dumps(words("hello")[0]) + "\n")
        assert index.refresh()
        assert read[2:] == ["ses-1"]
        assert found(index, "hello") == [("ses-1", "word", 0.0)]
        for path in second.iterdir():
            path.unlink()
        assert index.refresh()
        assert names(index) == ["ses-1"]
    with made(root) as index:  # from the disk
        assert read[3:] == []
        assert names(index) == ["ses-1"]


def test_a_session_counts_as_recording_while_somebody_does(root: Path) -> None:
    folder = make_session(root, state="recording", said=words("hello"))
    with SessionLock(folder), made(root) as index:
        assert [(s.held, s.is_unfinished) for s in index.sessions()] == [(True, False)]
        with (folder / "words.jsonl").open("a") as file:
            file.write("\n")
        assert not index.refresh()  # its tables change all the time
    with made(root) as index:
        assert [(s.held, s.is_unfinished, s.words) for s in index.sessions()] == [(False, True, 1)]


def test_a_stopped_refresh_goes_on_from_there(root: Path) -> None:
    for i in range(60):
        make_session(root, f"sub-a/ses-{i:02d}")
    cancel, seen = threading.Event(), []

    def progress(done: int, of: int) -> None:
        seen.append((done, of))
        cancel.set()

    with made(root, progress=progress, cancel=cancel) as index:
        assert seen == [(25, 60)]
        assert len(index.sessions()) == 25
        index.refresh(lambda done, of: seen.append((done, of)))
        assert seen[1:] == [(25, 35), (35, 35)]
        assert len(index.sessions()) == 60


# ------------------------------------------------------------------ searching


def test_a_hit_leads_to_the_moment(root: Path) -> None:
    make_session(
        root,
        said=words("My biggest weakness is asking for help when I need it.", start=10.0, each=0.5),
        markers=[{"t0": 12.5, "label": "smile", "note": "Fräulein laughs"}],
        participant="Anna",
        task="interview",
        notes="a calm morning",
    )
    with made(root) as index:
        assert found(index, "asking") == [("ses-a", "word", 12.0)]
        assert found(index, "HEL") == [("ses-a", "word", 13.0)]
        assert found(index, '"for help when"') == [("ses-a", "word", 12.5)]
        assert found(index, "„for help when“") == [("ses-a", "word", 12.5)]
        assert found(index, '"help for"') == []
        assert found(index, "weakness help") == [("ses-a", "word", 11.0)]
        assert found(index, "weakness smile") == []
        assert found(index, "fraulein") == found(index, "smi") == [("ses-a", "marker", 12.5)]
        assert [found(index, text)[0][1] for text in ("ann", "interv", "morning")] == ["participant", "task", "note"]
        (hit,) = index.search("asking for")
        assert [hit.snippet[a:b] for a, b in hit.marked] == ["asking", "for"]


def test_writing_without_spaces_is_found_by_any_part(root: Path) -> None:
    said = [
        {"t0": 1.0, "t1": 1.5, "text": "我喜欢", "p": 1.0},
        {"t0": 1.5, "t1": 2.0, "text": "你的笑。", "p": 1.0},
        {"t0": 9.0, "t1": 9.5, "text": "हिन्दी", "p": 1.0},
    ]
    make_session(root, said=said, markers=[{"t0": 3.0, "label": "\U0001f642 wow"}, {"t0": 4.0, "label": "ウレシイ"}])
    with made(root) as index:
        assert found(index, "喜欢你") == [("ses-a", "word", 1.0)]
        assert found(index, "笑") == [("ses-a", "word", 1.5)]
        assert found(index, "欢喜") == []
        (hit,) = index.search("欢你")
        assert (hit.snippet, hit.marked) == ("我喜欢你的笑。", ((2, 4),))
        assert found(index, "\U0001f642") == [("ses-a", "marker", 3.0)]
        assert found(index, "ｳﾚｼ") == [("ses-a", "marker", 4.0)]
        assert found(index, "हिन्दी") == [("ses-a", "word", 9.0)]


def test_phrases_are_found_where_a_long_speech_is_cut(root: Path) -> None:
    make_session(root, said=words(" ".join(f"w{i:03d}" for i in range(300)), each=0.5))
    with made(root) as index:
        assert all(
            found(index, f'"w{i:03d} w{i + 1:03d} w{i + 2:03d}"') == [("ses-a", "word", i * 0.5)] for i in range(298)
        )


def test_edited_annotations_stand_for_the_recorded_ones(root: Path) -> None:
    folder = make_session(root, markers=[{"t0": 1.0, "label": "smile"}])
    with made(root) as index:
        assert found(index, "smile")
        tier = {
            "name": "marker",
            "by": "anna",
            "kind": "point",
            "labels": [],
            "items": [{"id": "1", "t0": 2.0, "t1": None, "label": "frown"}],
        }
        (folder / "annotations.json").write_text(json.dumps({"format": 1, "tiers": [tier]}))
        index.refresh()
        assert index.sessions()[0].problem == ""
        assert (found(index, "smile"), found(index, "frown")) == ([], [("ses-a", "marker", 2.0)])


@pytest.fixture(scope="module")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionIndex]:
    root = tmp_path_factory.mktemp("root")
    make_session(root, said=words("and or not near the end"))
    with made(root) as index:
        yield index


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30) | st.text(alphabet="\"*^:(){}+-~ANDORTE\x00\ud800 '.,;喜", max_size=20))
def test_no_text_is_a_wrong_query(small_index: SessionIndex, text: str) -> None:
    for hit in small_index.search(text):
        assert all(0 <= start < end <= len(hit.snippet) for start, end in hit.marked)


def test_operators_are_words(small_index: SessionIndex) -> None:
    assert [
        len(small_index.search(text)) for text in ("and", "NOT", "near(", "and OR not", "NEAR/2", "the*", "xyz")
    ] == [1, 1, 1, 1, 0, 1, 0]


# ----------------------------------------------------------------- robustness


def database(index: SessionIndex) -> Path:
    return index.folder / "index.db"


@pytest.mark.parametrize("damage", ["text", "cut", "foreign", "newer", "holes"])
def test_a_broken_index_is_made_again(root: Path, damage: str) -> None:
    for i in range(30):
        make_session(root, f"sub-a/ses-{i}", said=words("hello world " * 20))
    with made(root) as index:
        path = database(index)
    data = bytearray(path.read_bytes())
    if damage == "text":
        path.write_text("this is no database at all " * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 3])
    elif damage == "holes":
        for at in range(4096 + 100, len(data), 4096):
            data[at - 100 : at + 200] = b"\xee" * 300
        path.write_bytes(data)
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            if damage == "foreign":
                other.execute("CREATE TABLE birds (name TEXT)")
            else:
                other.executescript(
                    "PRAGMA application_id = 1145914441; PRAGMA user_version = 99; CREATE TABLE sessions (x);"
                )
        other.close()
    with SessionIndex(root, root.parent / "cache") as index:
        index.refresh()
        index.search("hello")  # what is broken may turn up only now …
        index.refresh()  # … and is made again from the folders
        assert len(index.sessions()) == 30
        assert len(index.search("hello")) >= 30


def test_a_locked_or_unwritable_index_is_held_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_session(root, said=words("hello"))
    monkeypatch.setattr(index_module, "_PATIENCE", 0.0)
    with made(root) as index:
        path = database(index)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with made(root) as index:
            assert found(index, "hello") == [("ses-a", "word", 0.0)]
    finally:
        other.close()
    (root.parent / "file").touch()
    with SessionIndex(root, root.parent / "file") as index:
        index.refresh()
        assert names(index) == ["ses-a"]


def test_two_processes_share_one_index(root: Path) -> None:
    make_session(root, said=words("hello"))
    with made(root) as one, SessionIndex(root, root.parent / "cache") as two:
        assert names(two) == ["ses-a"]
        make_session(root, "sub-b/ses-b")
        assert two.refresh()
        assert sorted(names(one)) == ["ses-a", "ses-b"]


def test_without_full_text_search_it_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Poor(sqlite3.Connection):
        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("ENABLE_FTS5", "ENABLE_NOTHING"), *values)

    connect = sqlite3.connect
    monkeypatch.setattr(index_module.sqlite3, "connect", lambda path, **rest: connect(path, factory=Poor, **rest))
    with pytest.raises(RecordingError, match="expected an SQLite with full-text search"):
        SessionIndex(root, root.parent / "cache")


def test_what_is_deleted_is_in_no_file_of_the_index(root: Path) -> None:
    folder = make_session(root, "sub-a/ses-1", said=words("unmistakable secret"), participant="Zacharias")
    make_session(root, "sub-a/ses-2", said=words("something else"))
    with made(root) as index:
        pictures = index.folder / "pictures"
        assert index.thumbnail(folder) is None
        index.delete(folder)
        assert not folder.exists()
        assert names(index) == ["ses-2"]
        assert index.search("unmistakable") == []
        kept = b"".join(path.read_bytes() for path in index.folder.rglob("*") if path.is_file())
        assert b"else" in kept
        assert [text for text in (b"unmistakable", b"secret", b"Zacharias", b"zacharias") if text in kept] == []
        assert list(pictures.glob("*")) == []


def test_a_session_outside_is_not_deleted(root: Path, tmp_path: Path) -> None:
    other = make_session(tmp_path / "other")
    with made(root) as index, pytest.raises(RecordingError, match="another place"):
        index.delete(other)
    assert other.is_dir()


def test_the_state_follows_the_manifest(root: Path) -> None:
    folder = make_session(root, state="recording")
    with made(root) as index:
        assert index.sessions()[0].is_unfinished
        write_manifest(folder, {**read_manifest(folder), "state": "recovered"})
        index.refresh()
        assert index.sessions()[0].state == "recovered"
