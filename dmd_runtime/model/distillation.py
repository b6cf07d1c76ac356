"""The graph-distillation unit (section 3.3 of the paper): who teaches whom, decided anew for every sample.

Vertices are the modalities, edges the strengths of distillation. Li, Wang and Cui, CVPR 2023,
https://arxiv.org/abs/2303.13802.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmd_runtime.modality import EDGES, MODALITIES, Modality

_STUDENTS = [MODALITIES.index(edge.student) for edge in EDGES]
_TEACHERS = [MODALITIES.index(edge.teacher) for edge in EDGES]


class Edges(NamedTuple):
    """Six edges in the order of ``EDGES``, each (B, 6)."""

    weights: Tensor
    """Sum to 1 over the edges that exist; 0 where an end is missing, and all 0 with fewer than two modalities."""
    scores: Tensor
    """Before the softmax."""


class GraphDistillationUnit(nn.Module):
    """Scores every ordered pair of modalities and turns the six scores into weights by one softmax.

    A score is linear in student and teacher, e = a(student) + b(teacher): every student ranks its teachers alike.

    Parameters
    ----------
    outputs : int
        Numbers per vertex prediction.
    representation : int
        Width of a vertex's representation.
    width : int
        Hidden width.
    temperature : float
        Of the softmax; at the published 8 the weights hardly leave 1/6.
    """

    def __init__(self, outputs: int, representation: int, width: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.logit = nn.Linear(outputs, width)
        self.representation = nn.Linear(representation, width)
        self.edge = nn.Linear(4 * width, 1)

    def forward(
        self,
        logits: Mapping[Modality, Tensor],
        representations: Mapping[Modality, Tensor],
        present: Tensor | None = None,
    ) -> Edges:
        """Weigh the edges from every vertex's ``logits`` (B, C) and ``representations`` (B, R).

        ``present`` bool (B, 3) in the order L, V, A: an edge exists where both its ends do; None: all exist.
        """
        z = torch.stack(  # (B, 3, 2w)
            [torch.cat([self.logit(logits[m]), self.representation(representations[m])], dim=1) for m in MODALITIES],
            dim=1,
        )
        pairs = torch.cat([z[:, _STUDENTS], z[:, _TEACHERS]], dim=2)  # (B, 6, 4w)
        scores = self.edge(pairs).squeeze(2)  # (B, 6)
        if present is None:
            return Edges((scores / self.temperature).softmax(dim=1), scores)
        exists = present[:, _STUDENTS] & present[:, _TEACHERS]
        tempered = (scores / self.temperature).masked_fill(~exists, torch.finfo(scores.dtype).min)
        return Edges(tempered.softmax(dim=1) * exists, scores * exists)
