"""Who writes a session folder: a lock that the system takes back when the process dies, however it dies.

The lock is the operating system's (``flock``, ``LockFileEx``) on ``<folder>/.lock``, not a process id in a file: ids
are given again, and a machine that lost its power leaves them behind.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from dmd_runtime.errors import RecordingError

NAME: Final = ".lock"
_PATIENCE: Final = 1.0  # s: longer than anybody who only asks holds it
_POLL: Final = 0.01  # s


class SessionLock:
    """Holds a session folder from now until :meth:`release`, which any thread may call.

    Take it before ``session.json`` says ``recording``, release it after the manifest says how the session ended.

    Parameters
    ----------
    folder : Path
        There already.

    Raises
    ------
    RecordingError
        Another recording, here or in another process, holds the folder; or it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise RecordingError(
                f"{folder}: expected a session folder, got {'a file' if folder.exists() else 'nothing'}"
            )
        self._path = folder / NAME
        self._lock = _file_lock(self._path)
        try:
            self._lock.acquire(timeout=_PATIENCE, poll_interval=_POLL)
        except Timeout:
            raise RecordingError(f"{folder}: expected a session that nobody holds, got one that is at work") from None
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be locked: {error.strerror or error}") from None

    def release(self) -> None:
        """Let the folder go and leave no lock file; idempotent."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):  # held while it goes, so nobody else's goes with it
                self._path.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> SessionLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(folder: Path) -> bool:
    """Whether a living process (this one too) holds the session folder."""
    path = folder / NAME
    if not path.is_file():
        return False
    try:
        with _file_lock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to write: whoever tries to will be told
        return False


def _file_lock(path: Path) -> FileLock:
    return FileLock(path, thread_local=False)
