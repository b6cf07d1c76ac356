from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from desktop.models.graph import GraphModel
from desktop.models.words import edge_words
from dmd_runtime import EDGES, UNIFORM, Edge, Graph
from tests.desktop.readings import (
    NO_GRAPH,
    A,
    L,
    V,
    alone,
    near_uniform,
    no_graphs,
    nothing,
    per_student,
    prior,
    story,
    trained,
    without,
)


@pytest.fixture(params=list(Graph), ids=lambda g: g.value)
def graph(request: pytest.FixtureRequest) -> Graph:
    return request.param  # type: ignore[no-any-return]


def taken(graph: Graph, reading: object) -> GraphModel:
    model = GraphModel(graph)
    model.take(reading)  # type: ignore[arg-type]
    return model


def test_edges_are_the_readings_own(graph: Graph) -> None:
    model = GraphModel(graph)
    for reading in story():
        model.take(reading)
        assert model.edges == reading.edges[graph]
        assert (model.index, model.span) == (reading.index, reading.span)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=6, max_size=6), st.sampled_from(list(Graph)))
def test_nothing_is_rounded_but_what_is_written(raw: list[float], graph: Graph) -> None:
    weights = dict(zip(EDGES, (np.array(raw) / sum(raw)).tolist(), strict=True))
    model = taken(graph, trained(edges=dict.fromkeys(Graph, weights)))
    assert model.edges == weights
    for edge, weight in weights.items():
        assert float(model.number(edge)) == pytest.approx(weight, abs=0.5 * 10.0**-model.decimals + 1e-12)


def test_an_edge_in_words(graph: Graph) -> None:
    model = taken(Graph.HOMOGENEOUS, trained(28))
    assert model.describe(Edge(L, V)) == "language teaches vision: 0.27, uniform 0.17 (window 12.0–16.0 s)"
    assert taken(graph, near_uniform(28)).describe(Edge(A, V)).startswith("audio teaches vision: 0.16")


def test_three_decimals_only_where_two_would_be_alike() -> None:
    assert taken(Graph.HOMOGENEOUS, trained()).decimals == 2
    assert taken(Graph.HOMOGENEOUS, near_uniform()).decimals == 3
    assert taken(Graph.HOMOGENEOUS, near_uniform()).number(Edge(L, V)) == "0.173"
    one_out = dict(zip(EDGES, [UNIFORM + 0.03, *[UNIFORM - 0.006] * 5], strict=True))
    assert taken(Graph.HOMOGENEOUS, trained(edges=dict.fromkeys(Graph, one_out))).decimals == 2


def test_a_missing_end_is_named_with_the_reason(graph: Graph) -> None:
    model = taken(graph, without(V, 28))
    assert model.present == {L, A}
    assert model.missing(Edge(L, V))
    assert model.missing(Edge(V, L))
    assert not model.missing(Edge(L, A))
    assert (
        model.describe(Edge(L, V))
        == "language teaches vision: 0.00, vision missing: no face for 3 s (window 12.0–16.0 s)"
    )


def test_why_there_is_no_graph(graph: Graph) -> None:
    model = GraphModel(graph)
    assert (model.edges, model.reason) == (None, "no reading yet")
    assert model.describe(Edge(L, V)) == "language teaches vision: no graph, no reading yet"
    model.take(alone())
    assert model.reason == "fewer than two modalities"
    model.take(nothing())
    assert model.reason == "fewer than two modalities"
    model.take(trained(edges=dict.fromkeys(Graph)))
    assert model.reason == "no distillation graph in this checkpoint"


def test_presence_without_emotion_labels() -> None:
    silent = {g: dict.fromkeys((L, V, A)) for g in Graph}
    weights = {e: 0.5 if set(e) == {L, V} else 0.0 for e in EDGES}
    model = taken(Graph.HOMOGENEOUS, trained(emotion=None, unimodal=silent, edges=dict.fromkeys(Graph, weights)))
    assert model.present == {L, V}


def test_the_prior_stands_apart(graph: Graph) -> None:
    model = taken(graph, near_uniform(prior=prior()))
    assert model.prior == prior()[graph]
    assert model.about(Edge(L, V)).startswith("uniform 0.17, prior 0.")
    model.take(trained(1))
    assert model.prior is None


def test_history_is_a_minute_and_open_where_an_end_was_missing(graph: Graph) -> None:
    model = GraphModel(graph, seconds=60)
    readings = story(400)
    for reading in readings:
        model.take(reading)
    times, weights = model.history(Edge(L, V))
    kept = [r for r in readings if r.span.end >= readings[-1].span.end - 60]
    np.testing.assert_array_equal(times, [r.span.end for r in kept])
    expected = [
        np.nan if r.edges[graph] is None or r.reason else r.edges[graph][Edge(L, V)]  # type: ignore[index]
        for r in kept
    ]
    np.testing.assert_array_equal(weights, expected)


def test_history_is_bounded() -> None:
    model = GraphModel(Graph.HOMOGENEOUS, seconds=60)
    sizes = set()
    for i in range(3000):
        model.take(trained(i))
        sizes.add(len(model.history(Edge(L, V))[0]))
    assert max(sizes) == 121


def test_the_summary_has_every_edge(graph: Graph) -> None:
    reading = trained(28)
    text = taken(graph, reading).summary()
    for edge, weight in (reading.edges[graph] or {}).items():
        assert f"{edge_words(edge)} {weight:.2f}" in text
    assert "window 12.0–16.0 s" in text
    assert "language 0.81, vision 0.97, audio 1.00" in text
    assert "vision teaches audio 0.00 (vision missing: no face for 3 s)" in taken(graph, without(V)).summary()
    assert "no graph, fewer than two modalities" in taken(graph, alone()).summary()


def test_reset(qtbot: QtBot, graph: Graph) -> None:
    model = taken(graph, trained())
    with qtbot.waitSignal(model.changed, timeout=0):
        model.reset()
    assert model.edges is None
    assert model.index is None
    assert not model.present
    assert len(model.history(Edge(L, V))[0]) == 0


def test_the_hint_says_how_large_a_weight_is_and_what_it_means(graph: Graph) -> None:
    model = taken(graph, per_student())
    edge = Edge(L, V)
    said, times, meaning = model.hint(edge).splitlines()
    assert said == model.describe(edge)
    assert times == f"{model.edges[edge] * 6:.1f} times uniform."
    assert meaning == "How far vision should trust language for this window."
    model.take(without(A, 1))
    assert "times uniform, with no other teacher here." in model.hint(edge)
    assert model.hint(Edge(A, V)) == model.describe(Edge(A, V))  # what is missing means nothing
    assert model.missing_besides == "no face for 3 s"
    model.take(no_graphs(2))
    assert model.missing_besides == ""
    model.take(trained(3, edges=dict.fromkeys(Graph), reason=f"no words, {NO_GRAPH}"))
    assert model.missing_besides == "no words"
    assert model.hint(edge) == "language teaches vision: no graph, no distillation graph in this checkpoint"
