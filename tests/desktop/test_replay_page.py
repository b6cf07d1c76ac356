"""The replay page: every key, the words, the states, and that nothing overlaps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.replay.session import ReplaySession
from desktop.replay_page import ReplayPage
from dmd_runtime import Edge, Graph, Modality
from tests.desktop.looking import look
from tests.desktop.replay.standins import FakeSpeaker
from tests.recording.replayable import uneven_times, write_session

TIMES = uneven_times(200)
KEY, SHIFT, CTRL = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("sessions") / "ses-a", marks=["SYNTHETIC"])


@pytest.fixture
def model() -> ReplayModel:
    return ReplayModel()


@pytest.fixture
def page(model: ReplayModel, folder: Path, qtbot: QtBot, qapp: QApplication) -> Iterator[ReplayPage]:
    look(qapp, "dark")
    page, session = ReplayPage(model), ReplaySession(model, output=FakeSpeaker())
    qtbot.addWidget(page)
    page.resize(1280, 720)
    page.show()
    page.activateWindow()
    with qtbot.waitSignal(session.opened):
        session.open(folder)
    qtbot.waitUntil(lambda: len(model.track.tiers) == 2 and getattr(model.transport, "timeline", None) is not None)
    yield page
    session.close()


def test_keys_move_the_play_head(page: ReplayPage, model: ReplayModel, qtbot: QtBot) -> None:
    page.timeline.setFocus()
    model.seek(2.0)
    number = max(i for i, t in enumerate(TIMES) if t <= 2.0)
    for key, modifiers, t in (
        (KEY.Key_Right, None, TIMES[number + 1]),
        (KEY.Key_Left, None, TIMES[number]),
        (KEY.Key_Right, SHIFT, TIMES[number] + 1.0),
        (KEY.Key_Left, SHIFT, TIMES[number]),
        (KEY.Key_Left, CTRL, 1.5),
        (KEY.Key_Right, CTRL, 3.0),
        (KEY.Key_End, None, model.track.end),
        (KEY.Key_Home, None, 0.0),
    ):
        qtbot.keyClick(page.timeline, key, modifiers or Qt.KeyboardModifier.NoModifier)
        assert model.position == pytest.approx(t, abs=1e-6), key


def test_keys_play_speed_loop_zoom_and_mute(page: ReplayPage, model: ReplayModel, qtbot: QtBot) -> None:
    page.timeline.setFocus()
    player = model.transport
    assert player is not None
    qtbot.keyClick(page.timeline, KEY.Key_Space)
    assert player.playing
    qtbot.keyClick(page.timeline, KEY.Key_Space)
    assert not player.playing
    qtbot.keyClick(page.timeline, KEY.Key_Plus)
    assert player.speed == 1.25
    qtbot.keyClick(page.timeline, KEY.Key_Minus)
    qtbot.keyClick(page.timeline, KEY.Key_Minus)
    assert player.speed == 0.75
    assert page.controls.speed.currentData() == 0.75
    model.seek(2.0)
    qtbot.keyClick(page.timeline, KEY.Key_BracketLeft)
    model.seek(3.0)
    qtbot.keyClick(page.timeline, KEY.Key_BracketRight)
    assert model.track.selection == (2.0, 3.0)
    qtbot.keyClick(page.timeline, KEY.Key_L)
    assert player.loop == (2.0, 3.0)
    assert page.timeline.loops
    model.track.select(2.5, 3.5)
    assert player.loop == (2.5, 3.5)
    qtbot.keyClick(page.timeline, KEY.Key_L)
    assert player.loop is None
    qtbot.keyClick(page.timeline, KEY.Key_Z)
    assert model.track.view == pytest.approx((2.45, 3.55))
    qtbot.keyClick(page.timeline, KEY.Key_S)
    assert player.muted
    qtbot.keyClick(page.timeline, KEY.Key_Escape)
    assert model.track.selection is None


def test_keys_belong_to_what_has_the_keyboard(page: ReplayPage, model: ReplayModel, qtbot: QtBot) -> None:
    model.seek(2.0)
    page.words.begin_search()
    qtbot.keyClicks(page.words.search, "word1 l")
    assert page.words.search.text() == "word1 l"
    assert model.transport is not None
    assert model.transport.loop is None
    page.graphs[Graph.HOMOGENEOUS].setFocus()
    qtbot.keyClick(page.graphs[Graph.HOMOGENEOUS], KEY.Key_Right)
    assert model.position == 2.0
    page.controls.play.setFocus()
    qtbot.keyClick(page.controls.play, KEY.Key_Space)
    assert model.transport.playing  # pressed once, not twice


def test_search_marks_and_goes_to_what_was_said(page: ReplayPage, model: ReplayModel, qtbot: QtBot) -> None:
    page.words.begin_search()
    qtbot.keyClicks(page.words.search, "word1")
    assert page.words.remark.text() == "11 found"
    qtbot.keyClick(page.words.search, KEY.Key_Return)
    qtbot.keyClick(page.words.search, KEY.Key_Return)
    assert model.position == pytest.approx(3.0)  # word10
    assert page.words.remark.text() == "2 of 11"
    assert len(page.words.edit.extraSelections()) == 12


def test_a_click_on_a_word_goes_there(page: ReplayPage, model: ReplayModel, qtbot: QtBot) -> None:
    edit, text = page.words.edit, model.words.text
    cursor = edit.textCursor()
    cursor.setPosition(text.places[7] + 2)
    place = edit.cursorRect(cursor).center() + QPoint(1, 0)
    qtbot.mouseClick(edit.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert model.position == pytest.approx(2.1)
    assert "said at 0:02.10" in edit.text_about(place)


def test_an_edge_of_a_graph_gets_a_row(page: ReplayPage, model: ReplayModel) -> None:
    edge = Edge(Modality.ACOUSTIC, Modality.LANGUAGE)
    page.graphs[Graph.HETEROGENEOUS].edge_selected.emit(edge)
    assert model.track.lanes[-1] == (Graph.HETEROGENEOUS, edge)


def test_the_marks_are_above_everything(page: ReplayPage) -> None:
    banner = page.layout().itemAt(0).widget()
    assert banner is not None
    assert banner.isVisible()


@pytest.mark.parametrize("size", [(1024, 495), (1024, 562), (1280, 720), (1920, 1000)])
def test_nothing_overlaps(page: ReplayPage, qtbot: QtBot, size: tuple[int, int]) -> None:
    page.resize(*size)
    qtbot.waitUntil(lambda: page._room.widget().size() == page._room.viewport().size())  # nothing to scroll to
    assert page.size().toTuple() == size
    cards: list[QWidget] = [page.video, page.controls, page.words, page.emotion, *page.graphs.values(), page.timeline]
    boxes = [(card, card.rect().translated(card.mapTo(page, QPoint()))) for card in cards]
    for i, (card, box) in enumerate(boxes):
        assert page.rect().contains(box), card
        assert all(not box.intersects(other) for _, other in boxes[i + 1 :]), card


def test_everything_that_takes_keys_has_a_name(page: ReplayPage) -> None:
    nameless = [
        widget
        for widget in page.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.isVisibleTo(page)
        and not (widget.accessibleName() or getattr(widget, "text", str)())
        and not widget.objectName().startswith("qt_")
    ]
    assert nameless == []


def test_importing_it_loads_nothing_heavy() -> None:
    code = """
import sys
import desktop.replay_page, desktop.replay.session
print(sorted({"torch", "av", "cv2", "sounddevice", "pandas", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_states_before_a_session(qtbot: QtBot, qapp: QApplication) -> None:
    look(qapp, "light")
    model = ReplayModel()
    page = ReplayPage(model)
    qtbot.addWidget(page)
    page.show()
    assert page.states.headline.text() == "No session is open."
    with qtbot.waitSignal(model.choose_requested):
        page.states.choose.click()
    model.begin(Path("ses-x"))
    assert page.states.busy.isVisible()
    assert "ses-x" in page.states.headline.text()
    model.fail("session.json: expected a manifest, got nothing")
    assert model.live.phase is Phase.FAILED
    assert "expected a manifest" in page.states.text.text()
    with qtbot.waitSignal(model.retry_requested):
        page.states.retry.click()
