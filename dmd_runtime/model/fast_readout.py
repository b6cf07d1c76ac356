"""Residual heads and distillation units, frozen: three vertices and their shares of the edges in two products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from dmd_runtime.modality import EDGES, MODALITIES
from dmd_runtime.model.distillation import GraphDistillationUnit, InteractionUnit
from dmd_runtime.model.dmd import ResidualHead
from dmd_runtime.model.fast_affine import Affine, frozen_copy, one_above_another, placed

Unit: TypeAlias = GraphDistillationUnit | InteractionUnit
Wanted: TypeAlias = tuple[Affine, Tensor | float]
EdgeReader: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


class FrozenHead:
    """y = M (x + W2 h + b2) + N h + c with h = ReLU(W1 x + b1), for G heads at once.

    M folds into W1's product and M W2 + N into a small one, so that W2 (as large as W1) is never read.

    Parameters
    ----------
    heads : G of equal shape
    wanted : per head M with c, and N
    arrange : of a weight (..., n), how its columns stand in the x that will be given; None: as they are
    with_hidden : whether h is given too, behind y
    """

    def __init__(
        self,
        heads: Sequence[ResidualHead],
        wanted: Sequence[Wanted],
        arrange: Callable[[Tensor], Tensor] | None = None,
        *,
        with_hidden: bool = False,
    ) -> None:
        like = heads[0].narrow.weight
        first, second = [], []
        for head, (of_features, of_hidden) in zip(heads, wanted, strict=True):
            widen = Affine.of(head.widen)
            constant = of_features.bias + of_features.weight @ widen.bias
            both = one_above_another([Affine.of(head.narrow), Affine(of_features.weight, constant)])
            first.append(both if arrange is None else Affine(arrange(both.weight), both.bias))
            second.append(of_features.weight @ widen.weight + of_hidden)
        self.hidden, self.with_hidden = len(like), with_hidden
        self.first = placed(torch.stack([a.weight for a in first]), like)  # (G, h + o, n)
        self.first_bias = placed(torch.stack([a.bias[None] for a in first]), like)  # (G, 1, h + o)
        self.second = placed(torch.stack([weight.T for weight in second]), like)  # (G, h, o)

    def __call__(self, x: Tensor) -> Tensor:
        """Read ``x`` (G, B, n): (G, B, o), or (G, B, o + h)."""
        y = torch.baddbmm(self.first_bias, x, self.first.transpose(1, 2))
        hidden = y[..., : self.hidden].relu()
        read = torch.baddbmm(y[..., self.hidden :], hidden, self.second)
        return torch.cat([read, hidden], dim=2) if self.with_hidden else read


def vertices(
    heads: Sequence[ResidualHead],
    unit: Unit,
    arrange: Callable[[Tensor], Tensor] | None = None,
    *,
    representation_is_hidden: bool,
) -> FrozenHead:
    """Heads whose read-out is C logits, and behind them what :func:`edge_reader` of the same unit asks for."""
    if not isinstance(unit, InteractionUnit):
        wanted = [_scored(head, unit, representation_is_hidden=representation_is_hidden) for head in heads]
        return FrozenHead(heads, wanted, arrange)
    logits = [Affine.of(head.read_out) for head in heads]
    if representation_is_hidden:
        return FrozenHead(heads, [(logit, 0.0) for logit in logits], arrange, with_hidden=True)
    width = logits[0].weight.shape[1]
    features = Affine(torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64))
    return FrozenHead(heads, [(one_above_another([logit, features]), 0.0) for logit in logits], arrange)


def _scored(head: ResidualHead, unit: GraphDistillationUnit, *, representation_is_hidden: bool) -> Wanted:
    """C logits, the score as a student and the score as a teacher.

    With z = [W_logit logit, W_repr representation], an edge W_edge [z_student, z_teacher] is the sum of two such
    scores. They come over the temperature; W_edge's bias, which all six edges share, falls out of their softmax.
    """
    logit = Affine.of(head.read_out)
    of_logit, of_representation, edge = Affine.of(unit.logit), Affine.of(unit.representation), Affine.of(unit.edge)
    ends = edge.weight.view(2, 2, -1) / unit.temperature  # student and teacher; logit and representation part
    by_logit, by_representation = ends[:, 0] @ of_logit.weight, ends[:, 1] @ of_representation.weight  # (2, C), (2, R)
    constant = ends[:, 0] @ of_logit.bias + ends[:, 1] @ of_representation.bias + by_logit @ logit.bias
    scores = by_logit @ logit.weight  # (2, n)
    of_hidden: Tensor | float = 0.0
    if representation_is_hidden:
        of_hidden = torch.cat(
            [by_representation.new_zeros(len(logit.bias), by_representation.shape[1]), by_representation]
        )
    else:
        scores = scores + by_representation
    return one_above_another([logit, Affine(scores, constant)]), of_hidden


def edge_ends(like: Tensor) -> Tensor:
    """Which ends belong to which edge, 0 or 1: rows (L as student, L as teacher, V ...), columns ``EDGES``; (6, 6)."""
    ends = [[float(m is getattr(edge, end)) for edge in EDGES] for m in MODALITIES for end in ("student", "teacher")]
    return like.new_tensor(ends)


def edge_reader(unit: Unit, outputs: int, ends: Tensor) -> EdgeReader:
    """Weights (B, 6) of what :func:`vertices` gave (3, B, .), and of which edges exist: bool (B, 6), None: all.

    ``outputs`` is C; ``ends`` are :func:`edge_ends`.
    """
    if not isinstance(unit, InteractionUnit):
        return lambda nodes, exists: edge_weights(nodes[..., outputs:], ends, exists)
    frozen = frozen_copy(unit)

    def judged(nodes: Tensor, exists: Tensor | None) -> Tensor:
        by_sample = nodes.transpose(0, 1)  # (B, 3, C + R)
        return frozen.judge(by_sample[..., :outputs], by_sample[..., outputs:], exists).weights

    return judged


def edge_weights(scores: Tensor, ends: Tensor, exists: Tensor | None) -> Tensor:
    """Softmax over the six edges, (B, 6).

    ``scores`` (3, B, 2) as student and as teacher, over the temperature; ``exists`` bool (B, 6), None: all exist.
    """
    tempered = scores.transpose(0, 1).flatten(1) @ ends  # (B, 6)
    if exists is None:
        return tempered.softmax(dim=1)
    return tempered.masked_fill(~exists, torch.finfo(tempered.dtype).min).softmax(dim=1) * exists
