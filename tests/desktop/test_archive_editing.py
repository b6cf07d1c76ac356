"""What the window gives to whoever annotates a replay, and that leaving it keeps what was edited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths, Qt
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.models.library import LibraryState
from dmd_runtime import TierKind, read_annotations
from tests.desktop.app_fixtures import make, shown
from tests.desktop.session_fixtures import loader
from tests.recording.replayable import write_session

__all__ = ["loader", "make"]


def test_sets_rater_and_m_are_those_of_the_window_and_leaving_saves(
    make: Callable[..., App], qtbot: QtBot, tmp_path: Path
) -> None:
    app = shown(make(), qtbot)
    app._store.update(session_root=str(tmp_path), recorded_by="carla")
    folder = write_session(tmp_path / "sub-p01" / "ses-a", media=False)
    app.archive.open(folder)
    page = app.archive.replay
    app.window.activateWindow()
    qtbot.waitUntil(lambda: len(page.model.track.tiers) == 2)
    with qtbot.waitSignal(page.editing.changed):
        page.controls.edit.click()
    edits = page.editing.edits
    assert edits.marks.sets == app.models.annotating.sets
    page.model.seek(1.0)
    app.window.actions_.marker.setEnabled(True)  # as while a session runs
    qtbot.keyClick(page.timeline, Qt.Key.Key_M)
    assert [item.t0 for item in edits.annotations.tier(("marker", "carla")).items] == [1.0]
    assert app.models.annotating.marks == ()  # the live page has the same key
    edits.add_tier("late", TierKind.POINT)
    app.window.actions_.sessions.trigger()
    assert ("late", "carla") in read_annotations(folder)
    page.editing.edits.rename_tier("later", "carla")
    app.archive.close()
    assert ("later", "carla") in read_annotations(folder)


def test_deleting_a_session_deletes_the_copy_of_its_annotations(
    make: Callable[..., App], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda _: str(aside))
    app = shown(make(), qtbot)
    root = tmp_path / "kept"
    app._store.update(session_root=str(root))
    folder = write_session(root / "sub-p01" / "ses-a", media=False)
    app.archive.open(folder)
    page = app.archive.replay
    qtbot.waitUntil(lambda: len(page.model.track.tiers) == 2)
    with qtbot.waitSignal(page.editing.changed):
        page.controls.edit.click()
    (folder / "annotations.json").mkdir()  # it cannot be written
    page.editing.edits.add_tier("late", TierKind.POINT)
    qtbot.waitUntil(lambda: bool(list(aside.rglob("annotations.json"))))
    app.window.actions_.sessions.trigger()
    library = app.archive.library.model
    qtbot.waitUntil(lambda: library.state is LibraryState.READY, timeout=20_000)
    with qtbot.waitSignal(library.deleted, timeout=20_000):
        library.delete(folder)
    assert not folder.exists()
    qtbot.waitUntil(lambda: not list(aside.rglob("annotations.json")))
    app.archive.close()
    assert not list(aside.rglob("annotations.json"))
