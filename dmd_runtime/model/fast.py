"""DMD for inference: the numbers of :class:`~dmd_runtime.model.dmd.DMD` within 1e-5, in a fraction of its time.

What only training needs is left out (reconstruction, cycle, aligned projections, the head of the common parts), and the
rest is the same equations in fewer and larger products: ``fast_group`` follows the paper from features to vertices,
``fast_transformer`` runs transformers of equal shape as one, ``fast_attention`` skips the future, ``fast_readout``
folds heads and graph units together; stems and units of the form "interaction" run as they are.
``docs/performance.md`` has the figures and what did not pay.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.fast_affine import Affine, Stacked, as_rows, frozen_copy
from dmd_runtime.model.fast_group import ByModality, TargetGroup
from dmd_runtime.model.fast_readout import FrozenHead, edge_ends, edge_reader, vertices

_log = logging.getLogger(__name__)

TRACE_TOLERANCE = 1e-5
"""A trace whose numbers differ by more is not used."""

Tensors: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class FastOutput:
    """What a reading needs: ``logits`` (B, C), ``node_logits`` {Graph: {m: (B, C)}}, ``edges`` {Graph: (B, 6)}."""

    logits: Tensor
    node_logits: Mapping[Graph, ByModality]
    edges: Mapping[Graph, Tensor]


class FastDMD:
    """A frozen copy of a model's weights, and its forward pass without gradients.

    Later changes of the module do not reach it. It lives in the dtype and on the device that the model has at
    construction, and serves one calling thread. The first call of each kind (batch size, with or without mask) records
    a trace of the operations, which takes up to seconds; later ones replay it.

    Parameters
    ----------
    model : DMD
    trace : bool
        False: run every operation from Python, to debug or for a handful of calls.
    """

    def __init__(self, model: DMD, *, trace: bool = True) -> None:
        config = model.config
        parts: Any = model  # what an nn.ModuleDict holds is typed as a bare Module
        self._config = config
        self._trace = trace
        self._runs: dict[tuple[int, bool], Callable[..., Tensors]] = {}
        aligned = len(set(config.steps.values())) == 1
        self._groups = [
            TargetGroup(model, targets) for targets in ([MODALITIES] if aligned else [(m,) for m in MODALITIES])
        ]
        heads, graph = [parts.heterogeneous[m.value] for m in MODALITIES], parts.graphs[Graph.HETEROGENEOUS.value]
        self._heterogeneous = vertices(heads, graph, representation_is_hidden=False)
        self._like = model.fusion.narrow.weight.detach().new_empty(0)
        self._gate = Stacked.of([Affine.of(parts.gate[m.value]) for m in MODALITIES], self._like)
        self._common_gate = Stacked.of([Affine.of(model.common_gate)], self._like)
        self._ends = edge_ends(self._like)
        self._edges = {g: edge_reader(parts.graphs[g.value], config.outputs, self._ends) for g in Graph}
        self._stems = frozen_copy(model.stems)
        self._fusion = FrozenHead([model.fusion], [(Affine.of(model.fusion.read_out), 0.0)])

    @torch.no_grad()
    def __call__(self, features: ByModality, mask: ByModality | None = None) -> FastOutput:
        """Predict from ``features`` {m: (B, T_m, D_m)}; ``mask`` {m: bool (B, T_m)} is True where a row is real.

        Without a mask it computes what the published code does, padding included.
        """
        inputs = [features[m] for m in MODALITIES] + ([] if mask is None else [mask[m] for m in MODALITIES])
        kind = (inputs[0].shape[0], mask is not None)
        run = self._runs.get(kind)
        if run is None:
            run = self._runs[kind] = self._traced(inputs) if self._trace else self._forward
        logits, homogeneous, heterogeneous, homogeneous_edges, heterogeneous_edges = run(*inputs)
        vertices = {Graph.HOMOGENEOUS: homogeneous, Graph.HETEROGENEOUS: heterogeneous}
        c = self._config.outputs
        return FastOutput(
            logits,
            {graph: {m: v[i, :, :c] for i, m in enumerate(MODALITIES)} for graph, v in vertices.items()},
            {Graph.HOMOGENEOUS: homogeneous_edges, Graph.HETEROGENEOUS: heterogeneous_edges},
        )

    def prepare(self, *, batch: int = 1, masked: bool = True) -> None:
        """Make the trace for calls of this kind now rather than in the first of them."""
        sizes = {m: (batch, self._config.lengths[m]) for m in MODALITIES}
        features = {m: self._like.new_zeros(*sizes[m], self._config.dims[m]) for m in MODALITIES}
        mask = {m: torch.ones(sizes[m], dtype=torch.bool, device=self._like.device) for m in MODALITIES}
        for _ in range(3):  # the first replays of a trace still optimise it
            self(features, mask if masked else None)

    def _forward(self, *inputs: Tensor) -> Tensors:
        """Three features, three masks or none -> logits (B, C), vertices twice (3, B, C + .), edges twice (B, 6)."""
        given = dict(zip(MODALITIES, inputs[:3], strict=True))
        features, mask = self._stems(given, dict(zip(MODALITIES, inputs[3:], strict=True)) if inputs[3:] else None)
        batch = int(inputs[0].shape[0])  # a constant of the trace
        steps, present, exists = None, None, None
        if mask is not None:
            kernels = self._config.kernels
            features = {m: x.masked_fill(~mask[m][..., None], 0.0) for m, x in features.items()}
            steps = {m: mask[m].unfold(1, kernels[m], 1).any(dim=-1) for m in MODALITIES}  # (B, T)
            present = torch.stack([mask[m].any(dim=1) for m in MODALITIES])  # (3, B)
            exists = present.T.to(self._ends.dtype).repeat_interleave(2, dim=1) @ self._ends > 1.5  # both ends, (B, 6)

        parts = [group.decouple(features, steps, batch) for group in self._groups]
        exclusive = dict(zip(MODALITIES, (s for part in parts for s in part.exclusive), strict=True))
        pairs = list(zip(self._groups, parts, strict=True))
        memory = _together([g.remember(p.exclusive, exclusive, steps, batch) for g, p in pairs])  # (3, 2d, B)
        shared = _together([g.attend_common(p.common, steps, batch) for g, p in pairs])  # (3, d, B)
        homogeneous = _together([p.vertices for p in parts])  # (3, B, C + .)
        heterogeneous = self._heterogeneous(as_rows(memory))

        gated = self._gate(memory).sigmoid_()  # (3, 2d, B)
        if present is not None:
            gated *= present[:, None]
            homogeneous, heterogeneous = homogeneous * present[..., None], heterogeneous * present[..., None]
        common = self._common_gate(shared.flatten(0, 1)[None]).sigmoid_()[0]  # (3d, B)
        fused = self._fusion(as_rows(torch.cat([gated.flatten(0, 1), common])[None]))[0]  # (9d, B) -> (B, C)
        return (
            fused,
            homogeneous,
            heterogeneous,
            self._edges[Graph.HOMOGENEOUS](homogeneous, exists),
            self._edges[Graph.HETEROGENEOUS](heterogeneous, exists),
        )

    def _traced(self, inputs: Sequence[Tensor]) -> Callable[..., Tensors]:
        """The forward pass as a frozen trace; itself where tracing fails or gives other numbers."""
        try:
            # Tracing is deprecated in favour of torch.compile, which needs a C++ compiler on the user's machine.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = _Module(self._forward).eval()
                trace = torch.jit.trace(module, tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]
                traced = torch.jit.freeze(trace)
            pairs = zip(self._forward(*inputs), traced(*inputs), strict=True)
            same = all(torch.allclose(a, b, rtol=0, atol=TRACE_TOLERANCE, equal_nan=True) for a, b in pairs)
        except (RuntimeError, AttributeError, TypeError) as error:
            _log.warning("inference runs untraced, which is slower: %s", error)
            return self._forward
        if not same:
            _log.warning("inference runs untraced, which is slower: the trace gives other numbers")
            return self._forward
        return traced  # type: ignore[no-any-return]


class _Module(nn.Module):
    """Something that can be traced."""

    def __init__(self, run: Callable[..., Tensors]) -> None:
        super().__init__()
        self._run = run

    def forward(self, *inputs: Tensor) -> Tensors:
        """Run it."""
        return self._run(*inputs)


def _together(parts: Sequence[Tensor]) -> Tensor:
    """Per-group results (G, ...) as (3, ...), L, V, A."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
