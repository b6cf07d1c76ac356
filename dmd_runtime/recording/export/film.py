"""MP4 files on session time: pictures as they come, sound as AAC from 0 on, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any, Final, cast

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame as RawFrame

from dmd_runtime import __version__
from dmd_runtime.errors import RecordingError, SourceError
from dmd_runtime.messages import UInt8, VideoFrame
from dmd_runtime.recording.export import ExportOptions, OnShare, check
from dmd_runtime.recording.export.masking import VoiceMask
from dmd_runtime.recording.playback import MediaTimeline, Medium, media_timeline, medium_of
from dmd_runtime.recording.playback_sound import SoundReader
from dmd_runtime.recording.reader import RecordedSession
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.reader import BROKEN, reason
from dmd_runtime.sources.tracks import VideoTrack
from dmd_runtime.whole_file import whole_file

TICKS: Final = Fraction(1, 90_000)
"""What films count in: a multiple of the recorder's millisecond and of the usual frame rates."""
LOOKING: Final = 0.15
"""Share of the work that goes into looking for faces before a film is made."""
_RATES = (
    96_000,
    88_200,
    64_000,
    48_000,
    44_100,
    32_000,
    24_000,
    22_050,
    16_000,
    12_000,
    11_025,
    8_000,
)  # AAC has these
_FAR = 3600.0  # s: the longest leap of stamps that is believed
_TOLD = 0.005  # share of progress that is worth telling
_AHEAD = 0.5  # s of sound written before the picture at the same time
_PIECE = 0.5  # s of sound read at once
_BITS_A_SAMPLE = 4  # 64 kbit/s of mono speech at 16 kHz
_MOST_BITS = 160_000


def timeline_of(session: RecordedSession) -> MediaTimeline:
    """Where the pictures of the session's medium lie.

    Raises
    ------
    RecordingError
        There is no medium (any more).
    SourceError
        It cannot be played.
    """
    medium = medium_of(session)
    if medium is None:
        raise RecordingError(f"{session.folder}: expected a medium to make a film of, got none")
    return media_timeline(medium)


