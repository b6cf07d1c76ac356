"""A camera's thread: every picture once, in order; trouble told once; back by itself; gone when stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from desktop.capture.camera import CameraThread
from desktop.capture.thread import left_behind
from dmd_runtime import VideoFrame
from tests.desktop.capture.fake_devices import SOON, CameraShop, Collected, Said, camera_thread, frame_numbers
from tests.factories import FakeClock


@pytest.fixture
def shop() -> CameraShop:
    return CameraShop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(t=5.0)


@pytest.fixture
def frames() -> Collected[VideoFrame]:
    return Collected()


@pytest.fixture
def thread(shop: CameraShop, frames: Collected[VideoFrame], clock: FakeClock) -> Iterator[CameraThread]:
    thread = camera_thread(shop, frames, clock)
    yield thread
    assert shop.end(thread)
    assert all(camera.closed == 1 for camera in shop.opened)


def test_pictures_come_once_in_order_stamped_when_they_came(
    shop: CameraShop, frames: Collected[VideoFrame], clock: FakeClock, thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    for n in range(20):
        clock.t = 10 + n / 30
        shop.give(n)
        frames.wait_for(n + 1)
    got = frames.items
    assert frame_numbers(got) == [frame.seq for frame in got] == list(range(20))
    assert [frame.t for frame in got] == [10 + n / 30 for n in range(20)]
    assert all(frame.image.flags.c_contiguous and not frame.image.flags.writeable for frame in got)
    assert said.lines == ["opened cam is open"]
    assert frames.threads.isdisjoint({threading.get_ident()})


def test_it_is_opened_when_its_first_picture_has_come(
    shop: CameraShop, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    assert said.lines == []
    shop.give(0)
    said.wait_for(1)


def test_the_window_hears_of_it_in_its_own_thread(shop: CameraShop, thread: CameraThread, qtbot: QtBot) -> None:
    class Window(QObject):
        heard: tuple[str, int] = ("", 0)

        def hear(self, text: str) -> None:
            self.heard = (text, threading.get_ident())

    window = Window()
    thread.opened.connect(window.hear)
    thread.start()
    shop.wait_for_camera()
    shop.give(0)
    qtbot.waitUntil(lambda: window.heard != ("", 0))
    assert window.heard == ("cam is open", threading.get_ident())


def test_what_cannot_be_opened_is_said_once_and_tried_again(
    shop: CameraShop, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    shop.problem = "in use"
    said = Said(thread)
    thread.start()
    shop.wait_for_attempts(4)
    assert said.lines == ["trouble in use"]
    shop.problem = "no permission"
    said.wait_for(2)
    shop.problem = ""
    shop.wait_for_camera()
    shop.give(0)
    assert said.wait_for(4) == ["trouble in use", "trouble no permission", "opened cam is open", "recovered"]


def test_unplugged_it_says_so_and_goes_on_when_it_is_back(
    shop: CameraShop, frames: Collected[VideoFrame], clock: FakeClock, thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    shop.give(0, 1)
    frames.wait_for(2)
    shop.unplug()
    said.wait_for(3)
    clock.t = 60.0
    shop.problem = ""
    shop.wait_for_camera(2)
    shop.give(7, 8)
    frames.wait_for(4)
    assert frame_numbers(frames.items) == [0, 1, 7, 8]
    assert [frame.seq for frame in frames.items] == [0, 1, 2, 3]
    assert [frame.t for frame in frames.items] == [5.0, 5.0, 60.0, 60.0]
    first, gone, absent, *back = said.wait_for(5)
    assert "no more pictures" in gone
    assert (first, absent, back) == ("opened cam is open", "trouble not connected", ["opened cam is open", "recovered"])


def test_the_very_camera_that_was_open_is_opened_again(
    shop: CameraShop, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    """Of "the first one", or of a part of a name, no other may take the place."""
    assert thread.choice.kind == "any"
    thread.start()
    shop.wait_for_camera()
    shop.opened[0].pictures.put(None)
    assert shop.wait_for_camera(2).choice == shop.opened[0].choice
    assert (thread.choice.kind, thread.choice.address) == ("name", "cam!")


def test_a_camera_that_gives_nothing_is_trouble_until_it_does(
    shop: CameraShop, frames: Collected[VideoFrame], clock: FakeClock, thread: CameraThread
) -> None:
    said = Said(thread)
    thread.watch()  # not open yet
    thread.start()
    shop.wait_for_camera()
    shop.give(0)
    said.wait_for(1)
    thread.watch()
    clock.advance(CameraThread.stall_after + 0.1)
    thread.watch()
    thread.watch()
    assert said.lines[1:] == ["trouble Camera “cam” gives no pictures."]
    shop.give(1)
    assert said.wait_for(3)[2:] == ["recovered"]
    assert len(shop.opened) == 1


def test_a_first_picture_may_take_longer(shop: CameraShop, clock: FakeClock, thread: CameraThread) -> None:
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    assert shop.opened[0].reading.wait(SOON)
    clock.advance(CameraThread.stall_after + 0.1)
    thread.watch()
    assert said.lines == []
    clock.advance(CameraThread.first_after)
    thread.watch()
    assert len(said.lines) == 1


def test_a_film_is_read_at_its_own_pace(frames: Collected[VideoFrame], clock: FakeClock) -> None:
    shop = CameraShop(interval=0.04)
    thread = camera_thread(shop, frames, clock)
    thread.start()
    shop.wait_for_camera()
    shop.give(*range(30))
    frames.wait_for(30)
    assert shop.end(thread)
    assert [frame.t for frame in frames.items] == pytest.approx([5.0 + 0.04 * n for n in range(30)])


def test_a_film_that_fell_behind_goes_on_from_now(frames: Collected[VideoFrame], clock: FakeClock) -> None:
    shop = CameraShop(interval=0.04)
    thread = camera_thread(shop, frames, clock)
    thread.start()
    shop.wait_for_camera()
    shop.give(0)
    frames.wait_for(1)
    clock.t = 100.0
    shop.give(1, 2)
    frames.wait_for(3)
    assert shop.end(thread)
    assert [frame.t for frame in frames.items] == pytest.approx([5.0, 100.0, 100.04])


def test_a_receiver_that_fails_is_said_and_ends_nothing(
    shop: CameraShop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[int] = []
    came = threading.Event()

    def sink(frame: VideoFrame) -> None:
        got.append(frame.seq)
        if len(got) == 1:
            raise RuntimeError("full")
        came.set()

    thread = camera_thread(shop, sink, clock)  # type: ignore[arg-type]
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    shop.give(0)
    shop.wait_for_camera(2)
    shop.give(1)
    assert came.wait(SOON)
    assert shop.end(thread)
    assert said.lines[0] == "trouble Capture stopped working: RuntimeError: full"
    assert "RuntimeError: full" in caplog.text


# ------------------------------------------------------------------- the end


def test_stopped_before_it_was_started_it_never_opens(shop: CameraShop, thread: CameraThread) -> None:
    assert thread.stop()
    thread.start()
    assert thread.wait(5000)
    assert shop.attempts == 0


def test_stopped_while_the_device_is_missing(shop: CameraShop, frames: Collected[VideoFrame]) -> None:
    shop.problem = "not connected"
    thread = camera_thread(shop, frames, FakeClock())
    thread._retry_every = 3600.0
    thread.start()
    shop.wait_for_attempts(1)
    assert thread.stop()
    assert thread.isFinished()


def test_stopped_while_it_reads_the_device_is_released(
    shop: CameraShop, frames: Collected[VideoFrame], caplog: pytest.LogCaptureFixture
) -> None:
    thread = camera_thread(shop, frames, FakeClock())
    said = Said(thread)
    thread.start()
    shop.wait_for_camera()
    assert shop.opened[0].reading.wait(SOON)
    assert thread.stop(timeout_ms=1000)
    assert shop.opened[0].closed == 1
    assert thread.stop()
    assert said.lines == []
    assert "its device is released" in caplog.text


def test_a_driver_that_hangs_is_left_behind_and_heard_no_more(
    frames: Collected[VideoFrame], caplog: pytest.LogCaptureFixture
) -> None:
    shop = CameraShop(aborts=False)
    thread = camera_thread(shop, frames, FakeClock())
    thread.start()
    shop.wait_for_camera()
    assert shop.opened[0].reading.wait(SOON)
    with caplog.at_level(logging.ERROR):
        assert not thread.stop(timeout_ms=50)
    assert "dmd-camera" in caplog.text
    assert left_behind() == (thread,)
    shop.give(0)  # at last the driver returns
    assert thread.wait(5000)
    assert frames.items == []
    assert left_behind() == ()


def test_a_hundred_lives_leave_no_thread(shop: CameraShop, frames: Collected[VideoFrame]) -> None:
    before = threading.enumerate()
    for n in range(100):
        thread = camera_thread(shop, frames, FakeClock(), first_seq=n)
        thread.start()
        shop.wait_for_camera(n + 1)
        shop.give(n)
        frames.wait_for(n + 1)
        assert shop.end(thread)
    assert threading.enumerate() == before
    assert [frame.seq for frame in frames.items] == list(range(100))
