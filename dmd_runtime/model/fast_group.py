"""One group of modalities in the fast forward pass, from features to memories, in the paper's order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.dmd import DMD, SOURCES
from dmd_runtime.model.fast_affine import Affine, exact, padded, placed
from dmd_runtime.model.fast_attention import Sight
from dmd_runtime.model.fast_readout import vertices
from dmd_runtime.model.fast_transformer import CrossStack, SelfStack

ByModality = Mapping[Modality, Tensor]


class Decoupled(NamedTuple):
    """Of G modalities: ``exclusive`` and ``common`` parts, embedded (G, d, B * rows); ``vertices`` (G, B, C + .)."""

    exclusive: Tensor
    common: Tensor
    vertices: Tensor


class TargetGroup:
    """G modalities with equally many steps: all three together where inputs are aligned, else one.

    They are carried as (G, d, B * rows), where rows are the steps padded with zeros at the end: no step looks that far.
    """

    def __init__(self, model: DMD, targets: Sequence[Modality]) -> None:
        config = model.config
        parts: Any = model  # what an nn.ModuleDict holds is typed as a bare Module
        d, heads = config.width, config.heads
        self.targets, self.width, self.steps = tuple(targets), d, config.steps[targets[0]]
        self.rows = padded(self.steps)
        self.kernels = {m: config.kernels[m] for m in targets}
        like = model.common_gate.weight

        # (d, D, k) -> (D, k d): all taps of the convolution in one product, whose results are then added diagonally
        project = {m: parts.decoupling.project[m.value].weight.detach() for m in targets}
        self.project = {m: w.permute(1, 2, 0).flatten(1).clone() for m, w in project.items()}
        split = [*(parts.decoupling.exclusive[m.value] for m in targets), *[parts.decoupling.common] * len(targets)]
        root = math.sqrt(d)  # the transformers' scale
        self.split = placed(torch.stack([Affine.of(conv).weight * root for conv in split]), like)  # (2G, d, d)
        self.positions = _positions(parts.common_attention[targets[0].value].positions.table, self.rows, like)
        self.memory_positions = _positions(parts.memory[targets[0].value].positions.table, self.rows, like)

        def arrange(weight: Tensor) -> Tensor:
            """From (n, T * d) for common parts to (n, d * rows) for embedded ones."""
            by_channel = weight.view(-1, self.steps, d).transpose(1, 2) / root
            return F.pad(by_channel, (0, self.rows - self.steps)).flatten(1)

        homogeneous = [parts.homogeneous[m.value] for m in targets]
        graph = parts.graphs[Graph.HOMOGENEOUS.value]
        self.homogeneous = vertices(homogeneous, graph, arrange, representation_is_hidden=True)
        self.common = SelfStack([parts.common_attention[m.value] for m in targets], heads, self.steps)
        self.memory = SelfStack([parts.memory[m.value] for m in targets], heads, self.steps)
        pairs = [(m, s) for m in targets for s in SOURCES[m]]
        aligned = len(targets) == len(MODALITIES)
        bundles = [pairs] if aligned else [[pair] for pair in pairs]
        self.sources = [[s for _, s in bundle] for bundle in bundles]
        self.sights = [Sight(self.steps, config.steps[sources[0]], self.rows, like) for sources in self.sources]
        self.cross = CrossStack(
            [parts.crossmodal[m.value][s.value] for m, s in pairs], heads, [len(bundle) for bundle in bundles]
        )
        # The final norm of two results, one above another, times the memory's scale: (G, 2d, 1)
        self.gain, self.shift = (
            (part * math.sqrt(2 * d)).view(len(targets), 2 * d, 1) for part in (self.cross.gain, self.cross.shift)
        )

    def decouple(self, features: ByModality, steps: ByModality | None, batch: int) -> Decoupled:
        """Equations 1 to 3, and the vertices of the homogeneous graph.

        ``features`` are 0 in rows that are not real, and ``steps`` bool {m: (B, T)} says which steps are: all others
        come out as 0, because these equations have no biases.
        """
        groups = len(self.targets)
        projected = self.split.new_zeros(groups, self.width, batch, self.rows)
        for i, m in enumerate(self.targets):
            projected[i, ..., : self.steps] = self._convolve(m, features[m], batch)
        projected = projected.flatten(2)
        # sqrt(d) times s for all of them, then sqrt(d) times c
        parts = torch.bmm(self.split, torch.cat([projected, projected]))  # (2G, d, B * rows)
        parts = parts.view(2 * groups, self.width, batch, self.rows)
        real = None
        if steps is not None:
            real = F.pad(_stack(steps, self.targets), (0, self.rows - self.steps))[:, None]  # (G, 1, B, rows)
            real = real.repeat(2, 1, 1, 1)
        common = parts[groups:].transpose(1, 2).flatten(2)  # (G, B, d * rows)
        embedded = _embed(parts, self.positions, real).flatten(2)
        return Decoupled(embedded[:groups], embedded[groups:], self.homogeneous(common))

    def _convolve(self, m: Modality, x: Tensor, batch: int) -> Tensor:
        """Convolution of width k without padding: ``x`` (B, T_m, D_m) -> (d, B, T)."""
        taps = (x @ self.project[m]).contiguous()  # (B, T_m, k d)
        sample, row = taps.stride(0), taps.stride(1)
        # [j, b, t, c] is what tap j gives channel c of sample b for its row t + j
        size = (self.kernels[m], batch, self.steps, self.width)
        added: Tensor = taps.as_strided(size, (row + self.width, sample, row, 1)).sum(dim=0)  # (B, T, d)
        return added.permute(2, 0, 1)

    def remember(self, own: Tensor, exclusive: ByModality, steps: ByModality | None, batch: int) -> Tensor:
        """What the targets take from the others, and then from themselves: (G, 2d, B).

        ``own`` (G, d, B * rows) and ``exclusive`` {m: (d, B * rows)}: embedded exclusive parts.
        """
        cross, groups, sources = self.cross, len(self.targets), []
        for i, (names, sight) in enumerate(zip(self.sources, self.sights, strict=True)):
            n = cross.unit(_stack(exclusive, names))  # (P, d, B * rows)
            sources.append(cross.source(i, n, batch, sight, _keys(steps, names, cross.heads, n)))
        crossed = cross.unit(cross(own.repeat_interleave(2, dim=0), batch, sources))  # (2G, d, B * rows)
        joined = torch.addcmul(self.shift, crossed.view(groups, 2 * self.width, -1), self.gain)
        # Under a mask, steps that are not real are no keys here, so that it does not matter what they hold.
        everywhere = None if steps is None else True
        joined = _embed(joined.view(groups, 2 * self.width, batch, self.rows), self.memory_positions, everywhere)
        return self._last(self.memory, joined.flatten(2), steps, batch)

    def attend_common(self, common: Tensor, steps: ByModality | None, batch: int) -> Tensor:
        """The common parts' last steps after self-attention: (G, d, B). Overwrites ``common`` (G, d, B * rows)."""
        return self._last(self.common, common, steps, batch)

    def _last(self, stack: SelfStack, x: Tensor, steps: ByModality | None, batch: int) -> Tensor:
        if steps is None:
            return stack(x, batch, None, None)
        real = _stack(steps, self.targets)  # (G, B, T)
        last = torch.where(real, torch.arange(self.steps, device=x.device), 0).amax(dim=2)  # (G, B)
        wanted = stack(x, batch, last, _keys(steps, self.targets, stack.heads, x))
        return wanted * real.any(dim=2)[:, None]


