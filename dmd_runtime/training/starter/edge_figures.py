"""What a trained model's edges know of label-paired triples, for comparisons; ``dmd evaluate`` reports it of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from dmd_runtime.evaluation.edges import edge_auc, edge_reaction
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.dmd import DMD
from dmd_runtime.training.starter.mixture import Mixture
from dmd_runtime.training.starter.predictions import exchanged, predict


def edge_figures(model: DMD, mixture: Mixture, count: int, seed: int) -> dict[str, Any]:
    """AUC, fall on a swap and on noise per graph, and what corrupting costs in accuracy."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % mixture.classes
    clean = mixture.triples(count, np.random.default_rng(seed + 1), augment=False, labels=label)
    said = predict(model, clean)
    weights = {g: [said.edges[g]] for g in Graph}
    right = {g: [_right(said, label, g)] for g in Graph}
    found: dict[str, Any] = {"auc": {}, "swap": {g.value: {} for g in Graph}, "noise": {g.value: {} for g in Graph}}
    for k, m in enumerate(MODALITIES):
        strangers = mixture.partners(m, (label + rng.integers(1, mixture.classes, size=count)) % mixture.classes, rng)
        other = mixture.alone(m, strangers, None)
        swapped = replace(
            clean, features={**clean.features, m: other.features[m]}, mask={**clean.mask, m: other.mask[m]}
        )
        noisy = exchanged(clean, {m: torch.randn(clean.features[m].shape) * clean.mask[m][..., None]})
        for name, batch in (("swap", swapped), ("noise", noisy)):
            after = predict(model, batch)
            for g in Graph:
                found[name][g.value][m.value] = edge_reaction(said.edges[g], after.edges[g], m)
            if name == "swap":
                part = slice(k, None, len(MODALITIES))
                for g in Graph:
                    weights[g].append(after.edges[g][part])
                    right[g].append(_right(after, label, g)[part])
    for g in Graph:
        found["auc"][g.value] = edge_auc(np.concatenate(weights[g]), np.concatenate(right[g]))
    return found


def _right(said: Any, label: np.ndarray, graph: Graph) -> np.ndarray:
    """Of every edge, whether its teacher is right: bool (B, 6)."""
    return np.stack([said.vertices[graph][edge.teacher].argmax(axis=1) == label for edge in EDGES], axis=1)
