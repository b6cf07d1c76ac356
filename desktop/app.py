"""The composition root: settings, view-models, sessions and the window meet here and nowhere else."""

from __future__ import annotations

import signal
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QFileDialog

from desktop.annotator import Annotator
from desktop.appearance import Appearance
from desktop.application import tell
from desktop.archive import Archive
from desktop.bridge import SessionBridge
from desktop.card_dialog import CardDialog
from desktop.checkpoint_choice import CheckpointChoice
from desktop.device_lists import NONE, DeviceLists
from desktop.dialogs import AboutDialog, CaptureNotice, ErrorDialog, KeysDialog
from desktop.live_session import LiveSession
from desktop.loaded_models import ModelChoice
from desktop.log import catch_exceptions, log_path
from desktop.main_window import MainWindow
from desktop.models.live import Phase
from desktop.options import EXIT_FAILED, EXIT_INPUT, EXIT_OK, Options, SourceKind, SourceRequest, request_of
from desktop.preferring import models_of, overruled, show_preferences
from desktop.recorder import Recorder
from desktop.settings import Settings, SettingsStore
from desktop.speech_changing import SpeechChanging
from desktop.view_models import ViewModels
from dmd_runtime import MarkerSetStore, Reading, resource

_PATIENCE_MS = 25_000  # how long a session may drain before the window closes all the same
_MEDIA = "*.mp4 *.mov *.mkv *.webm *.avi *.m4v *.mpg *.mpeg *.wav *.flac *.mp3 *.m4a *.ogg"


