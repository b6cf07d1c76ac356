"""Recording from the window: asks what must be known, starts a session that is kept, and shows how it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.live_session import LiveSession
from desktop.loaded_models import ModelChoice
from desktop.models.live import LiveModel
from desktop.models.recording import RecordingModel, RecordState
from desktop.options import Options, SourceRequest
from desktop.record_dialog import RecordDefaults, RecordDialog
from desktop.session_job import KeepChoice
from desktop.settings import SettingsStore
from dmd_runtime import Consent, Session

_LOOK_MS = 500


class Recorder(QObject):
    """Starts, watches and ends recordings; touched by the window's thread only.

    A recording begins with a session and ends with it, so that its time begins at 0 and nothing in it was seen or heard
    before consent was given: what runs is started anew as a session that is kept, and, when the recording is ended
    alone, once more as one that is not.

    Parameters
    ----------
    sessions : LiveSession
    store : SettingsStore
    window : QWidget
    live : LiveModel
    model : RecordingModel
    models : callable
        The models of the next session.

    Signals
    -------
    begun(SourceRequest)
        A session that is kept is being started.
    kept(Path)
        A recording is whole; its folder.
    """

    begun = Signal(object)
    kept = Signal(object)
    _trouble = Signal(str)

    def __init__(
        self,
        sessions: LiveSession,
        store: SettingsStore,
        window: QWidget,
        *,
        live: LiveModel,
        model: RecordingModel,
        models: Callable[[], ModelChoice],
    ) -> None:
        super().__init__(window)
        self._sessions = sessions
        self._live = live
        self._model = model
        self._store = store
        self._models = models
        self._window = window
        self._participant = ""
        self._watch = QTimer(self)
        self._watch.setInterval(_LOOK_MS)
        self._watch.timeout.connect(self._look)
        self._trouble.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        sessions.started.connect(self._follow)
        sessions.saving.connect(self._show_saving)
        sessions.saved_share.connect(self._show_share)
        sessions.ended.connect(self._note_end)

    @property
    def root(self) -> Path:
        """Folder of the sessions."""
        return self._store.now.sessions_folder

    def toggle(self, request: SourceRequest) -> None:
        """Ask, and record ``request``; where a recording runs, end it and go on without.

        One that has ended by itself is no longer one that runs.
        """
        if self._model.state is RecordState.SAVING:
            return
        if self._sessions.is_recording and self._model.state is not RecordState.ENDED:
            self.end(go_on=True)
            return
        keep = self.ask(needs_consent=request.is_live)
        if keep is not None:
            self.begun.emit(request)
            self._sessions.start(request, self._models(), keep)

    def end(self, *, go_on: bool) -> None:
        """End the recording; ``go_on``: a live source runs on, and is not kept any more."""
        request = self._sessions.request
        if go_on and request is not None and request.is_live:
            self._sessions.start(request, self._models(), None)
        else:
            self._sessions.stop()

    def ask(self, *, needs_consent: bool) -> KeepChoice | None:
        """Show the dialog; None where the user thought better of it. What was filled in stands there next time."""
        settings = self._store.now
        defaults = RecordDefaults(
            root=self.root,
            participant=self._participant,
            task=settings.task,
            consent=settings.consent_text,
            recorded_by=settings.recorded_by,
        )
        dialog = RecordDialog(defaults, needs_consent=needs_consent, parent=self._window)
        keep = dialog.choice if dialog.exec() else None
        dialog.deleteLater()
        if keep is None:
            return None
        self._participant = keep.participant
        changes = {"task": keep.task, "session_root": str(keep.root)}
        if keep.consent is not None:
            changes |= {"consent_text": keep.consent.text, "recorded_by": keep.consent.recorded_by}
        self._store.update(**changes)
        return keep

    def told(self, options: Options, request: SourceRequest) -> KeepChoice | None:
        """What the command line says is kept of ``request``; a live device without consent is not, and that is said."""
        if not options.record or options.session_dir is None:
            return None
        text = options.consent.strip()
        refused = request.is_live and not text
        problem = self.tr("Not recorded: a live device needs consent (--consent TEXT).")
        self._live.notice("unrecorded", problem if refused else None)
        if refused:
            return None
        given_by = options.participant or self.tr("not named")
        return KeepChoice(
            root=options.session_dir,
            participant=options.participant,
            task=options.task,
            consent=Consent(text=text, given_by=given_by, recorded_by="") if text else None,
        )

    def _follow(self, _: Session) -> None:
        """A session starts: say whether it is kept."""
        recording = self._sessions.recording
        self._model.set_state(RecordState.IDLE if recording is None else RecordState.RECORDING)
        for key in ("recording", "kept"):
            self._live.notice(key, None)
        if recording is None:
            self._watch.stop()
            return
        recording.on_trouble = self._trouble.emit  # from the recorder's threads
        self._watch.start()

    def _tell(self, text: str) -> None:
        self._live.notice("recording", text, action=self.tr("Close"))

    def _look(self) -> None:
        recording, session = self._sessions.recording, self._sessions.session
        if recording is None or session is None:
            return
        if self._model.state is RecordState.SAVING:
            self._model.update(share=recording.share)
        if self._model.state is not RecordState.RECORDING:
            return
        counts = recording.counts
        self._model.update(
            elapsed=session.clock.now(),
            frames=counts.frames,
            frames_dropped=counts.frames_dropped,
            audio_lost=counts.audio_lost,
            disk_seconds=counts.disk_seconds,
            ended=recording.ended,
        )
        if recording.ended:
            self._model.set_state(RecordState.ENDED)

    def _show_saving(self, _: Session) -> None:
        self._look()
        self._model.set_state(RecordState.SAVING)

    def _show_share(self, share: float) -> None:
        if self._model.state is RecordState.SAVING:
            self._model.update(share=share)

    def _note_end(self, _: Session, folder: str) -> None:
        self._watch.stop()
        self._model.set_state(RecordState.IDLE)
        if folder:
            self.kept.emit(Path(folder))
