"""Transformers of equal shape, stacked and run as one with batched products.

G transformers and B samples of T steps, padded to ``rows``, are carried as x (G, d, B * rows): every product is W x,
and its last axis, time, fills whole vector registers.

Frozen weights let the norms shrink. What is written to the residual stream is centred beforehand (the mean over
channels is taken out of the weights that write to it), so that layer norm is a division by the column's length; its
gain, its shift and sqrt(d) are part of the product that follows. Centred columns leave one direction empty, that of
equal channels: a constant there carries the biases of that product. Biases of keys shift all scores of a query alike
and are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dmd_runtime.model.crossmodal import Transformer, TransformerLayer
from dmd_runtime.model.fast_affine import Affine, OfNormed, Stacked, exact, head_by_head, padded, placed
from dmd_runtime.model.fast_attention import SAFE_SCORE, Sight, attend, largest_score


class Layer(NamedTuple):
    """One layer of G transformers."""

    into: OfNormed
    """Queries; in self-attention with keys and values, head by head."""
    out: Stacked
    expand: OfNormed
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
        self.epsilon = like.detach().new_full((1, 1, 1), d * norms[0].eps)
        self.constant = like.detach().new_full((1, 1, 1), 1 / math.sqrt(d))
        self.gain = placed(torch.stack([exact(n.weight) * math.sqrt(d) for n in norms])[..., None], like)  # (G, d, 1)
        self.shift = placed(torch.stack([exact(n.bias) - exact(n.weight) for n in norms])[..., None], like)
        self.bounded = True
        """Whether no input can drive a score out of the range in which softmax needs no maximum."""

    def _fold(self, layers: Sequence[TransformerLayer], into: Sequence[Affine]) -> Layer:
        like = layers[0].expand.weight
        return Layer(
            OfNormed.of(into, like),
            Stacked.of([Affine.of(layer.attention.out_proj).centred() for layer in layers], like),
            OfNormed.of([Affine.of(layer.expand).after_norm(layer.feed_forward_norm) for layer in layers], like),
            Stacked.of([Affine.of(layer.contract).centred() for layer in layers], like),
        )

    def _bound(self, query: Affine, key: Affine) -> None:
        per_head = (self.heads, -1, self.width)
        bound = largest_score(query.weight.view(per_head), query.bias.view(self.heads, -1), key.weight.view(per_head))
        self.bounded = self.bounded and bound < SAFE_SCORE

    def unit(self, x: Tensor) -> Tensor:
        """Layer norm of centred columns without sqrt(d), and the constant: x / sqrt(|x|^2 + d eps) + 1 / sqrt(d)."""
        return torch.addcmul(self.constant, x, (x * x).sum(dim=1, keepdim=True).add_(self.epsilon).rsqrt_())

    def normed(self, x: Tensor) -> Tensor:
        """The final norm with its gain and shift."""
        return torch.addcmul(self.shift, self.unit(x), self.gain)

    def split(self, x: Tensor, batch: int) -> Tensor:
        """(G, heads * channels, B * T) -> (G * heads * B, channels, T)."""
        n = x.shape[0] * self.heads
        if batch == 1:
            return x.reshape(n, x.shape[1] // self.heads, -1)
        by_sample = x.reshape(n, x.shape[1] // self.heads, batch, -1).transpose(1, 2)  # (G * h, B, c, T)
        return by_sample.flatten(0, 1)

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
                into.append((query, key, value))
            self.layers.append(self._fold(layers, [head_by_head(parts, heads) for parts in into]))
        self.sight = Sight(steps, steps, padded(steps), self.gain)
        self.last_query = OfNormed.of([query for query, _, _ in into], self.gain)
        self.last_keys_values = OfNormed.of([head_by_head(parts[1:], heads) for parts in into], self.gain)

    def __call__(self, x: Tensor, batch: int, last: Tensor | None, real: Tensor | None) -> Tensor:
        """The wanted step of ``x`` (G, d, B * rows), normed: (G, d, B). Overwrites ``x``.

        ``last`` (G, B) is its index; None: the last step. ``real`` as for ``attend``.
        """
        c, g = self.per_head, self.groups
        for layer in self.layers[:-1]:
            q, k, v = self.split(layer.into(self.unit(x)), batch).split_with_sizes([c, c, c + 1], dim=1)  # (N, ., rows)
            x = self.finish(x, self.join(attend(q, k, v, self.sight, real, bounded=self.bounded), g, batch), layer)
        n = self.unit(x)
        k, v = self.split(self.last_keys_values(n), batch).narrow(2, 0, self.steps).split_with_sizes([c, c + 1], dim=1)
        x, n = self._take(x, batch, last), self._take(n, batch, last)  # (G, d, B)
        q = self.split(self.last_query(n), batch)  # (N, d_h, 1)
        heads = attend(q, k, v, None, real, bounded=self.bounded)
        return self.normed(self.finish(x, self.join(heads, g, batch), self.layers[-1]))

    def _take(self, x: Tensor, batch: int, last: Tensor | None) -> Tensor:
        x = x.view(self.groups, self.width, batch, -1)
        if last is None:
            return x.select(3, self.steps - 1).clone()
        return x.gather(3, last[:, None, :, None].expand(-1, self.width, -1, 1)).squeeze(3)


class Source(NamedTuple):
    """Keys and values of one bundle of pairs for all layers, and which of its keys may be looked at."""

    keys: Sequence[Tensor]
    """Per layer (N, d_h, rows)."""
    values: Sequence[Tensor]
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
        folded, self.keys_values = iter(head_by_head(own, heads) for own in keys_values), []
        for size in self.bundles:
            self.keys_values.append(OfNormed.of([next(folded) for _ in range(size)], self.gain))

    def source(self, bundle: int, n: Tensor, batch: int, sight: Sight, real: Tensor | None) -> Source:
        """Keys and values of all layers from the normalised sources ``n`` (P, d, B * rows), in one product."""
        every_layer = self.split(self.keys_values[bundle](n), batch)  # (N, layers * (2 d_h + 1), rows)
        c = self.per_head
        parts = every_layer.split_with_sizes([c, c + 1] * len(self.layers), dim=1)
        return Source(parts[::2], parts[1::2], sight, real)

    def __call__(self, x: Tensor, batch: int, sources: Sequence[Source]) -> Tensor:
        """Carry ``x`` (G, d, B * rows) through all layers, in place; not yet normed."""
        for i, layer in enumerate(self.layers):
            queries = layer.into(self.unit(x)).split_with_sizes(self.bundles)  # per bundle (P, d, B * rows)
            heads = []
            for q, groups, s in zip(queries, self.bundles, sources, strict=True):
                mixed = attend(self.split(q, batch), s.keys[i], s.values[i], s.sight, s.real, bounded=self.bounded)
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
