"""Room on the disk: told in time, told seldom, and when it is the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.recording.disk import DiskGuard, DiskLimits

MB = 10**6
HERE = Path("anywhere")


class Disk:
    """A disk that fills at a rate of bytes a second."""

    def __init__(self, free: int, rate: int) -> None:
        self.free, self.rate, self.written, self.now = free, rate, 0, 0.0

    def __call__(self, folder: Path) -> int:
        assert folder == HERE
        return max(0, self.free - self.written)

    def run(self, guard: DiskGuard, seconds: int) -> Iterable[tuple[float, str]]:
        """(time, what is told) each second."""
        for _ in range(seconds):
            self.now += 1
            self.written += self.rate
            yield self.now, guard.look(self.now, self.written)


def test_a_large_disk_is_nothing_to_talk_about() -> None:
    disk = Disk(100_000 * MB, MB)
    guard = DiskGuard(HERE, free=disk)
    assert all(text == "" for _, text in disk.run(guard, 100))
    assert guard.seconds_left == pytest.approx((100_000 - 100 - 100), rel=0.01)


def test_ten_minutes_before_the_end_it_is_told_with_the_time_and_then_once_a_minute() -> None:
    disk = Disk(1800 * MB, 2 * MB)  # 850 s above the 100 MB that are left free
    guard = DiskGuard(HERE, DiskLimits(warn_bytes=200 * MB), free=disk)
    told = [(t, text) for t, text in disk.run(guard, 400) if text]
    assert 240 <= told[0][0] <= 260
    assert "room for about 10 min of recording" in told[0][1]
    assert [b - a for (a, _), (b, _) in itertools.pairwise(told)] == [60] * (len(told) - 1)
    assert not guard.is_full


def test_a_small_disk_is_told_whatever_the_rate() -> None:
    disk = Disk(400 * MB, 0)
    guard = DiskGuard(HERE, free=disk)
    (_, text), *_ = disk.run(guard, 1)
    assert text == "The disk is almost full (400 MB left)."
    assert guard.seconds_left is None


def test_it_ends_while_the_tables_still_fit() -> None:
    disk = Disk(120 * MB, 2 * MB)
    guard = DiskGuard(HERE, free=disk)
    last = [text for _, text in disk.run(guard, 11)][-1]
    assert guard.is_full
    assert last.startswith("The disk is full (98 MB left): the recording has ended.")


def test_others_who_fill_the_disk_count_too() -> None:
    disk = Disk(3000 * MB, MB)
    guard = DiskGuard(HERE, free=disk)
    assert not any(text for _, text in disk.run(guard, 10))
    disk.free = 50 * MB
    assert next(text for _, text in disk.run(guard, 1)).startswith("The disk is full")


def test_a_disk_that_cannot_be_asked_is_no_reason_to_end() -> None:
    def gone(_: Path) -> int:
        raise OSError(2, "No such file or directory")

    guard = DiskGuard(HERE, free=gone)
    assert guard.look(1.0, 10) == ""
    assert not guard.is_full


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="got 2 and 1"):
        DiskLimits(warn_bytes=1, stop_bytes=2)
