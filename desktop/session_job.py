"""One start of a session: what was asked for, and what is made of it before it runs. No Qt."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.loaded_models import ModelChoice
from desktop.options import SourceKind, SourceRequest
from dmd_runtime import (
    Consent,
    DMDError,
    FetchCancelledError,
    Recording,
    Session,
    Source,
    SyntheticSource,
)

if TYPE_CHECKING:
    from dmd_runtime import Toolbox

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeepChoice:
    """Where and under which names a session is kept."""

    root: Path
    participant: str = ""
    session: str = ""
    task: str = ""
    notes: str = ""
    consent: Consent | None = None


@dataclass(kw_only=True)
class Job:
    """Made on the window's thread, worked on by a loader, then run or abandoned.

    ``saved``, under the lock ``saving``, is the folder it was kept in, or why it was not; None before that is done.
    """

    request: SourceRequest
    models: ModelChoice
    keep: KeepChoice | None
    source: Source | None = None
    session: Session | None = None
    recording: Recording | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    saving: threading.Lock = field(default_factory=threading.Lock)
    saved: tuple[str, str] | None = None

    def make(self, toolbox: Toolbox) -> None:
        """Make the session of the source, which is open, and of its recording; on the loader's thread.

        Raises
        ------
        FetchCancelledError
            Nobody wants it any more.
        DMDError
            It cannot be made, or not be kept.
        """
        assert self.source is not None
        self._go_on_if_wanted()
        config = self.models.config()
        self.session = Session(self.source, toolbox, config)
        if self.keep is not None:
            self.recording = Recording(
                self.session,
                toolbox,
                config,
                self.keep.root,
                participant=self.keep.participant,
                label=self.keep.session,
                task=self.keep.task,
                notes=self.keep.notes,
                consent=self.keep.consent,
            )
        self._go_on_if_wanted()

    def abandon(self) -> None:
        """Let go of what was made for a session that never ran. Idempotent; any thread."""
        recording, self.recording = self.recording, None
        try:
            if recording is not None:
                recording.discard()
        except DMDError:
            logger.warning("the empty folder of a session that never ran stays", exc_info=True)
        if self.source is not None:
            self.source.close()

    def _go_on_if_wanted(self) -> None:
        if self.cancel.is_set():
            raise FetchCancelledError("stopped")


def open_source(request: SourceRequest, *, with_hash: bool) -> Source:
    """A file or test signals as a source that runs in real time; ``with_hash`` reads a file whole for its SHA-256.

    Raises
    ------
    DMDError
        It cannot be read, or a number is outside its rule.
    """
    if request.source is not None:
        return request.source
    if request.kind is SourceKind.SYNTHETIC:
        return SyntheticSource(duration=request.seconds, size=(640, 480), paced=True)
    from dmd_runtime import FileSource  # noqa: PLC0415 - loads PyAV, which the window need not wait for

    return FileSource(Path(request.path), paced=True, with_hash=with_hash)
