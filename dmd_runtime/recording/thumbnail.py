"""A small picture of a session: from about a third of its medium, at a moment with a face in view if there is one."""

from __future__ import annotations

import hashlib
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from dmd_runtime.errors import DMDError, RecordingError
from dmd_runtime.messages import Float32, UInt8
from dmd_runtime.recording.lock import is_held
from dmd_runtime.recording.playback import medium_of
from dmd_runtime.recording.reader import RecordedSession, open_session
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import BROKEN
from dmd_runtime.sources.tracks import VideoTrack
from dmd_runtime.whole_file import whole_file

logger = logging.getLogger(__name__)

SIZE: Final = (480, 270)
"""Width and height in pixels; twice what a list shows, for fine screens."""
_WHERE = 1 / 3  # of the length
_MAX_SIDE = 960  # px: enough to cut SIZE out of a tall picture
_DECODED = 300  # pictures at most from a key picture on: what lies further is not worth it


def thumbnail(folder: Path, cache: Path, key: str) -> Path | None:
    """The picture of the session in ``folder``, made into ``cache`` if it is not there yet, never into the session.

    Parameters
    ----------
    folder : Path
    cache : Path
    key : str
        The session's name among the others; older pictures of it are removed.

    Returns
    -------
    Path or None
        None for sound only, for a session that is being recorded, and where nothing can be read.
    """
    try:
        session = open_session(folder)
        medium = session.media
        if medium is None or is_held(folder):
            return None
        status = medium.stat()
        stamp = hashlib.sha256(f"{medium}|{status.st_mtime_ns}|{status.st_size}".encode("utf-8", "surrogateescape"))
        path = cache / f"{key}-{stamp.hexdigest()[:12]}.jpg"
        if not path.exists():
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            for old in cache.glob(f"{key}-*"):
                old.unlink(missing_ok=True)
            picture = _picture(session)
            with whole_file(path) as file:  # an empty one says that there is no picture, so that nobody looks again
                file.write(b"" if picture is None else _jpeg(picture))
        return path if path.stat().st_size else None
    except (DMDError, OSError) as error:
        logger.info("%s: no small picture: %s", folder, error)
        return None


def _picture(session: RecordedSession) -> UInt8 | None:
    """RGB (270, 480, 3) from about a third of the medium, or None."""
    medium = medium_of(session)
    if medium is None:
        return None
    media = open_media(medium.path, with_hash=False)
    try:
        if media.video is None:
            return None
        origin = media.origin if medium.origin is None else medium.origin
        t, box = _moment(session, session.end or media.duration or 0.0)
        track = VideoTrack(media.video, origin, _MAX_SIDE, 0.0)
        frame = _frame_at(media.video.stream, Fraction(t) + origin)
        return _cut(track._picture(media.video.first if frame is None else frame), box)
    except BROKEN as error:
        raise RecordingError(f"{medium.path}: no picture can be shown: {error}") from None
    finally:
        media.close()


def _moment(session: RecordedSession, end: float) -> tuple[float, Float32 | None]:
    """Session time to take the picture from and the face's box there, if any: a certain face near a third."""
    wanted, faces = end * _WHERE, session.faces
    if not len(faces.t):
        return wanted, None
    sure = np.flatnonzero(faces.confidence >= np.nanmax(faces.confidence, initial=0.0) * 0.8)
    if not len(sure):
        return wanted, None
    row = sure[np.argmin(np.abs(faces.t[sure] - wanted))]
    return float(faces.t[row]), faces.box[row]


def _frame_at(stream: Any, t: Fraction) -> Any:
    """The frame on screen at ``t`` s of the medium's own count, else the last before it that decodes; None: none."""
    base = stream.time_base or Fraction(1, 1000)
    stamp, found = round(t / base), None
    stream.container.seek(max(0, stamp), stream=stream, backward=True)
    try:
        for number, frame in enumerate(stream.container.decode(stream)):
            if frame.pts is None or found is None or frame.pts <= stamp:
                found = frame
            if number >= _DECODED or (frame.pts is not None and frame.pts >= stamp):
                break
    except BROKEN as error:
        logger.debug("decoded up to %s: %s", found, error)
    return found


def _cut(image: UInt8, box: Float32 | None) -> UInt8:
    """The largest part of ``image`` (H, W, 3) in the format of :data:`SIZE`, around the face, scaled to it."""
    height, width = image.shape[:2]
    wide, high = SIZE
    w, h = min(width, round(height * wide / high)), min(height, round(width * high / wide))
    x, y = (0.5, 0.42) if box is None else (box[0] + box[2] / 2, box[1] + box[3] / 2)  # people are above the middle
    left = int(np.clip(round(x * width - w / 2), 0, width - w))
    top = int(np.clip(round(y * height - h / 2), 0, height - h))
    part = np.ascontiguousarray(image[top : top + h, left : left + w])
    frame: Any = av.VideoFrame.from_ndarray(part, format="rgb24")
    scaled: UInt8 = frame.reformat(wide, high, "rgb24", interpolation="AREA" if w >= wide else "BICUBIC").to_ndarray()
    return scaled


def _jpeg(image: UInt8) -> bytes:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(
        format="yuvj420p", dst_color_range="JPEG"
    )
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = image.shape[1], image.shape[0], "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "3", "qmax": "3"}
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
