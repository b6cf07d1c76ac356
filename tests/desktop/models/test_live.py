"""The view-model of the left side."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from desktop.models.live import FACE_KEPT, SILENCE_DB, LiveModel, Loudness, Phase, PreviewRate, Remedy
from desktop.models.loading import StepState
from dmd_runtime import Modality, Progress
from tests.desktop.left_states import ASSETS, activity, face, frame


@pytest.mark.parametrize("fps", [5.0, 15.0, 30.0, 59.94])
def test_rate_is_that_of_the_pictures_own_times(fps: float) -> None:
    rate = PreviewRate()
    for i in range(round(3 * fps)):
        rate.take(i / fps)
    assert rate.value == pytest.approx(fps)


def test_rate_counts_the_last_two_seconds_only() -> None:
    rate = PreviewRate()
    for i in range(60):
        rate.take(i / 30)
    for i in range(20):
        rate.take(2.0 + i / 5)
    assert rate.value == pytest.approx(5.0)


def test_rate_is_unknown_before_two_pictures() -> None:
    rate = PreviewRate()
    assert rate.value is None
    rate.take(1.0)
    assert rate.value is None


def test_rate_begins_anew_where_time_goes_back() -> None:
    rate = PreviewRate()
    for t in (10.0, 10.1, 0.0, 0.5):
        rate.take(t)
    assert rate.value == pytest.approx(2.0)


def test_pictures_that_stop_coming_are_no_longer_30_fps(qtbot: QtBot) -> None:
    model = LiveModel()
    model.set_phase(Phase.RUNNING)
    for seq in range(31):
        model.take_frame(frame(seq))
    model.note_time(1.5)
    assert model.fps == pytest.approx(30.0)
    with qtbot.waitSignal(model.frame_changed):
        model.note_time(2.1)
    assert model.fps == 0.0
    with qtbot.assertNotEmitted(model.frame_changed):
        model.note_time(2.2)
    model.take_frame(frame(99, t=2.3))
    assert model.fps != 0.0


def test_a_face_is_dropped_when_it_is_too_old_for_the_picture() -> None:
    model = LiveModel()
    model.take_face(face(1.0))
    assert model.face is None  # no picture yet
    model.take_frame(frame(0, t=1.0 + FACE_KEPT))
    assert model.face is not None
    model.take_frame(frame(1, t=1.0 + FACE_KEPT + 0.01))
    assert model.face is None


def test_level_rises_at_once_and_falls_slowly() -> None:
    loudness = Loudness()
    loudness.take(-60.0, 0.0)
    loudness.take(-10.0, 0.1)
    assert loudness.bar_db == -10.0
    loudness.take(-60.0, 0.2)
    assert loudness.bar_db == pytest.approx(-14.0)
    loudness.take(-60.0, 5.0)
    assert loudness.bar_db == -60.0


def test_the_number_beside_the_meter_can_be_read() -> None:
    loudness = Loudness()
    shown = []
    for i in range(101):
        loudness.take(-20.0 - i % 3, i * 0.01)
        shown.append(loudness.text_db)
    changes = sum(a != b for a, b in pairwise(shown))
    assert changes <= 4


def test_clipping_is_seen_for_a_second() -> None:
    loudness = Loudness()
    loudness.take(-0.1, 1.0, clipping=True)
    loudness.take(-20.0, 1.9)
    assert loudness.clipping
    loudness.take(-20.0, 2.1)
    assert not loudness.clipping


def test_the_end_of_the_sound_is_silence() -> None:
    model = LiveModel()
    model.take_activity(activity(1.0, -10.0), clipping=True)
    model.take_activity(activity(inf, SILENCE_DB, speaking=False))
    assert (model.loudness.bar_db, model.clipping, model.speaking) == (SILENCE_DB, False, False)


@given(st.lists(st.tuples(st.floats(-120, 0), st.floats(0, 0.5)), max_size=60))
def test_the_bar_never_shows_less_than_the_sound(blocks: list[tuple[float, float]]) -> None:
    loudness, t = Loudness(), 0.0
    for level, gap in blocks:
        t += gap
        loudness.take(level, t)
        assert level <= loudness.bar_db <= 0.0


def test_a_phase_is_told_once(qtbot: QtBot) -> None:
    model = LiveModel()
    with qtbot.waitSignal(model.phase_changed):
        model.set_phase(Phase.FAILED, "expected a, got b", remedy=Remedy.CHOOSE)
    with qtbot.assertNotEmitted(model.phase_changed):
        model.set_phase(Phase.FAILED, "expected a, got b", remedy=Remedy.CHOOSE)
    assert model.remedy is Remedy.CHOOSE


def test_a_notice_stays_until_it_is_resolved(qtbot: QtBot) -> None:
    model = LiveModel()
    with qtbot.waitSignal(model.notices_changed):
        model.notice("camera", "unplugged", action="Retry")
    with qtbot.assertNotEmitted(model.notices_changed):
        model.notice("camera", "unplugged", action="Retry")
        model.notice("microphone", None)
    model.notice("camera", "still unplugged")
    assert [(n.key, n.text, n.action) for n in model.notices.values()] == [("camera", "still unplugged", "")]
    with qtbot.waitSignal(model.notices_changed):
        model.notice("camera", None)
    assert not model.notices


@pytest.mark.parametrize(
    ("marks", "mock"), [((), False), (("UNTRAINED",), False), (("UNTRAINED", "DEMO"), True), (("SYNTHETIC",), True)]
)
def test_mock_is_what_shows_no_person(marks: tuple[str, ...], mock: bool) -> None:
    model = LiveModel()
    model.set_source("x", mirrored=True, marks=marks)
    assert model.is_mock is mock


def test_a_new_source_takes_the_old_picture_away() -> None:
    model = LiveModel()
    model.take_frame(frame(0))
    model.take_face(face(0.0))
    model.take_activity(activity(1.0))
    model.set_source("b.mp4", mirrored=False, absent={Modality.ACOUSTIC: "no sound"})
    assert (model.frame, model.face, model.fps, model.has_sound, model.speaking) == (None, None, None, False, False)
    assert (model.source_name, model.mirrored, model.absent[Modality.ACOUSTIC]) == ("b.mp4", False, "no sound")


def test_reset_is_as_new(qtbot: QtBot) -> None:
    model = LiveModel()
    model.set_source("x", mirrored=False, marks=("DEMO",))
    model.take_frame(frame(0))
    model.notice("camera", "unplugged")
    model.set_phase(Phase.ENDED)
    with qtbot.waitSignals([model.frame_changed, model.phase_changed, model.notices_changed, model.source_changed]):
        model.reset()
    assert (model.phase, model.frame, model.notices, model.marks) == (Phase.EMPTY, None, {}, ())


def _progress(asset: str, file: str, done: int, total: int) -> Progress:
    return Progress(asset=asset, file=file, done_bytes=done, total_bytes=total, source="https://example.org/f")


def test_loading_adds_up_the_files_of_an_asset() -> None:
    model = LiveModel()
    model.plan_loading(ASSETS)
    model.take_progress(_progress("face_landmarker", "face_landmarker.task", 3_758_596, 3_758_596))
    model.take_progress(_progress("whisper-tiny.en", "model.bin", 1000, 75_537_502))
    model.take_progress(_progress("whisper-tiny.en", "config.json", 2317, 2317))
    first, second, third = model.loading.steps
    assert [s.state for s in (first, second, third)] == [StepState.DONE, StepState.FETCHING, StepState.WAITING]
    assert second.done_bytes == 3317
    assert model.loading.current == 1
    assert model.loading.done_bytes == 3_758_596 + 3317
    assert model.loading.total_bytes == sum(size for _, _, size in ASSETS)


def test_loading_shows_what_was_not_planned() -> None:
    model = LiveModel()
    model.take_progress(_progress("whisper-large", "model.bin", 10, 100))
    (step,) = model.loading.steps
    assert (step.title, step.share) == ("whisper-large", 0.1)


def test_loading_can_be_cancelled_fail_and_finish(qtbot: QtBot) -> None:
    model = LiveModel()
    model.plan_loading(ASSETS)
    model.set_step("face_landmarker", StepState.FAILED, "no network")
    assert model.loading.failed
    assert model.loading.steps[0].problem == "no network"
    model.cancel_loading()
    assert [s.state for s in model.loading.steps] == [StepState.FAILED, StepState.CANCELLED, StepState.CANCELLED]
    with qtbot.assertNotEmitted(model.loading_changed):
        model.cancel_loading()
    model.finish_loading()
    assert [s.share for s in model.loading.steps[1:]] == [1.0, 1.0]
    assert model.loading.current == 3
