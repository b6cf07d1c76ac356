"""What DMD is trained to make small: every term of the paper, its weight, and which reading of it is taken.

L = Σ eight task terms + 0.05 · (GD_homo + GD_hetero) + 0.1 · (cycle + reconstruction + 0.1 · (margin + orthogonality))

plus, for our own training, the supervision of the edges. Li, Wang and Cui, CVPR 2023,
https://arxiv.org/abs/2303.13802, sections 3.2 to 3.4; ``docs/model.md`` has the equations and the choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model import loss_terms as terms
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.distillation import STUDENTS, TEACHERS
from dmd_runtime.model.dmd import DMDOutput

PUBLISHED_PRIOR: Mapping[Graph, tuple[float, ...]] = {
    graph: tuple((torch.tensor(raised, dtype=torch.float64) / 0.25).softmax(dim=0).tolist())
    for graph, raised in (
        (Graph.HOMOGENEOUS, (0.0, 0.0, 1.0, 0.0, 1.0, 0.0)),
        (Graph.HETEROGENEOUS, (0.0, 0.0, 1.0, 0.0, 1.0, 1.0)),
    )
}
"""What the published code pulls its mean edges to, in the order of ``EDGES``; ``DMDConfig.prior`` takes it."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights and readings of the terms. The defaults are for our own training; :meth:`reference` is as published.

    A prior is none of these: it is part of :class:`DMDConfig`, because it stays with what was trained.
    """

    emotion: float = 1.0
    """Of the cross entropies, where a model has labels."""
    sentiment: float = 1.0
    """L_task, section 3.4: of the L1 terms."""
    distillation: Mapping[Graph, float] = field(default_factory=lambda: dict.fromkeys(Graph, 0.05))
    """λ2 · L_dtl, section 3.4, one per graph."""
    decoupling: float = 0.1
    """λ1 · L_dec, section 3.4: of reconstruction (L_rec) and cycle (L_cyc), section 3.2."""
    separation: float = 0.1
    """γ, inside L_dec: of margin (L_mar) and orthogonality (L_ort)."""
    representation: Mapping[Graph, float] = field(default_factory=lambda: dict.fromkeys(Graph, 0.0))
    """Of the distance of representations beside that of predictions, section 3.3. Published: 10 in the heterogeneous
    graph; computed and then dropped in the homogeneous."""
    prior: float = 10.0
    """Of Σ (mean edge - prior)², which only the published code has; without a prior in the configuration it is 0."""
    edges: float = 1.0
    """Of the supervision of edges, the sum over both graphs; not in the paper."""
    margin: float = 0.15
    """Of L_mar, per unit of sentiment between two samples."""
    class_margin: float = 0.3
    """Of L_mar between two labels: as between samples two units of sentiment apart."""
    detach_edges: bool = True
    """Whether distillation leaves the edges alone. If not, they learn to prefer teachers that already agree."""
    over_batch: bool = False
    """Orthogonality over the batch, as published, instead of per step."""
    published_push: bool = False
    """The representation term that pushes a student *away* from its teacher, instead of 1 - cos, which pulls."""
    class_l1: bool = False
    """Distances of labels' logits by L1, as published, instead of by KL."""

    @classmethod
    def reference(cls) -> LossWeights:
        """As in the published code."""
        return cls(
            representation={Graph.HOMOGENEOUS: 0.0, Graph.HETEROGENEOUS: 10.0},
            edges=0.0,
            detach_edges=False,
            over_batch=True,
            published_push=True,
            class_l1=True,
        )


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What was said about B samples.

    Attributes
    ----------
    emotion : float (B, labels) or None
        Shares of the labels; a row of NaN where nobody said. None: nobody did.
    sentiment : float (B,) or None
        NaN where nobody said.
    own : {Modality: float (B, labels)} or None
        What a modality's own part was labelled, for its two vertices alone; NaN rows teach them nothing. It differs
        from ``emotion`` where a modality was swapped for another sample's. None: as ``emotion``.
    """

    emotion: Tensor | None = None
    sentiment: Tensor | None = None
    own: Mapping[Modality, Tensor] | None = None


class GraphLoss(NamedTuple):
    """One graph's terms, unweighted scalars."""

    logit: Tensor
    """Distillation of predictions."""
    representation: Tensor
    """Distillation of representations."""
    prior: Tensor
    """The pull to the prior."""
    edges: Tensor
    """Supervision of the edges."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """All terms, scalars that still have their gradients; unweighted except for ``total``.

    Attributes
    ----------
    task : {head: Tensor}
        ``fused``, ``common``, and ``L homo`` … ``A hetero``; each emotion and sentiment together, with their weights.
    reconstruction, cycle, margin, orthogonality : Tensor
    graphs : {Graph: GraphLoss}
    total : Tensor
    """

    task: Mapping[str, Tensor]
    reconstruction: Tensor
    cycle: Tensor
    margin: Tensor
    orthogonality: Tensor
    graphs: Mapping[Graph, GraphLoss]
    total: Tensor

    def figures(self) -> dict[str, float]:
        """Every term as a number, for a log; ``task`` is the sum of its heads."""
        named = {
            "total": self.total,
            "task": torch.stack(list(self.task.values())).sum(),
            **{f"task {head}": value for head, value in self.task.items()},
            **{name: getattr(self, name) for name in ("reconstruction", "cycle", "margin", "orthogonality")},
            **{f"{name} {g.value}": value for g, loss in self.graphs.items() for name, value in loss._asdict().items()},
        }
        return dict(zip(named, torch.stack([x.detach() for x in named.values()]).tolist(), strict=True))


class _Case(NamedTuple):
    """One batch, checked: what the model said, what people said, and who was there."""

    output: DMDOutput
    config: DMDConfig
    weights: LossWeights
    emotion: Tensor | None  # (B, labels)
    sentiment: Tensor | None  # (B,)
    own: Mapping[Modality, Tensor] | None  # (B, labels) each
    steps: Mapping[Modality, Tensor]  # bool (B, T')
    present: Tensor  # bool (3, B)

    @property
    def classes(self) -> int:
        return len(self.config.labels)


def dmd_losses(
    output: DMDOutput,
    config: DMDConfig,
    targets: Targets,
    weights: LossWeights,
    mask: Mapping[Modality, Tensor] | None = None,
) -> Losses:
    """All losses of one batch.

    Parameters
    ----------
    output : DMDOutput
        With its gradients' graph.
    config : DMDConfig
        Of that model: its labels, kernels and prior.
    targets : Targets
    weights : LossWeights
    mask : {m: bool (B, T_m)} or None
        As it was given to the model. What a sample has not is left out of every term.

    Raises
    ------
    ConfigError
        The targets do not have the model's shape.
    """
    steps = {m: _real_steps(output, config, m, mask) for m in MODALITIES}
    present = torch.stack([steps[m].any(dim=1) for m in MODALITIES])
    case = _Case(output, config, weights, *_said(targets, config, len(output.logits)), targets.own, steps, present)

    task = _task(case)
    parts = [(output.decoupled[m], steps[m]) for m in MODALITIES]
    reading = terms.orthogonality_over_batch if weights.over_batch else terms.orthogonality
    reconstruction = _sum(terms.squared_error(p.reconstructed, p.projected, real) for p, real in parts)
    cycle = _sum(terms.squared_error(p.cycle, p.exclusive, real) for p, real in parts)
    orthogonality = _sum(reading(p.exclusive, p.common, real) for p, real in parts)
    margin = _margin(case)
    graphs = {graph: _graph(case, graph) for graph in Graph}

    separation = weights.separation * (margin + orthogonality)
    total = _sum(task.values()) + weights.decoupling * (cycle + reconstruction + separation)
    for graph, loss in graphs.items():
        taught = loss.logit + weights.representation[graph] * loss.representation + weights.prior * loss.prior
        total = total + weights.distillation[graph] * taught + weights.edges * loss.edges
    return Losses(
        task=task,
        reconstruction=reconstruction,
        cycle=cycle,
        margin=margin,
        orthogonality=orthogonality,
        graphs=graphs,
        total=total,
    )


def _real_steps(output: DMDOutput, config: DMDConfig, m: Modality, mask: Mapping[Modality, Tensor] | None) -> Tensor:
    """Which steps have seen a real row, through the stem and the first convolution: bool (B, T')."""
    if mask is None:
        return torch.ones_like(output.decoupled[m].common[:, 0], dtype=torch.bool)
    stride = config.stems[m].stride if m in config.stems else 1
    rows = mask[m].reshape(len(mask[m]), -1, stride).any(dim=-1)
    return rows.unfold(1, config.kernels[m], 1).any(dim=-1)


def _said(targets: Targets, config: DMDConfig, batch: int) -> tuple[Tensor | None, Tensor | None]:
    """Emotion and sentiment as far as the model has them, found to have its shape."""
    emotion = targets.emotion if config.labels else None
    sentiment = targets.sentiment if config.sentiment else None
    for name, found, expected in (
        ("emotion", emotion, (batch, len(config.labels))),
        ("sentiment", sentiment, (batch,)),
    ):
        if found is not None and tuple(found.shape) != expected:
            raise ConfigError(f"targets: expected {name} {expected} as the model has it, got {tuple(found.shape)}")
    return emotion, sentiment


def _task(case: _Case) -> dict[str, Tensor]:
    """The eight predictions against what was said; a missing modality's vertices have no prediction."""
    output, anything = case.output, case.present.any(dim=0)
    heads = {"fused": (output.logits, anything), "common": (output.common_logits, anything)}
    for graph in Graph:
        for m, here in zip(MODALITIES, case.present, strict=True):
            heads[f"{m.value} {graph.value}"] = output.node_logits[graph][m], here
    logits = torch.stack([x for x, _ in heads.values()])  # (8, B, C)
    members = torch.stack([here for _, here in heads.values()])  # (8, B)
    total = logits.new_zeros(len(heads))
    if case.emotion is not None:
        of_vertices = [case.emotion if case.own is None else case.own[m] for m in MODALITIES]
        shares = torch.stack([case.emotion, case.emotion, *of_vertices, *of_vertices])  # (8, B, labels)
        said = members & shares.isfinite().all(dim=2)
        errors = terms.cross_entropy(logits[..., : case.classes], shares.nan_to_num())
        total = total + case.weights.emotion * terms.mean(errors, said, dim=1)
    if case.sentiment is not None:
        errors = (logits[..., -1] - case.sentiment.nan_to_num()).abs()
        total = total + case.weights.sentiment * terms.mean(errors, members & case.sentiment.isfinite(), dim=1)
    return dict(zip(heads, total.unbind(), strict=True))


def _margin(case: _Case) -> Tensor:
    """The hinge over all common parts: by label where the model has labels, else by sentiment."""
    nodes = torch.cat([case.output.common_aligned[m] for m in MODALITIES])  # (3B, d)
    if case.classes and case.emotion is not None:
        labelled, of_sample = case.emotion.isfinite().all(dim=1), case.emotion.nan_to_num().argmax(dim=1)
    elif not case.classes and case.sentiment is not None:
        labelled, of_sample = case.sentiment.isfinite(), case.sentiment.nan_to_num()
    else:
        return nodes.new_zeros(())
    labels = of_sample.repeat(len(MODALITIES)).to(nodes.dtype)
    apart = (labels[:, None] - labels).abs()  # (3B, 3B)
    margins = torch.full_like(apart, case.weights.class_margin) if case.classes else case.weights.margin * apart
    return terms.margin(nodes, apart == 0, margins, (case.present & labelled).flatten())


def _graph(case: _Case, graph: Graph) -> GraphLoss:
    """Who teaches whom in one graph. The teachers' predictions and representations are detached."""
    output, weights, prior = case.output, case.weights, case.config.prior.get(graph, ())
    exists = (case.present[list(STUDENTS)] & case.present[list(TEACHERS)]).T  # (B, 6)
    logits = torch.stack([output.node_logits[graph][m] for m in MODALITIES], dim=1)  # (B, 3, C)
    nodes = torch.stack([output.node_representations[graph][m] for m in MODALITIES], dim=1)  # (B, 3, R)
    learned, taught = logits[:, STUDENTS], logits[:, TEACHERS].detach()  # (B, 6, C)
    students, teachers = nodes[:, STUDENTS], nodes[:, TEACHERS].detach()  # (B, 6, R)
    if not weights.published_push:
        apart = 1 - terms.cosine(students, teachers)
    elif graph is Graph.HETEROGENEOUS:
        apart = terms.published_push(students, teachers, exists).expand_as(exists)
    else:
        apart = (students - teachers).abs().sum(dim=-1)
    edges = output.graphs[graph].weights
    scale = edges.detach() if weights.detach_edges else edges
    distances = terms.distance(learned, taught, 0 if weights.class_l1 else case.classes)
    return GraphLoss(
        logit=terms.distillation(scale, distances, exists, prior),
        representation=terms.distillation(scale, apart, exists, prior),
        prior=terms.pull_to_prior(edges, exists, prior),
        edges=terms.mixture_error(
            edges, taught, exists, classes=case.classes, shares=case.emotion, scores=case.sentiment
        ),
    )


def _sum(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
