from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QSize, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.timeline import TimelineModel
from desktop.widgets import timeline_view
from desktop.widgets.timeline_painting import muted
from desktop.widgets.timeline_view import TimelineView
from dmd_runtime import EDGES, MODALITIES, Edge, Graph, Reading
from tests.desktop.looking import count, look, picture
from tests.desktop.readings import A, L, V, near_uniform, nothing, story, trained, without

DRAWN = QSize(1240, 180)
Show = Callable[..., TimelineView]


@pytest.fixture
def show(qtbot: QtBot, qapp: QApplication) -> Show:
    look(qapp, "dark")

    def make(*readings: Reading, size: QSize = DRAWN) -> TimelineView:
        model = TimelineModel()
        for reading in readings:
            model.take(reading)
        view = TimelineView(model)
        qtbot.addWidget(view)
        view.resize(size)
        return view

    return make


def column(view: TimelineView, t: float) -> int:
    return round(view.axis().at(t))


def test_the_stack_has_every_emotion_at_its_share(show: Show, colours: theme.Theme) -> None:
    view = show(*(trained(i) for i in range(40)), size=QSize(1240, 400))
    box = view.rows().stack.toRect()
    part = picture(view)[box.top() : box.bottom(), column(view, view.model.now - 5)]
    for label, share in zip(view.model.labels, view.model.emotions[-1], strict=True):
        assert count(part, muted(theme.emotion_colour(label)), 2) == pytest.approx(share * box.height(), abs=2), label


def test_nothing_is_drawn_over_a_gap(show: Show, colours: theme.Theme) -> None:
    readings = [
        *(trained(i) for i in range(20)),
        *(nothing(20 + i) for i in range(8)),
        *(trained(28 + i) for i in range(20)),
    ]
    view = show(*readings)
    rows, pixels = view.rows(), picture(view)
    start, end = column(view, readings[19].span.end) + 3, column(view, readings[27].span.end) - 3
    assert end - start > 40
    stack, lane = rows.stack.toRect(), rows.lanes[0].toRect()
    for label in view.model.labels:
        assert count(pixels[stack.top() : stack.bottom(), start:end], muted(theme.emotion_colour(label)), 2) == 0
    assert count(pixels[lane.top() : lane.bottom(), start:end], theme.MODALITY[L], 60) == 0
    assert count(pixels[lane.top() : lane.bottom(), start - 60 : start - 10], theme.MODALITY[L], 60) > 40


def test_a_gap_is_hatched_where_read_but_not_valid_and_plain_where_nothing_was_read(show: Show) -> None:
    view = show(*(nothing(i) for i in range(20)))
    stack, pixels = view.rows().stack.toRect(), picture(view)
    read = pixels[stack.top() : stack.bottom(), column(view, view.model.now - 5) :][:, :40]
    unread = pixels[stack.top() : stack.bottom(), column(view, view.model.now - 50) :][:, :40]
    assert (unread == np.array(theme.DARK.track.getRgb()[:3])).all()
    assert (read != np.array(theme.DARK.track.getRgb()[:3])).any(axis=-1).mean() > 0.05


def test_a_lane_breaks_where_its_edge_was_missing(show: Show, colours: theme.Theme) -> None:
    readings = [
        *(trained(i) for i in range(20)),
        *(without(V, 20 + i) for i in range(8)),
        *(trained(28 + i) for i in range(20)),
    ]
    view = show(*readings)
    view.model.lanes = [(Graph.HOMOGENEOUS, Edge(L, V)), (Graph.HOMOGENEOUS, Edge(L, A))]
    pixels = picture(view)
    start, end = column(view, readings[19].span.end) + 3, column(view, readings[27].span.end) - 3
    broken, whole = (
        count(pixels[lane.top() : lane.bottom(), start:end], theme.MODALITY[L], 60)
        for lane in (box.toRect() for box in view.rows().lanes)
    )
    assert broken == 0
    assert whole > 40


def test_each_lane_has_its_teachers_colour(show: Show, colours: theme.Theme) -> None:
    view = show(*(trained(i) for i in range(60)))
    view.model.lanes = [(Graph.HETEROGENEOUS, e) for e in (Edge(L, V), Edge(V, L), Edge(A, L))]
    pixels = picture(view)
    for lane, box in zip(view.model.lanes, view.rows().lanes, strict=True):
        area = pixels[round(box.top()) : round(box.bottom()), round(view.rows().left) : round(view.rows().right)]
        found = {m: count(area, theme.MODALITY[m], 60) for m in MODALITIES}
        assert max(found, key=lambda m: found[m]) is lane[1].teacher


def test_coverage_has_a_row_per_modality_and_shows_who_was_left_out(show: Show, colours: theme.Theme) -> None:
    view = show(*(trained(i) for i in range(20)), *(without(V, 20 + i) for i in range(20)))
    pixels = picture(view)
    then, later = column(view, trained(10).span.end), column(view, without(V, 30).span.end)
    for m, box in zip(MODALITIES, view.rows().coverage, strict=True):
        rows = slice(round(box.top()), round(box.bottom()))
        assert count(pixels[rows, then - 20 : then + 20], theme.MODALITY[m], 60) > 60
        after = count(pixels[rows, later - 20 : later + 20], theme.MODALITY[m], 60)
        assert after == 0 if m is V else after > 60


