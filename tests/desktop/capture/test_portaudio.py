"""PortAudio: loaded late, renewed only while nothing is open, and every refusal in one clear line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.capture import portaudio, sound_input
from desktop.capture.devices import list_microphones
from desktop.capture.portaudio import LIBRARY, Inputs, inputs
from desktop.capture.sound_input import open_input
from dmd_runtime import DeviceError
from tests.desktop.capture.fake_sounddevice import FakeSoundDevice, PortAudioError

CARD = ("HDA Intel PCH: ALC257 Analog (hw:0,0)", 2, 44_100.0)
YETI = ("Yeti Stereo Microphone: USB Audio (hw:2,0)", 2, 48_000.0)
SPEAKER = ("HDMI 0 (hw:0,3)", 0, 44_100.0)


@pytest.fixture
def sd(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice(plugged=[SPEAKER, CARD, YETI, ("default", 32, 44_100.0)], default="default")
    monkeypatch.setattr(LIBRARY, "_module", fake)
    monkeypatch.setattr(LIBRARY, "streams", 0)
    return fake


def nothing(*arguments: Any) -> None: ...


def refuses(code: int) -> Callable[..., None]:
    def check(**wanted: Any) -> None:
        raise PortAudioError("no", code)

    return check


# ------------------------------------------------------------------ listing


def test_devices_have_names_without_card_numbers(sd: FakeSoundDevice) -> None:
    assert inputs() == Inputs(names=("HDA Intel PCH: ALC257 Analog", "Yeti Stereo Microphone: USB Audio"), default="")
    assert [m.kind for m in list_microphones()] == ["default", "name", "name"]


def test_a_listing_shows_what_was_plugged_in_since(sd: FakeSoundDevice) -> None:
    sd.plugged.remove(YETI)
    assert len(inputs().names) == 1
    sd.plugged.append(YETI)
    assert len(inputs().names) == 2
    assert (sd.initialized, sd._initialized) == (2, 1)


def test_an_open_stream_is_not_disturbed_by_a_listing(sd: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from another process instead; where that fails, it is what was known before."""
    stream = open_input("yeti", nothing, nothing)
    before = sd.initialized
    monkeypatch.setattr(portaudio, "_inputs_from_a_new_process", lambda: Inputs(names=("new",), default=None))
    assert inputs().names == ("new",)
    monkeypatch.setattr(portaudio, "_inputs_from_a_new_process", lambda: None)
    assert len(inputs().names) == 2
    assert sd.initialized == before
    stream.close()
    inputs()
    assert sd.initialized == before + 1


def test_a_new_process_that_fails_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert portaudio._inputs_from_a_new_process() is None
    assert "could not be listed anew" in caplog.text


def test_a_second_stream_does_not_end_the_first(sd: FakeSoundDevice) -> None:
    first = open_input("yeti", nothing, nothing)
    second = open_input("intel", nothing, nothing)
    assert sd.initialized == 1
    first.close()
    second.close()


def test_without_portaudio_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(portaudio, "LIBRARY", portaudio._Library())
    monkeypatch.setattr(sound_input, "LIBRARY", portaudio.LIBRARY)
    for attempt in (inputs, list_microphones, lambda: open_input(None, nothing, nothing)):
        with pytest.raises(DeviceError, match=r"PortAudio library.*: sudo apt install libportaudio2$"):
            attempt()


def test_a_sound_system_that_cannot_start_is_told(sd: FakeSoundDevice) -> None:
    sd.initialize_error = PortAudioError("host error", -9999)
    with pytest.raises(DeviceError, match="sound system cannot be used: host error"):
        inputs()


# ------------------------------------------------------------------ opening


