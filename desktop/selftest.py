"""``dmd-desktop --selftest``: ten seconds of the demo through everything, recorded; then what came is checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QTimer

from desktop.app import App
from desktop.application import leave, make_application
from desktop.garbage import GarbageCollector
from desktop.models.live import Phase
from desktop.options import EXIT_FAILED, EXIT_OK, SELFTEST_SECONDS, Options, SourceKind, SourceRequest
from desktop.selftest_recording import AsDevice, Check, checks_of
from desktop.settings import SettingsStore
from dmd_runtime import MODALITIES, DMDError, Graph, Reading, Word, resource

_MOST_LOADING: Final = 180.0  # s until models must have been loaded
_FEWEST_READINGS: Final = 12  # of 17 windows that end within ten seconds
_FEWEST_PICTURES: Final = 75  # of 300: a busy machine, which records as well, may skip some
_EXACT: Final = 1e-5
_CONSENT: Final = "a warped portrait and a synthetic voice need none"


@dataclass
class Seen:
    """What came during the test."""

    readings: list[Reading] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)
    drawn: dict[int, bool] = field(default_factory=dict)
    """Window index: whether both graphs drew the very numbers of the reading."""

    def checks(self) -> Iterator[Check]:
        """Judge it."""
        readings = self.readings
        yield Check("readings", len(readings) >= _FEWEST_READINGS, f"{len(readings)} in {SELFTEST_SECONDS:g} s")
        graphs = [edges for r in readings for edges in r.edges.values() if edges is not None]
        sums = [abs(sum(edges.values()) - 1.0) for edges in graphs]
        yield Check("edges of both graphs sum to 1", bool(sums) and max(sums) < _EXACT, f"{len(sums)} graphs")
        seen = {m for r in readings for m in MODALITIES if r.unimodal[Graph.HOMOGENEOUS][m] is not None}
        yield Check("all three modalities", len(seen) == len(MODALITIES), " ".join(sorted(m.value for m in seen)))
        text = " ".join(word.text for word in self.words)
        yield Check("words", len(self.words) >= 3, repr(text))
        yield Check("pictures painted", len(self.pictures) >= _FEWEST_PICTURES, str(len(self.pictures)))
        right = bool(self.drawn) and all(self.drawn.values())
        yield Check("graphs drawn are the readings' own", right, f"{len(self.drawn)} windows")


class SelfTest(QObject):
    """Watches the program run its demo; ends it after ten seconds of running."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.seen = Seen()
        self._app = app
        self._clock_started = False
        app.bridge.reading.connect(self.seen.readings.append)
        app.bridge.word.connect(self.seen.words.append)
        app.window.page.video.frame_painted.connect(lambda seq, _: self.seen.pictures.add(seq))
        app.window.drawn.connect(self._compare)
        app.models.live.phase_changed.connect(self._follow)
        QTimer.singleShot(round(_MOST_LOADING * 1000), self, self._too_late)

    def _follow(self) -> None:
        phase = self._app.models.live.phase
        if phase is Phase.RUNNING and not self._clock_started:
            self._clock_started = True
            self._app.window.actions_.marker.trigger()
            QTimer.singleShot(round((SELFTEST_SECONDS + 1.0) * 1000), self._app.quit)
        elif phase is Phase.FAILED:
            self._app.quit()

    def _too_late(self) -> None:
        if not self._clock_started:
            self._app.quit()

    def _compare(self, reading: Reading) -> None:
        views = self._app.window.page.graphs
        self.seen.drawn[reading.index] = all(
            views[graph].drawn_edges() == dict(reading.edges[graph] or {}) for graph in Graph
        )


def _demo() -> SourceRequest:
    film = str(resource("demo.mkv"))
    return SourceRequest(kind=SourceKind.FILE, path=film, source=AsDevice(Path(film)))


def run_selftest(options: Options) -> int:
    """Run it with settings as new and print a summary; 0 where everything was as it should be, else 1."""
    application = make_application()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SettingsStore(folder / "desktop.json")
        store.update(export_formats=())  # they are made below, one after the other
        kept = replace(options, record=True, session_dir=folder / "kept", participant="selftest", consent=_CONSENT)
        app = App(application, kept, store)
        app._named = _demo()  # as if the command line had named it
        test = SelfTest(app)
        GarbageCollector(app.sessions.loaded, app)
        app.show()
        application.exec()
        app.shut_down()
        checks = list(test.seen.checks())
        try:
            checks += checks_of(folder / "kept", folder / "index")
        except (DMDError, OSError) as error:
            checks.append(Check("the recording", False, str(error)))
    for check in checks:
        print(f"{'ok  ' if check.good else 'FAIL'}  {check.name}: {check.seen}")  # noqa: T201 - the command's output
    good = all(check.good for check in checks) and app.exit_code == EXIT_OK
    print(f"selftest: {'passed' if good else 'failed'}")  # noqa: T201
    return leave(EXIT_OK if good else EXIT_FAILED)