@pytest.mark.parametrize("width", [420, 620, 1240, 2400])
def test_squares_are_never_too_small_to_see(show: Show, width: int) -> None:
    view = show(*(trained(i) for i in range(130)), size=QSize(width, 180))
    box = view.rows().coverage[2]
    line = picture(view)[round(box.center().y()) - 1, round(view.rows().left) + 2 : round(view.rows().right) - 2]
    own = np.abs(line - np.array(theme.MODALITY[A].getRgb()[:3])).max(axis=1) < 60
    starts = np.flatnonzero(own[1:] & ~own[:-1])
    assert np.diff(starts).min() >= 6
    assert 0.6 < own.mean() < 0.95


def test_markers_are_drawn_with_their_labels(show: Show, colours: theme.Theme) -> None:
    view = show(*(trained(i) for i in range(120)))
    before = picture(view)
    view.model.mark(view.model.now - 20, "question 1")
    after = picture(view)
    x = column(view, view.model.now - 20)
    assert (before[:, x] != after[:, x]).any(axis=-1).sum() > 20
    assert count(after[8:26, x + 4 : x + 70], colours.ink, 40) > 20


def test_scrolling_shifts_the_picture_and_draws_nothing_anew(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    view = show(*story())
    before = picture(view)
    monkeypatch.setattr(timeline_view, "draw_stack", lambda *_: pytest.fail("drawn anew"))
    view.model.advance(view.model.now + 6.0)
    after = picture(view)
    rows = view.rows()
    left, right = round(rows.left), round(rows.right)
    shift = round(6.0 * (right - left) / 60)
    box = rows.coverage[0].toRect()
    lines = slice(box.top(), box.bottom())
    np.testing.assert_array_equal(after[lines, left : right - shift], before[lines, left + shift : right])
    assert count(after[lines, right - shift + 2 : right], theme.MODALITY[L], 60) == 0


def test_only_the_moment_is_drawn_when_the_mouse_moves(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    view = show(*story())
    before = picture(view)
    monkeypatch.setattr(timeline_view, "draw_stack", lambda *_: pytest.fail("drawn anew"))
    view.point_at(view.model.now - 10)
    assert (picture(view) != before).any()


def test_the_readout_says_what_was(show: Show) -> None:
    view = show(*(trained(i) for i in range(20)), nothing(20, reason="too dark"))
    told = view._readout(float(view.model.times[10]))
    words = [text for _, text in told.lines]
    assert told.when == "−5.0 s · at 7.0 s"
    assert words[:3] == ["happiness 0.46", "neutral 0.27", "surprise 0.11"]
    assert words[3:] == ["L→V HomoGD 0.270", "V→A HeteroGD 0.240", "L 0.81 V 0.97 A 1.00"]
    assert [t for _, t in view._readout(view.model.now).lines][:3] == ["too dark", "L→V HomoGD –", "V→A HeteroGD –"]
    assert [t for _, t in view._readout(view.model.now - 40).lines] == ["nothing was read"]


def test_mouse_and_keys_read_a_moment(show: Show, qtbot: QtBot) -> None:
    view = show(*(trained(i) for i in range(60)))
    view.show()
    rows = view.rows()
    qtbot.mouseMove(view, QPoint(round(rows.left) + 200, 60))
    assert view.moment == pytest.approx(view.axis().time(round(rows.left) + 200))
    qtbot.mouseMove(view, QPoint(3, 60))
    assert view.moment is None
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.moment == view.model.times[-1]
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.moment == view.model.times[-2]
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert view.moment == view.model.times[0]
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.moment == view.model.times[-1]
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.moment is None


@pytest.mark.parametrize("lanes", [0, 1, 2, 5])
@pytest.mark.parametrize("width", [420, 1240])
def test_lanes_do_not_overlap(show: Show, lanes: int, width: int) -> None:
    view = show(*(near_uniform(i) for i in range(40)))
    view.model.lanes = [(Graph.HOMOGENEOUS, e) for e in EDGES[:lanes]]
    view.resize(width, max(150, view.minimumSizeHint().height()))
    rows = view.rows()
    boxes = [rows.top, rows.stack, *rows.lanes, *rows.coverage, rows.foot]
    assert len(rows.lanes) == lanes
    for above, below in pairwise(boxes):
        assert above.bottom() <= below.top() + 0.6
    assert rows.foot.bottom() <= view.height()
    assert rows.stack.height() >= 10
    assert all(lane.height() >= 7.9 for lane in rows.lanes)
    assert rows.right - rows.left > 180
    picture(view)


def test_words_for_who_does_not_see_it(show: Show) -> None:
    assert show().accessibleDescription() == "nothing was read yet"
    view = show(*(trained(i) for i in range(20)))
    view.model.mark(4.0, "smile")
    assert view.accessibleName() == "Timeline of the last 60 seconds"
    for part in ("happiness 0.46", "L→V HomoGD 0.270", "L 0.81", "smile 4.0 s"):
        assert part in view.accessibleDescription()


def test_a_change_of_theme_repaints(show: Show, qapp: QApplication) -> None:
    view = show(*story())
    assert tuple(picture(view)[4, 600]) == theme.DARK.card.getRgb()[:3]
    look(qapp, "light")
    QApplication.sendEvent(view, QEvent(QEvent.Type.PaletteChange))
    pixels = picture(view)
    assert tuple(pixels[4, 600]) == theme.LIGHT.card.getRgb()[:3]
    assert count(pixels, theme.DARK.dim, 2) == 0


def test_it_paints_at_any_size(show: Show) -> None:
    for size in (QSize(1, 1), QSize(60, 30), QSize(200, 400), QSize(3000, 60)):
        view = show(*story(), size=size)
        view.point_at(view.model.now - 1)
        picture(view)
        picture(show(size=size))
