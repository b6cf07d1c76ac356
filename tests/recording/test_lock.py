from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.lock import NAME, SessionLock, is_held

_HOLDER = """
import sys
from pathlib import Path
from dmd_runtime.recording.lock import SessionLock
lock = SessionLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_is_held_until_it_is_released(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    lock = SessionLock(tmp_path)
    assert is_held(tmp_path)
    lock.release()
    lock.release()
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_asking_leaves_no_file(tmp_path: Path) -> None:
    is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_cannot_hold_one_folder(tmp_path: Path) -> None:
    with SessionLock(tmp_path), pytest.raises(RecordingError, match="at work"):
        SessionLock(tmp_path)
    SessionLock(tmp_path).release()


def test_another_thread_may_release(tmp_path: Path) -> None:
    lock = SessionLock(tmp_path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join(10)
    assert not is_held(tmp_path)


def test_a_lock_file_alone_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("1\n")
    assert not is_held(tmp_path)
    SessionLock(tmp_path).release()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "none")
    with pytest.raises(RecordingError, match="none"):
        SessionLock(tmp_path / "none")


def test_a_killed_process_holds_nothing_any_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        holder.kill()
        holder.wait(20)
    assert (tmp_path / NAME).exists()
    assert not is_held(tmp_path)
    SessionLock(tmp_path).release()