class App(QObject):
    """Wires everything and answers the window's actions; on the GUI thread.

    Attributes
    ----------
    exit_code : int
        What the program will return.
    """

    _uncaught = Signal(str, str)

    def __init__(self, application: QApplication, options: Options, store: SettingsStore) -> None:
        super().__init__()
        self.exit_code = EXIT_OK
        self.options = options
        self._store = store
        self._last: SourceRequest | None = None
        self._pictured = False
        self._error: ErrorDialog | None = None
        self.bridge = SessionBridge(self)
        self.models = ViewModels(self.bridge, self)
        self.sessions = LiveSession(self.models.live, self.bridge, self)
        self.checkpoints = CheckpointChoice(self.sessions, self.models.live, self._model_choice, self)
        self.speech = SpeechChanging(self.sessions, self.models, self._model_choice, self)
        self.window = MainWindow(self.models)
        self.recorder = Recorder(
            self.sessions,
            store,
            self.window,
            live=self.models.live,
            model=self.models.recording,
            models=self._model_choice,
        )
        self.archive = Archive(self.window, self.window.actions_, store, self._model_choice)
        self.annotator = Annotator(self.models.annotating, self.sessions, store, MarkerSetStore(), self.window)
        self.annotator.show_in(self.models.timeline, self.models.live, self.window.annotating)
        self.devices = DeviceLists(self)
        self.appearance = Appearance(application, self.window.actions_.themes, options.theme, self)
        self._named = self._take_up()
        self._connect()
        self._uncaught.connect(self._show_error)
        catch_exceptions(self._uncaught.emit)
        self._let_signals_in()

    # ----------------------------------------------------------------- start

    def _take_up(self) -> SourceRequest | None:
        """Show what is remembered and, of devices, what the command line says for this run; returns what it names."""
        settings, options = self._store.now, self.options
        camera = settings.camera
        microphone = settings.microphone if options.mic is None else options.mic
        named = request_of(options, resource("demo.mkv"), camera=camera, microphone=microphone)
        if named is not None and named.is_live:
            camera, microphone = named.camera, named.microphone
        self.window.camera.set_wanted(camera)
        self.window.microphone.set_wanted(microphone)
        self.models.timeline.lanes = settings.lanes
        self.appearance.show(settings)
        self._show_settings(settings)
        return named

    def show(self) -> None:
        """Put the window on screen; what the command line names starts when it is there."""
        settings = self._store.now
        if settings.geometry and self.options.size is None:
            self.window.restore(settings.geometry, settings.layout)
        if self.options.size is not None:
            self.window.resize(*self.options.size)
        if self._store.problem:
            self.models.live.notice("settings", self._store.problem)
        self.window.show()

    def _begin(self) -> None:
        if self.options.quit_after is not None:
            QTimer.singleShot(round(self.options.quit_after * 1000), self.quit)
        if self._named is not None:
            self.run(self._named)
        else:
            self.sessions.preload(self._model_choice())
        self.devices.refresh()
        self.archive.look_for_unfinished()

    def run(self, request: SourceRequest) -> None:
        """Run ``request`` instead of whatever runs."""
        self._take_up_request(request)
        self.sessions.start(request, self._model_choice(), self.recorder.told(self.options, request))

    def _take_up_request(self, request: SourceRequest) -> None:
        """Remember what runs, and show its devices; it is the live page that shows it."""
        self._last = request
        if request.is_live:
            self.window.camera.set_wanted(request.camera)
            self.window.microphone.set_wanted(request.microphone)
        self.window.actions_.live.trigger()

    def _model_choice(self) -> ModelChoice:
        return models_of(self._store.now, self.options)

    # ------------------------------------------------------------------- end

    def quit(self) -> None:
        """End what runs, take the picture if one is wanted, close. Idempotent."""
        self.window.close()

    def _leave(self) -> None:
        """End what runs, then close; a session that will not end is left behind after a while, and named in the log."""
        if self.options.screenshot is not None and not self._pictured:
            self._pictured = True
            problem = self._save_picture(self.options.screenshot)
            if problem:
                self.exit_code = self.exit_code or EXIT_FAILED
                tell(problem)
        geometry, layout = self.window.layout_text()
        if self.options.size is None and not self.options.selftest:
            self._store.update(geometry=geometry, layout=layout)
        if not self.sessions.is_busy:
            self.window.close_now()
            return
        self.sessions.idle.connect(self.window.close_now)
        QTimer.singleShot(_PATIENCE_MS, self.window.close_now)
        self.sessions.stop()

    def shut_down(self) -> None:
        """After the event loop: nothing of this program is left running."""
        self.speech.close()
        self.sessions.shut_down(timeout=10.0)
        self.archive.close()
        self.devices.close()

    def _save_picture(self, path: Path) -> str:
        """One line that says why it could not be saved, or an empty string."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"{path}: the picture could not be saved: {error.strerror or error}"
        return "" if self.window.grab().save(str(path)) else f"{path}: the picture could not be saved"

    # --------------------------------------------------------------- wiring

    def _connect(self) -> None:
        window, a, states = self.window, self.window.actions_, self.window.states
        window.shown.connect(self._begin)
        window.close_requested.connect(self._leave)
        window.drawn.connect(self._note_drawn)
        window.page.video.frame_painted.connect(self._note_frame)
        window.page.help_requested.connect(self._again)
        window.page.edge_selected.connect(self._remember_lanes)
        window.notices.action_requested.connect(self.speech.dismiss)
        self.speech.choice.taken.connect(lambda name: self._change({"speech_model": name}))
        self.sessions.started.connect(self.models.reset_for)
        self.sessions.failed.connect(self._note_failure)
        self.sessions.loaded.connect(self.models.take_card)
        self.checkpoints.taken.connect(self._take_checkpoint)
        self.models.live.phase_changed.connect(self._follow_phase)
        self.devices.listed.connect(self._show_devices)
        for signal_, slot in (
            (a.start.triggered, self.start_devices),
            (a.stop.triggered, self.sessions.stop),
            (a.record.triggered, self.record),
            (self.recorder.begun, self._take_up_request),
            (self.recorder.kept, self.archive.note_kept),
            (self.archive.record_requested, self.record),
            (a.open.triggered, self.open_file),
            (a.demo.triggered, self.watch_demo),
            (a.synthetic.triggered, lambda: self.run(SourceRequest(kind=SourceKind.SYNTHETIC))),
            (a.picture.triggered, self._choose_picture),
            (a.quit.triggered, self.window.close),
            (a.marker.triggered, self.models.annotating.moment),
            (a.refresh.triggered, self.devices.refresh),
            (a.larger.triggered, lambda: self._scale(+0.1)),
            (a.smaller.triggered, lambda: self._scale(-0.1)),
            (a.preferences.triggered, self._preferences),
            (a.keys.triggered, lambda: KeysDialog(a.listed(), window).exec()),
            (a.card.triggered, lambda: CardDialog(self.models.card.card, window).exec()),
            (a.limits.triggered, self._open_limits),
            (a.log.triggered, lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_path())))),
            (a.about.triggered, self._about),
            (states.start_requested, self.start_devices),
            (states.open_requested, self.open_file),
            (states.demo_requested, self.watch_demo),
            (states.cancel_requested, self.sessions.stop),
            (states.retry_requested, self._again),
            (states.choose_requested, lambda: self.models.live.set_phase(Phase.EMPTY)),
            (window.camera.opened, self.devices.refresh),
            (window.microphone.opened, self.devices.refresh),
        ):
            signal_.connect(slot)
        a.mirror.toggled.connect(lambda on: self._change({"mirror": on}))
        a.full_screen.toggled.connect(lambda on: window.showFullScreen() if on else window.showNormal())
        a.themes.triggered.connect(lambda action: self._change({"theme": action.data()}))
        window.camera.chosen.connect(self._choose_camera)
        window.microphone.chosen.connect(self._choose_microphone)
        self._follow_phase()

    def _let_signals_in(self) -> None:
        """Ctrl+C closes the window; Python's handlers run only when Python code does."""
        signal.signal(signal.SIGINT, lambda *_: self.quit())
        signal.signal(signal.SIGTERM, lambda *_: self.quit())
        heartbeat = QTimer(self)
        heartbeat.timeout.connect(lambda: None)
        heartbeat.start(250)

    # -------------------------------------------------------------- actions

    def start_devices(self) -> None:
        """Open camera and microphone, after the notice has been read once."""
        settings = self._store.now
        if not settings.consent_noticed:
            notice = CaptureNotice(self.window)
            if not notice.exec():
                return
            if notice.remember:
                self._store.update(consent_noticed=True)
        self.run(self._devices())

    def record(self) -> None:
        """Record what runs, else the devices; where a recording runs, end it."""
        running = self.sessions.request
        self.recorder.toggle(self._devices() if running is None else running)

    def _devices(self) -> SourceRequest:
        window = self.window
        return SourceRequest(kind=SourceKind.DEVICES, camera=window.camera.wanted, microphone=window.microphone.wanted)

    def open_file(self) -> None:
        """Ask for a file and run it."""
        filters = f"{self.tr('Film or sound')} ({_MEDIA});;{self.tr('All files')} (*)"
        name, _ = QFileDialog.getOpenFileName(self.window, self.tr("Open"), self._store.now.last_folder, filters)
        if name:
            self._store.update(last_folder=str(Path(name).parent))
            self.run(SourceRequest(kind=SourceKind.FILE, path=name))

    def watch_demo(self) -> None:
        """Run the film that ships with the program."""
        self.run(SourceRequest(kind=SourceKind.FILE, path=str(resource("demo.mkv"))))

    def _again(self) -> None:
        if self._last is not None:
            self.run(self._last)

    def _remember_lanes(self) -> None:
        """After an edge was put on the timeline or taken off."""
        lanes = self.models.timeline.lanes
        self._store.update(timeline_edges=[(graph.value, str(edge)) for graph, edge in lanes])

    def _choose_camera(self, name: str) -> None:
        self._store.update(camera=name)
        self.sessions.choose_camera(name)

    def _choose_microphone(self, name: str) -> None:
        self._store.update(microphone=name)
        self.sessions.choose_microphone(name)

    def _choose_picture(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self.window, self.tr("Save a picture"), "dmd-live.png", "PNG (*.png)")
        if name:
            self.models.live.notice("picture", self._save_picture(Path(name)) or None, action=self.tr("Close"))

    def _open_limits(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(resource("..", "docs", "limits.md"))))

    def _preferences(self) -> None:
        show_preferences(
            self._store.now,
            self._model_choice(),
            self.window,
            changed=self._change,
            checkpoints=self.checkpoints,
            speech=self.speech.choice,
        )

    def _take_checkpoint(self, checkpoint: str) -> None:
        """Remember it, load it ahead; it goes before what the command line said."""
        self.options = overruled(self.options, ["checkpoint"])
        self._store.update(checkpoint=checkpoint)
        if not self.sessions.is_busy:
            self.sessions.preload(self._model_choice())

    def _about(self) -> None:
        health = self.models.health
        name = health.checkpoint_name or self.tr("none loaded yet")
        AboutDialog(model=name, device=health.device or "cpu", parent=self.window).exec()

    def _scale(self, by: float) -> None:
        self._change({"font_scale": round(min(2.0, max(0.8, self._store.now.font_scale + by)), 2)})

    def _change(self, changes: dict[str, object]) -> None:
        if "checkpoint" in changes:  # not before it was seen to run
            self.checkpoints.ask(str(changes["checkpoint"]))
            return
        self.options = overruled(self.options, changes)
        settings = self._store.update(**changes)
        if changes.keys() & {"speech_model", "language"}:
            self.speech.apply()
        if "theme" in changes:
            self.appearance.choose(settings)
        else:
            self.appearance.show(settings)
        self._show_settings(settings)

    def _show_settings(self, settings: Settings) -> None:
        self.models.emotion.smoothing = settings.smoothing
        self.window.actions_.mirror.setChecked(settings.mirror)
        self.window.page.video.mirrored = None if settings.mirror else False

    # --------------------------------------------------------------- notes

    def _follow_phase(self) -> None:
        phase, a = self.models.live.phase, self.window.actions_
        busy = phase in (Phase.LOADING, Phase.STARTING, Phase.RUNNING)
        a.start.setVisible(not busy)
        a.stop.setVisible(busy)
        a.marker.setEnabled(phase is Phase.RUNNING)
        a.why.setEnabled(phase in (Phase.RUNNING, Phase.ENDED))

    def _show_devices(self, cameras: list[tuple[str, str]], microphones: list[tuple[str, str]], problem: str) -> None:
        self.window.camera.set_devices(cameras)
        self.window.microphone.set_devices(microphones)
        wants = self.window.microphone.wanted != NONE
        self.models.live.notice("microphones", problem if problem and wants else None)

    def _note_drawn(self, reading: Reading) -> None:
        session = self.bridge.session
        if session is not None and reading is self.models.emotion.reading:  # not one of the session before
            self.models.health.note_drawn(session.clock.now() - reading.span.end)

    def _note_frame(self, _: int, t: float) -> None:
        session = self.bridge.session
        if session is not None:
            self.models.health.note_frame_age(session.clock.now() - t)

    def _note_failure(self, problem: str, request: SourceRequest, of_source: bool) -> None:
        if (of_source and request is not self._named) or self.exit_code != EXIT_OK:
            return  # a file opened by hand that cannot be read is no failure of the program
        self.exit_code = EXIT_INPUT if of_source else EXIT_FAILED
        tell(problem)

    def _show_error(self, summary: str, details: str) -> None:
        if self.options.quit_after is not None or self.options.selftest:  # nobody is there to close a dialog
            self.exit_code = EXIT_FAILED
            tell(f"{summary}\n{details}")
            return
        if self._error is not None:  # one at a time: what breaks with every picture would bury the screen
            self._error.add(summary, details)
            return
        self._error = ErrorDialog(summary, details, self.window)
        self._error.exec()
        self._error.deleteLater()
        self._error = None
