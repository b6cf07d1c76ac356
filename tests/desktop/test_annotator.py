"""Marks that are set while a session runs: on the timeline, and in the folder where it is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.models.annotating import EMOTION_LABELS
from desktop.options import SourceKind, SourceRequest
from desktop.session_job import KeepChoice
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import loader

__all__ = ["loader", "make"]
SIGNALS = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=600.0)


def lines(root: Path) -> list[dict]:
    (table,) = root.rglob("markers.jsonl")
    return [json.loads(text) for text in table.read_text().splitlines()]


def test_marks_are_shown_and_kept_and_end_with_the_session(
    make: Callable[..., App], qtbot: QtBot, tmp_path: Path
) -> None:
    app = shown(make(), qtbot)
    app.sessions.start(SIGNALS, app._model_choice(), KeepChoice(root=tmp_path / "kept"))
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    app.window.actions_.marker.trigger()
    app.models.annotating.press_emotion(EMOTION_LABELS[0].name)
    assert next(marker.label for marker in app.models.timeline.markers) == "marker 1"
    pressed = app.bridge.session.clock.now()
    qtbot.waitUntil(lambda: app.models.live.frame.t > pressed, timeout=20_000)
    with qtbot.waitSignal(app.sessions.ended, timeout=20_000):
        app.sessions.stop()
    first, begun, ended = lines(tmp_path / "kept")
    assert (first["tier"], first["label"], first["t1"]) == ("marker", "marker 1", None)
    assert begun["open"]
    assert begun["id"] == ended["id"]
    assert ended["t1"] > begun["t0"] == ended["t0"]
    assert "open" not in ended


def test_without_a_recording_they_are_only_shown(make: Callable[..., App], qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(), qtbot)
    app.run(SIGNALS)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    app.window.annotating.parentWidget().parentWidget().show()
    qtbot.keyClick(app.window, Qt.Key.Key_M)
    assert len(app.models.timeline.markers) == 1
    assert not app.models.annotating.is_kept
    assert list(tmp_path.rglob("markers.jsonl")) == []
