"""How messages look as lines of a session folder (the formats are specified in ``docs/formats.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dmd_runtime.messages import FaceObservation, Failure, Health, Reading, Word
from dmd_runtime.modality import MODALITIES, Edge, Graph, Modality

Line = dict[str, Any]


def number(value: float) -> float:
    """``value`` with nine significant digits: a float32 survives, and noise below it does not fill the disk."""
    return float(f"{value:.9g}")


def seconds(value: float) -> float:
    """Session time to the microsecond."""
    return round(value, 6)


def reading_line(reading: Reading) -> Line:
    """One line of ``readings.jsonl``."""
    return {
        "t0": seconds(reading.span.start),
        "t1": seconds(reading.span.end),
        "made_at": seconds(reading.made_at),
        "valid": reading.valid,
        "reason": reading.reason,
        "settled": {m.value: reading.settled[m] for m in MODALITIES},
        "coverage": _by_letter(reading.coverage),
        "speech": number(reading.speech),
        "emotion": _numbers(reading.emotion),
        "sentiment": None if reading.sentiment is None else number(reading.sentiment),
        "unimodal": {
            graph.value: {m.value: _numbers(reading.unimodal[graph][m]) for m in MODALITIES} for graph in Graph
        },
        "edges": {graph.value: _edges(reading.edges[graph]) for graph in Graph},
        "prior": None if reading.prior is None else {g.value: _edges(w) for g, w in reading.prior.items()},
        "checkpoint": reading.provenance.checkpoint,
        "recipe": reading.provenance.recipe,
        "marks": list(reading.provenance.marks),
    }


def word_line(word: Word, marks: tuple[str, ...]) -> Line:
    """One line of ``words.jsonl``."""
    return {
        "t0": seconds(word.span.start),
        "t1": seconds(word.span.end),
        "text": word.text,
        "p": number(word.p),
        "speaker_visible": word.speaker_visible,
        "marks": list(marks),
    }


def face_line(face: FaceObservation, marks: tuple[str, ...]) -> Line:
    """One line of ``faces.jsonl``; the box is in shares of the picture's width and height."""
    return {
        "t": seconds(face.t),
        "box": [number(v) for v in face.box],
        "confidence": number(face.confidence),
        "id": face.identity,
        "marks": list(marks),
    }


def health_line(health: Health) -> Line:
    """One line of ``health.jsonl``."""
    return {
        "t": seconds(health.t),
        "stages": {name: dict(figures) for name, figures in health.stages.items()},
        "rss_mb": health.rss_mb,
        "cpu_percent": health.cpu_percent,
        **health.counters,
    }


def failure_line(failure: Failure) -> Line:
    """A line of ``health.jsonl`` that says a stage died."""
    return {"t": seconds(failure.t), "failure": failure.stage, "text": failure.text}


def _by_letter(values: Mapping[Modality, float]) -> dict[str, float]:
    return {m.value: number(values[m]) for m in MODALITIES}


def _numbers(values: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if values is None else {label: number(p) for label, p in values.items()}


def _edges(weights: Mapping[Edge, float] | None) -> dict[str, float] | None:
    return None if weights is None else {str(edge): number(w) for edge, w in weights.items()}
