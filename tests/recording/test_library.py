"""What session folders there are, what a list says of them, and that one is deleted whole and nothing else."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.library import delete_session, find_sessions, session_line, summarise, sweep
from dmd_runtime.recording.lock import SessionLock
from tests.recording.library_factory import STARTED, make_session, reading, words


def tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_good_and_broken_sessions_are_found(tmp_path: Path) -> None:
    good = make_session(tmp_path, "sub-a/ses-1", counts={"readings": 3}, marks=["DEMO"])
    broken = make_session(tmp_path, "sub-b/ses-2")
    (broken / "session.json").write_text("{")
    only_tables = make_session(tmp_path, "sub-b/ses-3")
    (only_tables / "session.json").unlink()
    (tmp_path / "sub-b" / "ses-empty").mkdir()
    assert find_sessions(tmp_path) == [good, broken, only_tables]
    line = session_line(summarise(good)[0], tmp_path)
    assert line.split("\t") == ["sub-a/ses-1", "complete", "0.0 s", "3 readings", "0 words", "DEMO"]
    for folder in (broken, only_tables):
        summary = summarise(folder)[0]
        assert (summary.state, summary.participant, summary.session) == ("unreadable", "b", folder.name[4:])
        assert "session.json: expected a session manifest" in summary.problem
        assert "unreadable" in session_line(summary, tmp_path)


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="got nothing"):
        find_sessions(tmp_path / "none")


def test_a_summary_says_what_the_tables_hold(tmp_path: Path) -> None:
    folder = make_session(
        tmp_path,
        said=words("one two three"),
        markers=[{"t0": 2.0, "label": "smile", "note": "broad"}],
        readings=[
            reading(2.0, happiness=0.6, neutral=0.4),
            reading(2.5, happiness=0.2, neutral=0.8),
            reading(3.0, happiness=0.1, neutral=0.9),
            reading(3.5, valid=False, happiness=1.0, neutral=0.0),
        ],
        participant="P 1",
        session="first",
        task="talk",
        notes="a calm morning",
    )
    summary, moments = summarise(folder)
    assert (summary.participant, summary.session, summary.task) == ("P 1", "first", "talk")
    assert (summary.words, summary.readings, summary.markers, summary.length) == (3, 4, 1, 60.0)
    assert list(summary.emotions.items()) == [("neutral", pytest.approx(2 / 3)), ("happiness", pytest.approx(1 / 3))]
    assert summary.started == datetime.fromisoformat(STARTED)
    assert summary.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert {m.kind: " ".join(m.pieces) for m in moments} == {
        "participant": "P 1",
        "session": "first",
        "task": "talk",
        "note": "a calm morning",
        "word": "one two three",
        "marker": "smile broad",
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"counts": {"media_end_s": "long", "words": True}},
        {"marks": [1, None]},
        {"made_at": {"started": "yesterday"}},
        {"made_at": []},
        {"participant": 7, "session": None, "task": {}, "notes": 3},
    ],
)
def test_an_odd_manifest_is_listed(tmp_path: Path, odd: dict) -> None:
    folder = make_session(tmp_path, "sub-p1/ses-20260203T101500", **odd)
    summary, _ = summarise(folder)
    assert summary.participant == "p1"
    assert session_line(summary, tmp_path).startswith("sub-p1/ses-20260203T101500\tcomplete\t")


def test_without_a_date_the_name_tells_it(tmp_path: Path) -> None:
    folder = make_session(tmp_path, "sub-p1/ses-20260203T101500_task-talk", made_at={})
    assert summarise(folder)[0].started == datetime(2026, 2, 3, 10, 15).astimezone()


def test_a_date_without_a_zone_is_utc(tmp_path: Path) -> None:
    folder = make_session(tmp_path, made_at={"started": "2026-02-03T10:15:00"})
    assert summarise(folder)[0].started == datetime(2026, 2, 3, 10, 15, tzinfo=UTC)


def test_of_a_session_that_is_being_recorded_only_the_manifest_is_read(tmp_path: Path) -> None:
    folder = make_session(tmp_path, state="recording", said=words("one two"))
    with SessionLock(folder):
        summary = summarise(folder)[0]
        assert (summary.held, summary.is_unfinished, summary.words) == (True, False, 0)
    summary = summarise(folder)[0]
    assert (summary.held, summary.is_unfinished, summary.words) == (False, True, 2)


# ------------------------------------------------------------------ deleting


def test_a_session_is_deleted_whole_and_nothing_else(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    root = tmp_path / "root"
    folder = make_session(root, "sub-a/ses-1", media={"path": str(film)})
    (folder / "derived" / "deep").mkdir(parents=True)
    (folder / "derived" / "deep" / "x.csv").write_text("x")
    make_session(root, "sub-a/ses-2")
    kept = [name for name in tree(root) if not name.startswith("sub-a/ses-1")]
    delete_session(root, folder)
    assert tree(root) == kept
    assert film.read_bytes() == b"film"
    delete_session(root, root / "sub-a" / "ses-2")
    assert tree(root) == []  # the participant's empty folder is gone, too


def test_links_are_not_followed(tmp_path: Path) -> None:
    root, precious = tmp_path / "root", make_session(tmp_path / "elsewhere", "sub-x/ses-x")
    folder = make_session(root, "sub-a/ses-1")
    (folder / "derived").symlink_to(precious)
    delete_session(root, folder)
    (root / "sub-a").mkdir()
    (root / "sub-a" / "ses-link").symlink_to(precious)
    (root / "sub-link").symlink_to(precious.parent)
    for link in (root / "sub-a" / "ses-link", root / "sub-link" / "ses-x"):
        with pytest.raises(RecordingError, match=r"got (a link|another place)"):
            delete_session(root, link)
    assert (precious / "session.json").is_file()


def test_only_a_session_of_the_root_is_deleted(tmp_path: Path) -> None:
    root, other = tmp_path / "root", make_session(tmp_path / "other")
    folder = make_session(root, "sub-a/ses-1")
    (root / "sub-a" / "ses-photos").mkdir()
    (root / "sub-a" / "ses-photos" / "cat.jpg").write_bytes(b"cat")
    for wrong, why in [
        (other, "another place"),
        (root, "another place"),
        (root / "sub-a", "another place"),
        (folder / "derived", "another place"),
        (root / "sub-a" / "ses-none", "got nothing"),
        (root / "sub-a" / "ses-photos", "without session.json and tables"),
        (root / "sub-a" / ".." / ".." / "other" / "sub-p1" / "ses-a", "another place"),
    ]:
        with pytest.raises(RecordingError, match=why):
            delete_session(root, wrong)
    assert all(path.is_dir() for path in (folder, other))
    assert (root / "sub-a" / "ses-photos" / "cat.jpg").is_file()


def test_a_session_that_is_being_recorded_is_not_deleted(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    with SessionLock(folder), pytest.raises(RecordingError, match="being recorded"):
        delete_session(tmp_path, folder)
    assert find_sessions(tmp_path) == [folder]


def test_a_crash_in_the_middle_leaves_no_session_and_is_ended_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_session(tmp_path)

    def crash(path: Path) -> None:
        (Path(path) / "words.jsonl").unlink()
        raise PermissionError(13, "not yours")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", crash)
        with pytest.raises(RecordingError, match="cannot be deleted: not yours; what is left of it is in"):
            delete_session(tmp_path, folder)
    assert find_sessions(tmp_path) == []
    assert len(tree(tmp_path)) > 1
    sweep(tmp_path)
    assert [name for name in tree(tmp_path) if name != "sub-p1"] == []
