"""Runs sessions for the window: models are loaded and sources opened off its thread; nothing here waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from desktop.bridge import SessionBridge
from desktop.capture.live_source import CaptureEvent, DeviceKind, DeviceSource
from desktop.loaded_models import LoadedModels, ModelChoice, not_here
from desktop.models.card import ModelCard, card_of
from desktop.models.live import LiveModel, Phase, Remedy
from desktop.models.loading import StepState
from desktop.options import SourceKind, SourceRequest
from desktop.session_job import Job, KeepChoice, open_source
from dmd_runtime import (
    DeviceError,
    DMDError,
    FetchCancelledError,
    Progress,
    Recording,
    Session,
    SourceError,
)

if TYPE_CHECKING:
    from dmd_runtime import Toolbox

logger = logging.getLogger(__name__)


class LiveSession(QObject):
    """The session of the window, whichever runs; touched by the window's thread only.

    Signals
    -------
    started(Session)
    ended(Session, str)
        With the folder it was kept in, or an empty string.
    saving(Session)
        It is over; what was kept of it is being finished, and ``ended`` follows.
    saved_share(float)
        How far that is, 0 … 1; from a thread of its own.
    failed(str, SourceRequest, bool)
        A start that came to nothing, or a session or recording that ended with an error: one clear line, what was
        asked for, and whether the fault is the source's.
    idle()
        Nothing runs and nothing waits to run.
    loaded(ModelCard)
        Of the model that is about to run or, where nothing runs, that would run next.
    checked(ModelChoice, str)
        Whether the checkpoint of a choice would run: an empty string, or why not.
    """

    started = Signal(object)
    ended = Signal(object, str)
    saving = Signal(object)
    saved_share = Signal(float)
    failed = Signal(str, object, bool)
    idle = Signal()
    loaded = Signal(object)
    checked = Signal(object, str)
    _has_loaded = Signal(object, object)
    _planned = Signal(object, object)
    _progress = Signal(object, object)
    _prepared = Signal(object)
    _spoilt = Signal(object, str, bool)
    _captured = Signal(object, object)
    _saved = Signal(object, str, str)

    def __init__(self, live: LiveModel, bridge: SessionBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._live = live
        self.bridge = bridge
        self.models = LoadedModels()
        self._job: Job | None = None
        self._next: Job | None = None
        self._loaders: list[threading.Thread] = []
        queued = Qt.ConnectionType.QueuedConnection
        self._has_loaded.connect(self._show_card, queued)
        self._planned.connect(self._show_plan, queued)
        self._progress.connect(self._show_progress, queued)
        self._prepared.connect(self._run, queued)
        self._spoilt.connect(self._give_up, queued)
        self._captured.connect(self._show_capture, queued)
        self._saved.connect(self._close, queued)
        bridge.began.connect(self._note_beginning)
        bridge.ended.connect(self._over)

    @property
    def session(self) -> Session | None:
        """What runs now."""
        return self._job.session if self._job is not None else None

    @property
    def job(self) -> Job | None:
        """What runs or is being loaded, with its models."""
        return self._job

    @property
    def is_busy(self) -> bool:
        """Whether something runs, is being loaded or stopped."""
        return self._job is not None

    @property
    def is_recording(self) -> bool:
        """Whether what runs is being kept."""
        return self._job is not None and self._job.recording is not None and self.bridge.session is self.session

    @property
    def recording(self) -> Recording | None:
        """What keeps the session that runs, if it is kept."""
        return self._job.recording if self._job is not None and self.is_recording else None

    @property
    def request(self) -> SourceRequest | None:
        """What runs or is being loaded."""
        return self._job.request if self._job is not None else None

    # ---------------------------------------------------------------- verbs

    def preload(self, models: ModelChoice) -> None:
        """Load models that are here already, so that the first start is quick; says nothing, fetches nothing."""

        def quietly() -> None:
            try:
                self._has_loaded.emit(None, card_of(self.models.load(replace(models, offline=True))))
            except DMDError:
                logger.info("models could not be loaded ahead", exc_info=True)

        self._in_background(quietly)

    def check(self, models: ModelChoice) -> None:
        """See whether the checkpoint of ``models`` would run; returns at once, ``checked`` has the answer."""

        def look() -> None:
            problem = ""
            try:
                self.models.check(models)
            except DMDError as error:
                problem = str(error)
            except Exception as error:
                logger.exception("a checkpoint could not be checked")
                problem = f"{type(error).__name__}: {error}"
            self.checked.emit(models, problem)

        self._in_background(look)

    def start(self, request: SourceRequest, models: ModelChoice, keep: KeepChoice | None = None) -> None:
        """Run ``request``; what runs now is stopped first. Returns at once."""
        job = Job(request=request, models=models, keep=keep)
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
        if self._job.session is not None and self.bridge.session is self._job.session:
            self._job.session.stop()
            self._live.set_phase(self._live.phase, self.tr("Finishing…"))

    def choose_camera(self, name: str) -> None:
        """Exchange the camera of a running live session."""
        self._exchange("camera", name)

    def choose_microphone(self, name: str) -> None:
        """Exchange the microphone of a running live session."""
        self._exchange("microphone", name)

    def _exchange(self, kind: DeviceKind, name: str) -> None:
        job = self._job
        if job is None or not isinstance(job.source, DeviceSource):
            return
        if job.cancel.is_set():  # it is on its way out: the choice is for the one that waits, if one does
            if self._next is not None and self._next.request.is_live:
                self._next.request = self._next.request.with_device(kind, name)
            return
        self._live.notice(kind, None)
        try:
            if kind == "camera":
                job.source.choose_camera(name)
            else:
                job.source.choose_microphone(name)
        except DeviceError:  # it began without any: only a new session has stages for it
            self.start(job.request.with_device(kind, name), job.models, job.keep)

    def shut_down(self, timeout: float = 30.0) -> bool:
        """Stop, wait for the end (bounded), write what is kept; True if nothing is left running. Idempotent."""
        self.stop()
        job = self._job
        over = True
        if job is not None and job.session is not None and self.bridge.session is job.session:
            over = job.session.wait(timeout)
            self.bridge.detach()
            self.saving.emit(job.session)
            self._close(job, *self._save(job, whole=over))
        for thread in self._loaders:
            thread.join(timeout)
            if thread.is_alive():
                logger.error("%s has not ended after %g s", thread.name, timeout)
                over = False
        job = self._job
        if job is not None and not any(thread.is_alive() for thread in self._loaders):
            if job.saved is not None:
                self._close(job, *job.saved)
            else:
                self._drop(job)  # made, and never run
        return over

    # ------------------------------------------------------ start, in steps

    def _begin(self, job: Job) -> None:
        self._job = job
        for key in ("camera", "microphone", "stage", "folder"):  # "kept" stays: what was lost stays lost
            self._live.notice(key, None)
        if self.models.has(job.models):
            self._live.set_phase(Phase.STARTING, self.tr("Opening…"))
        else:
            self._live.plan_loading(())
            self._live.set_phase(Phase.LOADING, self.tr("Loading models…"))
        if job.request.kind is SourceKind.DEVICES:
            job.source = DeviceSource(
                job.request.camera, job.request.microphone, on_event=lambda event: self._captured.emit(job, event)
            )
        self._in_background(lambda: self._prepare(job))

    def _in_background(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="dmd-loader", daemon=True)
        self._loaders = [*(t for t in self._loaders if t.is_alive()), thread]
        thread.start()

    def _prepare(self, job: Job) -> None:
        """On a loader's thread: everything that takes time."""
        opened = False
        try:
            if job.source is None:
                job.source = open_source(job.request, with_hash=job.keep is not None)  # only a record needs it
            opened = True
            toolbox = self._load(job)
            job.make(toolbox)
        except FetchCancelledError:
            problem = ""
        except DMDError as error:
            problem = str(error)
        except Exception as error:
            logger.exception("a session could not be made")
            problem = f"{type(error).__name__}: {error}"
        else:
            self._has_loaded.emit(job, card_of(toolbox))
            self._prepared.emit(job)
            return
        job.abandon()
        self._spoilt.emit(job, problem, not opened)

    def _load(self, job: Job) -> Toolbox:
        if not self.models.has(job.models):
            self._planned.emit(job, not_here(job.models))
        return self.models.load(job.models, progress=lambda step: self._progress.emit(job, step), cancel=job.cancel)

    def _show_card(self, job: Job | None, card: ModelCard) -> None:
        if job is self._job:
            self.loaded.emit(card)

    def _show_plan(self, job: Job, assets: list[tuple[str, str, int]]) -> None:
        if job is self._job:
            self._live.plan_loading(assets)

    def _show_progress(self, job: Job, step: Progress) -> None:
        if job is self._job:
            self._live.take_progress(step)

    def _run(self, job: Job) -> None:
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
        self.bridge.attach(session)
        self._live.set_phase(Phase.STARTING, self.tr("Opening…"))
        self.started.emit(session)
        session.start()

    def _note_beginning(self, session: Session) -> None:
        if session is self.session and self._job is not None and not self._job.cancel.is_set():
            self._live.set_phase(Phase.RUNNING)

    def _give_up(self, job: Job, problem: str, of_source: bool) -> None:
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
            self.failed.emit(problem, job.request, of_source)
        else:
            self._live.cancel_loading()
            self._live.set_phase(Phase.EMPTY)
        self._go_on()

    def _drop(self, job: Job) -> None:
        """A session that was made and is not wanted any more; it never started."""
        job.abandon()
        if job is self._job:
            self._job = None
            self._live.set_phase(Phase.EMPTY)
            self._go_on()

    # ------------------------------------------------------------------ end

    def _over(self, session: Session) -> None:
        job = self._job
        if job is None or job.session is not session or job.saved is not None:
            return
        if job.recording is None:
            self._close(job, "", "")
            return
        self._live.set_phase(self._live.phase, self.tr("Saving…"))
        self.saving.emit(session)
        self._in_background(lambda: self._saved.emit(job, *self._save(job, whole=True)))

    def _save(self, job: Job, *, whole: bool) -> tuple[str, str]:
        """Finish what was kept; unless the session is ``whole``, it does not say that it is complete. Any thread.

        Returns the folder, or an empty string and one line that says why not. Done once, whoever asks.
        """
        recording = job.recording
        with job.saving:
            if job.saved is not None or recording is None:
                return job.saved or ("", "")
            try:
                if whole:
                    job.saved = str(recording.finish(progress=self.saved_share.emit)), ""
                else:
                    text = self.tr("The session did not end in time; what was kept of it in %1 is not complete.")
                    job.saved = "", text.replace("%1", str(recording.folder))
            except DMDError as error:
                job.saved = "", str(error)
            except Exception as error:
                logger.exception("what was kept could not be finished")
                job.saved = "", f"{recording.folder}: {type(error).__name__}: {error}"
            return job.saved

    def _close(self, job: Job, folder: str, problem: str) -> None:
        """What ran is over and, if it was kept, written."""
        session = job.session
        if job is not self._job or session is None:
            return
        try:
            if folder:
                kept = self.tr("Kept in %1").replace("%1", folder)
                self._live.notice("folder", kept, action=self.tr("Show"), good=True)
            if problem:
                logger.error("%s", problem)
                self._live.notice("kept", problem, action=self.tr("Close"))
                self.failed.emit(problem, job.request, False)
            if session.error is not None:
                self._live.notice("stage", str(session.error))
                of_source = isinstance(session.error, SourceError | DeviceError)
                self.failed.emit(str(session.error), job.request, of_source)
        finally:  # whatever happens, the next one can start and the window can close
            self._job = None
            self._live.set_phase(Phase.ENDED)
            self.ended.emit(session, folder)
            self._go_on()

    def _go_on(self) -> None:
        if self._next is not None:
            job, self._next = self._next, None
            self._begin(job)
        else:
            self.idle.emit()

    def _show_capture(self, job: Job, event: CaptureEvent) -> None:
        if job is self._job:  # what an old one still says is of no interest
            self._live.notice(event.kind, event.text if event.state == "trouble" else None)
