"""Residual heads and distillation units, frozen: three vertices and their shares of the edges in two products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dmd_runtime.modality import EDGES, MODALITIES
from dmd_runtime.model.distillation import GraphDistillationUnit
from dmd_runtime.model.dmd import ResidualHead
from dmd_runtime.model.fast_affine import Affine, one_above_another, placed


class FrozenHead:
    """y = M (x + W2 h + b2) + N h + c with h = ReLU(W1 x + b1), for G heads at once.

    M folds into W1's product and M W2 + N into a small one, so that W2 (as large as W1) is never read.

    Parameters
    ----------
    heads : G of equal shape
    wanted : per head M with c, and N
    arrange : of a weight (..., n), how its columns stand in the x that will be given; None: as they are
    """

    def __init__(
        self,
        heads: Sequence[ResidualHead],
        wanted: Sequence[tuple[Affine, Tensor | float]],
        arrange: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        like = heads[0].narrow.weight
        first, second = [], []
        for head, (of_features, of_hidden) in zip(heads, wanted, strict=True):
            widen = Affine.of(head.widen)
            constant = of_features.bias + of_features.weight @ widen.bias
            both = one_above_another([Affine.of(head.narrow), Affine(of_features.weight, constant)])
            first.append(both if arrange is None else Affine(arrange(both.weight), both.bias))
            second.append(of_features.weight @ widen.weight + of_hidden)
        self.hidden = len(like)
        self.first = placed(torch.stack([a.weight for a in first]), like)  # (G, h + o, n)
        self.first_bias = placed(torch.stack([a.bias[None] for a in first]), like)  # (G, 1, h + o)
        self.second = placed(torch.stack([weight.T for weight in second]), like)  # (G, h, o)

    def __call__(self, x: Tensor) -> Tensor:
        """Read ``x`` (G, B, n): (G, B, o)."""
        y = torch.baddbmm(self.first_bias, x, self.first.transpose(1, 2))
        return torch.baddbmm(y[..., self.hidden :], y[..., : self.hidden].relu(), self.second)


def vertex(
    head: ResidualHead, unit: GraphDistillationUnit, *, representation_is_hidden: bool
) -> tuple[Affine, Tensor | float]:
    """What a vertex is read for: C logits, its score as a student and its score as a teacher.

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


def edge_weights(scores: Tensor, ends: Tensor, exists: Tensor | None) -> Tensor:
    """Softmax over the six edges, (B, 6).

    ``scores`` (3, B, 2) as student and as teacher, over the temperature; ``exists`` bool (B, 6), None: all exist.
    """
    tempered = scores.transpose(0, 1).flatten(1) @ ends  # (B, 6)
    if exists is None:
        return tempered.softmax(dim=1)
    return tempered.masked_fill(~exists, torch.finfo(tempered.dtype).min).softmax(dim=1) * exists