def _embed(x: Tensor, positions: Tensor, real: Tensor | bool | None) -> Tensor:
    """``x`` (G, d, B, rows) + positions at real steps, centred.

    Without a mask (None), a step whose first channel is exactly 0 is not real, as in the reference.
    """
    keep = x[:, :1] != 0 if real is None else real
    x = torch.addcmul(x, positions, keep.to(x.dtype)) if isinstance(keep, Tensor) else x + positions
    return x - x.mean(dim=1, keepdim=True)


def _positions(table: Tensor, rows: int, like: Tensor) -> Tensor:
    """(T, d) -> (d, 1, rows)."""
    table = exact(table[:rows]).T
    return placed(F.pad(table, (0, rows - table.shape[1]))[:, None].contiguous(), like)


def _keys(steps: ByModality | None, modalities: Sequence[Modality], heads: int, like: Tensor) -> Tensor | None:
    """1 at keys that hold something, else 0: (len(modalities) * heads * B, 1, S)."""
    if steps is None:
        return None
    real = _stack(steps, modalities).to(like.dtype)  # (P, B, S)
    return real[:, None].expand(-1, heads, -1, -1).flatten(0, 2)[:, None]


def _stack(parts: ByModality, modalities: Sequence[Modality]) -> Tensor:
    return torch.stack([parts[m] for m in modalities])
