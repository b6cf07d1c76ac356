"""The speech model in the preferences: what is said of it, and what its button does, in each state."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFileDialog
from pytestqt.qtbot import QtBot

from desktop.models.speech_choice import SpeechChoice
from desktop.preferences import PreferencesDialog
from desktop.settings import Settings
from desktop.widgets.speech_choice import SpeechModelBox, SpeechModelCard
from dmd_runtime import Assets, Progress, SpeechModelStatus, speech_model


class Choice(SpeechChoice):
    """Looks for nothing and fetches nothing by itself."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(lambda: Assets(offline=True, cache=tmp_path, environ={}))
        self.calls: list[str] = []
        self.find("tiny.en", place=tmp_path)
        self.find("base")

    def look(self) -> None:
        self.changed.emit()

    def fetch(self) -> None:
        self.calls.append("fetch")

    def cancel(self) -> None:
        self.calls.append("cancel")

    def find(self, name: str, *, place: Path | None = None, done: int = 0) -> None:
        model = speech_model(name)
        assert model is not None
        total = 148_000_000 if name == "base" else 78_000_000
        status = SpeechModelStatus(model=model, place=place, origin="cache", done_bytes=done, total_bytes=total)
        self._take_found([status], "base")

    def step(self, done: int) -> None:
        self.fetching = "base"
        step = Progress(
            asset="a", file="f", done_bytes=0, total_bytes=1, source="s", whole_done=done, whole_total=10**8
        )
        self._take_step("base", step)


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    return Choice(tmp_path)


@pytest.fixture
def dialog(choice: Choice, qtbot: QtBot) -> PreferencesDialog:
    made = PreferencesDialog(Settings(), speech=choice)
    qtbot.addWidget(made)
    made.show()
    return made


def card(dialog: PreferencesDialog) -> SpeechModelCard:
    found = dialog.findChild(SpeechModelCard)
    assert isinstance(found, SpeechModelCard)
    return found


def test_what_is_here_needs_no_button(dialog: PreferencesDialog) -> None:
    shown = card(dialog)
    assert shown.told.text() == "✓ Here (78 MB)"
    assert "Other languages than English are not heard" in shown.purpose.text()
    assert not shown.button.isVisible()
    assert not shown.bar.isVisible()


def test_what_is_not_here_can_be_downloaded_by_key(dialog: PreferencesDialog, choice: Choice, qtbot: QtBot) -> None:
    choice.show("base")
    shown = card(dialog)
    assert shown.told.text() == "Not here (about 148 MB). tiny.en stays in use until it is here."
    assert (shown.button.text(), shown.button.accessibleName()) == (
        "Download (148 MB)",
        "Download the speech model base",
    )
    qtbot.keyClick(shown.button, Qt.Key.Key_Space)
    assert choice.calls == ["fetch"]
    assert dialog.isVisible()


def test_a_download_shows_megabytes_percent_and_a_bar(dialog: PreferencesDialog, choice: Choice, qtbot: QtBot) -> None:
    choice.show("base")
    choice.step(24_600_000)
    shown = card(dialog)
    assert shown.told.text().startswith("25 of 100 MB (24 %).")
    assert (shown.bar.isVisible(), shown.bar.value(), shown.bar.accessibleName()) == (
        True,
        246,
        "Download of the speech model",
    )
    qtbot.mouseClick(shown.button, Qt.MouseButton.LeftButton)
    assert (choice.calls, shown.button.accessibleName()) == (["cancel"], "Cancel the download of base")
    choice.show("")
    assert card(dialog).told.text().endswith("(base is being downloaded.)")
    assert not shown.button.isVisible(), "one download at a time"


def test_a_dialog_that_is_opened_anew_shows_the_download_that_goes_on(choice: Choice, qtbot: QtBot) -> None:
    choice.show("base")
    choice.step(24_600_000)
    again = PreferencesDialog(Settings(), speech=choice)
    qtbot.addWidget(again)
    assert card(again).told.text().startswith("25 of 100 MB")
    assert (choice.shown, choice.chosen) == ("base", "")


def test_what_is_half_there_goes_on(dialog: PreferencesDialog, choice: Choice) -> None:
    choice.find("base", done=120_000_000)
    choice.show("base")
    assert card(dialog).button.text() == "Go on: 120 of 148 MB"
    assert card(dialog).bar.isVisible()


def test_a_failure_is_shown_with_a_sign(dialog: PreferencesDialog, choice: Choice) -> None:
    choice.show("base")
    choice._take_end("base", "model whisper-base is not here: no route", False, [])
    assert card(dialog).sign.isVisible()
    assert card(dialog).told.text().startswith("model whisper-base is not here: no route")
    assert card(dialog).button.isVisible()


def test_the_list_has_all_models_none_and_a_folder(
    dialog: PreferencesDialog, choice: Choice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    box = dialog.findChild(SpeechModelBox)
    assert isinstance(box, SpeechModelBox)
    texts = [box.itemText(i) for i in range(box.count())]
    assert texts[0] == "default (tiny.en)"
    assert texts[3] == "base (best on this machine)"
    assert texts[-2:] == ["none: no words", "A folder…"]
    for picked, shown in (("", ""), (str(tmp_path), str(tmp_path))):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, picked=picked: picked)
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
        assert (choice.shown, box.currentData()) == (shown, shown)
    assert card(dialog).told.text() == "✓ Your own folder; its files are not checked"


def test_a_language_that_an_english_model_does_not_hear_cannot_stay(
    dialog: PreferencesDialog, choice: Choice, tmp_path: Path
) -> None:
    changes: list[dict[str, object]] = []
    dialog.changed.connect(changes.append)
    box = dialog.findChild(QComboBox, "language")
    assert isinstance(box, QComboBox)
    german = box.findData("de")
    assert not box.model().flags(box.model().index(german, 0)) & Qt.ItemFlag.ItemIsEnabled
    choice.find("base", place=tmp_path)
    choice.show("base")
    assert box.model().flags(box.model().index(german, 0)) & Qt.ItemFlag.ItemIsEnabled
    box.setCurrentIndex(german)
    choice.set_heard("de")
    assert dialog._heard.text() == "The last words were heard as Deutsch."
    choice.show("")
    assert changes == [{"language": "de"}, {"language": "auto"}]


def test_a_dialog_by_itself_tells_what_is_taken(qtbot: QtBot) -> None:
    dialog = PreferencesDialog(Settings())
    qtbot.addWidget(dialog)
    changes: list[dict[str, object]] = []
    dialog.changed.connect(changes.append)
    dialog._speech.show("none")
    assert changes == [{"speech_model": "none"}]
    assert dialog._speech.close(20)
