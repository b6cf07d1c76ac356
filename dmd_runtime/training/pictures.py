"""Pictures of a finished run, into a folder of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import RecordingError
from dmd_runtime.evaluation import plots
from dmd_runtime.evaluation.emotion_metrics import confusion
from dmd_runtime.modality import EDGES, Edge, Graph
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.scoring import one_label
from dmd_runtime.training.trainer import Fitted, Predicted

_SEVEN = ("−3", "−2", "−1", "0", "+1", "+2", "+3")


def draw(folder: Path, fitted: Fitted, predicted: Predicted, samples: Samples) -> None:
    """Losses and edges per epoch, and of ``predicted`` against ``samples`` the confusion and the calibration.

    Raises
    ------
    RecordingError
        They cannot be written there.
    """
    try:
        folder.mkdir(exist_ok=True)
        plots.losses(fitted.rows, folder / "losses.png", best_epoch=fitted.best_epoch)
        plots.edges_by_epoch(fitted.rows, folder / "edges.png", prior=_prior(fitted))
        if predicted.sentiment is not None:
            said = np.isfinite(samples.sentiment)
            true, told = seven(samples.sentiment[said]), seven(predicted.sentiment[said])
            plots.confusion_matrix(confusion(true, told, 7), _SEVEN, folder / "confusion-sentiment.png")
        if predicted.emotion is not None:
            rows, label = one_label(samples)
            p, names = predicted.emotion[rows], predicted.labels
            matrix = confusion(label, p.argmax(axis=1), len(names))
            plots.confusion_matrix(matrix, names, folder / "confusion-emotion.png")
            plots.reliability_diagram(p, label, folder / "calibration.png")
    except OSError as error:
        raise RecordingError(f"{folder}: expected a place for pictures, got: {error.strerror or error}") from error


def seven(sentiment: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The seven classes of ACC7, from 0 for -3 up."""
    return np.asarray(np.round(np.clip(sentiment, -3, 3)), dtype=np.int64) + 3


def _prior(fitted: Fitted) -> Mapping[Graph, Mapping[Edge, float]] | None:
    pulled = fitted.learner.model.config.prior
    return {g: dict(zip(EDGES, weights, strict=True)) for g, weights in pulled.items()} or None
