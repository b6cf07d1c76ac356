"""Faces and voices made unrecognisable in films: what is thrown away cannot be brought back from the file.

A face becomes a handful of soft blocks over the whole head. A voice is taken apart into a few bands whose loudness over
time is all that is kept; an artificial voice of one pitch, with its formants moved, is shaped by them. What is said
stays intelligible, who says it does not: to people. It is no proof against an attacker who knows the speaker's way of
talking, and it changes no words. What it does not hide is listed in ``docs/recording.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.signal import butter, sosfilt

from dmd_runtime.assets import Assets
from dmd_runtime.features.face_geometry import overlap
from dmd_runtime.messages import Float32, Float64, UInt8, freeze
from dmd_runtime.recording.playback import MediaTimeline
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export.film import Steps

FACES: Final = "face_landmarker"
"""The model file that finds faces."""
HELD: Final = 1.0
"""Seconds for which a face that is no longer (or not yet) found stays covered where it was."""
BLOCKS: Final = 4
"""Across a head; a face is two to three of them wide, in which no detector finds a face and nobody knows one."""
_COARSER: Final = (2, 1)
_SAME: Final = 0.1  # overlap of boxes above which two are one face
_WIDER, _TALLER, _HIGHER = 1.55, 1.65, 0.1  # from the box of the landmarks, brows to chin, to a head with its hair
_LOOKS: Final = 0.1  # s between looks for the tracks; every picture is looked at once more when it is covered
_DETECTED_AT: Final = 1280  # px: the longest side a detector is shown

Box = tuple[float, float, float, float]
Blur = Callable[[UInt8, float], UInt8]


# ------------------------------------------------------------------ faces


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """One face over time: ``t`` float64 (n,) rising, ``box`` float64 (n, 4), x, y, width, height in shares."""

    t: Float64
    box: Float64

    def at(self, t: float) -> Box | None:
        """Where it is at ``t`` s: between what was found on a line, and held for :data:`HELD` around it."""
        if not self.t[0] - HELD <= t <= self.t[-1] + HELD:
            return None
        x, y, width, height = (float(np.interp(t, self.t, column)) for column in self.box.T)
        return x, y, width, height


def link(times: Sequence[float], boxes: Sequence[Box]) -> list[FaceTrack]:
    """Tracks of what was found, in any order: a face goes on where it was within :data:`HELD`."""
    tracks: list[tuple[list[float], list[Box]]] = []
    alive: list[tuple[list[float], list[Box]]] = []
    for number in sorted(range(len(times)), key=lambda i: times[i]):
        t, box = times[number], boxes[number]
        alive = [track for track in alive if t - track[0][-1] <= HELD]
        near = max(alive, key=lambda track: overlap(box, track[1][-1]), default=None)
        if near is None or overlap(box, near[1][-1]) <= _SAME:
            near = ([], [])
            tracks.append(near)
            alive.append(near)
        near[0].append(t)
        near[1].append(box)
    return [FaceTrack(t=freeze(np.array(t)), box=freeze(np.array(box, dtype=np.float64))) for t, box in tracks]


@contextmanager
def face_blur(session: RecordedSession, timeline: MediaTimeline, steps: Steps, *, wanted: bool) -> Iterator[Blur]:
    """What covers all faces of a picture, uint8 (H, W, 3), shown at a time; where not ``wanted`` it changes nothing.

    The film is looked through once before: a face is then covered also just before it is first found. Every covered
    picture is looked at once more, and whatever is still found is covered more coarsely. For one thread.

    Raises
    ------
    AssetError
        The face model is not here; it is not fetched.
    """
    if not wanted:
        yield lambda image, _: image
        return
    from dmd_runtime.features.landmarker import Landmarker  # noqa: PLC0415 - loads MediaPipe
    from dmd_runtime.recording.export.film import Pictures  # noqa: PLC0415 - which needs this module

    with closing(Landmarker(Assets(offline=True).fetch(FACES), video=False)) as landmarker:

        def find(image: UInt8) -> list[Box]:
            return [face.box for face in landmarker.detect(image)]

        times, boxes = list(map(float, session.faces.t)), [tuple(map(float, box)) for box in session.faces.box]
        with closing(Pictures(timeline.medium, _DETECTED_AT)) as pictures:
            due = 0.0
            for frame in pictures:
                steps.at(frame.t)
                if frame.t < due:
                    continue
                due = frame.t + _LOOKS
                found = find(frame.image)
                times += [frame.t] * len(found)
                boxes += found
        tracks = link(times, boxes)  # type: ignore[arg-type]

        def blur(image: UInt8, t: float) -> UInt8:
            known = [box for box in (track.at(t) for track in tracks) if box is not None]
            covered = image.copy()
            cover(covered, known, BLOCKS)
            for blocks in _COARSER:
                left = find(covered)
                if not left:
                    break
                cover(covered, left, blocks)
            return covered

        yield blur


def cover(image: UInt8, boxes: Sequence[Box], blocks: int) -> None:
    """Replace, in place, the head around each box of a face by soft blocks, ``blocks`` of them across."""
    import cv2  # noqa: PLC0415 - loaded with the face model

    height, width = image.shape[:2]
    for x, y, w, h in boxes:
        centre = (x + w / 2) * width, (y + h / 2 - _HIGHER * h) * height
        radii = max(2.0, _WIDER * w * width / 2), max(2.0, _TALLER * h * height / 2)
        left, top = (max(0, int(c - r)) for c, r in zip(centre, radii, strict=True))
        right, bottom = (min(most, int(c + r) + 1) for c, r, most in zip(centre, radii, (width, height), strict=True))
        if left >= right or top >= bottom:
            continue
        part = image[top:bottom, left:right]
        across = max(1, round(blocks * (right - left) / (2 * radii[0])))
        down = max(1, round(blocks * (bottom - top) / (2 * radii[0])))
        small = cv2.resize(part, (across, down), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(small, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        inside: Any = np.zeros(part.shape[:2], dtype=np.uint8)
        middle = round(centre[0]) - left, round(centre[1]) - top
        cv2.ellipse(inside, middle, (round(radii[0]), round(radii[1])), 0, 0, 360, 1, -1)
        np.copyto(part, soft, where=inside[..., None] > 0)


# ------------------------------------------------------------------ voices

PITCH_HZ: Final = 118.0
"""Of the artificial voice, whoever speaks."""
FORMANTS: Final = 1.18
"""How much higher the artificial voice's formants are."""
BANDS: Final = 24
_LOWEST, _HIGHEST = 90.0, 7000.0
_NOISE_FROM: Final = 2500.0  # Hz: above, the artificial voice is a hiss, so that s, f and t are heard
_ENVELOPE_HZ: Final = 40.0  # faster changes, the voice's own pitch among them, are thrown away
_LEAD: Final = 0.019  # s by which the filters are late
_LOUDER: Final = 1.4  # for what lies above and below all bands
_LOUDEST: Final = 0.98


