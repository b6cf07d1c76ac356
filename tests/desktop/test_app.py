"""The whole window over sessions with small fakes: what a user does, and what is then on screen."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.dialogs import AboutDialog, CaptureNotice, ErrorDialog, KeysDialog
from desktop.models.live import Phase
from desktop.options import EXIT_INPUT, EXIT_OK
from desktop.preferences import PreferencesDialog
from desktop.settings import SettingsStore
from dmd_runtime import Graph
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import loader
from tests.messages_factory import reading

__all__ = ["loader", "make"]
SIZES = [(1024, 640), (1280, 800), (1920, 1080)]


def test_the_first_window_offers_three_ways_to_begin(make, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    assert app.models.live.phase is Phase.EMPTY
    assert app.window.states.isVisible()
    assert not app.window.page.isVisible()
    texts = {button.text() for button in app.window.states.findChildren(QAbstractButton) if button.isVisible()}
    assert {"Start camera and microphone", "Open a file…", "Watch the demo"} <= texts


def test_a_named_source_runs_and_its_graphs_are_drawn_as_they_are(make, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    drawn: list[int] = []

    def compare(seen) -> None:
        for graph in Graph:
            assert app.window.page.graphs[graph].drawn_edges() == dict(seen.edges[graph])
        drawn.append(seen.index)

    app.window.drawn.connect(compare)
    qtbot.waitUntil(lambda: len(drawn) >= 3, timeout=30_000)
    assert drawn == sorted(set(drawn))
    assert app.window.page.isVisible()
    assert app.models.live.marks == ("UNTRAINED", "SYNTHETIC")
    assert app.window.page.video.frame_number_drawn > 0


def test_a_reading_that_was_overtaken_is_not_told_as_drawn(make, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    app.models.live.set_phase(Phase.RUNNING)
    told: list[int] = []
    app.window.drawn.connect(lambda seen: told.append(seen.index))
    for index in (3, 4):
        app.bridge.reading.emit(reading(index))
        app.window.page.emotion.repaint()  # both are painted before anything is told
    qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    qtbot.wait(0)
    assert told == [4]


def test_the_window_closes_while_something_runs_and_leaves_nothing(make, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=30_000)
    app.window.close()
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=30_000)
    assert not app.sessions.is_busy
    assert app.exit_code == EXIT_OK


def test_quitting_saves_the_picture_that_was_asked_for(make, qtbot: QtBot, tmp_path: Path) -> None:
    target = tmp_path / "new" / "shot.png"
    app = shown(make(source="synthetic:600", quit_after=0.1, screenshot=target, size=(1280, 800)), qtbot)
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=30_000)
    image = QImage(str(target))
    assert (image.width(), image.height()) == (1280, 800)


def test_a_named_file_that_cannot_be_read_is_told_and_exits_2(make, qtbot: QtBot, capsys) -> None:
    app = shown(make(source="/nowhere/clip.mp4"), qtbot)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.FAILED, timeout=30_000)
    assert app.exit_code == EXIT_INPUT
    assert capsys.readouterr().err.startswith("dmd-desktop: /nowhere/clip.mp4: expected a media file")
    assert app.window.states.isVisible()


def test_a_marker_is_set_where_the_session_is(make, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=30_000)
    app.window.actions_.marker.trigger()
    (marker,) = app.models.timeline.markers
    assert marker.label == "marker 1"
    assert marker.t == pytest.approx(app.bridge.session.clock.now(), abs=5.0)


def test_start_and_stop_change_places(make, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    a = app.window.actions_
    qtbot.waitUntil(lambda: running(app), timeout=30_000)
    assert (a.start.isVisible(), a.stop.isVisible()) == (False, True)
    a.stop.trigger()
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.ENDED, timeout=30_000)
    assert (a.start.isVisible(), a.stop.isVisible()) == (True, False)
    assert app.window.page.isVisible()  # the last reading stays


def test_the_notice_is_read_before_devices_open(make, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    app = shown(make(), qtbot)
    monkeypatch.setattr(CaptureNotice, "exec", lambda self: 0)
    app.window.actions_.start.trigger()
    assert not app.sessions.is_busy


def test_a_device_that_is_gone_is_shown_as_missing_and_kept(make, qtbot: QtBot) -> None:
    app = make()
    box = app.window.camera
    box.set_wanted("Desk camera")
    box.set_devices([("Laptop camera", "Laptop camera")])
    assert box.currentText() == "Camera · Desk camera (missing)"
    assert box.wanted == "Desk camera"
    box.set_devices([("Laptop camera", "Laptop camera"), ("Desk camera", "Desk camera")])
    assert box.currentText() == "Camera · Desk camera"


def test_a_choice_of_device_is_remembered(make, qtbot: QtBot, tmp_path: Path) -> None:
    app = make()
    app.window.camera.set_devices([("Laptop camera", "Laptop camera"), ("Desk camera", "Desk camera")])
    app.window.camera.setCurrentIndex(1)
    app.window.camera.activated.emit(1)
    assert SettingsStore(tmp_path / "settings.json").now.camera == "Desk camera"


def test_appearance_changes_at_once_and_is_remembered(make, qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(), qtbot)
    for action in app.window.actions_.themes.actions():
        if action.data() == "light":
            action.trigger()
    app.window.actions_.larger.trigger()
    assert theme.theme() is theme.LIGHT
    remembered = SettingsStore(tmp_path / "settings.json").now
    assert (remembered.theme, remembered.font_scale) == ("light", 1.1)


def test_the_window_comes_back_where_it_was(make, qtbot: QtBot) -> None:
    first = shown(make(), qtbot)
    first.window.resize(1111, 700)
    first.window._docks[1].show()
    height = first.window.height()
    first.window.close()
    qtbot.waitUntil(lambda: not first.window.isVisible(), timeout=10_000)
    second = shown(make(), qtbot)
    assert second.window.height() == height  # the width is cut to the screen, which has 800 pixels here
    assert second.window._docks[1].isVisible()
    second.window.actions_.reset_layout.trigger()
    assert not second.window._docks[1].isVisible()


def test_everything_is_in_the_menus_and_no_key_is_used_twice(make, qtbot: QtBot) -> None:
    app = make()
    keys = [action.shortcut().toString() for action in app.window.findChildren(QAction) if action.shortcut()]
    used = [key for key in keys if key]
    assert len(used) == len(set(used))
    assert {"F5", "Ctrl+O", "Ctrl+D", "M", "W", "Ctrl+Q", "F1", "F11", "Ctrl+,", "Ctrl+T", "Ctrl+I"} <= set(used)
    texts = [text for text, _ in app.window.actions_.listed()]
    assert "Set a marker now" in texts


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_card_lies_on_another_or_outside(make, qtbot: QtBot, size: tuple[int, int]) -> None:
    app = shown(make(size=size), qtbot)
    app.models.live.set_phase(Phase.RUNNING)
    app.models.live.set_marks(("UNTRAINED", "DEMO"))
    app.bridge.reading.emit(reading(3))
    qtbot.wait(0)
    page, window = app.window.page, app.window
    assert (window.width(), window.height()) == size
    cards: list[QWidget] = [page.video, page.words, page.emotion, *page.graphs.values(), window.timeline]
    places = {card: QRect(card.mapTo(window, QPoint(0, 0)), card.size()) for card in cards}
    for card, place in places.items():
        assert window.rect().contains(place), card
        assert card.height() >= card.minimumSizeHint().height(), (card, card.size(), card.minimumSizeHint())
    for first, second in combinations(cards, 2):
        assert not places[first].intersects(places[second]), (first, second)


def test_everything_that_takes_the_focus_has_a_name(make, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    app.models.live.set_phase(Phase.RUNNING)
    nameless = [
        widget
        for widget in app.window.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and isinstance(widget, QAbstractButton | QComboBox)
        and widget.isVisible()
        and not (widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()))
    ]
    assert nameless == []


def test_why_says_what_the_reading_rests_on(make, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    app.models.live.set_phase(Phase.RUNNING)
    app.bridge.reading.emit(reading(3))
    app.window.show_why()
    text = app.window._why._text.text()
    assert "never what the person feels" in text
    assert "UNTRAINED" in text
    app.window._why.close()


def test_the_dialogs_say_what_they_are_for(make, qtbot: QtBot) -> None:
    app = make()
    about = AboutDialog(model="tiny", device="cpu", parent=app.window)
    error = ErrorDialog("It broke", "Traceback …", app.window)
    for button in error.findChildren(QAbstractButton):
        if button.text() == "Copy details":
            button.click()
    assert "Traceback …" in QApplication.clipboard().text()
    keys = KeysDialog(app.window.actions_.listed(), app.window)
    preferences = PreferencesDialog(app._store.now, app.window)
    with qtbot.waitSignal(preferences.changed) as changed:
        preferences.findChild(QComboBox, "theme").setCurrentIndex(2)
    assert changed.args == [{"theme": "light"}]
    for dialog in (about, error, keys, preferences):
        dialog.deleteLater()
