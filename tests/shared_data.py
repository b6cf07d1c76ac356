"""Recordings and golden numbers that lie beside the project and are not part of it; without them a test is skipped.

``DMD_SHARED`` names the folder; by default it is ``../shared`` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(os.environ.get("DMD_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def shared(*parts: str) -> Path:
    """A file or folder of it, for example ``shared("clips", "talkers", "talker_a.mp4")``."""
    path = _ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here: DMD_SHARED must name a folder with {'/'.join(parts)}")
    return path
