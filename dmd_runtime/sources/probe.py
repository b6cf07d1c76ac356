"""Opening a media file: is it one, what is in it, and does it decode? Every answer comes before anything is played."""

from __future__ import annotations

import hashlib
import math
import stat
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

from dmd_runtime.errors import SourceError
from dmd_runtime.sources.reader import (
    BROKEN,
    LARGEST_AREA,
    LARGEST_SIDE,
    Kind,
    NotMediaError,
    StreamReader,
    fits,
    reason,
    text,
)

RATES_HZ = (2_000, 768_000)
MOST_CHANNELS = 64
_HASH_CHUNK = 1 << 20
_DECADE = 10 * 365 * 86_400.0  # s

# Only containers that state what is in them. Raw samples (any bytes pass as such), pictures, text art and playlists
# (which make FFmpeg open other files or addresses, and wait for them) are refused before their reader starts.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,obu,ivf,flv,asf,ogg,wav,w64,aiff,au,"
    "caf,flac,mp3,aac,loas,ac3,eac3,amr,dv,mxf,nut,rm,wv,ape,tta,yuv4mpegpipe"
)
_EXPECTED = "expected a media file with pictures or sound (MP4, MOV, MKV, WebM, AVI, WAV, FLAC, MP3, ...), got "
_CUT_MP4 = "an MP4/MOV file without a usable index (its 'moov' part): cut off or damaged"
_CUT = "a media file that is cut off or damaged at its start"
_MAGIC = (  # offset, bytes, what they tell of a file that no demuxer takes
    (0, b"\xff\xd8\xff", "a still picture (JPEG)"),
    (0, b"\x89PNG", "a still picture (PNG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (0, b"BM", "a still picture (BMP)"),
    (0, b"II*\0", "a still picture (TIFF)"),
    (0, b"MM\0*", "a still picture (TIFF)"),
    (8, b"WEBP", "a picture (WebP)"),
    (0, b"#EXTM3U", "a playlist: give the media file itself"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"%PDF", "a PDF document"),
    *((4, kind, _CUT_MP4) for kind in (b"ftyp", b"mdat", b"wide", b"free", b"moov")),
    *((0, kind, _CUT) for kind in (b"RIFF", b"OggS", b"fLaC", b"FORM", b"\x1a\x45\xdf\xa3")),
)


@dataclass(frozen=True, kw_only=True)
class Media:
    """An opened media file.

    ``origin`` is session time 0 in the file's own count: the earliest first frame of the chosen streams. ``duration``
    in seconds is None if unknown. ``ignored`` says in words what the file holds and is not played, and why.
    """

    format: str
    tags: dict[str, str]
    video: StreamReader | None
    audio: StreamReader | None
    origin: Fraction
    duration: float | None
    ignored: tuple[str, ...]
    sha256: str | None
    size: int

    def close(self) -> None:
        """Close all demuxers; idempotent."""
        for reader in (self.video, self.audio):
            if reader is not None:
                reader.close()


def open_media(name: Path | str, *, threads: int = 1, with_hash: bool = True) -> Media:
    """Open the file ``name``, choose the best stream of each kind, and prove that it decodes.

    Raises
    ------
    SourceError
        One line: the file, what was expected, what came.
    """
    path = Path(name)
    try:
        _check_file(path)
        with _demuxer(path) as container:
            chosen, ignored = _choose(container)
            readers: dict[Kind, StreamReader] = {}
            for kind, index in chosen.items():
                own = _demuxer(path)
                try:
                    readers[kind] = StreamReader(own, index, kind, threads)
                except (NotMediaError, *BROKEN) as error:
                    own.close()
                    ignored.append(str(error) if isinstance(error, NotMediaError) else f"{kind}: {reason(error)}")
            if not readers:
                raise NotMediaError("nothing that can be played: " + ("; ".join(ignored) or "no streams"))
            origin = min((s for s in map(_start, readers.values()) if s is not None), default=Fraction(0))
            return Media(
                format=container.format.name,
                tags={text(key).upper(): text(value) for key, value in container.metadata.items()},
                video=readers.get("video"),
                audio=readers.get("audio"),
                origin=origin,
                duration=_duration(container, list(readers.values()), origin),
                ignored=tuple(ignored),
                sha256=_digest(path) if with_hash else None,
                size=path.stat().st_size,
            )
    except NotMediaError as error:
        raise SourceError(f"{text(str(name))}: {_EXPECTED}{error}") from error


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise NotMediaError("a directory")
        if not stat.S_ISREG(status.st_mode):
            raise NotMediaError("a pipe, socket or device")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise NotMediaError("no such file" if isinstance(error, FileNotFoundError) else reason(error)) from None
    if status.st_size == 0:
        raise NotMediaError("an empty file (0 bytes)")


def _demuxer(path: Path) -> InputContainer:
    """Open the container. It may read this one file and no other file or address."""
    only = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(
            str(path.resolve()),
            mode="r",
            container_options=only,
            options={"max_pixels": str(LARGEST_AREA)},
            metadata_errors="replace",
        )
    except BROKEN as error:
        raise NotMediaError(_what_is(path)) from error


def _what_is(path: Path) -> str:
    """In words, what a file is that no demuxer takes."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as unreadable:
        return reason(unreadable)
    for offset, magic, what in _MAGIC:
        if head[offset:].startswith(magic):
            return what
    if b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-4]:
        return "a text file"
    return "data of a kind that is not known or not supported"


def _choose(container: InputContainer) -> tuple[dict[Kind, int], list[str]]:
    """Index of the best stream of each kind (the default one, then the largest), and what is left out."""
    ignored: list[str] = []
    best: dict[Kind, tuple[tuple[bool, int, int], int]] = {}
    for stream in container.streams:
        kind = stream.type
        why = _unfit(stream)
        if why or (kind != "video" and kind != "audio"):  # noqa: PLR1714  # mypy narrows this form only
            ignored.append(f"stream {stream.index}: {why}")
            continue
        context = stream.codec_context
        size = context.width * context.height if kind == "video" else 0  # type: ignore[attr-defined]
        rank = ((bool(stream.disposition & Disposition.default), size, -stream.index), stream.index)
        if kind in best:
            ignored.append(f"stream {min(rank, best[kind])[1]}: another {kind} stream")
        best[kind] = max(rank, best.get(kind, rank))
    return {kind: index for kind, (_, index) in best.items()}, ignored


def _unfit(stream: Stream) -> str:
    """Why a stream cannot be played, in words; empty where it can."""
    context: Any = stream.codec_context
    if stream.type not in ("video", "audio") or context is None:
        return stream.type if context is not None else f"{stream.type} without a decoder"
    if stream.type == "audio":
        rate, channels = context.sample_rate, context.channels
        fit = RATES_HZ[0] <= rate <= RATES_HZ[1] and 1 <= channels <= MOST_CHANNELS
        return "" if fit else f"{context.name} sound of {channels} channels at {rate} Hz"
    if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image):
        return "cover art or a still picture"
    if not fits(context.width, context.height):
        most = f"between 1 and {LARGEST_SIDE} a side and at most {LARGEST_AREA} in all"
        return f"pictures of {context.width} x {context.height} pixels where {most} are taken"
    return ""


def _start(reader: StreamReader) -> Fraction | None:
    """Media time of the first frame, in seconds of the file's own count."""
    first, stream = reader.first, reader.stream
    if first.pts is not None and first.time_base is not None:
        return Fraction(first.pts * first.time_base)
    if stream.start_time is not None and stream.time_base is not None:
        return Fraction(stream.start_time * stream.time_base)
    return None


def _duration(container: InputContainer, readers: list[StreamReader], origin: Fraction) -> float | None:
    ends: list[float] = []
    for reader in readers:
        stream, start = reader.stream, _start(reader)
        if stream.duration and stream.time_base is not None:
            ends.append(float(stream.duration * stream.time_base + ((start or origin) - origin)))
    if len(ends) < len(readers) and container.duration:
        # Matroska counts its duration from the zero of its stamps, the others from their first stamp.
        before = float(origin) if "matroska" in container.format.name else 0.0
        ends.append(container.duration / av.time_base - max(0.0, before))
    longest = max(ends, default=math.nan)
    return longest if 0.0 < longest < _DECADE else None


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_HASH_CHUNK):
                sha.update(chunk)
    except OSError as error:
        raise NotMediaError(f"a file that cannot be read to its end ({reason(error)})") from None
    return sha.hexdigest()
