"""Tiers compared: two raters, or a rater and the model."""

from __future__ import annotations

import numpy as np

from dmd_runtime.errors import ConfigError
from dmd_runtime.evaluation.agreement import (
    STEP,
    Agreement,
    LabelTrack,
    ValueTrack,
    compare_labels,
    compare_values,
    model_track,
    model_valence,
)
from dmd_runtime.messages import freeze
from dmd_runtime.recording.reader import Readings
from dmd_runtime.recording.tiers import Item, Label, Tier, TierKind

MODEL = "model"
"""Who a tier that the model made is by."""


def compare_tiers(first: Tier, second: Tier, *, step: float = STEP) -> Agreement:
    """How far two tiers agree: two categories on their labels, two traces on their values.

    Raises
    ------
    ConfigError
        They are not both of the same of these kinds.
    """
    if first.kind is second.kind is TierKind.CATEGORY:
        names = tuple(dict.fromkeys(label.name for tier in (second, first) for label in tier.labels))
        return compare_labels(label_track(first), label_track(second), step=step, names=names)
    if first.kind is second.kind is TierKind.TRACE:
        (t_a, a), (t_b, b) = first.samples, second.samples
        return compare_values(ValueTrack(t=t_a, values=a), ValueTrack(t=t_b, values=b), step=step)
    raise ConfigError(f"agreement: expected two categories or two traces, got a {first.kind} and a {second.kind}")


def label_track(tier: Tier) -> LabelTrack:
    """A category's items as arrays."""
    return LabelTrack(
        start=freeze(np.array([item.t0 for item in tier.items], dtype=np.float64)),
        end=freeze(np.array([item.end for item in tier.items], dtype=np.float64)),
        labels=tuple(item.label for item in tier.items),
    )


def model_tier(readings: Readings, name: str = "emotion") -> Tier:
    """The model's likeliest label over time as a category by :data:`MODEL`; neighbours of one label are one item."""
    track = model_track(readings)
    start, end = track.start, track.end
    n = len(track.labels)
    begins = [i for i in range(n) if i == 0 or track.labels[i] != track.labels[i - 1] or start[i] > end[i - 1] + 1e-6]
    stops = [*begins[1:], n][: len(begins)]
    items = (
        Item(id=f"#{a}", t0=float(start[a]), t1=float(end[b - 1]), label=track.labels[a])
        for a, b in zip(begins, stops, strict=True)
        if end[b - 1] > start[a]
    )
    labels = tuple(Label(name=label, span=True) for label in readings.labels)
    return Tier(name=name, by=MODEL, kind=TierKind.CATEGORY, labels=labels, items=tuple(items))


def model_valence_tier(readings: Readings, name: str = "valence") -> Tier:
    """The model's sentiment over three as a trace by :data:`MODEL`; see :func:`model_valence`."""
    track = model_valence(readings)
    items = tuple(Item(t0=float(t), value=float(v)) for t, v in zip(track.t, track.values, strict=True))
    return Tier(name=name, by=MODEL, kind=TierKind.TRACE, items=items)
