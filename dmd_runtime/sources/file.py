"""Media files through PyAV: pictures and sound in time order, as fast as they are taken or paced like a live device."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from threading import Event

from dmd_runtime.clock import Clock
from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.sources.base import MediaSink, SourceInfo
from dmd_runtime.sources.pacing import deliver
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import text
from dmd_runtime.sources.tracks import AudioTrack, VideoTrack

logger = logging.getLogger(__name__)

_MARKS = ("DEMO", "SYNTHETIC")
_FAR = 3600.0  # s: the longest leap that is believed where the file's duration is unknown


class FileSource:
    """A media file as a source.

    Everything that can be known to be wrong is found in the constructor, before anything is written anywhere. Session
    time 0 is the first picture or sample, unless ``origin`` says otherwise. Runs once, on one thread.

    Parameters
    ----------
    path : Path or str
    paced : bool
        Deliver in real time: a picture at its time, a block of sound at the time of its end (a microphone has it then).
        Pictures that come over 0.25 s late are skipped and counted; sound never is.
    with_hash : bool
        Compute the SHA-256 of the file; else ``info.media["sha256"]`` is None.
    max_side : int
        Larger pictures are scaled down to this longest side, in pixels.
    threads : int
        Decoder threads per stream.
    origin : Fraction, optional
        Where session time 0 lies in the file's own count, in seconds, for a file that was stamped with session time; by
        default it is the first picture or sample.

    Raises
    ------
    SourceError
        One line: the file, what was expected, what came.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        paced: bool,
        with_hash: bool = True,
        max_side: int = 1280,
        threads: int = 1,
        origin: Fraction | None = None,
    ) -> None:
        if max_side < 16 or threads < 1:
            raise ConfigError(f"max_side must be at least 16 and threads at least 1, got {max_side} and {threads}")
        self._path = Path(path)
        self._name = text(str(path))
        self._paced = paced
        self._ran = False
        self._media = open_media(path, threads=threads, with_hash=with_hash)
        self._origin = self._media.origin if origin is None else origin
        far = self._media.duration + 10.0 if self._media.duration is not None else _FAR
        video, audio = self._media.video, self._media.audio
        self._video = None if video is None else VideoTrack(video, self._origin, max_side, far)
        self._audio = None if audio is None else AudioTrack(audio, self._origin, far)
        self.info = self._describe()

    @property
    def counters(self) -> dict[str, int]:
        """What had to be mended so far; all zero for a sound file.

        ``undecodable`` packets, ``repaired`` time stamps, ``lost`` and ``overlapping`` samples (at 16 kHz), streams
        ``broken_off`` before the end of the file, and pictures ``skipped`` because a paced run was too slow for them.
        """
        names = ("undecodable", "repaired", "lost", "overlapping", "broken_off", "skipped")
        counts = dict.fromkeys(names, 0)
        for track in (self._video, self._audio):
            if track is not None:
                counts["undecodable"] += track.reader.undecodable + track.refused
                counts["repaired"] += track.stamps.repaired
                counts["broken_off"] += bool(track.reader.broken_off)
        if self._video is not None:
            counts["skipped"] = self._video.skipped + self._video.reader.leapt
        if self._audio is not None:
            counts["lost"], counts["overlapping"] = self._audio.lost, self._audio.overlapping
        return counts

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver the file; see :class:`~dmd_runtime.sources.base.Source`."""
        if self._ran:
            raise SourceError(f"{self._name}: expected one run of this source, got a second")
        self._ran = True
        tracks = []
        if self._video is not None:
            tracks.append(self._video.items(stop, clock if self._paced else None))
        if self._audio is not None:
            tracks.append(self._audio.items(stop))
        end = deliver(tracks, sink, clock, stop, paced=self._paced)
        if not stop.is_set():
            self._report(end)
        return end

    def close(self) -> None:
        """Close the file; idempotent."""
        self._media.close()

    def _report(self, end: float) -> None:
        """One line in the log about everything that was not as it should be."""
        mended = {name: count for name, count in self.counters.items() if count}
        expected = self.info.duration
        short = expected is not None and end < 0.95 * expected - 1.0
        if mended or short:
            known = "unknown" if expected is None else f"{expected:.2f} s"
            logger.warning("%s: played to %.2f s (stated: %s); mended: %s", self._name, end, known, mended or "nothing")

    def _describe(self) -> SourceInfo:
        media = self._media
        details: dict[str, object] = {"format": media.format, "ignored": list(media.ignored)}
        if self._video is not None:
            details["video"] = self._video.describe()
        if self._audio is not None:
            details["audio"] = self._audio.describe()
        words = media.tags.get("DMD_MARK", "").upper().replace(",", " ").split()
        return SourceInfo(
            kind="file",
            name=text(self._path.name),
            has_video=self._video is not None,
            has_audio=self._audio is not None,
            duration=None if media.duration is None else media.duration + float(media.origin - self._origin),
            marks=tuple(mark for mark in _MARKS if mark in words),
            media={"path": text(str(self._path.resolve())), "sha256": media.sha256, "bytes": media.size},
            details=details,
        )
