"""A stream from one microphone through PortAudio, and why it cannot be opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication

from desktop.capture.names import distinct, match_name
from desktop.capture.portaudio import LIBRARY, default_input, device_name, listed
from dmd_runtime import ANALYSIS_RATE, DeviceError

translate = QCoreApplication.translate

Sound: TypeAlias = npt.NDArray[np.float32]
"""float32 (n, channels), in [-1, 1]."""
OnChunk: TypeAlias = Callable[[Sound, float, bool], None]
"""Takes sound (valid during the call only), the age in seconds of its first sample, whether some was lost before it."""


_CHUNK = 0.032  # s that the device hands over at a time
_BUFFER = 0.2  # s that it may hold while Python is busy; does not delay what it hands over
_OLDER = 0.1  # s that sound may be older than it is long; a stamp that says more is wrong
_UNAVAILABLE, _BAD_DEVICE, _BAD_CHANNELS, _BAD_RATE = -9985, -9996, -9998, -9997  # PaErrorCode


class InputStream(Protocol):
    """An open microphone; sound comes through a callback until it is closed.

    Attributes
    ----------
    name : str
        By which this very device is found again.
    rate : int
        Samples per second.
    description : str
        For people.
    """

    name: str
    rate: int
    description: str

    def close(self) -> None:
        """Stop and release it; no callback runs afterwards. Idempotent."""
        ...


def open_input(name: str | None, on_chunk: OnChunk, on_end: Callable[[], None]) -> InputStream:
    """Open and start the device called ``name`` (a part of its name is enough), or the default one for None.

    Both callbacks run on PortAudio's thread and must be quick; ``on_end`` tells that nothing more will come.

    Raises
    ------
    DeviceError
        It is missing, in use or refused, or there is no PortAudio.
    """
    with LIBRARY.lock:
        sd = LIBRARY.renew()
        names, numbers = listed(sd)
        device = _find(name, names, numbers, default_input(sd))
        shown = device_name(sd, device)
        try:
            return _Stream(sd, device, shown, on_chunk, on_end)
        except sd.PortAudioError as error:
            raise DeviceError(_why_not_open(shown, error)) from error


class _Stream:
    """See :class:`InputStream`."""

    def __init__(self, sd: Any, device: int, name: str, on_chunk: OnChunk, on_end: Callable[[], None]) -> None:
        self.name = name
        self.rate, channels = _settings(sd, device)
        self.description = f"{name} · {self.rate / 1000:g} kHz"
        self._closed = False
        chunk = round(self.rate * _CHUNK)

        def take(sound: Sound, frames: int, stamps: Any, status: Any) -> None:
            on_chunk(sound, _age(stamps, frames / self.rate), bool(status.input_overflow))

        self._stream = sd.InputStream(
            device=device,
            samplerate=self.rate,
            channels=channels,
            dtype="float32",
            blocksize=chunk,
            latency=_BUFFER,
            callback=take,
            finished_callback=on_end,
        )
        try:
            self._stream.start()
        except sd.PortAudioError:
            self._stream.close()
            raise
        LIBRARY.streams += 1

    def close(self) -> None:
        with LIBRARY.lock:
            if not self._closed:
                self._closed = True
                LIBRARY.streams -= 1
                self._stream.close()


def _age(stamps: Any, least: float) -> float:
    """How old the first sample of a chunk is, in seconds: by the device's own stamps where they can be true.

    Measured on PulseAudio, they are right within 3 ms where arrival varies by 50; but in the first seconds of a sink
    that has just started they say up to 0.7 s too much, and some systems leave them 0.
    """
    age = float(stamps.currentTime - stamps.inputBufferAdcTime)
    return age if 0.8 * least <= age <= least + _OLDER else least


def _settings(sd: Any, device: int) -> tuple[int, int]:
    """Rate and channels: what analysis needs where the device offers it, else what is nearest to it."""
    about = sd.query_devices(device)
    own, most = round(about["default_samplerate"]), min(2, about["max_input_channels"])
    refused: Exception | None = None
    for rate, channels in ((ANALYSIS_RATE, 1), (ANALYSIS_RATE, most), (own, 1), (own, most)):
        try:
            sd.check_input_settings(device=device, channels=channels, dtype="float32", samplerate=rate)
        except sd.PortAudioError as error:
            if _code(error) not in (_BAD_RATE, _BAD_CHANNELS):
                raise
            refused = error
        else:
            return rate, channels
    assert refused is not None
    raise refused


def _find(name: str | None, names: list[str], numbers: list[int], default: int | None) -> int:
    if name is None:
        if default is None:
            raise DeviceError(_refused() or translate("capture", "No microphone is connected."))
        return default
    which = match_name(name, distinct(names))
    if which is None:
        text = translate("capture", "Microphone “{name}” is not connected.")
        raise DeviceError(_refused() or text.format(name=name))
    return numbers[which]


def _refused() -> str:
    """What to say where this user may not use the sound devices; else empty."""
    nodes = list(Path("/dev/snd").glob("pcm*c"))
    if nodes and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
        text = translate("capture", "No permission to use microphones: {command}, then log in again.")
        return text.format(command="sudo usermod -aG audio $USER")
    return ""


def _why_not_open(name: str, error: Exception) -> str:
    if _code(error) == _UNAVAILABLE:
        text = translate("capture", "Microphone “{name}” is in use by another program, or was just unplugged.")
    elif _code(error) == _BAD_DEVICE:
        text = translate("capture", "Microphone “{name}” is not connected.")
    else:
        text = translate("capture", "Microphone “{name}” cannot be opened: {reason}")
    return text.format(name=name, reason=str(error.args[0]) if error.args else type(error).__name__)


def _code(error: Exception) -> int:
    return int(error.args[1]) if len(error.args) > 1 else 0
