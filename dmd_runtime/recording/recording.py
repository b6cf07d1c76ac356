"""One session being kept: its folder, its manifest, its tables, from start to a manifest that says how it ended."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import AudioBlock, Message, VideoFrame
from dmd_runtime.recording.disk import DiskGuard, DiskLimits
from dmd_runtime.recording.folder import new_session_folder
from dmd_runtime.recording.integrity import Cancel, hashes
from dmd_runtime.recording.jsonl import seconds
from dmd_runtime.recording.lock import SessionLock
from dmd_runtime.recording.media_writer import MediaCounts, MediaWriter
from dmd_runtime.recording.session_facts import facts_at_end, facts_at_start, speech_at_start
from dmd_runtime.recording.writer import SessionWriter
from dmd_runtime.streaming.session import Session

if TYPE_CHECKING:  # loads torch: only whoever makes one needs to wait for that
    from dmd_runtime.streaming.toolbox import Toolbox

_LOOK = 1.0  # s between two looks at the disk
_SYNC_EVERY = 2  # looks
_PATIENCE = 60.0  # s that a disk may take over one fsync at the end, after the medium
_WRITING = 0.8  # share of the end that is writing; the rest is reading it once more


@dataclass(frozen=True, kw_only=True)
class Consent:
    """That a person may be recorded: the statement as they read or heard it, who gave it, and who took it down.

    Raises
    ------
    RecordingError
        There is no text, or nobody gave it.
    """

    text: str
    given_by: str
    recorded_by: str = ""

    def __post_init__(self) -> None:
        for name in ("text", "given_by"):
            if not getattr(self, name).strip():
                raise RecordingError(f"consent: expected {name.replace('_', ' ')} in words, got nothing")


@dataclass(frozen=True, kw_only=True)
class RecordingCounts:
    """How a recording does: pictures and samples in its medium, bytes, and how many seconds the disk still lasts."""

    frames: int = 0
    frames_dropped: int = 0
    audio_samples: int = 0
    audio_lost: int = 0
    bytes: int = 0
    disk_seconds: float | None = None


class Recording:
    """Keeps what a session says from now on; made before the session starts.

    Files are referred to by path and SHA-256. What devices and test signals give is written to ``media.mkv`` (devices
    always; test signals where ``with_media``).

    Parameters
    ----------
    session : Session
    toolbox : Toolbox
        Whose models it runs.
    config : SessionConfig
    root : Path
        Of the session folders.
    participant, label, task, notes : str
        Names; an empty ``label`` takes a file's name, and for devices the date and time.
    consent : Consent or None
        None for files and test signals only.
    with_media : bool
        Copy the medium of a file into the folder.
    limits : DiskLimits, optional

    Attributes
    ----------
    folder : Path
    on_trouble : callable
        Gets one line for people when the disk runs short or the recording has ended early; on threads of its own.
        What came before it was set is told at once.

    Raises
    ------
    RecordingError
        The folder cannot be made or written, or devices are to be recorded without consent: then there is no folder.
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
        notes: str = "",
        consent: Consent | None = None,
        with_media: bool = False,
        limits: DiskLimits | None = None,
    ) -> None:
        info = session.source.info
        if info.kind == "device" and consent is None:
            raise RecordingError("a camera or a microphone is recorded with consent only: expected one, got none")
        self._session = session
        self._started = datetime.now(UTC)
        self._on_trouble: Callable[[str], None] | None = None
        self._troubles: list[str] = []
        self._telling = threading.Lock()  # of the two
        self._stopped, self._stopped_at = "", float("inf")
        self._share: float | None = None
        self._heard_until = 0.0  # session time, which in an exact run is not the clock's
        self._media: MediaWriter | None = None
        name = label or (Path(info.name).stem if info.kind != "device" else "")
        self.folder = new_session_folder(root, participant=participant, session=name, task=task)
        self._guard = DiskGuard(self.folder, limits)
        manifest = facts_at_start(session, toolbox, config)
        manifest |= {"participant": participant or "anon", "session": label or None, "task": task or None}
        manifest["notes"] = notes or None
        if consent is not None:
            manifest["consent"] = {**asdict(consent), "given_at": self._started.isoformat()}
        undo = contextlib.ExitStack()
        try:
            self._lock = SessionLock(self.folder)
            undo.callback(self._lock.release)
            self._writer = SessionWriter(
                self.folder,
                manifest,
                marks=session.marks,
                speech=speech_at_start(toolbox),
                on_failure=self._tell_failure,
            )
            undo.callback(self._writer.close)
            if info.kind == "device" or (with_media and info.media is None):
                self._media = MediaWriter(
                    self.folder,
                    video=info.has_video,
                    audio=info.has_audio,
                    patient=session.exact,
                    on_failure=self._tell_failure,
                )
            elif with_media and info.media is not None:
                self._writer.add_media(Path(str(info.media["path"])))
        except RecordingError:
            undo.close()
            self._remove()
            raise
        session.subscribe(self._writer)
        if self._media is not None:
            session.subscribe(self._media)
        session.subscribe(self._follow)
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="dmd-keeper", daemon=True)
        self._keeper.start()

    # ------------------------------------------------------------ any thread

    @property
    def counts(self) -> RecordingCounts:
        """So far."""
        media = self._media.counts if self._media is not None else MediaCounts()
        figures = asdict(media) | {"bytes": media.bytes + self._writer.bytes}
        return RecordingCounts(**figures, disk_seconds=self._guard.seconds_left)

    @property
    def share(self) -> float | None:
        """How far :meth:`finish` is, 0 to 1; None before it."""
        return self._share

    @property
    def ended(self) -> str:
        """Why nothing is kept any more, for people; empty while what happens is kept."""
        return self._stopped or ("" if (failure := self._writer.failure) is None else str(failure))

    @property
    def on_trouble(self) -> Callable[[str], None] | None:
        """See the class."""
        return self._on_trouble

    @on_trouble.setter
    def on_trouble(self, tell: Callable[[str], None] | None) -> None:
        with self._telling:
            self._on_trouble = tell
            told, self._troubles = (self._troubles, []) if tell is not None else ([], self._troubles)
        for text in told:
            if tell is not None:
                tell(text)

    def mark(
        self,
        t0: float,
        label: str,
        *,
        t1: float | None = None,
        tier: str = "marker",
        note: str = "",
        by: str = "user",
        id: str = "",  # noqa: A002 - the name of the field
        open: bool = False,  # noqa: A002
        void: bool = False,
    ) -> None:
        """Keep a marker at ``t0`` (to ``t1``) of session time; it is with the system when this returns.

        A later one with the same ``id`` replaces it; ``open`` is a span that goes on, ``void`` takes it back.

        Raises
        ------
        RecordingError
            It is not kept: the recording has ended early, or cannot be written.
        """
        line: dict[str, Any] = {"t0": seconds(t0), "t1": None if t1 is None else seconds(t1)}
        line |= {"tier": tier, "label": label, "note": note, "by": by}
        line |= {"id": id} if id else {}
        line |= {name: True for name, on in (("open", open), ("void", void)) if on}
        with self._or_why():
            self._writer.mark(line)

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        """Keep a sample of a continuous rating, ``value`` in [-1, 1].

        Raises
        ------
        RecordingError
            As of :meth:`mark`.
        """
        with self._or_why():
            self._writer.trace({"t": seconds(t), "tier": tier, "value": round(value, 4), "by": by})

    def finish(
        self,
        *,
        interrupted: bool = False,
        progress: Callable[[float], None] | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        """Write how it ended, after the session has; return the folder. Not on a window's thread: it may take seconds.

        As long as something moves it goes on, however slow the disk is. At last every file is read once more for its
        SHA-256; ``progress`` gets the share done, 0 to 1, and where ``cancel`` returns True there are no hashes.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier. What was written stays, as a session that can be recovered.
        """

        def tell(share: float) -> None:
            self._share = share
            if progress is not None:
                progress(share)

        def read(share: float) -> None:
            tell(_WRITING + (1 - _WRITING) * share)

        finished = datetime.now(UTC)
        session = self._session
        error = str(session.error) if session.error is not None else "interrupted by the user" if interrupted else None
        tell(0.0)
        self._over.set()
        try:
            if self._media is not None:
                self._media.finish(progress=lambda share: tell(_WRITING * share))
            self._end_keeper()
            if self._keeper.is_alive():  # whatever else is written would wait as long
                raise RecordingError(f"{self.folder}: the disk has not answered for {_PATIENCE:g} s")
            self._writer.close()
            recorded = asdict(self.counts)
            del recorded["disk_seconds"]
            return self._writer.finish(
                made_at={"started": self._started.isoformat(), "finished": finished.isoformat()},
                counts=facts_at_end(session, self._stopped_at),
                recorded=recorded | {"stopped": self._stopped or None},
                error=error,
                integrity=None if self._writer.failure else hashes(self.folder, progress=read, cancel=cancel),
            )
        finally:
            self._writer.close()
            if self._media is None or self._media.is_over:  # else a recovery would miss what is still being written
                self._lock.release()

    def discard(self) -> None:
        """Take back a recording of a session that never ran: nothing is in it."""
        self._end_keeper()
        self._writer.close()
        if self._media is not None:
            with contextlib.suppress(RecordingError):
                self._media.finish()
        self._lock.release()
        self._remove()

    # ------------------------------------------------------ the keeper's thread

    def _keep(self) -> None:
        """About once a second see that the disk keeps what was written, and that there is room."""
        begun = time.monotonic()
        turn = 0
        while not self._over.wait(_LOOK):
            turn += 1
            if not self.folder.is_dir():  # the system goes on taking what is written into a folder that was deleted
                self._writer.fail(RecordingError(f"{self.folder}: cannot be written: it is not there any more"))
                self._stop_media()
                return
            text = self._guard.look(time.monotonic() - begun, self.counts.bytes)
            if text:
                self._tell(text)
            if self._guard.is_full:
                self._stopped, self._stopped_at = text, self._heard_until
                self._stop_media()
                self._writer.close()
                return
            if turn % _SYNC_EVERY == 0:
                self._writer.sync()
                if self._media is not None:
                    self._media.sync()

    def _stop_media(self) -> None:
        if self._media is not None:
            with contextlib.suppress(RecordingError):  # finish says it again
                self._media.finish()

    def _end_keeper(self) -> None:
        self._over.set()
        self._keeper.join(_PATIENCE)

    def _follow(self, message: Message) -> None:
        if isinstance(message, VideoFrame | AudioBlock):
            end = message.t if isinstance(message, VideoFrame) else message.end
            self._heard_until = max(self._heard_until, end)

    @contextlib.contextmanager
    def _or_why(self) -> Iterator[None]:
        try:
            yield
        except RecordingError as error:
            raise RecordingError(f"Not kept. {self._stopped}") if self._stopped else error from None

    def _tell_failure(self, error: RecordingError) -> None:
        self._tell(str(error))

    def _tell(self, text: str) -> None:
        with self._telling:
            tell = self._on_trouble
            if tell is None:
                self._troubles.append(text)
        if tell is not None:
            tell(text)

    def _remove(self) -> None:
        if self._media is not None:
            with contextlib.suppress(RecordingError):
                self._media.finish()
        shutil.rmtree(self.folder, ignore_errors=True)
