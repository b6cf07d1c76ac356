"""Where every picture of a medium lies, found by one look at its packets, without decoding."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Stream

from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float64, freeze
from dmd_runtime.recording.kept_arrays import keep, recall, stamp_of
from dmd_runtime.recording.media_writer import NAME as MEDIA_NAME
from dmd_runtime.recording.reader import RecordedSession, open_session
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import BROKEN

logger = logging.getLogger(__name__)

SAME: Final = 1e-6
"""Seconds: times nearer than this are one."""
LARGE: Final = 48 << 20
"""Bytes from which a medium is looked at by a process of its own; see :func:`media_timeline`."""
_REMEMBERED = 4
_LOOK = 0.05  # s between two looks at whether the search is still wanted

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
    own = path == session.folder / MEDIA_NAME and not session.manifest.get("media")  # which names what was copied
    return Medium(path=path, origin=Fraction(0) if own else None)


def prepare_replay(folder: Path) -> None:
    """Find out beforehand what takes time when a session is opened for replay; it is kept in the user's cache.

    Raises
    ------
    RecordingError, SourceError
        It is no session, or its medium cannot be played.
    """
    session = open_session(folder)
    session.prepare()
    medium = medium_of(session)
    if medium is not None:
        media_timeline(medium, apart=True)


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
        return max(0, int(np.searchsorted(self.times, t + SAME, side="right")) - 1)


_found: OrderedDict[tuple[Medium, int, int], MediaTimeline] = OrderedDict()


def media_timeline(
    medium: Medium, *, apart: bool = False, unwanted: Callable[[], bool] = lambda: False
) -> MediaTimeline:
    """Look at the packets of a medium; about 3 µs a picture. What was found is kept in the user's cache.

    Parameters
    ----------
    medium : Medium
    apart : bool
        Look at a large file in a process of its own. Each packet gives the interpreter's lock back and waits for it
        again: beside a thread that computes, two hours would take minutes instead of a second.
    unwanted : callable
        Asked now and then; True ends the search.

    Raises
    ------
    SourceError
        It is no medium that can be played, or nobody wants it any more.
    """
    try:
        status = medium.path.stat()
    except OSError as error:
        raise SourceError(f"{medium.path}: expected a media file, got {error.strerror or error}") from None
    key = (medium, status.st_size, status.st_mtime_ns)
    if key not in _found:
        stamp, kind = stamp_of(medium.path), f"timeline from {medium.origin}"
        known = _known(medium, recall(stamp, kind))
        if known is None:
            apart = apart and status.st_size >= LARGE and not getattr(sys, "frozen", False)
            known = _look(medium, (lambda index: _scan_apart(medium.path, index, unwanted)) if apart else None)
            keep(stamp, kind, _arrays(known))
        _found[key] = known
        while len(_found) > _REMEMBERED:
            _found.popitem(last=False)
    return _found[key]


def _arrays(timeline: MediaTimeline) -> dict[str, npt.NDArray[Any]]:
    """What is kept of a timeline."""
    origin = timeline.medium.origin or Fraction(0)
    return {
        "times": timeline.times,
        "stamps": timeline.stamps,
        "keys": timeline.keys,
        "origin": np.array([origin.numerator, origin.denominator], dtype=np.int64),
        "end": np.array(timeline.end),
        "has_sound": np.array(timeline.has_sound),
    }


def _known(medium: Medium, kept: dict[str, npt.NDArray[Any]] | None) -> MediaTimeline | None:
    """A timeline as it was kept."""
    if kept is None:
        return None
    try:
        return MediaTimeline(
            medium=Medium(path=medium.path, origin=Fraction(*kept["origin"].tolist())),
            times=freeze(kept["times"].astype(np.float64)),
            stamps=freeze(kept["stamps"].astype(np.int64)),
            keys=freeze(kept["keys"].astype(np.int64)),
            has_sound=bool(kept["has_sound"]),
            end=float(kept["end"]),
        )
    except (KeyError, ValueError, TypeError):  # of another version
        return None


def _look(medium: Medium, elsewhere: Callable[[int], tuple[Int64, Int64]] | None) -> MediaTimeline:
    media = open_media(medium.path, with_hash=False)
    try:
        origin = media.origin if medium.origin is None else medium.origin
        video, audio = media.video, media.audio
        stamps, keys, ends = np.empty(0, np.int64), np.empty(0, np.int64), [0.0]
        times: Float64 = np.empty(0)
        if video is not None:
            stamps, keys = _scan(video.stream) if elsewhere is None else elsewhere(video.stream.index)
            base = video.stream.time_base or Fraction(1)
            times = np.asarray(stamps * float(base) - float(origin), dtype=np.float64)
            if len(times):
                ends.append(float(times[-1] + (np.median(np.diff(times[-50:])) if len(times) > 1 else 0.04)))
        if media.duration is not None:
            ends.append(media.duration + float(media.origin - origin))
        elif audio is not None:  # a recording that was cut off says no length
            sound, _ = _scan(audio.stream) if elsewhere is None else elsewhere(audio.stream.index)
            ends.append(float(sound[-1] * (audio.stream.time_base or 1) - origin) if len(sound) else 0.0)
        return MediaTimeline(
            medium=Medium(path=medium.path, origin=origin),
            times=freeze(times),
            stamps=stamps,
            keys=keys,
            has_sound=audio is not None,
            end=max(ends),
        )
    finally:
        media.close()


def _scan(stream: Stream) -> tuple[Int64, Int64]:
    """Stamps (n,) of a stream's packets in rising order, and which of them (k,) are keys; the first always is."""
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
        logger.info("%s: read up to packet %d: %s", container.name, len(stamps), error)
    found, first = np.unique(np.array(stamps, dtype=np.int64), return_index=True)
    numbers = np.union1d(np.flatnonzero(np.array(keys, dtype=np.bool_)[first]), [0]).astype(np.int64)
    return freeze(found), freeze(numbers)


def _scan_apart(path: Path, index: int, unwanted: Callable[[], bool]) -> tuple[Int64, Int64]:
    code = f"from {__name__} import write_scan; write_scan()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(index)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while True:
        try:
            told, problem = process.communicate(timeout=_LOOK)
            break
        except subprocess.TimeoutExpired:
            if unwanted():
                process.kill()
                process.communicate()
                raise SourceError(f"{path}: nobody wants to know any more") from None
    if process.returncode:
        last = problem.decode(errors="replace").strip().splitlines()[-1:]
        raise SourceError(f"{path}: could not be searched: {' '.join(last) or process.returncode}")
    numbers = np.frombuffer(told, dtype=np.int64)
    count = int(numbers[0])
    return freeze(numbers[1 : 1 + count].copy()), freeze(numbers[1 + count :].copy())


def write_scan() -> None:
    """Write the packets of a stream to stdout (for :func:`media_timeline` of another process): n, stamps, keys."""
    path, index = sys.argv[1:]
    media = open_media(Path(path), with_hash=False)
    chosen: Any = next(r for r in (media.video, media.audio) if r is not None and r.stream.index == int(index))
    stamps, keys = _scan(chosen.stream)
    sys.stdout.buffer.write(np.concatenate(([len(stamps)], stamps, keys)).astype(np.int64).tobytes())
