"""Editing what was said of a session: undone, redone, written at once, never lost; what was recorded stays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths
from pytestqt.qtbot import QtBot

from desktop.models.replay import ReplayModel
from desktop.replay import editing as module
from desktop.replay.editing import KEPT, UNSAVED, ReplayEditing
from desktop.replay.kept_copy import put_aside
from desktop.replay.session import ReplaySession
from dmd_runtime import Annotations, AnnotationStore, Item, Label, MarkerSet, Tier, TierKind, read_annotations
from dmd_runtime.recording.lock import SessionLock
from tests.desktop.replay.standins import FakeSpeaker
from tests.recording.replayable import write_session

EVENT, TASK = ("event", "anna"), ("task", "anna")


@pytest.fixture
def aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies go of what cannot be written."""
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda _: str(tmp_path / "aside"))
    monkeypatch.setattr(module, "AGAIN_MS", 50)
    return tmp_path / "aside"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_session(tmp_path / "ses-a", media=False)


@pytest.fixture
def model() -> ReplayModel:
    return ReplayModel()


@pytest.fixture
def editing(model: ReplayModel) -> ReplayEditing:
    return ReplayEditing(model)


@pytest.fixture
def session(model: ReplayModel, editing: ReplayEditing) -> Iterator[ReplaySession]:
    session = ReplaySession(model, output=FakeSpeaker())
    yield session
    session.close()


def opened(session: ReplaySession, folder: Path, bot: QtBot) -> None:
    with bot.waitSignal(session.opened):
        session.open(folder)
    bot.waitUntil(lambda: len(session.model.track.tiers) >= 2)


def begun(editing: ReplayEditing, session: ReplaySession, folder: Path, bot: QtBot) -> None:
    opened(session, folder, bot)
    with bot.waitSignal(editing.changed):
        editing.toggle()
    assert editing.is_on


def kept(folder: Path) -> Annotations:
    assert (folder / "annotations.json").exists()
    return read_annotations(folder)


