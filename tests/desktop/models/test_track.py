"""The timeline's numbers: few columns of many readings, view, selection, annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.models.level_of_detail import Detail, Means, share_covered
from desktop.models.track import CLOSEST, Series, TrackModel
from dmd_runtime import EDGES, Annotations, Graph, Item, Tier, TierKind, open_session
from tests.recording.replayable import write_session

POINTS = Tier(name="event", kind=TierKind.POINT, by="anna", items=(Item(id="a", t0=3.0), Item(id="b", t0=1.0)))


@pytest.fixture
def track() -> TrackModel:
    track = TrackModel()
    track.set_end(100.0)
    return track


def test_columns_hold_the_last_reading() -> None:
    detail = Detail(np.array([1.0, 1.5, 2.0, 6.0]))
    cells = detail.cells(np.array([0.0, 0.5, 1.0, 1.2, 1.4, 2.2, 2.6, 5.0, 5.5, 6.5]))
    rows = [list(range(a, b)) for a, b in zip(cells.first, cells.stop, strict=True)]
    assert rows == [[], [], [0], [0], [1, 2], [2], [2], [], [3]]  # it holds for 1.25 s, two and a half steps


@given(st.lists(st.floats(0, 1), min_size=3, max_size=200), st.integers(1, 60))
def test_no_reading_is_lost_and_no_extreme_either(values: list[float], columns: int) -> None:
    times = 0.5 * np.arange(len(values)) + 0.25
    detail, array = Detail(times), np.array(values)
    cells = detail.cells(np.linspace(0, times[-1] + 0.25, columns + 1))
    low, high = detail.extent(array, cells)
    mean = Means(array[:, None]).over(cells)[:, 0]
    assert np.nanmin(low) == array.min()
    assert np.nanmax(high) == array.max()
    good = ~np.isnan(mean)
    assert (mean[good] >= low[good] - 1e-9).all()
    assert (mean[good] <= high[good] + 1e-9).all()


def test_rows_without_a_number_do_not_count() -> None:
    values = np.array([[0.2, 0.8], [np.nan, np.nan], [0.6, 0.4]])
    detail = Detail(np.array([1.0, 2.0, 3.0]))
    mean = Means(values).over(detail.cells(np.array([0.0, 3.5])))
    assert mean[0] == pytest.approx([0.4, 0.6])
    assert np.isnan(Means(values).over(detail.cells(np.array([1.5, 2.5])))).all()


def test_overlapping_words_cover_a_time_once() -> None:
    starts, ends = np.array([0.0, 1.0, 1.5, 3.0]), np.array([0.5, 2.0, 1.8, 4.0])
    share = share_covered(starts, ends, np.array([0.0, 1.0, 2.0, 3.0, 5.0]))
    assert share == pytest.approx([0.5, 1.0, 0.0, 0.5])
    assert share_covered(np.empty(0), np.empty(0), np.array([0.0, 1.0])).tolist() == [0.0]


def test_a_series_is_what_was_recorded(tmp_path: Path) -> None:
    readings = open_session(write_session(tmp_path / "ses-a", media=False)).readings
    series = Series.of(readings)
    assert series.labels[0] == "happiness"
    assert np.isnan(series.emotions[3]).all()  # not valid
    assert series.emotions[0].sum() == pytest.approx(1.0, abs=1e-6)
    lane = (Graph.HETEROGENEOUS, EDGES[2])
    assert series.edge(lane)[5] == readings.edges[Graph.HETEROGENEOUS][5, 2]


def test_zoom_keeps_what_is_under_the_mouse_in_place(track: TrackModel) -> None:
    track.zoom(0.5, 30.0)
    assert track.view == (15.0, 65.0)
    track.zoom(2.0, 30.0)
    assert track.view == (0.0, 100.0)
    for _ in range(40):
        track.zoom(0.5, 99.0)
    assert track.view[1] - track.view[0] == pytest.approx(CLOSEST)
    track.pan(1000.0)
    assert track.view[1] == 100.0


def test_a_session_that_grows_stays_in_view_whole(track: TrackModel) -> None:
    track.set_end(150.0)
    assert track.view == (0.0, 150.0)
    track.set_view(10.0, 20.0)
    track.set_end(200.0)
    assert track.view == (10.0, 20.0)


def test_the_view_turns_a_page_when_the_play_head_leaves_it(track: TrackModel) -> None:
    track.set_view(0.0, 10.0)
    track.move(10.5, follow=True)
    assert track.view[0] < 10.5 < track.view[0] + 1.5
    track.set_view(0.0, 10.0)
    track.move(50.0, follow=False)
    assert track.view == (0.0, 10.0)


def test_selection_and_zoom_to_it_and_back(track: TrackModel) -> None:
    track.select(30.0, 20.0)
    assert track.selection == (20.0, 30.0)
    track.zoom_to_selection()
    assert track.view == pytest.approx((19.5, 30.5))
    track.zoom_to_selection()
    assert track.shows_all
    track.select(5.0, 5.001)
    assert track.selection is None


def test_annotations_are_kept_in_order_and_selected(track: TrackModel) -> None:
    told: list[object] = []
    track.item_selected.connect(lambda key, item: told.append((key, item)))
    track.set_annotations(Annotations(tiers=(POINTS,)))
    assert track.moments().tolist() == [1.0, 3.0]
    track.select_item(POINTS.key, "a")
    same = track.tiers[0]
    track.set_annotations(Annotations(tiers=(POINTS, Tier(name="more", kind=TierKind.TEXT))))
    assert track.tiers[0] is same  # not read anew
    assert track.selected == (POINTS.key, "a")
    track.set_annotations(Annotations())
    assert track.selected is None
    assert told == [(POINTS.key, "a"), (None, "")]


def test_lanes_come_and_go(track: TrackModel) -> None:
    before = track.lanes
    track.toggle_lane(Graph.HOMOGENEOUS, EDGES[3])
    assert track.lanes == (*before, (Graph.HOMOGENEOUS, EDGES[3]))
    track.toggle_lane(Graph.HOMOGENEOUS, EDGES[3])
    assert track.lanes == before
