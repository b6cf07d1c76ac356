from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.library import find_sessions, list_sessions
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


def test_library_lists_good_and_broken_sessions(tmp_path: Path) -> None:
    for name, state in (("ses-a", "complete"), ("ses-b", None)):
        folder = tmp_path / "sub-anon" / name
        folder.mkdir(parents=True)
        if state:
            write_manifest(folder, {"format": FORMAT, "state": state, "counts": {"readings": 3}, "marks": ["DEMO"]})
        else:
            (folder / "session.json").write_text("{")
    assert len(find_sessions(tmp_path)) == 2
    good, broken = list_sessions(tmp_path)
    assert good.split("\t") == ["sub-anon/ses-a", "complete", "0.0 s", "3 readings", "0 words", "DEMO"]
    assert "unreadable" in broken


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="got nothing"):
        find_sessions(tmp_path / "none")
