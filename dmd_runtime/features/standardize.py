"""Standardisation with the figures a checkpoint was trained with: (x - mean) / scale, clipped, masked rows zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.base import Recipe
from dmd_runtime.messages import Bool, Float32
from dmd_runtime.modality import MODALITIES, Modality

LIMIT = 10.0
"""Standardised values are clipped to this many scales: one broken frame must not carry a whole window."""


@dataclass(frozen=True, kw_only=True)
class Standardizer:
    """Per modality ``mean`` and ``scale``, float32 (D,)."""

    mean: Mapping[Modality, Float32]
    scale: Mapping[Modality, Float32]

    @classmethod
    def identity(cls, recipe: Recipe) -> Standardizer:
        """Leaves features as they are (an untrained checkpoint knows no figures)."""
        return cls(
            mean={m: np.zeros(recipe.specs[m].dim, dtype=np.float32) for m in MODALITIES},
            scale={m: np.ones(recipe.specs[m].dim, dtype=np.float32) for m in MODALITIES},
        )

    @classmethod
    def from_json(cls, figures: Mapping[str, Any], recipe: Recipe) -> Standardizer:
        """Read ``{"L": {"mean": [...], "scale": [...]}, ...}``.

        Raises
        ------
        ConfigError
            A modality is missing, a length is not the recipe's, or a scale is not positive.
        """
        arrays: dict[str, dict[Modality, Float32]] = {"mean": {}, "scale": {}}
        for m in MODALITIES:
            for name, into in arrays.items():
                try:
                    values = np.asarray(figures[m.value][name], dtype=np.float32)
                except (KeyError, TypeError, ValueError):
                    raise ConfigError(
                        f"normalisation: expected a list of numbers at {m.value}.{name}, got none"
                    ) from None
                if values.shape != (recipe.specs[m].dim,) or not np.isfinite(values).all():
                    raise ConfigError(
                        f"normalisation {m.value}.{name}: expected {recipe.specs[m].dim} finite numbers, "
                        f"got shape {values.shape}"
                    )
                into[m] = values
            if not (arrays["scale"][m] > 0).all():
                raise ConfigError(f"normalisation {m.value}.scale: expected positive numbers")
        return cls(mean=arrays["mean"], scale=arrays["scale"])

    def to_json(self) -> dict[str, Any]:
        """The form :meth:`from_json` reads."""
        return {m.value: {"mean": self.mean[m].tolist(), "scale": self.scale[m].tolist()} for m in MODALITIES}

    def __call__(self, modality: Modality, values: Float32, mask: Bool) -> Float32:
        """Standardise (T, D) rows; rows with ``mask`` False become zero."""
        out = (values - self.mean[modality]) / self.scale[modality]
        np.clip(out, -LIMIT, LIMIT, out=out)
        out[~mask] = 0.0
        return out
