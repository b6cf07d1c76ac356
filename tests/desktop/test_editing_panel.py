"""Annotating in the replay page: keys, mouse, dialogs, and that everything fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.models.replay import ReplayModel
from desktop.replay.editing import UNSAVED
from desktop.replay.session import ReplaySession
from desktop.replay_page import ReplayPage
from desktop.tier_dialogs import ItemDialog, TierDialog
from desktop.widgets.track_layout import Kind
from dmd_runtime import Item, Label, MarkerSet, TierKind, read_annotations
from tests.desktop.looking import look
from tests.desktop.replay.standins import FakeSpeaker
from tests.recording.replayable import write_session

EVENT, TASK = ("event", "anna"), ("task", "anna")
KEY, NONE = Qt.Key, Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_session(tmp_path / "ses-a", media=False)


@pytest.fixture
def page(folder: Path, qtbot: QtBot, qapp: QApplication) -> Iterator[ReplayPage]:
    look(qapp, "dark")
    model = ReplayModel()
    page, session = ReplayPage(model), ReplaySession(model, output=FakeSpeaker())
    qtbot.addWidget(page)
    page.resize(1280, 720)
    page.show()
    page.activateWindow()
    with qtbot.waitSignal(session.opened):
        session.open(folder)
    qtbot.waitUntil(lambda: len(model.track.tiers) == 2)
    page.timeline.setFocus()
    yield page
    session.close()


@pytest.fixture
def editing(page: ReplayPage, qtbot: QtBot) -> ReplayPage:
    marks = page.editing.edits.marks
    marks.set_sets(
        [MarkerSet(name="game", labels=(Label(name="hit", key="S"), Label(name="turn", key="E", span=True)))]
    )
    with qtbot.waitSignal(page.editing.changed):
        qtbot.keyClick(page.timeline, KEY.Key_E)
    return page


def place(page: ReplayPage, key: tuple[str, str], t: float) -> QPoint:
    """Where a tier has a time, on the timeline."""
    timeline = page.timeline
    number = [row.tier.key for row in timeline.model.tiers].index(key)
    timeline.scroll_rows(-9.0)
    row = next(r for r in timeline.arrangement().rows if r.kind is Kind.TIER and r.number == number)
    timeline.scroll_rows(
        max(0.0, row.box.bottom() - timeline.arrangement().body.bottom() + 4) / timeline.arrangement().body.height()
    )
    row = next(r for r in timeline.arrangement().rows if r.kind is Kind.TIER and r.number == number)
    return QPointF(timeline.axis().x(t), row.box.center().y()).toPoint()


def drag(page: ReplayPage, key: tuple[str, str], start: float, end: float) -> None:
    a, b = place(page, key, start), place(page, key, end)
    QTest.mousePress(page.timeline, LEFT, NONE, a)
    QTest.mouseMove(page.timeline, (a + b) / 2)
    QTest.mouseMove(page.timeline, b)
    QTest.mouseRelease(page.timeline, LEFT, NONE, b)


def items(page: ReplayPage, key: tuple[str, str]) -> list[tuple[float, float | None, str]]:
    return [(item.t0, item.t1, item.label) for item in page.editing.edits.annotations.tier(key).items]


def test_a_key_and_a_button_open_the_panel(page: ReplayPage, qtbot: QtBot) -> None:
    assert not page.panel.isVisible()
    assert not page.timeline.editable
    with qtbot.waitSignal(page.editing.changed):
        page.controls.edit.click()
    assert page.panel.isVisible()
    assert not page.emotion.isVisible()
    assert page.timeline.editable
    assert "End annotating" in page.controls.edit.toolTip()
    qtbot.keyClick(page.timeline, KEY.Key_E)
    assert not page.panel.isVisible()
    assert page.emotion.isVisible()
    assert not page.timeline.editable


def test_without_it_nothing_can_be_changed(page: ReplayPage, qtbot: QtBot) -> None:
    before = page.model.track.annotations
    drag(page, TASK, 3.0, 2.0)
    page.model.track.select_item(TASK, "b")
    for key in (KEY.Key_Delete, KEY.Key_F2, KEY.Key_Insert):
        qtbot.keyClick(page.timeline, key)
    qtbot.keyClick(page.timeline, KEY.Key_Z, CTRL)
    assert page.model.track.annotations is before
    assert page.panel.dialog is None


def test_edges_and_middles_are_dragged(editing: ReplayPage, qtbot: QtBot) -> None:
    pixel = 1.5 / editing.timeline.axis().pixels
    drag(editing, TASK, 4.5, 5.0)
    assert items(editing, TASK) == [(3.0, pytest.approx(5.0, abs=pixel), "reading")]
    drag(editing, TASK, 3.0, 2.5)
    assert items(editing, TASK)[0][:2] == pytest.approx((2.5, 5.0), abs=2 * pixel)
    drag(editing, TASK, 3.5, 4.0)
    assert items(editing, TASK)[0][:2] == pytest.approx((3.0, 5.5), abs=3 * pixel)
    length = items(editing, TASK)[0][1] - items(editing, TASK)[0][0]
    drag(editing, TASK, 4.0, 5.9)  # against the end it stays as long as it is
    assert items(editing, TASK)[0][1] == pytest.approx(editing.model.track.end)
    assert items(editing, TASK)[0][1] - items(editing, TASK)[0][0] == pytest.approx(length)
    drag(editing, EVENT, 1.5, 0.5)
    assert items(editing, EVENT) == [(pytest.approx(0.5, abs=pixel), None, "smile")]
    assert "move “smile”" in editing.panel.undo.toolTip()
    for _ in range(5):
        qtbot.keyClick(editing.timeline, KEY.Key_Z, CTRL)
    assert (items(editing, TASK), items(editing, EVENT)) == ([(3.0, 4.5, "reading")], [(1.5, None, "smile")])
    assert not editing.panel.undo.isEnabled()
    qtbot.keyClick(editing.timeline, KEY.Key_Z, CTRL | SHIFT)
    assert "move “reading”" in editing.panel.undo.toolTip()


def test_a_click_selects_del_deletes_and_it_comes_back(editing: ReplayPage, folder: Path, qtbot: QtBot) -> None:
    qtbot.mouseClick(editing.timeline, LEFT, pos=place(editing, TASK, 3.75))
    assert editing.model.track.selected == (TASK, "b")
    assert editing.panel.tiers.list.currentRow() == 1
    with qtbot.waitSignal(editing.editing.saved):
        qtbot.keyClick(editing.timeline, KEY.Key_Delete)
        assert editing.panel.state.text() == "saving …"
    assert read_annotations(folder).tier(TASK).items == ()
    assert editing.panel.state.text() == "saved"
    assert editing.model.track.selected is None
    qtbot.keyClick(editing.timeline, KEY.Key_Z, CTRL)
    assert items(editing, TASK) == [(3.0, 4.5, "reading")]


def test_label_time_and_note_are_edited(editing: ReplayPage, qtbot: QtBot) -> None:
    qtbot.mouseDClick(editing.timeline, LEFT, pos=place(editing, TASK, 3.75))
    dialog = editing.panel.dialog
    assert isinstance(dialog, ItemDialog)
    assert dialog.start.lineEdit().width() > 100  # its text can be seen
    dialog.label.setCurrentText("writing")
    dialog.stop.setValue(2.0)
    dialog.accept()
    assert dialog.isVisible()  # it cannot end before it began
    assert "end after" in dialog.problem.text()
    dialog.stop.setValue(5.25)
    dialog.note.setText(" slowly ")
    dialog.accept()
    assert editing.model.track.item(TASK, "b") == Item(id="b", t0=3.0, t1=5.25, label="writing", note="slowly")
    editing.model.track.select_item(EVENT, "a")
    qtbot.keyClick(editing.timeline, KEY.Key_F2)
    dialog = editing.panel.dialog
    assert isinstance(dialog, ItemDialog)
    assert not dialog.stop.isVisible()
    dialog.accept()  # nothing was changed: nothing to undo
    assert editing.editing.edits.undo_text == "edit “writing”"
    assert editing.timeline.hasFocus()


def test_an_item_is_added_over_the_selection(editing: ReplayPage, qtbot: QtBot) -> None:
    edits = editing.editing.edits
    qtbot.mouseClick(editing.panel.tiers.new, LEFT)
    dialog = editing.panel.dialog
    assert isinstance(dialog, TierDialog)
    assert not dialog.keep.isEnabled()
    dialog.name.setText("emotion")
    dialog.by.setCurrentText("ben")
    dialog.kind.setCurrentIndex(dialog.kind.findData(TierKind.CATEGORY))
    dialog.accept()
    assert (edits.rater, edits.tier) == ("ben", ("emotion", "ben"))
    editing.model.track.select(1.0, 2.5)
    qtbot.keyClick(editing.timeline, KEY.Key_Insert)
    asked = editing.panel.dialog
    assert isinstance(asked, ItemDialog)
    assert not asked.lasts.isEnabled()
    asked.label.setCurrentText("anger")
    asked.accept()
    assert items(editing, ("emotion", "ben")) == [(1.0, 2.5, "anger")]
    qtbot.mouseClick(editing.panel.tiers.rename, LEFT)
    renaming = editing.panel.dialog
    assert isinstance(renaming, TierDialog)
    renaming.name.setText("seen")
    renaming.accept()
    assert edits.tier == ("seen", "ben")
    qtbot.mouseClick(editing.panel.tiers.remove, LEFT)
    assert [tier.key for tier in edits.annotations.tiers] == [EVENT, TASK]


def test_keys_of_markers_go_before_those_of_the_page(editing: ReplayPage, qtbot: QtBot) -> None:
    editing.model.seek(2.0)
    timeline, player = editing.timeline, editing.model.transport
    assert player is not None
    assert not editing._shortcuts["S"].isEnabled()
    qtbot.keyClick(timeline, KEY.Key_S)
    qtbot.keyClick(timeline, KEY.Key_E)
    editing.model.seek(3.0)
    qtbot.keyClick(timeline, KEY.Key_E)
    assert items(editing, ("game", "user")) == [(2.0, None, "hit"), (2.0, 3.0, "turn")]
    qtbot.keyClick(timeline, KEY.Key_M)
    assert items(editing, ("marker", "user")) == [(3.0, None, "marker 1")]
    qtbot.keyClick(timeline, KEY.Key_L)
    assert player.loop is not None
    editing.controls.edit.click()
    qtbot.keyClick(timeline, KEY.Key_S)
    assert editing._shortcuts["S"].isEnabled()
    assert len(items(editing, ("game", "user"))) == 2


def test_a_note_gives_the_keys_back(editing: ReplayPage, qtbot: QtBot) -> None:
    editing.model.seek(2.0)
    qtbot.keyClick(editing.timeline, KEY.Key_N)
    note = editing.panel.palette_.note
    qtbot.waitUntil(note.hasFocus)
    qtbot.keyClicks(note, "she smiles s")
    qtbot.keyClick(note, KEY.Key_Return)
    found = editing.editing.edits.annotations.tier(("note", "user")).items
    assert [(item.t0, item.note) for item in found] == [(2.0, "she smiles s")]
    assert editing.timeline.hasFocus()


def test_a_rater_is_named_and_the_keys_come_back(editing: ReplayPage, qtbot: QtBot) -> None:
    editing.model.seek(2.0)
    rater = editing.panel.rater
    rater.setFocus()
    rater.lineEdit().selectAll()
    qtbot.keyClicks(rater, "else,")
    assert editing.editing.is_on
    assert "game" not in [tier.name for tier in editing.editing.edits.annotations.tiers]
    qtbot.keyClick(rater, KEY.Key_Return)
    assert editing.timeline.hasFocus()
    qtbot.keyClick(editing.timeline, KEY.Key_S)
    assert items(editing, ("game", "else,")) == [(2.0, None, "hit")]


def test_a_key_compares_what_is_here(page: ReplayPage, qtbot: QtBot) -> None:
    qtbot.keyClick(page.timeline, KEY.Key_K)
    assert page.comparing is not None
    assert "nothing to compare" in page.comparing.view.text
    page.comparing.reject()
    assert page.comparing is None


def test_arrows_draw_on_the_pad(editing: ReplayPage, qtbot: QtBot) -> None:
    editing.model.seek(2.0)
    editing.panel._choice.button(1).click()
    pad = editing.panel.pad
    pad.setFocus()
    qtbot.keyClick(pad, KEY.Key_Right)
    qtbot.keyClick(pad, KEY.Key_Escape)
    assert editing.model.position == 2.0
    tier = editing.editing.edits.annotations.tier(("valence", "user"))
    assert [(item.t0, item.value) for item in tier.items] == [(2.0, 0.05)]


def test_the_model_can_be_hidden_from_who_labels(editing: ReplayPage) -> None:
    kinds = {row.kind for row in editing.timeline.arrangement().rows}
    assert Kind.EMOTION in kinds
    editing.panel.tiers.hide_model.setChecked(True)
    assert {row.kind for row in editing.timeline.arrangement().rows} == {Kind.WORDS, Kind.TIER}
    assert editing.model.track.series is None
    editing.controls.edit.click()
    assert editing.model.track.series is not None
    assert not editing.panel.tiers.hide_model.isChecked()


def test_the_window_has_the_marker_key_elsewhere(editing: ReplayPage) -> None:
    shortcuts = [s.key() for s in editing._shortcuts.values() if s.isEnabled()]
    assert QKeySequence("M") not in shortcuts  # an action of the window has it too, and two would do nothing


@pytest.mark.parametrize("size", [(1024, 562), (1280, 720), (1920, 1000)])
def test_nothing_overlaps(editing: ReplayPage, size: tuple[int, int]) -> None:
    for number in (0, 1):
        editing.panel._choice.button(number).click()
        editing.resize(*size)
        QApplication.processEvents()
        assert editing.size().toTuple() == size
        panel = editing.panel
        shown: QWidget = (panel.tiers, panel.pad)[number]
        cards: list[QWidget] = [editing.video, editing.controls, editing.words, editing.timeline]
        cards += [panel.rater, panel.undo, panel.redo, panel.palette_, shown]
        boxes = [(card, card.rect().translated(card.mapTo(editing, QPoint()))) for card in cards]
        for i, (card, box) in enumerate(boxes):
            assert editing.rect().contains(box), card
            assert all(not box.intersects(other) for _, other in boxes[i + 1 :]), card


def test_everything_that_takes_keys_has_a_name(editing: ReplayPage) -> None:
    nameless = [
        widget
        for widget in editing.panel.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.isVisibleTo(editing)
        and not (widget.accessibleName() or getattr(widget, "text", str)())
        and not widget.objectName().startswith("qt_")
    ]
    assert nameless == []


def test_what_cannot_be_saved_is_on_screen_and_can_be_tried_again(
    editing: ReplayPage, folder: Path, qtbot: QtBot
) -> None:
    (folder / "annotations.json").mkdir()
    editing.editing.edits.add_tier("late", TierKind.POINT)
    lines = editing.notices._lines
    qtbot.waitUntil(lambda: UNSAVED in lines)
    assert "cannot be written" in lines[UNSAVED].notice.text
    assert editing.panel.state.text() == "not saved"
    (folder / "annotations.json").rmdir()
    with qtbot.waitSignal(editing.editing.saved):
        lines[UNSAVED].button.click()
    assert UNSAVED not in lines
    assert editing.panel.state.text() == "saved"
    assert ("late", "user") in read_annotations(folder)
