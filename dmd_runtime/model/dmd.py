"""Decoupled Multimodal Distilling, whole: one forward pass from three modalities to a prediction and both graphs.

Li, Wang and Cui, *Decoupled Multimodal Distilling for Emotion Recognition*, CVPR 2023, https://arxiv.org/abs/2303.13802.
``docs/model.md`` says where this model follows the published code and where it leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.crossmodal import Transformer, last_step
from dmd_runtime.model.decoupling import Decoupled, Decoupling
from dmd_runtime.model.distillation import UNITS, Edges
from dmd_runtime.model.stems import Stems

ByModality = Mapping[Modality, Tensor]

SOURCES: Mapping[Modality, tuple[Modality, Modality]] = {
    Modality.LANGUAGE: (Modality.ACOUSTIC, Modality.VISUAL),
    Modality.VISUAL: (Modality.LANGUAGE, Modality.ACOUSTIC),
    Modality.ACOUSTIC: (Modality.LANGUAGE, Modality.VISUAL),
}
"""In which order the two crossmodal results of one target stand in its memory; weights depend on it."""


class HeadOutput(NamedTuple):
    """What a residual head gives: ``hidden`` (B, h) after its ReLU, ``features`` (B, n), ``logits`` (B, C)."""

    hidden: Tensor
    features: Tensor
    logits: Tensor


class ResidualHead(nn.Module):
    """x + W2 · dropout(ReLU(W1 · x)), then a linear read-out."""

    def __init__(self, width: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.narrow = nn.Linear(width, hidden)
        self.widen = nn.Linear(hidden, width)
        self.read_out = nn.Linear(width, outputs)
        self.dropout = dropout

    def forward(self, x: Tensor, here: Tensor | None = None) -> HeadOutput:
        """Read ``x`` (B, n). Where ``here`` bool (B,) is False there is nobody to have an opinion: all are 0."""
        hidden = F.relu(self.narrow(x))
        features = x + self.widen(F.dropout(hidden, self.dropout, self.training))
        return HeadOutput(_only(hidden, here), _only(features, here), _only(self.read_out(features), here))


@dataclass(frozen=True, kw_only=True)
class DMDOutput:
    """Everything a forward pass computes. B samples, C outputs, d width, T' steps, in eval mode as in training.

    Under a mask, the vertices, edges and memory of a missing modality are 0, and so are the steps of ``decoupled`` that
    have seen no real row. Its ``*_aligned`` are not: a loss must leave them out.

    Attributes
    ----------
    logits : (B, C)
        The fused prediction.
    common_logits : (B, C)
        Of the homogeneous parts together; serves training only.
    node_logits, node_representations : {Graph: {Modality: (B, C)}}, {Graph: {Modality: (B, d or 2d)}}
        The vertices of both graphs.
    graphs : {Graph: Edges}
        Weights and scores of the six edges, (B, 6).
    decoupled : {Modality: Decoupled}
        (B, d, T').
    common_aligned, exclusive_aligned : {Modality: (B, d)}
        Projections for the margin and the cosine terms of the loss.
    memory : {Modality: (B, 2d)}
        Last step of the memory transformers.
    """

    logits: Tensor
    common_logits: Tensor
    node_logits: Mapping[Graph, ByModality]
    node_representations: Mapping[Graph, ByModality]
    graphs: Mapping[Graph, Edges]
    decoupled: Mapping[Modality, Decoupled]
    common_aligned: ByModality
    exclusive_aligned: ByModality
    memory: ByModality

    @property
    def edges(self) -> dict[Graph, Tensor]:
        """Edge weights of both graphs, (B, 6) in the order of ``EDGES``."""
        return {graph: edges.weights for graph, edges in self.graphs.items()}


class DMD(nn.Module):
    """The model with both graph-distillation units.

    With a mask it reads left-padded windows in which any modality may be missing; without one it computes what the
    published code does (*reference mode*), padding included.
    """

    def __init__(self, config: DMDConfig) -> None:
        super().__init__()
        self.config = config
        d, c, drop, steps = config.width, config.outputs, config.dropout, config.steps
        longest = max(steps.values())

        def transformer(width: int, layers: int, source: Modality | None) -> Transformer:
            attention = drop.attention[source or Modality.LANGUAGE]
            return Transformer(
                width, config.heads, layers, longest, dropout=attention, embedding_dropout=drop.embedding
            )

        self.decoupling = Decoupling(config)
        flat = {m: d * steps[m] for m in MODALITIES}
        self.align_common = _each(lambda m: nn.Linear(flat[m], d))
        self.align_exclusive = _each(lambda m: nn.Linear(flat[m], d))
        self.homogeneous = _each(lambda m: ResidualHead(flat[m], d, c, drop.output))
        self.common_attention = _each(lambda m: transformer(d, config.layers, m))
        self.common_head = ResidualHead(3 * d, 3 * d, c, drop.output)
        self.crossmodal = _each(
            lambda target: nn.ModuleDict({s.value: transformer(d, config.layers, s) for s in SOURCES[target]})
        )
        self.memory = _each(lambda _: transformer(2 * d, config.memory_layers, None))
        self.heterogeneous = _each(lambda _: ResidualHead(2 * d, 2 * d, c, drop.output))
        self.gate = _each(lambda _: nn.Linear(2 * d, 2 * d))
        self.common_gate = nn.Linear(3 * d, 3 * d)
        self.fusion = ResidualHead(9 * d, 9 * d, c, drop.output)
        unit = UNITS[config.edge_form]
        self.graphs = nn.ModuleDict(
            {
                graph.value: unit(c, width, config.graph_width[graph], config.temperature)
                for graph, width in ((Graph.HOMOGENEOUS, d), (Graph.HETEROGENEOUS, 2 * d))
            }
        )
        self.stems = Stems(config)

    def forward(
        self, features: ByModality, mask: ByModality | None = None, *, absent: Collection[Modality] = ()
    ) -> DMDOutput:
        """Predict from ``features`` {m: (B, T_m, D_m)}; ``mask`` {m: bool (B, T_m)} is True where a row is real.

        ``absent`` are modalities that no sample of the batch has, by its mask: the same numbers, sooner.
        """
        features, mask = self.stems(features, mask)
        rows: Mapping[Modality, Tensor | None] = mask or dict.fromkeys(MODALITIES)
        real = {m: self.decoupling.steps(m, rows[m]) for m in MODALITIES}  # (B, T')
        here = {m: None if r is None else r.any(dim=1) for m, r in real.items()}  # (B,)
        parts = {m: self.decoupling(m, features[m], rows[m]) for m in MODALITIES}  # each (B, d, T')
        common = {m: parts[m].common.transpose(1, 2) for m in MODALITIES}  # (B, T', d)
        exclusive = {m: parts[m].exclusive.transpose(1, 2) for m in MODALITIES}

        homogeneous = {m: self.homogeneous[m.value](common[m].flatten(1), here[m]) for m in MODALITIES}
        nobody = common[MODALITIES[0]].new_zeros(len(common[MODALITIES[0]]), self.config.width)  # (B, d)
        shared = [nobody if m in absent else self._attend_common(m, common[m], real[m]) for m in MODALITIES]
        fused_common = torch.cat(shared, dim=1)  # (B, 3d)

        memory = {  # (B, 2d)
            m: nobody.repeat(1, 2) if m in absent else self._remember(m, exclusive, real) for m in MODALITIES
        }
        heterogeneous = {m: self.heterogeneous[m.value](memory[m], here[m]) for m in MODALITIES}
        gated = [_only(torch.sigmoid(self.gate[m.value](memory[m])), here[m]) for m in MODALITIES]
        fused = self.fusion(torch.cat([*gated, torch.sigmoid(self.common_gate(fused_common))], dim=1))  # (B, 9d)

        logits = {
            Graph.HOMOGENEOUS: {m: homogeneous[m].logits for m in MODALITIES},
            Graph.HETEROGENEOUS: {m: heterogeneous[m].logits for m in MODALITIES},
        }
        representations = {
            Graph.HOMOGENEOUS: {m: homogeneous[m].hidden for m in MODALITIES},
            Graph.HETEROGENEOUS: {m: heterogeneous[m].features for m in MODALITIES},
        }
        present = None if mask is None else torch.stack([mask[m].any(dim=1) for m in MODALITIES], dim=1)  # (B, 3)
        return DMDOutput(
            logits=fused.logits,
            common_logits=self.common_head(fused_common).logits,
            node_logits=logits,
            node_representations=representations,
            graphs={g: self.graphs[g.value](logits[g], representations[g], present) for g in Graph},
            decoupled=parts,
            # As in the reference, the first flattens (d, T'), and like the homogeneous vertices the second (T', d).
            common_aligned={m: self.align_common[m.value](parts[m].common.flatten(1)) for m in MODALITIES},
            exclusive_aligned={m: self.align_exclusive[m.value](exclusive[m].flatten(1)) for m in MODALITIES},
            memory=memory,
        )

    def _attend_common(self, m: Modality, common: Tensor, real: Tensor | None) -> Tensor:
        return last_step(self.common_attention[m.value](common, target_real=real), real)  # (B, d)

    def _remember(self, m: Modality, exclusive: ByModality, real: Mapping[Modality, Tensor | None]) -> Tensor:
        """What modality ``m`` takes from the two others, and then from itself: (B, 2d)."""
        from_source: Any = self.crossmodal[m.value]  # typed as a bare Module
        crossed = [
            from_source[s.value](exclusive[m], exclusive[s], target_real=real[m], source_real=real[s])
            for s in SOURCES[m]
        ]  # two of (B, T', d)
        joined = _only(torch.cat(crossed, dim=2), real[m])  # (B, T', 2d)
        return last_step(self.memory[m.value](joined, target_real=real[m]), real[m])


def _each(make: Callable[[Modality], nn.Module]) -> nn.ModuleDict:
    """One module per modality."""
    return nn.ModuleDict({m.value: make(m) for m in MODALITIES})


def _only(x: Tensor, real: Tensor | None) -> Tensor:
    """``x`` (..., d) with zeros where ``real`` (...) is False."""
    return x if real is None else x * real[..., None]
