"""Messages for tests, with everything that does not matter filled in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dmd_runtime.features.base import FeatureSpec, Recipe
from dmd_runtime.messages import FOREVER, FeatureBlock, Provenance, Reading, Span, SpeechActivity
from dmd_runtime.modality import EDGES, MODALITIES, UNIFORM, Graph, Modality

L, V, A = MODALITIES
LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def recipe(duration: float = 4.0) -> Recipe:
    """A small recipe: 8 tokens, faces at 15 Hz, sound at 50 Hz, two columns each."""
    rates = {L: None, V: 15.0, A: 50.0}
    return Recipe(
        duration=duration,
        specs={
            m: FeatureSpec(
                modality=m,
                name=f"test-{m.word}",
                version=1,
                dim=2,
                rate_hz=r,
                rows=8 if r is None else round(r * duration),
            )
            for m, r in rates.items()
        },
    )


def block(
    modality: Modality,
    times: Sequence[float] = (),
    *,
    settled_until: float = FOREVER,
    due: Sequence[float] | None = None,
    ends: Sequence[float] | None = None,
    replaces_from: float | None = None,
) -> FeatureBlock:
    """Rows at ``times`` whose two columns both hold the row's time."""
    t = np.array(times, dtype=np.float64)
    return FeatureBlock(
        modality=modality,
        times=t,
        ends=t if ends is None else np.array(ends, dtype=np.float64),
        values=np.repeat(t.astype(np.float32)[:, None], 2, axis=1),
        confidence=np.ones(len(t), dtype=np.float32),
        due=t if due is None else np.array(due, dtype=np.float64),
        settled_until=settled_until,
        replaces_from=replaces_from,
    )


def speech(*spans: tuple[float, float], settled_until: float = FOREVER) -> SpeechActivity:
    """Voiced spans."""
    return SpeechActivity(
        spans=tuple(Span(*s) for s in spans), settled_until=settled_until, speaking=False, level_db=-20.0
    )


def reading(index: int = 0, **changes: object) -> Reading:
    """A valid reading of the window that ends at 2.0 + index/2."""
    end = 2.0 + 0.5 * index
    uniform = dict.fromkeys(LABELS, 1 / len(LABELS))
    fields: dict[str, object] = {
        "index": index,
        "span": Span(max(0.0, end - 4.0), end),
        "made_at": end + 0.1,
        "valid": True,
        "reason": "",
        "emotion": uniform,
        "sentiment": 0.25,
        "unimodal": {g: dict.fromkeys(MODALITIES, uniform) for g in Graph},
        "edges": {g: dict.fromkeys(EDGES, UNIFORM) for g in Graph},
        "prior": None,
        "coverage": dict.fromkeys(MODALITIES, 1.0),
        "speech": 0.5,
        "settled": dict.fromkeys(MODALITIES, True),
        "provenance": Provenance(
            checkpoint="sha256:00",
            checkpoint_name="test",
            recipe="r",
            device="cpu",
            app_version="0",
            marks=("UNTRAINED",),
        ),
    }
    return Reading(**{**fields, **changes})  # type: ignore[arg-type]
