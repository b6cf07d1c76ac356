"""What a model says of whole batches, without gradients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dmd_runtime.messages import Float32
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.training.starter.mixture import Batch

_AT_ONCE = 64


class Said(NamedTuple):
    """Emotion logits: fused (B, C), of the vertices {Graph: {m: (B, C)}}; edges {Graph: (B, 6)}. Both {} for rivals."""

    logits: Float32
    edges: Mapping[Graph, Float32]
    vertices: Mapping[Graph, Mapping[Modality, Float32]]


@torch.inference_mode()
def predict(model: nn.Module, batch: Batch) -> Said:
    """Run ``model`` on a batch of any size."""
    c, outs = batch.emotion.shape[1], []
    for k in range(0, len(batch.emotion), _AT_ONCE):
        part = slice(k, k + _AT_ONCE)
        features, mask = ({m: x[part] for m, x in of.items()} for of in (batch.features, batch.mask))
        outs.append(model(features, mask, absent=[m for m in MODALITIES if not mask[m].any()]))
    graphs = tuple(Graph) if hasattr(outs[0], "edges") else ()
    return Said(
        _joined([o.logits[:, :c] for o in outs]),
        {g: _joined([o.edges[g] for o in outs]) for g in graphs},
        {g: {m: _joined([o.node_logits[g][m][:, :c] for o in outs]) for m in MODALITIES} for g in graphs},
    )


def without(batch: Batch, gone: Collection[Modality]) -> Batch:
    """The same samples with some modalities missing."""
    return replace(batch, mask={m: torch.zeros_like(x) if m in gone else x for m, x in batch.mask.items()})


def exchanged(batch: Batch, features: Mapping[Modality, Tensor]) -> Batch:
    """The same samples with some features exchanged."""
    return replace(batch, features={**batch.features, **features})


def _joined(parts: Any) -> Float32:
    joined: Float32 = torch.cat(parts).numpy()
    return joined
