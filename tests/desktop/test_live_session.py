from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop import live_session
from desktop.capture.live_source import CaptureEvent
from desktop.loaded_models import ModelChoice
from desktop.models.live import Phase
from desktop.options import SourceKind, SourceRequest
from dmd_runtime import ConfigError, FetchCancelledError, Modality, SessionState
from tests.desktop.session_fixtures import MODELS, SIGNALS, LoadedToolbox, Loader, Rig, loader, rig, running
from tests.factories import make_clip
from tests.session_factory import FakeFaces

__all__ = ["loader", "rig"]
NOBODY = "http://127.0.0.1:9/video"


def test_a_source_runs_until_it_is_stopped(rig: Rig, qtbot: QtBot) -> None:
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert rig.live.marks == ("UNTRAINED", "SYNTHETIC")
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.stop()
        rig.sessions.stop()
    assert rig.live.phase is Phase.ENDED
    assert rig.phases[:3] == [Phase.LOADING, Phase.STARTING, Phase.RUNNING]


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
    assert failed.args[2] is True
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
    assert failed.args == ["device quantum: expected auto", SIGNALS, False]
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
    assert failed.args == ["ZeroDivisionError: division by zero", SIGNALS, False]


def test_loading_ahead_says_nothing_and_is_used_by_the_first_start(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    rig.sessions.preload(MODELS)
    qtbot.waitUntil(lambda: loader.loads == 1, timeout=20_000)
    assert rig.phases == []
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert loader.loads == 1


def test_a_microphone_for_a_session_that_began_without_one_starts_it_anew(rig: Rig, qtbot: QtBot) -> None:
    rig.sessions.start(SourceRequest(kind=SourceKind.DEVICES, camera=NOBODY, microphone="none"), MODELS)
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


def test_it_runs_only_when_its_clock_has_started(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    opening = threading.Event()

    class SlowToOpen(LoadedToolbox):
        def visual(self) -> FakeFaces:
            return FakeFaces(opening=opening)

    loader.toolbox = SlowToOpen
    ticks: list[float] = []
    rig.bridge.ticked.connect(ticks.append)
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: rig.bridge.session is not None, timeout=20_000)
    for _ in range(4):
        rig.bridge._tick()
    assert rig.sessions.session.state is SessionState.STARTING
    assert rig.live.phase is Phase.STARTING
    assert ticks == []
    opening.set()
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING and bool(ticks), timeout=20_000)
    assert ticks == sorted(ticks)


@pytest.mark.parametrize("kind", ["camera", "microphone"])
def test_a_device_chosen_while_it_ends_starts_nothing(rig: Rig, qtbot: QtBot, kind: str) -> None:
    rig.sessions.start(SourceRequest(kind=SourceKind.DEVICES, camera=NOBODY, microphone="none"), MODELS)
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.stop()
        getattr(rig.sessions, f"choose_{kind}")("Headset")
    assert not rig.sessions.is_busy


def test_a_device_chosen_while_the_next_one_waits_is_for_that_one(rig: Rig, qtbot: QtBot) -> None:
    request = SourceRequest(kind=SourceKind.DEVICES, camera=NOBODY, microphone="none")
    rig.sessions.start(request, MODELS)
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    rig.sessions.start(request, MODELS)
    rig.sessions.choose_microphone("no such microphone")
    qtbot.waitUntil(lambda: rig.sessions.request is not None and rig.sessions.request is not request, timeout=20_000)
    assert rig.sessions.request == request.with_device("microphone", "no such microphone")


def test_an_old_devices_trouble_is_not_told_of_the_new_session(rig: Rig, qtbot: QtBot) -> None:
    rig.sessions.start(SIGNALS, MODELS)
    old = rig.sessions._job
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: rig.sessions._job is not old and running(rig), timeout=20_000)
    for job in (old, rig.sessions._job):
        rig.sessions._captured.emit(job, CaptureEvent(kind="camera", state="trouble", text=f"{job is old}"))
    qtbot.waitUntil(lambda: "camera" in rig.live.notices, timeout=20_000)
    assert rig.live.notices["camera"].text == "False"


def test_a_dead_stage_is_a_failure_but_not_of_the_source(rig: Rig, qtbot: QtBot, loader: Loader) -> None:
    class Mortal(LoadedToolbox):
        def visual(self) -> FakeFaces:
            return FakeFaces(dies_at=5)

    loader.toolbox = Mortal
    request = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=1.0)
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000) as failed:
        rig.sessions.start(request, MODELS)
    assert failed.args[0].startswith("stage visual stopped")
    assert failed.args[1:] == [request, False]


@pytest.mark.parametrize(
    ("missing", "choice", "loads"),
    [
        ({Modality.LANGUAGE: "speech recognition is off"}, ModelChoice(speech_model="none"), 1),
        ({Modality.LANGUAGE: "speech model missing"}, ModelChoice(), 3),
        ({Modality.LANGUAGE: "off", Modality.VISUAL: "missing"}, ModelChoice(speech_model="none"), 3),
    ],
)
def test_only_what_may_still_come_is_looked_for_again(
    rig: Rig, qtbot: QtBot, loader: Loader, *, missing: dict[Modality, str], choice: ModelChoice, loads: int
) -> None:
    class Poor(LoadedToolbox):
        pass

    Poor.missing = missing
    loader.toolbox = Poor
    for _ in range(3):
        rig.sessions.start(SIGNALS, choice)
        qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
        with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
            rig.sessions.stop()
    assert loader.loads == loads
    assert rig.phases.count(Phase.LOADING) == loads


def test_after_loading_ahead_nothing_is_said_to_be_loaded(rig: Rig, qtbot: QtBot) -> None:
    rig.sessions.preload(MODELS)
    qtbot.waitUntil(lambda: rig.sessions.models.has(MODELS), timeout=20_000)
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    assert Phase.LOADING not in rig.phases


def test_model_files_are_looked_for_off_the_windows_thread(
    rig: Rig, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def look(_: ModelChoice) -> list[tuple[str, str, int]]:
        asked.append(threading.current_thread().name)
        return [("faces", "Faces", 7)]

    monkeypatch.setattr(live_session, "not_here", look)
    planned: list[int] = []
    rig.live.loading_changed.connect(lambda: planned.append(rig.live.loading.total_bytes))
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    assert asked == ["dmd-loader"]
    assert 7 in planned
