from __future__ import annotations

from pathlib import Path

import pytest

from desktop.options import EXIT_USAGE, SourceKind, SourceRequest, parse, request_of

DEMO = Path("demo.mkv")


def requested(*arguments: str) -> SourceRequest | None:
    return request_of(parse(arguments), DEMO, camera="Webcam", microphone="Headset")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nonsense",),
        ("--quit-after", "-1"),
        ("--quit-after", "soon"),
        ("--size", "large"),
        ("--device", "quantum"),
        ("--demo", "--source", "clip.mp4"),
        ("--source", "clip.mp4", "--record"),
        ("--source", "camera", "--record", "--session-dir", "kept"),
        ("--source", "http://127.0.0.1/x", "--record", "--session-dir", "kept", "--consent", " "),
    ],
)
def test_wrong_usage_exits_64(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == EXIT_USAGE
    assert "dmd-desktop: " in capsys.readouterr().err


def test_without_a_source_the_window_waits() -> None:
    assert requested() is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("camera", SourceRequest(kind=SourceKind.DEVICES, camera="Webcam", microphone="Headset")),
        ("camera:1", SourceRequest(kind=SourceKind.DEVICES, camera="camera:1", microphone="Headset")),
        (
            "http://127.0.0.1/x",
            SourceRequest(kind=SourceKind.DEVICES, camera="http://127.0.0.1/x", microphone="Headset"),
        ),
        ("none", SourceRequest(kind=SourceKind.DEVICES, camera="none", microphone="Headset")),
        ("synthetic:5", SourceRequest(kind=SourceKind.SYNTHETIC, seconds=5.0)),
        ("clip.mp4", SourceRequest(kind=SourceKind.FILE, path="clip.mp4")),
    ],
)
def test_a_source_is_told_by_its_form(source: str, expected: SourceRequest) -> None:
    assert requested("--source", source) == expected


def test_the_microphone_of_the_command_line_goes_before_the_remembered_one() -> None:
    request = requested("--source", "camera:0", "--mic", "none")
    assert request is not None
    assert request.microphone == "none"


@pytest.mark.parametrize("flag", ["--demo", "--selftest"])
def test_the_demo_is_a_file(flag: str) -> None:
    assert requested(flag) == SourceRequest(kind=SourceKind.FILE, path="demo.mkv")


@pytest.mark.parametrize(
    "more", [("--source", "clip.mp4"), ("--source", "camera", "--consent", "yes"), ("--demo",), ()]
)
def test_what_may_be_recorded_is(more: tuple[str, ...]) -> None:
    assert parse(("--record", "--session-dir", "kept", *more)).record


def test_only_devices_are_live() -> None:
    assert SourceRequest(kind=SourceKind.DEVICES).is_live
    assert not SourceRequest(kind=SourceKind.FILE).is_live
