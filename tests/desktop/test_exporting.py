from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import dmd_runtime
from desktop.exporting import Exporting, ExportProgress, done_text
from desktop.loaded_models import ModelChoice
from dmd_runtime import DMDError, ExportOptions
from tests.desktop import looking
from tests.recording.export.sessions import write_session

PATIENCE = 20_000
TOOLBOX, CONFIG = object(), object()


def load(folder: Path, models: ModelChoice, progress: object, cancel: object) -> Any:
    if models.checkpoint == "gone":
        raise DMDError("gone: expected a checkpoint, got nothing")
    return TOOLBOX, CONFIG


@pytest.fixture
def exporting(qtbot: QtBot) -> Iterator[Exporting]:
    made = Exporting(load=load)
    yield made
    assert made.shut_down()


class Held:
    """An export that goes half the way, then waits to be let go or cancelled."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None
        self.folders: list[Path] = []

    def __call__(
        self, folder: Path, formats: Any, *, options: Any = None, progress: Any, cancel: threading.Event, **_: Any
    ) -> list[Path]:
        self.thread = threading.current_thread()
        self.folders.append(folder)
        self.options = options
        progress(formats[0], 0.5)
        self.begun.set()
        for _ in range(1000):
            if self.go_on.wait(0.02):
                return [folder / "made.csv"]
            if cancel.is_set():
                break
        raise DMDError("made.csv: not written, the export was stopped")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held()
    monkeypatch.setattr(dmd_runtime, "export", held, raising=False)
    yield held
    held.go_on.set()


def heard(*signals: Any) -> list[tuple[Any, ...]]:
    """What is emitted from now on."""
    said: list[tuple[Any, ...]] = []
    for signal in signals:
        signal.connect(lambda *what: said.append(what))
    return said


def test_a_session_is_exported_off_the_windows_thread(exporting: Exporting, qtbot: QtBot, tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    shares = heard(exporting.progress)
    with qtbot.waitSignal(exporting.done, timeout=PATIENCE) as done:
        exporting.start([folder], ["csv", "vtt", "report"])
        assert exporting.is_busy
    paths, of = done.args
    assert of == folder
    assert all(path.is_file() for path in paths)
    assert {"readings.csv", "transcript.vtt", "report.html"} <= {path.name for path in paths}
    qtbot.waitUntil(lambda: not exporting.is_busy)
    assert [text for text, _ in shares if text == "report.html"]
    assert [share for _, share in shares] == sorted(share for _, share in shares)
    assert shares[-1][1] == 1.0


def test_many_go_one_after_the_other_and_one_that_fails_costs_no_other(
    exporting: Exporting, qtbot: QtBot, tmp_path: Path
) -> None:
    first, last = (write_session(tmp_path, name=f"sub-p1/ses-{name}") for name in ("a", "c"))
    done, failed, shown = heard(exporting.done), heard(exporting.failed), heard(exporting.progress)
    exporting.start([first, tmp_path / "sub-p1" / "ses-b", last], ["vtt"])
    qtbot.waitUntil(lambda: not exporting.is_busy, timeout=PATIENCE)
    assert [folder for _, folder in done] == [first, last]
    assert len(failed) == 1
    assert "ses-b" in failed[0][0]
    assert ("Session 3 of 3 · transcript.vtt", 1.0) in shown


def test_the_window_does_not_wait(exporting: Exporting, held: Held, qtbot: QtBot, tmp_path: Path) -> None:
    done = heard(exporting.done)
    exporting.start([tmp_path], ["csv"], ExportOptions(blur_faces=True))
    qtbot.waitUntil(held.begun.is_set, timeout=PATIENCE)
    assert held.thread is not threading.current_thread()
    assert held.options.blur_faces
    qtbot.waitUntil(lambda: exporting.share == 0.5)  # events are handled meanwhile
    assert exporting.text == "readings.csv"
    assert not done
    held.go_on.set()
    qtbot.waitUntil(lambda: done == [([tmp_path / "made.csv"], tmp_path)], timeout=PATIENCE)


def test_cancel_stops_what_runs_and_what_waits_and_nothing_that_comes_later(
    exporting: Exporting, held: Held, qtbot: QtBot, tmp_path: Path
) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    done, failed, stopped = heard(exporting.done), heard(exporting.failed), heard(exporting.stopped)
    exporting.start([a, b], ["csv"])
    qtbot.waitUntil(held.begun.is_set, timeout=PATIENCE)
    exporting.cancel()
    exporting.start([c], ["csv"])
    qtbot.waitUntil(lambda: len(stopped) == 2 and held.folders == [a, c], timeout=PATIENCE)
    held.go_on.set()
    qtbot.waitUntil(lambda: not exporting.is_busy, timeout=PATIENCE)
    assert [folder for _, folder in done] == [c]
    assert not failed


def test_shutting_down_is_bounded_and_says_whether_it_ended(held: Held, qtbot: QtBot, tmp_path: Path) -> None:
    exporting = Exporting()
    exporting.start([tmp_path], ["csv"])
    qtbot.waitUntil(held.begun.is_set, timeout=PATIENCE)
    assert exporting.shut_down()
    assert held.thread is not None
    assert not held.thread.is_alive()
    exporting.start([tmp_path], ["csv"])
    assert len(held.folders) == 1
    assert exporting.shut_down()


def test_work_that_will_not_end_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def stubborn(*_: object, **__: object) -> list[Path]:
        begun.set()
        go_on.wait(30)
        return []

    monkeypatch.setattr(dmd_runtime, "export", stubborn, raising=False)
    exporting = Exporting()
    exporting.start([tmp_path], ["csv"])
    qtbot.waitUntil(begun.is_set, timeout=PATIENCE)
    assert not exporting.shut_down(timeout=0.05)
    assert "dmd-export" in caplog.text
    go_on.set()
    assert exporting.shut_down()


def test_what_nobody_expected_is_told_and_logged(
    exporting: Exporting,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> list[Path]:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(dmd_runtime, "export", broken, raising=False)
    with qtbot.waitSignal(exporting.failed, timeout=PATIENCE) as failed:
        exporting.start([tmp_path], ["csv"])
    assert "by nothing" in failed.args[0]
    assert "ZeroDivisionError" in caplog.text
    qtbot.waitUntil(lambda: not exporting.is_busy)


def test_a_recording_is_exported_to_what_is_known(
    exporting: Exporting, held: Held, qtbot: QtBot, tmp_path: Path
) -> None:
    exporting.after_recording(tmp_path, [])
    exporting.after_recording(tmp_path, ["of another version"])
    assert not exporting.is_busy
    held.go_on.set()
    with qtbot.waitSignal(exporting.done, timeout=PATIENCE):
        exporting.after_recording(tmp_path, ["of another version", "csv"])
    assert held.folders == [tmp_path]


def test_a_report_is_no_export_to_be_told_of(exporting: Exporting, qtbot: QtBot, tmp_path: Path) -> None:
    folder, done = write_session(tmp_path), heard(exporting.done)
    with qtbot.waitSignal(exporting.reported, timeout=PATIENCE) as reported:
        exporting.report(folder)
    assert reported.args == [folder / "derived" / "report.html"]
    assert not done


def test_a_session_is_read_once_more(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def again(folder: Path, toolbox: object, *, progress: Callable[[float], None], **more: Any) -> Path:
        asked.update(more, folder=folder, toolbox=toolbox)
        progress(0.25)
        return folder / "derived" / "analyses" / "other"

    monkeypatch.setattr(dmd_runtime, "reanalyse", again, raising=False)
    shown, failed = heard(exporting.progress), heard(exporting.failed)
    with qtbot.waitSignal(exporting.reanalysed, timeout=PATIENCE) as done:
        exporting.reanalyse(tmp_path, ModelChoice(checkpoint="other"), "other")
    assert done.args == [tmp_path / "derived" / "analyses" / "other", tmp_path]
    assert (asked["folder"], asked["toolbox"], asked["config"]) == (tmp_path, TOOLBOX, CONFIG)
    assert asked["name"] == "other"
    assert not asked["cancel"].is_set()
    assert shown[0] == ("loading models", 0.0)
    assert shown[-1][1] == 0.25
    exporting.reanalyse(tmp_path, ModelChoice(checkpoint="gone"))
    qtbot.waitUntil(lambda: failed == [("gone: expected a checkpoint, got nothing",)], timeout=PATIENCE)


def test_long_jobs_do_not_flood_the_window(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path
) -> None:
    def film(*_: object, progress: Callable[[str, float], None], **__: object) -> list[Path]:
        for n in range(20_001):
            progress("mp4", n / 20_000)
        return []

    monkeypatch.setattr(dmd_runtime, "export", film, raising=False)
    shown = heard(exporting.progress)
    with qtbot.waitSignal(exporting.done, timeout=PATIENCE):
        exporting.start([tmp_path], ["mp4"])
    assert 100 <= len(shown) <= 202


@pytest.mark.parametrize("name", ["dark", "light"])
def test_the_line_shows_what_is_made_and_stops_it(
    exporting: Exporting, held: Held, qtbot: QtBot, qapp: QApplication, name: str
) -> None:
    look = looking.look(qapp, name)
    line = ExportProgress(exporting)
    qtbot.addWidget(line)
    line.resize(600, 40)
    assert line.isHidden()
    exporting.start([Path("sub-p", "ses-a")], ["csv"])
    assert not line.isHidden()
    qtbot.waitUntil(lambda: line.bar.value() == 500, timeout=PATIENCE)
    assert line.text.accessibleName() == "Exporting · readings.csv"
    pixels = looking.picture(line)
    assert looking.count(pixels, look.card) > 0.5 * pixels.shape[0] * pixels.shape[1]
    assert looking.count(pixels, look.accent) > 100
    qtbot.mouseClick(line.cancel, Qt.MouseButton.LeftButton)
    assert not line.cancel.isEnabled()
    assert line.text.accessibleName() == "Stopping…"
    qtbot.waitUntil(line.isHidden, timeout=PATIENCE)
    exporting.start([Path("sub-p", "ses-a")], ["csv"])
    assert line.cancel.isEnabled()
    looking.look(qapp, "dark")


def test_what_was_made_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "sub-p" / "ses-a"
    names = [folder / "derived" / f"{n}.csv" for n in "abcde"]
    assert done_text(names[:1], folder) == "sub-p/ses-a was exported: a.csv."
    assert done_text(names, folder).endswith("a.csv, b.csv, c.csv and 2 more.")
