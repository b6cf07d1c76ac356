from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPointF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.graph import GraphModel
from desktop.models.words import edge_words
from desktop.widgets import graph_view
from desktop.widgets.graph_layout import Box, opacity, stroke
from desktop.widgets.graph_view import GraphView
from dmd_runtime import EDGES, MODALITIES, UNIFORM, Edge, Graph, Modality, Reading
from tests.desktop.looking import count, look, mixed, picture
from tests.desktop.readings import (
    NO_GRAPH,
    A,
    L,
    V,
    alone,
    near_uniform,
    no_graphs,
    per_student,
    prior,
    trained,
    without,
)
from tests.desktop.widgets.test_graph_layout import touching

DRAWN = QSize(280, 256)
Show = Callable[..., GraphView]


@pytest.fixture
def show(qtbot: QtBot, qapp: QApplication) -> Show:
    look(qapp, "dark")

    def make(*readings: Reading, graph: Graph = Graph.HOMOGENEOUS, size: QSize = DRAWN) -> GraphView:
        model = GraphModel(graph)
        for reading in readings:
            model.take(reading)
        view = GraphView(model)
        qtbot.addWidget(view)
        view.resize(size)
        return view

    return make


def numbers_painted(view: GraphView, monkeypatch: pytest.MonkeyPatch) -> dict[Edge, str]:
    """The numbers that a repaint writes, by the room they are written in."""
    written: dict[Box, str] = {}

    def note(painter: QPainter, box: Box, text: str, *_: object) -> None:
        written[box] = text

    with monkeypatch.context() as patch:
        patch.setattr(graph_view, "draw_number", note)
        picture(view)
    return {e: written[a.number] for e, a in view.arrangement().arrows.items() if a.number in written}


@pytest.mark.parametrize("graph", list(Graph))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(raw=st.lists(st.floats(0.001, 1), min_size=6, max_size=6))
def test_what_is_drawn_is_the_readings_own(
    show: Show, monkeypatch: pytest.MonkeyPatch, graph: Graph, raw: list[float]
) -> None:
    weights = dict(zip(EDGES, (np.array(raw) / sum(raw)).tolist(), strict=True))
    other = dict.fromkeys(EDGES, UNIFORM)
    view = show(trained(3, edges={g: weights if g is graph else other for g in Graph}), graph=graph)
    assert view.drawn_edges() == weights
    written = numbers_painted(view, monkeypatch)
    for edge, weight in weights.items():
        assert float(written[edge]) == pytest.approx(weight, abs=0.0051)
        assert f"{edge_words(edge)} {written[edge]}" in view.accessibleDescription()


