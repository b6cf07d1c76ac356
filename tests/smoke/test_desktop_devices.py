"""The program with devices, end to end: nothing of it is faked but the people."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.desktop.capture.virtual_microphone import unavailable
from tests.features.face_assets import face_model
from tests.features.speech_assets import errors, model_folder, plain

ROOT = Path(__file__).resolve().parents[2]
SAID = "Hello, this is a demonstration made by a computer. I am so happy to see you! This is wonderful news!"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    if missing := unavailable() or ("" if shutil.which("xvfb-run") else "xvfb is not installed"):
        pytest.skip(missing)
    home = tmp_path_factory.mktemp("home")
    cache = Path.home() / ".cache"
    command = [sys.executable, "-m", "tests.smoke.desktop_devices_run", str(home)]
    (home / ".cache").symlink_to(cache)  # the model files; all else is a fresh home
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "home": home}


def test_it_ends_well_and_leaves_a_whole_session(told: dict[str, Any]) -> None:
    assert told["returncode"] == 0, told["errors"]
    assert "Traceback" not in told["errors"]
    assert told["state"] == "complete"
    assert told["consent"]["text"] == "a picture and a synthetic voice need none"
    assert told["source"]["kind"] == "device"
    assert (told["home"] / "shot.png").stat().st_size > 50_000


def test_it_saw_the_face_and_heard_the_words(told: dict[str, Any]) -> None:
    assert len(told["faces"]) > 100
    heard = [w for word in told["words"] for w in plain(word)]
    expected = plain(SAID)
    assert errors(expected, heard[: len(expected)]) <= 0.35 * len(expected), heard


def test_both_graphs_came_from_what_the_devices_gave(told: dict[str, Any]) -> None:
    assert len(told["graphs"]) >= 8
    for edges in told["graphs"]:
        for graph in ("homo", "hetero"):
            assert sum(edges[graph].values()) == pytest.approx(1.0, abs=1e-6)


def test_an_unplugged_camera_is_missing_and_comes_back(told: dict[str, Any]) -> None:
    seen = [coverage["V"] for _, coverage, _, _ in told["coverage"]]
    lowest = min(range(len(seen)), key=seen.__getitem__)
    assert seen[lowest] < 0.7
    assert max(seen[:lowest]) > 0.9
    assert max(seen[lowest:]) > 0.9


def test_unplugged_sound_is_lost_and_comes_back_never_silence(told: dict[str, Any]) -> None:
    assert told["counts"]["audio_lost"] > 16_000
    last = told["coverage"][-1]
    assert last[1]["A"] > min(coverage["A"] for _, coverage, _, _ in told["coverage"])
