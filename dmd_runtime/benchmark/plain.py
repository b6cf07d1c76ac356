"""The published equations of DMD, read plainly: what fast inference is checked against and timed beside.

Written from the paper and from MulT, one modality and one transformer after another, with materialised attention. It
takes parameters by name and shares no code with :mod:`dmd_runtime.model.dmd`, so that a slip in one shows in the other.
It is an ordinary implementation, slow nowhere on purpose: like the published code it makes each transformer's future
mask anew and keeps the table of positions, but the head-averaged attention maps that the published code computes and
throws away are left out.

Li, Wang and Cui, *Decoupled Multimodal Distilling for Emotion Recognition*, CVPR 2023,
https://arxiv.org/abs/2303.13802; Tsai et al., *Multimodal Transformer for Unaligned Multimodal Language Sequences*, ACL
2019, https://arxiv.org/abs/1906.00295.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dmd_runtime.benchmark.plain_stem import PlainStem
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig

L, V, A = MODALITIES
MEMORY_OF = {L: (A, V), V: (L, A), A: (L, V)}
"""Whose crossmodal results stand in the memory of a modality, in the published order."""


@dataclass(frozen=True, kw_only=True)
class PlainOutput:
    """What the published forward pass gives. Edges are (B, 6) in the order of ``EDGES``; logits (B, C)."""

    logits: Tensor
    common_logits: Tensor
    node_logits: Mapping[Graph, Mapping[Modality, Tensor]]
    edges: Mapping[Graph, Tensor]
    reconstructed: Mapping[Modality, Tensor]
    cycle: Mapping[Modality, Tensor]
    common_aligned: Mapping[Modality, Tensor]
    exclusive_aligned: Mapping[Modality, Tensor]


class PlainDMD:
    """DMD from a mapping of parameters.

    Parameters
    ----------
    config : DMDConfig
        Sizes; dropout is not applied.
    parameters : {name: tensor}
        A ``state_dict`` of the model; read, never changed.
    """

    def __init__(self, config: DMDConfig, parameters: Mapping[str, Tensor]) -> None:
        self.config = config
        self.parameters = {name: tensor.detach() for name, tensor in parameters.items()}

    def __call__(
        self, features: Mapping[Modality, Tensor], mask: Mapping[Modality, Tensor] | None = None
    ) -> PlainOutput:
        """Predict from ``features`` {m: (B, T_m, D_m)}.

        ``mask`` {m: bool (B, T_m)}, True where a row is real, is this project's addition; without it, what was
        published.
        """
        features, mask = self._stems(features, mask)
        real = {m: None if mask is None else _steps(mask[m], self.config.kernels[m]) for m in MODALITIES}
        present = None if mask is None else torch.stack([mask[m].any(1) for m in MODALITIES], 1)  # (B, 3)

        # Decoupling, equations 1 to 3: x~ = conv(x), s = E_prt(x~), c = E_com(x~), D([s, c]), E_prt(D([s, c]))
        exclusive, common, reconstructed, cycle = {}, {}, {}, {}
        for m in MODALITIES:
            x = features[m] if mask is None else _keep(features[m], mask[m])
            x = self._conv(f"decoupling.project.{m.value}", x.transpose(1, 2))  # (B, d, T)
            s, c = self._conv(f"decoupling.exclusive.{m.value}", x), self._conv("decoupling.common", x)
            reconstructed[m] = self._conv(f"decoupling.decode.{m.value}", torch.cat([s, c], 1))
            cycle[m] = self._conv(f"decoupling.exclusive.{m.value}", reconstructed[m])
            exclusive[m], common[m] = s.transpose(1, 2), c.transpose(1, 2)  # (B, T, d)
        common_aligned = {
            m: self._linear(f"align_common.{m.value}", common[m].transpose(1, 2).flatten(1)) for m in (L, V, A)
        }
        exclusive_aligned = {m: self._linear(f"align_exclusive.{m.value}", exclusive[m].flatten(1)) for m in (L, V, A)}

        # Homogeneous graph: its vertices, and the common parts fused
        homogeneous = {m: self._head(f"homogeneous.{m.value}", common[m].flatten(1)) for m in MODALITIES}
        attended = [
            _last(self._transformer(f"common_attention.{m.value}", common[m], None, real[m], None), real[m])
            for m in MODALITIES
        ]
        fused_common = torch.cat(attended, 1)  # (B, 3d)

        # Heterogeneous graph: what each modality takes from the others, remembered
        memory = {}
        for m in MODALITIES:
            crossed = [
                self._transformer(f"crossmodal.{m.value}.{s.value}", exclusive[m], exclusive[s], real[m], real[s])
                for s in MEMORY_OF[m]
            ]
            joined = _keep(torch.cat(crossed, 2), real[m])  # (B, T, 2d)
            memory[m] = _last(self._transformer(f"memory.{m.value}", joined, None, real[m], None), real[m])  # (B, 2d)
        heterogeneous = {m: self._head(f"heterogeneous.{m.value}", memory[m]) for m in MODALITIES}

        # Fusion: sigmoids take the place of the features
        gated = [torch.sigmoid(self._linear(f"gate.{m.value}", memory[m])) for m in MODALITIES]
        if present is not None:
            gated = [g * present[:, i, None] for i, g in enumerate(gated)]
        everything = torch.cat([*gated, torch.sigmoid(self._linear("common_gate", fused_common))], 1)  # (B, 9d)

        homo = {m: (logits, hidden) for m, (hidden, _, logits) in homogeneous.items()}
        hetero = {m: (logits, features) for m, (_, features, logits) in heterogeneous.items()}
        if present is not None:  # a vertex that is not there has no opinion
            for nodes in (homo, hetero):
                for i, m in enumerate(MODALITIES):
                    logits, representation = nodes[m]
                    nodes[m] = _keep(logits, present[:, i]), _keep(representation, present[:, i])
        return PlainOutput(
            logits=self._head("fusion", everything)[2],
            common_logits=self._head("common_head", fused_common)[2],
            node_logits={
                Graph.HOMOGENEOUS: {m: homo[m][0] for m in MODALITIES},
                Graph.HETEROGENEOUS: {m: hetero[m][0] for m in MODALITIES},
            },
            edges={
                Graph.HOMOGENEOUS: self._edges(Graph.HOMOGENEOUS, homo, present),
                Graph.HETEROGENEOUS: self._edges(Graph.HETEROGENEOUS, hetero, present),
            },
            reconstructed=reconstructed,
            cycle=cycle,
            common_aligned=common_aligned,
            exclusive_aligned=exclusive_aligned,
        )

    def _stems(
        self, features: Mapping[Modality, Tensor], mask: Mapping[Modality, Tensor] | None
    ) -> tuple[Mapping[Modality, Tensor], Mapping[Modality, Tensor] | None]:
        """Features and mask behind the stems, which the published model has none of."""
        features, mask = dict(features), None if mask is None else dict(mask)
        for m, config in self.config.stems.items():
            name = f"stems.{m.value}."
            own = {key.removeprefix(name): p for key, p in self.parameters.items() if key.startswith(name)}
            features[m], real = PlainStem(config, own)(features[m], None if mask is None else mask[m])
            if mask is not None and real is not None:
                mask[m] = real
        return features, mask

    def _conv(self, name: str, x: Tensor) -> Tensor:
        return F.conv1d(x, self.parameters[f"{name}.weight"])

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def _head(self, name: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden ReLU(W1 x), features x + W2 hidden, and their read-out."""
        hidden = torch.relu(self._linear(f"{name}.narrow", x))
        features = x + self._linear(f"{name}.widen", hidden)
        return hidden, features, self._linear(f"{name}.read_out", features)

    def _edges(self, graph: Graph, nodes: Mapping[Modality, tuple[Tensor, Tensor]], present: Tensor | None) -> Tensor:
        """Softmax over six of W_edge [z_student, z_teacher] / temperature; z = [W_logit logit, W_repr features]."""
        unit = f"graphs.{graph.value}"
        z = {
            m: torch.cat([self._linear(f"{unit}.logit", logits), self._linear(f"{unit}.representation", features)], 1)
            for m, (logits, features) in nodes.items()
        }
        if self.config.edge_form == "interaction":
            return self._interaction(unit, z, present)
        scores = [self._linear(f"{unit}.edge", torch.cat([z[edge.student], z[edge.teacher]], 1)) for edge in EDGES]
        tempered = torch.cat(scores, 1) / self.config.temperature  # (B, 6)
        if present is None:
            return tempered.softmax(1)
        at = {m: present[:, i] for i, m in enumerate(MODALITIES)}
        exists = torch.stack([at[edge.student] & at[edge.teacher] for edge in EDGES], 1)
        weights = torch.where(exists, tempered, -math.inf).softmax(1)
        return torch.where(exists, weights, 0.0)

    def _interaction(self, unit: str, z: Mapping[Modality, Tensor], present: Tensor | None) -> Tensor:
        """The other form: MLP([z_s, z_t, abs(z_s - z_t), z_s z_t]), and each student's teachers by themselves."""
        z = {m: self._norm(f"{unit}.norm", x) for m, x in z.items()}
        scores = {}
        for edge in EDGES:
            s, t = z[edge.student], z[edge.teacher]
            hidden = torch.relu(self._linear(f"{unit}.pair", torch.cat([s, t, (s - t).abs(), s * t], 1)))
            scores[edge] = self._linear(f"{unit}.edge", hidden)[:, 0] / self.config.temperature  # (B,)
        weights = z[L].new_zeros(len(z[L]), len(EDGES))
        for b, sample in enumerate(weights):
            here = [m for i, m in enumerate(MODALITIES) if present is None or present[b, i]]
            for student in here:
                edges = [e for e in EDGES if e.student is student and e.teacher in here]
                total = sum(math.exp(scores[e][b]) for e in edges)
                for e in edges:
                    sample[EDGES.index(e)] = math.exp(scores[e][b]) / total / len(here)
        return weights

    def _transformer(
        self, name: str, target: Tensor, source: Tensor | None, target_real: Tensor | None, source_real: Tensor | None
    ) -> Tensor:
        """``target`` (B, T, d) through all layers; ``source`` (B, S, d) gives keys and values, or the target itself."""
        x = _embed(target, target_real)
        y = None if source is None else _embed(source, source_real)
        keys_real = target_real if source is None else source_real
        mask = _future(x.shape[1], x.shape[1] if y is None else y.shape[1], x.dtype, x.device)  # (T, S)
        if keys_real is not None:
            mask = torch.where(keys_real[:, None, None, :], mask, -math.inf)  # (B, 1, T, S)
        depth = self.config.memory_layers if name.startswith("memory") else self.config.layers
        for i in range(depth):
            layer = f"{name}.layers.{i}"
            query = self._norm(f"{layer}.attention_norm", x)
            key = query if y is None else self._norm(f"{layer}.attention_norm", y)
            x = x + self._attention(f"{layer}.attention", query, key, mask, masked=keys_real is not None)
            hidden = torch.relu(self._linear(f"{layer}.expand", self._norm(f"{layer}.feed_forward_norm", x)))
            x = x + self._linear(f"{layer}.contract", hidden)
        return self._norm(f"{name}.norm", x)

    def _attention(self, name: str, query: Tensor, key: Tensor, mask: Tensor, *, masked: bool) -> Tensor:
        """softmax(Q K^T / sqrt(d_head) + mask) V, all heads in one product, attention weights materialised."""
        weight, bias = self.parameters[f"{name}.in_proj.weight"], self.parameters[f"{name}.in_proj.bias"]
        d, heads = query.shape[-1], self.config.heads
        if query is key:
            q, k, v = F.linear(query, weight, bias).chunk(3, dim=-1)
        else:
            q = F.linear(query, weight[:d], bias[:d])
            k, v = F.linear(key, weight[d:], bias[d:]).chunk(2, dim=-1)
        q = q * (d // heads) ** -0.5
        q, k, v = (t.unflatten(-1, (heads, d // heads)).transpose(1, 2) for t in (q, k, v))  # (B, h, T, d/h)
        scores = torch.matmul(q, k.transpose(-2, -1))  # (B, h, T, S)
        scores += mask
        weights = scores.softmax(-1)
        if masked:
            weights.nan_to_num_(0.0)  # a step that sees nothing takes nothing
        return self._linear(f"{name}.out_proj", torch.matmul(weights, v).transpose(1, 2).flatten(2))


def _embed(x: Tensor, real: Tensor | None) -> Tensor:
    """Sqrt(d) x + positions; without a mask, a step whose first channel is exactly 0 counts as empty."""
    keep = x[..., 0] != 0 if real is None else real
    positions = _positions(x.shape[1], x.shape[2], x.dtype, x.device)
    return math.sqrt(x.shape[2]) * x + positions * keep[..., None]


@lru_cache(maxsize=16)
def _positions(steps: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Row t is [sin((t + 1) w_i), cos((t + 1) w_i)] with w_i = 10000^(-i / (width / 2 - 1)); (T, d)."""
    half = width // 2
    rates = [math.exp(-math.log(10000.0) * i / max(1, half - 1)) for i in range(half)]
    angles = torch.outer(torch.arange(1.0, steps + 1), torch.tensor(rates))
    return torch.cat([angles.sin(), angles.cos()], 1).to(device, dtype)


def _future(steps: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """-inf above the diagonal 1 + |T - S|, 0 elsewhere; (T, S)."""
    everything = torch.full((steps, width), -math.inf, dtype=dtype, device=device)
    return everything.triu(1 + abs(steps - width))


def _steps(mask: Tensor, kernel: int) -> Tensor:
    """Which outputs of the first convolution saw a real row: (B, T_m) -> (B, T_m - k + 1)."""
    return torch.stack([mask[:, i : mask.shape[1] - kernel + 1 + i] for i in range(kernel)]).any(0)


def _keep(x: Tensor, real: Tensor | None) -> Tensor:
    return x if real is None else torch.where(real[..., None], x, 0.0)


def _last(x: Tensor, real: Tensor | None) -> Tensor:
    """The last real step of ``x`` (B, T, d); zeros where there is none."""
    if real is None:
        return x[:, -1]
    rows = []
    for sample, steps in zip(x, real, strict=True):
        where = steps.nonzero()[:, 0]
        rows.append(sample[where[-1]] if len(where) else torch.zeros_like(sample[0]))
    return torch.stack(rows)
