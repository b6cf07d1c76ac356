"""How the program looks, and what of the header and the timeline is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.dialogs import CaptureNotice
from desktop.models.live import Phase
from desktop.settings import SettingsStore
from dmd_runtime import EDGES, Graph
from tests.desktop.app_fixtures import make, shown
from tests.desktop.session_fixtures import loader
from tests.messages_factory import reading

__all__ = ["loader", "make"]
NOBODY = "http://127.0.0.1:9/video"


def choose(app, name: str) -> None:
    (action,) = (action for action in app.window.actions_.themes.actions() if action.data() == name)
    action.trigger()


def chosen(app) -> list[str]:
    return [action.data() for action in app.window.actions_.themes.actions() if action.isChecked()]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch):
    """Says what the desktop asks for."""

    def ask_for(*, light: bool) -> None:
        monkeypatch.setattr(theme, "system_is_light", lambda: light)
        scheme = Qt.ColorScheme.Light if light else Qt.ColorScheme.Dark
        QGuiApplication.styleHints().colorSchemeChanged.emit(scheme)

    return ask_for


def test_a_theme_chosen_by_hand_goes_before_the_command_lines(make, qtbot: QtBot) -> None:
    app = make(theme="dark")
    assert (theme.theme(), chosen(app)) == (theme.DARK, ["dark"])
    app._change({"font_scale": 1.1})
    assert chosen(app) == ["dark"]
    choose(app, "light")
    assert (theme.theme(), chosen(app)) == (theme.LIGHT, ["light"])
    app._change({"font_scale": 1.0})
    assert chosen(app) == ["light"]


def test_the_systems_theme_is_followed_while_it_is_chosen(make, qtbot: QtBot, system) -> None:
    app = make()
    for light in (True, False, True):
        system(light=light)
        assert theme.theme() is (theme.LIGHT if light else theme.DARK)
    choose(app, "dark")
    system(light=True)
    assert theme.theme() is theme.DARK


def test_only_what_changes_the_looks_styles_anew(make, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()
    applied: list[str] = []
    monkeypatch.setattr(theme, "apply_theme", lambda _, choice: applied.append(choice))
    for change in ({"smoothing": 2.0}, {"mirror": False}, {"language": "de"}, {"reduced_motion": True}):
        app._change(change)
    assert applied == []
    assert not theme.moves()
    app._change({"font_scale": 1.2})
    choose(app, "light")
    assert applied == ["system", "light"]


def test_the_header_starts_with_what_the_command_line_says(
    make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CaptureNotice, "exec", lambda self: 1)
    SettingsStore(tmp_path / "settings.json").update(camera="Desk camera", microphone="Headset")
    app = make(mic="none")
    assert (app.window.camera.wanted, app.window.microphone.wanted) == ("Desk camera", "none")
    started = []
    monkeypatch.setattr(app.sessions, "start", lambda request, *_: started.append(request))
    app.start_devices()
    assert (started[0].camera, started[0].microphone) == ("Desk camera", "none")
    named = make(source="camera:1")
    assert (named.window.camera.wanted, named.window.microphone.wanted) == ("camera:1", "Headset")
    assert SettingsStore(tmp_path / "settings.json").now.camera == "Desk camera"


def test_the_header_goes_on_naming_what_runs(make, qtbot: QtBot) -> None:
    app = shown(make(source=NOBODY, mic="none"), qtbot)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.RUNNING, timeout=20_000)
    app._change({"smoothing": 2.0})
    app._change({"theme": "light"})
    assert (app.window.camera.wanted, app.window.microphone.wanted) == (NOBODY, "none")


def test_the_same_devices_again_leave_an_open_list_alone(make, qtbot: QtBot) -> None:
    app = shown(make(), qtbot)
    app.devices.close()
    box = app.window.camera
    found = [(name, name) for name in ("A", "B", "C")]
    box.set_devices(found)
    box.showPopup()
    app.devices.close()
    box.view().setCurrentIndex(box.model().index(2, 0))
    box.set_devices(list(found))
    assert box.view().currentIndex().row() == 2
    box.hidePopup()


def test_edges_on_the_timeline_are_remembered_and_stay(make, qtbot: QtBot) -> None:
    app = make()
    lane = (Graph.HOMOGENEOUS, EDGES[0])
    assert lane not in app.models.timeline.lanes
    app.window.page.edge_selected.emit(*lane)
    app._change({"smoothing": 2.0})
    assert lane in app.models.timeline.lanes
    assert make().models.timeline.lanes == app.models.timeline.lanes
    for other in app.models.timeline.lanes:
        app.window.page.edge_selected.emit(*other)
    assert make().models.timeline.lanes == ()


def test_unknown_edges_in_the_settings_do_not_stop_the_program(make, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"timeline_edges": [["homo", "L-V"]]}))
    app = shown(make(), qtbot)
    assert "timeline_edges" in app.models.live.notices["settings"].text
    assert len(app.models.timeline.lanes) == 2


def test_a_reading_of_the_session_before_tells_nothing_of_this_ones_delay(make, qtbot: QtBot) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: app.models.emotion.reading is not None, timeout=20_000)
    drawn = []
    app.models.health.note_drawn = drawn.append
    app._note_drawn(reading(3))
    assert drawn == []
    app._note_drawn(app.models.emotion.reading)
    assert len(drawn) == 1
