"""Two processes are one with the double batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from tests.training.one_step import one_step

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_average_gradients_as_one_with_the_double_batch(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "-m", "tests.training.one_step", str(tmp_path / "two")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one_step(tmp_path / "one", batch_size=8)
    two, one = load_file(tmp_path / "two"), load_file(tmp_path / "one")
    assert {name for name, x in two.items() if x.any()} == {name for name, x in one.items() if x.any()}
    # A process sees the margin and the last, smaller batch for itself: only the means in the log differ by them.
    for name in one:
        if not name.startswith("row train"):
            np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)
    assert sum(float(np.abs(x).sum()) for name, x in one.items() if not name.startswith("row")) > 1
