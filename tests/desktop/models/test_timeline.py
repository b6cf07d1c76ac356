from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from desktop.models.timeline import Marker, TimelineModel
from dmd_runtime import EDGES, Edge, Graph
from tests.desktop.readings import LABELS, A, L, V, nothing, story, trained, without


def filled(readings: list[object], **options: float) -> TimelineModel:
    model = TimelineModel(**options)
    for reading in readings:
        model.take(reading)  # type: ignore[arg-type]
    return model


def test_it_keeps_raw_values() -> None:
    readings = story()
    model = filled(list(readings))
    kept = readings[-len(model) :]
    np.testing.assert_array_equal(model.times, [r.span.end for r in kept])
    for i, reading in enumerate(kept):
        if reading.emotion is None:
            assert np.isnan(model.emotions[i]).all()
        else:
            assert dict(zip(model.labels, model.emotions[i].tolist(), strict=True)) == dict(reading.emotion)
        assert bool(model.valid[i]) is reading.valid
        assert model.reason(i) == reading.reason
        np.testing.assert_array_equal(model.coverage[i], [reading.coverage[m] for m in (L, V, A)])
    for graph in Graph:
        for edge in EDGES:
            expected = [np.nan if (w := r.edges[graph]) is None or (r.reason and V in edge) else w[edge] for r in kept]
            np.testing.assert_array_equal(model.edge(graph, edge), expected)


def test_10_000_readings_take_no_more_room_than_a_minute() -> None:
    model = TimelineModel(seconds=60)
    for i in range(10_000):
        model.take(trained(i))
    assert len(model) <= 60 / 0.5 + 3
    assert len(model.emotions) == len(model.coverage) == len(model)
    assert model.times[-1] - model.times[0] <= 61.0
    assert model.now == model.times[-1]


def test_more_readings_than_the_ring_holds_stay_together() -> None:
    model = TimelineModel(seconds=2)
    base = trained()
    for i in range(500):
        t = i * 0.01
        model.take(trained(i, span=type(base.span)(t, t + 1), reason=str(i)))
    assert len(model) == 20
    assert [model.reason(i) for i in range(20)] == [str(i) for i in range(480, 500)]


def test_a_gap_is_not_joined() -> None:
    model = filled([trained(0), trained(1), nothing(2), nothing(3), trained(4), trained(5)])
    runs = model.runs(model.emotions[:, 0])
    assert [(r.first, r.stop) for r in runs] == [(0, 2), (4, 6)]
    assert runs[1].since == pytest.approx(model.times[3])


def test_an_edge_of_a_missing_modality_is_not_joined() -> None:
    model = filled([trained(0), trained(1), without(V, 2), trained(3)])
    assert [(r.first, r.stop) for r in model.runs(model.edge(Graph.HOMOGENEOUS, Edge(L, V)))] == [(0, 2), (3, 4)]
    assert [(r.first, r.stop) for r in model.runs(model.edge(Graph.HOMOGENEOUS, Edge(L, A)))] == [(0, 4)]


def test_one_reading_never_seen_is_joined_but_two_are_a_gap() -> None:
    model = filled([trained(i) for i in (0, 1, 3, 4, 7, 8)])
    assert [(r.first, r.stop) for r in model.runs(model.emotions[:, 0])] == [(0, 4), (4, 6)]


@settings(deadline=None)
@given(st.lists(st.sampled_from("vnf"), min_size=1, max_size=40))
def test_runs_cover_exactly_what_is_there(kinds: list[str]) -> None:
    make = {"v": trained, "n": nothing, "f": lambda i: without(V, i)}
    model = filled([make[kind](i) for i, kind in enumerate(kinds)])
    values = model.edge(Graph.HETEROGENEOUS, Edge(V, A))
    covered = [i for run in model.runs(values) for i in range(run.first, run.stop)]
    assert covered == [i for i, kind in enumerate(kinds) if kind == "v"]
    for run in model.runs(values):
        assert run.since < model.times[run.first]
        assert run.first == 0 or run.since >= model.times[run.first - 1]


def test_a_rewind_voids_what_came_after() -> None:
    model = filled([trained(i) for i in range(20)])
    model.take(trained(5, reason="again"))
    assert model.times[-1] == model.now == trained(5).span.end
    assert len(model) == 6
    assert model.reason(5) == "again"


def test_other_labels_start_their_own_stack() -> None:
    model = filled([trained(0), trained(1)])
    assert model.labels == LABELS
    model.take(trained(2, emotion={"calm": 0.75, "anger": 0.25}))
    assert model.labels == ("anger", "calm")
    assert np.isnan(model.emotions[:2]).all()
    assert model.emotions[2].tolist() == [0.25, 0.75]


def test_now_never_moves_back_by_itself(qtbot: QtBot) -> None:
    model = filled([trained(10)])
    with qtbot.waitSignal(model.moved, timeout=0):
        model.advance(9.0)
    with qtbot.assertNotEmitted(model.moved):
        model.advance(8.0)
    model.take(trained(11))
    assert model.now == 9.0


def test_lanes_are_chosen_with_their_past(qtbot: QtBot) -> None:
    model = filled([trained(i) for i in range(4)])
    assert model.lanes == ((Graph.HOMOGENEOUS, Edge(L, V)), (Graph.HETEROGENEOUS, Edge(V, A)))
    with qtbot.waitSignal(model.changed, timeout=0):
        model.toggle_lane(Graph.HOMOGENEOUS, Edge(A, L))
    assert model.lanes[-1] == (Graph.HOMOGENEOUS, Edge(A, L))
    assert model.edge(*model.lanes[-1]).tolist() == [0.10] * 4
    model.toggle_lane(Graph.HOMOGENEOUS, Edge(L, V))
    assert model.lanes == ((Graph.HETEROGENEOUS, Edge(V, A)), (Graph.HOMOGENEOUS, Edge(A, L)))


def test_markers_are_bounded_and_forgotten_on_reset() -> None:
    model = TimelineModel()
    for i in range(2000):
        model.mark(float(i), str(i))
    assert len(model.markers) == 500
    assert model.markers[-1] == Marker(t=1999.0, label="1999")
    model.markers = [Marker(t=1.0, label="one", colour="#C0392B")]
    assert [m.label for m in model.markers] == ["one"]
    model.reset()
    assert not model.markers
    assert len(model) == 0
    assert model.now == 0


def test_the_reading_of_a_moment() -> None:
    model = filled([trained(i) for i in range(6)])
    assert model.nearest(model.times[2]) == 2
    assert model.nearest(model.times[2] - 0.3) == 2
    assert model.nearest(model.times[2] + 0.3) == 3
    assert model.nearest(model.times[-1] + 0.3) is None
    assert model.nearest(model.times[0] - 2) is None
    assert TimelineModel().nearest(0.0) is None
