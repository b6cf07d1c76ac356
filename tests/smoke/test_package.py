"""The packaged program, where `make package` has built it: ``pytest -m frozen``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "dist" / "dmd-desktop" / ("dmd-desktop" + ".exe" * (os.name == "nt"))


@pytest.mark.frozen
@pytest.mark.skipif(not PROGRAM.is_file(), reason="nothing in dist/: make package")
def test_the_packaged_program_tests_itself_with_nothing_but_what_is_inside(tmp_path: Path) -> None:
    fresh = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", **fresh}
    done = subprocess.run(
        [str(PROGRAM), "--selftest", "--offline"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "selftest: passed"
    for name in (
        "the recording is whole",
        "exports",
        "annotated.mp4 plays to its end",
        "a word is found in the library",
    ):
        assert f"ok    {name}: " in done.stdout
    assert sys.executable not in done.stderr
