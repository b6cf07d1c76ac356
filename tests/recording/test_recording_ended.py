"""What is marked after a recording has ended by itself is not kept, and whoever marks is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.disk import DiskLimits
from dmd_runtime.recording.reader import open_session
from tests.recording.test_recording import quick, recorded

__all__ = ["quick"]
FULL = DiskLimits(warn_bytes=10**18, stop_bytes=10**18)


@pytest.mark.usefixtures("quick")
def test_after_a_full_disk_nothing_can_be_marked_and_why_is_said(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True, limits=FULL)
    recording._keeper.join(20)
    assert recording.ended.startswith("The disk is full")
    with pytest.raises(RecordingError, match=r"Not kept\. The disk is full .*: the recording has ended\."):
        recording.mark(1.0, "smile")
    with pytest.raises(RecordingError, match=r"Not kept\. The disk is full"):
        recording.trace(1.0, "valence", 0.5, "anna")
    session.run()
    opened = open_session(recording.finish())
    assert (opened.markers, opened.state) == ((), "complete")


def test_while_it_goes_on_it_has_not_ended_and_afterwards_nothing_is_kept(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path)
    recording.mark(0.5, "smile")
    assert recording.ended == ""
    session.run()
    recording.finish()
    with pytest.raises(RecordingError, match="not kept: the recording has ended"):
        recording.mark(1.0, "late")
    assert [marker.label for marker in open_session(recording.folder).markers] == ["smile"]


def test_a_table_that_cannot_be_written_is_said_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> int:
        raise OSError(28, "No space left on device")

    _, recording = recorded(tmp_path)
    monkeypatch.setattr(recording._writer._files["markers"], "write", full, raising=False)
    for _ in range(2):
        with pytest.raises(RecordingError, match="No space left on device"):
            recording.mark(1.0, "smile")
    assert "No space left on device" in recording.ended
    recording.discard()
