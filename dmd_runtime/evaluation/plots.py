"""Pictures of a training run and of an evaluation, as PNG or SVG by the file's ending.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any colour vision tell apart;
lines that share one differ in their dashes as well. Nothing here touches pyplot's state, so any thread may draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import SourceError
from dmd_runtime.evaluation.calibration import reliability
from dmd_runtime.evaluation.emotion_metrics import Floats, Int64, ratio
from dmd_runtime.messages import Float64
from dmd_runtime.modality import EDGES, UNIFORM, Edge, Graph, Modality

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, float]

TEACHER: Final = {Modality.LANGUAGE: "#0072B2", Modality.VISUAL: "#D55E00", Modality.ACOUSTIC: "#009E73"}
_LINES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: Final = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)))  # per turn through the colours
_SPACE: Final = {Graph.HOMOGENEOUS: "shared space", Graph.HETEROGENEOUS: "own spaces"}
_INK, _FAINT = "#2A313A", "#B8C0C9"
_DPI = 160


def losses(rows: Sequence[Row], file: Path, *, best_epoch: int | None = None, title: str = "Losses") -> None:
    """Training terms on a logarithmic scale, and the validation loss beside them, per epoch.

    Parameters
    ----------
    rows : sequence of Row
        A run's log: ``epoch``, ``train NAME`` and ``valid loss``, as in ``log.csv``. Terms that are 0 throughout are
        left out.
    file : Path
        Written; its folder must be there.
    best_epoch : int, optional
        Marked.

    Raises
    ------
    SourceError
        There is no row, or no column of a loss in them.
    """
    epochs = _epochs(rows)
    train = {name.removeprefix("train "): _column(rows, name) for name in rows[0] if name.startswith("train ")}
    train = {name: values for name, values in train.items() if np.nanmax(np.abs(values), initial=0.0) > 0}
    valid = {name: _column(rows, name) for name in ("valid loss",) if name in rows[0]}
    if not train and not valid:
        raise SourceError(f"plot: expected columns of losses ('train …', 'valid loss'), got {', '.join(rows[0])[:200]}")
    figure, (left, right) = _figure(10, 4.2, columns=2, title=f"{title} (n = {len(rows)} epochs)")
    for i, (name, values) in enumerate(train.items()):
        positive = np.where(values > 0, values, np.nan)
        colour, dash = _LINES[i % len(_LINES)], _DASHES[i // len(_LINES) % len(_DASHES)]
        wide = 2.6 if name == "total" else 1.6
        left.plot(epochs, positive, color=colour, linestyle=dash, linewidth=wide, label=name, **_mark(epochs))
    left.set(yscale="log", ylabel="training loss")
    left.yaxis.set_major_formatter(lambda x, _: f"{x:g}")
    if train:
        left.legend(fontsize=8, ncols=1 + len(train) // 9, loc="best")
    both = {**{f"train {name}": train[name] for name in ("task",) if name in train}, **valid}
    for (name, values), colour in zip(both.items(), (_LINES[0], _LINES[1]), strict=False):
        right.plot(epochs, values, color=colour, linewidth=2, label=name, **_mark(epochs))
    right.set(ylabel="task loss")
    if best_epoch is not None:
        right.axvline(best_epoch, color=_INK, linewidth=1, linestyle=":", label=f"best epoch ({best_epoch})")
    right.legend(fontsize=8)
    for axes in (left, right):
        _by_epoch(axes, epochs)
    _save(figure, file)


def edges_by_epoch(
    rows: Sequence[Row],
    file: Path,
    *,
    prior: Mapping[Graph, Mapping[Edge, float]] | None = None,
    title: str = "Distillation edges",
) -> None:
    """Six lines for each graph: mean weights relative to the uniform 1/6, as in the paper's figure of edges.

    Colour says who teaches, dashes tell a teacher's two students apart.

    Parameters
    ----------
    rows : sequence of Row
        A run's log: ``epoch`` and ``homo L>V`` and so on, as in ``log.csv``.
    prior : {Graph: {Edge: weight}}, optional
        Weights that the edges are pulled to: grey dashed lines.

    Raises
    ------
    SourceError
        There is no row, or an edge is not in them.
    """
    epochs = _epochs(rows)
    lacking = [f"{g.value} {edge}" for g in Graph for edge in EDGES if f"{g.value} {edge}" not in rows[0]]
    if lacking:
        raise SourceError(f"plot: expected a column for every edge, {', '.join(lacking)} are not in the log")
    figure, axes = _figure(10, 4.4, columns=2, title=f"{title} (n = {len(rows)} epochs)", sharey=True)
    for one, graph in zip(axes, Graph, strict=True):
        one.axhline(1.0, color=_INK, linewidth=0.9, zorder=1, label="uniform")
        for i, weight in enumerate(sorted(set((prior or {}).get(graph, {}).values()))):
            label = "_" if i else "prior"  # once in the legend
            one.axhline(weight / UNIFORM, color=_FAINT, linewidth=1.4, linestyle="--", zorder=1, label=label)
        seen: list[Modality] = []
        for edge in sorted(EDGES, key=lambda e: list(Modality).index(e.teacher)):
            values = _column(rows, f"{graph.value} {edge}") / UNIFORM
            dash = _DASHES[seen.count(edge.teacher)]
            seen.append(edge.teacher)
            label = str(edge).replace(">", " → ")
            one.plot(
                epochs, values, color=TEACHER[edge.teacher], linestyle=dash, linewidth=2, label=label, **_mark(epochs)
            )
        one.set_title(f"{graph.name.capitalize()} graph ({_SPACE[graph]})", fontsize=10)
        _by_epoch(one, epochs)
    axes[0].set_ylabel("mean weight ÷ (1/6)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", title="teacher → student", fontsize=9, title_fontsize=9)
    _save(figure, file)


def confusion_matrix(matrix: npt.NDArray[Any], names: Sequence[str], file: Path, *, title: str = "Confusion") -> None:
    """Recall by class as a map, counts below it; rows true, columns predicted.

    Parameters
    ----------
    matrix : int (C, C)
    names : C str
    """
    counts = np.asarray(matrix)
    share = np.nan_to_num(ratio(counts, counts.sum(axis=1, keepdims=True)))
    size = 2.6 + 0.72 * len(names)
    figure, (axes,) = _figure(size + 1.4, size, title=f"{title} (n = {int(counts.sum()):,})", layout="compressed")
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(share):
        ink = "white" if value > 0.55 else _INK
        axes.text(j, i - 0.1, f"{100 * value:.0f}", ha="center", va="center", color=ink, fontsize=10)
        axes.text(j, i + 0.24, f"{counts[i, j]:,}", ha="center", va="center", color=ink, fontsize=6.5, alpha=0.85)
    places = np.arange(len(names))
    axes.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, [f"{name}\n{n:,}" for name, n in zip(names, counts.sum(axis=1), strict=True)])
    axes.set(xlabel="predicted", ylabel="true (samples)")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=lambda x, _: f"{100 * x:.0f}")
    bar.set_label("% of the true class")
    bar.outline.set_visible(False)
    _save(figure, file)


def reliability_diagram(
    probabilities: Floats,
    label: Int64,
    file: Path,
    *,
    equal_mass: bool = False,
    title: str = "Calibration",
) -> None:
    """How often the most probable label is right by how probable it was said to be, and how often each occurs.

    Parameters
    ----------
    probabilities : float (N, C)
    label : int (N,)
    equal_mass : bool
        Bins of equally many samples instead of equal width.
    """
    found = reliability(probabilities, label, equal_mass=equal_mass)
    there = found.count > 0
    x, y, count = found.confidence[there], found.accuracy[there], found.count[there]
    spread = 1.96 * np.sqrt(y * (1 - y) / count)
    figure, (top, bottom) = _figure(
        5.2, 6, rows=2, title=f"{title} (n = {len(label):,})", sharex=True, height_ratios=[3.4, 1]
    )
    top.plot([0, 1], [0, 1], color=_FAINT, linestyle="--", linewidth=1.4, label="perfectly calibrated")
    top.vlines(x, np.minimum(x, y), np.maximum(x, y), color=_LINES[1], linewidth=5, alpha=0.3, label="gap")
    top.errorbar(x, y, yerr=spread, color=_LINES[0], marker="o", linewidth=1.8, capsize=2.5, label="model (95 %)")
    top.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02), aspect="auto")
    top.text(0.97, 0.05, f"ECE {found.error:.3f}", ha="right", fontsize=11, color=_INK, transform=top.transAxes)
    top.legend(loc="upper left", fontsize=9)
    edges = np.linspace(0, 1, len(found.count) + 1)
    shares = np.histogram(probabilities.max(axis=1, initial=0.0), bins=edges)[0] / max(len(label), 1)
    bottom.bar(edges[:-1], 100 * shares, width=np.diff(edges), align="edge", color=_LINES[0], edgecolor="white")
    bottom.set(xlabel="probability of the most probable label", ylabel="% of samples")
    _save(figure, file)


def _figure(
    width: float,
    height: float,
    *,
    title: str,
    rows: int = 1,
    columns: int = 1,
    layout: Literal["constrained", "compressed"] = "constrained",
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with axes in one row or column, without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12, fontweight="bold", color=_INK)
    found = list(np.atleast_1d(np.asarray(figure.subplots(rows, columns, **options))).ravel())
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_FAINT)
        axes.grid(color="#E6EAEE", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, labelsize=9)
    return figure, found


def _by_epoch(axes: Axes, epochs: Float64) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)


def _mark(epochs: Float64) -> dict[str, Any]:
    """Points on a short line: one epoch alone would show nothing."""
    return {"marker": "o", "markersize": 3.5} if len(epochs) <= 12 else {}


def _epochs(rows: Sequence[Row]) -> Float64:
    if not rows:
        raise SourceError("plot: expected the log of at least one epoch, got none")
    return _column(rows, "epoch") if "epoch" in rows[0] else np.arange(1.0, len(rows) + 1)


def _column(rows: Iterable[Row], name: str) -> Float64:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=_DPI)
