"""The last stage: gathers features, cuts windows when they are due, and lets the model read them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from dmd_runtime.clock import Clock
from dmd_runtime.messages import (
    FOREVER,
    FeatureBlock,
    Message,
    Reading,
    SpeechActivity,
    SpeechChange,
    Utterance,
    Window,
    WindowRows,
)
from dmd_runtime.modality import Modality
from dmd_runtime.streaming.attribution import WordAttribution
from dmd_runtime.streaming.channel import Channel, ChannelClosed
from dmd_runtime.streaming.health import StageStats
from dmd_runtime.streaming.window import WindowBuilder

logger = logging.getLogger(__name__)

_FAR_BEHIND = 4
"""Steps that a live reading may be late before windows are left out."""

Features = FeatureBlock | WindowRows | SpeechActivity | Utterance | SpeechChange


class ReadingStage:
    """One thread that owns the window builder, the word attribution and the model.

    A live reading that falls behind leaves windows out and counts them; an exact one lets the channel fill, so that
    whoever reads the file waits.

    Parameters
    ----------
    builder : WindowBuilder
    attribution : WordAttribution
    interpret : callable
        Window -> Reading.
    channel : Channel
        Features from all extractors.
    clock : Clock
    budget : float or None
        Seconds a window waits after its end; None waits for everything (exact run).
    step : float
        Seconds between windows.
    emit, on_failure : callables
    """

    name = "reading"

    def __init__(
        self,
        builder: WindowBuilder,
        attribution: WordAttribution,
        interpret: Callable[[Window], Reading],
        *,
        channel: Channel[Features],
        clock: Clock,
        budget: float | None,
        step: float,
        emit: Callable[[Message], None],
        on_failure: Callable[[str, BaseException], None],
    ) -> None:
        self.channel = channel
        self.skipped = 0
        """Windows left out because reading them all would have meant lagging ever further behind."""
        self.stats = StageStats(depth=lambda: channel.depth, dropped=lambda: self.skipped)
        self.figures: Callable[[], Mapping[str, float]] = dict
        """As of any stage; this one has none of its own."""
        self.media_end = FOREVER
        """Set by the session before the channel is closed; no window ends after it."""
        self._builder = builder
        self._attribution = attribution
        self._interpret = interpret
        self._clock = clock
        self._budget = budget
        self._step = step
        self._emit = emit
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name="dmd-reading", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; True if it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while True:
                try:
                    message, _ = self.channel.get(self._patience())
                except TimeoutError:
                    pass
                except ChannelClosed:
                    break
                else:
                    self._take(message)
                self._take_waiting()
                while self._due():
                    self._cut()
                    self._take_waiting()  # else a window is cut without what has long come for it
                now = 0.0 if self._budget is None else self._clock.now() - self._budget
                self._tell_words(now)
            while self._builder.next_end <= self.media_end:
                self._cut()
            self._tell_words(FOREVER)
        except Exception as error:  # the boundary of a thread: publish the death, never lose it
            logger.exception("stage %s died", self.name)
            self.channel.close()
            self._on_failure(self.name, error)

    def _take(self, message: Features) -> None:
        if isinstance(message, SpeechChange):
            self._builder.set_absent(Modality.LANGUAGE, message.absent, message.t)
        elif not isinstance(message, Utterance):
            self._builder.add(message)
        if isinstance(message, FeatureBlock | Utterance):
            self._attribution.add(message)

    def _patience(self) -> float | None:
        if self._budget is None or self._builder.next_end > self.media_end:
            return None
        return max(0.0, self._builder.next_end + self._budget - self._clock.now())

    def _take_waiting(self) -> None:
        """Take everything that waits now, so that no window lacks what is already here.

        An exact window lacks nothing when it is cut. What waits then stays in the channel, which holds the source back
        while the model is behind, and is all that is kept of what has not been read.
        """
        if self._budget is None:
            return
        for _ in range(self.channel.depth):
            self._take(self.channel.get(0.0)[0])

    def _cut(self) -> None:
        with self.stats.timed():
            reading = self._interpret(self._builder.build())
        self._emit(reading)

    def _tell_words(self, now: float) -> None:
        for word in self._attribution.take(now):
            self._emit(word)

    def _due(self) -> bool:
        """Whether the next window is to be cut now; leaves out windows where reading has fallen far behind."""
        if self._builder.next_end > self.media_end:
            return False
        if self._budget is None:
            return all(self._builder.settled.values()) and not self._builder.all_said
        late = self._clock.now() - self._builder.next_end - self._budget
        if late > _FAR_BEHIND * self._step:
            count = int(late / self._step)
            self._builder.skip(count)
            self.skipped += count
            logger.warning("%d windows left out: reading is slower than they come", count)
            late -= count * self._step
        return late >= 0 or (all(self._builder.settled.values()) and not self._builder.all_said)
