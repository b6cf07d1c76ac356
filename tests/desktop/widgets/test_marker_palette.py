from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.actions import Actions
from desktop.models.annotating import EMOTION_LABELS, AnnotatingModel
from desktop.widgets.marker_palette import NOTE_KEY, UNDO_KEY, MarkerPalette
from dmd_runtime import Label, MarkerSet, MarkerSetStore
from dmd_runtime.recording.marker_sets import RESERVED_KEYS
from tests.desktop.looking import count, picture

SMILE = Label(name="smile", key="S", color="#5b93a8")
TASK = Label(name="task", key="T", color="#c9695b", span=True)
BARE = Label(name="no key and no colour")
SETS = (MarkerSet(name="lab", labels=(SMILE, TASK, BARE)), MarkerSet(name="other", labels=(TASK,)))


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str, dict[str, Any]]] = []

    def mark(self, t0: float, label: str, **others: Any) -> None:
        self.lines.append((t0, label, others))

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        raise AssertionError("nothing is drawn here")


class Desk(QWidget):
    """A palette in a window, at a time that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.now: float | None = 1.0
        self.kept = Kept()
        self.model = AnnotatingModel(SETS)
        self.model.attach(lambda: self.now, self.kept)
        self.palette_ = MarkerPalette(self.model)
        QVBoxLayout(self).addWidget(self.palette_)
        self.resize(700, 260)

    def chip(self, name: str) -> Any:
        return next(chip for chip in self.palette_.chips if chip.label.name == name)


@pytest.fixture
def desk(qtbot: QtBot) -> Desk:
    desk = Desk()
    qtbot.addWidget(desk)
    with qtbot.waitActive(desk):
        desk.show()
        desk.activateWindow()
    desk.setFocus()
    return desk


def test_keys_mark(desk: Desk, qtbot: QtBot) -> None:
    for t, key in ((1.0, Qt.Key.Key_S), (2.0, Qt.Key.Key_T), (5.0, Qt.Key.Key_T)):
        desk.now = t
        qtbot.keyClick(desk, key)
    assert [(t, label, m["t1"], m["open"], m["tier"]) for t, label, m in desk.kept.lines] == [
        (1.0, "smile", None, False, "lab"),
        (2.0, "task", None, True, "lab"),
        (2.0, "task", 5.0, False, "lab"),
    ]


def test_the_mouse_marks_too(desk: Desk, qtbot: QtBot) -> None:
    for chip in desk.palette_.chips:
        qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert [label for _, label, _ in desk.kept.lines] == ["smile", "task", "no key and no colour"]


def test_a_span_that_runs_says_so(desk: Desk, qtbot: QtBot) -> None:
    chip = desk.chip("task")
    before = count(picture(desk.palette_), QColor(TASK.color), 8)
    qtbot.keyClick(desk, Qt.Key.Key_T)
    desk.now = 76.0
    desk.palette_._show_states()
    assert chip.is_running
    assert "running for 1:15" in chip.accessibleDescription()
    assert desk.palette_._timer.isActive()
    assert count(picture(desk.palette_), QColor(TASK.color), 8) > before + 100
    qtbot.keyClick(desk, Qt.Key.Key_T)
    assert not chip.is_running
    assert not desk.palette_._timer.isActive()
    assert "marked 1 times" in chip.accessibleDescription()


def test_own_emotion_labels_come_and_go(desk: Desk, qtbot: QtBot) -> None:
    qtbot.keyClick(desk, Qt.Key.Key_4)
    assert desk.kept.lines == []
    desk.palette_.emotions.setChecked(True)
    assert len(desk.palette_.chips) == len(SETS[0].labels) + len(EMOTION_LABELS)
    qtbot.keyClick(desk, Qt.Key.Key_4)
    desk.now = 2.0
    qtbot.keyClick(desk, Qt.Key.Key_1)
    assert [(t, label, m["t1"]) for t, label, m in desk.kept.lines] == [
        (1.0, "sadness", None),
        (1.0, "sadness", 2.0),
        (2.0, "happiness", None),
    ]
    assert desk.chip("happiness").is_running
    desk.palette_.emotions.setChecked(False)
    qtbot.keyClick(desk, Qt.Key.Key_2)
    assert len(desk.kept.lines) == 3


def test_a_note_is_typed_without_marking(desk: Desk, qtbot: QtBot) -> None:
    note = desk.palette_.note
    desk.now = 3.0
    qtbot.keyClick(desk, Qt.Key.Key_N)
    assert note.hasFocus()
    qtbot.keyClicks(note, "st")
    desk.now = 9.0
    qtbot.keyClick(note, Qt.Key.Key_Return)
    assert [(t, m["note"], m["tier"]) for t, _, m in desk.kept.lines] == [(3.0, "st", "note")]
    assert (note.text(), note.hasFocus()) == ("", False)
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert len(desk.kept.lines) == 2


def test_escape_drops_a_note(desk: Desk, qtbot: QtBot) -> None:
    note = desk.palette_.note
    note.setFocus()
    qtbot.keyClicks(note, "x")
    qtbot.keyClick(note, Qt.Key.Key_Escape)
    desk.now = 5.0
    note.setFocus()
    qtbot.keyClicks(note, "y")
    qtbot.keyClick(note, Qt.Key.Key_Return)
    assert [(t, m["note"]) for t, _, m in desk.kept.lines] == [(5.0, "y")]


def test_undo_by_key_and_by_button(desk: Desk, qtbot: QtBot) -> None:
    undo = desk.palette_.undo
    assert not undo.isEnabled()
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert "“smile”" in undo.toolTip()
    qtbot.keyClick(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(desk, Qt.Key.Key_T)
    qtbot.mouseClick(undo, Qt.MouseButton.LeftButton)
    assert [m["void"] for _, _, m in desk.kept.lines] == [False, True, False, True]
    assert not undo.isEnabled()
    assert not desk.chip("task").is_running


def test_another_set_has_other_chips_and_keys(desk: Desk, qtbot: QtBot) -> None:
    choice = desk.palette_.choice
    choice.setCurrentText("other")
    with qtbot.waitSignal(desk.palette_.set_chosen, timeout=0) as told:
        choice.activated.emit(1)
    assert told.args == ["other"]
    qtbot.keyClick(desk, Qt.Key.Key_S)
    qtbot.keyClick(desk, Qt.Key.Key_T)
    assert [m["tier"] for _, _, m in desk.kept.lines] == ["other"]
    desk.model.set_sets([])
    assert desk.palette_.chips == ()
    picture(desk.palette_)


def test_without_anything_that_runs_nothing_can_be_pressed(desk: Desk, qtbot: QtBot) -> None:
    assert desk.palette_.remark.text() == ""
    desk.model.attach(lambda: desk.now, None)
    assert desk.palette_.remark.text() == "shown only, not recorded"
    desk.model.finish()
    assert not any(chip.isEnabled() for chip in desk.palette_.chips)
    assert not desk.palette_.note.isEnabled()
    assert desk.palette_.remark.text() == "nothing runs"
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert desk.kept.lines == []


def test_hidden_it_takes_no_keys(desk: Desk, qtbot: QtBot) -> None:
    desk.palette_.hide()
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert desk.kept.lines == []


def test_its_keys_are_nobody_elses(qapp: QApplication, qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    actions = Actions(window)
    keys = {key for _, key in actions.listed()}
    assert {key for key in keys if len(key) == 1} <= RESERVED_KEYS
    assert NOTE_KEY in RESERVED_KEYS
    assert QKeySequence(UNDO_KEY).toString(QKeySequence.SequenceFormat.NativeText) not in keys
    assert {"M", "W"} <= keys  # else this test looks in the wrong place
    for marker_set in MarkerSetStore.defaults():
        assert not {label.key for label in marker_set.labels} & (keys | {NOTE_KEY})


@pytest.mark.parametrize("scale", [1.0, 1.5])
@pytest.mark.parametrize("width", [360, 560, 1240])
def test_chips_neither_overlap_nor_leave_the_card(
    desk: Desk, qapp: QApplication, width: int, scale: float, colours: theme.Theme
) -> None:
    desk.palette_.emotions.setChecked(True)
    qapp.setProperty("dmd_font_scale", scale)
    try:
        theme.apply_theme(qapp, colours.name)
        desk.resize(QSize(round(width * scale), 900))
        qapp.processEvents()
        boxes = [chip.geometry().translated(chip.parentWidget().pos()) for chip in desk.palette_.chips]
        inside = desk.palette_.rect()
        assert all(inside.contains(box) for box in boxes)
        assert not any(a.intersects(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert not any(box.intersects(desk.palette_.note.geometry()) for box in boxes)
        picture(desk.palette_)
    finally:
        qapp.setProperty("dmd_font_scale", None)
        theme.apply_theme(qapp, colours.name)


def test_when_a_recording_ends_by_itself_the_palette_says_why_and_takes_nothing(desk: Desk, qtbot: QtBot) -> None:
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert not desk.palette_.ended.isVisible()
    desk.model.end("The disk is full (90 MB left): the recording has ended.")
    assert desk.palette_.ended.isVisible()
    assert desk.palette_.ended.text().startswith("The disk is full")
    assert desk.palette_.remark.text() == "not kept any more"
    assert not any(chip.isEnabled() for chip in desk.palette_.chips)
    assert not desk.palette_.note.isEnabled()
    assert not desk.palette_.undo.isEnabled()
    qtbot.keyClick(desk, Qt.Key.Key_S)
    assert len(desk.kept.lines) == 1
    desk.model.attach(lambda: desk.now, desk.kept)
    assert not desk.palette_.ended.isVisible()
    assert desk.palette_.note.isEnabled()
