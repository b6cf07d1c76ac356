"""``dmd bench live``: the whole program on a film with a face and a voice, measured from what is really on screen.

Every picture carries its number in a corner; the number is read back from the pixels of the painted widget, so that the
age of what a person sees is measured and not believed.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psutil
from PySide6.QtCore import QObject, QRectF, QSizeF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QImage

from desktop.app import App
from desktop.application import make_application
from desktop.garbage import GarbageCollector
from desktop.models.live import Phase
from desktop.options import EXIT_FAILED, EXIT_INPUT, EXIT_OK, Options, Parser, SourceKind, SourceRequest, seconds
from desktop.settings import SettingsStore
from desktop.widgets.video_painting import placed
from dmd_runtime import (
    AudioBlock,
    Clock,
    DMDError,
    FileSource,
    MediaSink,
    Reading,
    SourceInfo,
    VideoFrame,
    frame_image,
    freeze,
    read_frame_number,
    resource,
)

STAMP: Final = (0.78, 0.40, 0.16, 0.12)
"""Where the number stands: left, top, width and height as shares of the picture."""
_LOOK_EVERY_MS = 100
_WARM_UP = 4.0  # s that are not counted
_TICK_MS = 10
_MOST_LOADING: Final = 180.0  # s until it must run


class StampedFilm:
    """Films in turn, over and over, each picture with its number in it; a source."""

    def __init__(self, paths: Sequence[Path], seconds: float) -> None:
        self._seconds = seconds
        infos = []
        for path in paths:  # none is missing half an hour later
            film = FileSource(path, paced=True, with_hash=False)
            film.close()
            infos.append(film.info)
        self._paths = itertools.cycle(paths)
        name = f"{', '.join(path.name for path in paths)}, numbered"
        self.info: SourceInfo = replace(infos[0], name=name, duration=seconds)

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver until the seconds are over; see the runtime's Source."""
        start, frames, blocks, heard = 0.0, 0, 0, 0.0
        while start < self._seconds and not stop.is_set():
            film = FileSource(next(self._paths), paced=True, with_hash=False)
            shifted = _Shifted(sink, start, frames, blocks, heard)
            start += film.run(shifted, _ShiftedClock(clock, start), stop)
            start = -(-start * 16_000 // 1) / 16_000  # on a sample, as sound must go on
            frames, blocks, heard = shifted.frames, shifted.blocks, shifted.heard
            film.close()
        return start

    def close(self) -> None:
        """Nothing is held between runs."""


@dataclass
class _ShiftedClock:
    clock: Clock
    start: float

    def now(self) -> float:
        return self.clock.now() - self.start

    def wait_until(self, t: float, interrupt: Event) -> bool:
        return self.clock.wait_until(t + self.start, interrupt)


@dataclass
class _Shifted:
    """Hands on later by ``start`` seconds, with numbers that go on, and stamps pictures.

    ``heard``: session time up to which there was sound; a film whose sound ends before its pictures is silent there.
    """

    sink: MediaSink
    start: float
    frames: int
    blocks: int
    heard: float

    def video(self, frame: VideoFrame) -> None:
        height, width = frame.image.shape[:2]
        left, top, across, down = (round(s * n) for s, n in zip(STAMP, (width, height) * 2, strict=True))
        image = frame.image.copy()
        image[top : top + down, left : left + across] = frame_image(self.frames, (across, down))
        self.sink.video(VideoFrame(seq=self.frames, t=frame.t + self.start, image=freeze(image)))
        self.frames += 1

    def audio(self, block: AudioBlock) -> None:
        start = block.t + self.start
        silent = max(0, round((start - self.heard) * block.rate)) if self.blocks else 0
        samples = freeze(np.pad(block.samples, (silent, 0)))
        self.sink.audio(replace(block, seq=self.blocks, t=start - silent / block.rate, samples=samples))
        self.heard = start + len(block.samples) / block.rate
        self.blocks += 1


@dataclass
class Figures:
    """What was measured; seconds."""

    frame_ages: list[float] = field(default_factory=list)
    unreadable: int = 0
    drawn: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)


