"""Pictures and sound of a session into ``media.mkv``, on a thread of its own, so that a crash costs a second at most.

What the file is made of is in :mod:`~dmd_runtime.recording.media_file`. Matroska names its streams at the beginning, so
a file that is begun before the first picture has sound only; with that picture another one is made that begins with
the same sound, and takes its place. At any moment there is one that can be played.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import AudioBlock, Message, VideoFrame
from dmd_runtime.recording.media_file import Amount, MediaFile, Output, even_size
from dmd_runtime.sources.base import ANALYSIS_RATE

logger = logging.getLogger(__name__)

NAME: Final = "media.mkv"
DRAFT: Final = f".{NAME}.part"
"""What is being made to take its place; whoever finds it without its maker may remove it."""

_FRAMES: Final = 45  # that wait at most: one and a half seconds
_BYTES: Final = 64 << 20  # of pictures that wait at most, whatever their size, …
_LEAST_FRAMES: Final = 4  # … but for so many
_SAMPLES: Final = 64 * ANALYSIS_RATE  # that wait at most: about a minute of sound
_WAIT_FOR_PICTURE: Final = 0.5  # s of sound, before the file is begun without one
_PATIENCE: Final = 60.0  # s in which nothing moves at the end
_PATIENCE_SYNC: Final = 300.0  # s for the disk to keep the rest; while it does that it tells nothing


@dataclass(frozen=True, kw_only=True)
class MediaCounts:
    """What was written and what was not: pictures, samples at 16 kHz, bytes."""

    frames: int = 0
    frames_dropped: int = 0
    audio_samples: int = 0
    audio_lost: int = 0
    bytes: int = 0


class MediaWriter:
    """A subscriber that writes pictures and sound; nobody who hands something over waits, unless asked to.

    A picture for which there is no room is left out and counted; so is sound, beyond a minute that waits. Sound that
    was lost leaves a hole in the time stamps. Pictures of another size than the first are fitted into it, whenever that
    comes. What was captured before session time 0 is not in the file.

    Parameters
    ----------
    folder : Path
        ``media.mkv`` must not be there.
    video, audio : bool
        What will come; at least one.
    patient : bool
        Whoever hands something over waits for room instead: for sources that are read as fast as they can be.
    on_failure : callable
        Called once, on the writer's thread, when the file cannot be written any more.

    Raises
    ------
    RecordingError
        The file cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        video: bool,
        audio: bool,
        patient: bool = False,
        on_failure: Callable[[RecordingError], None] | None = None,
    ) -> None:
        self.path = folder / NAME
        self.failure: RecordingError | None = None
        self._video, self._audio = video, audio
        self._patient = patient
        self._on_failure = on_failure
        self._waiting: deque[VideoFrame | AudioBlock] = deque()
        self._came, self._held, self._kept = Amount(), Amount(), Amount()  # held: waits, or is being written
        self._closed = False
        self._written = False  # all but what the disk has not kept yet
        self._changed = threading.Condition()
        self._syncing = threading.Lock()  # of the file, which must not be exchanged meanwhile
        try:
            self._output = Output(self.path)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self._thread = threading.Thread(target=self._run, name="dmd-recorder", daemon=True)
        self._thread.start()

    def __call__(self, message: Message) -> None:
        """Take a picture or a block of sound; anything else is not for this file."""
        if isinstance(message, VideoFrame | AudioBlock):
            self._put(message)

    @property
    def counts(self) -> MediaCounts:
        """So far; any thread."""
        size = self._size
        with self._changed:
            return MediaCounts(
                frames=self._kept.frames,
                frames_dropped=self._came.frames - self._held.frames - self._kept.frames,
                audio_samples=self._kept.samples,
                audio_lost=self._came.samples - self._held.samples - self._kept.samples,
                bytes=size,
            )

    @property
    def is_over(self) -> bool:
        """Whether nobody writes the file any more."""
        return not self._thread.is_alive()

    @property
    def patience(self) -> float:
        """Seconds in which nothing may move at the end."""
        return _PATIENCE_SYNC if self._written else _PATIENCE

    def sync(self) -> None:
        """Have the disk keep what was written; any thread but the session's."""
        with self._syncing:
            with self._changed:
                if self._output.closed:
                    return
                file = os.dup(self._output.fileno())  # the descriptor may be closed meanwhile
            try:
                os.fsync(file)
            except OSError as error:
                self._fail(error)
            finally:
                os.close(file)

    def finish(self, patience: float | None = None, progress: Callable[[float], None] | None = None) -> None:
        """Write what waits, and the end of the file, as long as that takes and something moves. Idempotent.

        Parameters
        ----------
        patience : float, optional
            Seconds in which nothing is written; after these it is given up. What has been written stays.
        progress : callable, optional
            Gets the share that is done, 0 to 1.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier, or nothing moved.
        """
        with self._changed:
            self._closed = True
            most = max(1, len(self._waiting))
            self._changed.notify_all()
        step, still, before = 0.1, 0.0, (-1, -1)
        while self._thread.is_alive() and still < (limit := self.patience if patience is None else patience):
            self._thread.join(step)
            now = len(self._waiting), self.counts.bytes
            still = still + step if now == before else 0.0
            before = now
            if progress is not None:
                progress(1 - min(1.0, len(self._waiting) / most))
        if self._thread.is_alive():
            raise RecordingError(
                f"{self.path}: nothing has been written for {limit:g} s; what was written can be recovered"
            )
        with self._changed:
            self._output.close()
        if self.failure is not None:
            raise self.failure

    # ------------------------------------------------------------ any thread

    def _put(self, item: VideoFrame | AudioBlock) -> None:
        with self._changed:
            if self._patient:
                self._changed.wait_for(lambda: self._closed or self.failure is not None or self._has_room(item))
            if self._closed or not (self._video if isinstance(item, VideoFrame) else self._audio):
                return
            amount = Amount.of(item)
            self._came += amount
            if isinstance(item, AudioBlock):
                self._came += Amount(samples=item.lost)
            if self.failure is not None or not self._has_room(item):
                return
            self._held += amount
            self._waiting.append(item)
            self._changed.notify_all()

    def _has_room(self, item: VideoFrame | AudioBlock) -> bool:
        if isinstance(item, AudioBlock):
            return self._held.samples < _SAMPLES
        fits = self._held.bytes + item.image.nbytes <= _BYTES
        return self._held.frames < (_FRAMES if fits else _LEAST_FRAMES)

    @property
    def _size(self) -> int:
        """Bytes of the file."""
        try:
            return self.path.stat().st_size if self._output.closed else os.fstat(self._output.fileno()).st_size
        except (OSError, ValueError):  # gone, or closed meanwhile
            return 0

    def _fail(self, error: Exception) -> None:
        with self._changed:
            if self.failure is not None:
                return
            reason = getattr(error, "strerror", None) or error
            self.failure = RecordingError(f"{self.path}: cannot be written: {reason}")
            self._waiting.clear()
            self._held = Amount()
            self._changed.notify_all()  # whoever waits for room waits for nothing
        logger.error("%s", self.failure)
        if self._on_failure is not None:
            self._on_failure(self.failure)

    # ----------------------------------------------------- the writer's thread

    def _run(self) -> None:
        file: MediaFile | None = None
        try:
            file = self._begin()
            while file is not None and (item := self._next()) is not None:
                if isinstance(item, VideoFrame) and not file.has_video:
                    file = self._begin_anew(file, item)
                self._write(file, item)
        except Exception as error:  # noqa: BLE001 - whatever breaks the file must not break the session
            self._fail(error)
        try:
            if file is not None:
                file.close()
            self._written = True
            if self.failure is None:
                os.fsync(self._output.fileno())
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        while self._next() is not None:  # counted as lost; nobody takes them any more
            pass

    def _begin(self) -> MediaFile | None:
        """Begin the file with the first picture's size, or without pictures where none comes soon; None at the end."""
        held: list[VideoFrame | AudioBlock] = []
        while (item := self._next()) is not None:
            held.append(item)
            if isinstance(item, VideoFrame) or not self._video or item.end - held[0].t >= _WAIT_FOR_PICTURE:
                break
        if not held:
            return None
        last = held[-1]
        file = MediaFile(
            self._output,
            even_size(last.image) if isinstance(last, VideoFrame) else None,
            audio=self._audio,
        )
        self._write(file, *held)
        return file

    def _begin_anew(self, file: MediaFile, picture: VideoFrame) -> MediaFile:
        """Put a file that has pictures too, and begins with the sound of ``file``, in its place."""
        file.close()
        draft = self.path.with_name(DRAFT)
        draft.unlink(missing_ok=True)
        output, new = Output(draft), None
        try:
            new = MediaFile(output, even_size(picture.image), audio=True)
            new.take_sound_of(self.path)
            os.fsync(output.fileno())
            with self._syncing, self._changed:
                self._output.close()
                output.replace(self.path)
                self._output = output
        except BaseException:
            if new is not None:
                with suppress(Exception):  # what went wrong first is told
                    new.close()
            output.close()
            draft.unlink(missing_ok=True)
            raise
        return new

    def _next(self) -> VideoFrame | AudioBlock | None:
        """The next item; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            return self._waiting.popleft()

    def _write(self, file: MediaFile, *items: VideoFrame | AudioBlock) -> None:
        for item in items:
            kept = file.picture(item) if isinstance(item, VideoFrame) else file.sound(item)
            with self._changed:
                self._kept += kept
                self._held -= Amount.of(item)
                self._changed.notify_all()
