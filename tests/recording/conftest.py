"""What is found in recorded sessions is not kept in the cache of whoever runs the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.recording import kept_arrays


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept instead."""
    monkeypatch.setattr(kept_arrays, "user_cache_path", lambda *_, **__: tmp_path / "user-cache")
    return tmp_path / "user-cache" / "replay"
