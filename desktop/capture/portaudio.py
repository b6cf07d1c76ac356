"""PortAudio, loaded when first needed: what can be heard through it, and a stream from one device.

PortAudio knows the devices that were there when it was initialised. To see what was plugged in since, it must be
terminated and initialised again, which ends every open stream (https://github.com/PortAudio/portaudio/issues/11). So it
is renewed only while no stream is open here; a listing meanwhile comes from a process of its own (0.1 s more).
All functions may be called from any thread; they take turns.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication

from desktop.capture.names import distinct, match_name
from dmd_runtime import ANALYSIS_RATE, DeviceError

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

Sound: TypeAlias = npt.NDArray[np.float32]
"""float32 (n, channels), in [-1, 1]."""
OnChunk: TypeAlias = Callable[[Sound, float, bool], None]
"""Takes sound (valid during the call only), the age in seconds of its first sample, whether some was lost before it."""

INSTALL: Final = "sudo apt install libportaudio2"
_CHUNK = 0.032  # s that the device hands over at a time
_BUFFER = 0.2  # s that it may hold while Python is busy; does not delay what it hands over
_LONGEST_AGE = 2.0  # s; a time stamp that says more is wrong
_NOT_YET = 10.0  # s before a missing library is looked for again, which is costly
_LISTING = 10.0  # s that the other process may take
_UNAVAILABLE, _BAD_DEVICE, _BAD_CHANNELS, _BAD_RATE = -9985, -9996, -9998, -9997  # PaErrorCode
_CARD = re.compile(r"[:,]? *\(hw:\d+,\d+\)$")
_CONVERTERS = {
    "default",
    "sysdefault",
    "samplerate",
    "speexrate",
    "lavrate",
    "upmix",
    "vdownmix",
    "jack",
    "oss",
    "null",
}
"""ALSA's names for what is no device; ``default`` is listed by what it stands for."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Names of the devices that can be recorded from; ``default`` is empty where the system has none."""

    names: tuple[str, ...]
    default: str


class InputStream(Protocol):
    """An open microphone; sound comes through a callback until it is closed."""

    rate: int
    description: str

    def close(self) -> None:
        """Stop and release it; no callback runs afterwards. Idempotent."""
        ...


class _Library:
    """The loaded module and how many streams are open; its lock is held for every call into PortAudio."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.streams = 0
        self._module: Any = None
        self._missing_until = 0.0

    def load(self) -> Any:
        """The module ``sounddevice``.

        Raises
        ------
        DeviceError
            The system has no PortAudio library.
        """
        if self._module is None:
            if time.monotonic() < self._missing_until:
                raise DeviceError(missing_text())
            try:
                import sounddevice  # noqa: PLC0415 - fails where there is no PortAudio, and takes its time
            except OSError as error:
                self._missing_until = time.monotonic() + _NOT_YET
                raise DeviceError(missing_text()) from error
            _hush()
            self._module = sounddevice
        return self._module

    def renew(self) -> Any:
        """Load it, with the devices that are there now unless a stream is open."""
        sd = self.load()
        if self.streams == 0:
            # Deviates: sd._initialize() sends everything that the process says on stderr meanwhile to /dev/null.
            if sd._initialized:
                sd._terminate()
            try:
                sd._check(sd._lib.Pa_Initialize(), "PortAudio")
            except sd.PortAudioError as error:
                text = translate("capture", "The sound system cannot be used: {reason}")
                raise DeviceError(text.format(reason=error.args[0])) from error
            sd._initialized += 1
        return sd


_LIBRARY = _Library()


def missing_text() -> str:
    """What to say where there is no PortAudio."""
    return translate("capture", "Microphones need the PortAudio library, which is not installed: {command}").format(
        command=INSTALL
    )


def inputs() -> Inputs:
    """What can be recorded from now; may take a second.

    Raises
    ------
    DeviceError
        PortAudio is missing or refuses.
    """
    with _LIBRARY.lock:
        if _LIBRARY.streams == 0:
            return _query(_LIBRARY.renew())
    return _inputs_from_a_new_process() or _query(_LIBRARY.load())


def open_input(name: str | None, on_chunk: OnChunk, on_end: Callable[[], None]) -> InputStream:
    """Open and start the device called ``name`` (a part of its name is enough), or the default one for None.

    Both callbacks run on PortAudio's thread and must be quick; ``on_end`` tells that nothing more will come.

    Raises
    ------
    DeviceError
        It is missing, in use or refused, or there is no PortAudio.
    """
    with _LIBRARY.lock:
        sd = _LIBRARY.renew()
        listed, numbers = _listed(sd)
        device = _find(name, listed, numbers, _default(sd))
        shown = _name(sd, device)
        try:
            return _Stream(sd, device, shown, on_chunk, on_end)
        except sd.PortAudioError as error:
            raise DeviceError(_why_not_open(shown, error)) from error


class _Stream:
    """See :class:`InputStream`."""

    def __init__(self, sd: Any, device: int, name: str, on_chunk: OnChunk, on_end: Callable[[], None]) -> None:
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
        _LIBRARY.streams += 1

    def close(self) -> None:
        with _LIBRARY.lock:
            if not self._closed:
                self._closed = True
                _LIBRARY.streams -= 1
                self._stream.close()


def _age(stamps: Any, least: float) -> float:
    """How old the first sample of a chunk is, in seconds: by the device's own stamps where they can be true."""
    age = float(stamps.currentTime - stamps.inputBufferAdcTime)
    return age if 0.8 * least <= age <= _LONGEST_AGE else least


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


