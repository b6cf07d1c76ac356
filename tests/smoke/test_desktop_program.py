"""The program as a user starts it: a process of its own, offscreen, on a real film."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from desktop.theme import DARK, MODALITY
from tests.features.face_assets import face_model
from tests.features.speech_assets import model_folder
from tests.shared_data import shared

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user who has never started the program, without a display."""
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    fresh = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
    return {**kept, **fresh}


def start(environment: dict[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "desktop", *arguments]
    return subprocess.run(
        command, env={**environment, **more}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )


def share(picture: np.ndarray, colour: tuple[int, int, int], within: int = 40) -> float:
    """Share of the pixels that are about of this colour."""
    return float((np.abs(picture.astype(int) - colour).max(axis=2) < within).mean())


def test_a_film_plays_and_the_picture_shows_a_person_words_an_emotion_and_both_graphs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    import cv2

    film, target = shared("clips", "talkers", "talker_b.mp4"), tmp_path / "shot.png"
    arguments = ("--source", str(film), "--theme", "dark", "--size", "1280x800", "--quit-after", "25", "--offline")
    done = start(environment, *arguments, "--screenshot", str(target), QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    picture = cv2.imread(str(target))[:, :, ::-1]  # RGB
    assert picture.shape == (800, 1280, 3)
    video, words, emotion, homo, hetero = (
        picture[rows, columns]
        for rows, columns in (
            (slice(110, 440), slice(170, 520)),
            (slice(515, 565), slice(30, 660)),
            (slice(200, 310), slice(780, 1060)),
            (slice(325, 560), slice(700, 960)),
            (slice(325, 560), slice(990, 1250)),
        )
    )
    assert len(np.unique(video.reshape(-1, 3), axis=0)) > 2000  # a photograph, no plain ground
    assert share(words, DARK.ink.getRgb()[:3]) > 0.01  # committed words
    assert share(emotion, DARK.track.getRgb()[:3], 6) < 0.9  # bars on their tracks
    for graph in (homo, hetero):
        for colour in MODALITY.values():
            assert share(graph, colour.getRgb()[:3], 60) > 0.002  # rings and arrows of each teacher


def test_the_program_tests_itself(environment: dict[str, str]) -> None:
    done = start(environment, "--selftest", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "selftest: passed"
    assert "FAIL" not in done.stdout


def test_a_film_that_cannot_be_read_is_one_line_and_exit_2(environment: dict[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "film.mp4"
    bad.write_text("no film")
    shot = tmp_path / "shot.png"
    done = start(
        environment, "--source", str(bad), "--quit-after", "10", "--screenshot", str(shot), QT_QPA_PLATFORM="offscreen"
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"dmd-desktop: {bad}: expected a media file with pictures or sound (MP4, MOV, MKV, WebM, AVI, WAV, FLAC, MP3, "
        "...), got a text file"
    )
    assert shot.is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_it_says_so(environment: dict[str, str]) -> None:
    done = start(environment)
    assert done.returncode == 2
    assert done.stderr.startswith("dmd-desktop: expected a display")
    assert done.stderr.count("\n") == 1


def test_what_it_says_is_heard_while_a_library_silences_standard_error() -> None:
    code = (
        "import os, sys; from desktop.__main__ import _keep_standard_error; from desktop.application import tell\n"
        "_keep_standard_error(); os.dup2(os.open(os.devnull, os.O_WRONLY), 2); tell('what went wrong')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "dmd-desktop: what went wrong\n")
