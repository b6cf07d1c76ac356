"""What becomes of a session that is recorded, however it ends."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop import session_job
from desktop.models.live import Phase
from desktop.options import SourceKind, SourceRequest
from desktop.session_job import KeepChoice
from dmd_runtime import Recording
from dmd_runtime.errors import RecordingError
from tests.desktop.session_fixtures import MODELS, SIGNALS, LoadedToolbox, Loader, Rig, loader, rig, running
from tests.factories import make_clip
from tests.session_factory import FakeWords

__all__ = ["loader", "rig"]
BRIEF = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=1.0)


def manifests(root: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in root.rglob("session.json")]


def prepared(rig: Rig, root: Path) -> None:
    """A recorded session that is made; the window has not heard of it yet."""
    rig.sessions.start(SIGNALS, MODELS, KeepChoice(root=root))
    for thread in rig.sessions._loaders:
        thread.join(20)
    assert len(manifests(root)) == 1


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
    assert manifest["media"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert len((folder / "readings.jsonl").read_text().splitlines()) == manifest["counts"]["readings"] == 3


def test_shutting_down_in_the_middle_is_whole_and_may_be_repeated(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    rig.sessions.start(SIGNALS, MODELS, KeepChoice(root=tmp_path))
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert rig.sessions.shut_down()
    assert rig.sessions.shut_down()
    (manifest,) = tmp_path.rglob("session.json")
    assert json.loads(manifest.read_text())["state"] == "complete"


def test_a_recorded_session_that_never_ran_leaves_nothing(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    prepared(rig, tmp_path)
    with qtbot.waitSignal(rig.sessions.idle, timeout=20_000):
        rig.sessions.stop()
    assert manifests(tmp_path) == []


def test_shutting_down_before_it_ran_leaves_nothing(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    prepared(rig, tmp_path)
    assert rig.sessions.shut_down()
    assert not rig.sessions.is_busy
    assert manifests(tmp_path) == []
    qtbot.wait(0)  # the loader's word that it is made comes now


def test_what_is_stopped_while_its_folder_is_made_leaves_nothing(
    rig: Rig, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, go_on = threading.Event(), threading.Event()

    class Slow(Recording):
        def __init__(self, *arguments, **names) -> None:
            super().__init__(*arguments, **names)
            making.set()
            assert go_on.wait(20)

    monkeypatch.setattr(session_job, "Recording", Slow)
    rig.sessions.start(SIGNALS, MODELS, KeepChoice(root=tmp_path))
    assert making.wait(20)
    assert not rig.sessions.shut_down(0.01)
    go_on.set()
    assert rig.sessions.shut_down()
    assert manifests(tmp_path) == []


def test_one_that_will_not_end_is_not_said_to_be_complete(
    rig: Rig, qtbot: QtBot, loader: Loader, tmp_path: Path
) -> None:
    hold = threading.Event()

    class Slow(FakeWords):
        def finish(self):
            assert hold.wait(20)
            return super().finish()

    class Toolbox(LoadedToolbox):
        def words(self, *, patient: bool) -> FakeWords:
            return Slow()

    loader.toolbox = Toolbox
    failures: list[str] = []
    rig.sessions.failed.connect(lambda problem, *_: failures.append(problem))
    rig.sessions.start(SIGNALS, MODELS, KeepChoice(root=tmp_path))
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    session, recording = rig.sessions.session, rig.sessions._job.recording
    assert not rig.sessions.shut_down(0.01)
    assert [manifest["state"] for manifest in manifests(tmp_path)] == ["recording"]
    assert "not complete" in failures[0]
    hold.set()
    assert session.wait(20)
    recording.finish()  # which closes its files


class Unkept(Recording):
    """Finds the disk full at the end."""

    error: Exception = RecordingError("readings.jsonl: cannot be written: no space")

    def finish(self, **_: object) -> Path:
        super().finish()
        raise self.error


def test_a_recording_that_fails_is_told_until_somebody_has_read_it(
    rig: Rig, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_job, "Recording", Unkept)
    with qtbot.waitSignal(rig.sessions.failed, timeout=20_000) as failed:
        rig.sessions.start(BRIEF, MODELS, KeepChoice(root=tmp_path))
    assert failed.args == [str(Unkept.error), BRIEF, False]
    assert not rig.sessions.is_busy
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: running(rig), timeout=20_000)
    assert rig.live.notices["kept"].text == str(Unkept.error)
    assert rig.live.notices["kept"].action


def test_after_a_fault_at_the_end_the_next_one_can_start(
    rig: Rig, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_job, "Recording", Unkept)
    monkeypatch.setattr(Unkept, "error", ZeroDivisionError("division by zero"))
    failures: list[str] = []
    rig.sessions.failed.connect(lambda problem, *_: failures.append(problem))
    rig.sessions.start(BRIEF, MODELS, KeepChoice(root=tmp_path))
    qtbot.waitUntil(lambda: rig.live.phase is Phase.RUNNING, timeout=20_000)
    rig.sessions.start(SIGNALS, MODELS)
    qtbot.waitUntil(lambda: rig.sessions.request is SIGNALS and running(rig), timeout=20_000)
    assert [text.endswith("ZeroDivisionError: division by zero") for text in failures] == [True]


def test_saving_never_holds_the_window_up(
    rig: Rig, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = threading.Event()

    class Slow(Recording):
        def finish(self, **_: object) -> Path:
            assert threading.current_thread() is not threading.main_thread()
            assert hold.wait(20)
            return super().finish()

    monkeypatch.setattr(session_job, "Recording", Slow)
    with qtbot.waitSignal(rig.sessions.saving, timeout=20_000):
        rig.sessions.start(BRIEF, MODELS, KeepChoice(root=tmp_path))
    assert rig.sessions.is_busy
    with qtbot.waitSignal(rig.sessions.ended, timeout=20_000) as ended:
        hold.set()
    assert json.loads((Path(ended.args[1]) / "session.json").read_text())["state"] == "complete"


def test_a_window_that_closes_while_it_saves_waits_for_it(
    rig: Rig, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()

    class Slow(Recording):
        def finish(self, **_: object) -> Path:
            going_on.set()
            return super().finish()

    monkeypatch.setattr(session_job, "Recording", Slow)
    rig.sessions.start(BRIEF, MODELS, KeepChoice(root=tmp_path))
    qtbot.waitUntil(going_on.is_set, timeout=20_000)
    assert rig.sessions.shut_down()
    assert not rig.sessions.is_busy
    assert [manifest["state"] for manifest in manifests(tmp_path)] == ["complete"]


def test_where_it_was_kept_is_told_until_the_next_start(rig: Rig, qtbot: QtBot, tmp_path: Path) -> None:
    with qtbot.waitSignal(rig.sessions.ended, timeout=20_000) as ended:
        rig.sessions.start(BRIEF, MODELS, KeepChoice(root=tmp_path))
        assert not rig.sessions.is_recording
        qtbot.waitUntil(lambda: rig.sessions.is_recording, timeout=20_000)
    assert not rig.sessions.is_recording
    assert rig.live.notices["folder"].text == f"Kept in {ended.args[1]}"
    rig.sessions.start(SIGNALS, MODELS)
    assert "folder" not in rig.live.notices
