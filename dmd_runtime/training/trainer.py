"""The training engine: epochs, accumulation, the plateau, early stopping on validation, and going on after a kill.

One process or many: :mod:`accelerate` moves, averages and scales. Random numbers of an epoch follow from (seed, epoch,
process) alone, so that a run that was resumed has those it would have had.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Float64
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality
from dmd_runtime.model.dmd import DMD
from dmd_runtime.training.batches import Batches, measure, shuffled
from dmd_runtime.training.learner import Learner, check_samples
from dmd_runtime.training.progress import Progress, Row
from dmd_runtime.training.run_config import RunConfig, labelled
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.text_tuning import load_text

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

Scores = Callable[["Predicted", Samples], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a model says of a split.

    Attributes
    ----------
    labels : tuple of str
    emotion : float64 (N, C) or None
        Probabilities of the labels.
    sentiment : float64 (N,) or None
    edges : {Graph: float64 (N, 6)}
        In the order of ``EDGES``; all 0 in samples without a graph.
    """

    labels: tuple[str, ...]
    emotion: Float64 | None
    sentiment: Float64 | None
    edges: Mapping[Graph, Float64]

    def mean_edges(self) -> dict[str, float]:
        """Mean weight of every edge over the samples that have a graph, as ``"homo L>V"``; 0 if none has."""
        found: dict[str, float] = {}
        for graph, weights in self.edges.items():
            there = weights[weights.sum(axis=1) > 0]
            mean = there.mean(axis=0) if len(there) else np.zeros(len(EDGES))
            found |= {f"{graph.value} {edge}": float(w) for edge, w in zip(EDGES, mean, strict=True)}
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A trained model: the weights of its best epoch, in eval mode.

    Attributes
    ----------
    learner : Learner
    standardizer : Standardizer or None
    rows : sequence of Row
        The log, one for each epoch.
    best_epoch : int
        Counted from 1.
    """

    learner: Learner
    standardizer: Standardizer | None
    rows: Sequence[Row]
    best_epoch: int


class Trainer:
    """Trains models as a :class:`RunConfig` says; one thread in each process.

    Parameters
    ----------
    config : RunConfig
    engine : Accelerator
        From :func:`dmd_runtime.training.engine.make_engine`; one for all runs of a process.
    modalities : collection of Modality
        The others count as missing, in training and prediction.
    """

    def __init__(self, config: RunConfig, engine: Accelerator, modalities: Collection[Modality] = MODALITIES) -> None:
        if config.reference and set(modalities) != set(MODALITIES):
            raise ConfigError("reference: expected all modalities (the published code has no masks), got fewer")
        self.config = config
        self.engine = engine
        self.modalities = tuple(m for m in MODALITIES if m in modalities)

    def fit(
        self,
        train: Samples,
        valid: Samples,
        *,
        seed: int,
        scores: Scores,
        folder: Path | None = None,
        data: str = "",
        on_epoch: Callable[[Row], None] = lambda _: None,
    ) -> Fitted:
        """Train until validation no longer gains.

        Parameters
        ----------
        train, valid : Samples
        seed : int
            Of the weights, the order and everything else that is drawn.
        scores : callable
            Figures of a prediction of ``valid``, for the log only.
        folder : Path, optional
            Where the state is kept after every epoch; if one is there, the run goes on from it.
        data : str
            Identity of the data; another than that of a kept state is refused.
        on_epoch : callable
            Told every epoch's figures, of a resumed run also those from before.

        Raises
        ------
        ConfigError
            The samples do not fit the configuration, or a state is of another run.
        ModelError
            The loss is no number any more.
        """
        learner = self._new(train, seed)
        for samples, what in ((train, "train"), (valid, "valid")):
            check_samples(learner, samples, what)
        if not any(labelled(valid)):
            raise ConfigError("valid: expected labels of emotion or sentiment, got none")
        standardizer = measure(train) if self.config.standardise else None
        identity = f"{data} {seed} {[m.value for m in self.modalities]} {self.config.fingerprint()}"
        progress = Progress(self.engine, self.config, learner, folder, identity)
        batches = self._batches(train, standardizer)
        for row in progress.rows:
            on_epoch(row)
        while not progress.over:
            epoch, rate = len(progress.rows) + 1, progress.rate
            figures = self._learn(progress, batches, seed, epoch)
            predicted = self.predict(learner, standardizer, valid)
            loss = task_loss(predicted, valid)
            if not math.isfinite(loss + figures["total"]):
                raise ModelError(
                    f"epoch {epoch}: expected finite losses, got {figures['total']:g} and {loss:g} (valid)"
                )
            row = {
                "epoch": epoch,
                "lr": rate,
                **{f"train {name}": value for name, value in figures.items()},
                "valid loss": loss,
                **{f"valid {name}": value for name, value in scores(predicted, valid).items()},
                **predicted.mean_edges(),
            }
            progress.close_epoch(row, loss)
            on_epoch(row)
        return Fitted(
            learner=progress.close(), standardizer=standardizer, rows=progress.rows, best_epoch=progress.best_epoch
        )

    def predict(self, learner: Learner, standardizer: Standardizer | None, samples: Samples) -> Predicted:
        """What a model says of a split; every process gets all of it."""
        return predict(learner, self._batches(samples, standardizer), self.config.optimiser.batch_size, self.engine)

    def _new(self, train: Samples, seed: int) -> Learner:
        """A model with the first weights of a seed, the same in every process."""
        text = load_text(self.config.text.encoder) if self.config.tuned_text else None
        if text is not None and train.text_tokens is None:
            raise ConfigError("train: expected text_bert for a tuned text encoder, got none (text.encoder = none)")
        made = self.config.model_config_for(train, text_width=None if text is None else text.width)
        torch.manual_seed(seed)
        return Learner(DMD(made), text, self.config.loss_weights, masked=not self.config.reference)

    def _batches(self, samples: Samples, standardizer: Standardizer | None) -> Batches:
        return Batches(
            samples,
            standardizer,
            self.modalities,
            self.engine.device,
            tuned_text=self.config.tuned_text,
            masked=not self.config.reference,
        )

    def _learn(self, progress: Progress, batches: Batches, seed: int, epoch: int) -> dict[str, float]:
        """One epoch; the means of all loss terms over its batches and all processes."""
        settings, reference = self.config.optimiser, self.config.reference
        rank, ranks = self.engine.process_index, self.engine.num_processes
        order = shuffled(len(batches), settings.batch_size, np.random.default_rng((seed, epoch)), rank, ranks)
        draw = np.random.default_rng((seed, epoch, rank))
        torch.manual_seed(int(draw.integers(2**62)))
        groups = [order[k : k + settings.accumulate] for k in range(0, len(order), settings.accumulate)]
        if reference and len(groups[-1]) < settings.accumulate:
            groups.pop()  # the published code never makes this step
        if not groups:
            least = (settings.accumulate - 1) * settings.batch_size + 1
            raise ConfigError(
                f"train: expected at least {least} samples, got {len(batches)}: the published code throws away what "
                f"does not fill {settings.accumulate} batches of {settings.batch_size}"
            )
        wrapped, stepper = progress.wrapped, progress.stepper
        wrapped.train()
        seen: list[dict[str, float]] = []
        for group in groups:
            stepper.zero_grad()
            for k, (index, weight) in enumerate(group):
                batch = batches.take(index, robbed=self.config.robustness, rng=draw)
                with nullcontext() if k == len(group) - 1 else self.engine.no_sync(wrapped):
                    loss, figures = wrapped(batch)
                    self.engine.backward(loss * (weight if reference else weight / len(group)))
                if reference or k == len(group) - 1:
                    self.engine.clip_grad_value_(wrapped.parameters(), settings.clip)
                seen.append(figures)
            stepper.step()
        means = torch.tensor([[*figures.values()] for figures in seen], dtype=torch.float64).mean(dim=0).float()
        means = self.engine.reduce(means.to(self.engine.device), reduction="mean")
        return dict(zip(seen[0], means.tolist(), strict=True))


def predict(learner: Learner, batches: Batches, size: int, engine: Accelerator) -> Predicted:
    """What a model says of a split, in eval mode; processes share the work, and every one gets all of it."""
    ranks = engine.num_processes
    learner.eval()
    parts = []
    for batch in batches.in_order(size, engine.process_index, ranks):
        said = learner.say(batch)
        parts.append([said.logits.cpu(), *(said.edges[g].cpu() for g in Graph)])
    if ranks > 1:
        from accelerate.utils import gather_object  # noqa: PLC0415

        parts = gather_object(parts)
    logits, *edges = (torch.cat(column).double().numpy() for column in zip(*parts, strict=True))
    config = learner.model.config
    of_labels = torch.from_numpy(logits[:, : len(config.labels)])
    return Predicted(
        labels=config.labels,
        emotion=of_labels.softmax(dim=1).numpy() if config.labels else None,
        sentiment=logits[:, -1] if config.sentiment else None,
        edges=dict(zip(Graph, edges, strict=True)),
    )


def task_loss(predicted: Predicted, samples: Samples) -> float:
    """What decides on the best epoch: mean cross entropy of emotion + mean absolute error of sentiment."""
    total = 0.0
    if predicted.emotion is not None:
        said = np.isfinite(samples.emotion).all(axis=1)
        logs = np.log(np.maximum(predicted.emotion[said], np.finfo(np.float64).tiny))
        total += float(-(samples.emotion[said] * logs).sum(axis=1).mean()) if said.any() else 0.0
    if predicted.sentiment is not None:
        said = np.isfinite(samples.sentiment)
        total += float(np.abs(predicted.sentiment - samples.sentiment)[said].mean()) if said.any() else 0.0
    return total
