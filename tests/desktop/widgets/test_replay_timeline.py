"""The timeline of a replay: what its pixels say, and what the mouse does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.track import Series, Spoken, TrackModel
from desktop.models.words import emotion_word
from desktop.widgets import track_readout
from desktop.widgets.replay_timeline import ReplayTimeline
from desktop.widgets.track_layout import Kind, Row
from desktop.widgets.track_painting import clock_text
from desktop.widgets.track_raster import line_picture, stack_picture
from desktop.widgets.track_readout import readout_at
from desktop.widgets.track_tiers import Part
from dmd_runtime import Annotations, Item, Label, Tier, TierKind, open_session
from tests.desktop.looking import count, look, picture
from tests.recording.replayable import write_session

TASKS = Tier(
    name="task",
    kind=TierKind.SPAN,
    by="anna",
    labels=(Label(name="reading", color="#ff00aa"),),
    items=(Item(id="a", t0=20.0, t1=40.0, label="reading"), Item(id="b", t0=60.0, t1=61.0, label="rest")),
)
EVENTS = Tier(name="event", kind=TierKind.POINT, by="anna", items=(Item(id="c", t0=50.0, label="smile"),))


@pytest.fixture
def track(tmp_path: Path) -> TrackModel:
    track = TrackModel()
    track.set_end(100.0)
    track.set_series(Series.of(open_session(write_session(tmp_path / "ses-a", seconds=100.0, media=False)).readings))
    track.set_spoken(Spoken(np.array([10.0]), np.array([10.4]), ("hello",)))
    track.set_annotations(Annotations(tiers=(TASKS, EVENTS)))
    return track


@pytest.fixture
def view(track: TrackModel, qtbot: QtBot, qapp: QApplication) -> ReplayTimeline:
    look(qapp, "dark")
    view = ReplayTimeline(track)
    qtbot.addWidget(view)
    view.resize(1100, 300)
    view.show()
    return view


def row(view: ReplayTimeline, kind: Kind, number: int = 0) -> Row:
    return next(r for r in view.arrangement().rows if r.kind is kind and r.number == number)


def at(view: ReplayTimeline, t: float, kind: Kind, number: int = 0) -> QPoint:
    return QPointF(view.axis().x(t), row(view, kind, number).box.center().y()).toPoint()


def test_rows_have_their_colours_and_the_play_head_is_seen(view: ReplayTimeline, track: TrackModel) -> None:
    pixels = picture(view)
    for lane in track.lanes:
        assert count(pixels, theme.MODALITY[lane[1].teacher]) > 200
    box = row(view, Kind.TIER, 0).box.toRect()
    ground = pixels[box.top() + 4 : box.bottom() - 3, round(view.axis().x(30.0))]
    assert (ground[:, 0] > ground[:, 1] + 40).all()  # the label's own pink
    track.move(70.0, follow=False)
    x = round(view.axis().x(70.0))
    assert count(picture(view)[:, x - 1 : x + 1], theme.theme().ink) > 150


def test_the_stack_is_as_high_as_its_shares() -> None:
    shares = np.array([[0.25, 0.75], [1.0, 0.0], [np.nan, np.nan]])
    image = stack_picture(shares, 40, [QColor("#ff0000"), QColor("#0000ff")])
    reds = [sum(image.pixelColor(x, y).red() > 128 for y in range(40)) for x in range(3)]
    assert reds == [10, 40, 0]
    assert image.pixelColor(2, 5).alpha() == 0


def test_a_line_has_no_holes_and_breaks_where_nothing_is_known() -> None:
    values = np.array([0.0, 1.0, np.nan, 0.5])
    image = line_picture(values, values, 30, QColor("#ffffff"))
    rows = [{y for y in range(30) if image.pixelColor(x, y).alpha() > 100} for x in range(4)]
    assert not rows[2]
    assert rows[0] | rows[1] >= set(range(1, 29))
    assert rows[3] <= set(range(13, 17))


def test_a_click_goes_there_and_a_drag_selects(view: ReplayTimeline, track: TrackModel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.seek_requested) as told:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=at(view, 80.0, Kind.SENTIMENT))
    assert told.args is not None
    assert told.args[0] == pytest.approx(80.0, abs=0.1)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=at(view, 20.0, Kind.EMOTION))
    qtbot.mouseMove(view, at(view, 45.0, Kind.EMOTION))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=at(view, 45.0, Kind.EMOTION))
    assert track.selection == pytest.approx((20.0, 45.0), abs=0.1)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=at(view, 45.0, Kind.EMOTION))  # its edge
    qtbot.mouseMove(view, at(view, 30.0, Kind.EMOTION))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=at(view, 30.0, Kind.EMOTION))
    assert track.selection == pytest.approx((20.0, 30.0), abs=0.15)


def test_the_axis_drags_the_play_head(view: ReplayTimeline, qtbot: QtBot) -> None:
    told: list[tuple[str, float]] = []
    view.scrub_requested.connect(lambda t: told.append(("scrub", round(t))))
    view.seek_requested.connect(lambda t: told.append(("seek", round(t))))
    y = round(view.arrangement().axis.center().y())
    places = [QPoint(round(view.axis().x(t)), y) for t in (10.0, 30.0, 50.0)]
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=places[0])
    qtbot.mouseMove(view, places[1])
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=places[2])
    assert told == [("scrub", 10), ("scrub", 30), ("seek", 50)]


def test_the_wheel_zooms_around_the_mouse_and_pans_with_shift(view: ReplayTimeline, track: TrackModel) -> None:
    place = QPointF(at(view, 40.0, Kind.EMOTION))

    def turn(y: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        none, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
        view.wheelEvent(QWheelEvent(place, place, QPoint(), QPoint(0, y), none, modifiers, phase, False))

    before = view.axis().time(place.x())
    for _ in range(8):
        turn(120)
    assert track.view[1] - track.view[0] < 50
    assert view.axis().time(place.x()) == pytest.approx(before, abs=1e-6)
    start = track.view[0]
    turn(-120, Qt.KeyboardModifier.ShiftModifier)
    assert track.view[0] > start


def test_the_overview_moves_the_view(view: ReplayTimeline, track: TrackModel, qtbot: QtBot) -> None:
    track.set_view(0.0, 10.0)
    strip = view.arrangement().overview
    place = QPoint(round(view.overview().x(70.0)), round(strip.center().y()))
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)
    assert track.view == pytest.approx((65.0, 75.0), abs=0.2)


def test_items_are_hit_by_body_and_edge(view: ReplayTimeline) -> None:
    for t, item, part in (
        (30.0, "a", Part.BODY),
        (20.1, "a", Part.START),
        (39.9, "a", Part.END),
        (60.5, "b", Part.BODY),
    ):
        hit = view.hit_at(QPointF(at(view, t, Kind.TIER, 0)))
        assert hit is not None
        assert (hit.key, hit.item.id, hit.part) == (TASKS.key, item, part)
    point = view.hit_at(QPointF(at(view, 50.3, Kind.TIER, 1)))
    assert point is not None
    assert point.item.id == "c"
    assert view.hit_at(QPointF(at(view, 80.0, Kind.TIER, 0))) is None
    assert view.hit_at(QPointF(at(view, 30.0, Kind.EMOTION))) is None


def test_items_are_selected_by_a_click_and_dragged_only_where_that_is_wanted(
    view: ReplayTimeline, track: TrackModel, qtbot: QtBot
) -> None:
    told: list[tuple[str, float, float, bool]] = []
    view.item_dragged.connect(lambda _, item, a, b, done: told.append((item, round(a), round(b), done)))

    def drag() -> None:
        qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=at(view, 39.9, Kind.TIER, 0))
        qtbot.mouseMove(view, at(view, 50.0, Kind.TIER, 0))
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=at(view, 55.0, Kind.TIER, 0))

    drag()
    assert track.selected == (TASKS.key, "a")
    assert told == []
    view.editable = True
    drag()
    assert told == [("a", 20, 50, False), ("a", 20, 55, True)]
    assert track.annotations.tiers[0] is TASKS  # nothing is changed here


def test_the_readout_says_what_was(view: ReplayTimeline, track: TrackModel) -> None:
    hit = view.hit_at(QPointF(at(view, 30.0, Kind.TIER, 0)))
    text = " ".join(line for _, line in readout_at(track, 10.2, hit).lines)
    assert "“hello”" in text
    assert "reading" in text
    assert "L→V HomoGD 0." in text
    assert "sentiment" in text
    assert readout_at(track, 0.5, None).lines[0][1] == "no reading yet"


@pytest.mark.parametrize("width", [700, 984, 1100])
def test_every_word_beside_a_row_is_whole(view: ReplayTimeline, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    drawn: dict[str, float] = {}

    def draw(_: object, line: QRectF, __: object, text: str, font: QFont, ___: object) -> None:
        drawn[text] = line.width() - QFontMetricsF(font).horizontalAdvance(text)

    monkeypatch.setattr(track_readout, "draw_text", draw)
    view.resize(width, 120)
    for label in theme.EMOTION:
        word = emotion_word(label)
        monkeypatch.setattr(track_readout, "_value", lambda *_, word=word: (word, None))
        picture(view)
        assert drawn[word] >= 0


def test_the_plot_is_drawn_anew_only_when_it_must_be(view: ReplayTimeline, track: TrackModel) -> None:
    picture(view)
    plot = view._plot
    track.move(33.0, follow=False)
    view.moment = 12.0
    picture(view)
    assert view._plot is plot
    track.zoom(0.5)
    picture(view)
    assert view._plot is not plot


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("size", [(980, 124), (1240, 250), (1240, 600)])
def test_rows_never_overlap(view: ReplayTimeline, qapp: QApplication, name: str, size: tuple[int, int]) -> None:
    look(qapp, name)
    view.resize(*size)
    picture(view)
    layout = view.arrangement()
    boxes = [r.box for r in layout.rows]
    assert all(a.bottom() <= b.top() + 1 for a, b in pairwise(boxes))
    assert layout.body.bottom() < layout.overview.top()
    assert layout.overview.bottom() <= view.height() - 5
    view.scroll_rows(10.0)
    assert view.arrangement().rows[-1].box.bottom() <= layout.body.bottom() + 2


def test_times_are_written_for_people() -> None:
    assert [clock_text(t) for t in (0.0, 65.26, 3725.0)] == ["0:00.0", "1:05.2", "1:02:05.0"]
    assert clock_text(59.9999, 2) == "0:59.99"
    assert clock_text(12.0, 0) == "0:12"
