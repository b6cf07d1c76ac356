from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.annotating import AnnotatingModel
from desktop.widgets.trace_pad import EVERY, PadMode, TracePad
from tests.desktop.looking import count, look, picture


class Kept:
    """A sink that remembers samples."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, str, float]] = []

    def mark(self, t0: float, label: str, **_: object) -> None:
        raise AssertionError("nothing is marked here")

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        self.samples.append((t, tier, round(value, 3)))


class Bench:
    """A pad at a time that a test sets."""

    def __init__(self, qtbot: QtBot, mode: PadMode) -> None:
        self.now: float | None = 1.0
        self.kept = Kept()
        self.lifted = 0
        self.model = AnnotatingModel([])
        self.model.attach(lambda: self.now, self.kept)
        self.model.lifted.connect(self._count)
        self.pad = TracePad(self.model, mode)
        qtbot.addWidget(self.pad)
        with qtbot.waitActive(self.pad):
            self.pad.show()
            self.pad.activateWindow()
        self.pad.setFocus()

    def _count(self) -> None:
        self.lifted += 1

    def place(self, valence: float, arousal: float) -> QPoint:
        return self.pad.point_of(valence, arousal).toPoint()

    def tick(self, t: float) -> None:
        self.now = t
        self.pad._timer.timeout.emit()


@pytest.fixture(params=list(PadMode), ids=lambda mode: mode.value)
def bench(qtbot: QtBot, request: pytest.FixtureRequest) -> Bench:
    return Bench(qtbot, request.param)


@pytest.fixture
def plane(qtbot: QtBot) -> Bench:
    return Bench(qtbot, PadMode.PLANE)


def test_it_draws_while_the_button_is_down(plane: Bench, qtbot: QtBot) -> None:
    pad = plane.pad
    pad._timer.blockSignals(True)  # the test says when it ticks
    qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=plane.place(0.5, -0.5))
    assert pad.is_down
    assert [(t, tier) for t, tier, _ in plane.kept.samples] == [(1.0, "valence"), (1.0, "arousal")]
    assert [v for *_, v in plane.kept.samples] == pytest.approx([0.5, -0.5], abs=0.02)
    qtbot.mouseMove(pad, plane.place(-1.0, 1.0))
    pad._timer.blockSignals(False)
    plane.tick(1.2)
    assert len(plane.kept.samples) == 4
    qtbot.mouseRelease(pad, Qt.MouseButton.LeftButton, pos=plane.place(-1.0, 1.0))
    assert (pad.is_down, plane.lifted) == (False, 1)


def test_values_never_leave_their_range(bench: Bench) -> None:
    area = bench.pad.area()
    for place in (area.topLeft() - QPointF(50, 50), area.bottomRight() + QPointF(50, 50)):
        bench.pad._point_at(place)
        valence, arousal = bench.pad.values
        assert abs(valence) == 1
        assert arousal in ((-1.0, 1.0) if bench.pad.mode is PadMode.PLANE else (None,))


def test_the_clock_gives_at_most_twenty_lines_a_second() -> None:
    assert 1000 / EVERY[PadMode.SLIDER] <= 20
    assert 2 * 1000 / EVERY[PadMode.PLANE] <= 20


def test_standing_still_is_drawn_too(bench: Bench) -> None:
    bench.pad.move_to(0.25, 0.0)
    bench.pad.put_down()
    for t in (1.1, 1.2):
        bench.tick(t)
    assert [(t, v) for t, tier, v in bench.kept.samples if tier == "valence"] == [(1.0, 0.25), (1.1, 0.25), (1.2, 0.25)]
    assert bench.pad._timer.interval() == EVERY[bench.pad.mode]


def test_keys_draw(bench: Bench, qtbot: QtBot) -> None:
    pad, plane = bench.pad, bench.pad.mode is PadMode.PLANE
    qtbot.keyClick(pad, Qt.Key.Key_Right)
    assert pad.is_down
    qtbot.keyClick(pad, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(pad, Qt.Key.Key_Down)
    assert pad.values == (0.3, -0.05 if plane else None)
    qtbot.keyClick(pad, Qt.Key.Key_Space)
    assert (pad.is_down, bench.lifted) == (False, 1)
    qtbot.keyClick(pad, Qt.Key.Key_Home)
    assert pad.values == (0.0, 0.0 if plane else None)
    qtbot.keyClick(pad, Qt.Key.Key_Space)
    assert pad.is_down
    qtbot.keyClick(pad, Qt.Key.Key_Escape)
    assert (pad.is_down, bench.lifted) == (False, 2)


def test_the_pen_is_lifted_when_nobody_draws(bench: Bench) -> None:
    for away in (bench.pad.clearFocus, bench.model.finish, bench.pad.hide):
        bench.now = 1.0
        bench.model.attach(lambda: bench.now, bench.kept)
        bench.pad.setFocus()
        bench.pad.put_down()
        assert bench.pad.is_down
        away()
        assert not bench.pad.is_down


def test_without_a_time_there_is_nothing_to_draw_at(bench: Bench, qtbot: QtBot) -> None:
    bench.now = None
    qtbot.keyClick(bench.pad, Qt.Key.Key_Space)
    assert (bench.pad.is_down, bench.kept.samples) == (False, [])


def test_the_trail_is_seen_and_breaks_in_time(plane: Bench, colours: theme.Theme) -> None:
    look(QApplication.instance(), colours.name)  # type: ignore[arg-type]
    plane.pad.resize(QSize(300, 320))

    def drawn(step: float) -> int:
        plane.model.attach(lambda: plane.now, plane.kept)
        for i in range(20):
            plane.now = i * step
            plane.pad.move_to(-0.9 + 0.05 * i, 0.8)
            plane.model.trace(*plane.pad.values)
        plane.pad.move_to(0.0, -0.8)
        area = plane.pad.area().toRect()
        pixels = picture(plane.pad)[area.top() : area.center().y() - 10, area.left() : area.right()]
        return pixels.shape[0] * pixels.shape[1] - count(pixels, colours.track, 6) - count(pixels, colours.line, 6)

    assert drawn(0.1) > drawn(2.0) + 150


def test_it_says_where_it_is(bench: Bench) -> None:
    bench.pad.move_to(0.5, -0.25)
    said = bench.pad.accessibleDescription()
    assert said.startswith("valence +0.50")
    assert ("arousal −0.25" in said) == (bench.pad.mode is PadMode.PLANE)
    assert said.endswith("lifted")


def test_another_mode_lifts_the_pen(plane: Bench) -> None:
    plane.pad.put_down()
    plane.pad.mode = PadMode.SLIDER
    assert (plane.pad.is_down, plane.pad.values) == (False, (0.0, None))
    assert plane.pad.accessibleName() == "My trace of valence"


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_the_area_lies_inside(bench: Bench, qapp: QApplication, scale: float, colours: theme.Theme) -> None:
    qapp.setProperty("dmd_font_scale", scale)
    try:
        for size in (bench.pad.minimumSizeHint(), bench.pad.sizeHint(), QSize(600, 500)):
            bench.pad.resize(size)
            assert bench.pad.rect().toRectF().contains(bench.pad.area())
            assert bench.pad.area().width() >= 90
            picture(bench.pad)
    finally:
        qapp.setProperty("dmd_font_scale", None)


def test_when_a_recording_ends_by_itself_the_pad_says_why_and_draws_nothing(bench: Bench) -> None:
    bench.model.attach(lambda: 1.0, bench.kept)
    bench.pad.put_down()
    assert bench.pad.is_down
    bench.model.end("The disk is full.")
    assert not bench.pad.is_down
    assert not bench.pad.isEnabled()
    assert bench.pad.toolTip() == "The disk is full."
    bench.pad.put_down()
    assert not bench.pad.is_down
    bench.model.attach(lambda: 1.0, bench.kept)
    assert bench.pad.isEnabled()
    assert bench.pad.toolTip().startswith("Press and move")
