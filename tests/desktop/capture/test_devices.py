"""Devices by the names that people know: wishes read, listed, found, and told missing, never replaced."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from desktop.capture import devices, portaudio
from desktop.capture.devices import (
    CameraChoice,
    MicrophoneChoice,
    camera_choice,
    find_camera,
    find_microphone,
    list_cameras,
    list_microphones,
    microphone_choice,
)
from desktop.capture.names import distinct, match_name
from desktop.capture.portaudio import Inputs
from dmd_runtime import DeviceError

LOGI, INNER = "Logitech HD Pro C920", "Integrated Camera"


@pytest.fixture
def two_cameras(monkeypatch: pytest.MonkeyPatch) -> tuple[CameraChoice, ...]:
    monkeypatch.setattr(devices, "_enumerate_cameras", lambda: [(2, LOGI), (0, INNER)])
    return list_cameras()


@pytest.fixture
def two_microphones(monkeypatch: pytest.MonkeyPatch) -> tuple[MicrophoneChoice, ...]:
    monkeypatch.setattr(portaudio, "inputs", lambda: Inputs(names=("Yeti", "Built-in Audio"), default="Yeti"))
    return list_microphones()


# ------------------------------------------------------------------- wishes


@pytest.mark.parametrize(
    ("text", "kind", "address", "name"),
    [
        ("", "any", "", "first camera"),
        ("camera", "any", "", "first camera"),
        ("0", "index", "0", "camera 0"),
        ("camera:02", "index", "2", "camera 2"),
        (LOGI, "name", LOGI, LOGI),
        (f"camera:{LOGI}", "name", LOGI, LOGI),
        ("http://127.0.0.1:8080/video", "url", "http://127.0.0.1:8080/video", "http://127.0.0.1:8080/video"),
        ("RTSP://cam/1", "url", "RTSP://cam/1", "RTSP://cam/1"),
        ("/dev/video2", "path", "/dev/video2", "/dev/video2"),
        ("/clips/../a.mkv", "path", "/clips/../a.mkv", "a.mkv"),
        ("./a.mkv", "path", str(Path.cwd() / "a.mkv"), "a.mkv"),
        ("~/a.mkv", "path", str(Path.home() / "a.mkv"), "a.mkv"),
        ("camera:", "any", "", "first camera"),
        ("camera:none", "name", "none", "none"),
    ],
)
def test_a_wish_for_a_camera_is_read(text: str, kind: str, address: str, name: str) -> None:
    choice = camera_choice(text)
    assert choice is not None
    assert (choice.kind, choice.address, choice.name, choice.missing) == (kind, address, name, False)


def test_a_login_is_not_shown() -> None:
    choice = camera_choice("http://me:se@cret@127.0.0.1/video")
    assert choice is not None
    assert (choice.name, choice.text) == ("http://127.0.0.1/video", "http://me:se@cret@127.0.0.1/video")


def test_a_drive_letter_begins_a_path() -> None:
    assert camera_choice("C:\\films\\a.mkv").kind == "path"  # type: ignore[union-attr]


def test_a_file_in_this_folder_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mkv").touch()
    assert camera_choice("film.mkv").kind == "path"  # type: ignore[union-attr]
    assert camera_choice("films.mkv").kind == "name"  # type: ignore[union-attr]


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Z", "C"]), max_size=40))
@example("~nobody-of-this-name/film.mkv")
@example("camera:camera:0")
def test_what_is_remembered_is_read_again(text: str) -> None:
    for read in (camera_choice, microphone_choice):
        choice = read(text)
        if choice is not None:
            assert read(choice.text) == choice


def test_none_is_none() -> None:
    assert (
        camera_choice(" None ") is microphone_choice("none") is find_camera("none") is find_microphone("none") is None
    )


@pytest.mark.parametrize(("text", "kind"), [("", "default"), ("Default", "default"), ("Yeti", "name")])
def test_a_wish_for_a_microphone_is_read(text: str, kind: str) -> None:
    assert microphone_choice(text).kind == kind  # type: ignore[union-attr]


# ------------------------------------------------------------------ cameras


def test_cameras_are_listed_by_name_in_order(two_cameras: tuple[CameraChoice, ...]) -> None:
    assert [(camera.name, camera.index) for camera in two_cameras] == [(INNER, 0), (LOGI, 2)]


@pytest.mark.parametrize("text", [LOGI, "logitech hd pro c920", "c920", "camera:C920", "2", "camera:2"])
def test_a_camera_is_found(text: str, two_cameras: tuple[CameraChoice, ...]) -> None:
    found = find_camera(text, two_cameras)
    assert found is not None
    assert (found.name, found.index, found.missing) == (LOGI, 2, False)


@pytest.mark.parametrize(("text", "name"), [("Elgato Facecam", "Elgato Facecam"), ("7", "camera 7")])
def test_a_camera_that_is_gone_is_missing_not_replaced(
    text: str, name: str, two_cameras: tuple[CameraChoice, ...]
) -> None:
    found = find_camera(text, two_cameras)
    assert found is not None
    assert (found.name, found.missing) == (name, True)


def test_a_name_that_could_be_several_is_asked_about() -> None:
    cameras = [CameraChoice(name=n, kind="name", address=n, index=i) for i, n in enumerate(("USB cam A", "USB cam B"))]
    with pytest.raises(DeviceError, match="“usb” could be any of “USB cam A”, “USB cam B”"):
        find_camera("usb", cameras)


def test_two_cameras_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate_cameras", lambda: [(0, "USB"), (2, "USB")])
    first, second = list_cameras()
    assert (first.name, second.name) == ("USB", "USB (2)")
    assert find_camera("USB (2)") == second
    assert find_camera("USB") == first


def test_paths_and_addresses_need_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "list_cameras", lambda: pytest.fail("listed"))
    film = tmp_path / "a.mkv"
    assert find_camera(str(film)).missing  # type: ignore[union-attr]
    film.touch()
    assert not find_camera(str(film)).missing  # type: ignore[union-attr]
    assert not find_camera("http://127.0.0.1:1/").missing  # type: ignore[union-attr]


@pytest.mark.parametrize(("cameras", "missing"), [([], True), ([(0, INNER)], False)])
def test_any_camera(cameras: list[tuple[int, str]], missing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_enumerate_cameras", lambda: cameras)
    assert find_camera("camera").missing is missing  # type: ignore[union-attr]


def test_names_come_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [SimpleNamespace(index=4, name=LOGI), SimpleNamespace(index=1, name=None)]
    fake = SimpleNamespace(enumerate_cameras=lambda backend: listed)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", fake)
    assert [camera.name for camera in list_cameras()] == ["camera 1", LOGI]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux shows cameras as files")
def test_without_names_cameras_are_numbers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", None)  # its import fails
    nodes = [Path("/dev/video3"), Path("/dev/video1"), Path("/dev/video-x")]
    monkeypatch.setattr(Path, "glob", lambda self, pattern: nodes)
    assert [(camera.index, camera.name) for camera in list_cameras()] == [(1, "camera 1"), (3, "camera 3")]
    assert "without their names" in caplog.text


def test_this_machine_can_be_asked() -> None:
    assert all(camera.name and not camera.missing for camera in list_cameras())


# -------------------------------------------------------------- microphones


def test_microphones_are_listed_with_the_default_first(two_microphones: tuple[MicrophoneChoice, ...]) -> None:
    assert [(m.name, m.kind) for m in two_microphones] == [
        ("default microphone (Yeti)", "default"),
        ("Yeti", "name"),
        ("Built-in Audio", "name"),
    ]


def test_a_system_without_a_default_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio, "inputs", lambda: Inputs(names=(), default=None))
    assert list_microphones() == ()
    assert find_microphone("default") == MicrophoneChoice(name="default microphone", kind="default", missing=True)


def test_a_default_without_a_name_is_just_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio, "inputs", lambda: Inputs(names=(), default=""))
    assert list_microphones() == (MicrophoneChoice(name="default microphone", kind="default"),)


@pytest.mark.parametrize(
    ("text", "name", "missing"),
    [
        ("yeti", "Yeti", False),
        ("built", "Built-in Audio", False),
        ("default", "default microphone (Yeti)", False),
        ("Røde NT", "Røde NT", True),
    ],
)
def test_a_microphone_is_found_or_missing(
    text: str, name: str, missing: bool, two_microphones: tuple[MicrophoneChoice, ...]
) -> None:
    found = find_microphone(text, two_microphones)
    assert found is not None
    assert (found.name, found.missing) == (name, missing)


# -------------------------------------------------------------------- names


@settings(deadline=None)
@given(names=st.lists(st.sampled_from(["a", "USB", "USB (2)"]), max_size=6))
def test_distinct_names_are_found_each(names: list[str]) -> None:
    told_apart = distinct(names)
    assert len(set(told_apart)) == len(names)
    assert [match_name(name, told_apart) for name in told_apart] == list(range(len(names)))


def test_the_whole_name_wins_over_a_part() -> None:
    assert match_name("cam", ["webcam", "cam", "camera"]) == 1
    assert match_name("x", ["webcam"]) is None
