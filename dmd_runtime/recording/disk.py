"""Room on the disk that a session is kept on, and how long it lasts. Pure but for the question how much is free."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dmd_runtime.errors import ConfigError

_OVER: Final = 30.0  # s over which the rate is measured


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """When to warn and when to end.

    Attributes
    ----------
    warn_bytes, warn_seconds : warned below either, the second at the measured rate.
    stop_bytes : a recording ends below this, so that its tables and its manifest still fit.
    again : seconds between two warnings.

    Raises
    ------
    ConfigError
        With the rule and the values.
    """

    warn_bytes: int = 500_000_000
    warn_seconds: float = 600.0
    stop_bytes: int = 100_000_000
    again: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.stop_bytes <= self.warn_bytes:
            raise ConfigError(f"0 <= stop_bytes <= warn_bytes must hold, got {self.stop_bytes} and {self.warn_bytes}")


def free_bytes(folder: Path) -> int:
    """Free space for this user on the disk of ``folder``."""
    return shutil.disk_usage(folder).free


class DiskGuard:
    """Watches the free space; asked about once a second, by one thread.

    Attributes
    ----------
    seconds_left : float or None
        How long the disk lasts at the rate of the last half minute; None where that is unknown or nothing grows.
    is_full : bool
        Whether the recording must end.
    """

    def __init__(
        self, folder: Path, limits: DiskLimits | None = None, *, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self._folder = folder
        self._limits = limits if limits is not None else DiskLimits()
        self._free = free
        self._written: deque[tuple[float, int]] = deque()
        self._warned = float("-inf")
        self.seconds_left: float | None = None
        self.is_full = False

    def look(self, now: float, written: int) -> str:
        """Take the time and the bytes written so far; returns a warning for people, or an empty string."""
        try:
            free = self._free(self._folder)
        except OSError:  # gone, or not to be asked: whoever writes will find out
            return ""
        self._written.append((now, written))
        while self._written[0][0] < now - _OVER:
            self._written.popleft()
        (begun, before) = self._written[0]
        rate = (written - before) / (now - begun) if now > begun else 0.0
        self.seconds_left = max(0, free - self._limits.stop_bytes) / rate if rate > 0 else None
        self.is_full = free < self._limits.stop_bytes
        if self.is_full:
            return f"The disk is full ({_size(free)} left): the recording has ended. What was recorded is kept."
        short = self.seconds_left is not None and self.seconds_left < self._limits.warn_seconds
        if not (short or free < self._limits.warn_bytes) or now - self._warned < self._limits.again:
            return ""
        self._warned = now
        lasts = "" if self.seconds_left is None else f": room for about {_minutes(self.seconds_left)} of recording"
        return f"The disk is almost full ({_size(free)} left){lasts}."


def _size(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