def test_numbers_are_new_at_once_while_widths_glide(
    show: Show, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = show(near_uniform(0))
    view.show()
    qapp.setProperty("dmd_reduced_motion", False)
    view._model.take(trained(1))
    assert view.drawn_edges() == view._model.edges
    assert view.glide.at[0] == near_uniform().edges[Graph.HOMOGENEOUS][EDGES[0]]  # type: ignore[index]
    view.glide.motion.setCurrentTime(90)
    assert 0.11 < view.glide.at[0] < 0.16  # on its way
    written = numbers_painted(view, monkeypatch)
    assert written == {e: f"{weight:.2f}" for e, weight in (trained().edges[Graph.HOMOGENEOUS] or {}).items()}
    assert view.glide.motion.duration() <= 200
    view.glide.motion.setCurrentTime(view.glide.motion.duration())
    np.testing.assert_allclose(view.glide.at[:6], list(view.drawn_edges().values()))


def test_what_is_written_above_uniform_is_bold(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    bold: dict[str, bool] = {}
    weights = dict(zip(EDGES, (0.1668, 0.1666, 0.170, 0.163, 0.168, 0.1656), strict=True))
    view = show(trained(edges=dict.fromkeys(Graph, weights)))
    monkeypatch.setattr(
        graph_view,
        "draw_number",
        lambda _p, _box, text, font, _ink: bold.setdefault(text, font.weight() > theme.QFont.Weight.Normal),
    )
    picture(view)
    assert bold == {"0.167": False, "0.170": True, "0.163": False, "0.168": True, "0.166": False}


def test_nothing_glides_where_no_motion_is_wanted(show: Show) -> None:
    view = show(near_uniform(0))
    view.show()
    view._model.take(trained(1))
    assert list(view.glide.at[:6]) == list(view.drawn_edges().values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(size=st.tuples(st.integers(200, 900), st.integers(190, 700)), scale=st.sampled_from([1.0, 1.25, 1.5]))
def test_numbers_touch_nothing_in_the_real_font(
    show: Show, qapp: QApplication, size: tuple[int, int], scale: float
) -> None:
    width, height = round(size[0] * scale), round(size[1] * scale)
    qapp.setProperty("dmd_font_scale", scale)
    try:
        view = show(near_uniform(), size=QSize(width, height))
        metrics = QFontMetricsF(theme.font(view._number_pixels(), weight=theme.QFont.Weight.DemiBold))
        for arrow in view.arrangement().arrows.values():
            assert arrow.number.width >= metrics.horizontalAdvance("0.000")
            assert arrow.number.height >= metrics.capHeight()
        assert touching(view.arrangement(), width, height, view._room().corners) == []
    finally:
        qapp.setProperty("dmd_font_scale", None)


def test_an_arrow_has_its_teachers_colour(show: Show, colours: theme.Theme) -> None:
    view = show(trained())
    pixels = picture(view)
    for edge, weight in view.drawn_edges().items():
        arrow = view.arrangement().arrows[edge]
        wanted = mixed(theme.MODALITY[edge.teacher], colours.card, opacity(weight))
        near = [pixels[round(p.y) - 2 : round(p.y) + 3, round(p.x) - 2 : round(p.x) + 3] for p in (arrow.at(0.5),)]
        assert np.abs(near[0] - wanted).sum(axis=-1).min() < 60, str(edge)


def test_the_ground_is_the_themes(show: Show, colours: theme.Theme) -> None:
    pixels = picture(show(trained()))
    assert tuple(pixels[20, 120]) == colours.card.getRgb()[:3]


def test_a_change_of_theme_repaints(show: Show, qapp: QApplication) -> None:
    view = show(trained())
    before = picture(view)
    look(qapp, "light")
    QApplication.sendEvent(view, QEvent(QEvent.Type.PaletteChange))
    after = picture(view)
    assert tuple(before[20, 120]) == theme.DARK.card.getRgb()[:3]
    assert tuple(after[20, 120]) == theme.LIGHT.card.getRgb()[:3]


def test_a_missing_modality_fades_and_its_ring_is_broken(show: Show, colours: theme.Theme) -> None:
    full, gone = picture(show(trained())), picture(show(without(V)))
    amber = theme.MODALITY[Modality.VISUAL]
    assert count(full, amber, 12) > 200
    assert count(gone, amber, 12) == 0
    view = show(without(V))
    centre, radius = view.arrangement().nodes[V], view.arrangement().radius
    ring = [
        gone[round(centre.y + radius * np.sin(a)), round(centre.x + radius * np.cos(a))]
        for a in np.linspace(0, 2 * np.pi, 200)
    ]
    empty = np.abs(np.array(ring) - np.array(colours.card.getRgb()[:3])).max(axis=1) < 12
    assert 0.2 < empty.mean() < 0.8
    assert (empty[1:] != empty[:-1]).sum() > 12
    assert view.hint_at(QPointF(centre.x, centre.y)) == "vision (missing): a face in 0.08 of the pictures"


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_ring_is_closed_as_far_as_the_coverage_goes(show: Show, colours: theme.Theme, share: float) -> None:
    view = show(trained(coverage={L: share, V: 1.0, A: 1.0}))
    pixels, layout = picture(view), view.arrangement()
    centre, blue = layout.nodes[L], np.array(theme.MODALITY[L].getRgb()[:3])
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    covered = [
        np.abs(
            pixels[round(centre.y - layout.radius * np.cos(a)), round(centre.x + layout.radius * np.sin(a))] - blue
        ).max()
        < 60
        for a in angles
    ]
    assert np.mean(covered) == pytest.approx(share, abs=0.06)


def test_no_graph_says_why_and_draws_none(show: Show, colours: theme.Theme, monkeypatch: pytest.MonkeyPatch) -> None:
    view = show(alone())
    assert view.drawn_edges() == {}
    assert numbers_painted(view, monkeypatch) == {}
    assert "no graph, fewer than two modalities" in view.accessibleDescription()
    pixels = picture(view)
    middle = pixels[100:200, 60:220]
    assert count(middle, colours.dim, 20) > 20
    assert count(pixels, theme.MODALITY[V], 40) == 0
    assert view.edge_at(QPointF(*view.arrangement().arrows[Edge(L, V)].at(0.5))) is None


def test_a_prior_is_a_grey_root(show: Show, colours: theme.Theme) -> None:
    with_prior, without_prior = show(near_uniform(prior=prior())), show(near_uniform())
    arrow = with_prior.arrangement().arrows[Edge(L, V)]
    p = arrow.at(4 / arrow.length)
    grey = picture(with_prior)[round(p.y), round(p.x)].astype(int)
    blue = picture(without_prior)[round(p.y), round(p.x)].astype(int)
    assert grey.max() - grey.min() < 40
    assert blue.max() - blue.min() > 60
    assert "prior 0.48" in with_prior.hint_at(QPointF(*arrow.at(0.5)))


def test_keys_walk_the_edges(show: Show, qtbot: QtBot) -> None:
    view = show(trained())
    view.show()
    view.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(view.hasFocus, timeout=2000)
    assert view.active_edge is None
    seen = []
    for _ in range(6):
        qtbot.keyClick(view, Qt.Key.Key_Right)
        seen.append(view.active_edge)
    assert seen == list(EDGES)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.active_edge == EDGES[0]
    qtbot.keyClick(view, Qt.Key.Key_Up)
    assert view.active_edge == EDGES[-1]
    with qtbot.waitSignal(view.edge_selected, timeout=0) as chosen:
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert chosen.args == [EDGES[-1]]
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.active_edge is None
    with qtbot.assertNotEmitted(view.edge_selected):
        qtbot.keyClick(view, Qt.Key.Key_Space)


@pytest.mark.parametrize("size", [QSize(200, 190), DRAWN, QSize(520, 460)])
def test_every_edge_can_be_pointed_at_and_clicked(show: Show, qtbot: QtBot, size: QSize) -> None:
    view = show(trained(), size=size)
    for edge, arrow in view.arrangement().arrows.items():
        for point in (arrow.at(0.4), arrow.number.centre):
            assert view.edge_at(QPointF(*point)) == edge
        at = QPointF(*arrow.at(0.5)).toPoint()
        with qtbot.waitSignal(view.edge_selected, timeout=0) as chosen:
            qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
        assert chosen.args == [edge]
    assert view.edge_at(QPointF(3, 3)) is None


def test_pointing_at_an_edge_shows_its_history(show: Show) -> None:
    view = show(*(trained(i) for i in range(40)))
    plain = picture(view)
    view.point_at(Edge(L, V))
    told = picture(view)
    assert (plain != told).any(axis=-1).sum() > 3000
    view.point_at(None)
    np.testing.assert_array_equal(picture(view), plain)


@pytest.mark.parametrize("edge", EDGES, ids=str)
@pytest.mark.parametrize("size", [DRAWN, QSize(420, 380)])
def test_the_popover_hides_little_of_its_own_edge(show: Show, edge: Edge, size: QSize) -> None:
    view = show(trained(), size=size)
    layout = view.arrangement()
    box = view._popover_place(layout, edge, view._popover(edge))
    arrow = layout.arrows[edge]
    hidden = sum(box.distance(arrow.at(i / 20)) == 0 for i in range(21))
    assert hidden <= 4
    assert box.distance(arrow.number.centre) > 0
    assert box.x >= 0 <= box.y
    assert box.right <= size.width()
    assert box.bottom <= size.height()


def test_names_for_who_does_not_see_it(show: Show) -> None:
    assert show(trained()).accessibleName() == "HomoGD, shared space"
    view = show(trained(), graph=Graph.HETEROGENEOUS)
    assert view.accessibleName() == "HeteroGD, own space"
    assert view.focusPolicy() is Qt.FocusPolicy.StrongFocus
    for m in MODALITIES:
        assert view.hint_at(QPointF(*view.arrangement().nodes[m]))
    assert view.hint_at(QPointF(*view.arrangement().arrows[Edge(V, A)].at(0.5))).startswith(
        "vision teaches audio: 0.24"
    )
    assert "teacher to student" in view.hint_at(QPointF(2, 2))


def test_it_paints_at_any_size(show: Show) -> None:
    for size in (QSize(1, 1), QSize(40, 30), QSize(90, 300), QSize(300, 60)):
        for reading in (trained(), alone()):
            view = show(reading, size=size)
            view.point_at(Edge(L, V))
            picture(view)


def test_edges_up_to_a_third_are_twice_the_uniform_ones(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each student's edges sum to 1/3, widths relative to 1/6 stay in range and numbers are the reading's."""
    view = show(per_student(), graph=Graph.HETEROGENEOUS)
    weights = view.drawn_edges()
    for student in MODALITIES:
        assert sum(w for edge, w in weights.items() if edge.student is student) == pytest.approx(1 / 3)
    assert stroke(max(weights.values())) / stroke(UNIFORM) == pytest.approx(2.0, abs=0.25)
    assert numbers_painted(view, monkeypatch)[Edge(L, V)] == "0.33"
    hint = view.hint_at(QPointF(*view.arrangement().arrows[Edge(L, V)].at(0.5)))
    assert "2.0 times uniform." in hint
    assert "How far vision should trust language for this window." in hint


def test_a_checkpoint_without_graphs_says_so_once(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    view = show(no_graphs())
    lines: list[str] = []
    draw = graph_view.draw_text
    monkeypatch.setattr(graph_view, "draw_text", lambda *a: (lines.append(a[3]), draw(*a)))
    picture(view)
    assert "No graph" in lines
    assert NO_GRAPH not in lines  # it stands in the middle, wrapped
    assert view.drawn_edges() == {}
    assert NO_GRAPH in view.accessibleDescription()
