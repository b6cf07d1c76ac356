"""Asking with which models a session is analysed anew, and what becomes of the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

import dmd_runtime
from desktop import archive as archive_module
from desktop import reanalysis_dialog as dialog_module
from desktop import theme
from desktop.app import App
from desktop.checkpoint_choice import shipped
from desktop.loaded_models import ModelChoice
from desktop.models.live import Phase
from desktop.reanalysis_dialog import _NAME, ReanalysisDialog, speech_models_here
from dmd_runtime import NO_SPEECH, SPEECH_MODELS, DMDError, SpeechModel, SpeechModelStatus
from dmd_runtime.recording import reanalysis
from tests.desktop.app_fixtures import make, shown
from tests.desktop.session_fixtures import loader
from tests.recording.replayable import reading_line, write_session

__all__ = ["loader", "make"]


def dialog(qtbot: QtBot, **options: Any) -> ReanalysisDialog:
    made = ReanalysisDialog("sub-p01/ses-a", **options)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_it_begins_with_what_is_in_force_and_as_recorded(qtbot: QtBot) -> None:
    asked = dialog(qtbot, recorded_speech="base.en")
    assert (asked.checkpoint, asked.speech_model, asked.name) == (None, "", None)
    assert asked._speech.currentText() == "as recorded (base.en)"
    assert asked.start.isEnabled()
    chosen = dialog(qtbot, checkpoint="/elsewhere/mine.safetensors")
    assert chosen.checkpoint == "/elsewhere/mine.safetensors"
    assert chosen._checkpoints.currentText() == "mine.safetensors"
    assert chosen._name.placeholderText() == "mine"


def test_what_ships_and_the_speech_models_that_are_here_are_offered(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"tiny.en": Path("/models/tiny.en"), "small": Path("/models/small")}

    def status(model: SpeechModel) -> SpeechModelStatus:
        place = places.get(model.name)
        return SpeechModelStatus(model=model, place=place, origin="", done_bytes=1, total_bytes=2)

    monkeypatch.setattr(dialog_module, "speech_models", lambda _: [status(model) for model in SPEECH_MODELS])
    asked = dialog(qtbot)
    offered = [asked._checkpoints.itemData(i) for i in range(asked._checkpoints.count())]
    assert offered[0] == ""
    assert set(shipped()) - {"starter"} == set(offered[1:-1])
    asked._speech.setCurrentIndex(1)
    for _ in range(2):
        asked.offer_speech(speech_models_here())
    assert [asked._speech.itemData(i) for i in range(asked._speech.count())] == ["", NO_SPEECH, "tiny.en", "small"]
    assert asked.speech_model == NO_SPEECH


def test_a_file_can_be_chosen_and_the_choice_left(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dialog(qtbot)
    answers = iter((("", ""), ("/a/b.safetensors", "")))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: next(answers))
    for expected in (None, "/a/b.safetensors"):
        asked._checkpoints.setCurrentIndex(asked._checkpoints.count() - 1)
        asked._choose()
        assert asked.checkpoint == expected
    assert asked._checkpoints.currentText() == "b.safetensors"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-run.2", ""),
        ("", ""),
        ("two words", "letters"),
        ("../up", "letters"),
        (".hidden", "letters"),
        ("Old", "already"),
    ],
)
def test_a_name_is_free_and_one_that_a_folder_may_have(qtbot: QtBot, name: str, said: str) -> None:
    asked = dialog(qtbot, analyses=("", "old"))
    asked._name.setText(name)
    assert asked.start.isEnabled() == (not said)
    assert said in asked.note.text()
    assert asked.note.accessibleName() == asked.note.text()


def test_names_are_those_that_the_program_takes() -> None:
    assert _NAME.pattern == reanalysis._NAME.pattern


def test_nothing_starts_without_a_film(qtbot: QtBot) -> None:
    asked = dialog(qtbot, problem="There is no film that could be read: moved or deleted: /gone.mkv")
    assert not asked.start.isEnabled()
    assert "/gone.mkv" in asked.note.text()


@pytest.mark.parametrize("look", ["dark", "light"])
def test_every_text_is_whole(qtbot: QtBot, qapp: QApplication, look: str) -> None:
    theme.apply_theme(qapp, look)
    asked = dialog(qtbot, recorded_speech="large-v3-turbo", analyses=("a",))
    assert asked.size().width() <= 560
    for widget in (asked._checkpoints, asked._speech, asked._name, asked.note, asked.start):
        assert asked.rect().contains(widget.rect().translated(widget.mapTo(asked, widget.rect().topLeft())))
        assert widget.height() >= widget.minimumSizeHint().height()


class Answer:
    """A dialog that is accepted at once."""

    checkpoint, speech_model, name = "other", NO_SPEECH, "second"
    asked: dict[str, Any]

    def __init__(self, session: str, **options: Any) -> None:
        Answer.asked = {"session": session, **options}

    def offer_speech(self, names: tuple[str, ...]) -> None:
        Answer.asked["speech"] = names

    def exec(self) -> bool:
        deadline = time.monotonic() + 10
        while "speech" not in Answer.asked and time.monotonic() < deadline:
            QCoreApplication.processEvents()
        return True

    def deleteLater(self) -> None:  # noqa: N802 - Qt's name
        pass


@pytest.fixture
def opened(make: Callable[..., App], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(archive_module, "ReanalysisDialog", Answer)
    monkeypatch.setattr(archive_module, "speech_models_here", lambda: ("tiny.en",))
    app = shown(make(), qtbot)
    assert not app.window.actions_.reanalyse.isEnabled()
    app._store.update(session_root=str(tmp_path))
    folder = write_session(tmp_path / "sub-p01" / "ses-a")
    app.archive.open(folder)
    model = app.archive.replay.model
    qtbot.waitUntil(lambda: model.live.phase is Phase.RUNNING and len(model.track.tiers) == 2)
    return app


def test_the_new_analysis_is_shown_and_what_was_recorded_stays(
    opened: App, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[ModelChoice] = []

    def load(folder: Path, models: ModelChoice, progress: object, cancel: object) -> Any:
        loaded.append(models)
        return object(), object()

    def reanalyse(folder: Path, toolbox: object, *, name: str, **_: object) -> Path:
        place = folder / "derived" / "analyses" / name
        place.mkdir(parents=True)
        for table in ("words", "faces"):
            (place / f"{table}.jsonl").write_text("")
        lines = [reading_line(i) | {"sentiment": -2.5} for i in range(8)]
        (place / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        about = {"format": 1, "state": "complete", "marks": [], "provenance": {}, "counts": {}}
        (place / "analysis.json").write_text(json.dumps(about | {"made_at": {"finished": "2026-01-01"}}))
        return place

    monkeypatch.setattr(opened.archive.exporting, "_load", load)
    monkeypatch.setattr(dmd_runtime, "reanalyse", reanalyse, raising=False)
    model, controls = opened.archive.replay.model, opened.archive.replay.controls
    recorded = (model.folder / "readings.jsonl").read_bytes()
    assert controls.analysis.itemText(controls.analysis.count() - 1) == "Analyse anew…"
    controls.analysis.activated.emit(controls.analysis.count() - 1)
    assert controls.analysis.currentText() == "as recorded"
    qtbot.waitUntil(lambda: model.analysis == "second", timeout=20_000)
    assert Answer.asked["session"] == "sub-p01/ses-a"
    assert Answer.asked["speech"] == ("tiny.en",)
    assert (loaded[0].checkpoint, loaded[0].speech_model) == ("other", NO_SPEECH)
    model.seek(4.0)
    assert model.emotion.raw_sentiment == -2.5
    assert controls.analysis.currentText() == "second"
    assert "“second”" in opened.models.live.notices["exported"].text
    model.analysis_requested.emit("")
    qtbot.waitUntil(lambda: model.analysis == "")
    assert (model.folder / "readings.jsonl").read_bytes() == recorded


def test_what_goes_wrong_is_said(opened: App, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> Any:
        raise DMDError("other: expected a checkpoint of this program's features, got those of another")

    monkeypatch.setattr(opened.archive.exporting, "_load", load)
    assert opened.window.actions_.reanalyse.isEnabled()
    opened.window.actions_.reanalyse.trigger()
    qtbot.waitUntil(lambda: "not made" in opened.models.live.notices, timeout=20_000)
    assert "got those of another" in opened.models.live.notices["not made"].text
    assert opened.archive.replay.model.analyses == ("",)
    opened.window.actions_.live.trigger()
    assert not opened.window.actions_.reanalyse.isEnabled()
