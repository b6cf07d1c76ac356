"""The pictures of a medium at any time, exactly: by the times that were recorded, whatever the rate.

:class:`FrameReader` decodes from the key picture before what is asked for; where pictures lie is found in
:mod:`dmd_runtime.recording.playback_timeline`, sound is in :mod:`dmd_runtime.recording.playback_sound`. Nothing here
knows Qt.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, cast

import numpy as np
from av.video.frame import VideoFrame as RawFrame

from dmd_runtime.errors import SourceError
from dmd_runtime.messages import VideoFrame
from dmd_runtime.recording.playback_timeline import SAME, MediaTimeline, Medium, media_timeline, medium_of
from dmd_runtime.sources.probe import Media, open_media
from dmd_runtime.sources.reader import BROKEN, StreamReader, decoded
from dmd_runtime.sources.tracks import VideoTrack

__all__ = ["FrameReader", "MediaTimeline", "Medium", "media_timeline", "medium_of"]

logger = logging.getLogger(__name__)

KEPT_BYTES: Final = 64 << 20
"""What decoded pictures may hold; some 140 of 640 x 480, so that going back over a few seconds costs nothing."""
_NEAR = 8  # pictures: rather decoded on the way than leapt over
_FURTHER_BACK = 4  # key pictures to go back where one does not decode


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

    def frame(self, number: int, hurry: Callable[[], bool] = lambda: False) -> VideoFrame:
        """Picture ``number``, from 0; one that cannot be decoded is the one before, as a player would leave it.

        ``hurry`` is asked after each picture on the way from the key picture; True takes the one that was reached, for
        somebody who has gone on to elsewhere. Its number and time are its own.

        Raises
        ------
        SourceError
            Nothing near it can be decoded.
        IndexError
            There is no such picture.
        """
        if not 0 <= number < len(self.timeline):
            raise IndexError(f"expected a picture from 0 to {len(self.timeline) - 1}, got {number}")
        found = self._find(number, hurry)
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

    def glimpse(self, t: float) -> VideoFrame:
        """The picture at ``t`` before the timeline is known: exact too, but its number is not known, and -1.

        Raises
        ------
        SourceError
            Nothing near it can be decoded.
        """
        wanted = int((Fraction(t) + self._origin + Fraction(SAME)) / self._stream.time_base)
        self._go_to(wanted)
        best: RawFrame | None = None
        for raw in self._frames:
            if raw.pts is not None and (best is None or raw.pts <= wanted):
                best = raw
            if raw.pts is not None and raw.pts >= wanted:
                break
        if best is None or best.pts is None:
            raise SourceError(f"{self._medium.path}: expected a picture at {t:.3f} s, got none")
        at = float(best.pts * self._stream.time_base - self._origin)
        return VideoFrame(seq=-1, t=at, image=self._track._picture(best))

    def use(self, timeline: MediaTimeline) -> None:
        """Use a timeline that was found elsewhere."""
        self._timeline = timeline

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

    def _find(self, number: int, hurry: Callable[[], bool]) -> tuple[int, RawFrame] | None:
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
                if there >= number or hurry():
                    return best
            if best is not None or key - back < 0:
                break
            self._seek(int(keys[key - back]))
        return best or next(((n, self._kept[n]) for n in reversed(self._kept)), None)

    def _seek(self, key: int) -> None:
        self._go_to(int(self.timeline.stamps[key]))

    def _go_to(self, stamp: int) -> None:
        self.seeks += 1
        container = self._stream.container
        try:
            container.seek(stamp, stream=self._stream, backward=True)
        except BROKEN:
            container.seek(0)
        self._frames = cast("Iterator[RawFrame]", decoded(self._stream))
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
