"""What a feature extractor is, and the recipe that ties a checkpoint to the extractors it was trained with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import EMPTY_TIMES, FOREVER, FeatureBlock, Message, freeze
from dmd_runtime.modality import MODALITIES, Modality

_NO_ROWS = freeze(np.empty((0, 1), dtype=np.float32))
SHORT = 16
"""Digits of an encoder's identity that a recipe shows."""
In_contra = TypeVar("In_contra", contravariant=True)


def nothing(modality: Modality, settled_until: float = FOREVER) -> FeatureBlock:
    """A block without rows that settles ``modality``."""
    return FeatureBlock(
        modality=modality,
        times=EMPTY_TIMES,
        ends=EMPTY_TIMES,
        values=_NO_ROWS,
        confidence=_NO_ROWS[:, 0],
        due=EMPTY_TIMES,
        settled_until=settled_until,
    )


class Block(Protocol, Generic[In_contra]):
    """One step of the pipeline: takes messages, gives messages; touched by one thread; built before the session starts.

    Feature extractors, the voice detector and the recogniser are blocks. A block knows nothing of threads or channels.
    """

    def push(self, item: In_contra) -> Sequence[Message]:
        """Take one message; return what became known through it (possibly nothing)."""
        ...

    def finish(self) -> Sequence[Message]:
        """The stream has ended: return the tail, with everything settled ``FOREVER``."""
        ...


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One extractor as a recipe names it.

    Attributes
    ----------
    name, version : str
        Change the version whenever the numbers change.
    dim : int
        Width D of a row.
    rate_hz : float or None
        Rows per second of media time; None where rows come as they will (tokens).
    rows : int
        Rows T in a window: ``rate_hz * duration`` for a fixed rate, else the cap.
    window_columns : int
        How many of the D columns, the last ones, know their whole window and come as
        :class:`~dmd_runtime.messages.WindowRows`; the others come as blocks.
    settings : mapping
        Whatever else the numbers depend on (JSON values only).
    """

    modality: Modality
    name: str
    version: int
    dim: int
    rate_hz: float | None
    rows: int
    window_columns: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def block_columns(self) -> int:
        """Columns of the rows in a :class:`~dmd_runtime.messages.FeatureBlock`."""
        return self.dim - self.window_columns

    def to_json(self) -> dict[str, Any]:
        """A JSON object without the modality (it is the key in a recipe)."""
        return {
            "name": self.name,
            "version": self.version,
            "dim": self.dim,
            "rate_hz": self.rate_hz,
            "rows": self.rows,
            "settings": dict(self.settings),
        } | ({"window_columns": self.window_columns} if self.window_columns else {})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The feature recipe: what the three extractors are and how long a window is."""

    duration: float
    specs: Mapping[Modality, FeatureSpec]

    def __post_init__(self) -> None:
        if set(self.specs) != set(MODALITIES):
            raise ConfigError(
                f"a recipe needs one extractor for each of L, V, A; got {sorted(m.value for m in self.specs)}"
            )
        for spec in self.specs.values():
            if spec.rate_hz is not None and spec.rows != round(spec.rate_hz * self.duration):
                raise ConfigError(
                    f"{spec.name}: rows must be rate x duration = {spec.rate_hz * self.duration:g}, got {spec.rows}"
                )

    def to_json(self) -> dict[str, Any]:
        """The JSON object stored in a checkpoint; its ``id`` is a digest of the rest."""
        body: dict[str, Any] = {
            "duration": self.duration,
            "extractors": {m.value: self.specs[m].to_json() for m in MODALITIES},
        }
        return {"id": _digest(body), **body}

    @property
    def id(self) -> str:
        """Twelve hex digits that change with any number in the recipe."""
        return str(self.to_json()["id"])


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
