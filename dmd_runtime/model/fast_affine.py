"""Affine maps for inference: folded in float64, frozen for G transformers or heads at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)

ROW_MULTIPLE = 16
"""Of float32 numbers in a vector register (AVX-512)."""


class Affine(NamedTuple):
    """y = W x + b in float64 on the CPU, W (n, d), b (n,)."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, linear: nn.Linear | nn.Conv1d) -> Affine:
        """A copy of a linear layer, or of a convolution of width 1."""
        weight = exact(linear.weight).flatten(1)
        return cls(weight, weight.new_zeros(len(weight)) if linear.bias is None else exact(linear.bias))

    def after_norm(self, norm: nn.LayerNorm) -> Affine:
        """The same of a *unit* column u, where layer norm is gain * sqrt(d) u + shift."""
        gain, shift = exact(norm.weight), exact(norm.bias)
        return Affine(self.weight * gain * math.sqrt(len(gain)), self.bias + self.weight @ shift)

    def centred(self) -> Affine:
        """The same minus its mean over the outputs, which layer norm would take out anyway."""
        return Affine(self.weight - self.weight.mean(0), self.bias - self.bias.mean())


class Stacked(NamedTuple):
    """G affine maps, W (G, n, d) and b (G, n, 1), in the dtype and on the device of the model."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, maps: Sequence[Affine], like: Tensor) -> Stacked:
        """Freeze ``maps`` of equal shape."""
        return cls(
            placed(torch.stack([a.weight for a in maps]), like),
            placed(torch.stack([a.bias[:, None] for a in maps]), like),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """W x + b: (G, d, n') -> (G, n, n')."""
        if x.shape[2] == 1:
            return torch.baddbmm(self.bias.mT, as_rows(x), self.weight.mT).mT
        return torch.baddbmm(self.bias, self.weight, x)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """``residual`` + W x + b, in place."""
        if x.shape[2] == 1:
            as_rows(residual).baddbmm_(as_rows(x), self.weight.mT)
        else:
            residual.baddbmm_(self.weight, x)
        return residual.add_(self.bias)


class OfNormed(NamedTuple):
    """G affine maps of what ``fast_transformer.Stack.unit`` gives, their biases inside the weights (G, n, d)."""

    weight: Tensor

    @classmethod
    def of(cls, maps: Sequence[Affine], like: Tensor) -> OfNormed:
        """Freeze ``maps`` of unit columns u as maps of u + 1 / sqrt(d): the sum of u is 0."""
        weights = [
            a.weight - a.weight.mean(1, keepdim=True) + a.bias[:, None] / math.sqrt(a.weight.shape[1]) for a in maps
        ]
        return cls(placed(torch.stack(weights), like))

    def __call__(self, x: Tensor) -> Tensor:
        """(G, d, n') -> (G, n, n')."""
        return torch.bmm(as_rows(x), self.weight.mT).mT if x.shape[2] == 1 else torch.bmm(self.weight, x)


def one_above_another(parts: Sequence[Affine]) -> Affine:
    """Several maps of one input as one."""
    return Affine(torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))


def head_by_head(parts: Sequence[Affine], heads: int) -> Affine:
    """The same with all parts of the first head above all of the second, so that heads split without copies."""
    weights = torch.cat([p.weight.view(heads, -1, p.weight.shape[1]) for p in parts], dim=1)
    return Affine(weights.flatten(0, 1), torch.cat([p.bias.view(heads, -1) for p in parts], dim=1).flatten())


def as_rows(x: Tensor) -> Tensor:
    """(G, n, B) -> (G, B, n), a view.

    With one sample, a product of a row takes a third of that of a column, but a row made by transposing has strides
    that the library's fast path does not know, and takes ten times as long.
    """
    return x.view(x.shape[0], 1, x.shape[1]) if x.shape[2] == 1 else x.mT


def frozen_copy(module: AnyModule) -> AnyModule:
    """A copy as it stands, for inference: later changes of the module do not reach it."""
    return copy.deepcopy(module).eval().requires_grad_(False)


def exact(parameter: Tensor) -> Tensor:
    """A copy to fold with: float64, on the CPU."""
    return parameter.detach().cpu().double().clone()


def placed(x: Tensor, like: Tensor) -> Tensor:
    """``x`` in the dtype and then on the device of ``like``: not every device knows float64."""
    return x.to(like.dtype).to(like.device)


def padded(steps: int) -> int:
    """Rows that hold ``steps`` steps: a multiple of ``ROW_MULTIPLE``."""
    return -(-steps // ROW_MULTIPLE) * ROW_MULTIPLE