class VoiceMask:
    """A channel vocoder: sound in, an artificial voice that says the same out, sample for sample at the same time.

    Pieces are float32 (n,) in [-1, 1] and follow one another; the same sound always gives the same. What comes out is
    :attr:`lead` samples behind what went in.

    Parameters
    ----------
    rate : int
        Samples per second.
    """

    def __init__(self, rate: int) -> None:
        top = min(_HIGHEST, 0.45 * rate / FORMANTS)
        edges = _from_mel(np.linspace(_mel(_LOWEST), _mel(top), BANDS + 1))
        spans = list(pairwise(edges.tolist()))
        self.lead = round(_LEAD * rate)
        self._rate = rate
        self._in = [_Filter(butter(2, span, "bandpass", fs=rate, output="sos")) for span in spans]
        self._envelope = [_Filter(butter(4, _ENVELOPE_HZ, "lowpass", fs=rate, output="sos")) for _ in spans]
        out = [butter(2, np.multiply(span, FORMANTS), "bandpass", fs=rate, output="sos") for span in spans]
        self._hisses = [span[0] >= _NOISE_FROM for span in spans]
        voice, hiss = self._carrier(0, rate)
        loudness = [
            np.sqrt(np.mean(sosfilt(sos, hiss if h else voice)[rate // 4 :] ** 2))
            for sos, h in zip(out, self._hisses, strict=True)
        ]
        self._gain = 1.0 / np.maximum(loudness, 1e-6)
        self._out = [_Filter(sos) for sos in out]
        self._at = 0

    def __call__(self, samples: Float32) -> Float32:
        """The next piece, as long as ``samples``."""
        voice, hiss = self._carrier(self._at, len(samples))
        self._at += len(samples)
        sound = samples.astype(np.float64)
        total = np.zeros(len(samples))
        for band in range(BANDS):
            power = self._envelope[band](np.square(self._in[band](sound)))
            carrier = hiss if self._hisses[band] else voice
            total += self._gain[band] * self._out[band](np.sqrt(np.maximum(power, 0.0)) * carrier)
        return freeze((_LOUDEST * np.tanh(_LOUDER * total / _LOUDEST)).astype(np.float32))

    def _carrier(self, first: int, count: int) -> tuple[Float64, Float64]:
        """The artificial voice's buzz and hiss, float64 (count,) each, from sample ``first`` on."""
        turns = PITCH_HZ * np.arange(first - 1, first + count) / self._rate
        buzz = np.diff(np.floor(turns)) * np.sqrt(self._rate / PITCH_HZ)
        number = np.arange(first, first + count, dtype=np.uint64) + np.uint64(1)
        mixed = number * np.uint64(0x9E3779B97F4A7C15)  # a hash of the sample's number: no state, no chance
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        hiss = ((mixed >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0) * np.sqrt(3.0)
        return buzz, hiss


class _Filter:
    """Second-order sections (k, 6) that remember what went before."""

    def __init__(self, sos: Float64) -> None:
        self._sos = sos
        self._state = np.zeros((len(sos), 2))

    def __call__(self, x: Float64) -> Float64:
        y, self._state = sosfilt(self._sos, x, zi=self._state)
        filtered: Float64 = y
        return filtered


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


def _from_mel(mel: Float64) -> Float64:
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0), dtype=np.float64)
