"""The real models, loaded once for all whole runs."""

from __future__ import annotations

import pytest

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.streaming.toolbox import Toolbox


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """Everything loaded; skips where a model file is not here."""
    loaded = Toolbox.load(SessionConfig.load(), Assets(offline=True))
    if loaded.missing:
        pytest.skip(f"model files are not here (dmd models fetch): {loaded.missing}")
    return loaded