def _listed(sd: Any) -> tuple[list[str], list[int]]:
    """Names and numbers of the input devices of the one interface that is used."""
    interfaces = sd.query_hostapis()
    wanted = "Windows WASAPI" if sys.platform == "win32" else ""  # the default there cuts names at 31 letters
    chosen = next((i for i, interface in enumerate(interfaces) if interface["name"] == wanted), None)
    if chosen is None:
        chosen = next((i for i, interface in enumerate(interfaces) if interface["default_input_device"] >= 0), 0)
    numbers = [
        number
        for number, about in enumerate(sd.query_devices())
        if about["hostapi"] == chosen and about["max_input_channels"] > 0
    ]
    return [_name(sd, number) for number in numbers], numbers


def _name(sd: Any, number: int) -> str:
    """For people: without ALSA's card number, which changes from plug to plug."""
    return _CARD.sub("", str(sd.query_devices(number)["name"]))


def _default(sd: Any) -> int | None:
    defaults = [interface["default_input_device"] for interface in sd.query_hostapis()]
    return next((int(number) for number in defaults if number >= 0), None)


def _query(sd: Any) -> Inputs:
    names, _ = _listed(sd)
    default = _default(sd)
    return Inputs(
        names=tuple(name for name in names if name not in _CONVERTERS),
        default="" if default is None else _name(sd, default),
    )


def _find(name: str | None, listed: list[str], numbers: list[int], default: int | None) -> int:
    if name is None:
        if default is None:
            raise DeviceError(_refused() or translate("capture", "No microphone is connected."))
        return default
    which = match_name(name, distinct(listed))
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


def _inputs_from_a_new_process() -> Inputs | None:
    """What a fresh PortAudio sees; None where that did not work."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell_inputs, args=(theirs,), name="dmd-microphones", daemon=True)
    process.start()
    theirs.close()
    try:
        return mine.recv() if mine.poll(_LISTING) else None
    except EOFError:  # it died; its traceback is on stderr
        return None
    finally:
        mine.close()
        process.join(1.0)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _tell_inputs(connection: Connection) -> None:
    connection.send(inputs())


_KEPT: list[Any] = []  # callbacks that C libraries hold on to


def _hush() -> None:
    """Stop ALSA and JACK from writing dozens of lines to stderr whenever devices are looked for (Linux)."""
    alsa = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
    jack = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
    for library, setter, handler in (
        ("libasound.so.2", "snd_lib_error_set_handler", alsa(lambda *_: None)),
        ("libjack.so.0", "jack_set_error_function", jack(lambda _: None)),
        ("libjack.so.0", "jack_set_info_function", jack(lambda _: None)),
    ):
        try:
            getattr(ctypes.CDLL(library), setter)(handler)
        except (OSError, AttributeError):
            continue
        _KEPT.append(handler)
