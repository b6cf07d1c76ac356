"""The terms that DMD learns from, each a function of tensors; ``losses.py`` weighs and adds them.

B samples, T steps, d width, C outputs. Every mean is taken over *members*: what is there and what somebody said
something about. A mean over nobody is 0, and has no gradient. Sections are those of Li, Wang and Cui, CVPR 2023,
https://arxiv.org/abs/2303.13802.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-12
"""Added to squared norms, as in the cosine of PyTorch's embedding loss, which the published code calls."""
LEAST_SHARE = 1e-6
"""Of a mixture, before its logarithm is taken."""


def mean(x: Tensor, members: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Mean of ``x`` over ``dim`` (None: all) where ``members``, a bool that broadcasts to it, is True; else 0."""
    members = members.expand_as(x)
    dims = tuple(range(x.dim())) if dim is None else dim
    return torch.where(members, x, 0.0).sum(dims) / members.sum(dims).clamp(min=1)


def cosine(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """Cosine of the angle between ``a`` and ``b`` along ``dim``."""
    squares = (a.square().sum(dim) + EPSILON) * (b.square().sum(dim) + EPSILON)
    return (a * b).sum(dim) / squares.sqrt()


# ------------------------------------------------------------------------------------------------------------- task


def cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """-Σ_c y_c log softmax(logits)_c for ``logits`` (..., C) and shares of labels y (..., C): (...)."""
    return -(shares * logits.log_softmax(dim=-1)).sum(dim=-1)


# ------------------------------------------------------------------------------------------- decoupling, section 3.2


def squared_error(a: Tensor, b: Tensor, real: Tensor) -> Tensor:
    """Mean of (a - b)² of (B, d, T) over the steps where ``real`` bool (B, T): reconstruction and cycle."""
    return mean((a - b).square(), real[:, None])


def orthogonality(exclusive: Tensor, common: Tensor, real: Tensor) -> Tensor:
    """Mean over real steps of max(0, cos(s_t, c_t)), the cosine of a step's two parts (B, d, T) over its d features."""
    return mean(cosine(exclusive, common, dim=1).relu(), real)


def orthogonality_over_batch(exclusive: Tensor, common: Tensor, real: Tensor) -> Tensor:
    """The published code's reading: the cosine over the *batch*, a mean over steps and features.

    Deviates from the paper: of (T, B, d), PyTorch up to 1.9 took the cosine along the second axis. It depends on who
    else is in the batch, and lets the two parts of one sample be as alike as they like.
    """
    here = real[:, None]
    return mean(cosine(exclusive * here, common * here, dim=0).relu(), here.any(dim=0))


def margin(nodes: Tensor, alike: Tensor, margins: Tensor, members: Tensor) -> Tensor:
    """Hinge on the common parts: what has one label lies closer together than what has another, by a margin.

    The mean over anchors i, and over their positives p and negatives n, of max(0, α_in - cos_ip + cos_in), without the
    anchors that have no positive or no negative. All pairs in N² log N: for every negative, the positives below its
    bound are counted and summed up in the sorted row.

    Parameters
    ----------
    nodes : (N, d)
    alike : bool (N, N)
        Equal labels.
    margins : (N, N)
        α.
    members : bool (N,)
    """
    pairs = members[:, None] & members & ~torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
    positive, negative = pairs & alike, pairs & ~alike
    cosines = cosine(nodes[:, None], nodes)  # (N, N)
    bounds = margins + cosines
    ascending = torch.where(positive, cosines, math.inf).sort(dim=1).values
    below = torch.searchsorted(ascending.detach(), bounds.detach())  # positives that violate this negative's margin
    sums = F.pad(torch.where(ascending.isinf(), 0.0, ascending).cumsum(dim=1), (1, 0))  # (N, N + 1)
    hinges = below * bounds - sums.gather(1, below)  # Σ_p max(0, α_in - cos_ip + cos_in)
    positives, negatives = positive.sum(dim=1), negative.sum(dim=1)
    of_anchor = (hinges * negative).sum(dim=1) / (positives * negatives).clamp(min=1)
    return mean(of_anchor, (positives > 0) & (negatives > 0))


# -------------------------------------------------------------------------------------- distillation, section 3.3


def distance(student: Tensor, teacher: Tensor, classes: int) -> Tensor:
    """How far predictions (..., C) are apart, the first ``classes`` of them logits of labels: (...).

    KL(softmax of the teacher ‖ softmax of the student) + the L1 distance of what is left, which is a score. With no
    classes it is the published L1 distance. Deviates: an L1 distance of the logits of classes changes with a number
    added to all of them, which no prediction does.
    """
    scores = (student[..., classes:] - teacher[..., classes:]).abs().sum(dim=-1)
    if not classes:
        return scores
    taught, learned = (x[..., :classes].log_softmax(dim=-1) for x in (teacher, student))
    return scores + (taught.exp() * (taught - learned)).sum(dim=-1)


def distillation(weights: Tensor, distances: Tensor, exists: Tensor, prior: Sequence[float] = ()) -> Tensor:
    """Σ over edges of mean_b((w + prior) · distance), all (B, 6); each mean over the samples where the edge exists."""
    pulled = weights + weights.new_tensor(prior) if prior else weights
    return mean(pulled * distances, exists, dim=0).sum()


def pull_to_prior(weights: Tensor, exists: Tensor, prior: Sequence[float]) -> Tensor:
    """Σ over edges of (mean_b w - prior)²; 0 without a prior, and for edges that no sample has."""
    if not prior:
        return weights.new_zeros(())
    return ((mean(weights, exists, dim=0) - weights.new_tensor(prior)) * exists.any(dim=0)).square().sum()


def published_push(students: Tensor, teachers: Tensor, exists: Tensor) -> Tensor:
    """Mean over samples of max(0, cos(h_s, h_t)) of (B, 6, R), one number per edge: (6,).

    What the published code calls the representation term of the heterogeneous graph. Its minimum is where student and
    teacher are orthogonal: it pushes them *apart*. Being a number per edge, it is the same for every sample's weight.
    """
    return mean(cosine(students, teachers).relu(), exists, dim=0)


def mixture_error(
    weights: Tensor,
    teachers: Tensor,
    exists: Tensor,
    *,
    classes: int,
    shares: Tensor | None,
    scores: Tensor | None,
) -> Tensor:
    """Supervision of edges by what teaching is for: a student's teachers, mixed by its edges, should be right.

    With ŵ the two edges of a student over their sum: -Σ_c y_c log Σ_t ŵ_t softmax(teacher_t)_c for labels, and
    abs(Σ_t ŵ_t score_t - y) for sentiment; the mean over the students that have two teachers, and over labelled
    samples. One teacher alone has weight 1 whatever its edge is, and teaches nothing about it. Teachers are detached:
    gradients reach the edges only.

    Parameters
    ----------
    weights, exists : (B, 6)
    teachers : (B, 6, C)
        Each edge's teacher's prediction.
    classes : int
        How many of C are logits of labels.
    shares : (B, classes) or None
        A row of NaN where nobody said.
    scores : (B,) or None
        NaN where nobody said.
    """
    per_student = (-1, 3, 2)  # EDGES lists them by student
    pairs = weights.view(per_student)
    shared = (pairs / pairs.sum(dim=2, keepdim=True).clamp(min=EPSILON))[..., None]  # (B, 3, 2, 1)
    taught = teachers.detach().view(*per_student, teachers.shape[-1])  # (B, 3, 2, C)
    chosen = exists.view(per_student).all(dim=2)  # (B, 3)
    total = weights.new_zeros(())
    if shares is not None and classes:
        mixed = (shared * taught[..., :classes].softmax(dim=-1)).sum(dim=2)  # (B, 3, classes)
        labelled = shares.isfinite().all(dim=1, keepdim=True)
        nll = -(shares.nan_to_num()[:, None] * mixed.clamp(min=LEAST_SHARE).log()).sum(dim=-1)
        total = total + mean(nll, chosen & labelled)
    if scores is not None and teachers.shape[-1] > classes:
        mixed = (shared[..., 0] * taught[..., -1]).sum(dim=2)  # (B, 3)
        off = (mixed - scores.nan_to_num()[:, None]).abs()
        total = total + mean(off, chosen & scores.isfinite()[:, None])
    return total
