"""Transformers from one modality to another, and within one.

MulT: Tsai et al., ACL 2019, https://arxiv.org/abs/1906.00295. Pre-norm layers on inputs scaled by sqrt(d) with
sinusoidal positions. In a crossmodal layer, keys and values are the *input* of the source modality at every layer,
normalised with the layer's first norm; only the target changes from layer to layer.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SinusoidalPositions(nn.Module):
    """Positions 1, 2, … as sines and cosines; steps that hold nothing get zeros.

    Computed in float32 whatever the activations are: in bfloat16 positions beyond 256 would fall together.
    """

    table: Tensor

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        half = width // 2
        rate = torch.exp(torch.arange(half) * -(math.log(10000.0) / max(1, half - 1)))
        angle = torch.arange(1, length + 1)[:, None] * rate  # (T, d/2)
        self.register_buffer("table", torch.cat([angle.sin(), angle.cos()], dim=1), persistent=False)  # (T, d)

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Add positions to ``x`` (B, T, d).

        Without a mask, a step whose first channel is exactly 0 counts as empty, as in the reference.
        """
        keep = x[..., 0] != 0 if real is None else real  # (B, T)
        return x + (self.table[: x.shape[1]] * keep[..., None]).to(x.dtype)


class MultiheadAttention(nn.Module):
    """Scaled dot-product attention with joint input weights, in the parameter layout of the reference."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj = nn.Linear(width, 3 * width)  # queries, keys, values
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, target: Tensor, source: Tensor, allowed: Tensor) -> Tensor:
        """Attend from ``target`` (B, T, d) to ``source`` (B, S, d) where ``allowed`` bool (T, S) or (B, 1, T, S).

        A target step that may look at nothing gets zeros from the heads (never NaN).
        """
        d = target.shape[-1]
        weight_q, weight_k, weight_v = self.in_proj.weight.chunk(3)
        bias_q, bias_k, bias_v = self.in_proj.bias.chunk(3)
        q = self._split(F.linear(target, weight_q, bias_q))  # (B, h, T, d/h)
        k = self._split(F.linear(source, weight_k, bias_k))  # (B, h, S, d/h)
        v = self._split(F.linear(source, weight_v, bias_v))
        scores = (q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5  # (B, h, T, S)
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1) * allowed.any(dim=-1, keepdim=True)
        heads = F.dropout(weights, self.dropout, self.training) @ v  # (B, h, T, d/h)
        joined: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))  # (B, T, d)
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part of width 4d, each behind a norm and beside a residual path."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiheadAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, source: Tensor | None, allowed: Tensor) -> Tensor:
        """One layer: ``x`` (B, T, d), ``source`` (B, S, d) or None for self-attention."""
        target = self.attention_norm(x)
        x = x + self.attention(target, target if source is None else self.attention_norm(source), allowed)
        fed: Tensor = self.contract(F.relu(self.expand(self.feed_forward_norm(x))))
        return x + fed


class Transformer(nn.Module):
    """Layers that carry one sequence, or a sequence with another as source of keys and values.

    Parameters
    ----------
    width, heads, layers : int
    length : int
        Most steps of target or source.
    dropout : float
        Of the attention weights.
    embedding_dropout : float
    """

    def __init__(
        self, width: int, heads: int, layers: int, length: int, *, dropout: float, embedding_dropout: float
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.embedding_dropout = embedding_dropout
        self.positions = SinusoidalPositions(width, length)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        target: Tensor,
        source: Tensor | None = None,
        *,
        target_real: Tensor | None = None,
        source_real: Tensor | None = None,
    ) -> Tensor:
        """Carry ``target`` (B, T, d) through all layers.

        ``source`` (B, S, d) makes it crossmodal. ``*_real`` bool (B, T) and (B, S): steps that hold something; None:
        the reference's rules, no key is masked.
        """
        x = self._embed(target, target_real)
        y = None if source is None else self._embed(source, source_real)
        steps, width = x.shape[1], (x if y is None else y).shape[1]
        allowed = _future(steps, width, x.device)  # (T, S)
        keys = target_real if source is None else source_real
        if keys is not None:
            allowed = allowed & keys[:, None, None, :]  # (B, 1, T, S)
        for layer in self.layers:
            x = layer(x, y, allowed)
        normed: Tensor = self.norm(x)
        return normed

    def _embed(self, x: Tensor, real: Tensor | None) -> Tensor:
        # The reference tests the first channel before it scales; scaling keeps zeros zero.
        return F.dropout(self.positions(self.scale * x, real), self.embedding_dropout, self.training)


def _future(steps: int, width: int, device: torch.device) -> Tensor:
    """What a step may look at: not what lies more than |T - S| steps ahead of it; bool (T, S)."""
    everything = torch.ones(steps, width, dtype=torch.bool, device=device)
    return everything.tril(diagonal=abs(steps - width))


def last_step(x: Tensor, real: Tensor | None) -> Tensor:
    """The last step of ``x`` (B, T, d) that holds something, 0 where none does; without a mask the last: (B, d)."""
    if real is None:
        return x[:, -1]
    steps = torch.arange(x.shape[1], device=x.device)
    last = torch.where(real, steps, 0).amax(dim=1)  # (B,)
    return x[torch.arange(x.shape[0], device=x.device), last] * real.any(dim=1, keepdim=True)
