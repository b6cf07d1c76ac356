"""The button that records and says that it does."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.recording import RecordFigures, RecordingModel, RecordState
from desktop.widgets.record_button import RecordButton, figures_text


def made(qtbot: QtBot) -> tuple[RecordButton, RecordingModel, QAction]:
    model, action = RecordingModel(), QAction("Record…")
    button = RecordButton(model, action)
    qtbot.addWidget(button)
    button.resize(button.sizeHint())
    button.show()
    return button, model, action


def ground(button: RecordButton) -> QColor:
    return button.grab().toImage().pixelColor(button.width() // 2, 4)


def test_red_is_recording_and_nothing_else(qtbot: QtBot) -> None:
    button, model, _ = made(qtbot)
    assert ground(button) == theme.theme().button
    model.set_state(RecordState.RECORDING)
    assert ground(button) == theme.RECORDING
    model.set_state(RecordState.SAVING)
    assert ground(button) == theme.theme().button


def test_the_time_is_on_it_and_the_rest_is_told(qtbot: QtBot) -> None:
    button, model, _ = made(qtbot)
    assert button.caption == "Record"
    model.set_state(RecordState.RECORDING)
    model.update(elapsed=65.0, frames=1900, frames_dropped=3, audio_lost=1600, disk_seconds=7200.0)
    assert button.caption == "1:05"
    assert button.accessibleName() == "Recording: stop"
    told = "1:05 recorded · 1900 pictures, 3 left out · 0.10 s of sound lost · the disk lasts 2:00:00 at this rate"
    assert button.accessibleDescription() == told
    assert told in button.toolTip()
    model.set_state(RecordState.SAVING)
    assert button.caption == "Saving…"


def test_a_click_and_a_key_trigger_the_action(qtbot: QtBot) -> None:
    button, _, action = made(qtbot)
    with qtbot.waitSignal(action.triggered):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(action.triggered):
        qtbot.keyClick(button, Qt.Key.Key_Space)
    action.setEnabled(False)
    assert not button.isEnabled()


def test_nothing_blinks_where_no_motion_is_wanted(qtbot: QtBot) -> None:
    button, model, _ = made(qtbot)
    model.set_state(RecordState.RECORDING)
    QApplication.instance().setProperty("dmd_reduced_motion", True)
    try:
        before = button.grab().toImage()
        button._toggle()
        assert button.grab().toImage() == before
    finally:
        QApplication.instance().setProperty("dmd_reduced_motion", False)
    button._toggle()
    assert button.grab().toImage() != before


def test_without_a_recording_there_is_nothing_to_tell() -> None:
    assert figures_text(RecordFigures()) == ""


def test_one_that_ended_by_itself_is_not_red_and_says_why(qtbot: QtBot) -> None:
    button, model, _ = made(qtbot)
    model.set_state(RecordState.RECORDING)
    model.update(elapsed=65.0, ended="The disk is full.")
    model.set_state(RecordState.ENDED)
    assert ground(button) == theme.theme().button
    assert (button.caption, button.accessibleName()) == ("Ended", "Record…")
    assert button.toolTip().endswith("1:05 recorded · The disk is full.")


def test_how_far_saving_is_can_be_seen(qtbot: QtBot) -> None:
    button, model, _ = made(qtbot)
    model.set_state(RecordState.SAVING)
    at = button.width() // 4, button.height() - 3
    assert button.grab().toImage().pixelColor(*at) != theme.theme().accent
    model.update(share=0.5)
    assert button.grab().toImage().pixelColor(*at) == theme.theme().accent
