"""Temperatures that make a model's probabilities mean what they say, by what was present.

Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, https://arxiv.org/abs/1706.04599: the fused emotion
logits are divided by one number before the softmax. A voice alone needs another number than voice, face and words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any, Final

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Modality

SUBSETS: Final = tuple(
    "".join(m.value for m in some) for n in range(1, len(MODALITIES) + 1) for some in combinations(MODALITIES, n)
)
"""``"L"``, ``"V"``, ``"A"``, ``"LV"``, ``"LA"``, ``"VA"``, ``"LVA"``."""
LEAST, MOST = 0.01, 100.0
"""Of a temperature."""


def check(calibration: Any) -> dict[str, float]:
    """The same as a plain mapping, if it is one from some of :data:`SUBSETS` to temperatures.

    Raises
    ------
    ConfigError
        It is something else.
    """
    if not isinstance(calibration, Mapping):
        raise ConfigError(f"calibration: expected temperatures by modalities present, got {str(calibration)[:80]}")
    for subset, temperature in calibration.items():
        if subset not in SUBSETS:
            raise ConfigError(f"calibration: expected some of {', '.join(SUBSETS)}, got {str(subset)[:80]!r}")
        number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if not number or not LEAST <= temperature <= MOST:
            raise ConfigError(f"calibration {subset}: expected a number from {LEAST} to {MOST:g}, got {temperature!r}")
    return dict(calibration)


def temperature(calibration: Mapping[str, float] | None, present: Collection[Modality]) -> float:
    """What to divide the fused emotion logits by where ``present`` is there; 1 where nobody has measured it."""
    return (calibration or {}).get("".join(m.value for m in MODALITIES if m in present), 1.0)
