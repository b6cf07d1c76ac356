"""Recording from the window: nothing without consent, and what is recorded is kept under the names given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from desktop import recorder as recorder_module
from desktop.app import App
from desktop.models.recording import RecordState
from desktop.options import SourceKind, SourceRequest
from desktop.record_dialog import RecordDefaults, RecordDialog, default_consent
from desktop.session_job import KeepChoice
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.session_fixtures import loader

__all__ = ["loader", "make"]
SIGNALS = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=600.0)


def dialog(qtbot: QtBot, root: Path, *, needs_consent: bool = True) -> RecordDialog:
    made = RecordDialog(RecordDefaults(root=root, task="talk", recorded_by="M. S."), needs_consent=needs_consent)
    qtbot.addWidget(made)
    return made


def test_nothing_starts_before_there_is_consent(qtbot: QtBot, tmp_path: Path) -> None:
    asked = dialog(qtbot, tmp_path)
    assert asked.consent.toPlainText() == default_consent()
    assert not asked.start.isEnabled()
    asked.given_by.setText("P 7")
    assert not asked.start.isEnabled()
    asked.agreed.setChecked(True)
    assert asked.start.isEnabled()
    asked.consent.setPlainText("  ")
    assert not asked.start.isEnabled()


def test_what_is_filled_in_is_what_is_kept(qtbot: QtBot, tmp_path: Path) -> None:
    asked = dialog(qtbot, tmp_path)
    for field, text in ((asked.participant, " P07 "), (asked.session, "first"), (asked.given_by, "P07")):
        field.setText(text)
    asked.notes.setPlainText("two lines\nof notes")
    keep = asked.choice
    assert (keep.root, keep.participant, keep.session, keep.task) == (tmp_path, "P07", "first", "talk")
    assert keep.notes == "two lines\nof notes"
    assert keep.consent is not None
    assert (keep.consent.given_by, keep.consent.recorded_by) == ("P07", "M. S.")


def test_files_and_test_signals_need_no_consent(qtbot: QtBot, tmp_path: Path) -> None:
    asked = dialog(qtbot, tmp_path, needs_consent=False)
    asked.show()
    assert asked.start.isEnabled()
    assert asked.choice.consent is None
    assert not asked.consent.isVisible()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """What the user answers to the dialog, one after the other."""
    given: list[bool] = []

    class Answered(RecordDialog):
        def exec(self) -> int:
            self._root = tmp_path / "kept"
            self.participant.setText("P07")
            button = self.start if given.pop(0) else self.findChild(QDialogButtonBox).buttons()[1]
            button.click()
            return self.result()

    monkeypatch.setattr(recorder_module, "RecordDialog", Answered)
    return given


def test_the_session_that_runs_is_started_anew_as_one_that_is_kept(
    make: Callable[..., App], qtbot: QtBot, answers: list[bool], tmp_path: Path
) -> None:
    app = shown(make(), qtbot)
    app.run(SIGNALS)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    first = app.sessions.session
    answers.append(True)
    app.window.actions_.record.trigger()
    qtbot.waitUntil(lambda: app.sessions.is_recording and running(app), timeout=20_000)
    assert app.sessions.session is not first
    assert app.models.recording.state is RecordState.RECORDING
    assert app.window.actions_.record.text() == "Stop recording"
    assert "recording" in app.window.windowTitle()
    qtbot.waitUntil(lambda: app.models.recording.figures.elapsed > 0, timeout=20_000)
    with qtbot.waitSignal(app.recorder.kept, timeout=20_000) as kept:
        app.window.actions_.record.trigger()
    manifest = json.loads((kept.args[0] / "session.json").read_text())
    assert (manifest["state"], manifest["participant"]) == ("complete", "P07")
    assert app.models.recording.state is RecordState.IDLE
    assert app.window.windowTitle() == "DMD Live"


def test_who_thinks_better_of_it_records_nothing(
    make: Callable[..., App], qtbot: QtBot, answers: list[bool], tmp_path: Path
) -> None:
    app = shown(make(), qtbot)
    app.run(SIGNALS)
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    session = app.sessions.session
    answers.append(False)
    app.window.actions_.record.trigger()
    assert app.sessions.session is session
    assert not (tmp_path / "kept").exists()


def test_a_disk_that_fills_ends_the_light_and_the_palette_and_not_the_session(
    make: Callable[..., App], qtbot: QtBot, answers: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10**12]
    monkeypatch.setattr("dmd_runtime.recording.disk.shutil.disk_usage", lambda _: SimpleNamespace(free=free[0]))
    app = shown(make(), qtbot)
    app.sessions.start(SIGNALS, app._model_choice(), KeepChoice(root=tmp_path / "kept"))
    qtbot.waitUntil(lambda: running(app), timeout=20_000)
    annotating, models = app.models.annotating, app.models
    app.window.actions_.marker.trigger()
    free[0] = 1000
    qtbot.waitUntil(lambda: models.recording.state is RecordState.ENDED and bool(annotating.ended), timeout=20_000)
    assert models.recording.figures.ended.startswith("The disk is full (0 MB left)")
    assert (annotating.is_ready, annotating.is_kept) == (False, False)
    assert "recording" not in app.window.windowTitle()
    assert running(app)
    free[0] = 10**12
    answers.append(True)
    first = app.sessions.session
    app.window.actions_.record.trigger()  # there is room again: another one
    qtbot.waitUntil(lambda: app.sessions.session not in (first, None) and running(app), timeout=20_000)
    assert models.recording.state is RecordState.RECORDING
    assert (annotating.is_kept, annotating.ended) == (True, "")
    (line,) = next((tmp_path / "kept" / "sub-anon").rglob("markers.jsonl")).read_text().splitlines()
    assert json.loads(line)["label"] == "marker 1"
