"""The pictures of a medium at any time, exactly: by the times that were recorded, whatever the rate.

:class:`MediaTimeline` is made by one look at the packets, without decoding; :class:`FrameReader` decodes from the key
picture before what is asked for. Sound is in :mod:`dmd_runtime.recording.playback_sound`. Nothing here knows Qt.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame as RawFrame

from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float64, VideoFrame, freeze
from dmd_runtime.recording.reader import RecordedSession
from dmd_runtime.sources.probe import Media, open_media
from dmd_runtime.sources.reader import BROKEN, StreamReader
from dmd_runtime.sources.tracks import VideoTrack

logger = logging.getLogger(__name__)

KEPT_BYTES: Final = 64 << 20
"""What decoded pictures may hold; some 140 of 640 x 480, so that going back over a few seconds costs nothing."""
_SAME = 1e-6  # s: times nearer than this are one
_NEAR = 8  # pictures: rather decoded on the way than leapt over
_FURTHER_BACK = 4  # key pictures to go back where one does not decode

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A media file and where session time 0 lies in its own count (seconds); None: at its first picture or sample."""

    path: Path
    origin: Fraction | None = None


def medium_of(session: RecordedSession) -> Medium | None:
    """The medium of a session, if it is still there.

    The recorder stamps with session time itself; any other file begins where its first picture or sample lies.
    """
    path = session.media
    if path is None:
        return None
    source = session.manifest.get("source")
    live = isinstance(source, dict) and source.get("kind") != "file"
    own = path.parent == session.folder and path.suffix == ".mkv" and (live or "recorded" in session.manifest)
    return Medium(path=path, origin=Fraction(0) if own else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class MediaTimeline:
    """Where every picture of a medium lies, made by :func:`media_timeline`.

    Attributes
    ----------
    medium : Medium
        With its origin known.
    times : float64 (n,)
        Session time of each picture in seconds, rising; n = 0 where there are none.
    stamps : int64 (n,)
        The same in the stream's own count.
    keys : int64 (k,)
        Numbers of the pictures that need none before them.
    has_sound : bool
    end : float
        Seconds: when the last picture or sample is over.
    """

    medium: Medium
    times: Float64
    stamps: Int64
    keys: Int64
    has_sound: bool
    end: float

    def __len__(self) -> int:
        return len(self.times)

    def index(self, t: float) -> int:
        """Number of the picture that is on screen at ``t``; before the first it is the first. -1 without pictures."""
        if not len(self.times):
            return -1
        return max(0, int(np.searchsorted(self.times, t + _SAME, side="right")) - 1)


def media_timeline(medium: Medium) -> MediaTimeline:
    """Look at the packets of a medium, without decoding; about 3 µs a picture. The last few are remembered.

    Raises
    ------
    SourceError
        It is no medium that can be played.
    """
    try:
        status = medium.path.stat()
    except OSError as error:
        raise SourceError(f"{medium.path}: expected a media file, got {error.strerror or error}") from None
    return _timeline(medium, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _timeline(medium: Medium, size: int, changed: int) -> MediaTimeline:  # noqa: ARG001 - a changed file is another
    media = open_media(medium.path, with_hash=False)
    try:
        origin = media.origin if medium.origin is None else medium.origin
        video, audio = media.video, media.audio
        stamps, keys, ends = np.empty(0, np.int64), np.empty(0, np.int64), [0.0]
        times: Float64 = np.empty(0)
        if video is not None:
            stamps, is_key = _scan(video.stream)
            base = video.stream.time_base or Fraction(1)
            times = np.asarray(stamps * float(base) - float(origin), dtype=np.float64)
            keys = np.flatnonzero(is_key)
            if len(keys) == 0 or keys[0] != 0:
                keys = np.concatenate(([0], keys))
            if len(times):
                ends.append(float(times[-1] + (np.median(np.diff(times[-50:])) if len(times) > 1 else 0.04)))
        if media.duration is not None:
            ends.append(media.duration + float(media.origin - origin))
        elif audio is not None:  # a recording that was cut off says no length
            sound, _ = _scan(audio.stream)
            ends.append(float(sound[-1] * (audio.stream.time_base or 1) - origin) if len(sound) else 0.0)
        return MediaTimeline(
            medium=Medium(path=medium.path, origin=origin),
            times=freeze(times),
            stamps=freeze(stamps),
            keys=freeze(keys.astype(np.int64)),
            has_sound=audio is not None,
            end=max(ends),
        )
    finally:
        media.close()


def _scan(stream: Stream) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """Stamps (n,) of a stream's packets in rising order, and whether each is a key; other streams are discarded."""
    container = cast("InputContainer", stream.container)
    stamps: list[int] = []
    keys: list[bool] = []
    container.seek(0)
    try:
        for packet in container.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.size and not packet.is_discard:
                stamps.append(stamp)
                keys.append(packet.is_keyframe)
    except BROKEN as error:
        logger.info("%s: read up to picture %d: %s", container.name, len(stamps), error)
    found, first = np.unique(np.array(stamps, dtype=np.int64), return_index=True)
    return found, np.array(keys, dtype=np.bool_)[first]


class FrameReader:
    """Pictures of a medium by number or time. For one thread.

    Decodes forward where that leads there, else from the key picture before; what was decoded is kept for a while, so
    that single steps back and scrubbing to and fro cost little.

    Parameters
    ----------
    medium : Medium
    max_side : int
        Larger pictures are scaled down to this longest side, in pixels.
    kept_bytes : int
        Bound of what decoded pictures hold.
    threads : int
        Of the decoder.

    Attributes
    ----------
    first : VideoFrame
        The first picture, there before anything was searched.
    seeks : int
        How often a key picture was gone back or forward to.

    Raises
    ------
    SourceError
        There is nothing that can be played, or there are no pictures.
    """

    def __init__(self, medium: Medium, *, max_side: int = 1280, kept_bytes: int = KEPT_BYTES, threads: int = 1) -> None:
        self._media: Media = open_media(medium.path, threads=threads, with_hash=False)
        video = self._media.video
        if video is None:
            self._media.close()
            raise SourceError(f"{medium.path}: expected a medium with pictures, got one with sound only")
        self._origin = self._media.origin if medium.origin is None else medium.origin
        self._medium = medium
        self._stream: Any = video.stream
        self._track = VideoTrack(video, self._origin, max_side, 0.0)
        self._timeline: MediaTimeline | None = None
        self._kept: OrderedDict[int, RawFrame] = OrderedDict()
        self._kept_bytes = 0
        self._most = kept_bytes
        self._frames: Iterator[RawFrame] = iter(())
        self._next: int | None = None
        """Number of the picture that decoding on would give; None: not known, a seek comes first."""
        self.seeks = 0
        self.first = self._first(video)

    @property
    def timeline(self) -> MediaTimeline:
        """Found when first asked for."""
        if self._timeline is None:
            self._timeline = media_timeline(self._medium)
        return self._timeline

    def at(self, t: float) -> VideoFrame:
        """The picture that is on screen at ``t`` s of session time."""
        return self.frame(self.timeline.index(t))

    def frame(self, number: int) -> VideoFrame:
        """Picture ``number``, from 0; one that cannot be decoded is the one before, as a player would leave it.

        Raises
        ------
        SourceError
            Nothing near it can be decoded.
        IndexError
            There is no such picture.
        """
        if not 0 <= number < len(self.timeline):
            raise IndexError(f"expected a picture from 0 to {len(self.timeline) - 1}, got {number}")
        found = self._find(number)
        if found is None:
            raise SourceError(
                f"{self._medium.path}: expected a picture at {self.timeline.times[number]:.3f} s, got none"
            )
        there, raw = found
        try:
            image = self._track._picture(raw)
        except BROKEN as error:
            raise SourceError(f"{self._medium.path}: picture {there} cannot be shown: {error}") from None
        return VideoFrame(seq=there, t=float(self.timeline.times[there]), image=image)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._kept.clear()
        self._frames = iter(())
        self._media.close()

    # ------------------------------------------------------------- decoding

    def _first(self, video: StreamReader) -> VideoFrame:
        raw: Any = video.first
        stamp = raw.pts if raw.pts is not None else 0
        t = float(stamp * (raw.time_base or self._stream.time_base) - self._origin)
        return VideoFrame(seq=0, t=t, image=self._track._picture(raw))

    def _find(self, number: int) -> tuple[int, RawFrame] | None:
        kept = self._kept.get(number)
        if kept is not None:
            self._kept.move_to_end(number)
            return number, kept
        keys = self.timeline.keys
        key = int(np.searchsorted(keys, number, side="right")) - 1
        if self._next is None or number < self._next or keys[key] > self._next + _NEAR:
            self._seek(int(keys[key]))
        best: tuple[int, RawFrame] | None = None
        for back in range(1, _FURTHER_BACK + 1):
            for there, raw in self._on():
                if there > number and best is None:
                    break  # it begins too late: what lies between needs an earlier key
                if there <= number or best is None:
                    best = there, raw
                if there >= number:
                    return best
            if best is not None or key - back < 0:
                break
            self._seek(int(keys[key - back]))
        return best or next(((n, self._kept[n]) for n in reversed(self._kept)), None)

    def _seek(self, key: int) -> None:
        self.seeks += 1
        container = self._stream.container
        try:
            container.seek(int(self.timeline.stamps[key]), stream=self._stream, backward=True)
        except BROKEN:
            container.seek(0)
        self._frames = self._decoded()
        self._next = None

    def _on(self) -> Iterator[tuple[int, RawFrame]]:
        """Decode on; pictures that the timeline does not have are passed over."""
        stamps = self.timeline.stamps
        for raw in self._frames:
            stamp = raw.pts if raw.pts is not None else raw.dts
            if stamp is None:
                continue
            number = int(np.searchsorted(stamps, stamp))
            if number < len(stamps) and stamps[number] == stamp:
                self._next = number + 1
                self._keep(number, raw)
                yield number, raw
        self._next = None

    def _decoded(self) -> Iterator[RawFrame]:
        packets = self._stream.container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except BROKEN:
                return
            if packet is None:
                return
            if packet.size == 0 and packet.dts is not None:
                continue  # an empty packet within the stream would end decoding; the last one has the rest out
            try:
                frames = packet.decode()
            except BROKEN:
                continue
            yield from frames

    def _keep(self, number: int, raw: RawFrame) -> None:
        if number in self._kept:
            self._kept.move_to_end(number)
            return
        self._kept[number] = raw
        self._kept_bytes += _bytes(raw)
        while self._kept_bytes > self._most and len(self._kept) > 2:
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= _bytes(old)


def _bytes(raw: RawFrame) -> int:
    return sum(plane.buffer_size for plane in raw.planes)
