"""The clock of playback."""

from __future__ import annotations

import pytest

from desktop.replay.clock import PATIENCE, PlaybackClock
from tests.desktop.replay.standins import FakeTime


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def clock(time: FakeTime) -> PlaybackClock:
    return PlaybackClock(time)


def test_it_runs_at_its_speed_and_stops_where_it_is(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(10.0)
    time.advance(2.0)
    assert clock.now() == pytest.approx(12.0)
    clock.set_speed(0.25)
    time.advance(2.0)
    assert clock.now() == pytest.approx(12.5)
    clock.stop()
    time.advance(5.0)
    assert clock.now() == pytest.approx(12.5)


def test_it_never_goes_beyond_the_end(clock: PlaybackClock, time: FakeTime) -> None:
    clock.set_end(11.0)
    clock.start(10.0)
    time.advance(5.0)
    assert clock.now() == 11.0


def test_it_waits_for_the_sound_and_then_goes_by_it(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(10.0, wait=PATIENCE)
    time.advance(0.2)
    assert clock.now() == 10.0
    clock.follow(10.0, time() + 0.05)
    time.advance(0.05)
    assert clock.now() == pytest.approx(10.0)
    time.advance(1.0)
    assert clock.now() == pytest.approx(11.0)


def test_it_does_not_wait_for_ever(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(10.0, wait=PATIENCE)
    time.advance(PATIENCE + 1.0)
    assert clock.now() == pytest.approx(11.0)


def test_jitter_is_followed_gently_and_a_jump_at_once(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(0.0)
    time.advance(1.0)
    clock.follow(1.01, time())
    assert 1.0 < clock.now() < 1.005
    clock.follow(2.0, time())
    assert clock.now() == 2.0


def test_a_sound_that_drifts_is_kept_to(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(0.0)
    for i in range(2000):  # 1000 ppm fast, over 40 s
        time.advance(0.02)
        clock.follow(0.02 * (i + 1) * 1.001, time())
    assert clock.now() == pytest.approx(40.04, abs=0.001)


def test_it_holds_while_the_sound_is_late(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(0.0)
    time.advance(1.0)
    clock.hold()
    time.advance(0.1)
    assert clock.now() == pytest.approx(1.0)
    clock.follow(1.0, time())
    time.advance(1.0)
    assert clock.now() == pytest.approx(2.0)


def test_what_is_heard_after_a_stop_does_not_move_it(clock: PlaybackClock, time: FakeTime) -> None:
    clock.start(0.0)
    clock.stop(5.0)
    clock.follow(99.0, time())
    assert clock.now() == 5.0
