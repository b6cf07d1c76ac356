"""One sitting, by keys alone: consent, recording, marking, exports, library, replay, editing, comparing, deleting."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget
from pytestqt.qtbot import QtBot

from desktop import live_session
from desktop.app import App
from desktop.capture.live_source import DeviceSource
from desktop.capture.microphone import MicrophoneThread
from desktop.models.live import Phase
from desktop.models.recording import RecordState
from desktop.record_dialog import RecordDialog
from dmd_runtime import open_session, read_annotations
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.capture.mjpeg_server import MjpegServer
from tests.desktop.session_fixtures import loader

__all__ = ["loader", "make"]
PATIENCE = 20_000  # ms
FORMATS = ("csv", "vtt", "eaf", "report", "mp4")
CHUNK = 512
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
pytestmark = pytest.mark.gui


class Humming:
    """Opens microphones that hum, in real time, until they are closed."""

    def __init__(self, name: str | None, on_chunk: Callable[..., None], on_end: Callable[[], None]) -> None:
        self.name, self.rate, self.channels, self.description = name or "mic", 16_000, 1, "a hum"
        self._on_chunk = on_chunk
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hum, name="hum")
        self._thread.start()

    def _hum(self) -> None:
        sound = 0.1 * np.sin(np.arange(CHUNK) * np.pi / 16).astype(np.float32)
        while not self._over.wait(CHUNK / self.rate):
            self._on_chunk(sound[:, None], CHUNK / self.rate, False)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A camera on loopback and a humming microphone; the address of the camera."""

    def microphone(choice: Any, sink: Any, clock: Any, track: Any) -> MicrophoneThread:
        return MicrophoneThread(choice, sink, clock, track=track, open_microphone=Humming)

    monkeypatch.setattr(live_session, "DeviceSource", partial(DeviceSource, make_microphone=microphone))
    with MjpegServer(fps=15, size=(160, 120)) as server:
        yield server.url


