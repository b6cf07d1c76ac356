from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import FOREVER, Message, Window
from dmd_runtime.streaming.attribution import WordAttribution
from dmd_runtime.streaming.channel import Channel, Overflow
from dmd_runtime.streaming.reading import Features, ReadingStage
from dmd_runtime.streaming.window import WindowBuilder
from tests.factories import FakeClock
from tests.messages_factory import A, L, V, block, recipe, speech

CONFIG = SessionConfig.load().window


class Slow:
    """Reads windows; the first one only when it is let go, each one costing ``seconds`` of the clock."""

    def __init__(self, clock: FakeClock, seconds: float = 0.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.windows: list[Window] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, window: Window) -> Any:
        self.windows.append(window)
        self.begun.set()
        assert self.go.wait(30)
        self.clock.advance(self.seconds)
        return window


def stage(
    clock: FakeClock,
    slow: Callable[[Window], Any],
    *,
    capacity: int = 1024,
    budget: float | None = CONFIG.latency_budget,
) -> ReadingStage:
    channel: Channel[Features] = Channel("features", capacity, Overflow.BLOCK)
    emitted: list[Message] = []
    return ReadingStage(
        WindowBuilder(CONFIG, recipe()),
        WordAttribution(),
        slow,
        channel=channel,
        clock=clock,
        budget=budget,
        step=CONFIG.step,
        emit=emitted.append,
        on_failure=lambda name, error: pytest.fail(f"{name}: {error}"),
    )


def give(made: ReadingStage, start: float, end: float) -> None:
    """Everything that comes between two times."""
    faces, hops = np.arange(start, end, 1 / 15), np.arange(start, end, 0.02)
    for message in (
        block(V, faces, settled_until=end),
        block(A, hops, settled_until=end),
        block(L, (), settled_until=end),
        speech((start, end), settled_until=end),
    ):
        made.channel.put(message)


def test_after_a_stall_windows_see_all_that_has_come_meanwhile() -> None:
    clock = FakeClock(t=2.6)
    slow = Slow(clock)
    made = stage(clock, slow)
    give(made, 0.0, 2.6)
    made.start()
    assert slow.begun.wait(30)
    give(made, 2.6, 4.0)
    clock.t = 4.4  # 3.5 was due at 4.0
    slow.go.set()
    made.media_end = 4.0
    made.channel.close()
    assert made.join(30)
    assert [w.span.end for w in slow.windows] == [2.0, 2.5, 3.0, 3.5, 4.0]
    assert [w.coverage[V] for w in slow.windows] == pytest.approx([1.0] * 5, abs=0.04)


def test_a_reader_slower_than_the_step_leaves_windows_out_and_counts_them() -> None:
    clock = FakeClock(t=2.6)
    slow = Slow(clock, seconds=4.0)
    made = stage(clock, slow)
    give(made, 0.0, 12.0)
    made.start()
    slow.go.set()
    made.media_end = 12.0
    made.channel.close()
    assert made.join(30)
    ends = [w.span.end for w in slow.windows]
    assert ends == sorted(set(ends))
    assert made.skipped > 0
    assert made.stats.snapshot(1.0)["drops"] == made.skipped


def test_being_settled_for_ever_is_no_reason_to_read_ahead_of_time() -> None:
    clock = FakeClock(t=0.0)
    slow = Slow(clock)
    slow.go.set()
    made = stage(clock, slow)
    for message in (block(V), block(A), block(L), speech(settled_until=FOREVER)):
        made.channel.put(message)
    made.start()
    made.media_end = 3.0
    made.channel.close()
    assert made.join(30)
    assert [w.span.end for w in slow.windows] == [2.0, 2.5, 3.0]


def test_what_an_exact_run_has_not_read_waits_in_the_channel_and_holds_the_source_back() -> None:
    """Two minutes from a source that is faster than the model: each window is read when no more can be given."""
    given, ahead, over = [0.0], [], threading.Event()

    def read(window: Window) -> Any:
        channel = made.channel
        with channel._changed:
            assert channel._changed.wait_for(lambda: channel.depth == channel.capacity or over.is_set(), 30)
        ahead.append(given[0] - window.span.end)
        return window

    def feed() -> None:
        for n in range(1200):
            give(made, n / 10, (n + 1) / 10)
            given[0] = (n + 1) / 10
        over.set()

    made = stage(FakeClock(t=0.0), read, capacity=64, budget=None)
    made.start()
    source = threading.Thread(target=feed, daemon=True)
    source.start()
    source.join(60)
    made.media_end = 120.0
    made.channel.close()
    assert made.join(30)
    assert len(ahead) == 237
    assert max(ahead) < 2.5, "64 messages are 1.6 s; a window is 0.5 s"
