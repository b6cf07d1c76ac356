"""A session: one source through all stages to subscribers, from start to a bounded, complete stop. No Qt here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import psutil

from dmd_runtime.clock import Clock, SessionClock
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import DMDError, StageError
from dmd_runtime.features.base import nothing
from dmd_runtime.features.visual import RateGate, jaw_column
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSegment, SpeechSettled
from dmd_runtime.messages import (
    FOREVER,
    AudioBlock,
    Failure,
    FeatureBlock,
    Health,
    Message,
    Reading,
    SpeechActivity,
    SpeechChange,
    Utterance,
    VideoFrame,
    WindowRows,
    Word,
)
from dmd_runtime.modality import Modality
from dmd_runtime.sources.base import Source
from dmd_runtime.streaming.attribution import WordAttribution
from dmd_runtime.streaming.changing_words import ChangingWords
from dmd_runtime.streaming.channel import Channel, Overflow
from dmd_runtime.streaming.counts import Counts
from dmd_runtime.streaming.reading import Features, ReadingStage
from dmd_runtime.streaming.stage import Stage
from dmd_runtime.streaming.window import WindowBuilder
from dmd_runtime.streaming.word_latency import WordLatency

if TYPE_CHECKING:  # loads torch: only whoever makes one needs to wait for that
    from dmd_runtime.streaming.toolbox import Toolbox

logger = logging.getLogger(__name__)

Subscriber = Callable[[Message], None]
Speech = SpeechPiece | SpeechSegment | SpeechSettled

_SOUND_CAPACITY = 400  # blocks: over 10 s of sound at 32 ms a block
_WORDS_CAPACITY = 512  # segments and progress marks: 16 s of marks while one utterance is decoded
_FEATURES_CAPACITY = 1024
_FRAMES_CAPACITY = 2  # one in work, one waiting: older frames are worth less than newer ones
_JOIN, _JOIN_EXACT = 20.0, 1800.0  # s a stage may take to drain at the end before the session fails over it


class SessionState(Enum):
    """Where a session is in its life; it is used once."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETE = "complete"
    FAILED = "failed"


