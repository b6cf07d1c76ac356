"""Transformers of equal shape, stacked and run as one with batched products.

G transformers and B samples of T steps, padded to ``rows``, are carried as x (G, d, B * rows): every product is W x,
and its last axis, time, fills whole vector registers.

Frozen weights let the norms shrink. What is written to the residual stream is centred beforehand (the mean over
channels is taken out of the weights that write to it), so that layer norm is a division by the column's length; its
gain, its shift and sqrt(d) are part of the product that follows. Biases of keys shift all scores of a query alike and
are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmd_runtime.model.crossmodal import Transformer, TransformerLayer
from dmd_runtime.model.fast_attention import SAFE_SCORE, Sight, attend, largest_score

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
        if x.shape[2] == 1:  # as rows: a product with a single column is three times slower
            return torch.baddbmm(self.bias.mT, x.mT, self.weight.mT).mT
        return torch.baddbmm(self.bias, self.weight, x)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """``residual`` + W x + b, in place."""
        if x.shape[2] == 1:
            residual.mT.baddbmm_(x.mT, self.weight.mT)
            return residual.add_(self.bias)
        return residual.baddbmm_(self.weight, x).add_(self.bias)


class Layer(NamedTuple):
    """One layer of G transformers."""

    into: Stacked
    """Queries, and in self-attention then keys and values."""
    out: Stacked
    expand: Stacked
    contract: Stacked


class Stack:
    """What crossmodal and self-attention stacks share: folded weights and the steps of a layer.

    Parameters
    ----------
    transformers : G of equal shape
    heads : int
    """

    def __init__(self, transformers: Sequence[Transformer], heads: int) -> None:
        self.heads = heads
        self.groups = len(transformers)
        norms = [t.norm for t in transformers]
        like = norms[0].weight
        self.width = d = len(like)
        self.per_head = d // heads
        self.epsilon = d * norms[0].eps
        self.gain = placed(torch.stack([exact(n.weight) * math.sqrt(d) for n in norms])[..., None], like)  # (G, d, 1)
        self.shift = placed(torch.stack([exact(n.bias) for n in norms])[..., None], like)
        self.bounded = True
        """Whether no input can drive a score out of the range in which softmax needs no maximum."""

    def _fold(self, layers: Sequence[TransformerLayer], into: Sequence[Affine]) -> Layer:
        like = layers[0].expand.weight
        return Layer(
            Stacked.of(into, like),
            Stacked.of([Affine.of(layer.attention.out_proj).centred() for layer in layers], like),
            Stacked.of([Affine.of(layer.expand).after_norm(layer.feed_forward_norm) for layer in layers], like),
            Stacked.of([Affine.of(layer.contract).centred() for layer in layers], like),
        )

    def _bound(self, query: Affine, key: Affine) -> None:
        per_head = (self.heads, -1, self.width)
        bound = largest_score(query.weight.view(per_head), query.bias.view(self.heads, -1), key.weight.view(per_head))
        self.bounded = self.bounded and bound < SAFE_SCORE

    def unit(self, x: Tensor) -> Tensor:
        """Layer norm of centred columns, without sqrt(d): x / sqrt(|x|^2 + d eps)."""
        return x * x.square().sum(dim=1, keepdim=True).add_(self.epsilon).rsqrt_()

    def normed(self, x: Tensor) -> Tensor:
        """The final norm with its gain and shift."""
        return torch.addcmul(self.shift, self.unit(x), self.gain)

    def split(self, x: Tensor, groups: int, batch: int, channels: int) -> Tensor:
        """(G, heads * channels, B * T) -> (G * heads * B, channels, T)."""
        if batch > 1:
            x = x.reshape(groups, self.heads, channels, batch, -1).transpose(2, 3)  # (G, h, B, c, T)
        return x.reshape(groups * self.heads * batch, channels, -1)

    def join(self, x: Tensor, groups: int, batch: int) -> Tensor:
        """(G * heads * B, d_h, T) -> (G, d, B * T)."""
        if batch > 1:
            x = x.reshape(groups, self.heads, batch, self.per_head, -1).transpose(2, 3)  # (G, h, d_h, B, T)
        return x.reshape(groups, self.width, -1)

    def finish(self, x: Tensor, heads: Tensor, layer: Layer) -> Tensor:
        """The rest of a layer behind its attention, in place: x += W_o heads + b, then x += W_2 ReLU(W_1 norm(x))."""
        layer.out.add_to(x, heads)
        return layer.contract.add_to(x, layer.expand(self.unit(x)).relu_())


class SelfStack(Stack):
    """Self-attention transformers of which only one step is wanted: their last layer has a single query."""

    def __init__(self, transformers: Sequence[Transformer], heads: int, steps: int) -> None:
        super().__init__(transformers, heads)
        self.steps = steps
        self.layers: list[Layer] = []
        for layers in zip(*(t.layers for t in transformers), strict=True):
            into = []
            for layer in layers:
                query, key, value = attention_parts(layer, heads)
                self._bound(query, key)
                into.append(one_above_another([query, key, value]))
            self.layers.append(self._fold(layers, into))
        self.sight = Sight(steps, steps, padded(steps), self.gain)
        weight, bias = self.layers[-1].into
        d = self.width
        self.last_query = Stacked(weight[:, :d].clone(), bias[:, :d].clone())
        self.last_keys_values = Stacked(weight[:, d:].clone(), bias[:, d:].clone())

    def __call__(self, x: Tensor, batch: int, last: Tensor | None, real: Tensor | None) -> Tensor:
        """The wanted step of ``x`` (G, d, B * rows), normed: (G, d, B). Overwrites ``x``.

        ``last`` (G, B) is its index; None: the last step. ``real`` as for ``attend``.
        """
        d, c, g = self.width, self.per_head, self.groups
        sizes = [d, d, d + self.heads]
        for layer in self.layers[:-1]:
            q, k, v = layer.into(self.unit(x)).split_with_sizes(sizes, dim=1)  # (G, d or d + h, B * rows)
            q, k, v = self.split(q, g, batch, c), self.split(k, g, batch, c), self.split(v, g, batch, c + 1)
            heads = attend(q, k, v, self.sight, real, bounded=self.bounded)
            x = self.finish(x, self.join(heads, g, batch), layer)
        n = self.unit(x)
        k, v = self.last_keys_values(n).split_with_sizes(sizes[1:], dim=1)
        k = self.split(k, g, batch, c).narrow(2, 0, self.steps)
        v = self.split(v, g, batch, c + 1).narrow(2, 0, self.steps)
        x, n = self._take(x, batch, last), self._take(n, batch, last)  # (G, d, B)
        q = self.split(self.last_query(n), g, batch, c)  # (N, d_h, 1)
        heads = attend(q, k, v, None, real, bounded=self.bounded)
        return self.normed(self.finish(x, self.join(heads, g, batch), self.layers[-1]))

    def _take(self, x: Tensor, batch: int, last: Tensor | None) -> Tensor:
        x = x.view(self.groups, self.width, batch, -1)
        if last is None:
            return x.select(3, self.steps - 1).clone()
        return x.gather(3, last[:, None, :, None].expand(-1, self.width, -1, 1)).squeeze(3)


class Source(NamedTuple):
    """Keys and values of one bundle of pairs for all layers, and which of its keys may be looked at."""

    keys: list[Tensor]
    """Per layer (N, d_h, rows)."""
    values: list[Tensor]
    """Per layer (N, d_h + 1, rows)."""
    sight: Sight
    real: Tensor | None


class CrossStack(Stack):
    """Crossmodal transformers whose targets have equally many steps.

    Parameters
    ----------
    transformers : G of equal shape
    heads : int
    bundles : transformers per bundle, adding up to G
        One bundle shares one attention: its sources, too, have equally many steps.
    """

    def __init__(self, transformers: Sequence[Transformer], heads: int, bundles: Sequence[int]) -> None:
        super().__init__(transformers, heads)
        self.bundles = list(bundles)
        self.layers: list[Layer] = []
        keys_values: list[list[Affine]] = [[] for _ in transformers]
        for layers in zip(*(t.layers for t in transformers), strict=True):
            queries = []
            for own, layer in zip(keys_values, layers, strict=True):
                query, key, value = attention_parts(layer, heads)
                self._bound(query, key)
                queries.append(query)
                own += [key, value]
            self.layers.append(self._fold(layers, queries))
        folded, self.keys_values = iter(one_above_another(own) for own in keys_values), []
        for size in self.bundles:
            self.keys_values.append(Stacked.of([next(folded) for _ in range(size)], self.gain))

    def source(self, bundle: int, n: Tensor, batch: int, sight: Sight, real: Tensor | None) -> Source:
        """Keys and values of all layers from the normalised sources ``n`` (P, d, B * rows), in one product."""
        every_layer = self.keys_values[bundle](n)  # (P, layers * (2d + h), B * rows)
        groups, c = self.bundles[bundle], self.per_head
        keys: list[Tensor] = []
        values: list[Tensor] = []
        sizes = [self.width, self.width + self.heads] * len(self.layers)
        for i, part in enumerate(every_layer.split_with_sizes(sizes, dim=1)):
            (values if i % 2 else keys).append(self.split(part, groups, batch, c + i % 2))
        return Source(keys, values, sight, real)

    def __call__(self, x: Tensor, batch: int, sources: Sequence[Source]) -> Tensor:
        """Carry ``x`` (G, d, B * rows) through all layers, in place; not yet normed."""
        for i, layer in enumerate(self.layers):
            queries = layer.into(self.unit(x)).split_with_sizes(self.bundles)  # per bundle (P, d, B * rows)
            heads = []
            for q, groups, s in zip(queries, self.bundles, sources, strict=True):
                own = self.split(q, groups, batch, self.per_head)
                mixed = attend(own, s.keys[i], s.values[i], s.sight, s.real, bounded=self.bounded)
                heads.append(self.join(mixed, groups, batch))
            x = self.finish(x, heads[0] if len(heads) == 1 else torch.cat(heads), layer)
        return x


def attention_parts(layer: TransformerLayer, heads: int) -> tuple[Affine, Affine, Affine]:
    """Queries, keys and values of a unit column: scaled, without the keys' bias, with the values' channel of ones."""
    weights, biases = exact(layer.attention.in_proj.weight), exact(layer.attention.in_proj.bias)
    d = weights.shape[1]
    query, key, value = (
        Affine(*part).after_norm(layer.attention_norm) for part in zip(weights.chunk(3), biases.chunk(3), strict=True)
    )
    scale = math.log2(math.e) / math.sqrt(d // heads)
    value_weight = torch.cat([value.weight.view(heads, -1, d), weights.new_zeros(heads, 1, d)], dim=1)
    value_bias = torch.cat([value.bias.view(heads, -1), weights.new_ones(heads, 1)], dim=1)
    return (
        Affine(query.weight * scale, query.bias * scale),
        Affine(key.weight, torch.zeros_like(key.bias)),
        Affine(value_weight.flatten(0, 1), value_bias.flatten()),
    )


def one_above_another(parts: Sequence[Affine]) -> Affine:
    """Several maps of one input as one."""
    return Affine(torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))


def exact(parameter: Tensor) -> Tensor:
    """A copy to fold with: float64, on the CPU."""
    return parameter.detach().cpu().double().clone()


def placed(x: Tensor, like: Tensor) -> Tensor:
    """``x`` in the dtype and then on the device of ``like``: not every device knows float64."""
    return x.to(like.dtype).to(like.device)


def padded(steps: int) -> int:
    """Rows that hold ``steps`` steps: a multiple of ``ROW_MULTIPLE``."""
    return -(-steps // ROW_MULTIPLE) * ROW_MULTIPLE
