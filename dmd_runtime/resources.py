"""Where the files that ship with the program are: beside the package in a checkout, inside the bundle when frozen."""

from __future__ import annotations

import sys
from pathlib import Path


def resources_dir() -> Path:
    """The ``resources`` folder."""
    bundle = getattr(sys, "_MEIPASS", None)  # set by PyInstaller in a frozen app
    root = Path(bundle) if bundle is not None else Path(__file__).resolve().parent.parent
    return root / "resources"


def resource(*parts: str) -> Path:
    """A path below the ``resources`` folder."""
    return resources_dir().joinpath(*parts)
