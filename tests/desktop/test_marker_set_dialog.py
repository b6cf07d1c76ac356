from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog
from pytestqt.qtbot import QtBot

from desktop.marker_set_dialog import MarkerSetDialog
from dmd_runtime import Label, MarkerSet, MarkerSetStore

SETS = (
    MarkerSet(name="lab", labels=(Label(name="a", key="A"), Label(name="b", key="B", color="#5b93a8", span=True))),
    MarkerSet(name="own"),
)


@pytest.fixture
def dialog(qtbot: QtBot) -> MarkerSetDialog:
    dialog = MarkerSetDialog(SETS, "lab")
    qtbot.addWidget(dialog)
    return dialog


def labels(dialog: MarkerSetDialog) -> list[str]:
    return [label.name for label in dialog.sets[dialog.choice.currentIndex()].labels]


def press(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_nothing_changes_by_looking(dialog: MarkerSetDialog) -> None:
    assert (dialog.sets, dialog.chosen, dialog.save.isEnabled()) == (SETS, "lab", True)
    dialog._show(1)
    assert (dialog.sets, dialog.chosen) == (SETS, "own")


def test_every_field_is_taken(dialog: MarkerSetDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dialog._rows[0]
    row.name.setText(" smile ")
    row.key.setText("s")
    row.kind.setCurrentIndex(1)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#123456"))
    press(qtbot, row.colour)
    assert dialog.sets[0].labels[0] == Label(name="smile", key="S", color="#123456", span=True)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor())  # cancelled
    press(qtbot, row.colour)
    assert dialog.sets[0].labels[0].color == "#123456"
    dialog.name.clear()
    qtbot.keyClicks(dialog.name, "study")
    assert (dialog.sets[0].name, dialog.choice.currentText()) == ("study", "study")


@pytest.mark.parametrize(
    ("key", "said"), [("b", "got B twice"), ("m", "which the window uses"), ("?", "one letter or digit")]
)
def test_what_is_wrong_is_said_and_cannot_be_saved(dialog: MarkerSetDialog, key: str, said: str) -> None:
    dialog._rows[0].key.setText(key)
    assert said in dialog.problem.text()
    assert not dialog.save.isEnabled()
    dialog._rows[0].key.setText("q")
    assert dialog.save.isEnabled()
    assert dialog.problem.isHidden()


def test_labels_come_go_and_move(dialog: MarkerSetDialog, qtbot: QtBot) -> None:
    press(qtbot, dialog.add_label)
    assert not dialog.save.isEnabled()  # it has no name yet
    dialog._rows[2].name.setText("c")
    assert labels(dialog) == ["a", "b", "c"]
    assert dialog.sets[0].labels[2].color
    press(qtbot, dialog._rows[2].up)
    assert labels(dialog) == ["a", "c", "b"]
    press(qtbot, dialog._rows[0].up)
    assert labels(dialog) == ["a", "c", "b"]
    press(qtbot, dialog._rows[0].remove)
    assert labels(dialog) == ["c", "b"]


def test_sets_come_and_go(dialog: MarkerSetDialog, qtbot: QtBot) -> None:
    press(qtbot, dialog.copy_set)
    press(qtbot, dialog.add_set)
    assert [s.name for s in dialog.sets] == ["lab", "own", "lab 2", "new set"]
    assert dialog.sets[2].labels == SETS[0].labels
    for _ in range(4):
        assert dialog.remove_set.isEnabled()
        press(qtbot, dialog.remove_set)
    assert dialog.sets == ()
    assert not dialog.add_label.isEnabled()
    press(qtbot, dialog.add_set)
    assert [s.name for s in dialog.sets] == ["new set"]


def test_those_that_came_with_it_come_back(dialog: MarkerSetDialog, qtbot: QtBot) -> None:
    press(qtbot, dialog.restore)
    assert dialog.sets == (*MarkerSetStore.defaults(), *SETS)
    dialog._rows[0].remove.click()
    press(qtbot, dialog.restore)
    assert dialog.sets == (*MarkerSetStore.defaults(), *SETS)


def test_everything_has_a_name_for_who_does_not_see_it(dialog: MarkerSetDialog) -> None:
    row = dialog._rows[0]
    for widget in (dialog.choice, dialog.name, row.colour, row.name, row.key, row.kind, row.up, row.remove):
        assert widget.accessibleName()
