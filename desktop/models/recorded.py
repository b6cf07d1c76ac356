"""Rows of a session's tables as the messages that they were."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from dmd_runtime import (
    EDGES,
    MODALITIES,
    Edge,
    FaceObservation,
    Graph,
    Provenance,
    Reading,
    Readings,
    RecordedFaces,
    Span,
    freeze,
)

_OVAL: Final = np.linspace(0.0, 2 * np.pi, 28, endpoint=False)


@lru_cache(maxsize=512)
def recorded_reading(readings: Readings, provenance: Provenance, row: int) -> Reading:
    """Row ``row`` as the message that it was."""
    labels = readings.labels

    def shares(values: np.ndarray) -> dict[str, float] | None:
        return None if np.isnan(values).any() or not labels else dict(zip(labels, values.tolist(), strict=True))

    def by_edge(weights: np.ndarray) -> dict[Edge, float]:
        return dict(zip(EDGES, weights.tolist(), strict=True))

    edges, prior = ({g: part[g][row] for g in Graph} for part in (readings.edges, readings.prior))
    sentiment = float(readings.sentiment[row])
    return Reading(
        index=row,
        span=Span(float(readings.t0[row]), float(readings.t1[row])),
        made_at=float(readings.made_at[row]),
        valid=bool(readings.valid[row]),
        reason=readings.reason[row],
        emotion=shares(readings.emotion[row]),
        sentiment=None if np.isnan(sentiment) else sentiment,
        unimodal={g: {m: shares(readings.unimodal[g][row, i]) for i, m in enumerate(MODALITIES)} for g in Graph},
        edges={g: None if np.isnan(w).any() else by_edge(w) for g, w in edges.items()},
        prior=None if any(np.isnan(w).any() for w in prior.values()) else {g: by_edge(w) for g, w in prior.items()},
        coverage={m: float(readings.coverage[row, i]) for i, m in enumerate(MODALITIES)},
        speech=float(readings.speech[row]),
        settled={m: bool(readings.settled[row, i]) for i, m in enumerate(MODALITIES)},
        provenance=provenance,
    )


def recorded_face(faces: RecordedFaces, row: int) -> FaceObservation:
    """The face of a row; of its outline only the box was kept, so it is an oval."""
    x, y, width, height = (float(v) for v in faces.box[row])
    outline = np.stack((x + width * (1 + np.cos(_OVAL)) / 2, y + height * (1 + np.sin(_OVAL)) / 2), axis=1)
    return FaceObservation(
        t=float(faces.t[row]),
        box=(x, y, width, height),
        confidence=float(faces.confidence[row]),
        identity=int(faces.identity[row]),
        outline=freeze(outline.astype(np.float32)),
    )
