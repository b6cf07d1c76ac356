from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.bridge import SessionBridge
from desktop.live_session import KeepChoice, LiveSession, ModelChoice
from desktop.models.live import LiveModel, Phase
from desktop.options import SourceKind, SourceRequest
from dmd_runtime import ConfigError, FetchCancelledError
from tests.desktop.session_fixtures import Loader, loader
from tests.factories import make_clip

__all__ = ["loader"]
SIGNALS = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=600.0)
MODELS = ModelChoice()


class Rig:
    """A live session with what it talks to."""

    def __init__(self) -> None:
        self.live = LiveModel()
        self.bridge = SessionBridge()
        self.sessions = LiveSession(self.live, self.bridge)
        self.bridge.frame.connect(self.live.take_frame)
        self.phases: list[Phase] = []
        self.live.phase_changed.connect(lambda: self.phases.append(self.live.phase))


@pytest.fixture
def rig(qtbot: QtBot, loader: Loader):
    made = Rig()
    yield made
    assert made.sessions.shut_down()
    assert [t.name for t in threading.enumerate() if t.name.startswith("dmd-")] == []


def running(rig: Rig) -> bool:
    return rig.live.phase is Phase.RUNNING and rig.live.frame is not None


def test_a_source_runs_until_it_is_stopped(rig: Rig, qtbot: QtBot) -> None:
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert rig.live.marks == ("UNTRAINED", "SYNTHETIC")
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.stop()
        rig.sessions.stop()
    assert rig.live.phase is Phase.ENDED
    assert rig.phases[:2] == [Phase.LOADING, Phase.RUNNING]


def test_a_film_ends_by_itself_and_its_last_picture_stays(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.start(SourceRequest(kind=SourceKind.FILE, path=str(clip)), MODELS)
    assert rig.live.phase is Phase.ENDED
    assert rig.live.frame is not None
    assert not rig.live.mirrored


def test_models_are_loaded_once(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    for _ in range(3):
        rig.sessions.start(SIGNALS, MODELS)
        qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert loader.loads == 1
    rig.sessions.start(SIGNALS, ModelChoice(language="en"))
    qtbot.waitUntil(lambda: loader.loads == 2, timeout=20_000)


def test_twenty_starts_and_stops_leave_nothing_behind(rig: Rig, qtbot: QtBot) -> None:
    for _ in range(20):
        rig.sessions.start(SIGNALS, MODELS)
        qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
        with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
            rig.sessions.stop()
    assert not [t for t in threading.enumerate() if t.name.startswith("dmd-")]


def test_a_second_start_takes_the_place_of_the_first(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    clip = make_clip(tmp_path / "other.mkv", seconds=1)
    rig.sessions.start(SourceRequest(kind=SourceKind.FILE, path=str(clip)), MODELS)
    qtbot.waitUntil(lambda: rig.live.source_name == "other.mkv", timeout=20_000)


@pytest.mark.parametrize("text", [None, "no film"])
def test_a_bad_file_fails_with_one_line(rig: Rig, qtbot: QtBot, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "clip.mp4"
    if text is not None:
        path.write_text(text)
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000) as failed:
        rig.sessions.start(SourceRequest(kind=SourceKind.FILE, path=str(path)), MODELS)
    assert failed.args[0].startswith(f"{path}: expected a media file")
    assert rig.live.phase is Phase.FAILED
    assert rig.live.message == failed.args[0]
    assert not rig.sessions.is_busy


def test_loading_can_be_cancelled(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    loading = threading.Event()

    def wait(cancel: threading.Event) -> None:
        loading.set()
        assert cancel.wait(20)
        raise FetchCancelledError("stopped")

    loader.before = wait
    rig.sessions.start(SIGNALS, MODELS)
    assert loading.wait(20)
    assert rig.live.phase is Phase.LOADING
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.stop()
    assert rig.live.phase is Phase.EMPTY


def test_models_that_cannot_be_loaded_are_told(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    def fail(cancel: object) -> None:
        raise ConfigError("device quantum: expected auto")

    loader.before = fail
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000) as failed:
        rig.sessions.start(SIGNALS, MODELS)
    assert failed.args == ["device quantum: expected auto"]
    loader.before = lambda cancel: None
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)


def test_a_fault_of_the_program_while_loading_is_told_and_not_fatal(
    rig: Rig, qtbot: QtBot, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(cancel: object) -> None:
        raise ZeroDivisionError("division by zero")

    loader.before = fail
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000) as failed:
        rig.sessions.start(SIGNALS, MODELS)
    assert failed.args == ["ZeroDivisionError: division by zero"]


def test_loading_ahead_says_nothing_and_is_used_by_the_first_start(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    rig.sessions.preload(MODELS)
    qtbot.waitUntil(lambda: loader.loads == 1, timeout=20_000)
    assert rig.phases == []
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert loader.loads == 1


def test_what_is_kept_is_a_whole_session(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=3)
    with qtbot.waitSignal(rig.sessions.ended, timeout=20_000) as ended:
        rig.sessions.start(
            SourceRequest(kind=SourceKind.FILE, path=str(clip)),
            MODELS,
            KeepChoice(root=tmp_path / "kept", participant="7"),
        )
    folder = Path(ended.args[1])
    manifest = json.loads((folder / "session.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["participant"] == "7"
    assert len((folder / "readings.jsonl").read_text().splitlines()) == manifest["counts"]["readings"] == 3


def test_shutting_down_in_the_middle_is_whole_and_may_be_repeated(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    rig.sessions.start(SIGNALS, MODELS, KeepChoice(root=tmp_path))
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert rig.sessions.shut_down()
    assert rig.sessions.shut_down()
    (manifest,) = tmp_path.rglob("session.json")
    assert json.loads(manifest.read_text())["state"] == "complete"


def test_a_microphone_for_a_session_that_began_without_one_starts_it_anew(rig: Rig, qtbot: QtBot) -> None:
    nobody = "http://127.0.0.1:9/video"
    rig.sessions.start(SourceRequest(kind=SourceKind.DEVICES, camera=nobody, microphone="none"), MODELS)
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    qtbot.waitUntil(lambda: "camera" in rig.live.notices, timeout=20_000)  # and the session goes on
    rig.sessions.choose_microphone("no such microphone")
    qtbot.waitUntil(
        lambda: rig.sessions.request is not None and rig.sessions.request.microphone != "none", timeout=20_000
    )
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    qtbot.waitUntil(lambda: "microphone" in rig.live.notices, timeout=20_000)


def test_devices_that_are_both_none_are_told(rig: Rig, qtbot: QtBot) -> None:
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000):
        rig.sessions.start(SourceRequest(kind=SourceKind.DEVICES, camera="none", microphone="none"), MODELS)
