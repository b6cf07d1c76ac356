"""However long a recording is, it needs no more memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.recording.manifest import read_manifest


def figures(seconds: int, root: Path, slower_ms: int = 0) -> tuple[np.ndarray, dict]:
    """(time, RSS in MB, bytes, seconds ahead), float64 (n, 4), and what was recorded."""
    command = [sys.executable, "-m", "tests.recording.long_recording", str(seconds), str(root), str(slower_ms)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert run.returncode == 0, run.stderr
    table = np.array([json.loads(line) for line in run.stdout.splitlines()])
    return table, read_manifest(next(root.glob("sub-anon/ses-long")))["recorded"]


@pytest.mark.parametrize("seconds", [90, pytest.param(1800, marks=pytest.mark.slow)])
def test_memory_is_flat(tmp_path: Path, seconds: int) -> None:
    table, found = figures(seconds, tmp_path)
    assert (found["frames"], found["frames_dropped"]) == (seconds * 30, 0)
    assert (found["audio_samples"], found["audio_lost"]) == (seconds * 16_000, 0)
    second, third = (table[table[:, 0] // (seconds / 3) == part, 1] for part in (1, 2))
    growth = float(np.median(third) - np.median(second))  # what waits for the recorder comes and goes, up to 10 MB
    assert growth < 5, table.round(1).tolist()  # a picture has 0.2 MB: 25 that stay are seen


def test_a_source_that_is_faster_than_the_model_waits_for_it(tmp_path: Path) -> None:
    table, found = figures(90, tmp_path, slower_ms=30)
    assert found["frames"] == 90 * 30
    assert table[:-1, 3].max() < 20, table.round(1).tolist()  # 1024 rows; it would be a minute and more
