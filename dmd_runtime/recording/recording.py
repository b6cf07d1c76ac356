"""One session being kept: its folder, its manifest, its tables, from start to a manifest that says how it ended."""

from __future__ import annotations

import platform
import shutil
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from dmd_runtime import __version__
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.folder import new_session_folder
from dmd_runtime.recording.writer import SessionWriter
from dmd_runtime.streaming.session import Session
from dmd_runtime.streaming.toolbox import Toolbox

_PACKAGES = ("av", "ctranslate2", "faster-whisper", "mediapipe", "numpy", "torch", "transformers")


class Recording:
    """Keeps what a session says from now on; made before the session starts.

    Parameters
    ----------
    session : Session
    toolbox : Toolbox
        Whose models it runs.
    config : SessionConfig
    root : Path
        Of the session folders.
    participant, label, task : str
        Names; an empty ``label`` takes the source's name.
    consent : str or None
        What was consented to, in words; None for files and test signals.
    with_media : bool
        Copy the medium into the folder; otherwise path and SHA-256 refer to it.

    Raises
    ------
    RecordingError
        The folder cannot be made or written.
    """

    def __init__(
        self,
        session: Session,
        toolbox: Toolbox,
        config: SessionConfig,
        root: Path,
        *,
        participant: str = "",
        label: str = "",
        task: str = "",
        consent: str | None = None,
        with_media: bool = False,
    ) -> None:
        self._session = session
        self._started = datetime.now(UTC)
        name = label or Path(session.source.info.name).stem
        self.folder = new_session_folder(root, participant=participant, session=name, task=task)
        manifest = _manifest(session, toolbox, config)
        manifest |= {"participant": participant or "anon", "task": task or None}
        if consent is not None:
            manifest["consent"] = {"text": consent, "given_at": self._started.isoformat()}
        self._writer = SessionWriter(self.folder, manifest, marks=session.marks)
        if with_media and session.source.info.media is not None:
            try:
                self._writer.add_media(Path(str(session.source.info.media["path"])))
            except RecordingError:
                self._writer.close()
                shutil.rmtree(self.folder, ignore_errors=True)  # just made, and nothing in it yet
                raise
        session.subscribe(self._writer)

    def finish(self) -> Path:
        """Write how it ended, after the session has; return the folder.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier.
        """
        finished = datetime.now(UTC)
        return self._writer.finish(
            made_at={"started": self._started.isoformat(), "finished": finished.isoformat()},
            counts=_counts(self._session),
            error=None if self._session.error is None else str(self._session.error),
        )


def _counts(session: Session) -> dict[str, Any]:
    counts = session.counts
    took = None if session.exact else counts.first_frame_to_last_reading
    return {
        **counts.as_dict(),
        "media_end_s": None if counts.media_end is None else round(counts.media_end, 6),
        "first_frame_to_last_reading_s": None if took is None else round(took, 3),
    }


def _manifest(session: Session, toolbox: Toolbox, config: SessionConfig) -> dict[str, Any]:
    info = session.source.info
    return {
        "mode": "exact" if session.exact else "paced",
        "clock": {"unit": "s", "zero": "first sample or picture of the source", "audio": "sample count"},
        "source": {"kind": info.kind, "name": info.name, "details": info.details},
        "media": info.media,
        "devices": [],
        "consent": None,
        "config": config.model_dump(),
        "provenance": {
            **toolbox.provenance(),
            "app_version": __version__,
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in _PACKAGES},
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "absent": {m.value: reason for m, reason in session.absent.items()},
    }
