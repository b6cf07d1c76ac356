"""How often speech that goes on is decoded again: as often as wished, or as the machine can. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dmd_runtime.errors import ConfigError

_MEMORY = 0.3  # weight of the newest decoding in the running mean of what one takes
_LONGEST = 4.0  # s between two decodings at most: even a slow machine shows something


@dataclass(frozen=True, kw_only=True)
class PaceConfig:
    """The bounds of the pace.

    Attributes
    ----------
    cadence : float
        Seconds of sound between two decodings; the pieces of sound come as often.
    load : float
        Share of the time that decoding open speech may take; where it takes more, the cadence becomes slower.
    greedy_above : float
        Cadence in seconds from which on a beam search becomes greedy.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """

    cadence: float = 0.4
    load: float = 0.6
    greedy_above: float = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.cadence <= _LONGEST:
            raise ConfigError(f"cadence must be 0.1 to {_LONGEST:g} s, got {self.cadence:g}")
        if not 0 < self.load <= 1:
            raise ConfigError(f"load must be above 0 and at most 1, got {self.load:g}")


class Pace:
    """Says whether a decoding is due; knows what decodings took.

    Attributes
    ----------
    rtf : float
        Seconds of work for a second of sound of open speech, lately.
    """

    def __init__(self, config: PaceConfig | None = None) -> None:
        self._config = config if config is not None else PaceConfig()
        self._took = 0.0  # running mean, s
        self._last = float("-inf")  # sound time of the last decoding
        self.rtf = 0.0

    @property
    def cadence(self) -> float:
        """Seconds of sound between two decodings now."""
        return min(_LONGEST, max(self._config.cadence, self._took / self._config.load))

    @property
    def is_greedy(self) -> bool:
        """Whether the beam is to be given up."""
        return self.cadence > self._config.greedy_above

    def due(self, t: float) -> bool:
        """Whether open speech that has come up to ``t`` is to be decoded; at the wished cadence every piece is."""
        slow = self.cadence > self._config.cadence
        return not slow or t - self._last >= self.cadence - 1e-3

    def note(self, t: float, *, took: float) -> None:
        """A decoding of open speech up to ``t`` took so long."""
        since = min(max(t - self._last, 0.1), _LONGEST)
        self._took = took if not self._took else self._took + _MEMORY * (took - self._took)
        rtf = took / since
        self.rtf = rtf if not self.rtf else self.rtf + _MEMORY * (rtf - self.rtf)
        self._last = t
