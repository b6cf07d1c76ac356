"""How quick a replay is: ``python -m desktop.replay.measure FOLDER`` writes one JSON object.

Without a display set ``QT_QPA_PLATFORM=offscreen``. Seconds to the first picture and to the timeline, pictures a second
while the play head is dragged from one end to the other and to random places, milliseconds to paint the timeline.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QPixmap

from desktop.application import make_application
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.replay.session import ReplaySession
from desktop.replay_page import ReplayPage
from desktop.theme import apply_theme

_PATIENCE: Final = 60.0  # s
_SCRUBBED: Final = 4.0  # s
_MOUSE_MS: Final = 16
_PAINTINGS: Final = 40


def measure(folder: Path) -> dict[str, float]:
    """Open, scrub and paint a session; an application must exist."""
    model = ReplayModel()
    session, page = ReplaySession(model), ReplayPage(model)
    page.resize(1280, 720)
    page.show()
    began = time.perf_counter()
    at: dict[str, float] = {}
    page.video.frame_painted.connect(lambda *_: at.setdefault("first_picture_s", time.perf_counter() - began))
    session.opened.connect(lambda _: at.setdefault("timeline_s", time.perf_counter() - began))
    cpu = time.process_time()
    session.open(folder)
    _until(lambda: "timeline_s" in at or model.live.phase is Phase.FAILED)
    at["timeline_cpu_s"] = time.process_time() - cpu
    _until(lambda: model.live.face is not None, patience=10.0)
    end = model.track.end
    randomly = random.Random(0)
    at["drag_fps"] = _scrub(page, lambda share: share * end)
    at["random_scrub_fps"] = _scrub(page, lambda _: randomly.uniform(0.0, end))
    at |= _paint(page)
    session.close()
    page.close()
    return {name: round(value, 3) for name, value in at.items()}


def _scrub(page: ReplayPage, place: Callable[[float], float]) -> float:
    painted: list[int] = []
    link = page.video.frame_painted.connect(lambda number, _: painted.append(number))
    began = time.perf_counter()
    timer = QTimer()
    timer.timeout.connect(lambda: page.model.scrub(place((time.perf_counter() - began) / _SCRUBBED)))
    timer.start(_MOUSE_MS)
    _until(lambda: time.perf_counter() - began >= _SCRUBBED)
    timer.stop()
    page.video.frame_painted.disconnect(link)
    return len(painted) / (time.perf_counter() - began)


def _paint(page: ReplayPage) -> dict[str, float]:
    timeline, track = page.timeline, page.model.track
    picture = QPixmap(timeline.size())
    times: dict[str, list[float]] = {"paint_all_ms": [], "paint_zoom_ms": [], "paint_head_ms": []}
    for i in range(_PAINTINGS):
        track.show_all()
        track.set_series(track.series)  # everything is drawn anew
        times["paint_all_ms"].append(_timed(lambda: timeline.render(picture)))
        track.set_view(track.end * 0.3 + i, track.end * 0.5 + i)
        times["paint_zoom_ms"].append(_timed(lambda: timeline.render(picture)))
        times["paint_head_ms"].append(_timed(lambda: timeline.render(picture)))
    return {name: sorted(values)[len(values) // 2] * 1e3 for name, values in times.items()}


def _timed(call: Callable[[], object]) -> float:
    """Seconds of this thread, whatever else the machine does."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


def _until(is_so: Callable[[], bool], patience: float = _PATIENCE) -> None:
    loop, timer, late = QEventLoop(), QTimer(), time.perf_counter() + patience
    timer.timeout.connect(lambda: loop.quit() if is_so() or time.perf_counter() > late else None)
    timer.start(5)
    loop.exec()


if __name__ == "__main__":
    application = make_application()
    apply_theme(application, "dark")
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))) + "\n")
