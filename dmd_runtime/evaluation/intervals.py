"""Bootstrap intervals of figures that are functions of sums over samples: as of a confusion matrix, a mean, moments.

Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13 (percentile intervals). Drawing N samples
with replacement and summing them is drawing how often each comes from a multinomial distribution, so samples that are
equal (all in one cell of a confusion matrix) are drawn at once. Where samples belong together (clips of a speaker),
whole groups are drawn: Field and Welsh, *Bootstrapping clustered data*, J. R. Statist. Soc. B 69, 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ConfigError
from dmd_runtime.messages import Float64

LEVEL: Final = 0.95
RESAMPLES: Final = 1000
_BLOCK = 1 << 22  # draws at a time: 32 MiB

Figures = Callable[[Float64], Mapping[str, Float64]]
"""From sums (..., K) to figures (...), by name."""


def bootstrap(
    rows: npt.NDArray[Any],
    figures: Figures,
    *,
    counts: npt.NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the figures of the sum of ``rows``.

    Parameters
    ----------
    rows : (M, K)
        What is summed.
    figures : callable
        From sums float64 (R, K) to figures float64 (R,), by name.
    counts : int64 (M,), optional
        How often each row occurs; default: once.
    seed : int
        The same seed and rows give the same intervals.

    Returns
    -------
    {name: (low, high)}
        NaN where the figure is none in every resample, or nothing was summed.

    Raises
    ------
    ConfigError
        ``level`` or ``resamples`` is outside its rule.
    """
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError(f"bootstrap: expected a level in (0, 1) and >= 1 resamples, got {level} and {resamples}")
    found = figures(_sums(np.asarray(rows, dtype=np.float64), counts, np.random.default_rng(seed), resamples))
    return {name: _between(values, level) for name, values in found.items()}


def sums_by_group(rows: npt.NDArray[Any], groups: Sequence[str] | npt.NDArray[Any]) -> Float64:
    """Sums of ``rows`` (N, K) over the samples of each group: float64 (G, K), to be drawn in place of the rows.

    A group named ``""`` is unknown: each of its samples stands for itself.

    Raises
    ------
    ConfigError
        There is not one group for each row.
    """
    check_groups(groups, len(rows))
    names = [f"known {group}" if group else f"sample {i}" for i, group in enumerate(map(str, groups))]
    _, owner = np.unique(np.array(names, dtype=str), return_inverse=True)
    found = np.zeros((int(owner.max(initial=-1)) + 1, np.shape(rows)[1]))
    np.add.at(found, owner, rows)
    return found


def check_groups(groups: Sequence[str] | npt.NDArray[Any], n: int) -> None:
    """Raise ConfigError if there is not one group for each of ``n`` samples."""
    if len(groups) != n:
        raise ConfigError(f"bootstrap: expected a group for each of {n} samples, got {len(groups)}")


def _sums(rows: Float64, counts: npt.NDArray[np.int64] | None, rng: np.random.Generator, resamples: int) -> Float64:
    """Sums of as many rows as there are, drawn with replacement, ``resamples`` times: float64 (R, K)."""
    often = np.ones(len(rows), dtype=np.int64) if counts is None else np.asarray(counts)
    rows, often = rows[often > 0], often[often > 0]
    total = int(often.sum())
    if not total:
        return np.zeros((resamples, rows.shape[1]))
    step = max(1, _BLOCK // len(often))
    sizes = [min(step, resamples - begin) for begin in range(0, resamples, step)]
    return np.concatenate(
        [rng.multinomial(total, often / total, size=size).astype(np.float64) @ rows for size in sizes]
    )


def _between(values: Float64, level: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
