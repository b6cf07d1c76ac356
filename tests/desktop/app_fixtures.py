"""Whole programs for window tests: made over small fakes, with settings of their own, and ended afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import app as app_module
from desktop import theme
from desktop.app import App
from desktop.models.live import Phase
from desktop.options import Options
from desktop.settings import SettingsStore
from tests.desktop.session_fixtures import Loader


@pytest.fixture
def make(
    qapp: QApplication, qtbot: QtBot, loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., App]]:
    monkeypatch.setattr(app_module, "catch_exceptions", lambda show: None)
    theme.load_fonts()
    made: list[App] = []

    def build(**options: Any) -> App:
        app = App(qapp, Options(**options), SettingsStore(tmp_path / "settings.json"))
        made.append(app)
        return app

    yield build
    app = None
    for app in made:
        app.shut_down()
        app.window.close_now()
        app.window.deleteLater()
        app.deleteLater()
    del app
    made.clear()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()  # here: garbage with timers in it must not be found first by a thread that is not theirs


def shown(app: App, qtbot: QtBot) -> App:
    with qtbot.waitExposed(app.window):
        app.show()
    return app


def running(app: App) -> bool:
    return app.models.live.phase is Phase.RUNNING and app.models.emotion.reading is not None
