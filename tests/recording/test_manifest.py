from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.manifest import FORMAT, read_manifest, write_manifest


def test_round_trip_leaves_no_draft(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"format": FORMAT, "state": "complete"})
    assert read_manifest(tmp_path) == {"format": FORMAT, "state": "complete"}
    assert [p.name for p in tmp_path.iterdir()] == ["session.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 999}', "\x00\xff"])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "session.json").write_text(text, encoding="latin-1")
    with pytest.raises(RecordingError, match=r"session\.json: expected"):
        read_manifest(tmp_path)
