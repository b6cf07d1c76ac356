"""Choosing another checkpoint: it is seen to run first, and one that would not changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox, QFileDialog
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.preferences import PreferencesDialog
from desktop.settings import Settings, SettingsStore
from dmd_runtime import DMDError
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import Loader, loader

__all__ = ["loader", "make"]
REFUSED = "spoilt.safetensors: expected format dmd-checkpoint/1, got none"


@pytest.fixture
def asked(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The checkpoints that were loaded; one called spoilt is refused."""
    seen: list[object] = []
    load = loader.load

    def refuse(*arguments: object, checkpoint: object = None, **more: object) -> object:
        seen.append(checkpoint)
        if "spoilt" in str(checkpoint):
            raise DMDError(REFUSED)
        return load(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "load", refuse)
    return seen


def told(app: App, checkpoint: str, qtbot: QtBot) -> tuple[str, str]:
    """The answer to choosing a checkpoint in the preferences."""
    answers: list[tuple[str, str]] = []
    app.checkpoints.told.connect(lambda *answer: answers.append(answer))
    app._change({"checkpoint": checkpoint})
    qtbot.waitUntil(lambda: len(answers) == 2, timeout=30_000)
    assert answers[0] == (checkpoint, "Checking…")
    return answers[1]


def remembered(tmp_path: Path) -> str:
    return SettingsStore(tmp_path / "settings.json").now.checkpoint


def test_one_that_runs_is_taken_remembered_and_loaded_ahead(make, asked, qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(checkpoint="by-command"), qtbot)
    qtbot.waitUntil(lambda: asked == ["by-command"], timeout=30_000)
    assert told(app, "mine.safetensors", qtbot) == ("mine.safetensors", "It is used.")
    assert remembered(tmp_path) == "mine.safetensors"
    qtbot.waitUntil(lambda: asked == ["by-command", "mine.safetensors", "mine.safetensors"], timeout=30_000)
    assert app._model_choice().checkpoint == "mine.safetensors"
    assert told(app, "", qtbot)[0] == ""
    assert app._model_choice().checkpoint is None


def test_one_that_would_not_run_says_why_and_changes_nothing(make, asked, qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(), qtbot)
    told(app, "mine.safetensors", qtbot)
    assert told(app, "spoilt.safetensors", qtbot) == ("mine.safetensors", f"Nothing was changed. {REFUSED}")
    assert remembered(tmp_path) == "mine.safetensors"
    assert app.models.live.notices["checkpoint"].text == REFUSED
    told(app, "other.safetensors", qtbot)
    assert "checkpoint" not in app.models.live.notices


def test_while_something_runs_it_waits_for_the_next_start(make, asked, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=30_000)
    card = app.models.card.card
    assert told(app, "mine.safetensors", qtbot)[1] == "It runs from the next start of a session."
    assert app.models.card.card is card  # of what runs
    assert running(app)


def test_the_preferences_offer_what_ships_and_any_file(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop.preferences.shipped", lambda: ("other", "starter"))
    dialog = PreferencesDialog(Settings(checkpoint="/here/mine.safetensors"))
    qtbot.addWidget(dialog)
    box = dialog.findChild(QComboBox, "checkpoint")
    assert [box.itemText(i) for i in range(box.count())] == [
        "default (starter)",
        "other",
        "mine.safetensors",
        "A file…",
    ]
    assert box.currentText() == "mine.safetensors"
    changes: list[dict[str, object]] = []
    dialog.changed.connect(changes.append)
    for picked in ("", "/there/new.safetensors"):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, picked=picked: (picked, ""))
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
    assert changes == [{"checkpoint": "/there/new.safetensors"}]  # none for a dialog that was left
    dialog.show_checkpoint("/here/mine.safetensors", "Nothing was changed.")
    assert box.currentText() == "mine.safetensors"


def test_without_a_starter_the_default_is_called_untrained(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop.preferences.shipped", lambda: ())
    dialog = PreferencesDialog(Settings())
    qtbot.addWidget(dialog)
    assert dialog.findChild(QComboBox, "checkpoint").currentText() == "default (untrained)"
