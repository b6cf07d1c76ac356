from __future__ import annotations

from threading import Event

from dmd_runtime.clock import SessionClock


def test_waiting_reaches_the_time_that_was_asked_for() -> None:
    clock = SessionClock()
    assert clock.wait_until(0.02, Event())
    assert clock.now() >= 0.02


def test_an_interrupt_ends_the_wait() -> None:
    interrupt = Event()
    interrupt.set()
    assert not SessionClock().wait_until(3600.0, interrupt)


def test_restart_makes_now_the_zero() -> None:
    clock = SessionClock()
    clock._origin -= 100.0
    clock.restart()
    assert clock.now() < 50.0