def test_sound_reaches_the_callback_with_its_age(sd: FakeSoundDevice) -> None:
    got: list[tuple[int, float, bool]] = []
    ended: list[bool] = []
    stream = open_input("yeti", lambda s, age, lost: got.append((len(s), age, lost)), lambda: ended.append(True))
    (inner,) = sd.streams
    assert inner.started
    assert (stream.name, stream.rate) == ("Yeti Stereo Microphone: USB Audio", 16_000)
    assert stream.description == "Yeti Stereo Microphone: USB Audio · 16 kHz"
    assert {k: inner.settings[k] for k in ("device", "channels", "blocksize", "dtype")} == {
        "device": 2,
        "channels": 1,
        "blocksize": 512,
        "dtype": "float32",
    }
    sound = np.zeros((512, 1), dtype=np.float32)
    for adc, now in ((1.0, 1.05), (0.0, 0.0), (0.0, 5.0), (2.0, 1.0)):  # true, unset, far too old, from the future
        inner.hand_over(sound, adc=adc, now=now, overflow=adc == 2.0)
    assert got == [
        (512, pytest.approx(0.05), False),
        (512, 0.032, False),
        (512, 0.032, False),
        (512, 0.032, True),
    ]
    inner.settings["finished_callback"]()
    assert ended == [True]
    stream.close()
    stream.close()
    assert (inner.closed, LIBRARY.streams) == (True, 0)


def test_the_default_device_is_the_systems(sd: FakeSoundDevice) -> None:
    open_input(None, nothing, nothing).close()
    assert sd.streams[0].settings["device"] == 3


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ([(16_000, 2), (48_000, 2)], (16_000, 2)),
        ([(48_000, 1), (48_000, 2)], (48_000, 1)),
        ([(48_000, 2)], (48_000, 2)),
    ],
)
def test_it_takes_the_nearest_of_what_the_device_offers(
    offered: list[tuple[int, int]], expected: tuple[int, int], sd: FakeSoundDevice
) -> None:
    def check(**wanted: Any) -> None:
        if (wanted["samplerate"], wanted["channels"]) not in offered:
            raise PortAudioError("Invalid sample rate", -9997)

    sd.offers = check
    open_input("yeti", nothing, nothing).close()
    settings = sd.streams[0].settings
    assert (settings["samplerate"], settings["channels"]) == expected
    assert settings["blocksize"] == round(0.032 * expected[0])


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("yeti", -9985, "“Yeti Stereo Microphone: USB Audio” is in use by another program"),
        ("yeti", -9996, "“Yeti Stereo Microphone: USB Audio” is not connected"),
        ("yeti", -9999, "“Yeti Stereo Microphone: USB Audio” cannot be opened: no"),
        ("yeti", -9997, "“Yeti Stereo Microphone: USB Audio” cannot be opened: no"),
        ("Røde", 0, "“Røde” is not connected"),
        ("a", 0, "“a” could be any of"),
    ],
)
def test_why_it_cannot_be_opened(name: str, code: int, message: str, sd: FakeSoundDevice) -> None:
    sd.offers = refuses(code)
    with pytest.raises(DeviceError, match=message):
        open_input(name, nothing, nothing)
    assert LIBRARY.streams == 0


def test_a_stream_that_does_not_start_is_closed(sd: FakeSoundDevice) -> None:
    sd.start_error = PortAudioError("gone", -9985)
    with pytest.raises(DeviceError, match="in use"):
        open_input("yeti", nothing, nothing)
    assert sd.streams[0].closed
    assert LIBRARY.streams == 0


def test_no_microphone_at_all(sd: FakeSoundDevice) -> None:
    sd.plugged.clear()
    with pytest.raises(DeviceError, match="No microphone is connected"):
        open_input(None, nothing, nothing)


def test_a_refused_permission_is_told_with_its_remedy(sd: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALSA leaves out what this user may not open: the device seems not to be there."""
    sd.plugged.clear()
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [Path("/dev/snd/pcmC0D0c")])
    monkeypatch.setattr(os, "access", lambda *_: False)
    for name in (None, "yeti"):
        with pytest.raises(DeviceError, match="No permission to use microphones: sudo usermod -aG audio"):
            open_input(name, nothing, nothing)


def test_a_number_that_has_changed_with_a_plug_does_not_matter(sd: FakeSoundDevice) -> None:
    open_input("yeti", nothing, nothing).close()
    sd.plugged.insert(0, sd.plugged.pop(2))
    open_input("yeti", nothing, nothing).close()
    assert [stream.settings["device"] for stream in sd.streams] == [2, 0]
