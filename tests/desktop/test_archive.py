"""Between the live page, the library and the replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.models.library import LibraryState
from desktop.models.live import Phase
from desktop.options import SourceKind, SourceRequest
from desktop.session_job import KeepChoice
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import loader

__all__ = ["loader", "make"]
BRIEF = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=1.5)
SIGNALS = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=600.0)


def recorded(app: App, qtbot: QtBot, root: Path) -> Path:
    """A short session, kept below ``root``."""
    app._store.update(session_root=str(root))
    with qtbot.waitSignal(app.recorder.kept, timeout=20_000) as kept:
        app.sessions.start(BRIEF, app._model_choice(), KeepChoice(root=root, participant="P07"))
    return kept.args[0]


def test_what_was_recorded_is_listed_and_can_be_opened(make: Callable[..., App], qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(), qtbot)
    folder = recorded(app, qtbot, tmp_path / "kept")
    app.window.actions_.sessions.trigger()
    library = app.archive.library
    assert not app.window.is_live
    qtbot.waitUntil(lambda: library.model.state is LibraryState.READY, timeout=20_000)
    qtbot.waitUntil(lambda: library.session is not None, timeout=20_000)
    assert library.session.folder == folder
    second = recorded(app, qtbot, tmp_path / "kept")
    app.window.notices.action_requested.emit("folder")
    qtbot.waitUntil(lambda: library.session is not None and library.session.folder == second, timeout=20_000)
    library.list.choose(folder)
    library.open()
    qtbot.waitUntil(lambda: app.archive.replay.model.live.phase is Phase.RUNNING, timeout=20_000)
    assert app.archive.replay.model.folder == folder
    assert app.archive.replay.isVisible()
    app.window.actions_.live.trigger()
    assert app.window.is_live


def test_the_session_that_runs_goes_on_while_others_are_looked_at(
    make: Callable[..., App], qtbot: QtBot, tmp_path: Path
) -> None:
    app = shown(make(), qtbot)
    app._store.update(session_root=str(tmp_path))
    app.run(SIGNALS)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    app.window.actions_.sessions.trigger()
    before = app.models.emotion.reading
    qtbot.waitUntil(lambda: app.models.emotion.reading is not before, timeout=20_000)
    assert app.models.live.phase is Phase.RUNNING
    app.window.actions_.live.trigger()
    assert app.window.is_live


def test_docks_go_with_the_live_page_and_come_back(make: Callable[..., App], qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(), qtbot)
    app._store.update(session_root=str(tmp_path))
    health, annotating = app.window._docks[1:]
    health.show()
    app.window.actions_.sessions.trigger()
    assert health.isHidden()
    app.window.actions_.live.trigger()
    assert not health.isHidden()
    assert annotating.isHidden()
