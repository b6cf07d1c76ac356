"""A microphone for tests: PulseAudio with a null sink, heard through ALSA. Use it in a process of its own.

ALSA reads ``HOME`` when it is first used: :meth:`VirtualMicrophone.prepare` sets the environment of this process for
good and must run before ``sounddevice`` is imported.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

NAME = "emomic"
"""The microphone's name."""
RATE = 16_000
_SINK = "emo_sink"
_ALSA = f"""
pcm.{NAME} {{
    type pulse
    device "{_SINK}.monitor"
    hint {{ show on description "Virtual microphone" }}
}}
"""
_MODULES = ("module-native-protocol-unix", f"module-null-sink sink_name={_SINK} rate={RATE} channels=1 format=s16le")
_RAW = ("--raw", f"--rate={RATE}", "--channels=1", "--format=s16le")
_ALONE = 30
"""Seconds after which the sound server ends when nobody uses it any more: a test that is killed leaves nothing."""
_LITTLE, _MUCH = "--latency-msec=20", "--latency-msec=1000"


def unavailable() -> str:
    """Why there can be no virtual microphone here; empty where there can."""
    missing = [name for name in ("pulseaudio", "pacat") if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed: sudo apt install pulseaudio pulseaudio-utils libasound2-plugins"
    return ""


class VirtualMicrophone:
    """A microphone that can be plugged and unplugged and that hears what is played; a context manager.

    Parameters
    ----------
    home : Path
        An empty folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._awake: subprocess.Popen[bytes] | None = None
        self._here = False

    def prepare(self) -> None:
        """Point this process and those it starts at this microphone."""
        (self._home / ".asoundrc").write_text(_ALSA, encoding="utf-8")
        os.environ |= {"HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._home)}
        for name in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "XDG_CONFIG_HOME"):
            os.environ.pop(name, None)

    def __enter__(self) -> VirtualMicrophone:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def plug(self) -> None:
        """Start the sound server."""
        modules = [part for module in _MODULES for part in ("-L", module)]
        command = ["pulseaudio", "-n", "--daemonize=yes", f"--exit-idle-time={_ALONE}", *modules]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        self._here = True
        # Left alone, the sink works 2 s at once; somebody who plays with little delay keeps its steps small.
        with Path("/dev/zero").open("rb") as silence:
            command = [*_ending_with_us(), *_player(_LITTLE)]
            self._awake = subprocess.Popen(command, stdin=silence, stderr=subprocess.DEVNULL)

    def settle(self) -> None:
        """Wait until the sink runs evenly, some two seconds after :meth:`plug`."""
        command = ["pacat", "--record", *_RAW, _LITTLE, f"--device={_SINK}.monitor"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ear:
            assert ear.stdout is not None
            ear.stdout.read(RATE)  # half a second of sound
            ear.terminate()

    def unplug(self) -> None:
        """End the sound server, which takes the microphone away. Idempotent."""
        if not self._here:
            return
        self._here = False
        subprocess.run(["pulseaudio", "--kill"], check=False, capture_output=True, timeout=20)
        if self._awake is not None:
            self._awake.wait(timeout=20)

    def say(self, samples: npt.NDArray[np.float32]) -> subprocess.Popen[bytes]:
        """Play float32 (n,) at 16 kHz, exact to 16 bits; returns the player, which ends when all was played.

        A second ahead, so that a busy machine makes no pauses in it. The first few milliseconds may be cut off.
        """
        pcm = np.round(samples * 2**15).astype("<i2").tobytes()
        file = self._home / "speech.raw"
        file.write_bytes(pcm)
        with file.open("rb") as source:
            return subprocess.Popen(_player(_MUCH), stdin=source, stderr=subprocess.DEVNULL)


def _player(latency: str) -> list[str]:
    return ["pacat", "--playback", *_RAW, latency, f"--device={_SINK}"]


def _ending_with_us() -> list[str]:
    """What makes a command end with the thread that starts it, where the system can do that."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
