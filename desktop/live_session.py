"""Runs sessions for the window: models are loaded and sources opened off its thread; nothing here waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal

from desktop.bridge import SessionBridge
from desktop.capture.live_source import CaptureEvent, DeviceSource
from desktop.models.live import LiveModel, Phase, Remedy
from desktop.models.loading import StepState
from desktop.options import SourceKind, SourceRequest
from dmd_runtime import (
    Assets,
    DeviceError,
    DMDError,
    FetchCancelledError,
    FileSource,
    Progress,
    Recording,
    Session,
    SessionConfig,
    Source,
    SyntheticSource,
    Toolbox,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which models run; another choice loads anew."""

    checkpoint: str | None = None
    speech_model: str = ""
    language: str = "auto"
    device: str = "auto"
    offline: bool = False

    def config(self) -> SessionConfig:
        """The session's settings.

        Raises
        ------
        ConfigError
            A value is outside its rule.
        """
        speech = {"language": self.language} | ({"model": self.speech_model} if self.speech_model else {})
        return SessionConfig.load(speech=speech, runtime={"device": self.device})


@dataclass(frozen=True, kw_only=True)
class KeepChoice:
    """Where and under which names a session is kept."""

    root: Path
    participant: str = ""
    task: str = ""
    consent: str | None = None


@dataclass(kw_only=True)
class _Job:
    """One start: made on the window's thread, worked on by a loader, then run or dropped."""

    request: SourceRequest
    models: ModelChoice
    keep: KeepChoice | None
    source: Source | None = None
    session: Session | None = None
    recording: Recording | None = None
    cancel: threading.Event = field(default_factory=threading.Event)


