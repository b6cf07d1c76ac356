"""One stream of a media file: its frames as they decode, and its time stamps made trustworthy.

Each chosen stream is read through a demuxer of its own (:class:`StreamReader`). So pictures and sound can be taken in
exact time order with a frame or two of memory, however badly a file is interleaved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from threading import Event
from typing import Any, Literal, cast

import av
import av.error
import av.logging
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.frame import VideoFrame

av.logging.set_level(None)  # FFmpeg's own chatter on standard error; what matters comes as exceptions

Kind = Literal["video", "audio"]
Frame = VideoFrame | AudioFrame
BROKEN = (av.error.FFmpegError, ValueError, OSError, EOFError, MemoryError)
"""What PyAV raises over a damaged or refused medium."""


LARGEST_SIDE = 16_384
LARGEST_AREA = 1 << 26  # pixels: twice 8K; beyond that a header lies, or nobody has the memory
_BACK = 1.0  # s: stamps that fall further back have been restarted
_VIDEO_TRIAL = 600  # packets: the longest wait for a key picture in what was cut from a longer stream
_AUDIO_TRIAL = 16  # packets, of which half must decode: noise now and then looks like one packet of MP3 or AAC


class NotMediaError(Exception):
    """The rest of the sentence "expected a media file, got …"; becomes a :class:`SourceError`."""


class StreamReader:
    """Decoded frames of one stream, read through a demuxer of its own.

    The constructor decodes a little and keeps it, so that a stream that cannot be decoded is known beforehand.

    Attributes
    ----------
    stream : Stream
    first : av frame
        The first frame that decodes.
    undecodable : int
        Packets so far whose content could not be decoded.
    leapt : int
        Frames that were passed over because of :meth:`leap`.
    broken_off : str
        Why reading the file ended before its end; empty where it did not.

    Raises
    ------
    NotMediaError
        Nothing of the stream can be decoded.
    """

    def __init__(self, container: InputContainer, index: int, kind: Kind, threads: int) -> None:
        self.stream: Stream = container.streams[index]
        self.undecodable = 0
        self.leapt = 0
        self.broken_off = ""
        self._leaping = False
        self._container = container
        self._kind = kind
        self._packets = 0
        self._halt = Event()
        for other in container.streams:
            other.discard = Discard.default if other.index == index else Discard.all
        context = self.stream.codec_context
        context.options = {"max_pixels": str(LARGEST_AREA)}
        context.thread_count = threads
        context.thread_type = "SLICE" if threads == 1 else "AUTO"
        self._frames = self._decoded()
        self._kept = self._try()

    @property
    def first(self) -> Frame:
        """The first frame, kept until it is read."""
        return self._kept[0]

    def frames(self, stop: Event) -> Iterator[Frame]:
        """All frames from the first, in the decoder's order; once only. Ends early when ``stop`` is set."""
        self._halt = stop
        kept, self._kept = self._kept, []
        yield from kept
        yield from self._frames

    def leap(self) -> None:
        """Go on at the next packet that needs none before it; what lies between is not decoded."""
        if not self._leaping:
            self._leaping = True
            context: Any = self.stream.codec_context
            with suppress(*BROKEN):
                self.leapt += len(context.decode(None))  # what the decoder held
            context.flush_buffers()

    def close(self) -> None:
        """Close the demuxer; idempotent."""
        self._container.close()

    def _try(self) -> list[Frame]:
        kept = list(islice(self._frames, 1))
        while kept and self._kind == "audio" and self._packets < _AUDIO_TRIAL:
            more = next(self._frames, None)
            if more is None:
                break
            kept.append(more)
        if not kept or (self._kind == "audio" and 2 * self.undecodable > self._packets):
            found = f"{self._packets} packets, {self.undecodable} of them undecodable" if self._packets else "no data"
            raise NotMediaError(f"{self._kind} ({self.stream.codec_context.name}): {found}")
        return kept

    def _decoded(self) -> Iterator[Frame]:
        limit = _VIDEO_TRIAL if self._kind == "video" else _AUDIO_TRIAL
        any_yet = False
        demuxed = self._container.demux(self.stream)
        while not self._halt.is_set():
            try:
                packet = next(demuxed, None)
            except BROKEN as error:
                self.broken_off = reason(error)
                packet = None
            at_end = packet is None
            if packet is None:
                packet = self._flush()
            elif packet.size == 0:
                continue  # an empty packet would end decoding
            elif self._leaping and not packet.is_keyframe:
                self.leapt += 1
                continue
            else:
                self._leaping = False
                self._packets += 1
            try:
                frames = cast("list[Frame]", packet.decode())  # the stream is one of pictures or sound
            except BROKEN:
                self.undecodable += not at_end
                frames = []
            yield from frames
            any_yet = any_yet or bool(frames)
            if at_end or (not any_yet and self._packets >= limit):
                return

    def _flush(self) -> Packet[Stream]:
        """Make the empty packet that has the decoder give what it still holds (with the stream's time base)."""
        packet: Packet[Stream] = Packet()
        packet.stream = self.stream
        packet.time_base = self.stream.time_base or Fraction(1, av.time_base)
        return packet


def decoded(stream: Stream) -> Iterator[Frame]:
    """Frames from where the stream's container stands, to its end or to where it cannot be read any more.

    Packets that cannot be decoded are passed over; nothing is counted (:class:`StreamReader` counts).
    """
    packets = cast(InputContainer, stream.container).demux(stream)
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
        yield from cast("list[Frame]", frames)


class Stamps:
    """Time stamps of one stream made trustworthy: broken ones are counted and bridged by what is expected."""

    def __init__(self, origin: Fraction, far: float) -> None:
        self.repaired = 0
        self._shift = -origin  # from the file's count to session time
        self._far = far
        self._last: Fraction | None = None  # the last stamp as the file has it

    def peek(self, frame: Any) -> Fraction | None:
        """Session time of a frame as stamped, None where it has no stamp."""
        return None if frame.pts is None or not frame.time_base else frame.pts * frame.time_base + self._shift

    def read(self, frame: Any, expected: Fraction | None) -> Fraction | None:
        """Session time of the next frame, or None where ``expected`` must do."""
        stamp = self.peek(frame)
        if stamp is None:
            self.repaired += 1
            return None
        raw = stamp - self._shift
        last, self._last = self._last, raw
        if expected is None or last is None:
            return max(stamp, Fraction(0))
        if not -_BACK <= stamp - expected <= self._far:  # counting was restarted, or the stamp is nonsense
            self._shift += expected - stamp
            self.repaired += 1
            return None
        if raw <= last:
            self.repaired += 1
            return None
        return stamp


def text(raw: str) -> str:
    """``raw`` as one printable line that any UTF-8 file or terminal takes (file names may hold anything)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in raw)


def reason(error: BaseException) -> str:
    """Say in one line why ``error`` came."""
    return text(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def fits(width: int, height: int) -> bool:
    """Whether pictures of this size are taken."""
    return 0 < min(width, height) <= max(width, height) <= LARGEST_SIDE and width * height <= LARGEST_AREA
