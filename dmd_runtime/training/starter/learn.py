"""The starter's own training: each step sees every modality alone, triples, triples that lack one, and wrong ones."""

from __future__ import annotations

import copy
import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD, DMDOutput
from dmd_runtime.model.losses import LossWeights, Targets, dmd_losses
from dmd_runtime.training.starter.mixture import Batch, Mixture
from dmd_runtime.training.starter.pools import Int64
from dmd_runtime.training.starter.steps import average, class_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the starter is trained.

    Attributes
    ----------
    steps : int
        Of the optimiser; each sees ``alone`` samples of every modality and ``triples``.
    alone, triples : int
    lr, weight_decay : float
        AdamW, one cycle.
    corrupt, drop : float
        Shares of the triples, as in :meth:`Mixture.triples`.
    balance : float
        Power of the inverse class frequency in the weights of single samples: 0 as they come, 1 fully balanced.
    smoothing : float
        Of the labels.
    weights : LossWeights
    average : float
        Of the running mean of the weights that is kept.
    """

    steps: int = 900
    alone: int = 48
    triples: int = 48
    lr: float = 2e-3
    weight_decay: float = 0.02
    corrupt: float = 0.5
    drop: float = 0.4
    balance: float = 0.3
    smoothing: float = 0.05
    weights: LossWeights = field(
        default_factory=lambda: LossWeights(distillation=dict.fromkeys(Graph, 0.2), sentiment=0.2)
    )
    average: float = 0.995


Log = Callable[[int, Mapping[str, float]], None]
Model = TypeVar("Model", bound=nn.Module)
BatchLoss = Callable[[Any, Batch, Tensor | None], tuple[Tensor, dict[str, float]]]
"""(output, batch, class weights or None) -> loss, figures for the log."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is learned from, and how; ``train`` {m: indices} are the samples drawn alone.

    Of ``unlabelled``, if given, as many more triples come with each step, and no loss sees their labels.
    """

    mixture: Mixture
    train: Mapping[Modality, Int64]
    schedule: Schedule
    seed: int
    unlabelled: Mixture | None = None


_LETTERS = tuple(m.value for m in MODALITIES)


def learn(config: DMDConfig, lesson: Lesson, log: Log) -> DMD:
    """Train a DMD; returns the running mean of its weights, in eval mode."""
    torch.manual_seed(lesson.seed)
    return fit(DMD(config), functools.partial(dmd_loss, config=config, schedule=lesson.schedule), lesson, log)


def fit(model: Model, loss_of: BatchLoss, lesson: Lesson, log: Log) -> Model:
    """Train any model that takes ``(features, mask, absent=)``; returns the running mean of its weights."""
    schedule, rng = lesson.schedule, np.random.default_rng(lesson.seed)
    model.train()
    mean = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay, betas=(0.9, 0.98)
    )
    pools, train = lesson.mixture.pools, lesson.train
    balance = {
        m.value: class_weights(pools[m].labelled.emotion[train[m]].mean(axis=0), schedule.balance) for m in MODALITIES
    }
    decks = {m: _deck(train[m], schedule.alone, rng) for m in MODALITIES}
    for step in range(schedule.steps):
        optimiser.param_groups[0]["lr"] = schedule.lr * _cycle(step / schedule.steps)
        batches = {m.value: lesson.mixture.alone(m, next(decks[m]), rng) for m in MODALITIES}
        batches["triples"] = lesson.mixture.triples(schedule.triples, rng, corrupt=schedule.corrupt, drop=schedule.drop)
        if lesson.unlabelled is not None:
            batches["unlabelled"] = lesson.unlabelled.triples(schedule.triples, rng).unlabelled()
        figures: dict[str, float] = {}
        for name, batch in batches.items():
            output = model(batch.features, batch.mask, absent=_absent(name))
            loss, parts = loss_of(output, batch, balance.get(name))
            loss.backward()  # type: ignore[no-untyped-call]
            figures |= {f"{name} {key}": value for key, value in parts.items()}
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average(mean, model, min(schedule.average, (1 + step) / (20 + step)))
        log(step, figures)
    return mean


def _absent(name: str) -> list[Modality]:
    return [m for m in MODALITIES if name in _LETTERS and name != m.value]


def dmd_loss(
    output: DMDOutput, batch: Batch, balance: Tensor | None, *, config: DMDConfig, schedule: Schedule
) -> tuple[Tensor, dict[str, float]]:
    """The losses of one batch; ``balance`` (C,) weighs the classes."""
    emotion = shares(batch.emotion, schedule, balance)
    own = {m: shares(y, schedule, balance) for m, y in batch.own.items()}
    targets = Targets(emotion=emotion, sentiment=batch.sentiment, own=own)
    losses = dmd_losses(output, config, targets, schedule.weights, batch.mask)
    return losses.total, losses.figures()


def shares(emotion: Tensor, schedule: Schedule, balance: Tensor | None) -> Tensor:
    """Shares of labels (B, C), smoothed, and weighed by class: a cross entropy is linear in them."""
    smooth = emotion * (1 - schedule.smoothing) + schedule.smoothing / emotion.shape[1]
    return smooth if balance is None else smooth * (emotion * balance).sum(dim=1, keepdim=True)


def _cycle(progress: float) -> float:
    warm = 0.08
    return progress / warm if progress < warm else 0.5 + 0.5 * math.cos(math.pi * (progress - warm) / (1 - warm))


def _deck(index: Int64, size: int, rng: np.random.Generator) -> Iterator[Int64]:
    """Endless batches that go through all of ``index`` before one comes again."""
    if len(index) < size:
        raise ConfigError(f"learning: expected at least {size} training samples of each modality, got {len(index)}")
    while True:
        order = rng.permutation(index)
        for k in range(0, len(order) - size + 1, size):
            yield order[k : k + size]
