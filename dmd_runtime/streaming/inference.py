"""From a window to a reading: standardise, run the model, put names on its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from dmd_runtime.clock import Clock
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Probabilities, Provenance, Reading, Window
from dmd_runtime.modality import EDGES, MODALITIES, Edge, Graph, Modality
from dmd_runtime.model import calibration
from dmd_runtime.model.checkpoint import NO_GRAPH, Checkpoint
from dmd_runtime.model.fast import FastDMD, FastOutput

SENTIMENT_RANGE = 3.0
"""Sentiment is reported in [-3, 3], the scale of CMU-MOSI and CMU-MOSEI."""


class Interpreter:
    """Window -> Reading, on the one thread that calls it.

    Parameters
    ----------
    checkpoint : Checkpoint
        Labels, calibration and prior.
    model : FastDMD
        Of that checkpoint. Where it has no distillation graph, readings have no edges, and say so.
    standardizer : Standardizer
    device : torch.device
    clock : Clock
        Stamps ``made_at``.
    provenance : Provenance
        Goes into every reading.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: FastDMD,
        standardizer: Standardizer,
        *,
        device: torch.device,
        clock: Clock,
        provenance: Provenance,
    ) -> None:
        self._labels: Sequence[str] = checkpoint.config.labels
        self._sentiment = checkpoint.config.sentiment
        self._graphs = checkpoint.graphs
        self._prior = _priors(checkpoint) if checkpoint.graphs else None
        self._calibration = checkpoint.calibration
        self._model = model
        self._standardizer = standardizer
        self._device = device
        self._clock = clock
        self._provenance = provenance

    def __call__(self, window: Window) -> Reading:
        """Read one window; its latency is ``made_at - span.end``."""
        present = [m for m in MODALITIES if window.present[m]]
        blank = Reading(
            index=window.index,
            span=window.span,
            made_at=0.0,
            valid=bool(present),
            reason=window.reason,
            emotion=None,
            sentiment=None,
            unimodal={graph: dict.fromkeys(MODALITIES) for graph in Graph},
            edges=dict.fromkeys(Graph),
            prior=self._prior,
            coverage=window.coverage,
            speech=window.speech,
            settled=window.settled,
            provenance=self._provenance,
        )
        if not present:
            return replace(blank, made_at=self._clock.now())
        out = self._forward(window)
        fused = out.logits[0].float().cpu().numpy()
        nodes = {graph: {m: out.node_logits[graph][m][0].float().cpu().numpy() for m in present} for graph in Graph}
        edges = {graph: out.edges[graph][0].float().cpu().numpy() for graph in Graph}
        drawn = self._graphs and len(present) > 1
        return replace(
            blank,
            emotion=self._emotion(fused, calibration.temperature(self._calibration, present)),
            sentiment=self._score(fused),
            unimodal={g: {m: self._emotion(nodes[g][m]) if m in present else None for m in MODALITIES} for g in Graph},
            edges={g: _weights(edges[g]) if drawn else None for g in Graph},
            reason=window.reason if self._graphs else ", ".join(filter(None, (window.reason, NO_GRAPH))),
            made_at=self._clock.now(),
        )

    def _forward(self, window: Window) -> FastOutput:
        features: dict[Modality, torch.Tensor] = {}
        mask: dict[Modality, torch.Tensor] = {}
        for m in MODALITIES:
            real = window.mask[m] & window.present[m]
            values = self._standardizer(m, window.features[m], real)
            features[m] = torch.from_numpy(values)[None].to(self._device)  # (1, T_m, D_m)
            mask[m] = torch.from_numpy(real)[None].to(self._device)  # (1, T_m)
        with torch.inference_mode():
            return self._model(features, mask)

    def _emotion(self, logits: np.ndarray, temperature: float = 1.0) -> Probabilities | None:
        if not self._labels:
            return None
        scores = logits[: len(self._labels)].astype(np.float64) / temperature
        p = np.exp(scores - scores.max())
        return dict(zip(self._labels, (p / p.sum()).tolist(), strict=True))

    def _score(self, logits: np.ndarray) -> float | None:
        return float(np.clip(logits[-1], -SENTIMENT_RANGE, SENTIMENT_RANGE)) if self._sentiment else None


def _weights(values: np.ndarray) -> Mapping[Edge, float]:
    return dict(zip(EDGES, values.tolist(), strict=True))


def _priors(checkpoint: Checkpoint) -> Mapping[Graph, Mapping[Edge, float]] | None:
    priors = {g: np.asarray(p) for g in Graph if (p := checkpoint.config.prior.get(g)) is not None}
    return {g: _weights(p) for g, p in priors.items()} or None
