"""From a session's threads to the window's: the newest picture waits in a slot, rare events come one by one.

Nothing queues toward the window: at 30 pictures a second a busy window would fall behind by seconds. A timer takes the
newest picture, face and loudness, twice as often as pictures come (at their own rate it would miss every tenth);
readings, words and health (a few a second) are queued signals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from dmd_runtime import (
    AudioBlock,
    FaceObservation,
    Failure,
    Health,
    Latest,
    Message,
    Reading,
    Session,
    SessionState,
    SpeechActivity,
    Utterance,
    VideoFrame,
    Word,
)

TICK_MS: Final = 16
_RARE: Final = (Reading, Word, Utterance, Health, Failure)
_FULL_SCALE = 0.999


class SessionBridge(QObject):
    """Carries one session at a time to the window; touched by the window's thread only.

    Signals
    -------
    frame(VideoFrame), face(FaceObservation), activity(SpeechActivity, bool clipping)
        The newest, at most once a tick.
    reading(Reading), word(Word), utterance(Utterance), health(Health), failure(Failure)
        Each one, in order.
    began(Session)
        It runs: its clock has started, and so may what is shown of time.
    ticked(float)
        Session time, every second tick from then on.
    ended(Session)
        All that the session had to say has been handed on.
    """

    frame = Signal(object)
    face = Signal(object)
    activity = Signal(object, bool)
    reading = Signal(object)
    word = Signal(object)
    utterance = Signal(object)
    health = Signal(object)
    failure = Signal(object)
    began = Signal(object)
    ticked = Signal(float)
    ended = Signal(object)
    _rare = Signal(object, object)
    _over = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._end: Callable[[], None] = lambda: None
        self._slots: tuple[tuple[Latest[object], Callable[[object], None]], ...] = ()
        self._seen: list[int] = []
        self._odd = False
        self._began = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._by_kind = {
            Reading: self.reading,
            Word: self.word,
            Utterance: self.utterance,
            Health: self.health,
            Failure: self.failure,
        }
        queued = Qt.ConnectionType.QueuedConnection
        self._rare.connect(self._hand_on, queued)
        self._over.connect(self._finish, queued)

    @property
    def session(self) -> Session | None:
        """The session that is attached."""
        return self._session

    def attach(self, session: Session) -> None:
        """Listen to ``session`` (not yet started) instead of any other."""
        self.detach()
        self._session = session
        self._began = False
        frames, faces, sounds = Latest[object](), Latest[object](), Latest[object]()
        clipped = threading.Event()  # until it has been told: one block may be too loud, and its activity be skipped

        def tell_activity(activity: object) -> None:
            clipping = clipped.is_set()
            if clipping:
                clipped.clear()
            self.activity.emit(activity, clipping)

        self._slots = ((frames, self.frame.emit), (faces, self.face.emit), (sounds, tell_activity))
        self._seen = [0] * len(self._slots)

        def take(message: Message) -> None:
            if isinstance(message, VideoFrame):
                frames.put(message)
            elif isinstance(message, FaceObservation):
                faces.put(message)
            elif isinstance(message, AudioBlock):
                if len(message.samples) and float(abs(message.samples).max()) >= _FULL_SCALE:
                    clipped.set()
            elif isinstance(message, SpeechActivity):
                sounds.put(message)
            elif isinstance(message, _RARE):
                self._rare.emit(session, message)

        self._end = session.subscribe(take)
        self._timer.start()

    def detach(self) -> None:
        """Stop listening. Idempotent; the session itself goes on."""
        self._timer.stop()
        self._end()
        self._end = lambda: None
        self._session = None
        self._slots = ()

    def _tick(self) -> None:
        session = self._session
        if session is None:
            return
        over = session.wait(0)
        if not self._began and session.state is SessionState.RUNNING:
            self._began = True
            self.began.emit(session)
        for i, (slot, emit) in enumerate(self._slots):
            version, value = slot.get()
            if version != self._seen[i]:
                self._seen[i] = version
                emit(value)
        self._odd = not self._odd
        if self._odd and self._began:
            self.ticked.emit(session.clock.now())
        if over:
            self._timer.stop()
            self._over.emit(session)  # behind everything that was said before

    def _hand_on(self, session: Session, message: Message) -> None:
        if session is self._session:  # what an exchanged session still says is of no interest
            self._by_kind[type(message)].emit(message)

    def _finish(self, session: Session) -> None:
        if session is self._session:
            self.detach()
            self.ended.emit(session)
