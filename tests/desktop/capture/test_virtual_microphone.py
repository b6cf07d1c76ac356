"""A real sound server, ALSA and PortAudio: every sample once, unplugged, plugged in again, exchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.desktop.capture.virtual_microphone import NAME, unavailable

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "there is one")


def run(home: Path, seconds: float) -> tuple[dict[str, Any], str]:
    """In a process of its own, because ALSA keeps the first home folder it sees."""
    command = [sys.executable, "-m", "tests.desktop.capture.virtual_microphone_run", str(home), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=seconds + 120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def check(told: dict[str, Any]) -> None:
    assert NAME in told["names"]
    assert told["names_while_open"] == told["names"]
    assert told["spawned_agrees"]
    assert told["ramp"] == {"first": 1, "missing": 0, "steps": [1]}
    assert (told["lost_before"], told["lost_elsewhere"]) == (0, 0)
    assert told["missing"]
    assert told["gap_by_count"] == pytest.approx(told["gap_by_clock"], abs=0.5)
    first, second = told["said"]
    opened = f"opened {NAME} · 16 kHz"
    assert first == [
        opened,
        f"trouble Microphone “{NAME}” was unplugged, or its sound system ended.",
        f"trouble Microphone “{NAME}” is not connected.",
        opened,
        "recovered",
    ]
    assert second == ["opened default · 16 kHz"]
    assert told["stopped"]
    assert told["stopped_again"]
    assert told["threads"] == ["MainThread"]


def test_every_sample_comes_once_and_a_gap_is_lost(tmp_path: Path) -> None:
    told, stderr = run(tmp_path, 2.0)
    check(told)
    assert "ALSA lib" not in stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_minutes_of_sound_lose_nothing(tmp_path: Path) -> None:
    told, _ = run(tmp_path, 600.0)
    check(told)
    assert told["corrected"] == 0
