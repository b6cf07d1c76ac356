"""A checkpoint at work on many windows at once: probabilities, vertices and edges, averaged per sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from dmd_runtime.corpora.labels import label_index
from dmd_runtime.corpora.windows import Placed, Windows, lay_out
from dmd_runtime.errors import CheckpointError
from dmd_runtime.features.base import Recipe
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Float32, Float64
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model import calibration
from dmd_runtime.model.checkpoint import Checkpoint
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.streaming.inference import SENTIMENT_RANGE

BATCH = 32
"""Windows at a time; twice as many no longer fit the processor's cache, and are slower."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a model says of N samples; the columns of probabilities are ``LABELS``.

    Attributes
    ----------
    emotion : float64 (N, 7)
        Fused, calibrated.
    sentiment : float64 (N,) or None
        In [-3, 3]; None where the model gives none.
    vertices : {Graph: {Modality: float64 (N, 7)}}
        Of the modalities that were there.
    edges : {Graph: float64 (N, 6)}
        In the order of ``EDGES``.
    """

    emotion: Float64
    sentiment: Float64 | None
    vertices: Mapping[Graph, Mapping[Modality, Float64]]
    edges: Mapping[Graph, Float64]

    def take(self, index: npt.NDArray[np.int64]) -> Predictions:
        """The samples at ``index``, in that order."""
        return Predictions(
            emotion=self.emotion[index],
            sentiment=None if self.sentiment is None else self.sentiment[index],
            vertices={g: {m: p[index] for m, p in of.items()} for g, of in self.vertices.items()},
            edges={g: w[index] for g, w in self.edges.items()},
        )


Watch = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows the progress of so many steps; call what it gives after each."""


@contextmanager
def unwatched(_what: str, _total: int) -> Iterator[Callable[[], None]]:
    """Show nothing."""
    yield lambda: None


class Predict(Protocol):
    """Anything that predicts from windows of one or more modalities, one entry for each sample."""

    def __call__(self, samples: Mapping[Modality, Sequence[Windows]]) -> Predictions:
        """See :class:`Predictor`."""
        ...


class Predictor:
    """Runs the plain model of a checkpoint in batches; any one thread.

    Parameters
    ----------
    checkpoint : Checkpoint
    recipe : Recipe
        Of the windows that will come.
    device : torch.device
    watch : callable
        Shows progress.

    Raises
    ------
    CheckpointError
        Its recipe is another one, or its labels are not the seven emotions.
    """

    def __init__(self, checkpoint: Checkpoint, recipe: Recipe, device: torch.device, watch: Watch = unwatched) -> None:
        checkpoint.require(recipe.to_json())
        named = [label_index(label) for label in checkpoint.config.labels]
        if sorted(-1 if index is None else index for index in named) != list(range(len(LABELS))):
            raise CheckpointError(
                f"{checkpoint.name}: expected a model of {', '.join(LABELS)}, "
                f"got one of {', '.join(checkpoint.config.labels) or 'sentiment alone'}"
            )
        figures = checkpoint.normalisation
        self.standardizer = (
            Standardizer.identity(recipe) if figures is None else Standardizer.from_json(figures, recipe)
        )
        self._columns = [named.index(k) for k in range(len(LABELS))]
        self._checkpoint = checkpoint
        self._recipe = recipe
        self._device = device
        self._watch = watch
        self._model = checkpoint.model.to(device).eval()

    def __call__(self, samples: Mapping[Modality, Sequence[Windows]]) -> Predictions:
        """Predict N samples from the modalities of ``samples``; the others are missing.

        A sample of one modality may have several windows: the model reads each, and what it says is averaged. Where
        one modality has fewer than another, its last one stands beside the rest.
        """
        owner, rows = _expanded(samples)
        out = _joined(list(self._forward(rows)))
        heat = calibration.temperature(self._checkpoint.calibration, list(samples))
        mean = _MeanByOwner(owner)
        sentiment = np.clip(out["logits"][:, -1], -SENTIMENT_RANGE, SENTIMENT_RANGE)
        return Predictions(
            emotion=mean(_softmax(out["logits"][:, self._columns] / heat)),
            sentiment=mean(sentiment) if self._checkpoint.config.sentiment else None,
            vertices={g: {m: mean(_softmax(out[g][m][:, self._columns])) for m in samples} for g in Graph},
            edges={g: mean(out["edges"][g]) for g in Graph},
        )

    def _forward(self, rows: Mapping[Modality, Sequence[Placed]]) -> Iterator[dict[Any, Any]]:
        """Outputs of the model, batch by batch: ``logits``, ``edges`` by graph, and the vertices of each graph."""
        count = len(next(iter(rows.values())))
        begins = range(0, count, BATCH)
        with self._watch(f"model on {', '.join(m.word for m in rows)}", len(begins)) as advance:
            for begin in begins:
                yield self._batch({m: of[begin : begin + BATCH] for m, of in rows.items()}, min(BATCH, count - begin))
                advance()

    def _batch(self, rows: Mapping[Modality, Sequence[Placed]], size: int) -> dict[Any, Any]:
        features, mask = {}, {}
        for m in MODALITIES:
            spec = self._recipe.specs[m]
            values, real = lay_out(rows.get(m, [_nothing(spec.dim)] * size), spec)
            features[m] = torch.from_numpy(self.standardizer(m, values, real)).to(self._device)  # (B, T_m, D_m)
            mask[m] = torch.from_numpy(real).to(self._device)  # (B, T_m)
        with torch.inference_mode():
            out = self._model(features, mask)
        return {
            "logits": _array(out.logits),
            "edges": {g: _array(out.edges[g]) for g in Graph},
            **{g: {m: _array(out.node_logits[g][m]) for m in rows} for g in Graph},
        }


class _MeanByOwner:
    """Means over the windows of each sample; ``owner`` int64 (W,) ascends from 0 without a gap."""

    def __init__(self, owner: npt.NDArray[np.int64]) -> None:
        self._begins = np.flatnonzero(np.diff(owner, prepend=-1))
        self._counts = np.bincount(owner)

    def __call__(self, x: Float64) -> Float64:
        sums = np.add.reduceat(x, self._begins, axis=0)
        return np.asarray(sums / self._counts.reshape(-1, *[1] * (x.ndim - 1)))


def _expanded(
    samples: Mapping[Modality, Sequence[Windows]],
) -> tuple[npt.NDArray[np.int64], dict[Modality, list[Placed]]]:
    """One entry for each window: its sample, and what each modality shows in it."""
    counts = [max(map(len, of_one)) for of_one in zip(*samples.values(), strict=True)]
    owner = np.repeat(np.arange(len(counts)), counts)
    rows = {
        m: [w[min(k, len(w) - 1)] for w, n in zip(of, counts, strict=True) for k in range(n)]
        for m, of in samples.items()
    }
    return owner, rows


def _joined(batches: Sequence[Any]) -> Any:
    """Arrays of all batches one after the other, in whatever mappings they are."""
    if isinstance(batches[0], dict):
        return {key: _joined([batch[key] for batch in batches]) for key in batches[0]}
    return np.concatenate(batches)


def _nothing(dim: int) -> Placed:
    """A window without a row."""
    empty: Float32 = np.empty((0, dim), dtype=np.float32)
    return Placed(empty, np.arange(0))


def _array(x: torch.Tensor) -> Float64:
    return np.asarray(x.cpu().double().numpy())


def _softmax(x: Float64) -> Float64:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