def test_an_edit_is_shown_written_undone_and_done_again(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    recorded = (folder / "markers.jsonl").read_bytes()
    begun(editing, session, folder, qtbot)
    assert not (folder / "annotations.json").exists()  # looking changes nothing
    edits, track = editing.edits, session.model.track
    item = track.item(TASK, "b")
    assert item is not None
    with qtbot.waitSignal(editing.saved):
        edits.change_item(TASK, Item(id="b", t0=2.0, t1=5.0, label="writing", note="aloud"))
        assert track.item(TASK, "b").label == "writing"
    assert kept(folder).tier(TASK).item("b").note == "aloud"
    assert edits.undo_text == "edit “writing”"
    with qtbot.waitSignal(editing.saved):
        edits.undo()
    assert track.item(TASK, "b") == item == kept(folder).tier(TASK).item("b")
    assert (edits.undo_text, edits.redo_text) == ("", "edit “writing”")
    with qtbot.waitSignal(editing.saved):
        edits.redo()
    assert kept(folder).tier(TASK).item("b").t1 == 5.0
    assert (folder / "markers.jsonl").read_bytes() == recorded


def test_dragging_is_one_edit_and_shows_before_it_is(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    edits, track = editing.edits, session.model.track
    for t1 in (4.6, 4.8, 5.2):
        edits.drag(TASK, "b", 3.0, t1, False)
        assert track.item(TASK, "b").t1 == t1
    assert edits.undo_text == ""
    edits.drag(TASK, "b", 3.0, 5.3, True)
    edits.drag(EVENT, "a", 2.25, 2.25, True)
    assert (track.item(TASK, "b").t1, track.item(EVENT, "a").t0, track.item(EVENT, "a").t1) == (5.3, 2.25, None)
    edits.drag(TASK, "b", 3.0, 3.001, False)
    edits.drag(TASK, "b", 3.0, 3.001, True)  # too short to be meant
    assert track.item(TASK, "b").t1 == 5.3
    edits.undo()
    edits.undo()
    assert (track.item(TASK, "b").t1, track.item(EVENT, "a").t0) == (4.5, 1.5)
    assert not edits.undo_text


def test_marks_go_to_the_play_head_and_are_counted_after_undo(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    model, edits, marks = session.model, editing.edits, editing.edits.marks
    task, quote = Label(name="reading", key="T", span=True), Label(name="smile", key="Q")
    marks.set_sets([MarkerSet(name="event", labels=(quote, task))])
    edits.set_rater("anna")
    model.seek(2.0)
    marks.press(quote)
    assert marks.counts["event", "smile"] == 2  # one was recorded
    marks.press(task)
    model.seek(3.5)
    marks.press(task)  # the tier had moments only: it takes a span as well
    tier = edits.annotations.tier(EVENT)
    assert [(i.t0, i.t1, i.label) for i in tier.items] == [
        (1.5, None, "smile"),
        (2.0, None, "smile"),
        (2.0, 3.5, "reading"),
    ]
    assert tier.kind is TierKind.SPAN
    edits.undo()
    assert marks.counts["event", "reading"] == 0
    marks.press_emotion("anger")
    model.seek(4.0)
    editing.toggle()  # what runs ends here
    assert [(i.t0, i.t1, i.label) for i in edits.annotations.tier(("emotion", "anna")).items] == [(3.5, 4.0, "anger")]
    assert model.track.annotations is edits.annotations
    session.close()
    assert kept(folder).tier(("emotion", "anna")).items[0].label == "anger"


def test_a_stroke_is_one_edit(editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot) -> None:
    begun(editing, session, folder, qtbot)
    model, edits, marks = session.model, editing.edits, editing.edits.marks
    for stroke in ((1.0, 1.5, 2.0), (3.0, 3.5)):
        for t in stroke:
            model.seek(t)
            marks.trace(t / 4 - 0.5, 0.25)
        marks.lift()
    key = ("valence", "user")
    assert [item.t0 for item in model.track.annotations.tier(key).items] == [1.0, 1.5, 2.0, 3.0, 3.5]
    edits.undo()
    assert [item.t0 for item in model.track.annotations.tier(key).items] == [1.0, 1.5, 2.0]
    edits.choose_tier(key)
    model.track.select(1.4, 2.5)
    edits.remove_selected()
    assert [item.t0 for item in edits.annotations.tier(key).items] == [1.0]
    edits.undo()
    edits.undo()
    assert key not in edits.annotations


def test_tiers_are_made_renamed_and_removed(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    edits, track = editing.edits, session.model.track
    edits.set_rater("ben")
    assert edits.add_tier("gaze", TierKind.CATEGORY)
    assert edits.tier == ("gaze", "ben")
    track.select(1.0, 2.0)
    item = edits.new_item()
    assert item is not None
    assert (item.t0, item.t1) == (1.0, 2.0)
    assert edits.add_item(item)
    assert edits.selected == (("gaze", "ben"), item)
    with qtbot.waitSignal(edits.refused):
        assert not edits.add_tier("gaze", TierKind.POINT)
    assert edits.rename_tier("looks", "carla")
    assert edits.tier == ("looks", "carla")
    assert edits.raters == ("ben", "anna", "carla")
    track.select_item(("looks", "carla"), item.id)
    edits.remove_selected()
    assert edits.annotations.tier(("looks", "carla")).items == ()
    edits.remove_tier()
    assert ("looks", "carla") not in track.annotations
    assert edits.tier is None
    session.close()
    assert [tier.key for tier in kept(folder).tiers] == [EVENT, TASK]


def test_another_session_finds_what_was_edited_on_the_disk(
    editing: ReplayEditing, session: ReplaySession, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    editing.edits.add_tier("late", TierKind.POINT)
    other = write_session(tmp_path / "ses-b", media=False)
    opened(session, other, qtbot)
    assert ("late", "user") in kept(folder)
    assert not editing.is_on
    assert editing.edits.store is None
    assert not (other / "annotations.json").exists()
    editing.edits.undo()  # nothing to edit, and nothing happens
    assert [tier.key for tier in session.model.track.annotations.tiers] == [EVENT, TASK]


def test_what_cannot_be_written_is_said_kept_and_written_later(
    editing: ReplayEditing, session: ReplaySession, folder: Path, aside: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    (folder / "annotations.json").mkdir()  # also whoever may do everything cannot write a file there
    live = session.model.live
    editing.edits.add_tier("late", TierKind.POINT)
    qtbot.waitUntil(lambda: UNSAVED in live.notices)
    assert "annotations.json: cannot be written" in live.notices[UNSAVED].text
    assert not editing.is_saved
    other = write_session(folder.parent / "ses-b", media=False)
    opened(session, other, qtbot)
    assert str(folder) in live.notices[UNSAVED].text
    copies = list(aside.rglob("annotations.json"))
    assert [tier["name"] for tier in json.loads(copies[0].read_text())["tiers"]] == ["event", "task", "late"]
    (folder / "annotations.json").rmdir()
    with qtbot.waitSignal(editing.saved):
        pass
    assert ("late", "user") in kept(folder)
    assert UNSAVED not in live.notices
    assert not list(aside.rglob("annotations.json"))


@pytest.mark.usefixtures("aside")
def test_coming_back_finds_what_could_not_be_written(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    (folder / "annotations.json").mkdir()
    editing.edits.add_tier("late", TierKind.POINT)
    session.close()
    (folder / "annotations.json").rmdir()
    begun(editing, session, folder, qtbot)
    assert ("late", "user") in session.model.track.annotations
    assert editing.edits.undo_text == "add the tier “late”"
    editing.flush()
    assert ("late", "user") in kept(folder)


def test_a_session_that_was_deleted_takes_its_edits_along(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    editing.edits.add_tier("late", TierKind.POINT)
    folder.rename(folder.with_name("gone"))
    session.close()
    assert not folder.exists()
    assert UNSAVED not in session.model.live.notices


def test_what_cannot_be_read_is_not_written_over(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    (folder / "annotations.json").write_text("{")
    with qtbot.waitSignal(session.opened):
        session.open(folder)
    editing.toggle()
    live = session.model.live
    qtbot.waitUntil(lambda: "edit" in live.notices)
    assert "annotations.json" in live.notices["edit"].text
    assert not editing.is_on
    session.close()
    assert (folder / "annotations.json").read_text() == "{"


def test_a_session_that_is_being_recorded_is_not_edited(
    editing: ReplayEditing, session: ReplaySession, folder: Path, qtbot: QtBot
) -> None:
    opened(session, folder, qtbot)
    with SessionLock(folder):
        editing.toggle()
        qtbot.waitUntil(lambda: "edit" in session.model.live.notices)
    assert "still being recorded" in session.model.live.notices["edit"].text
    assert not editing.is_on


def test_a_copy_that_was_left_behind_is_offered_restored_and_thrown_away(
    editing: ReplayEditing, session: ReplaySession, folder: Path, aside: Path, qtbot: QtBot
) -> None:
    begun(editing, session, folder, qtbot)
    (folder / "annotations.json").mkdir()
    editing.edits.add_tier("late", TierKind.POINT)
    live = session.model.live
    qtbot.waitUntil(lambda: UNSAVED in live.notices)
    assert list(aside.rglob("annotations.json"))  # before it is left: the program may end in any way
    session.close()
    (folder / "annotations.json").rmdir()
    model = ReplayModel()  # the program was ended, and started again
    later, again = ReplayEditing(model), ReplaySession(model, output=FakeSpeaker())
    opened(again, folder, qtbot)
    qtbot.waitUntil(lambda: KEPT in model.live.notices)
    assert model.live.notices[KEPT].action == "Restore"
    assert ("late", "user") not in model.track.annotations  # nothing is put in place unasked
    with qtbot.waitSignal(later.saved):
        later.restore()
    assert later.is_on
    assert ("late", "user") in model.track.annotations
    assert KEPT not in model.live.notices
    assert ("late", "user") in kept(folder)
    assert not list(aside.rglob("annotations.json"))
    with qtbot.waitSignal(later.saved):
        later.edits.undo()
    assert ("late", "user") not in kept(folder)
    again.close()


def test_a_copy_that_says_nothing_new_is_thrown_away(
    editing: ReplayEditing, session: ReplaySession, folder: Path, aside: Path, qtbot: QtBot
) -> None:
    store = AnnotationStore(folder, autosave=False)
    put_aside(store)
    assert list(aside.rglob("annotations.json"))
    opened(session, folder, qtbot)
    qtbot.waitUntil(lambda: not list(aside.rglob("annotations.json")))
    assert KEPT not in session.model.live.notices


def test_a_copy_older_than_the_session_says_so(
    editing: ReplayEditing, session: ReplaySession, folder: Path, aside: Path, qtbot: QtBot
) -> None:
    store = AnnotationStore(folder, autosave=False)
    store.apply(lambda a: a.add_tier(Tier(name="late", kind=TierKind.POINT)), "add")
    put_aside(store)
    copy = next(aside.rglob("annotations.json"))
    os.utime(copy, (1e9, 1e9))
    AnnotationStore(folder).apply(lambda a: a.add_tier(Tier(name="other", kind=TierKind.POINT)), "add")
    opened(session, folder, qtbot)
    qtbot.waitUntil(lambda: KEPT in session.model.live.notices)
    assert "edited since" in session.model.live.notices[KEPT].text
    assert copy.exists()
