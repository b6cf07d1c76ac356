from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.folder import label, new_session_folder

NOW = datetime(2026, 1, 2, 3, 4, 5)


def test_name_is_bids_like(tmp_path: Path) -> None:
    folder = new_session_folder(tmp_path, participant="p-01", task="interview", now=NOW)
    assert folder.relative_to(tmp_path).as_posix() == "sub-p01/ses-20260102T030405_task-interview"


def test_the_same_name_twice_gives_two_folders(tmp_path: Path) -> None:
    names = [new_session_folder(tmp_path, session="a", now=NOW).name for _ in range(3)]
    assert names == ["ses-a", "ses-a_02", "ses-a_03"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub-anon").write_text("x")
    with pytest.raises(RecordingError, match="sub-anon: expected a folder"):
        new_session_folder(tmp_path)


@given(text=st.text())
def test_a_label_never_leaves_its_folder(text: str) -> None:
    assert set(label(text)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
