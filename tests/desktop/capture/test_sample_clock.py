"""The count of samples against the clock: exact where it can be, corrected where it must be, never running away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.capture.sample_clock import MOST, PATIENCE, TOLERANCE, SampleClock
from dmd_runtime import ANALYSIS_RATE

RATE = ANALYSIS_RATE
CHUNK = 512


class Device:
    """Gives chunks of samples at its own speed, late by some jitter."""

    def __init__(self, *, ppm: float = 0.0, jitter: float = 0.0, seed: int = 0, start: float = 3.0) -> None:
        self.period = 1 / (RATE * (1 + ppm * 1e-6))  # true seconds between its samples
        self.start = start
        self.given = 0
        self._jitter = jitter
        self._random = np.random.default_rng(seed)

    @property
    def now(self) -> float:
        """True time of the next sample."""
        return self.start + self.given * self.period

    def chunks(self, seconds: float, size: int = CHUNK) -> Iterator[tuple[int, float]]:
        """(samples, arrival) for ``seconds``."""
        for _ in range(round(seconds * RATE / size)):
            self.given += size
            yield size, self.now + float(self._random.uniform(0, self._jitter))


def begin(device: Device, **options: float) -> SampleClock:
    clock = SampleClock(**options)  # type: ignore[arg-type]
    assert clock.begin(device.start) == 0
    return clock


@settings(deadline=None, max_examples=50)
@given(
    ppm=st.floats(-300, 300),
    jitter=st.floats(0, 0.03),
    size=st.sampled_from([128, 441, 512, 1600]),
    seed=st.integers(0, 2**16),
)
def test_time_never_runs_away_from_the_clock(ppm: float, jitter: float, size: int, seed: int) -> None:
    device = Device(ppm=ppm, jitter=jitter, seed=seed)
    clock = begin(device)
    worst = 0.0
    for samples, arrived in device.chunks(400, max(size, 1024)):
        clock.take(samples, arrived)
        worst = max(worst, abs(clock.t - device.now))
    assert worst < TOLERANCE + jitter + 0.015


@settings(deadline=None, max_examples=50)
@given(
    ppm=st.floats(-500, 500),
    jitter=st.floats(0, 0.05),
    holes=st.lists(st.tuples(st.integers(1, 900), st.integers(1, 40_000)), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_the_count_is_what_was_given_plus_lost_and_stretched_less_dropped(
    ppm: float, jitter: float, holes: list[tuple[int, int]], seed: int
) -> None:
    device = Device(ppm=ppm, jitter=jitter, seed=seed)
    clock = begin(device)
    missing = dict(holes)
    given_, lost, dropped, stretched = 0, 0, 0, 0
    for n, (samples, arrived) in enumerate(device.chunks(30)):
        device.start += missing.get(n, 0) / RATE
        placed = clock.take(samples, arrived + missing.get(n, 0) / RATE, missing=missing.get(n, 0))
        assert 0 <= placed.dropped <= samples
        assert placed.lost >= missing.get(n, 0)
        given_, lost, dropped = given_ + samples, lost + placed.lost, dropped + placed.dropped
        stretched += len(placed.at) - (samples - placed.dropped)
        assert clock.count == given_ + lost - dropped + stretched
        assert clock.t == pytest.approx(3.0 + clock.count / RATE, abs=1e-9)
    assert (clock.lost, clock.stretched) == (lost, stretched)


@settings(deadline=None, max_examples=20)
@given(ppm=st.floats(-9, 9), jitter=st.floats(0, 1e-4), seed=st.integers(0, 2**16))
def test_a_device_that_keeps_its_rate_is_left_alone(ppm: float, jitter: float, seed: int) -> None:
    device = Device(ppm=ppm, jitter=jitter, seed=seed)
    clock = begin(device)
    for samples, arrived in device.chunks(100, 1024):
        placed = clock.take(samples, arrived)
        assert (placed.lost, placed.dropped) == (0, 0)
        assert np.array_equal(placed.at, np.arange(samples))
    assert (clock.corrected, clock.stretched, clock.count) == (0, 0, device.given)


def follow(device: Device, seconds: float, size: int = CHUNK) -> tuple[SampleClock, np.ndarray]:
    """The clock, and for each chunk (true time, error of the count, stretch), float64 (n, 3); no step is allowed."""
    clock = begin(device)
    rows = []
    for samples, arrived in device.chunks(seconds, size):
        placed = clock.take(samples, arrived)
        assert (placed.lost, placed.dropped) == (0, 0)
        rows.append((device.now - device.start, clock.t - clock._phase / RATE - device.now, clock.stretch))
    return clock, np.array(rows)


@settings(deadline=None, max_examples=10)
@given(ppm=st.floats(-300, 300), jitter=st.floats(0, 0.02), seed=st.integers(0, 2**16))
def test_drift_is_followed_and_there_are_no_steps(ppm: float, jitter: float, seed: int) -> None:
    clock, rows = follow(Device(ppm=ppm, jitter=jitter, seed=seed), 300, 1024)
    assert np.abs(rows[rows[:, 0] > 60, 1]).max() < 0.008
    assert np.abs(rows[:, 2]).max() <= MOST
    assert clock.corrected == 0


@pytest.mark.parametrize("ppm", [-200, 200])
def test_an_hour_stays_within_10_ms_of_the_clock(ppm: float) -> None:
    """Jittered as a busy machine does it: mostly by up to 20 ms, and once a minute everything half a second late."""
    device = Device(ppm=ppm, jitter=0.02, seed=3)
    take = device.chunks
    device.chunks = lambda seconds, size: (  # type: ignore[method-assign]
        (n, arrived + 0.5 * (arrived % 60 < 1.5)) for n, arrived in take(seconds, size)
    )
    clock, rows = follow(device, 3600, 1024)
    later = rows[rows[:, 0] > 60]
    assert np.abs(later[:, 1]).max() < 0.010
    assert np.abs(np.diff(later[:, 1])).max() < 0.001  # no step
    assert clock.stretched == pytest.approx(-ppm * 1e-6 * 3600 * RATE, abs=0.02 * RATE)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_an_hour_with_an_overrun_and_a_suspended_machine_stays_within_10_ms(ppm: float) -> None:
    """Nobody tells that the machine slept: the clock went on, and samples stopped coming."""
    device = Device(ppm=ppm, jitter=0.02, seed=3)
    clock = begin(device)
    overrun, suspended = 1200, 2400  # s of sound
    rows, slept = [], {overrun: 3.0, suspended: 600.0}
    for n, (samples, arrived) in enumerate(device.chunks(3600, 1600)):
        at, late = n // 10, slept.get(n // 10, 0.0) if n % 10 == 0 else 0.0
        device.start += late
        placed = clock.take(samples, arrived + late, overrun=at == overrun and late > 0)
        rows.append((at, clock.t - clock._phase / RATE - device.now, placed.lost / RATE, placed.dropped))
    at, error, lost, dropped = np.array(rows).T
    settled = (at > 60) & ((at < overrun) | (at > overrun + 60)) & ((at < suspended) | (at > suspended + 30))
    assert np.abs(error[settled]).max() < 0.010
    assert (lost > 0).sum() == 2  # and nothing else was a step
    assert lost.sum() == pytest.approx(603, abs=0.1)
    assert dropped.sum() == 0
    assert clock.drift_ppm == pytest.approx(ppm, abs=20)


def test_a_late_first_chunk_is_made_good_slowly() -> None:
    device = Device()
    clock = SampleClock()
    clock.begin(device.start + 0.03)
    for samples, arrived in device.chunks(120):
        assert clock.take(samples, arrived).dropped == 0
    assert clock.t == pytest.approx(device.now, abs=0.0015)


@settings(deadline=None, max_examples=50)
@given(ppm=st.sampled_from([-9000, -4000, 4000, 9000]), seed=st.integers(0, 100))
def test_a_bad_device_is_corrected_on_the_right_side(ppm: float, seed: int) -> None:
    device = Device(ppm=ppm, jitter=0.01, seed=seed)
    clock = begin(device)
    lost = dropped = 0
    for samples, arrived in device.chunks(120, 1024):
        placed = clock.take(samples, arrived)
        lost, dropped = lost + placed.lost, dropped + placed.dropped
    assert (lost > 0, dropped > 0) == (ppm < 0, ppm > 0)
    assert clock.corrected == lost + dropped
    made_good = lost - dropped + clock.stretched
    assert abs(made_good + ppm * 1e-6 * 120 * RATE) < (TOLERANCE + (PATIENCE + 2) * 9000e-6 + 0.01) * RATE


@settings(deadline=None, max_examples=50)
@given(ppm=st.floats(-200, 200), jitter=st.floats(0, 0.02), seconds=st.floats(200, 900), seed=st.integers(0, 2**16))
def test_drift_that_is_told_is_true(ppm: float, jitter: float, seconds: float, seed: int) -> None:
    device = Device(ppm=ppm, jitter=jitter, seed=seed)
    clock = begin(device)
    for samples, arrived in device.chunks(seconds, 2048):
        clock.take(samples, arrived)
    if jitter < 0.002:
        assert clock.drift_ppm is not None
    if clock.drift_ppm is not None:
        assert clock.drift_ppm == pytest.approx(ppm, abs=50)


@settings(deadline=None, max_examples=10)
@given(ppm=st.floats(-200, 200), slept=st.floats(0.2, 600), when=st.integers(50, 400), seed=st.integers(0, 2**16))
def test_a_machine_that_slept_is_no_drift(ppm: float, slept: float, when: int, seed: int) -> None:
    device = Device(ppm=ppm, jitter=0.005, seed=seed)
    clock = begin(device)
    for n, (samples, arrived) in enumerate(device.chunks(500, 4000)):
        late = slept * (n == when * 4)
        device.start += late
        clock.take(samples, arrived + late)
        if n > 4 * (when + 2 * PATIENCE) and clock.drift_ppm is not None:
            assert clock.drift_ppm == pytest.approx(ppm, abs=75)
    assert clock.drift_ppm is not None


def test_late_arrivals_are_no_drift() -> None:
    """A machine that is busy for a while delays what comes; the least delay of each second does not change."""
    device = Device(ppm=30)
    clock = begin(device)
    for n, (samples, arrived) in enumerate(device.chunks(300)):
        clock.take(samples, arrived + (0.5 if n % 7 == 0 else 0.0))
    assert clock.drift_ppm == pytest.approx(30, abs=5)
    assert clock.corrected == 0


@settings(deadline=None, max_examples=50)
@given(outage=st.floats(0.001, 5000.0), played=st.integers(1, 200))
def test_after_a_gap_the_count_is_the_clock_again(outage: float, played: int) -> None:
    device = Device()
    clock = begin(device)
    for samples, arrived in itertools.islice(device.chunks(10), played):
        clock.take(samples, arrived)
    back = device.now + outage
    lost = clock.begin(back)
    assert lost == pytest.approx(outage * RATE, abs=1)
    assert clock.t == pytest.approx(back, abs=1 / RATE)


@settings(deadline=None, max_examples=50)
@given(early=st.floats(0, 0.03))
def test_a_stream_that_seems_to_begin_before_the_last_ended_loses_nothing(early: float) -> None:
    device = Device()
    clock = begin(device)
    for samples, arrived in device.chunks(1):
        clock.take(samples, arrived)
    before = clock.t
    assert clock.begin(before - early) == 0
    assert clock.t == before


@settings(deadline=None, max_examples=50)
@given(hole=st.floats(0.05, 10.0), jitter=st.floats(0, 0.01), seed=st.integers(0, 2**16))
def test_an_overrun_is_estimated_from_the_clock(hole: float, jitter: float, seed: int) -> None:
    device = Device(jitter=jitter, seed=seed)
    clock = begin(device)
    for samples, arrived in device.chunks(5):
        clock.take(samples, arrived)
    device.start += hole
    samples, arrived = next(device.chunks(1))
    placed = clock.take(samples, arrived, overrun=True)
    assert placed.lost / RATE == pytest.approx(hole, abs=jitter + 1e-3)
    assert clock.t == pytest.approx(device.now, abs=jitter + 1e-3)


@pytest.mark.parametrize("usual", [-0.03, 0.03])
def test_what_is_usual_is_no_part_of_an_overrun(usual: float) -> None:
    device = Device()
    clock = SampleClock()
    clock.begin(device.start - usual)
    for samples, arrived in device.chunks(5):
        clock.take(samples, arrived)
    samples, arrived = next(device.chunks(1))
    assert clock.take(samples, arrived + 0.5, overrun=True).lost == pytest.approx(0.5 * RATE, abs=1)


def test_surplus_is_dropped_over_as_many_chunks_as_it_takes() -> None:
    clock = SampleClock(patience=2)
    clock.begin(10.0)  # the first chunk came very late
    at, dropped = 9.0, []
    for _ in range(200):
        at += CHUNK / RATE
        dropped.append(clock.take(CHUNK, at).dropped)
    assert sum(dropped) == pytest.approx(RATE, abs=2)
    whole = [n for n in dropped if n]
    assert set(whole[:-1]) == {CHUNK}
    assert clock.t == pytest.approx(at, abs=1e-3)


def test_memory_is_bounded() -> None:
    device = Device(ppm=20, jitter=0.005)
    clock = begin(device)
    for samples, arrived in device.chunks(4 * 3600, 16_000):
        clock.take(samples, arrived)
    assert len(clock._line._points) < 64
    assert len(clock._least) <= PATIENCE
    assert clock.drift_ppm == pytest.approx(20, abs=5)


def test_drift_is_kept_over_a_gap_until_there_is_a_better_one() -> None:
    device = Device(ppm=-100)
    clock = begin(device)
    for samples, arrived in device.chunks(60):
        clock.take(samples, arrived)
    known = clock.drift_ppm
    assert known == pytest.approx(-100, abs=10)
    device.start += 5
    clock.begin(device.now)
    for samples, arrived in device.chunks(2):
        clock.take(samples, arrived)
    assert clock.drift_ppm == known


def test_there_is_no_time_before_the_first_sample() -> None:
    with pytest.raises(ValueError, match="begin"):
        _ = SampleClock().t
