"""The whole program under Xvfb with a camera that shows a face and a microphone that hears a voice, told as JSON.

``python -m tests.smoke.desktop_devices_run HOME``: the demo's pictures come through an MJPEG camera on loopback, its
sound through a virtual microphone. Both are unplugged and plugged in again while the program runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.desktop.capture.mjpeg_server import MjpegServer
from tests.desktop.capture.virtual_microphone import NAME, VirtualMicrophone
from tests.features.speech_assets import load

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "resources" / "demo.mkv"
QUIT_AFTER = 34.0


def pictures() -> list[np.ndarray]:
    """Every picture of the demo, BGR."""
    with av.open(str(DEMO)) as film:
        return [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]


def start(home: Path, url: str) -> subprocess.Popen[str]:
    """The program, as a user starts it, on a screen of its own."""
    command = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", sys.executable, "-m", "desktop"]
    command += ["--source", url, "--mic", NAME, "--size", "1280x800", "--offline", "--quit-after", str(QUIT_AFTER)]
    command += ["--screenshot", str(home / "shot.png"), "--session-dir", str(home / "kept"), "--record"]
    command += ["--consent", "a picture and a synthetic voice need none"]
    environment = {k: v for k, v in os.environ.items() if k not in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines_of(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()]


def until_first_reading(home: Path, program: subprocess.Popen[str], wait: threading.Event) -> None:
    """Wait until the session runs: its folder is there and holds a reading."""
    for _ in range(1200):
        if program.poll() is not None or any(p.stat().st_size for p in (home / "kept").rglob("readings.jsonl")):
            return
        wait.wait(0.1)


def main() -> None:
    home = Path(sys.argv[1])
    never = threading.Event()
    shown, sound = pictures(), load(DEMO)
    microphone = VirtualMicrophone(home)
    microphone.prepare()
    with microphone, MjpegServer(picture=lambda number: shown[number % len(shown)]) as camera:
        microphone.settle()
        program = start(home, camera.url)
        until_first_reading(home, program, never)
        speaking = microphone.say(sound[: 16_000 * 12])
        never.wait(9.0)
        camera.unplug()
        never.wait(3.0)
        camera.plug()
        speaking.wait(30)
        microphone.unplug()
        never.wait(2.0)
        microphone.plug()
        output, errors = program.communicate(timeout=120)
    (folder,) = (home / "kept").glob("sub-*/ses-*")
    manifest = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    readings = lines_of(folder, "readings")
    told = {
        "returncode": program.returncode,
        "output": output,
        "errors": errors,
        "state": manifest["state"],
        "consent": manifest["consent"],
        "counts": manifest["counts"],
        "source": manifest["source"],
        "words": [word["text"] for word in lines_of(folder, "words")],
        "faces": [face["t"] for face in lines_of(folder, "faces")],
        "coverage": [[r["t1"], r["coverage"], r["settled"], r["reason"]] for r in readings],
        "graphs": [r["edges"] for r in readings if r["edges"]["homo"]],
        "latency": sorted(r["made_at"] - r["t1"] for r in readings),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
