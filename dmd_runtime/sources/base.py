"""What the pipeline needs of anything that delivers pictures and sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from dmd_runtime.clock import Clock
from dmd_runtime.messages import AudioBlock, VideoFrame

ANALYSIS_RATE = 16_000
"""Sample rate in Hz of every :class:`AudioBlock` that a source delivers to analysis; mono."""


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What is known of a source before it runs.

    Attributes
    ----------
    kind : str
        ``"file"``, ``"synthetic"`` or ``"device"``.
    name : str
        For people: a file's name, a device's name.
    has_video, has_audio : bool
    duration : float or None
        Seconds, where known beforehand.
    marks : tuple of str
        ``"DEMO"``, ``"SYNTHETIC"``: shown everywhere and stored in every record.
    media : mapping or None
        For a file: ``{"path", "sha256", "bytes"}`` as the manifest stores it.
    details : mapping
        Streams as found: codec, size, frame rate, sample rate, channels.
    """

    kind: str
    name: str
    has_video: bool
    has_audio: bool
    duration: float | None = None
    marks: tuple[str, ...] = ()
    media: dict[str, object] | None = None
    details: dict[str, object] = field(default_factory=dict)


class MediaSink(Protocol):
    """Where a source puts what it has; both calls may block for as long as the pipeline's policy says."""

    def video(self, frame: VideoFrame) -> None:
        """Take one picture."""
        ...

    def audio(self, block: AudioBlock) -> None:
        """Take one block of sound."""
        ...


class Source(Protocol):
    """Delivers pictures and sound in time order on the one thread that calls :meth:`run`."""

    @property
    def info(self) -> SourceInfo:
        """What is known beforehand."""
        ...

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver until the end or until ``stop`` is set; return the media time just after the last item.

        Raises
        ------
        SourceError, DeviceError
            With one clear line; what was delivered before stays delivered.
        """
        ...

    def close(self) -> None:
        """Release the file or device; idempotent."""
        ...
