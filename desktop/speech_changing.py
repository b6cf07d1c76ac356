"""Another speech model or language takes effect while a session runs; a download goes on behind the window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from desktop.live_session import LiveSession
from desktop.loaded_models import ModelChoice
from desktop.models.speech_choice import DEFAULT, SpeechChoice
from desktop.models.worker import Worker
from desktop.view_models import ViewModels
from dmd_runtime import Assets, DMDError, Message, Modality, Session, SpeechChange, Utterance

logger = logging.getLogger(__name__)

_SHOWN_MS = 10_000
"""How long it is told that the words have changed over."""
_PATIENCE = 10.0  # s to wait for a model that is being loaded when the program ends


class SpeechChanging(QObject):
    """Carries the choice of speech model into what runs; on the window's thread.

    The model is loaded on a thread of its own while the session goes on with the one before; the session takes it up
    at the next pause. Where nothing runs it is loaded ahead. Models that are not here are never fetched by this:
    :attr:`choice` does that, and goes on with it when its dialog is closed.

    Parameters
    ----------
    sessions : LiveSession
    models : ViewModels
    now : () -> ModelChoice
        The choice in force.

    Attributes
    ----------
    choice : SpeechChoice
        What the preferences show.
    """

    _changed = Signal(object, object)
    _loaded = Signal(object, object, str)
    _heard = Signal(str)

    def __init__(
        self, sessions: LiveSession, models: ViewModels, now: Callable[[], ModelChoice], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.choice = SpeechChoice(lambda: Assets(offline=now().offline), self)
        self._sessions = sessions
        self._models = models
        self._now = now
        self._worker = Worker("dmd-speech")
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(_SHOWN_MS)
        self._fade.timeout.connect(lambda: models.live.notice("speech", None))
        queued = Qt.ConnectionType.QueuedConnection
        self._changed.connect(self._tell_change, queued)
        self._loaded.connect(self._tell_loaded, queued)
        self._heard.connect(self.choice.set_heard, queued)
        sessions.started.connect(self._follow)
        self.choice.changed.connect(self._tell_fetch)
        self.choice.fetch_ended.connect(self._tell_end)

    def apply(self) -> None:
        """Let what runs, or else what runs next, use the choice in force; returns at once."""
        job, wanted = self._sessions.job, self._now()
        if job is None:
            self._sessions.preload(wanted)
            return
        session = job.session
        if session is None or self._sessions.bridge.session is not session:  # when it begins it takes this up
            return
        if not session.source.info.has_audio:
            return
        choice = replace(job.models, speech_model=wanted.speech_model, language=wanted.language)
        self._fade.stop()
        text = self.tr("The speech model changes to %1: it is being loaded, the session goes on.")
        self._models.live.notice("speech", text.replace("%1", choice.speech_model or DEFAULT))
        self._worker.clear()
        self._worker.submit(lambda: self._load(choice, session))

    def dismiss(self, key: str) -> None:
        """The button of a notice was pressed: it takes the notice away or, while there is one, stops the download."""
        if key == "speech-fetch" and self.choice.fetching:
            self.choice.cancel()  # the notice goes when it is over
        else:
            self._models.live.notice(key, None)

    def close(self) -> bool:
        """Stop a download (its part is kept) and wait for what is being loaded; returns whether it ended in time."""
        self._worker.clear()
        return self.choice.close(_PATIENCE) and self._worker.close(_PATIENCE)

    # --------------------------------------------------------- its own thread

    def _load(self, choice: ModelChoice, session: Session) -> None:
        problem = ""
        try:
            toolbox = self._sessions.models.load(replace(choice, offline=True))
            session.change_speech(toolbox)
        except DMDError as error:
            problem = str(error).splitlines()[0]
        except Exception as error:
            logger.exception("a speech model could not be loaded")
            problem = f"{type(error).__name__}: {error}"
        self._loaded.emit(choice, session, problem)

    # ------------------------------------------------------------------ told

    def _follow(self, session: Session) -> None:
        """Listen to a session that begins; one that was made before the last choice takes it up."""
        heard = ""

        def take(message: Message) -> None:
            nonlocal heard
            if isinstance(message, SpeechChange):
                self._changed.emit(session, message)
            elif isinstance(message, Utterance) and message.words and message.language != heard:
                heard = message.language
                self._heard.emit(heard)

        self.choice.set_heard("")
        session.subscribe(take)
        self._models.live.notice("speech", None)
        job, wanted = self._sessions.job, self._now()
        if job and (job.models.speech_model, job.models.language) != (wanted.speech_model, wanted.language):
            self.apply()

    def _tell_loaded(self, choice: ModelChoice, session: Session, problem: str) -> None:
        live = self._models.live
        if problem:
            text = self.tr("The words go on as before. %1").replace("%1", problem)
            live.notice("speech", text, action=self.tr("Close"))
        elif (job := self._sessions.job) is not None and job.session is session:
            job.models = choice  # what is started anew with another device goes on with it
            text = self.tr("The speech model changes to %1 at the next pause in what is said.")
            live.notice("speech", text.replace("%1", choice.speech_model or DEFAULT))
        else:
            live.notice("speech", None)

    def _tell_change(self, session: Session, change: SpeechChange) -> None:
        if session is not self._sessions.session:
            return
        self._models.live.set_absent(session.absent)
        self._models.transcript.set_absent(session.absent.get(Modality.LANGUAGE, ""))
        minutes, seconds = divmod(int(change.t), 60)
        at = f"{minutes}:{seconds:02d}"
        if change.absent:
            text = self.tr("No words from %1 on: %2").replace("%2", change.absent)
        else:
            text = self.tr("Words from %1 on come from %2.").replace("%2", change.model.removeprefix("whisper-"))
        self._models.live.notice("speech", text.replace("%1", at), action=self.tr("Close"))
        self._fade.start()

    def _tell_fetch(self) -> None:
        if name := self.choice.fetching:
            text = self.tr("The speech model %1 is being downloaded; the preferences show how far it is.")
            self._models.live.notice("speech-fetch", text.replace("%1", name), action=self.tr("Stop"))

    def _tell_end(self, _: str, problem: str) -> None:
        self._models.live.notice("speech-fetch", problem or None, action=self.tr("Close"))
