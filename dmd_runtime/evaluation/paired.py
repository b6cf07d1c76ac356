"""Label-paired triples judged: fused against each modality alone, and what the edges know of their teachers.

``docs/evaluation.md`` defines every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from dmd_runtime.corpora.windows import Windows
from dmd_runtime.evaluation.edges import edge_auc, edge_reaction
from dmd_runtime.evaluation.predictor import Predict, Predictions
from dmd_runtime.evaluation.report import brief
from dmd_runtime.evaluation.triples import Int64, Triples, noise_like, strangers
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Bool
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality

EDGE_FIGURES: Final = ("edge_reaction", "edge_reaction_noise", "edge_auc", "edge_auc_clean", "removed")
_REMOVED = 64  # triples of which a modality is removed: what it teaches then is 0 by construction, or it is not

Judged = tuple[Predictions, Int64]
"""Predictions, and the labels of their triples."""


def judge(
    triples: Triples, predict: Predict, standardizer: Standardizer, rng: np.random.Generator, *, graphs: bool = True
) -> tuple[Predictions, dict[str, Any]]:
    """Predictions on the triples as they are, and the figures that only triples have, as JSON values.

    ``graphs`` False: the checkpoint has none, and all figures of edges are None.
    """
    whole = {m: triples.pick(m) for m in MODALITIES}
    clean = predict(whole)
    alone = {m: predict({m: triples.windows[m]}).take(triples.index[m]) for m in MODALITIES}
    single = {m.value: brief(said.emotion, triples.label) for m, said in alone.items()}
    gain = brief(clean.emotion, triples.label)["accuracy"] - max(of["accuracy"] for of in single.values())
    figures: dict[str, Any] = {"single": single, "gain_points": 100.0 * gain}
    if not graphs:
        return clean, figures | dict.fromkeys(EDGE_FIGURES)
    swapped = {m: predict({**whole, m: triples.pick(m, strangers(triples.label, rng))}) for m in MODALITIES}
    noisy = {m: predict({**whole, m: _noise(whole[m], m, standardizer, rng)}) for m in MODALITIES}
    thirds = [np.arange(k, len(triples), len(MODALITIES)) for k in range(len(MODALITIES))]
    second = [(swapped[m].take(i), triples.label[i]) for m, i in zip(MODALITIES, thirds, strict=True) if len(i)]
    return clean, figures | {
        "edge_reaction": _reactions(clean, swapped),
        "edge_reaction_noise": _reactions(clean, noisy),
        "edge_auc": _aucs([(clean, triples.label), *second]),
        "edge_auc_clean": _aucs([(clean, triples.label)]),
        "removed": _removed(triples.head(_REMOVED), predict),
    }


def teacher_right(said: Predictions, label: Int64, graph: Graph) -> Bool:
    """Of every edge whether its teacher's vertex gives ``label`` int64 (N,) the most: bool (N, 6)."""
    right = {m: p.argmax(axis=1) == label for m, p in said.vertices[graph].items()}
    return np.stack([right[edge.teacher] for edge in EDGES], axis=1)


def _aucs(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Per graph, how well weights tell right teachers from wrong ones, all edges of all samples pooled."""
    return {
        g.value: edge_auc(
            np.concatenate([said.edges[g] for said, _ in judged]),
            np.concatenate([teacher_right(said, label, g) for said, label in judged]),
        )
        for g in Graph
    }


def _reactions(clean: Predictions, corrupted: Mapping[Modality, Predictions]) -> dict[str, dict[str, float]]:
    """Per graph and modality, by what share the edges that it teaches fall when it is corrupted."""
    return {
        g.value: {m.value: edge_reaction(clean.edges[g], said.edges[g], m) for m, said in corrupted.items()}
        for g in Graph
    }


def _removed(triples: Triples, predict: Predict) -> dict[str, float]:
    """Per graph, the largest weight that a missing modality teaches with."""
    found = dict.fromkeys(Graph, 0.0)
    for gone in MODALITIES:
        said = predict({m: triples.pick(m) for m in MODALITIES if m is not gone})
        taught = [edge.teacher is gone for edge in EDGES]
        found = {g: max(most, float(said.edges[g][:, taught].max())) for g, most in found.items()}
    return {g.value: most for g, most in found.items()}


def _noise(
    samples: Sequence[Windows], m: Modality, standardizer: Standardizer, rng: np.random.Generator
) -> list[Windows]:
    return noise_like(samples, standardizer.mean[m], standardizer.scale[m], rng)
