"""How far two raters, or a rater and the model, agree over time: on labels, and on curves.

Both are read on one grid of time; only cells where both said something count. Labels: Cohen's kappa (Cohen, *A
coefficient of agreement for nominal scales*, 1960) and Krippendorff's alpha (*Content Analysis*, 3rd ed. 2013, chapter
12). Curves: Lin's concordance correlation (*A concordance correlation coefficient to evaluate reproducibility*,
Biometrics 45, 1989), Pearson's r, root mean square error, alpha for intervals. What somebody says now depends on what
they said a moment ago, so intervals draw whole blocks of time (:mod:`dmd_runtime.evaluation.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ConfigError
from dmd_runtime.evaluation.emotion_metrics import confusion, ratio
from dmd_runtime.evaluation.intervals import bootstrap, sums_by_group
from dmd_runtime.messages import Float64, freeze

if TYPE_CHECKING:  # recording lies above
    from dmd_runtime.recording.reader import Readings

Int64 = npt.NDArray[np.int64]
STEP: Final = 0.5
BLOCK: Final = 10.0
LEAST: Final = 10
"""Cells that both must have said something in; below, no figure is given."""
GAP: Final = 1.0
_TINY: Final = 1e-12
_MOST: Final = 10_000_000


class Figure(NamedTuple):
    """A figure with its 95 % interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelTrack:
    """Who said which label when: ``start`` and ``end`` float64 (n,) in order and without overlap, ``labels`` n str."""

    start: Float64
    end: Float64
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.labels)
        edges = np.stack([self.start, self.end], axis=1).ravel() if len(self.start) == len(self.end) == n else None
        if edges is None or (np.diff(edges) < -_TINY).any():
            raise ConfigError(f"labels over time: expected {n} spans in order that do not overlap, got others")

    def at(self, times: Float64, names: Sequence[str]) -> Int64:
        """Index into ``names`` of what is said at each of ``times`` (m,): int64 (m,), -1 where nothing is."""
        row = np.searchsorted(self.start, times, side="right") - 1
        inside = (row >= 0) & (times < self.end[row]) if len(self.labels) else np.zeros(len(times), dtype=np.bool_)
        number = {name: k for k, name in enumerate(names)}
        codes = np.array([*(number.get(label, -1) for label in self.labels), -1], dtype=np.int64)
        return np.where(inside, codes[np.where(inside, row, -1)], -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueTrack:
    """A curve: ``t`` float64 (n,), growing, and ``values`` float64 (n,)."""

    t: Float64
    values: Float64

    def __post_init__(self) -> None:
        if self.t.ndim != 1 or self.t.shape != self.values.shape or (np.diff(self.t) <= 0).any():
            raise ConfigError(
                f"curve: expected growing times and as many values, got {self.t.shape}, {self.values.shape}"
            )

    def at(self, times: Float64, gap: float = GAP) -> Float64:
        """Values at ``times`` (m,), between neighbours that are at most ``gap`` apart; NaN elsewhere."""
        n = len(self.t)
        if not n:
            return np.full(len(times), np.nan)
        right = np.searchsorted(self.t, times, side="left").clip(max=n - 1)
        left = np.where(self.t[right] == times, right, right - 1)
        good = (left >= 0) & (times <= self.t[-1]) & (self.t[right] - self.t[left] <= gap + _TINY)
        return np.where(good, np.interp(times, self.t, self.values), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """How far the first and the second agree.

    Attributes
    ----------
    n, n_first, n_second : int
        Cells of the grid in which both, the first, the second said something.
    step : float
        Seconds of a cell.
    figures : {name: Figure}
        Of labels ``agreement``, ``kappa``, ``alpha``; of curves ``ccc``, ``pearson``, ``rmse``, ``alpha``. Empty where
        ``reason`` is not.
    chance : float
        Agreement of two who say their labels as often and at random; of curves 0, the CCC of unrelated ones.
    labels : tuple of C str
    confusion : int64 (C, C)
        Cells in which the first said the row's label and the second the column's.
    reason : str
        Why there are no figures.
    """

    n: int
    n_first: int
    n_second: int
    step: float
    figures: Mapping[str, Figure] = field(default_factory=dict)
    chance: float = math.nan
    labels: tuple[str, ...] = ()
    confusion: Int64 = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    reason: str = ""


def compare_labels(
    first: LabelTrack, second: LabelTrack, *, step: float = STEP, block: float = BLOCK, names: Sequence[str] = ()
) -> Agreement:
    """Agreement on labels, looked at in the middle of each ``step`` of time.

    Parameters
    ----------
    first, second : LabelTrack
    step, block : float
        Seconds of a cell of the grid, and of a block that is drawn whole for the intervals.
    names : sequence of str
        The order of ``labels`` in the result; those that are not in it follow in alphabetical order.

    Raises
    ------
    ConfigError
        ``step`` or ``block`` is not above 0.
    """
    said = {*first.labels, *second.labels}
    labels = (*(name for name in names if name in said), *sorted(said - set(names)))
    times = _grid(_reach(first.start, first.end, second.start, second.end), step, block)
    a, b = first.at(times, labels), second.at(times, labels)
    both = (a >= 0) & (b >= 0)
    matrix = freeze(confusion(a[both], b[both], len(labels)))
    n, n_first, n_second = int(both.sum()), int((a >= 0).sum()), int((b >= 0).sum())
    reason = _too_little(n, n_first, n_second, step)
    if reason:
        return Agreement(
            n=n, n_first=n_first, n_second=n_second, step=step, labels=labels, confusion=matrix, reason=reason
        )
    size = len(labels) ** 2
    _, owner = np.unique(np.floor(times[both] / block), return_inverse=True)
    cells = np.bincount(owner * size + a[both] * len(labels) + b[both], minlength=(owner[-1] + 1) * size)
    figures = _with_intervals(cells.reshape(-1, size).astype(np.float64), _label_figures)
    alpha = _alpha_of_labels(a[both], b[both], len(labels))
    figures["alpha"] = figures["alpha"]._replace(value=alpha)
    chance = float((matrix.sum(axis=0) * matrix.sum(axis=1)).sum() / n**2)
    return Agreement(
        n=n,
        n_first=n_first,
        n_second=n_second,
        step=step,
        figures=figures,
        chance=chance,
        labels=labels,
        confusion=matrix,
    )


def compare_values(
    first: ValueTrack, second: ValueTrack, *, step: float = STEP, block: float = BLOCK, gap: float = GAP
) -> Agreement:
    """Agreement of two curves in the middle of each ``step``; nothing is read into holes longer than ``gap``.

    Raises
    ------
    ConfigError
        ``step`` or ``block`` is not above 0.
    """
    times = _grid(_reach(first.t, first.t, second.t, second.t), step, block)
    a, b = first.at(times, gap), second.at(times, gap)
    both = np.isfinite(a) & np.isfinite(b)
    n, n_first, n_second = int(both.sum()), int(np.isfinite(a).sum()), int(np.isfinite(b).sum())
    if reason := _too_little(n, n_first, n_second, step):
        return Agreement(n=n, n_first=n_first, n_second=n_second, step=step, reason=reason)
    x, y = a[both], b[both]
    middle = (x.mean() + y.mean()) / 2  # no figure cares, and sums of squares stay small
    x, y = x - middle, y - middle
    rows = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    blocks = sums_by_group(rows, np.floor(times[both] / block).astype(np.int64))
    figures = _with_intervals(blocks, _value_figures)
    return Agreement(n=n, n_first=n_first, n_second=n_second, step=step, figures=figures, chance=0.0)


def model_track(readings: Readings) -> LabelTrack:
    """The model's own likeliest label over time.

    A window is long (4 s) and windows overlap. Each valid reading stands for the middle of what its window has seen:
    from halfway to the middle before it to halfway to the next, but no further than half a window.
    """
    rows = np.flatnonzero(readings.valid & np.isfinite(readings.emotion).all(axis=1) & bool(readings.labels))
    start, end = _around_middles(readings, rows)
    likeliest = np.argmax(readings.emotion[rows], axis=1) if len(rows) else []
    return LabelTrack(start=start, end=end, labels=tuple(readings.labels[k] for k in likeliest))


def model_valence(readings: Readings) -> ValueTrack:
    """The model's sentiment over three, in [-1, 1], at the middle of each valid window.

    Sentiment as the field labels it is close to expressed valence, and is not the same.
    """
    rows = np.flatnonzero(readings.valid & np.isfinite(readings.sentiment))
    middles, first = np.unique(_middles(readings, rows), return_index=True)
    return ValueTrack(
        t=freeze(middles), values=freeze(np.clip(readings.sentiment[rows][first] / 3.0, -1, 1).astype(float))
    )


def _middles(readings: Readings, rows: Int64) -> Float64:
    return (np.maximum(readings.t0[rows], 0.0) + readings.t1[rows]) / 2


def _around_middles(readings: Readings, rows: Int64) -> tuple[Float64, Float64]:
    middles = np.maximum.accumulate(_middles(readings, rows))
    half = np.maximum(readings.t1[rows] - np.maximum(readings.t0[rows], 0.0), 0.0) / 2
    between = (middles[1:] + middles[:-1]) / 2
    start = np.maximum(middles - half, np.concatenate([[-np.inf], between])[: len(rows)])
    end = np.minimum(middles + half, np.concatenate([between, [np.inf]])[: len(rows)])
    return freeze(start), freeze(np.maximum(start, end))


def _reach(*edges: Float64) -> tuple[float, float]:
    """From where the first of all begins to where the last ends."""
    known = np.concatenate(edges)
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _grid(reach: tuple[float, float], step: float, block: float) -> Float64:
    """Middles of the cells ``[k step, (k + 1) step)`` that lie in ``reach``: float64 (m,)."""
    if not (step > 0 and block > 0):
        raise ConfigError(f"agreement: expected a step and a block above 0 s, got {step} and {block}")
    first, stop = math.floor(reach[0] / step), math.ceil(reach[1] / step)
    if stop - first > _MOST:
        raise ConfigError(
            f"agreement: expected at most {_MOST} cells of {step} s, got times from {reach[0]} to {reach[1]}"
        )
    return np.asarray((np.arange(first, stop) + 0.5) * step, dtype=np.float64)


def _too_little(n: int, n_first: int, n_second: int, step: float) -> str:
    if n >= LEAST:
        return ""
    return (
        f"expected at least {LEAST * step:g} s that both have labelled, got {n * step:g} s "
        f"(the first {n_first * step:g} s, the second {n_second * step:g} s)"
    )


def _with_intervals(blocks: Float64, figures: Callable[[Float64], Mapping[str, Float64]]) -> dict[str, Figure]:
    """Figures of the sum of blocks (B, K), with intervals where there are two blocks at least."""
    values = figures(blocks.sum(axis=0))
    between = bootstrap(blocks, figures) if len(blocks) > 1 else {}
    return {name: Figure(float(value), *between.get(name, (math.nan, math.nan))) for name, value in values.items()}


def _label_figures(sums: Float64) -> dict[str, Float64]:
    """Of cells of a confusion matrix (..., C * C): each float64 (...); alpha as the library's, for many at once."""
    classes = math.isqrt(sums.shape[-1])
    matrix = sums.reshape(*sums.shape[:-1], classes, classes)
    n = matrix.sum(axis=(-2, -1))
    rows, columns = matrix.sum(axis=-1), matrix.sum(axis=-2)
    same = ratio(np.trace(matrix, axis1=-2, axis2=-1), n)
    chance = ratio((rows * columns).sum(axis=-1), n * n)
    pooled = rows + columns
    alike = ratio((pooled * (pooled - 1)).sum(axis=-1), 2 * n * (2 * n - 1))
    return {
        "agreement": same,
        "kappa": ratio(same - chance, _above_rounding(1 - chance)),
        "alpha": 1 - ratio(1 - same, _above_rounding(1 - alike)),
    }


def _value_figures(sums: Float64) -> dict[str, Float64]:
    """Of sums (..., 6) of 1, x, y, xx, yy, xy: each float64 (...)."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    mean_x, mean_y, size = ratio(x, n), ratio(y, n), _TINY * ratio(xx + yy, n)
    var_x, var_y = (np.maximum(ratio(s, n) - m * m, 0.0) for s, m in ((xx, mean_x), (yy, mean_y)))
    var_x, var_y = (np.where(v > size, v, 0.0) for v in (var_x, var_y))
    both = ratio(xy, n) - mean_x * mean_y
    apart = np.maximum(ratio(xx + yy - 2 * xy, n), 0.0)
    pooled = ratio(xx + yy - (x + y) ** 2 / np.where(n > 0, 2 * n, np.nan), 2 * n - 1)  # variance of all 2 n values
    return {
        "ccc": ratio(2 * both, var_x + var_y + (mean_x - mean_y) ** 2),
        "pearson": np.clip(ratio(both, np.sqrt(var_x * var_y)), -1.0, 1.0),
        "rmse": np.sqrt(apart),
        "alpha": 1 - ratio(apart, np.where(pooled > size, 2 * pooled, 0.0)),
    }


def _alpha_of_labels(a: Int64, b: Int64, classes: int) -> float:
    """Krippendorff's alpha by the library that is named after it; NaN where only one label was ever said."""
    if len({*a.tolist(), *b.tolist()}) < 2:
        return math.nan
    import krippendorff  # noqa: PLC0415 - only whoever compares waits for it

    counts = np.eye(classes, dtype=np.int64)[a] + np.eye(classes, dtype=np.int64)[b]
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _above_rounding(values: Float64) -> Float64:
    return np.where(values > _TINY, values, 0.0)