class Steps:
    """Progress of one film, and the way to stop it; ``part`` is the share of the work, from and to, that is counted."""

    def __init__(
        self,
        path: Path,
        end: float,
        progress: OnShare | None,
        cancel: Event | None,
        *,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self._path = path
        self._end = max(end, 1e-3)
        self._progress = progress
        self._cancel = cancel
        self._part = part
        self._told = -1.0

    def at(self, t: float) -> None:
        """``t`` s of session time are done.

        Raises
        ------
        ExportCancelledError
        """
        check(self._cancel, self._path)
        done = min(1.0, max(0.0, t / self._end))
        share = self._part[0] + (self._part[1] - self._part[0]) * done
        if self._progress is not None and (share >= self._told + _TOLD or done >= 1.0 > self._told):
            self._told = share
            self._progress(share)


class Pictures:
    """All pictures of a medium, decoded, upright, by session time; once only. For one thread.

    Attributes
    ----------
    size : tuple of int
        Width and height.

    Raises
    ------
    SourceError
        There is nothing that can be played, or there are no pictures.
    """

    def __init__(self, medium: Medium, max_side: int) -> None:
        self._media = open_media(medium.path, with_hash=False)
        if self._media.video is None:
            self._media.close()
            raise SourceError(f"{medium.path}: expected a medium with pictures, got one with sound only")
        origin = self._media.origin if medium.origin is None else medium.origin
        self._track = VideoTrack(self._media.video, origin, max_side, _FAR)
        width, height = cast("list[int]", self._track.describe()["delivered_size"])
        self.size = width, height

    def __iter__(self) -> Iterator[VideoFrame]:
        """Each picture at its time."""
        for timed in self._track.items(Event()):
            yield cast("VideoFrame", timed.item)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._media.close()


class Film:
    """An MP4 file in the making; :func:`new_film` makes one. For one thread.

    Pictures and packets go in by time, in any mixture; sound is pulled along.
    """

    def __init__(self, container: OutputContainer, path: Path) -> None:
        self.path = path
        self._container = container
        self._sound: _SoundTrack | None = None
        self._video: Any = None

    def add_sound(self, medium: Medium, end: float, *, masked: bool) -> None:
        """Have the sound of ``medium`` from 0 to ``end`` s, with the voice ``masked`` or as it is."""
        self._sound = _SoundTrack(self._container, medium, end, masked=masked)

    def add_copied(self, stream: Stream) -> None:
        """Take packets of ``stream`` as they are."""
        self._video = self._container.add_stream_from_template(cast("Any", stream))

    def add_pictures(self, width: int, height: int, *, preset: str, crf: int, params: str = "") -> None:
        """Take pictures of this size, which must be even, and encode them with x264 (``params``: its own options)."""
        video: Any = self._container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.time_base = TICKS
        context.gop_size = 150
        context.color_range, context.colorspace = 1, 6  # studio swing, BT.601: what the conversion makes
        video.options = {"preset": preset, "crf": str(crf)} | ({"x264-params": params} if params else {})
        self._video = video

    def copy(self, packet: Packet[Stream], t: Fraction, lead: Fraction, duration: Fraction) -> None:
        """Put in a packet that is shown at ``t`` and decoded ``lead`` before, both s."""
        packet.stream = self._video
        packet.time_base = TICKS
        packet.pts, packet.dts = round(t / TICKS), round((t - lead) / TICKS)
        packet.duration = round(duration / TICKS)
        self._pull(float(t))
        self._container.mux(packet)

    def show(self, image: UInt8, t: float) -> None:
        """Put in a picture, uint8 (H, W, 3) in RGB, that is shown from ``t`` s on."""
        width, height = self._video.width, self._video.height
        planes = cv2.cvtColor(image[:height, :width], cv2.COLOR_RGB2YUV_I420)  # a quarter of what swscale takes
        frame = RawFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = round(t / TICKS), TICKS
        self._pull(t)
        self._container.mux(self._video.encode(frame))

    def finish(self, *, encoded: bool) -> None:
        """Put in what encoders still hold, and the rest of the sound."""
        if encoded:
            self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._container.mux(list(self._sound.until(None)))

    def close(self) -> None:
        """Close what is read."""
        if self._sound is not None:
            self._sound.close()

    def _pull(self, t: float) -> None:
        if self._sound is not None:
            for packet in self._sound.until(t + _AHEAD):
                self._container.mux(packet)


def film_name(stem: str, options: ExportOptions) -> str:
    """Name of a film's file; what is masked in it is in its name."""
    faces, voice = "_faces-blurred" * options.blur_faces, "_voice-masked" * options.mask_voice
    return f"{stem}{faces}{voice}.mp4"


@contextmanager
def new_film(path: Path, session: RecordedSession) -> Iterator[Film]:
    """A film that is at ``path`` when the block ends well; else nothing is left.

    Raises
    ------
    RecordingError
        It cannot be written there, or the medium cannot be read on.
    """
    try:
        with whole_file(path) as draft:
            options = {"movflags": "+faststart+use_metadata_tags", "video_track_timescale": str(TICKS.denominator)}
            with av.open(draft.name, "w", format="mp4", options=options) as container:
                container.metadata["comment"] = f"DMD Live {__version__}, {session.folder.name}"
                if session.marks:
                    container.metadata["DMD_MARK"] = " ".join(session.marks)
                film = Film(container, path)
                try:
                    yield film
                finally:
                    film.close()
    except BROKEN as error:
        raise RecordingError(f"{path}: the film cannot be made: {reason(error)}") from error


class _SoundTrack:
    """The sound of a medium as packets of AAC. Sample 0 is session time 0; what is missing is silence.

    The encoder's delay stands before 0, where players find it in the file's edit list and leave it out.
    """

    def __init__(self, container: OutputContainer, medium: Medium, end: float, *, masked: bool) -> None:
        self._reader = SoundReader(medium)
        self._rate = rate = self._reader.rate
        self._mask = VoiceMask(rate) if masked else None
        self._lead = 0
        if self._mask is not None:
            self._lead = self._mask.lead
            self._mask(self._reader.samples(0, self._lead))
        self._count = round(end * rate)
        self._at = 0
        coded = rate if rate in _RATES else 48_000
        stream: Any = container.add_stream("aac", rate=coded, layout="mono")
        stream.codec_context.bit_rate = min(_MOST_BITS, _BITS_A_SAMPLE * coded)
        self._stream = stream

    def until(self, t: float | None) -> Iterator[Packet[Stream]]:
        """Packets up to ``t`` s; None: all that are left, and what the encoder holds."""
        target = self._count if t is None else min(self._count, round(t * self._rate))
        while self._at < target:
            count = min(round(_PIECE * self._rate), self._count - self._at)
            samples = self._reader.samples(self._at + self._lead, count)
            if self._mask is not None:
                samples = self._mask(samples)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._at
            self._at += count
            yield from self._stream.encode(frame)
        if t is None:
            yield from self._stream.encode(None)

    def close(self) -> None:
        self._reader.close()
