"""The picture on the stage: exact, mirrored, never copied, and told of when it is really painted."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import numpy.typing as npt
import pytest
from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.live import LiveModel, Phase
from desktop.widgets import video_painting as painting
from desktop.widgets.video_view import VideoView
from dmd_runtime import Modality, freeze
from tests.desktop import left_states as states
from tests.desktop.left_states import face, frame

Picture = npt.NDArray[np.uint8]


def noise(width: int, height: int, seed: int = 0) -> Picture:
    """A picture in which every pixel is another."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pixels(image: QImage) -> Picture:
    """RGB (H, W, 3) of an image."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(plain.constBits(), dtype=np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : 3 * plain.width()].reshape(plain.height(), plain.width(), 3).copy()


def painted(view: VideoView) -> Picture:
    """What the view looks like."""
    return pixels(view.grab().toImage())


def view_of(model: LiveModel, qtbot: QtBot, width: int = 652, height: int = 400) -> VideoView:
    """A view of a size."""
    view = VideoView(model)
    qtbot.addWidget(view)
    view.resize(width, height)
    return view


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("size", [(320, 180), (321, 183), (7, 5)])
def test_every_pixel_is_where_it_belongs(mirrored: bool, size: tuple[int, int]) -> None:
    picture = noise(*size)
    image, held = painting.image_over(picture)
    target = QImage(*size, QImage.Format.Format_RGB32)
    painter = QPainter(target)
    painting.paint_picture(painter, image, QRectF(0, 0, *size), mirrored=mirrored)
    painter.end()
    assert np.array_equal(pixels(target), held[:, ::-1] if mirrored else held)


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_view_mirrors_cameras_and_not_files(qtbot: QtBot, mirrored: bool) -> None:
    model = LiveModel()
    model.set_source("x", mirrored=mirrored)
    picture = noise(652, 400)
    model.take_frame(frame(0, image=picture))
    view = view_of(model, qtbot)
    expected = picture[:, ::-1] if mirrored else picture
    middle = np.s_[60:340, 20:-20]  # without chips and corners
    assert np.array_equal(painted(view)[middle], expected[middle])
    view.mirrored = not mirrored
    assert np.array_equal(painted(view)[middle], expected[:, ::-1][middle])


def test_the_buffer_is_not_copied_and_lives_as_long_as_it_is_shown(qtbot: QtBot) -> None:
    model = LiveModel()
    view = view_of(model, qtbot)
    picture = freeze(noise(640, 360))
    alive = weakref.ref(picture)
    model.take_frame(frame(0, image=picture))
    assert np.shares_memory(np.frombuffer(view._image.constBits(), dtype=np.uint8), picture)
    del picture
    model.frame = None  # the model lets go, the view has not been told yet
    gc.collect()
    assert alive() is not None
    model.frame_changed.emit()
    gc.collect()
    assert alive() is None


def test_pictures_that_are_not_contiguous_are_fine(qtbot: QtBot) -> None:
    wide = noise(1304, 400)
    for picture in (wide[:, ::2], wide[:, 100:752], noise(652, 400)[::-1], np.asfortranarray(noise(652, 400))):
        model = LiveModel()
        model.set_source("x", mirrored=False)
        model.take_frame(frame(0, image=picture))
        view = view_of(model, qtbot)
        assert np.array_equal(painted(view)[100:300, 100:-100], picture[100:300, 100:-100])


@pytest.mark.parametrize(
    ("picture", "fills"), [((1280, 720), True), ((640, 480), True), ((720, 1280), False), ((2000, 500), False)]
)
def test_the_picture_fills_the_stage_or_stands_inside(picture: tuple[int, int], fills: bool) -> None:
    stage = QRectF(0, 0, 652, 400)
    area = painting.placed(stage, QSizeF(*picture))
    assert area.contains(stage) is fills
    assert stage.contains(area) is not fills
    assert area.width() / area.height() == pytest.approx(picture[0] / picture[1])
    assert area.center() == stage.center()


def test_chips_stand_on_the_picture_and_not_across_its_edge() -> None:
    stage = QRectF(0, 0, 652, 367)
    beside = painting.room_for_chips(stage, painting.placed(stage, QSizeF(640, 480)))
    assert (beside.left(), beside.right()) == pytest.approx((93.3, 558.7), abs=0.1)
    narrow = painting.room_for_chips(stage, painting.placed(stage, QSizeF(720, 1280)))
    filled = painting.room_for_chips(stage, painting.placed(stage, QSizeF(1280, 720)))
    assert narrow == filled == painting.room_for_chips(stage, QRectF()) == QRectF(12, 12, 628, 343)


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_outline_lies_on_the_face(mirrored: bool) -> None:
    outline = np.array([[0.25, 0.5], [0.5, 0.1], [0.4, 0.9]], dtype=np.float32)
    points = painting.outline_points(outline, QRectF(10, 20, 200, 100), mirrored=mirrored)
    x = [160.0, 110.0, 130.0] if mirrored else [60.0, 110.0, 90.0]
    assert points[:, 0] == pytest.approx(x)
    assert points[:, 1] == pytest.approx([70.0, 30.0, 110.0])


def test_dots_go_around_evenly() -> None:
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    circle = np.stack([300 + 100 * np.cos(angle), 200 + 100 * np.sin(angle)], axis=1)
    dots = painting.dots_along(circle, 7.0)
    assert np.hypot(dots[:, 0] - 300, dots[:, 1] - 200) == pytest.approx(np.full(len(dots), 100.0), abs=0.1)
    steps = np.hypot(*np.diff(np.concatenate((dots, dots[:1])), axis=0).T)
    assert steps == pytest.approx(np.full(len(dots), steps.mean()), rel=0.02)
    assert len(dots) == 90
    assert len(painting.dots_along(circle[:2])) == 0


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_outline_is_painted_where_the_face_is(qtbot: QtBot, mirrored: bool) -> None:
    model = LiveModel()
    model.set_source("x", mirrored=mirrored)
    model.take_frame(frame(0, image=np.zeros((400, 652, 3), dtype=np.uint8)))
    model.take_face(face(0.0, centre=(0.25, 0.5), radii=(0.1, 0.2)))
    picture = painted(view_of(model, qtbot)).astype(int)
    amber = theme.MODALITY[Modality.VISUAL].getRgb()[:3]
    _, x = np.nonzero((np.abs(picture[60:340] - amber) < 40).all(axis=2))
    centre = 0.75 if mirrored else 0.25
    assert x.min() == pytest.approx(652 * (centre - 0.1), abs=4)
    assert x.max() == pytest.approx(652 * (centre + 0.1), abs=4)


def test_a_picture_is_told_of_when_it_is_painted_and_once(qtbot: QtBot) -> None:
    model = LiveModel()
    view = view_of(model, qtbot)
    told: list[tuple[int, float]] = []
    view.frame_painted.connect(lambda seq, t: told.append((seq, t)))
    view.grab()
    assert (told, view.frame_number_drawn) == ([], -1)
    model.take_frame(frame(5, t=0.5))
    model.take_frame(frame(6, t=0.6))
    assert told == []
    view.grab()
    view.grab()
    assert (told, view.frame_number_drawn) == ([(6, 0.6)], 6)


def test_a_new_picture_asks_to_be_painted(qtbot: QtBot) -> None:
    model = LiveModel()
    view = view_of(model, qtbot)
    with qtbot.waitExposed(view):
        view.show()
    with qtbot.waitSignal(view.frame_painted) as told:
        model.take_frame(frame(7))
    assert told.args[0] == 7


def test_texts_say_what_is_seen_and_heard(qtbot: QtBot) -> None:
    view = view_of(states.running(), qtbot)
    assert view.picture_text() == "30 fps · face 0.97"
    assert view.sound_text() == "−18 dB speaking"
    view = view_of(states.running(seen=False, level_db=-57.0), qtbot)
    assert view.picture_text() == "30 fps · no face"
    assert view.sound_text() == "−57 dB silent"
    assert "too loud" in view_of(states.running(clipping=True), qtbot).sound_text()
    assert view_of(states.running(level_db=-120.0), qtbot).sound_text() == "silent"
    assert view_of(states.without_sound(), qtbot).picture_text() == "ended · face 0.97"
    assert view_of(states.without_video(), qtbot).stage_text() == "no video"
    assert view_of(states.starting(), qtbot).stage_text() == "Opening Integrated 720p…"


def test_the_meter_shows_the_level(qtbot: QtBot) -> None:
    green = theme.MODALITY[Modality.ACOUSTIC].getRgb()[:3]
    filled = []
    for level in (-50.0, -30.0, -5.0):
        picture = painted(view_of(states.running(level_db=level, seen=False), qtbot)).astype(int)
        filled.append(int((np.abs(picture[376, 40:345] - green) < 6).all(axis=1).sum()))
    assert filled == sorted(filled)
    assert filled[0] > 0
    assert filled[2] == pytest.approx(298 * 55 / 60, abs=4)


@pytest.mark.parametrize("mark", ["DEMO", "SYNTHETIC"])
@pytest.mark.parametrize("size", [(652, 400), (240, 150)])
def test_what_is_no_person_is_marked_loudly(qtbot: QtBot, mark: str, size: tuple[int, int]) -> None:
    view = view_of(states.running(mark), qtbot, *size)
    warning = QColor(theme.WARNING).getRgb()[:3]
    loud = (np.abs(painted(view).astype(int) - warning) < 6).all(axis=2)
    assert loud[:40, size[0] // 2 :].sum() > 500
    assert mark in view.accessibleDescription()
    plain = view_of(states.running("UNTRAINED"), qtbot, *size)
    assert (np.abs(painted(plain).astype(int) - warning) < 6).all(axis=2)[:40, size[0] // 2 :].sum() < 50


@pytest.mark.parametrize("state", states.LIVE)
@pytest.mark.parametrize("size", [(652, 400), (240, 150), (120, 90)])
def test_every_state_can_be_painted(qtbot: QtBot, state: str, size: tuple[int, int]) -> None:
    view = view_of(states.LIVE[state](), qtbot, *size)
    assert painted(view).std() > 1


def test_a_change_of_theme_repaints(qtbot: QtBot, qapp: QApplication) -> None:
    model = LiveModel()
    model.set_phase(Phase.STARTING)
    view = view_of(model, qtbot)
    with qtbot.waitExposed(view):
        view.show()
    dark = painted(view)[200, 20]
    theme.apply_theme(qapp, "light")
    assert tuple(painted(view)[200, 20]) == theme.LIGHT.stage.getRgb()[:3] != tuple(dark)


def test_white_ink_is_read_on_any_picture(qtbot: QtBot) -> None:
    white = np.full((400, 652, 3), 255, dtype=np.uint8)
    picture = painted(view_of(states.running(image=white, seen=False), qtbot))
    ground = picture[16, 60].astype(float) / 255
    linear = np.where(ground <= 0.04045, ground / 12.92, ((ground + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05) > 4.5


def test_letters_stand_where_the_colour_is(qtbot: QtBot) -> None:
    target = QImage(40, 40, QImage.Format.Format_RGB32)
    target.fill(0)
    painter = QPainter(target)
    painting.paint_letter(painter, QPointF(20, 20), "A", theme.MODALITY[Modality.ACOUSTIC])
    painter.end()
    picture = pixels(target)
    assert picture[12:29, 12:29].any()
    assert not picture[:10].any()
