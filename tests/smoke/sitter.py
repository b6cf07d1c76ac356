"""The window of a long sitting, driven by keys: ``python -m tests.smoke.sitter URL MICROPHONE SECONDS HOME``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtTest import QTest

from desktop.app import App
from desktop.application import make_application
from desktop.models.live import Phase
from desktop.options import Options
from desktop.settings import SettingsStore

EVERY_MS = 20_000
KEYS = (Qt.Key.Key_T, Qt.Key.Key_P, Qt.Key.Key_M, Qt.Key.Key_C)  # a span begins or ends, a point, numbered, a span
LOOK_MS = 10_000
BEAT_MS = 20


class Sitter(QObject):
    """Presses keys while it is recorded, looks at the memory, then ends the recording and waits for its files."""

    def __init__(self, app: App, seconds: float) -> None:
        super().__init__(app)
        self._app, self._seconds = app, seconds
        self.keys, self.memory, self.stopped, self.saving = 0, [], 0.0, 0.0
        self.gaps = [0.0, 0.0]  # s, the window's longest while recording, and while the files are finished
        self._beat_at = time.monotonic()
        app.models.live.phase_changed.connect(self._follow)
        app.recorder.kept.connect(self._note_kept)
        app.archive.exporting.busy_changed.connect(self._note_exported)
        self._began = False

    def _follow(self) -> None:
        if self._app.models.live.phase is not Phase.RUNNING or self._began:
            return
        self._began = True
        self._press(Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
        self._every(EVERY_MS, self._mark)
        self._every(LOOK_MS, self._look)
        self._beat_at = time.monotonic()
        self._every(BEAT_MS, self._beat)
        QTimer.singleShot(round(self._seconds * 1000), self, self._end)

    def _every(self, ms: int, call) -> None:
        timer = QTimer(self)
        timer.timeout.connect(call)
        timer.start(ms)

    def _press(self, key: Qt.Key, with_: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self._app.window, key, with_)

    def _mark(self) -> None:
        if not self.stopped:
            self._press(KEYS[self.keys % len(KEYS)])
            self.keys += 1

    def _look(self) -> None:
        self.memory.append(round(psutil.Process().memory_info().rss / 2**20, 1))

    def _beat(self) -> None:
        now = time.monotonic()
        late, self._beat_at = now - self._beat_at - BEAT_MS / 1e3, now
        number = 1 if self.stopped else 0
        self.gaps[number] = max(self.gaps[number], late)

    def _end(self) -> None:
        self.stopped = time.monotonic()
        self._press(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)

    def _note_kept(self, _: Path) -> None:
        self.saving = time.monotonic() - self.stopped

    def _note_exported(self) -> None:
        if not self._app.archive.exporting.is_busy and self.saving:
            QTimer.singleShot(1000, self._app.quit)


def main(url: str, microphone: str, seconds: str, home: str) -> None:
    """Run it and print what was seen."""
    application = make_application()
    options = Options(
        source=url,
        mic=microphone,
        session_dir=Path(home, "kept"),
        record=True,
        participant="P00",
        task="long sitting",
        consent="a picture and a synthetic voice need none",
        offline=True,
        size=(1280, 800),
    )
    app = App(application, options, SettingsStore(Path(home, "desktop.json")))
    sitter = Sitter(app, float(seconds))
    app.show()
    application.exec()
    app.shut_down()
    times = psutil.Process().cpu_times()
    told = {
        "keys": sitter.keys,
        "RSS, MB, each minute": sitter.memory[::6] + sitter.memory[-1:],
        "cores": round((times.user + times.system) / (time.time() - psutil.Process().create_time()), 2),
        "s from the key to whole files": round(sitter.saving, 2),
        "the window's longest silence, s": [round(gap, 3) for gap in sitter.gaps],
    }
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
