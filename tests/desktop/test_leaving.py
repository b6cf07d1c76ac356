"""How the program ends, what it returns, and what it says of errors."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from desktop import bench, selftest, session_job
from desktop.bench import LiveBench
from desktop.dialogs import ErrorDialog
from desktop.models.live import Phase
from desktop.options import EXIT_FAILED, EXIT_INPUT, EXIT_OK, EXIT_USAGE, Options, SourceKind, SourceRequest
from dmd_runtime import FetchCancelledError
from dmd_runtime.errors import AssetError, RecordingError
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import LoadedToolbox, Loader, loader
from tests.session_factory import FakeFaces

__all__ = ["loader", "make"]
DEVICES = SourceRequest(kind=SourceKind.DEVICES, camera="none", microphone="none")
NO_FILE = SourceRequest(kind=SourceKind.FILE, path="/nowhere/clip.mp4")


class Mortal(LoadedToolbox):
    """Its stage for faces dies."""

    def visual(self) -> FakeFaces:
        return FakeFaces(dies_at=5)


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file"


def test_a_picture_that_cannot_be_saved_is_told_and_the_window_closes(make, qtbot: QtBot, capsys, a_file: Path) -> None:
    app = shown(make(quit_after=0.05, screenshot=a_file / "no folder" / "shot.png"), qtbot)
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=20_000)
    assert app.exit_code == EXIT_FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dmd-desktop: {a_file}/no folder/shot.png: the picture could not be saved: ")


@pytest.mark.parametrize("way", ["key", "x"])
def test_the_picture_is_taken_however_the_window_is_closed(make, qtbot: QtBot, tmp_path: Path, way: str) -> None:
    app = shown(make(screenshot=tmp_path / "shot.png"), qtbot)
    if way == "key":
        app.window.actions_.quit.trigger()
    else:
        app.window.close()
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=20_000)
    assert not QImage(str(tmp_path / "shot.png")).isNull()
    assert app.exit_code == EXIT_OK


def test_a_picture_asked_for_by_hand_that_cannot_be_saved_is_told(
    make, qtbot: QtBot, a_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make()
    monkeypatch.setattr(
        "desktop.app.QFileDialog.getSaveFileName", lambda *_: (str(a_file / "no folder" / "shot.png"), "")
    )
    app.window.actions_.picture.trigger()
    assert "could not be saved" in app.models.live.notices["picture"].text
    app.window.notices.action_requested.emit("picture")
    assert "picture" not in app.models.live.notices


def test_a_stage_that_dies_exits_1(make, qtbot: QtBot, loader: Loader, capsys) -> None:
    loader.toolbox = Mortal
    app = shown(make(source="synthetic:1"), qtbot)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.ENDED, timeout=20_000)
    assert app.exit_code == EXIT_FAILED
    assert capsys.readouterr().err.startswith("dmd-desktop: stage visual stopped")


def test_models_that_cannot_be_had_exit_1(make, qtbot: QtBot, loader: Loader) -> None:
    def fail(cancel: object) -> None:
        raise AssetError("no network")

    loader.before = fail
    app = shown(make(source="synthetic:1"), qtbot)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.FAILED, timeout=20_000)
    assert app.exit_code == EXIT_FAILED


def test_a_recording_that_fails_exits_1(make, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unkept(session_job.Recording):
        def finish(self, **_: object) -> Path:
            super().finish()
            raise RecordingError("no space")

    monkeypatch.setattr(session_job, "Recording", Unkept)
    app = shown(make(source="synthetic:1", record=True, session_dir=tmp_path / "kept"), qtbot)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.ENDED, timeout=20_000)
    assert app.exit_code == EXIT_FAILED
    app.window.notices.action_requested.emit("kept")
    assert "kept" not in app.models.live.notices


def test_a_bad_file_opened_by_hand_changes_no_exit_code(make, qtbot: QtBot, capsys) -> None:
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    app.run(NO_FILE)
    qtbot.waitUntil(lambda: app.models.live.phase is Phase.FAILED, timeout=20_000)
    assert app.exit_code == EXIT_OK
    assert capsys.readouterr().err == ""


def test_named_devices_that_are_both_none_exit_2(make, qtbot: QtBot) -> None:
    app = shown(make(source="none", mic="none"), qtbot)
    qtbot.waitUntil(lambda: app.exit_code != EXIT_OK, timeout=20_000)
    assert app.exit_code == EXIT_INPUT


def test_devices_without_consent_are_said_not_to_be_recorded(make, qtbot: QtBot, tmp_path: Path) -> None:
    app = make(record=True, session_dir=tmp_path / "kept")
    app.run(DEVICES)
    qtbot.waitUntil(lambda: not app.sessions.is_busy, timeout=20_000)
    assert app.models.live.notices["unrecorded"].text.startswith("Not recorded")
    assert not (tmp_path / "kept").exists()
    app.run(NO_FILE)
    assert "unrecorded" not in app.models.live.notices


def test_the_title_says_that_it_records_and_markers_are_kept(make, qtbot: QtBot, tmp_path: Path) -> None:
    app = shown(make(source="synthetic:600", record=True, session_dir=tmp_path / "kept"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    assert "● recording" in app.window.windowTitle()
    app.window.actions_.marker.trigger()
    app.sessions.stop()
    qtbot.waitUntil(lambda: not app.sessions.is_busy, timeout=20_000)
    assert app.window.windowTitle() == "DMD Live"
    (markers,) = (tmp_path / "kept").rglob("markers.jsonl")
    assert '"label":"marker 1"' in markers.read_text()


def test_errors_are_shown_one_at_a_time(make, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()
    open_now = 0
    seen: list[str] = []

    def execute(dialog: ErrorDialog) -> int:
        nonlocal open_now
        open_now += 1
        assert open_now == 1
        for number in range(2, 31):
            app._show_error(f"error {number}", f"details {number}")
        seen.append(f"{dialog._more_text.text()} {dialog._shown.toPlainText()}")
        open_now -= 1
        return 0

    monkeypatch.setattr(ErrorDialog, "exec", execute)
    app._show_error("error 1", "details 1")
    assert "And 29 more, the last: error 30" in seen[0]
    assert "details 10" in seen[0]
    assert "details 11" not in seen[0]
    app._show_error("another", "later")
    assert len(seen) == 2


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "soon"])
def test_a_measurement_needs_a_length(seconds: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        bench.main(["--seconds", seconds])
    assert end.value.code == EXIT_USAGE


def test_a_film_that_cannot_start_ends_the_measurement(make, qtbot: QtBot) -> None:
    app = make()
    measured = LiveBench(app, 1.0)
    app.window.shown.connect(lambda: app.run(NO_FILE))
    shown(app, qtbot)
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=20_000)
    assert measured.problem.startswith("/nowhere/clip.mp4: ")
    assert measured.summary == {}


def test_a_film_that_never_starts_ends_the_measurement(
    make, qtbot: QtBot, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(cancel: threading.Event | None) -> None:
        assert cancel is None or cancel.wait(20)
        raise FetchCancelledError("stopped")

    loader.before = wait
    monkeypatch.setattr(bench, "_MOST_LOADING", 0.2)
    app = make()
    measured = LiveBench(app, 1.0)
    app.window.shown.connect(lambda: app.run(SourceRequest(kind=SourceKind.SYNTHETIC)))
    shown(app, qtbot)
    qtbot.waitUntil(lambda: not app.window.isVisible(), timeout=20_000)
    assert measured.problem == "expected the film to run within 0.2 s, got nothing"


def test_the_self_test_leaves_the_users_settings_alone(
    qapp, qtbot: QtBot, loader: Loader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stores: list[Path] = []

    class Program(selftest.App):
        def __init__(self, application, options, store) -> None:
            stores.append(store.path)
            raise KeyboardInterrupt

    monkeypatch.setattr(selftest, "App", Program)
    monkeypatch.setattr(selftest, "make_application", lambda: qapp)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        selftest.run_selftest(Options(selftest=True))
    assert not stores[0].is_relative_to(tmp_path)
    assert not stores[0].parent.exists()
