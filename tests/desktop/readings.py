"""Readings as a session gives them, for tests and pictures of the desktop: believable, and the same every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from dmd_runtime import EDGES, MODALITIES, UNIFORM, Edge, Graph, Modality, Reading
from tests.messages_factory import reading

L, V, A = MODALITIES
LABELS: Final = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
DRAWN: Final = (0.46, 0.27, 0.11, 0.07, 0.05, 0.03, 0.01)
HOMO: Final = {"L>V": 0.27, "L>A": 0.25, "V>L": 0.11, "V>A": 0.15, "A>L": 0.10, "A>V": 0.12}
HETERO: Final = {"L>V": 0.22, "L>A": 0.21, "V>L": 0.10, "V>A": 0.24, "A>L": 0.09, "A>V": 0.14}
COVERAGE: Final = {L: 0.81, V: 0.97, A: 1.0}
NO_GRAPH: Final = "no distillation graph in this checkpoint"
ALONE: Final = {
    L: (0.58, 0.20, 0.23, 0.01, 0.17, 0.01, 0.13),
    V: (0.40, 0.31, 0.05, 0.11, 0.01, 0.07, 0.01),
    A: (0.49, 0.25, 0.14, 0.05, 0.08, 0.01, 0.04),
}


def by_edge(weights: Mapping[str, float]) -> dict[Edge, float]:
    """Weights by the edges themselves."""
    return {edge: weights[str(edge)] for edge in EDGES}


def probabilities(values: tuple[float, ...]) -> dict[str, float]:
    """Values scaled to sum to 1."""
    return {label: v / sum(values) for label, v in zip(LABELS, values, strict=True)}


def trained(index: int = 0, **changes: object) -> Reading:
    """The reading of the drawing, by a trained checkpoint."""
    base = reading(index)
    opinions = {m: probabilities(ALONE[m]) for m in MODALITIES}
    fields: dict[str, object] = {
        "emotion": probabilities(DRAWN),
        "sentiment": 1.2,
        "unimodal": dict.fromkeys(Graph, opinions),
        "edges": {Graph.HOMOGENEOUS: by_edge(HOMO), Graph.HETEROGENEOUS: by_edge(HETERO)},
        "coverage": COVERAGE,
        "provenance": replace(base.provenance, checkpoint_name="starter 1.0", marks=()),
    }
    return reading(index, **{**fields, **changes})


def without(gone: Modality, index: int = 0, reason: str = "no face for 3 s", **changes: object) -> Reading:
    """The reading of the drawing with one modality missing."""
    full = trained(index)
    left = {m: None if m is gone else full.unimodal[Graph.HOMOGENEOUS][m] for m in MODALITIES}
    edges = {}
    for graph in Graph:
        kept = {e: 0.0 if gone in e else w for e, w in (full.edges[graph] or {}).items()}
        edges[graph] = {e: w / sum(kept.values()) for e, w in kept.items()}
    return trained(
        index,
        **{
            "reason": reason,
            "unimodal": dict.fromkeys(Graph, left),
            "edges": edges,
            "coverage": {**COVERAGE, gone: 0.08},
            **changes,
        },
    )


def nothing(index: int = 0, reason: str = "silence, no face for 12 s") -> Reading:
    """A reading that is not valid."""
    return trained(
        index,
        valid=False,
        reason=reason,
        emotion=None,
        sentiment=None,
        unimodal={g: dict.fromkeys(MODALITIES) for g in Graph},
        edges=dict.fromkeys(Graph),
        coverage={L: 0.0, V: 0.04, A: 1.0},
    )


def alone(index: int = 0) -> Reading:
    """Only words: valid, with no graph."""
    full = trained(index)
    left = {m: full.unimodal[Graph.HOMOGENEOUS][m] if m is L else None for m in MODALITIES}
    return trained(
        index,
        reason="no face for 3 s, no sound, words only",
        unimodal=dict.fromkeys(Graph, left),
        edges=dict.fromkeys(Graph),
        coverage={L: 0.81, V: 0.0, A: 0.0},
    )


def near_uniform(index: int = 0, **changes: object) -> Reading:
    """Edges as the published form gives them, 0.160 to 0.173, with the prior it has."""
    homo = {"L>V": 0.173, "L>A": 0.171, "V>L": 0.160, "V>A": 0.166, "A>L": 0.162, "A>V": 0.168}
    hetero = {"L>V": 0.170, "L>A": 0.169, "V>L": 0.163, "V>A": 0.172, "A>L": 0.161, "A>V": 0.165}
    weights = {Graph.HOMOGENEOUS: by_edge(homo), Graph.HETEROGENEOUS: by_edge(hetero)}
    return trained(index, **{"edges": weights, **changes})


def per_student(index: int = 0) -> Reading:
    """Edges that are shared out anew for each student, as the starter gives them: up to 1/3, 1/3 a student."""
    homo = {"L>V": 0.325, "A>V": 1 / 3 - 0.325, "L>A": 0.233, "V>A": 0.1, "V>L": 0.05, "A>L": 1 / 3 - 0.05}
    hetero = {"L>V": 0.3333, "A>V": 1 / 3 - 0.3333, "L>A": 0.02, "V>A": 1 / 3 - 0.02, "V>L": 1 / 6, "A>L": 1 / 6}
    return trained(index, edges={Graph.HOMOGENEOUS: by_edge(homo), Graph.HETEROGENEOUS: by_edge(hetero)})


def no_graphs(index: int = 0) -> Reading:
    """By a checkpoint without distillation units, as a session says it."""
    return trained(index, edges=dict.fromkeys(Graph), reason=NO_GRAPH)


def prior() -> dict[Graph, dict[Edge, float]]:
    """What the published code pulls its edges to."""
    high = {"L>V", "L>A"}
    homo = {str(e): 0.4823 if str(e) in high else 0.00885 for e in EDGES}
    hetero = {str(e): 0.3253 if str(e) in {*high, "V>A"} else 0.00597 for e in EDGES}
    return {Graph.HOMOGENEOUS: by_edge(homo), Graph.HETEROGENEOUS: by_edge(hetero)}


def story(count: int = 130) -> list[Reading]:
    """A minute: emotion and edges swing, the face is gone for 3 s, and once there is nothing at all."""
    out = []
    for i in range(count):
        x = i - (count - 1)  # the last one is the drawing's
        wave = np.array([0.0, *(0.06 * np.sin(x * f) for f in (0.09, 0.05, 0.07, 0.11, 0.06, 0.04))])
        values = np.maximum(0.01, np.array(DRAWN) + wave)
        shares = tuple((values + np.array([0.16 * np.sin(x * 0.06), 0, 0, 0, 0, 0, 0])).tolist())
        edges = {
            g: _swing(w, x, 0.05)
            for g, w in ((Graph.HOMOGENEOUS, by_edge(HOMO)), (Graph.HETEROGENEOUS, by_edge(HETERO)))
        }
        if -58 <= x < -52:
            out.append(without(V, i))
        elif -30 <= x < -24:
            out.append(nothing(i))
        else:
            out.append(trained(i, emotion=probabilities(shares), edges=edges))
    return out


def _swing(weights: Mapping[Edge, float], x: float, size: float) -> dict[Edge, float]:
    moved = {
        e: max(0.01, w + size * np.sin(x * (0.08 + 0.02 * i)) * np.sin(x * 0.21 + i)) if x else w
        for i, (e, w) in enumerate(weights.items())
    }
    total = sum(moved.values())
    return {e: float(w / total) for e, w in moved.items()}


def _marked(*marks: str) -> Reading:
    one = trained(9)
    return replace(one, provenance=replace(one.provenance, marks=marks))


STATES: Final[Mapping[str, Callable[[], list[Reading]]]] = {
    "story": story,
    "near uniform": lambda: [near_uniform(i) for i in range(20)],
    "prior": lambda: [near_uniform(i, prior=prior()) for i in range(20)],
    "prior, trained": lambda: [trained(i, prior=prior()) for i in range(20)],
    "per student": lambda: [per_student(i) for i in range(20)],
    "no graphs": lambda: [no_graphs(i) for i in range(20)],
    "no face": lambda: [*story(60), *(without(V, 60 + i) for i in range(8))],
    "silence": lambda: [without(A, 400, "silence")],
    "words only": lambda: [alone(9)],
    "not valid": lambda: [*story(80), *(nothing(80 + i) for i in range(5))],
    "untrained": lambda: [_marked("UNTRAINED")],
    "all marks": lambda: [_marked("UNTRAINED", "DEMO", "SYNTHETIC")],
    "one strong": lambda: [
        trained(9, edges=dict.fromkeys(Graph, by_edge({k: 0.9 if k == "V>A" else 0.02 for k in HOMO})))
    ],
    "sentiment only": lambda: [trained(9, emotion=None, unimodal={g: dict.fromkeys(MODALITIES) for g in Graph})],
    "no sentiment": lambda: [trained(9, sentiment=None)],
    "nothing yet": list,
}

assert abs(sum(HOMO.values()) - 1) < 1e-9
assert abs(sum(HETERO.values()) - 1) < 1e-9
assert UNIFORM > 0