class Session:
    """Wires one source to the stages and the stages to subscribers.

    Subscribers are called on the thread that made the message and must be quick; an exception in one is logged and
    ends only that subscription.

    Parameters
    ----------
    source : Source
        Opened; the session closes it.
    toolbox : Toolbox
        Loaded models, shared between sessions that follow one another.
    config : SessionConfig
    exact : bool
        Wait for everything: the readings are a pure function of the file. Otherwise the latency budget holds.
    clock : Clock, optional
    """

    def __init__(
        self,
        source: Source,
        toolbox: Toolbox,
        config: SessionConfig,
        *,
        exact: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.source = source
        self.config = config
        self.exact = exact
        self.clock: Clock = clock if clock is not None else SessionClock()
        self.counts = Counts()
        self.marks = tuple(dict.fromkeys((*toolbox.marks, *source.info.marks)))
        self.absent = toolbox.absent_for(source.info)
        self.error: DMDError | None = None
        self.state = SessionState.IDLE
        self._subscribers: tuple[Subscriber, ...] = ()
        self._lock = threading.Lock()  # of state and subscribers
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._gate = RateGate(config.visual.rate_hz)
        self._latency = WordLatency()
        self._lost = 0
        self._delivered_until = 0.0  # media time of what the source has given
        self._build(toolbox)
        self._source_thread = threading.Thread(target=self._deliver, name="dmd-source", daemon=True)
        self._supervisor = threading.Thread(target=self._supervise, name="dmd-session", daemon=True)
        self._pulse = threading.Thread(target=self._take_pulse, name="dmd-health", daemon=True)

    def _build(self, toolbox: Toolbox) -> None:
        patient = Overflow.BLOCK
        live = not self.exact
        frames: Channel[VideoFrame] = Channel(
            "frames", _FRAMES_CAPACITY, Overflow.DROP_OLDEST if live else patient, trace=lambda frame: frame.t
        )
        blocks: Channel[AudioBlock] = Channel("sound", _SOUND_CAPACITY, Overflow.REFUSE if live else patient)
        speech: Channel[Speech] = Channel("speech", _WORDS_CAPACITY, patient)
        features: Channel[Features] = Channel("features", _FEATURES_CAPACITY, patient)
        ports: dict[str, Any] = {"emit": self._route, "on_failure": self._failed}
        visual, sound = toolbox.visual(), toolbox.sound()
        self.visual = Stage(
            "visual",
            frames,
            visual.push,
            visual.finish,
            open=visual.open if Modality.VISUAL not in self.absent else None,
            **ports,
        )
        self.sound = Stage("sound", blocks, lambda b, _: sound.push(b), sound.finish, **ports)
        words = self._recognised = ChangingWords(toolbox.words(patient=self.exact), toolbox.speech)
        self.words = Stage(
            "words",
            speech,
            lambda s, _: words.push(s, behind=speech.depth > 0),
            words.finish,
            is_work=lambda s: not isinstance(s, SpeechSettled),
            figures=lambda: words.figures() | self._latency.figures(),
            **ports,
        )
        self.reading = ReadingStage(
            WindowBuilder(self.config.window, toolbox.recipe, self.absent, sound=self.source.info.has_audio),
            WordAttribution(vision=Modality.VISUAL not in self.absent, jaw=jaw_column(toolbox.recipe)),
            toolbox.interpreter(clock=self.clock, marks=self.marks),
            channel=features,
            clock=self.clock,
            budget=None if self.exact else self.config.window.latency_budget,
            step=self.config.window.step,
            **ports,
        )

    # ------------------------------------------------------------------ life

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with every message from now on; returns the function that ends it."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)
        return lambda: self._unsubscribe(subscriber)

    def start(self) -> None:
        """Start all threads; returns at once. The clock and the source start when the stages are ready."""
        if not self._go(SessionState.STARTING, SessionState.IDLE):
            raise StageError(f"a session starts once; this one is {self.state.value}")
        self.visual.start()
        for thread in (self._source_thread, self._supervisor):
            thread.start()

    def stop(self) -> None:
        """Ask for the end; what is inside is drained. Idempotent; :meth:`wait` tells when it is over."""
        self._go(SessionState.STOPPING, SessionState.STARTING, SessionState.RUNNING)
        self._stop.set()

    def change_speech(self, toolbox: Toolbox) -> None:
        """Let words come from the recogniser of ``toolbox``, from the next pause on; returns at once. Any thread.

        Everything else goes on as it is. A :class:`SpeechChange` says when it happened.
        """
        if self.source.info.has_audio:
            self._recognised.change(toolbox.words(patient=self.exact), toolbox.speech)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last message is out; True if that has happened."""
        ended = self._ended.wait(timeout)
        if ended:
            self._supervisor.join()
        return ended

    def run(self) -> None:
        """Start, wait for the end of the source, and raise what went wrong, if anything did.

        Raises
        ------
        DMDError
            The source broke or a stage died; what was read before has been published.
        """
        self.start()
        try:
            while not self.wait(0.5):  # in pieces, so that Ctrl+C is heard on every system
                pass
        finally:
            self.stop()
            self.wait()
        if self.error is not None:
            raise self.error

    # --------------------------------------------------------------- threads

    def _deliver(self) -> None:
        self.visual.ready.wait()
        if isinstance(self.clock, SessionClock):
            self.clock.restart()
        for stage in (self.reading, self.words, self.sound):
            stage.start()
        self._pulse.start()
        self._go(SessionState.RUNNING, SessionState.STARTING)
        try:
            self.counts.media_end = self.source.run(self, self.clock, self._stop)
        except DMDError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("source %s died", self.source.info.name)
            self._fail(StageError(f"{self.source.info.name}: reading it failed: {error}"))
        finally:
            self.counts.sound(0, self._lost)  # of a last block that found no room

    def _supervise(self) -> None:
        try:
            self._source_thread.join()
            end = self.counts.media_end if self.counts.media_end is not None else self._delivered_until
            # One millisecond of grace: container time bases round, and a window may end exactly with the medium.
            self.reading.media_end = end + 1e-3
            for stage in self._stages:  # in the order of the flow: what one drains, the next still takes
                stage.channel.close()
                if not stage.join(_JOIN_EXACT if self.exact else _JOIN):
                    logger.error("stage %s has not ended in time", stage.name)
                    self._fail(StageError(f"stage {stage.name} did not finish in time; what it still held is lost"))
            self._stop.set()
            if self._pulse.ident is not None:
                self._pulse.join()
            self.source.close()
        except Exception as error:
            logger.exception("the session could not end as it should")
            self._fail(StageError(f"{self.source.info.name}: ending failed: {error}"))
        finally:
            self.counts.skipped = self._skipped_by_source()
            with self._lock:
                self.state = SessionState.FAILED if self.error is not None else SessionState.COMPLETE
                self._subscribers = ()  # a stage that hangs has nobody to tell any more
            self._ended.set()

    def _go(self, to: SessionState, *from_: SessionState) -> bool:
        """Change the state if it is one of ``from_``: a session that has ended stays so."""
        with self._lock:
            if self.state not in from_:
                return False
            self.state = to
            return True

    def _skipped_by_source(self) -> int:
        """Pictures that a source running in real time had to leave out before anybody saw them."""
        counters: dict[str, int] = getattr(self.source, "counters", {})
        return counters.get("skipped", 0)

    def _take_pulse(self) -> None:
        """Once a second, tell how the pipeline is; an exact run has no time of its own and tells nothing."""
        if self.exact:
            return
        process = psutil.Process()
        process.cpu_percent()
        before = self.clock.now()
        while not self._stop.wait(1.0):
            now = self.clock.now()
            self.counts.skipped = self._skipped_by_source()
            self._publish(
                Health(
                    t=now,
                    stages={s.name: {**s.stats.snapshot(now - before), **s.figures()} for s in self._stages},
                    rss_mb=round(process.memory_info().rss / 2**20, 1),
                    cpu_percent=process.cpu_percent(),
                    counters=self.counts.as_dict() | self._speech_facts(),
                )
            )
            before = now

    def _speech_facts(self) -> dict[str, int | float | str]:
        """Which recogniser words come from, since when, and the language they were last heard in."""
        words = self._recognised
        heard = words.heard_language
        facts: dict[str, int | float | str] = {"speech_language": heard} if heard else {}
        return {"speech_model": words.speech.model, "speech_since": round(words.since, 3), **facts}

    @property
    def _stages(self) -> tuple[Stage[Any] | ReadingStage, ...]:
        return (self.visual, self.sound, self.words, self.reading)

    # --------------------------------------------------------------- fan-out

    def video(self, frame: VideoFrame) -> None:
        """Take one picture from the source (MediaSink)."""
        self.counts.frame(self.clock.now())
        self._delivered_until = max(self._delivered_until, frame.t)
        self._publish(frame)
        if Modality.VISUAL not in self.absent and self._gate.due(frame.t):
            self.visual.channel.put(frame)
            self.counts.frames_dropped = self.visual.channel.dropped

    def audio(self, block: AudioBlock) -> None:
        """Take one block of sound from the source (MediaSink); an overrun becomes ``lost`` on the next block."""
        self._delivered_until = max(self._delivered_until, block.end)
        self._publish(block)
        if self._lost:
            block, self._lost = replace(block, lost=block.lost + self._lost), 0
        if self.sound.channel.put(block):
            self.counts.sound(len(block.samples), block.lost)
        else:
            self._lost = block.lost + len(block.samples)

    def _route(self, message: Message | Speech) -> None:
        """Hand on what a stage said: speech to the recogniser, features to the windows, all else to listeners."""
        if isinstance(message, Speech):
            self.words.channel.put(message)
            return
        if isinstance(message, FeatureBlock | WindowRows | SpeechActivity | Utterance | SpeechChange):
            self.reading.channel.put(message)
        elif isinstance(message, Reading):
            self.counts.reading(message.made_at)
        elif isinstance(message, Word):
            self.counts.words += 1
        if isinstance(message, Utterance):
            self._latency.note(message, self.clock.now())
        elif isinstance(message, SpeechChange):
            others = {m: why for m, why in self.absent.items() if m is not Modality.LANGUAGE}
            self.absent = others | ({Modality.LANGUAGE: message.absent} if message.absent else {})
        self._publish(message)

    def _publish(self, message: Message) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(message)
            except Exception:
                logger.exception("subscriber %r failed and is dropped", subscriber)
                self._unsubscribe(subscriber)

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._subscribers = tuple(s for s in self._subscribers if s is not subscriber)

    # -------------------------------------------------------------- failures

    def _fail(self, error: DMDError) -> None:
        self.error = self.error or error
        self._stop.set()

    def _failed(self, stage: str, cause: BaseException) -> None:
        """A stage died: say so, settle what it owed, go on with the rest."""
        error = StageError(f"stage {stage} stopped: {cause}")
        error.__cause__ = cause
        self.error = self.error or error
        self._publish(Failure(t=self.clock.now(), stage=stage, text=str(cause)))
        if stage == "reading":
            self._stop.set()
            return
        for message in _debts(stage):
            self.reading.channel.put(message)
        if stage == "sound":  # in its turn: words may still be at work on what was said before
            self.words.channel.put(SpeechSettled(FOREVER))


def _debts(stage: str) -> Sequence[FeatureBlock | SpeechActivity]:
    """What a dead stage still owed: everything settled, nothing in it."""
    owed = {
        "visual": (Modality.VISUAL,),
        "sound": (Modality.ACOUSTIC,),
        "words": (Modality.LANGUAGE,),
    }[stage]
    blocks: list[FeatureBlock | SpeechActivity] = [nothing(m) for m in owed]
    if stage == "sound":
        blocks.append(SpeechActivity(spans=(), settled_until=FOREVER, speaking=False, level_db=-120.0))
    return blocks