class Hands:
    """Presses keys on whatever has the keyboard."""

    def __init__(self, app: App, qtbot: QtBot) -> None:
        self._app, self._qtbot = app, qtbot

    @property
    def focus(self) -> QWidget:
        """Who gets the next key."""
        return QApplication.focusWidget() or QApplication.activeModalWidget() or self._app.window

    def press(self, key: Qt.Key, with_: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        if QApplication.activeWindow() is None:
            self.come_back()
        QTest.keyClick(self.focus, key, with_)

    def type(self, text: str) -> None:
        QTest.keyClicks(self.focus, text)

    def wait(self, until: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(until, timeout=PATIENCE)

    def in_dialog(self, opens: Callable[[], None], answer: Callable[[QDialog], None]) -> None:
        """Answer the dialog that ``opens`` runs to its end."""
        trouble: list[BaseException] = []

        def now() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QDialog) or not dialog.isAncestorOf(self.focus):
                QTimer.singleShot(20, now)
                return
            try:
                answer(dialog)
            except BaseException as error:  # noqa: BLE001 - raised where the test can see it
                trouble.append(error)
            if dialog.isVisible():
                dialog.reject()

        QTimer.singleShot(0, now)
        opens()
        if trouble:
            raise trouble[0]
        self.come_back()

    def come_back(self) -> None:
        """Where no window manager is, nobody gives the keyboard back to the window."""
        self._app.window.activateWindow()
        self.wait(self._app.window.isActiveWindow)


def consent(hands: Hands, dialog: QDialog) -> None:
    """Fill in the dialog from the top to the bottom, as it has the keyboard."""
    assert isinstance(dialog, RecordDialog)
    tab = partial(hands.press, Qt.Key.Key_Tab)
    for text in ("P07", "first", "talk", "a note on it"):
        hands.type(text)
        tab()
    assert hands.focus is dialog.consent
    tab()
    for text in ("P07", "M. S."):
        hands.type(text)
        tab()
    assert not dialog.start.isEnabled()
    hands.press(Qt.Key.Key_Space)
    assert dialog.start.isEnabled()
    hands.press(Qt.Key.Key_Return)


def test_a_whole_sitting_by_keys(make: Callable[..., App], qtbot: QtBot, devices: str, tmp_path: Path) -> None:
    app = make(offline=True)
    app._store.update(
        camera=devices,
        microphone="mic",
        consent_noticed=True,
        session_root=str(tmp_path / "kept"),
        export_formats=FORMATS,
    )
    app.window.camera.set_wanted(devices)
    app.window.microphone.set_wanted("mic")
    shown(app, qtbot)
    hands = Hands(app, qtbot)
    hands.come_back()
    hands.press(Qt.Key.Key_F5)
    hands.wait(lambda: app.models.live.phase is Phase.RUNNING)
    hands.in_dialog(partial(hands.press, Qt.Key.Key_R, CTRL), lambda _: hands.press(Qt.Key.Key_Escape))
    assert not (tmp_path / "kept").exists()
    folder = record(app, hands, qtbot)
    look_it_up(app, hands, folder)
    replay(app, hands, folder)
    delete(app, hands, folder)


def record(app: App, hands: Hands, qtbot: QtBot) -> Path:
    hands.in_dialog(partial(hands.press, Qt.Key.Key_R, CTRL), partial(consent, hands))
    hands.wait(lambda: app.models.recording.state is RecordState.RECORDING and running(app))
    assert app.window.windowTitle().startswith("●")
    hands.press(Qt.Key.Key_B, CTRL)
    marks, pad = app.models.annotating, app.window.annotating.pad
    hands.press(Qt.Key.Key_T)
    hands.press(Qt.Key.Key_P)
    hands.press(Qt.Key.Key_N)
    hands.type("unsure here")
    hands.press(Qt.Key.Key_Return)
    assert [mark.label for mark in marks.marks] == ["task", "problem", ""]
    hands.wait(lambda: app.models.emotion.reading is not None and app.models.emotion.reading.span.end > 4)
    qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=QPoint(pad.width() // 2, pad.height() // 2))
    hands.wait(lambda: len(marks.trail) > 3)
    qtbot.mouseRelease(pad, Qt.MouseButton.LeftButton)
    hands.press(Qt.Key.Key_T)
    hands.press(Qt.Key.Key_C)  # which nobody ends
    done: list[Path] = []
    app.archive.exporting.done.connect(lambda _, folder: done.append(folder))
    hands.press(Qt.Key.Key_R, CTRL)
    hands.wait(lambda: bool(done))
    (folder,) = done
    manifest = json.loads((folder / "session.json").read_text())
    assert (manifest["participant"], manifest["session"], manifest["task"]) == ("P07", "first", "talk")
    assert manifest["consent"]["given_by"] == "P07"
    recorded = open_session(folder)
    assert all((marker.t1 or marker.t0) <= manifest["counts"]["media_end_s"] + 1e-3 for marker in recorded.markers)
    made = {path.name for path in (folder / "derived").iterdir()}
    assert {"readings.csv", "transcript.vtt", "annotations.eaf", "report.html", "film.mp4"} <= made
    hands.press(Qt.Key.Key_Period, CTRL)
    hands.wait(lambda: not app.sessions.is_busy)
    return folder


def look_it_up(app: App, hands: Hands, folder: Path) -> None:
    hands.press(Qt.Key.Key_2, CTRL)
    library = app.archive.library
    hands.wait(lambda: library.session is not None and library.model.picture(folder) is not None)
    for text in ("word", "unsure"):
        hands.press(Qt.Key.Key_F, CTRL)
        hands.type(text)
        hands.wait(lambda text=text: any(text in hit.snippet for hit in library.model.hits))
    hands.press(Qt.Key.Key_Down)
    hands.press(Qt.Key.Key_Return)
    hands.wait(
        lambda: app.archive.replay.model.live.phase is Phase.RUNNING and bool(app.archive.replay.model.track.tiers)
    )


def replay(app: App, hands: Hands, folder: Path) -> None:
    page = app.archive.replay
    model, edits = page.model, page.editing.edits
    (note,) = [item for tier in read_annotations(folder).tiers for item in tier.items if item.note]
    hands.wait(lambda: abs(model.position - note.t0) < 0.2)
    before = model.position
    hands.press(Qt.Key.Key_Right)
    hands.wait(lambda: model.position > before)
    hands.press(Qt.Key.Key_Space)
    hands.wait(lambda: model.position > before + 0.3)
    hands.press(Qt.Key.Key_Space)
    hands.press(Qt.Key.Key_Plus)
    assert model.transport is not None
    assert model.transport.speed == 1.25
    hands.press(Qt.Key.Key_E)
    hands.wait(lambda: page.editing.is_on)

    def marked() -> int:
        return sum(len(tier.items) for tier in edits.annotations.tiers)

    count = marked()
    hands.press(Qt.Key.Key_P)
    assert marked() == count + 1
    hands.press(Qt.Key.Key_Z, CTRL)
    assert marked() == count
    hands.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert marked() == count + 1
    hands.press(Qt.Key.Key_K)
    hands.wait(lambda: page.comparing is not None and page.comparing.isAncestorOf(hands.focus))
    hands.press(Qt.Key.Key_Escape)
    hands.wait(lambda: page.comparing is None)
    hands.come_back()
    hands.press(Qt.Key.Key_E)


def delete(app: App, hands: Hands, folder: Path) -> None:
    hands.press(Qt.Key.Key_2, CTRL)
    library = app.archive.library
    hands.press(Qt.Key.Key_F, CTRL)
    hands.press(Qt.Key.Key_Escape)
    hands.wait(lambda: not library.model.query)
    hands.press(Qt.Key.Key_Escape)
    hands.wait(lambda: library.session is not None and hands.focus is library.list)

    def keep(dialog: QDialog) -> None:
        hands.press(Qt.Key.Key_Return)

    def agree(dialog: QDialog) -> None:
        hands.press(Qt.Key.Key_Tab)
        hands.press(Qt.Key.Key_Space)

    hands.in_dialog(partial(hands.press, Qt.Key.Key_Delete), keep)
    assert folder.is_dir()
    hands.in_dialog(partial(hands.press, Qt.Key.Key_Delete), agree)
    hands.wait(lambda: not folder.exists())
    hands.press(Qt.Key.Key_1, CTRL)
    assert app.window.is_live