class LiveSession(QObject):
    """The session of the window, whichever runs; touched by the window's thread only.

    Signals
    -------
    started(Session)
    ended(Session, str)
        With the folder it was kept in, or an empty string.
    failed(str)
        A start that came to nothing, or a session that ended with an error: one clear line.
    idle()
        Nothing runs and nothing waits to run.
    """

    started = Signal(object)
    ended = Signal(object, str)
    failed = Signal(str)
    idle = Signal()
    _progress = Signal(object, object)
    _prepared = Signal(object)
    _spoilt = Signal(object, str)
    _captured = Signal(object)

    def __init__(self, live: LiveModel, bridge: SessionBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._live = live
        self._bridge = bridge
        self._toolbox: Toolbox | None = None
        self._toolbox_of: ModelChoice | None = None
        self._toolbox_lock = threading.Lock()
        self._job: _Job | None = None
        self._next: _Job | None = None
        self._loaders: list[threading.Thread] = []
        queued = Qt.ConnectionType.QueuedConnection
        self._progress.connect(self._show_progress, queued)
        self._prepared.connect(self._run, queued)
        self._spoilt.connect(self._give_up, queued)
        self._captured.connect(self._show_capture, queued)
        bridge.ended.connect(self._over)

    @property
    def session(self) -> Session | None:
        """What runs now."""
        return self._job.session if self._job is not None else None

    @property
    def is_busy(self) -> bool:
        """Whether something runs, is being loaded or stopped."""
        return self._job is not None

    @property
    def request(self) -> SourceRequest | None:
        """What runs or is being loaded."""
        return self._job.request if self._job is not None else None

    # ---------------------------------------------------------------- verbs

    def preload(self, models: ModelChoice) -> None:
        """Load models that are here already, so that the first start is quick; says nothing, fetches nothing."""

        def quietly() -> None:
            try:
                self._load(replace(models, offline=True), None)
            except DMDError:
                logger.info("models could not be loaded ahead", exc_info=True)

        self._in_background(quietly)

    def start(self, request: SourceRequest, models: ModelChoice, keep: KeepChoice | None = None) -> None:
        """Run ``request``; what runs now is stopped first. Returns at once."""
        job = _Job(request=request, models=models, keep=keep)
        if self._job is not None:
            self._next = job
            self.stop(keep_next=True)
            return
        self._begin(job)

    def stop(self, *, keep_next: bool = False) -> None:
        """Ask for the end; what is inside is drained. Idempotent; ``idle`` tells when it is over."""
        if not keep_next:
            self._next = None
        if self._job is None:
            return
        self._job.cancel.set()
        if self._job.session is not None and self._bridge.session is self._job.session:
            self._job.session.stop()
            self._live.set_phase(self._live.phase, self.tr("Finishing…"))

    def choose_camera(self, name: str) -> None:
        """Exchange the camera of a running live session."""
        self._exchange("camera", name)

    def choose_microphone(self, name: str) -> None:
        """Exchange the microphone of a running live session."""
        self._exchange("microphone", name)

    def _exchange(self, kind: str, name: str) -> None:
        job = self._job
        if job is None or not isinstance(job.source, DeviceSource):
            return
        self._live.notice(kind, None)
        try:
            if kind == "camera":
                job.source.choose_camera(name)
            else:
                job.source.choose_microphone(name)
        except DeviceError:  # it began without any: only a new session has stages for it
            request = job.request
            changed = replace(request, camera=name) if kind == "camera" else replace(request, microphone=name)
            self.start(changed, job.models, job.keep)

    def shut_down(self, timeout: float = 30.0) -> bool:
        """Stop, wait for the end (bounded), write what is kept; True if nothing is left running. Idempotent."""
        self.stop()
        session = self.session
        over = True
        if session is not None and self._bridge.session is session:
            over = session.wait(timeout)
            self._bridge.detach()
            self._over(session)
        for thread in self._loaders:
            thread.join(timeout)
            if thread.is_alive():
                logger.error("%s has not ended after %g s", thread.name, timeout)
                over = False
        return over

    # ------------------------------------------------------ start, in steps

    def _begin(self, job: _Job) -> None:
        self._job = job
        for key in ("camera", "microphone", "stage", "kept"):
            self._live.notice(key, None)
        if self._toolbox is None or self._toolbox_of != job.models:
            self._plan_loading()
            self._live.set_phase(Phase.LOADING, self.tr("Loading models…"))
        else:
            self._live.set_phase(Phase.STARTING, self.tr("Opening…"))
        if job.request.kind is SourceKind.DEVICES:
            job.source = DeviceSource(job.request.camera, job.request.microphone, on_event=self._captured.emit)
        self._in_background(lambda: self._prepare(job))

    def _plan_loading(self) -> None:
        missing = [status.asset for status in Assets(offline=True).status() if status.place is None]
        self._live.plan_loading([(asset.name, asset.title, asset.bytes) for asset in missing])

    def _in_background(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="dmd-loader", daemon=True)
        self._loaders = [*(t for t in self._loaders if t.is_alive()), thread]
        thread.start()

    def _prepare(self, job: _Job) -> None:
        """On a loader's thread: everything that takes time."""
        try:
            if job.source is None:
                job.source = open_source(job.request)
            config = job.models.config()
            toolbox = self._load(job.models, job)
            if job.cancel.is_set():
                raise FetchCancelledError("stopped")
            job.session = Session(job.source, toolbox, config)
            if job.keep is not None:
                job.recording = Recording(
                    job.session,
                    toolbox,
                    config,
                    job.keep.root,
                    participant=job.keep.participant,
                    task=job.keep.task,
                    consent=job.keep.consent,
                )
        except FetchCancelledError:
            self._spoilt.emit(job, "")
        except DMDError as error:
            self._spoilt.emit(job, str(error))
        except Exception as error:
            logger.exception("a session could not be made")
            self._spoilt.emit(job, f"{type(error).__name__}: {error}")
        else:
            self._prepared.emit(job)

    def _load(self, models: ModelChoice, job: _Job | None) -> Toolbox:
        with self._toolbox_lock:  # one loader at a time; the second finds what the first has loaded
            if self._toolbox is not None and self._toolbox_of is not None:
                same = replace(self._toolbox_of, offline=False) == replace(models, offline=False)
                if same and (not self._toolbox.missing or models.offline):
                    return self._toolbox
            toolbox = Toolbox.load(
                models.config(),
                Assets(offline=True) if models.offline else Assets(),
                checkpoint=models.checkpoint,
                progress=None if job is None else lambda step: self._progress.emit(job, step),
                cancel=None if job is None else job.cancel,
            )
            self._toolbox, self._toolbox_of = toolbox, models
            return toolbox

    def _show_progress(self, job: _Job, step: Progress) -> None:
        if job is self._job:
            self._live.take_progress(step)

    def _run(self, job: _Job) -> None:
        session = job.session
        assert session is not None
        if job is not self._job or job.cancel.is_set():
            self._drop(job)
            return
        self._live.finish_loading()
        self._live.set_source(
            session.source.info.name,
            mirrored=job.request.is_live,
            marks=session.marks,
            absent=session.absent,
        )
        self._bridge.attach(session)
        self.started.emit(session)
        self._live.set_phase(Phase.RUNNING)
        session.start()

    def _give_up(self, job: _Job, problem: str) -> None:
        if job.source is not None:
            job.source.close()
        if job is not self._job:
            return
        self._job = None
        if problem:
            logger.error("%s", problem)
            for step in self._live.loading.steps:
                if step.state is StepState.FETCHING:
                    self._live.set_step(step.key, StepState.FAILED, problem)
            live = job.request.kind is SourceKind.DEVICES
            self._live.set_phase(Phase.FAILED, problem, remedy=Remedy.RETRY if live else Remedy.CHOOSE)
            self.failed.emit(problem)
        else:
            self._live.cancel_loading()
            self._live.set_phase(Phase.EMPTY)
        self._go_on()

    def _drop(self, job: _Job) -> None:
        """A session that was made and is not wanted any more; it never started."""
        if job.source is not None:
            job.source.close()
        if job is self._job:
            self._job = None
            self._live.set_phase(Phase.EMPTY)
            self._go_on()

    # ------------------------------------------------------------------ end

    def _over(self, session: Session) -> None:
        job = self._job
        if job is None or job.session is not session:
            return
        self._job = None
        folder = ""
        if job.recording is not None:
            try:
                folder = str(job.recording.finish())
            except DMDError as error:
                self._live.notice("kept", str(error))
        if session.error is not None:
            self._live.notice("stage", str(session.error))
            self.failed.emit(str(session.error))
        self._live.set_phase(Phase.ENDED)
        self.ended.emit(session, folder)
        self._go_on()

    def _go_on(self) -> None:
        if self._next is not None:
            job, self._next = self._next, None
            self._begin(job)
        else:
            self.idle.emit()

    def _show_capture(self, event: CaptureEvent) -> None:
        self._live.notice(event.kind, event.text if event.state == "trouble" else None)


def open_source(request: SourceRequest) -> Source:
    """A file or test signals as a source that runs in real time.

    Raises
    ------
    DMDError
        It cannot be read, or a number is outside its rule.
    """
    if request.source is not None:
        return request.source
    if request.kind is SourceKind.SYNTHETIC:
        return SyntheticSource(duration=request.seconds, size=(640, 480), paced=True)
    return FileSource(Path(request.path), paced=True)
