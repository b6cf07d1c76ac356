"""Pictures and sound in a recorded file are of the same moment, also where the sound's clock runs fast or slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.recording.media_writer import NAME
from tests.desktop.capture.flash_and_beep import record
from tests.recording.flashes import EVERY, measure


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_a_flash_and_its_beep_are_less_than_20_ms_apart(tmp_path: Path, ppm: float) -> None:
    track = record(tmp_path, seconds=121, ppm=ppm)
    found = measure(tmp_path / NAME)
    assert found[:, 0] == pytest.approx(np.arange(1, 25) * EVERY, abs=0.001)
    assert np.abs(found[:, 1]).max() < 0.020
    assert np.abs(found[found[:, 0] > 60, 1]).max() < 0.010
    assert (track.clock.lost, track.clock.corrected) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [-200, 200])
def test_after_an_hour_they_still_are(tmp_path: Path, ppm: float) -> None:
    record(tmp_path, seconds=3601, ppm=ppm)
    found = measure(tmp_path / NAME)
    assert len(found) == 720
    assert np.abs(found[found[:, 0] > 60, 1]).max() < 0.010
