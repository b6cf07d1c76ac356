"""What keeps the picture steady: smoothing over session time, and a label that does not flicker. Display only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass
class Smoother:
    """Exponential smoothing with a time constant; the same however often values come.

    Attributes
    ----------
    seconds : time constant, in seconds of session time; 0 gives the values as they are.
    """

    seconds: float = 1.0
    _t: float | None = field(default=None, init=False)
    _state: Values | None = field(default=None, init=False)

    def step(self, t: float, values: Values) -> Values:
        """The smoothed values at ``t``. The first ones, and those after a rewind or a new shape, are as they are."""
        state, before = self._state, self._t
        if state is None or before is None or t <= before or state.shape != values.shape or self.seconds <= 0:
            state = values.astype(np.float64)
        else:
            state = state + (1.0 - np.exp(-(t - before) / self.seconds)) * (values - state)
        self._t, self._state = t, state
        return state

    def reset(self) -> None:
        """Forget: what comes next stands as it is."""
        self._t = self._state = None


@dataclass
class StableLabel:
    """The leading label, held until another is clearly ahead or has been ahead for a while.

    Attributes
    ----------
    margin : how much more probable another label must be to take over at once.
    patience : seconds after which a lead of any size, if unbroken, takes over.
    """

    margin: float = 0.05
    patience: float = 2.0
    label: str | None = field(default=None, init=False)
    _rival: str | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)

    def step(self, t: float, probabilities: Mapping[str, float]) -> str:
        """The label to show at ``t``."""
        leader = max(probabilities, key=lambda label: probabilities[label])
        held = self.label
        if held is None or held not in probabilities:
            return self._take(leader)
        if leader == held:
            self._rival = None
            return held
        if leader != self._rival or t < self._since:
            self._rival, self._since = leader, t
        ahead = probabilities[leader] - probabilities[held]
        if ahead >= self.margin or t - self._since >= self.patience:
            return self._take(leader)
        return held

    def reset(self) -> None:
        """Forget the label."""
        self.label = self._rival = None

    def _take(self, label: str) -> str:
        self.label, self._rival = label, None
        return label
