"""A long recording at its own pace: the window, a camera, a microphone, a key each 20 seconds; then what came of it.

``python -m tests.smoke.long_sitting SECONDS HOME`` prints a JSON object. Pictures of the demo come through an MJPEG
camera on loopback, its sound through a virtual microphone; every ten seconds both have a flash and a beep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from tests.desktop.capture.mjpeg_server import MjpegServer
from tests.desktop.capture.virtual_microphone import NAME, VirtualMicrophone
from tests.features.speech_assets import load

ROOT: Final = Path(__file__).resolve().parents[2]
DEMO: Final = ROOT / "resources" / "demo.mkv"
RATE, FPS, EVERY, TONE = 16_000, 30, 10, 3_000.0
FLASH, QUIET = 0.2, 0.3  # s
_POLITE: Final = ("nice", "-n", "5")  # than the devices, which must keep their time on a busy machine

Float64 = np.ndarray[Any, np.dtype[np.float64]]


def pictures() -> list[np.ndarray]:
    """Every picture of the demo, BGR."""
    with av.open(str(DEMO)) as film:
        return [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]


def sound(start: float, seconds: float) -> np.ndarray:
    """The demo again and again from ``start`` s of the camera on; every ten seconds a beep in a short quiet."""
    t = start + np.arange(round(seconds * RATE)) / RATE
    heard = np.resize(load(DEMO), len(t)).astype(np.float32)
    heard[((t + QUIET) % EVERY) < QUIET * 2 + FLASH] = 0.0
    beeps = (t % EVERY) < FLASH
    heard[beeps] = 0.5 * np.cos(2 * np.pi * TONE * (t[beeps] % EVERY))
    return heard


def apart(path: Path) -> Float64:
    """(time of the flash, beep less flash), (n, 2), seconds, of all that have both in the file."""
    with av.open(str(path)) as file:
        seen = [
            (float(f.pts * f.time_base), f.to_ndarray(format="gray")[::16, ::16].mean()) for f in file.decode(video=0)
        ]
    at, light = np.array(seen).T
    flashes = at[np.flatnonzero(np.diff((light > 220).astype(np.int8)) == 1) + 1]
    with av.open(str(path)) as file:
        blocks = [(float(b.pts * b.time_base), b.to_ndarray()[0]) for b in file.decode(audio=0)]
    times = np.concatenate([t + np.arange(len(x)) / RATE for t, x in blocks])
    heard = np.concatenate([x for _, x in blocks]) / 2**15
    beat = np.cumsum(heard * np.exp(-2j * np.pi * TONE * np.arange(len(heard)) / RATE))
    level = np.abs(beat[80:] - beat[:-80]) / 80  # of the tone, over 5 ms; 0.25 within a beep
    found = []
    for flash in flashes:
        first, last = np.searchsorted(times, (flash - EVERY / 2, flash + EVERY / 2))
        loud = np.flatnonzero(level[first:last] > 0.125)
        if len(loud):
            found.append((flash, times[first + loud[0] + 40] - flash))
    return np.array(found).reshape(-1, 2)


def judge(folder: Path) -> dict[str, Any]:
    """What is in a folder that was recorded."""
    from dmd_runtime import open_session

    session = open_session(folder)
    with av.open(str(folder / "media.mkv")) as film:
        stamps = np.array([float(frame.pts * frame.time_base) for frame in film.decode(video=0)])
    offsets = apart(folder / "media.mkv")
    readings, window = session.readings, session.manifest["config"]["window"]
    due = int((session.end - window["first"]) / window["step"]) + 1
    return {
        "state": session.state,
        "problems": list(session.problems),
        "recorded": session.manifest["recorded"],
        "seconds": round(session.end, 2),
        "pictures played": len(stamps),
        "longest pause between pictures, s": round(float(np.diff(stamps).max()), 3),
        "readings": [len(readings), due],
        "words": len(session.words),
        "markers": len(session.markers),
        "flashes": len(offsets),
        "beep less flash, ms": np.round(offsets[:, 1] * 1e3).tolist(),
        "MB": round(sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) / 1e6, 1),
    }


def main(seconds: str, home: str) -> None:
    """Start everything, wait for the end, print what is there."""
    place, length = Path(home), float(seconds)
    shown, white = pictures(), np.full((480, 640, 3), 255, dtype=np.uint8)
    (place / ".cache").symlink_to(Path.home() / ".cache")  # the model files
    microphone = VirtualMicrophone(place)
    microphone.prepare()
    lit = round(FLASH * FPS)
    camera = MjpegServer(
        fps=FPS, picture=lambda number: white if number % (EVERY * FPS) < lit else shown[number % len(shown)]
    )
    with microphone, camera:
        microphone.settle()
        speaking = microphone.say(sound(time.monotonic() - camera._origin, length + 120))
        command = [*_POLITE, sys.executable, "-m", "tests.smoke.sitter", camera.url, NAME, seconds, home]
        window = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=length + 300)
        speaking.terminate()
        speaking.wait(20)
        late = [camera.sent[n] - camera._origin - n / FPS for n in camera.sent if n % (EVERY * FPS) == 0]
    (folder,) = (place / "kept").glob("sub-*/ses-*")
    told = {"returncode": window.returncode, "errors": window.stderr[-2000:]}
    told |= json.loads(window.stdout.splitlines()[-1]) | judge(folder)
    told["flashes sent late by, ms"] = np.round(np.array(late) * 1e3).tolist()
    os.write(1, json.dumps(told, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
