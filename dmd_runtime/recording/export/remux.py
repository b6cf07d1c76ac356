"""The medium of a session as an MP4 file: pictures copied where that can be, sound as AAC, times as recorded."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any, Final

from av.packet import Packet
from av.stream import Stream

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import ExportOptions, OnShare
from dmd_runtime.recording.export.film import LOOKING, TICKS, Pictures, Steps, film_name, new_film, timeline_of
from dmd_runtime.recording.export.masking import face_blur
from dmd_runtime.recording.playback import MediaTimeline
from dmd_runtime.recording.reader import RecordedSession
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import LARGEST_SIDE, StreamReader

logger = logging.getLogger(__name__)

_HELD: Final = frozenset({"h264", "hevc", "av1", "mpeg4"})
"""Codecs that go into MP4 as they are, from containers whose stamps can be trusted."""
_TRUSTED: Final = ("matroska", "mov")


class _CannotCopyError(Exception):
    """The packets are not fit for MP4; the pictures are encoded instead."""


def write_mp4(  # noqa: PLR0917
    session: RecordedSession,
    annotations: Annotations,  # noqa: ARG001 - every format is given them
    folder: Path,
    options: ExportOptions,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write the medium as ``film.mp4`` into ``folder``.

    Pictures are copied bit by bit unless faces are to be blurred or MP4 cannot hold them; every picture keeps its
    recorded time. Sound becomes AAC, mono as it was analysed, and silence where it was lost.

    Parameters
    ----------
    progress : callable, optional
        Told the share that is done.
    cancel : Event, optional
        Stops it; nothing is left.

    Raises
    ------
    RecordingError
        There is no medium (any more), or the film cannot be written.
    SourceError
        The medium cannot be played.
    ExportCancelledError
        It was stopped.
    """
    timeline = timeline_of(session)
    medium = timeline.medium
    path = folder / film_name("film", options)
    if not options.blur_faces:
        try:
            _copy(session, timeline, path, options, Steps(path, timeline.end, progress, cancel))
            return (path,)
        except _CannotCopyError as why:
            logger.info("%s: pictures are encoded anew: %s", medium.path, why)
    _encode(session, timeline, path, options, progress=progress, cancel=cancel)
    return (path,)


def _copy(session: RecordedSession, timeline: MediaTimeline, path: Path, options: ExportOptions, steps: Steps) -> None:
    media = open_media(timeline.medium.path, with_hash=False)
    try:
        with new_film(path, session) as film:
            if media.video is not None:
                if not _fits(media.format, media.video):
                    raise _CannotCopyError(f"{media.video.stream.codec_context.name} in {media.format}")
                film.add_copied(media.video.stream)
            if timeline.has_sound:
                film.add_sound(timeline.medium, timeline.end, masked=options.mask_voice)
            origin, last = timeline.medium.origin or Fraction(0), None
            for packet, base in _packets(media.video):
                if packet.pts is None or packet.dts is None or packet.is_discard or (last and packet.dts <= last):
                    raise _CannotCopyError("stamps that MP4 cannot have")
                last = packet.dts
                t = packet.pts * base - origin
                film.copy(packet, t, (packet.pts - packet.dts) * base, (packet.duration or 0) * base)
                steps.at(float(t))
            film.finish(encoded=False)
            steps.at(timeline.end)
    finally:
        media.close()


def _fits(container: str, video: StreamReader) -> bool:
    return video.stream.codec_context.name in _HELD and any(name in container for name in _TRUSTED)


def _packets(video: StreamReader | None) -> Iterator[tuple[Packet[Stream], Fraction]]:
    """All packets of a stream from its beginning, with what their stamps count in."""
    if video is None:
        return
    container: Any = video.stream.container
    container.seek(0)
    for packet in container.demux(video.stream):
        if packet.size:
            yield packet, packet.time_base or video.stream.time_base or TICKS


def _encode(
    session: RecordedSession,
    timeline: MediaTimeline,
    path: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None,
    cancel: Event | None,
) -> None:
    """Decode and encode the pictures, with faces blurred where that is asked for."""
    looking = LOOKING if options.blur_faces else 0.0
    before = Steps(path, timeline.end, progress, cancel, part=(0.0, looking))
    steps = Steps(path, timeline.end, progress, cancel, part=(looking, 1.0))
    with (
        face_blur(session, timeline, before, wanted=options.blur_faces) as blur,
        closing(Pictures(timeline.medium, LARGEST_SIDE)) as pictures,
        new_film(path, session) as film,
    ):
        width, height = pictures.size
        film.add_pictures(width & ~1, height & ~1, preset="veryfast", crf=20)
        if timeline.has_sound:
            film.add_sound(timeline.medium, timeline.end, masked=options.mask_voice)
        for frame in pictures:
            film.show(blur(frame.image, frame.t), frame.t)
            steps.at(frame.t)
        film.finish(encoded=True)
        steps.at(timeline.end)