class LiveBench(QObject):
    """Watches the program while it runs a numbered film; ends it, whatever comes of it.

    Attributes
    ----------
    summary : dict
        What was measured; empty where it came to nothing.
    problem : str
        What went wrong; empty where nothing did.
    """

    def __init__(self, app: App, seconds: float) -> None:
        super().__init__(app)
        self.figures = Figures()
        self.summary: dict[str, Any] = {}
        self.problem = ""
        self._runs = False
        self._app = app
        self._seconds = seconds
        self._times: dict[int, float] = {}
        self._last_tick = time.perf_counter()
        self._process = psutil.Process()
        self._look, self._beat = QTimer(self), QTimer(self)
        for timer, every, call in ((self._look, _LOOK_EVERY_MS, self._read_screen), (self._beat, _TICK_MS, self._tick)):
            timer.setTimerType(Qt.TimerType.PreciseTimer)
            timer.setInterval(every)
            timer.timeout.connect(call)
        app.bridge.frame.connect(self._note_frame)
        app.window.drawn.connect(self._note_drawn)
        app.window.page.video.frame_painted.connect(lambda *_: self.figures.painted.append(time.perf_counter()))
        app.models.live.phase_changed.connect(self._follow)
        app.sessions.failed.connect(lambda problem, *_: self._give_up(problem))
        QTimer.singleShot(round(_MOST_LOADING * 1000), self, self._check_that_it_runs)

    @property
    def now(self) -> float:
        """Session time."""
        session = self._app.bridge.session
        return -1.0 if session is None else session.clock.now()

    def _follow(self) -> None:
        if self._app.models.live.phase is Phase.RUNNING and not self._runs:
            self._runs = True
            QTimer.singleShot(round(_WARM_UP * 1000), self, self._begin)
            QTimer.singleShot(round((_WARM_UP + self._seconds) * 1000), self, self._end)

    def _check_that_it_runs(self) -> None:
        if not self._runs:
            self._give_up(f"expected the film to run within {_MOST_LOADING:g} s, got nothing")

    def _give_up(self, problem: str) -> None:
        self.problem = self.problem or problem
        self._app.quit()

    def _begin(self) -> None:
        self.figures = Figures()
        self._process.cpu_percent()
        self._last_tick = time.perf_counter()
        self._look.start()
        self._beat.start()

    def _end(self) -> None:
        if self.problem:
            return
        self._look.stop()
        self._beat.stop()
        session = self._app.bridge.session
        f = self.figures
        gaps = np.diff(f.painted)
        health = self._app.models.health.figures()
        self.summary = {
            "seconds": self._seconds,
            "preview_fps": round(len(f.painted) / self._seconds, 2),
            "paint_gap_ms": _spread(gaps),
            "frame_age_ms": _spread(f.frame_ages),
            "frames_read_from_screen": len(f.frame_ages),
            "frames_unreadable": f.unreadable,
            "window_to_drawn_ms": _spread(f.drawn),
            "gui_stall_ms": _spread(f.stalls),
            "cpu_percent": self._process.cpu_percent(),
            "rss_mb": round(self._process.memory_info().rss / 2**20),
            "counts": {} if session is None else session.counts.as_dict(),
            "words": {  # of the last 256; seconds
                "committed_mean": health.word_mean,
                "committed_p95": health.word_p95,
                "first_shown_p50": health.first_word_p50,
                "real_time_factor": health.speech_load,
            },
            "stages": [vars_of(stage) for stage in health.stages],
        }
        self._app.quit()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.figures.stalls.append(max(0.0, now - self._last_tick - _TICK_MS / 1000))
        self._last_tick = now

    def _note_frame(self, frame: VideoFrame) -> None:
        self._times[frame.seq] = frame.t
        while len(self._times) > 300:
            del self._times[next(iter(self._times))]

    def _note_drawn(self, reading: Reading) -> None:
        if self._beat.isActive():
            self.figures.drawn.append(self.now - reading.span.end)

    def _read_screen(self) -> None:
        video = self._app.window.page.video
        frame = self._app.models.live.frame
        if frame is None:
            return
        height, width = frame.image.shape[:2]
        area = placed(QRectF(video.rect()), QSizeF(width, height))
        left, top, across, down = STAMP
        part = QRectF(
            area.left() + left * area.width(),
            area.top() + top * area.height(),
            across * area.width(),
            down * area.height(),
        ).toAlignedRect()
        corner = video.mapTo(self._app.window, part.topLeft())
        screen = self._app.window.screen() or QGuiApplication.primaryScreen()
        size = (part.width(), part.height())
        shot = screen.grabWindow(self._app.window.winId(), corner.x(), corner.y(), *size)
        seen = self.now
        try:
            number = read_frame_number(_pixels(shot.toImage()))
        except ValueError:
            self.figures.unreadable += 1
            return
        if number in self._times:
            self.figures.frame_ages.append(seen - self._times[number])


def _pixels(image: QImage) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3)."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()


def vars_of(stage: Any) -> dict[str, Any]:
    """A stage's figures as JSON."""
    return {name: getattr(stage, name) for name in ("name", "rate", "p50_ms", "p95_ms", "drops", "depth")}


def _spread(seconds: Any) -> dict[str, float] | None:
    values = np.asarray(seconds, dtype=np.float64)
    if not len(values):
        return None
    p50, p95, p99 = np.percentile(values, (50, 95, 99)) * 1e3
    return {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1), "max": round(values.max() * 1e3, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0, 1 where something failed, 2 where the film cannot be read; exits 64 on wrong usage."""
    parser = Parser(prog="dmd bench live")
    parser.add_argument("--seconds", type=seconds, default=60.0)
    parser.add_argument("--source", type=Path, nargs="+", default=[resource("demo.mkv")])
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        film = StampedFilm(chosen.source, chosen.seconds + _WARM_UP + 5.0)
    except DMDError as error:
        print(f"dmd bench live: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_INPUT
    application = make_application()
    with tempfile.TemporaryDirectory() as folder:  # settings as new: figures of two machines can be compared
        app = App(application, Options(size=(1280, 800)), SettingsStore(Path(folder) / "desktop.json"))
        bench = LiveBench(app, chosen.seconds)
        GarbageCollector(app.sessions.loaded, app)
        app.window.shown.connect(lambda: app.run(SourceRequest(kind=SourceKind.FILE, source=film)))
        app.show()
        application.exec()
        app.shut_down()
    if bench.problem or not bench.summary:
        print(f"dmd bench live: {bench.problem or 'it was closed too early'}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    result = {
        "what": "the whole program on a numbered film with a talking face, 1280x800",
        "films": [path.name for path in chosen.source],
        "display": QGuiApplication.platformName(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {n: metadata.version(n) for n in ("PySide6-Essentials", "torch", "mediapipe", "faster-whisper")},
        **bench.summary,
    }
    print(json.dumps(result, indent=None if chosen.json else 2))  # noqa: T201 - the command's output
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
