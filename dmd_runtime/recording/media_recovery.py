"""The ``media.mkv`` that a crash left, made a file that says how long it is and can be searched; nothing is re-encoded.

What the muxer had not finished lacks its length and its index (cues) and may end in the middle of a packet. Its packets
are copied with their times into a new file, which takes the place of the old one only after it was read back. Where
something of the old one could not be copied, the old one is kept beside it as ``media.torn.mkv``.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.packet import Packet

from dmd_runtime.errors import RecordingError
from dmd_runtime.sources.reader import BROKEN, reason

logger = logging.getLogger(__name__)

Progress = Callable[[float], None]

MEDIA: Final = "media.mkv"
_DRAFT: Final = f".{MEDIA}.part"
_SEGMENT, _CUES = bytes.fromhex("18538067"), bytes.fromhex("1c53bb6b")  # element ids, RFC 9559 section 5
_HEADER = 1 << 16  # bytes: the header of ours is shorter
_FRAMING = 64  # bytes: what lies between two packets is not more
_TICK = Fraction(1, 1000)  # s: what the muxer counts in
_FAR = 600.0  # s: a longer leap of both streams is a damaged time, not a pause
_ROOM = 1 << 24  # bytes that shall still be free when the copy is made


@dataclass(frozen=True, kw_only=True)
class MediaContent:
    """What is in a medium: ``frames``, ``samples`` at its own rate, and ``end`` in seconds of session time."""

    frames: int
    samples: int
    end: float


def recover_media(folder: Path, progress: Progress | None = None) -> MediaContent | None:
    """Make ``media.mkv`` whole; None where the folder has none that can be read.

    May be broken off at any moment and called again. What cannot be copied faithfully is left as it was:
    :func:`is_finished` tells. ``progress`` gets the share that is done, 0 to 1.

    Raises
    ------
    RecordingError
        There is no room for the copy; the old file is as it was.
    OSError
        A file cannot be read, written or renamed.
    """
    path, draft = folder / MEDIA, folder / _DRAFT
    draft.unlink(missing_ok=True)  # a copy that was broken off
    source = path if path.exists() else max(folder.glob("media.torn*.mkv"), default=None)
    if source is None:
        return None
    tell = progress or (lambda _: None)
    if is_finished(source):
        return _read(source, tell).content
    size, free = source.stat().st_size, shutil.disk_usage(folder).free
    if free < size + _ROOM:
        raise RecordingError(
            f"{source}: expected room for a copy beside it ({size / 2**20:.0f} MiB), got {free / 2**20:.0f} MiB"
        )
    try:
        old = _copy(source, draft, lambda done: tell(0.7 * done))
        if not old.packets:
            if source == path:
                path.rename(free_name(folder / "media.torn.mkv"))
            return None
        new = _read(draft, lambda done: tell(0.7 + 0.3 * done))
        if new.digests != old.digests:
            logger.warning("%s: expected the %d packets of %s, got others", draft, old.packets, source.name)
            return old.content
        if source == path and not old.is_whole:
            path.rename(free_name(folder / "media.torn.mkv"))
        draft.replace(path)
        return new.content
    finally:
        draft.unlink(missing_ok=True)


@dataclass
class _Tally:
    """What was read of a file and what could not be."""

    packets: int = 0
    frames: int = 0
    samples: int = 0
    end: float = 0.0
    left_out: int = 0
    unread: int = 0  # bytes
    position: int = -1  # in the file, after the last packet
    hashes: dict[int, Any] = field(default_factory=dict)

    @property
    def content(self) -> MediaContent | None:
        return MediaContent(frames=self.frames, samples=self.samples, end=self.end) if self.packets else None

    @property
    def digests(self) -> dict[int, str]:
        return {index: value.hexdigest() for index, value in self.hashes.items()}

    @property
    def is_whole(self) -> bool:
        return not self.left_out and self.unread <= _FRAMING

    def see(self, packet: Packet[Any]) -> None:
        """Take note of what lies between the packet before and this one."""
        start = packet.pos or -1
        if start >= 0:
            room = _FRAMING if self.position >= 0 else _HEADER
            gap = start - max(self.position, 0)
            self.unread += gap if gap > room else 0
            self.position = start + packet.size

    def take(self, packet: Packet[Any], payload: bytes) -> None:
        stream, stamp = packet.stream, packet.pts or 0
        self.packets += 1
        if stream.type == "video":
            self.frames += 1
        else:
            self.samples += packet.size // (2 * stream.codec_context.channels)
        self.end = max(self.end, float((stamp + (packet.duration or 0)) * _TICK))
        digest = self.hashes.setdefault(stream.index, hashlib.blake2b(digest_size=16))
        digest.update(b"%d %d " % (stamp, packet.size))
        digest.update(payload)


def _copy(source: Path, draft: Path, tell: Progress) -> _Tally:
    """Copy all packets that are whole into ``draft``, which is then on the disk."""
    tally = _Tally()
    draft.touch()
    with _opened(source) as container:
        streams = [] if container is None else _streams(container)
        if container is None or not streams:
            return tally
        try:
            with av.open(str(draft), mode="w", format="matroska") as target:
                target.metadata.update({k: v for k, v in container.metadata.items() if k.upper() != "ENCODER"})
                to = {stream.index: target.add_stream_from_template(stream) for stream in streams}
                for packet, payload in _packets(container, streams, tally, source.stat().st_size, tell):
                    tally.take(packet, payload)
                    packet.stream = to[packet.stream.index]
                    target.mux(packet)
        except BROKEN as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise RecordingError(f"{draft}: cannot be written: {reason(error)}") from None
            logger.warning("%s: cannot be copied: %s", source, reason(error))
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    return tally


def _read(path: Path, tell: Progress) -> _Tally:
    tally = _Tally()
    with _opened(path) as container:
        if container is not None:
            for packet, payload in _packets(container, _streams(container), tally, path.stat().st_size, tell):
                tally.take(packet, payload)
    return tally


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer | None]:
    """The file as Matroska, None where it is none."""
    try:
        container = av.open(str(path), mode="r", format="matroska", metadata_errors="replace")
    except BROKEN as error:
        logger.warning("%s: expected a Matroska file, got %s", path, reason(error))
        yield None
        return
    with container:
        yield container


def _streams(container: InputContainer) -> list[Any]:
    """Those that the recorder writes; a damaged header can say anything."""
    return [stream for stream in container.streams if stream.time_base == _TICK and _is_ours(stream.codec_context)]


def _is_ours(context: Any) -> bool:
    if context is None:
        return False
    if context.name == "h264":
        return bool(context.width > 0 and context.height > 0)
    return bool(context.name == "pcm_s16le" and context.channels > 0 and context.sample_rate > 0)


def _packets(
    container: InputContainer, streams: list[Any], tally: _Tally, size: int, tell: Progress
) -> Iterator[tuple[Packet[Any], bytes]]:
    """Whole packets at times that never fall, with their bytes; what else there is goes into ``tally``."""
    last: dict[int, int] = {}
    latest = 0.0
    demuxed = container.demux(*streams) if streams else iter(())
    while True:
        try:
            packet = next(demuxed, None)
        except BROKEN as error:
            logger.warning("%s: reading ends early: %s", container.name, reason(error))
            break
        if packet is None:
            break
        if not packet.size:
            continue
        tally.see(packet)
        tell(min(1.0, max(0, tally.position) / max(1, size)))
        payload = bytes(packet)
        index, stamp, base = packet.stream.index, packet.pts, packet.time_base
        if (
            stamp is None
            or base is None
            or packet.is_corrupt
            or (packet.stream.type == "video" and not payload[-1])  # no H.264 unit ends in a zero (7.4.1)
            or stamp < last.get(index, 0)
            or float(stamp * base) > latest + _FAR
        ):
            tally.left_out += 1
            continue
        last[index], latest = stamp, max(latest, float(stamp * base))
        packet.dts = stamp  # the recorder does not reorder
        yield packet, payload
    tally.unread += _unread_tail(Path(container.name), tally.position, size)


def _unread_tail(path: Path, position: int, size: int) -> int:
    """Bytes after ``position`` that are something: neither an index nor the zeros that a power cut leaves."""
    if not 0 <= position < size:
        return 0 if position >= size else size
    with path.open("rb") as file:
        file.seek(position)
        tail = file.read(_HEADER)
        if _CUES in tail[:_FRAMING]:
            return 0
        while tail and not tail.strip(b"\0"):
            tail = file.read(_HEADER)
        return len(tail.strip(b"\0")) + size - file.tell()


def is_finished(path: Path) -> bool:
    """Whether the muxer closed the file: only then does the segment say how long it is."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(_SEGMENT)
    length = int.from_bytes(head[at + 5 : at + 12])
    return at >= 0 and head[at + 4 : at + 5] == b"\x01" and at + 12 + length == path.stat().st_size


def free_name(path: Path) -> Path:
    """``path``, or where that is taken ``…_02``, ``…_03`` before its suffixes."""
    stem, dot, suffixes = path.name.partition(".")
    number, name = 1, path
    while name.exists():
        number += 1
        name = path.with_name(f"{stem}{dot}{suffixes.replace('torn', f'torn_{number:02d}', 1)}")
    return name
