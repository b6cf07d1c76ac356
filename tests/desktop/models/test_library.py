"""The library's view-model: everything off the window's thread, nothing lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.models import library as library_module
from desktop.models.library import LibraryModel, LibraryState, Order, Show
from desktop.models.worker import Worker
from dmd_runtime import SessionIndex
from tests.factories import make_clip
from tests.recording.library_factory import make_session, words


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    make_session(root, "sub-b/ses-1", made_at={"started": "2026-01-01T00:00:00+00:00"}, said=words("hello there"))
    make_session(root, "sub-a/ses-2", made_at={"started": "2026-02-01T00:00:00+00:00"}, counts={"media_end_s": 5.0})
    make_session(root, "sub-c/ses-3", made_at={"started": "2026-03-01T00:00:00+00:00"}, state="recording")
    return root


@pytest.fixture
def model(root: Path, tmp_path: Path, qtbot: QtBot) -> Iterator[LibraryModel]:
    made = LibraryModel(root, tmp_path / "cache")
    yield made
    assert made.close()
    assert [thread.name for thread in threading.enumerate() if thread.name in _THREADS] == []


_THREADS = ("dmd-library", "dmd-search", "dmd-pictures")


def ready(qtbot: QtBot, model: LibraryModel) -> LibraryModel:
    model.refresh()
    qtbot.waitUntil(lambda: model.state is LibraryState.READY and not model._refreshing)
    return model


def names(model: LibraryModel) -> list[str]:
    return [session.folder.name for session in model.rows]


def test_sessions_are_listed_sorted_and_filtered(model: LibraryModel, qtbot: QtBot) -> None:
    assert (model.state, model.sessions) == (LibraryState.LOADING, [])
    ready(qtbot, model)
    assert names(model) == ["ses-3", "ses-2", "ses-1"]
    assert [folder.name for folder in model.unfinished] == ["ses-3"]
    for order, expected in [
        (Order.OLDEST, ["ses-1", "ses-2", "ses-3"]),
        (Order.PARTICIPANT, ["ses-2", "ses-1", "ses-3"]),
        (Order.LONGEST, ["ses-1", "ses-3", "ses-2"]),
    ]:
        with qtbot.waitSignal(model.changed):
            model.set_order(order)
        assert names(model) == expected
    with qtbot.waitSignal(model.changed):
        model.set_show(Show.UNFINISHED)
    assert names(model) == ["ses-3"]


def test_nothing_of_it_runs_on_the_windows_thread(
    model: LibraryModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()

    class Watched(SessionIndex):
        def _ask(self, question):  # type: ignore[no-untyped-def]
            used.add(threading.current_thread().name)
            return super()._ask(question)

    monkeypatch.setattr(library_module, "SessionIndex", Watched)
    ready(qtbot, model)
    model.search("hello")
    qtbot.waitUntil(lambda: len(model.hits) == 1)
    with qtbot.waitSignal(model.deleted):
        model.delete(model.hits[0].folder)
    assert used <= set(_THREADS)
    assert len(used) == 2


def test_what_comes_and_goes_on_the_disk_follows(model: LibraryModel, root: Path, qtbot: QtBot) -> None:
    ready(qtbot, model)
    make_session(root, "sub-d/ses-4", made_at={"started": "2026-04-01T00:00:00+00:00"})
    with qtbot.waitSignal(model.changed):
        model.refresh()
        model.refresh()  # while one is under way: nothing
    assert names(model)[0] == "ses-4"


def test_hits_follow_what_was_typed_last(model: LibraryModel, root: Path, qtbot: QtBot) -> None:
    ready(qtbot, model)
    for text in ("he", "hel", "zzz", "hello"):
        model.search(text)
    qtbot.waitUntil(lambda: bool(model.hits))
    assert [(hit.folder.name, hit.t) for hit in model.hits] == [("ses-1", 0.0)]
    make_session(root, "sub-d/ses-4", said=words("well hello", start=3.0))
    model.refresh()
    qtbot.waitUntil(lambda: len(model.hits) == 2)  # what is new is found, too
    with qtbot.waitSignal(model.hits_changed):
        model.search("  ")
    assert model.hits == []


def test_a_session_is_deleted_or_it_is_said_why_not(model: LibraryModel, root: Path, qtbot: QtBot) -> None:
    ready(qtbot, model)
    folder = root / "sub-b" / "ses-1"
    with qtbot.waitSignal(model.deleted) as told:
        model.delete(folder)
    assert told.args == [folder]
    assert (folder.exists(), names(model)) == (False, ["ses-3", "ses-2"])
    with qtbot.waitSignal(model.failed) as told:
        model.delete(folder)
    assert "expected a session folder" in told.args[0]


def test_a_root_that_is_a_file_fails_and_another_one_helps(model: LibraryModel, root: Path, qtbot: QtBot) -> None:
    (root.parent / "file").touch()
    model.set_root(root.parent / "file")
    qtbot.waitUntil(lambda: model.state is LibraryState.FAILED)
    assert "expected a folder with sessions in it, got a file" in model.problem
    model.set_root(root)
    qtbot.waitUntil(lambda: model.state is LibraryState.READY)
    assert len(model.sessions) == 3


def test_an_older_root_says_nothing_any_more(model: LibraryModel, root: Path, qtbot: QtBot) -> None:
    other = root.parent / "other"
    make_session(other, "sub-z/ses-z")
    model.refresh()
    model.set_root(other)
    qtbot.waitUntil(lambda: model.state is LibraryState.READY and not model._refreshing)
    assert names(model) == ["ses-z"]


def test_pictures_come_when_asked_for_and_only_so_many_are_held(
    model: LibraryModel, root: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "KEPT_PICTURES", 2)
    folders = [root / name for name in ("sub-b/ses-1", "sub-a/ses-2", "sub-c/ses-3")]
    for folder in folders[:2]:
        make_clip(folder / "media.mkv", seconds=0.5, picture=np.full((120, 160, 3), 200, np.uint8))
    ready(qtbot, model)
    for folder in folders:
        with qtbot.waitSignal(model.picture_changed, timeout=10_000) as told:
            assert model.picture(folder) is None
            assert model.picture(folder) is None  # asked for once
        assert told.args == [folder]
    assert model.picture(folders[2]) is None  # sound only
    image = model.picture(folders[1])
    assert image is not None
    assert image.width() == 480
    assert len(model._pictures) == 2


def test_a_worker_does_the_newest_first_where_told_and_ends() -> None:
    gate, done, ended = threading.Event(), [], threading.Event()
    worker = Worker("dmd-test", newest_first=True)
    worker.submit(lambda: gate.wait(10) and None)
    for number in range(3):
        worker.submit(lambda number=number: (done.append(number), ended.set() if number == 0 else None))  # type: ignore[misc]
    worker.submit(lambda: 1 / 0)  # a job that fails does not end the others
    gate.set()
    assert ended.wait(10)
    assert done == [2, 1, 0]
    assert worker.close(10)
    worker.submit(lambda: done.append(9))
    assert done == [2, 1, 0]
