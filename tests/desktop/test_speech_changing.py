"""Another speech model while a session runs: it is loaded behind it, taken up, told, and remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.settings import SettingsStore
from dmd_runtime import DMDError, Modality, SpeechChange
from dmd_runtime.streaming.speech_engine import SPEECH_OFF, SpeechInUse
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import LoadedToolbox, Loader, loader

__all__ = ["loader", "make"]


@pytest.fixture
def named(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Toolboxes that have the recogniser of their settings; one called spoilt is refused."""
    load = loader.load

    def with_name(config: Any, *arguments: Any, **more: Any) -> LoadedToolbox:
        if config.speech.model == "spoilt":
            raise DMDError("spoilt: expected a folder\nand more")
        made = load(config, *arguments, **more)
        absent = SPEECH_OFF if config.speech.model == "none" else ""
        made.speech = SpeechInUse(model=config.speech.model, language=config.speech.language, absent=absent)
        made.with_speech = with_name  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(loader, "load", with_name)
    return loader


@pytest.fixture
def app(make: Any, named: Loader, qtbot: QtBot) -> App:
    made: App = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(made), timeout=30_000)
    return made


def changes_of(app: App) -> list[SpeechChange]:
    seen: list[SpeechChange] = []
    assert app.sessions.session is not None
    app.sessions.session.subscribe(lambda m: seen.append(m) if isinstance(m, SpeechChange) else None)
    return seen


def told(app: App) -> str:
    notices = app.models.live.notices
    return notices["speech"].text if "speech" in notices else ""


def test_what_runs_goes_on_and_its_words_come_from_the_other(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    session, seen = app.sessions.session, changes_of(app)
    app._change({"speech_model": "base"})
    assert told(app).startswith("The speech model changes to base: it is being loaded")
    qtbot.waitUntil(lambda: told(app).startswith("Words from 0:"), timeout=30_000)
    assert told(app).endswith("on come from base.")
    assert [change.model for change in seen] == ["base"]
    assert app.sessions.session is session
    assert running(app)
    assert SettingsStore(tmp_path / "settings.json").now.speech_model == "base"
    assert app.sessions.job is not None
    assert app.sessions.job.models.speech_model == "base"
    app.models.live.notice("x", "kept")
    app.speech.dismiss("speech")
    assert list(app.models.live.notices) == ["x"]


def test_words_are_given_up_and_come_again(app: App, qtbot: QtBot) -> None:
    app._change({"speech_model": "none"})
    qtbot.waitUntil(lambda: "No words from" in told(app), timeout=30_000)
    assert app.models.live.absent == {Modality.LANGUAGE: SPEECH_OFF}
    assert app.models.transcript.absent == SPEECH_OFF
    app._change({"speech_model": ""})
    qtbot.waitUntil(lambda: told(app).startswith("Words from"), timeout=30_000)
    assert app.models.live.absent == {}
    assert app.models.transcript.absent == ""


def test_a_language_is_a_change_too(app: App, qtbot: QtBot) -> None:
    seen = changes_of(app)
    app._change({"language": "en"})
    qtbot.waitUntil(lambda: [change.language for change in seen] == ["en"], timeout=30_000)


def test_one_that_cannot_be_loaded_leaves_everything_as_it_was(app: App, qtbot: QtBot) -> None:
    seen = changes_of(app)
    app._change({"speech_model": "spoilt"})
    qtbot.waitUntil(lambda: "go on as before" in told(app), timeout=30_000)
    assert told(app) == "The words go on as before. spoilt: expected a folder"
    assert (seen, running(app)) == ([], True)


def test_where_nothing_runs_it_is_loaded_ahead_and_goes_before_the_command_line(
    make: Any, named: Loader, qtbot: QtBot
) -> None:
    app = shown(make(asr_model="by-command", language="en"), qtbot)
    qtbot.waitUntil(lambda: named.loads == 1, timeout=30_000)
    app._change({"speech_model": "base"})
    qtbot.waitUntil(lambda: named.loads == 2, timeout=30_000)
    assert app._model_choice() == replace(app._model_choice(), speech_model="base", language="en")
    assert told(app) == ""


def test_a_download_is_told_in_the_window_and_stopped_there(make: Any, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    choice, notices = app.speech.choice, app.models.live.notices
    stopped: list[str] = []
    choice.cancel = lambda: stopped.append(choice.fetching)  # type: ignore[method-assign]
    choice.fetching = "base"
    choice.changed.emit()
    assert notices["speech-fetch"].text.startswith("The speech model base is being downloaded")
    app.window.notices.action_requested.emit("speech-fetch")
    assert stopped == ["base"]
    choice._take_end("base", "no route", False, [])
    assert (notices["speech-fetch"].text, notices["speech-fetch"].action) == ("no route", "Close")
    app.window.notices.action_requested.emit("speech-fetch")
    assert "speech-fetch" not in notices
