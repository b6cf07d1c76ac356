"""Samples of the small recipe of :mod:`tests.messages_factory`, as the corpora's readers and extractors give them."""

from __future__ import annotations

import numpy as np

from dmd_runtime.corpora.windows import Placed, Windows
from dmd_runtime.modality import Modality
from tests.messages_factory import recipe


def placed(m: Modality, rng: np.random.Generator, rows: int | None = None) -> Placed:
    """One window with rows of noise at its end."""
    spec = recipe().specs[m]
    n = int(rng.integers(1, spec.rows + 1)) if rows is None else rows
    return Placed(rng.standard_normal((n, spec.dim), dtype=np.float32), np.arange(spec.rows - n, spec.rows))


def samples(m: Modality, counts: list[int], seed: int = 0) -> list[Windows]:
    """Samples with so many windows each."""
    rng = np.random.default_rng(seed)
    return [tuple(placed(m, rng) for _ in range(count)) for count in counts]
