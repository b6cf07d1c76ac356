"""PortAudio, loaded when first needed: what can be heard through it, and a stream from one device.

PortAudio knows the devices that were there when it was initialised. To see what was plugged in since, it must be
terminated and initialised again, which ends every open stream (https://github.com/PortAudio/portaudio/issues/11). So it
is renewed only while no stream is open here; a listing meanwhile comes from a process of its own (0.1 s more).
All functions may be called from any thread; they take turns.
"""

from __future__ import annotations

import ctypes
import json
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

from PySide6.QtCore import QCoreApplication

from dmd_runtime import DeviceError

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

INSTALL: Final = "sudo apt install libportaudio2"
_NOT_YET = 10.0  # s before a missing library is looked for again, which is costly
_LISTING = 10.0  # s that the other process may take
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
    """Names of the devices that can be recorded from.

    ``default`` is None where the system has none, and empty where it has one that has no name of its own.
    """

    names: tuple[str, ...]
    default: str | None


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


LIBRARY: Final = _Library()


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
    with LIBRARY.lock:
        if LIBRARY.streams == 0:
            return _query(LIBRARY.renew())
    return _inputs_from_a_new_process() or _query(LIBRARY.load())


def listed(sd: Any) -> tuple[list[str], list[int]]:
    """Names and numbers of the input devices."""
    chosen, _ = _interface(sd)
    numbers = [
        number
        for number, about in enumerate(sd.query_devices())
        if about["hostapi"] == chosen and about["max_input_channels"] > 0
    ]
    return [device_name(sd, number) for number in numbers], numbers


def default_input(sd: Any) -> int | None:
    """Number of the input device that the system prefers."""
    number = _interface(sd)[1]
    return number if number >= 0 else None


def device_name(sd: Any, number: int) -> str:
    """For people: without ALSA's card number, which changes from plug to plug."""
    return _CARD.sub("", str(sd.query_devices(number)["name"]))


def _interface(sd: Any) -> tuple[int, int]:
    """Which of PortAudio's interfaces is used, and its default input device (-1: none)."""
    defaults = [(i, int(one["default_input_device"]), one["name"]) for i, one in enumerate(sd.query_hostapis())]
    usable = [one for one in defaults if one[1] >= 0]
    # Windows' first interface cuts names at 31 letters.
    better = [one for one in usable if one[2] == "Windows WASAPI"]
    return (better or usable or [(0, -1, "")])[0][:2]


def _query(sd: Any) -> Inputs:
    names, _ = listed(sd)
    default = default_input(sd)
    name = None if default is None else device_name(sd, default)
    return Inputs(
        names=tuple(name for name in names if name not in _CONVERTERS),
        default="" if name in _CONVERTERS else name,
    )


def _inputs_from_a_new_process() -> Inputs | None:
    """What a fresh PortAudio sees; None where that did not work."""
    if getattr(sys, "frozen", False):
        return _inputs_from_a_spawned_process()  # there is no interpreter to start, only this program again
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {__name__} as portaudio; portaudio.write_inputs()"],
            capture_output=True,
            timeout=_LISTING,
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        told = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        logger.warning("microphones could not be listed anew: %s", error)
        return None
    return Inputs(names=tuple(told["names"]), default=told["default"])


def write_inputs() -> None:
    """Write what can be recorded from to stdout, as one line of JSON (for :func:`inputs` of another process)."""
    sys.stdout.write(json.dumps(asdict(inputs())) + "\n")


def _inputs_from_a_spawned_process() -> Inputs | None:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_inputs, args=(theirs,), name="dmd-microphones", daemon=True)
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


def _send_inputs(connection: Connection) -> None:
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
