"""One session being kept: its folder, its manifest, its tables, from start to a manifest that says how it ended."""

from __future__ import annotations

import platform
import shutil
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmd_runtime import __version__
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.folder import new_session_folder
from dmd_runtime.recording.jsonl import seconds
from dmd_runtime.recording.writer import SessionWriter
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.session import Session

if TYPE_CHECKING:  # loads torch: only whoever makes one needs to wait for that
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
        try:
            self._writer = SessionWriter(self.folder, manifest, marks=session.marks)
            if with_media and session.source.info.media is not None:
                self._writer.add_media(Path(str(session.source.info.media["path"])))
        except RecordingError:
            self._remove()
            raise
        session.subscribe(self._writer)

    def mark(
        self, t0: float, label: str, *, t1: float | None = None, tier: str = "marker", note: str = "", by: str = "user"
    ) -> None:
        """Keep a marker at ``t0`` (to ``t1``) of session time; it is on disk when this returns."""
        self._writer.mark(
            {"t0": seconds(t0), "t1": None if t1 is None else seconds(t1)}
            | {"tier": tier, "label": label, "note": note, "by": by}
        )

    def finish(self, *, interrupted: bool = False) -> Path:
        """Write how it ended, after the session has; return the folder.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier.
        """
        finished = datetime.now(UTC)
        session = self._session
        error = str(session.error) if session.error is not None else "interrupted by the user" if interrupted else None
        return self._writer.finish(
            made_at={"started": self._started.isoformat(), "finished": finished.isoformat()},
            counts=_counts(session),
            error=error,
        )

    def discard(self) -> None:
        """Take back a recording of a session that never ran: nothing is in it."""
        self._writer.close()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _counts(session: Session) -> dict[str, Any]:
    counts = session.counts
    took = None if session.exact else counts.first_frame_to_last_reading
    return {
        **counts.as_dict(),
        "media_end_s": None if counts.media_end is None else round(counts.media_end, 6),
        "first_frame_to_last_reading_s": None if took is None else round(took, 3),
    }


def _devices(info: SourceInfo) -> list[dict[str, Any]]:
    """The devices that were chosen at the start."""
    chosen = info.details.items() if info.kind == "device" else ()
    return [{"kind": kind, **facts} for kind, facts in chosen if isinstance(facts, dict)]


def _manifest(session: Session, toolbox: Toolbox, config: SessionConfig) -> dict[str, Any]:
    info = session.source.info
    return {
        "mode": "exact" if session.exact else "paced",
        "clock": {"unit": "s", "zero": "first sample or picture of the source", "audio": "sample count"},
        "source": {"kind": info.kind, "name": info.name, "details": info.details},
        "media": info.media,
        "devices": _devices(info),
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
