"""What a graph view shows: the edges of one distillation graph in the last reading, and where they have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isnan
from typing import Final

import numpy as np
from PySide6.QtCore import QObject, Signal

from desktop.models.ring import Rows, TimeRing
from desktop.models.words import (
    edge_words,
    graph_words,
    modality_word,
    present,
    span_text,
    trust_words,
    uniform_words,
)
from dmd_runtime import EDGES, MODALITIES, UNIFORM, Edge, Graph, Modality, Reading

NEAR_UNIFORM: Final = 0.02
"""Where every weight is this close to uniform, two decimals would make all of them look alike."""
_READINGS_PER_SECOND: Final = 10


def decimals_for(weights: Sequence[float]) -> int:
    """3 where all weights of a graph are within :data:`NEAR_UNIFORM` of uniform, else 2; a NaN is a missing edge."""
    known = [w for w in weights if not isnan(w)]
    return 3 if known and all(abs(w - UNIFORM) <= NEAR_UNIFORM for w in known) else 2


class GraphModel(QObject):
    """The weights of one graph, as the model gave them. Lives on the GUI thread.

    Nothing here is smoothed or scaled: ``edges`` are the tensor of the window that ``index`` and ``span`` name.

    Attributes
    ----------
    graph : which of the two.
    reading : the last one taken, or None.
    edges : {Edge: weight}, or None where there is no graph; ``reason`` says why.
    prior : {Edge: weight} that the checkpoint pulls this graph to, or None.
    coverage : {Modality: share in [0, 1]}.
    present : the modalities that took part.

    Signals
    -------
    changed : after every :meth:`take` and :meth:`reset`.
    """

    changed = Signal()

    def __init__(self, graph: Graph, *, seconds: float = 60.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.graph = graph
        self.reading: Reading | None = None
        self.edges: Mapping[Edge, float] | None = None
        self.prior: Mapping[Edge, float] | None = None
        self.coverage: Mapping[Modality, float] = dict.fromkeys(MODALITIES, 0.0)
        self.present: frozenset[Modality] = frozenset()
        self._seconds = seconds
        self._history = TimeRing(ceil(seconds * _READINGS_PER_SECOND), len(EDGES))

    def take(self, reading: Reading) -> None:
        """Show the graph of ``reading``."""
        self.reading = reading
        edges = reading.edges[self.graph]
        self.edges = None if edges is None else {edge: edges[edge] for edge in EDGES}
        self.prior = None if reading.prior is None else reading.prior.get(self.graph)
        self.coverage = {m: reading.coverage[m] for m in MODALITIES}
        self.present = present(reading, self.graph)
        row = [np.nan if self.edges is None or self.missing(e) else self.edges[e] for e in EDGES]
        self._history.append(reading.span.end, row)
        self._history.forget(reading.span.end - self._seconds)
        self.changed.emit()

    def reset(self) -> None:
        """Forget everything: a session starts or another source is shown."""
        self.reading = self.edges = self.prior = None
        self.coverage = dict.fromkeys(MODALITIES, 0.0)
        self.present = frozenset()
        self._history.clear()
        self.changed.emit()

    @property
    def index(self) -> int | None:
        """The number of the window that ``edges`` belong to."""
        return None if self.reading is None else self.reading.index

    @property
    def span(self) -> tuple[float, float] | None:
        """The window that ``edges`` belong to, (start, end) in seconds of session time."""
        return None if self.reading is None else self.reading.span

    @property
    def seconds(self) -> float:
        """How far :meth:`history` goes back."""
        return self._seconds

    @property
    def reason(self) -> str:
        """Why there is no graph; empty where there is one."""
        if self.reading is None:
            return self.tr("no reading yet")
        if self.edges is not None:
            return ""
        if len(self.present) < 2:
            return self.tr("fewer than two modalities")
        return self.tr("no distillation graph in this checkpoint")

    @property
    def missing_besides(self) -> str:
        """What the reading had to do without, apart from :attr:`reason`; empty where that is all."""
        said = "" if self.reading is None else self.reading.reason
        return said.removesuffix(self.reason).removesuffix(", ")

    @property
    def decimals(self) -> int:
        """Decimals of the numbers, see :func:`decimals_for`."""
        return decimals_for([] if self.edges is None else [w for e, w in self.edges.items() if not self.missing(e)])

    def missing(self, edge: Edge) -> bool:
        """Whether an end of ``edge`` did not take part, so that its weight says nothing."""
        return edge.teacher not in self.present or edge.student not in self.present

    def number(self, edge: Edge) -> str:
        """The weight as it is written beside the arrow; empty where there is no graph."""
        return "" if self.edges is None else f"{self.edges[edge]:.{self.decimals}f}"

    def history(self, edge: Edge) -> tuple[Rows, Rows]:
        """Times (n,) and weights (n,) of ``edge`` over the last :attr:`seconds`; NaN where the edge was missing."""
        rows = self._history.rows
        return rows[:, 0], rows[:, 1 + EDGES.index(edge)]

    def describe(self, edge: Edge) -> str:
        """``language teaches vision: 0.27, uniform 0.17 (window 12.0–16.0 s)``; what is missing says why."""
        if self.edges is None or self.span is None:
            return self.tr("{edge}: no graph, {reason}").format(edge=edge_words(edge), reason=self.reason)
        return self.tr("{edge}: {weight}, {about} (window {span})").format(
            edge=edge_words(edge), weight=self.number(edge), about=self.about(edge), span=span_text(self.span)
        )

    def hint(self, edge: Edge) -> str:
        """:meth:`describe`, then how large the weight is beside uniform, and what it means; one line each."""
        said = self.describe(edge)
        if self.edges is None or self.missing(edge):
            return said
        times = self.tr("{times:.1f} times uniform").format(times=self.edges[edge] / UNIFORM)
        if len(self.present) == 2:
            times = self.tr("{times}, with no other teacher here").format(times=times)
        return "\n".join((said, f"{times}.", trust_words(edge)))

    def about(self, edge: Edge) -> str:
        """What stands beside a weight: ``uniform 0.17``, ``uniform 0.17, prior 0.48`` or who is missing and why."""
        gone = [m for m in (edge.teacher, edge.student) if m not in self.present]
        if gone:
            names = self.tr(" and ").join(modality_word(m) for m in gone)
            why = self.reading.reason if self.reading is not None else ""
            text = self.tr("{names} missing: {why}") if why else self.tr("{names} missing")
            return text.format(names=names, why=why)
        if self.prior is None:
            return uniform_words()
        return self.tr("{uniform}, prior {prior:.2f}").format(uniform=uniform_words(), prior=self.prior[edge])

    def summary(self) -> str:
        """The whole graph in words, for who does not see it: every edge with its weight, and every coverage."""
        name = graph_words(self.graph)
        if self.edges is None or self.span is None:
            return self.tr("{graph}: no graph, {reason}").format(graph=name, reason=self.reason)
        edges = "; ".join(f"{edge_words(e)} {self._weight(e)}" for e in EDGES)
        shares = ", ".join(f"{modality_word(m)} {share:.2f}" for m, share in self.coverage.items())
        return self.tr("{graph}, window {span}. {edges}. {uniform}. Coverage: {shares}.").format(
            graph=name, span=span_text(self.span), edges=edges, uniform=uniform_words(), shares=shares
        )

    def _weight(self, edge: Edge) -> str:
        return f"{self.number(edge)} ({self.about(edge)})" if self.missing(edge) else self.number(edge)
