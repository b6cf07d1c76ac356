"""The graph-distillation unit (section 3.3 of the paper): who teaches whom, decided anew for every sample.

Vertices are the modalities, edges the strengths of distillation. Li, Wang and Cui, CVPR 2023,
https://arxiv.org/abs/2303.13802. :class:`GraphDistillationUnit` is the published one; :class:`InteractionUnit` is this
project's, for edges that can be taught what teaching is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.modality import EDGES, MODALITIES, Modality

STUDENTS = tuple(MODALITIES.index(edge.student) for edge in EDGES)
"""Of every edge its student's place in the order L, V, A."""
TEACHERS = tuple(MODALITIES.index(edge.teacher) for edge in EDGES)
"""Of every edge its teacher's place."""


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
        pairs = torch.cat([z[:, STUDENTS], z[:, TEACHERS]], dim=2)  # (B, 6, 4w)
        scores = self.edge(pairs).squeeze(2)  # (B, 6)
        if present is None:
            return Edges((scores / self.temperature).softmax(dim=1), scores)
        exists = _exists(present)
        tempered = (scores / self.temperature).masked_fill(~exists, torch.finfo(scores.dtype).min)
        return Edges(tempered.softmax(dim=1) * exists, scores * exists)


class InteractionUnit(nn.Module):
    """Scores every ordered pair by what its two ends have to do with each other; one softmax per student.

    e(t → s) = MLP([z_s, z_t, abs(z_s - z_t), z_s * z_t]) on normalised vertices z, so that a student may trust another
    teacher than the next student does. Deviates from the paper, whose sum a(student) + b(teacher) cannot say that, and
    whose edges were measured to predict no better than chance whether their teacher is right.

    What it looks at is *detached*: an edge is a judgement about two vertices, and must not reshape what it observes.
    Else a loss on edges is most cheaply met by vertices that make themselves easy to judge, whatever they then say.

    Parameters
    ----------
    outputs, representation, width : int
        As for :class:`GraphDistillationUnit`.
    temperature : float
        Of the softmax over a student's teachers; 1 is usual here.
    """

    def __init__(self, outputs: int, representation: int, width: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.logit = nn.Linear(outputs, width)
        self.representation = nn.Linear(representation, width)
        self.norm = nn.LayerNorm(2 * width)
        self.pair = nn.Linear(8 * width, 2 * width)
        self.edge = nn.Linear(2 * width, 1)

    def forward(
        self,
        logits: Mapping[Modality, Tensor],
        representations: Mapping[Modality, Tensor],
        present: Tensor | None = None,
    ) -> Edges:
        """Weigh the edges, as :class:`GraphDistillationUnit` does; no gradient reaches the vertices."""
        of_logits, of_representations = (
            torch.stack([x[m].detach() for m in MODALITIES], dim=1) for x in (logits, representations)
        )
        return self.judge(of_logits, of_representations, None if present is None else _exists(present))

    def judge(self, logits: Tensor, representations: Tensor, exists: Tensor | None) -> Edges:
        """The same of stacked vertices, (B, 3, C) and (B, 3, R), and of which edges exist: bool (B, 6) or None."""
        z = self.norm(torch.cat([self.logit(logits), self.representation(representations)], dim=2))  # (B, 3, 2w)
        student, teacher = z[:, STUDENTS], z[:, TEACHERS]  # (B, 6, 2w)
        pairs = torch.cat([student, teacher, (student - teacher).abs(), student * teacher], dim=2)  # (B, 6, 8w)
        scores = self.edge(F.relu(self.pair(pairs))).squeeze(2)  # (B, 6)
        weights = per_student(scores / self.temperature, exists)
        return Edges(weights, scores if exists is None else scores * exists)


UNITS: Mapping[str, type[GraphDistillationUnit | InteractionUnit]] = {
    "published": GraphDistillationUnit,
    "interaction": InteractionUnit,
}
"""Units by ``DMDConfig.edge_form``."""


def per_student(scores: Tensor, exists: Tensor | None) -> Tensor:
    """A softmax over each student's teachers, divided by how many students have one: (B, 6), summing to 1 or 0.

    ``scores`` (B, 6), over the temperature; ``exists`` bool (B, 6), None: all six do.
    """
    by_student = scores.view(len(scores), len(MODALITIES), -1)  # (B, 3, 2): EDGES lists them by student
    if exists is None:
        return by_student.softmax(dim=2).flatten(1) / len(MODALITIES)
    there = exists.view_as(by_student)
    shares = by_student.masked_fill(~there, torch.finfo(scores.dtype).min).softmax(dim=2) * there
    students = there.any(dim=2).sum(dim=1, keepdim=True).clamp(min=1)  # (B, 1)
    return shares.flatten(1) / students


def _exists(present: Tensor) -> Tensor:
    """Which edges have both ends: bool (B, 3) -> (B, 6)."""
    return present[:, STUDENTS] & present[:, TEACHERS]
