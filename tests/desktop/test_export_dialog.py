from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.export_dialog import TITLES, ExportDialog, _Words
from desktop.widgets.labels import Label
from dmd_runtime import FORMATS, ExportOptions
from tests.desktop import looking

GONE = "No film can be made: the medium was moved or deleted."


def dialog(qtbot: QtBot, *chosen: str, **options: object) -> ExportDialog:
    made = ExportDialog(chosen, **options)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_every_format_is_offered_with_its_description_and_its_files(qtbot: QtBot) -> None:
    asked = dialog(qtbot)
    assert list(asked.boxes) == list(FORMATS) == list(TITLES)
    for name, box in asked.boxes.items():
        assert box.accessibleDescription() == FORMATS[name].text
        assert box.toolTip().split(", ") == list(FORMATS[name].files)


def test_what_is_ticked_is_the_answer(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "vtt", "csv", "gone in this version")
    assert asked.formats == ("csv", "vtt")
    assert asked.options == ExportOptions()
    asked.boxes["csv"].setChecked(False)
    assert asked.formats == ("vtt",)


def test_nothing_starts_without_a_format(qtbot: QtBot) -> None:
    asked = dialog(qtbot)
    assert not asked.start.isEnabled()
    assert "at least one" in asked.note.text()
    asked.boxes["report"].setChecked(True)
    assert asked.start.isEnabled()
    assert "derived" in asked.note.text()


def test_only_films_can_be_masked(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "csv")
    assert not asked.blur_faces.isEnabled()
    assert not asked.mask_voice.isEnabled()
    asked.boxes["annotated"].setChecked(True)
    asked.blur_faces.setChecked(True)
    asked.mask_voice.setChecked(True)
    assert asked.options == ExportOptions(blur_faces=True, mask_voice=True)
    assert "Only films are masked" in asked.note.text()
    asked.boxes["annotated"].setChecked(False)
    assert asked.options == ExportOptions()


def test_the_limits_of_masking_are_said(qtbot: QtBot) -> None:
    asked = dialog(qtbot)
    assert "look at the film before you pass it on" in asked.blur_faces.accessibleDescription()
    assert "not from an attacker" in asked.mask_voice.accessibleDescription()


def test_what_is_masked_is_never_left_to_happen_by_itself(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "mp4")
    assert asked.for_every_recording is None
    asked.every.setChecked(True)
    assert asked.for_every_recording == ("mp4",)
    asked.mask_voice.setChecked(True)
    assert not asked.every.isEnabled()
    assert asked.for_every_recording is None


def test_without_a_medium_there_is_no_film(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "csv", "mp4", no_film=GONE)
    assert asked.formats == ("csv",)
    assert not asked.boxes["mp4"].isEnabled()
    assert not asked.blur_faces.isEnabled()
    assert GONE in [label.text() for label in asked.findChildren(Label)]


@pytest.mark.parametrize(("chosen", "answer"), [(None, None), ("second", "second"), ("gone", None)])
def test_an_analysis_can_be_exported_instead(qtbot: QtBot, chosen: str | None, answer: str | None) -> None:
    asked = dialog(qtbot, "csv", analyses=("first", "second"), analysis=chosen)
    assert asked.analysis.isVisible()
    assert asked.options.analysis == answer
    asked.analysis.setCurrentIndex(1)
    assert asked.options.analysis == "first"


def test_without_an_analysis_nothing_is_asked(qtbot: QtBot) -> None:
    asked = dialog(qtbot, sessions=3, every=False)
    assert not asked.analysis.isVisible()
    assert not asked.every.isVisible()
    assert "3" in asked.windowTitle()


def test_it_is_answered_by_the_keyboard_alone(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "csv")
    asked.activateWindow()
    qtbot.waitUntil(asked.boxes["csv"].hasFocus)
    seen = []
    for _ in range(40):
        seen.append(QApplication.focusWidget())
        if QApplication.focusWidget() is asked.boxes["annotated"]:
            break
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert seen == list(asked.boxes.values())
    qtbot.keyClick(asked.boxes["annotated"], Qt.Key.Key_Space)
    qtbot.keyClick(asked.boxes["annotated"], Qt.Key.Key_Tab)
    assert asked.blur_faces.hasFocus()
    qtbot.keyClick(asked.blur_faces, Qt.Key.Key_Space)
    qtbot.keyClick(asked.blur_faces, Qt.Key.Key_Return)
    assert asked.result() == QDialog.DialogCode.Accepted
    assert (asked.formats, asked.options.blur_faces) == (("csv", "annotated"), True)


def test_escape_is_no_answer(qtbot: QtBot) -> None:
    asked = dialog(qtbot, "csv")
    qtbot.keyClick(asked, Qt.Key.Key_Escape)
    assert asked.result() == QDialog.DialogCode.Rejected


def test_the_words_beside_a_box_tick_it(qtbot: QtBot) -> None:
    asked = dialog(qtbot)
    words = {label._box: label for label in asked.findChildren(_Words)}
    qtbot.mouseClick(words[asked.boxes["eaf"]], Qt.MouseButton.LeftButton)
    assert asked.formats == ("eaf",)
    qtbot.mouseClick(words[asked.blur_faces], Qt.MouseButton.LeftButton)
    assert not asked.blur_faces.isChecked()  # there is no film


@pytest.mark.parametrize("name", ["dark", "light"])
def test_the_button_that_exports_stands_out(qtbot: QtBot, qapp: QApplication, name: str) -> None:
    look = looking.look(qapp, name)
    asked = dialog(qtbot, "csv")
    size = asked.start.size()
    assert looking.count(looking.picture(asked.start), look.accent) > size.width() * size.height() / 2
    theme.apply_theme(qapp, "dark")
