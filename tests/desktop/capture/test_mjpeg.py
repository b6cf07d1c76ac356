"""A real stream through OpenCV's own network code, from a camera on loopback whose pictures spell their numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from desktop.capture.camera import CameraThread
from desktop.capture.devices import camera_choice
from dmd_runtime import VideoFrame
from dmd_runtime.clock import SessionClock
from tests.desktop.capture.fake_devices import (
    Collected,
    Said,
    frame_numbers,
)
from tests.desktop.capture.mjpeg_server import MjpegServer


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    before = threading.enumerate()
    with MjpegServer() as server:
        yield server
    assert threading.enumerate() == before


@pytest.fixture
def frames() -> Collected[VideoFrame]:
    return Collected()


@pytest.fixture
def thread(server: MjpegServer, frames: Collected[VideoFrame]) -> Iterator[CameraThread]:
    choice = camera_choice(server.url)
    assert choice is not None
    thread = CameraThread(choice, frames, SessionClock(), retry_every=0.1)
    yield thread
    assert thread.stop()


def steps(frames: list[VideoFrame]) -> set[int]:
    return {int(step) for step in np.diff(frame_numbers(frames))}


def test_every_picture_comes_once_in_order(
    server: MjpegServer, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    got = frames.wait_for(45)
    assert thread.stop()
    assert steps(got) == {1}
    assert [frame.seq for frame in got] == list(range(len(got)))
    times = [frame.t for frame in got]
    assert times == sorted(times)
    assert all(f.image.shape == (480, 640, 3) and f.image.flags.c_contiguous for f in got)
    assert not any(frame.image.flags.writeable for frame in got)
    assert said.lines == [f"opened {server.url} · 640 × 480"]


def test_unplugged_and_plugged_in_again(
    server: MjpegServer, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    frames.wait_for(10)
    server.unplug()
    said.wait_for(3)
    before = len(frames.items)
    server.plug()
    lines = said.wait_for(5)
    got = frames.wait_for(before + 10)
    assert steps(got[:before]) == steps(got[before:]) == {1}
    assert frame_numbers(got[before:])[0] > frame_numbers(got[:before])[-1]
    assert "no more pictures" in lines[1]
    assert lines[2] == f"trouble No video stream at {server.url}: Connection refused"
    assert lines[3:] == [lines[0], "recovered"]


def test_a_camera_that_hangs_is_told_and_read_again(
    server: MjpegServer, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    said = Said(thread)
    thread.start()
    frames.wait_for(5)
    server.freeze()
    assert "no more pictures" in said.wait_for(2)[1]
    before = len(frames.items)
    server.thaw()
    assert said.wait_for(4)[2:] == [said.lines[0], "recovered"]
    got = frames.wait_for(before + 5)
    assert steps(got[:before]) == steps(got[before:]) == {1}


def test_it_can_be_stopped_while_the_camera_hangs(
    server: MjpegServer, frames: Collected[VideoFrame], thread: CameraThread
) -> None:
    thread.start()
    frames.wait_for(2)
    server.freeze()
    assert thread.stop()
