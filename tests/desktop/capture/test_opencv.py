"""Cameras through OpenCV itself: films that stand in for cameras, and why a camera cannot be opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from desktop.capture import devices, opencv
from desktop.capture.devices import CameraChoice, camera_choice
from desktop.capture.opencv import CameraFormat, OpenCVCamera
from dmd_runtime import DeviceError
from dmd_runtime.sources.synthetic import read_frame_number
from tests.desktop.capture.mjpeg_server import MjpegServer
from tests.factories import make_clip

ASKED = CameraFormat()
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="about files in /dev")


def choice(text: str) -> CameraChoice:
    wish = camera_choice(text)
    assert wish is not None
    return wish


@pytest.fixture
def one_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate_cameras", lambda: [(63, "Facecam")])


def test_a_film_is_a_camera_without_an_end(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "film.mkv", seconds=0.4, fps=25, audio_codec=None)
    camera = OpenCVCamera(choice(str(path)), ASKED)
    pictures = [camera.read() for _ in range(25)]
    camera.close()
    camera.close()
    assert [read_frame_number(picture) for picture in pictures if picture is not None] == [n % 10 for n in range(25)]
    assert camera.interval == pytest.approx(0.04)
    assert camera.description == "film.mkv · 160 × 120 · 25 fps"
    for picture in pictures:
        assert picture is not None
        assert picture.shape == (120, 160, 3)
        assert picture.flags.c_contiguous
        assert not picture.flags.writeable


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), dtype=np.uint8)
    red[..., 0] = 255
    path = make_clip(tmp_path / "red.mkv", seconds=0.2, picture=red, audio_codec=None)
    camera = OpenCVCamera(choice(str(path)), ASKED)
    picture = camera.read()
    camera.close()
    assert picture is not None
    r, g, b = picture.reshape(-1, 3).mean(axis=0)
    assert r > 200
    assert max(g, b) < 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/nowhere/film.mkv", "there is no file /nowhere/film.mkv"),
        ("Elgato", "“Elgato” is not connected"),
        ("camera:7", "“camera 7” is not connected"),
        ("http://127.0.0.1:9/video", "No video stream at http://127.0.0.1:9/video: Connection refused"),
    ],
)
@on_linux
def test_what_is_not_there_is_told(text: str, message: str, one_camera: None) -> None:
    with pytest.raises(DeviceError, match=message):
        OpenCVCamera(choice(text), ASKED)


def test_no_camera_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate_cameras", list)
    with pytest.raises(DeviceError, match="No camera is connected"):
        OpenCVCamera(choice("camera"), ASKED)


def test_a_text_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no film")
    with pytest.raises(DeviceError, match=r"notes\.txt cannot be read as a film"):
        OpenCVCamera(choice(str(path)), ASKED)


@on_linux
def test_a_device_that_gives_no_pictures_may_be_in_use() -> None:
    with pytest.raises(DeviceError, match="“/dev/null” is in use by another program, or gives no pictures"):
        OpenCVCamera(choice("/dev/null"), ASKED)


@on_linux
def test_a_refused_permission_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DeviceError, match=r"“/dev/null” \(/dev/null\): sudo usermod -aG video"):
        OpenCVCamera(choice("/dev/null"), ASKED)


@on_linux
def test_a_camera_that_went_while_it_was_opened(one_camera: None) -> None:
    with pytest.raises(DeviceError, match="“Facecam” is not connected"):
        OpenCVCamera(choice("Facecam"), ASKED)


def test_elsewhere_privacy_settings_are_named(one_camera: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opencv, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(DeviceError, match=r"“Facecam” cannot be opened: another program uses it, or .* privacy"):
        OpenCVCamera(choice("Facecam"), ASKED)


def test_a_server_that_does_not_know_the_address() -> None:
    with MjpegServer() as server, pytest.raises(DeviceError, match="the server answers 404"):
        OpenCVCamera(choice(server.url.replace("video", "other")), ASKED)


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:9/1", "http://[::bad/"])
def test_an_address_that_leads_nowhere(address: str) -> None:
    with pytest.raises(DeviceError, match="No video stream at"):
        OpenCVCamera(choice(address), ASKED)


class Capture:
    """A ``cv2.VideoCapture`` that keeps what it was asked."""

    asked: list[tuple[int, float]]
    picture: Any = np.full((4, 6, 3), (10, 20, 30), dtype=np.uint8)

    def __init__(self, *arguments: Any) -> None:
        Capture.arguments = arguments
        Capture.asked = []

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, what: int, value: float) -> bool:
        self.asked.append((what, value))
        return False

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0}[what]

    def read(self) -> tuple[bool, Any]:
        return self.picture is not None, self.picture

    def release(self) -> None: ...


def test_a_camera_is_asked_for_compressed_pictures_and_few_buffers(
    one_camera: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    camera = OpenCVCamera(choice("face"), CameraFormat(width=1280, height=720, fps=25))
    assert Capture.arguments[0] == 63
    assert [value for _, value in Capture.asked] == [cv2.VideoWriter.fourcc(*"MJPG"), 1280, 720, 25, 2]
    assert camera.description == "Facecam · 640 × 480 · 30 fps"
    assert camera.choice.address == "Facecam"
    assert camera.interval is None
    assert camera.read().tolist()[0][0] == [30, 20, 10]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("picture", "shape"), [(np.zeros((4, 6), dtype=np.uint8), (4, 6, 3)), (None, None)], ids=["grey", "gone"]
)
def test_grey_pictures_and_none(
    picture: Any, shape: tuple[int, ...] | None, one_camera: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(Capture, "picture", picture)
    got = OpenCVCamera(choice("face"), ASKED).read()
    assert (None if got is None else got.shape) == shape


def test_the_first_camera_is_kept_by_its_name(one_camera: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    assert OpenCVCamera(choice("camera"), ASKED).choice.text == "Facecam"
