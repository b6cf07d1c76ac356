"""What a face does: MediaPipe's expression coefficients, head pose and pose-free landmarks, fifteen times a second.

The model is the MediaPipe Tasks face landmarker (https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker);
it runs on the processor and takes about 10 ms a picture. It is loaded by the first call of the thread that uses it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.features.base import FeatureSpec, nothing
from dmd_runtime.messages import FaceObservation, FeatureBlock, Float32, Float64, UInt8, VideoFrame, freeze
from dmd_runtime.modality import Modality
from dmd_runtime.privacy import import_mediapipe

__all__ = ["RateGate", "VisualExtractor", "visual_spec"]

_TOLERANCE = 1e-3  # s: containers round stamps to milliseconds
_FACES = 2  # with one, MediaPipe smooths landmarks over time, which a still picture cannot have
_LOST_AFTER = 1.0  # s without a face after which the next one is somebody new
_SAME_FACE = 0.2  # overlap of two boxes below which a face is another one
_LARGEST = 4096  # px: of larger pictures every n-th pixel is taken; below, MediaPipe scales down faster than numpy
_LARGER = 1.3  # another face takes over when its area exceeds the tracked one's by this factor
_BLENDSHAPES = """
    browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight
    eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft
    eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward
    jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel
    mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
"""
BLENDSHAPES: Final = tuple(_BLENDSHAPES.split())
"""MediaPipe's coefficients in its order, without the first (``_neutral``, which it always leaves at about 0)."""
NAMES: Final = (
    *BLENDSHAPES,
    *("head_yaw", "head_pitch", "head_roll"),
    *(f"{name}_{axis}" for name in geometry.POINT_NAMES for axis in "xy"),
)
_OVAL = list(geometry.OVAL)
_fd_lock = threading.Lock()
_CHATTER = re.compile(r"([IWEF])\d{4} \d\d:\d\d:|INFO: .*TensorFlow|WARNING: .* written to STDERR")
logger = logging.getLogger(__name__)


class RateGate:
    """Lets through the first picture at or after each tick ``k / rate_hz`` of media time; k counts, nothing drifts.

    A stamp up to 1 ms before a tick counts as on it: 30 pictures a second then give every second one also where a
    container has rounded their times to milliseconds. A camera slower than the rate gives all its pictures. At just
    the rate, with stamps that scatter around the ticks, two pictures may fall to one tick and none to the next.

    Raises
    ------
    ConfigError
        ``rate_hz`` is no positive number.
    """

    def __init__(self, rate_hz: float) -> None:
        if not 0.0 < rate_hz < math.inf:
            raise ConfigError(f"a rate must be a positive number of pictures a second, got {rate_hz}")
        self.rate_hz = rate_hz
        self._next = 0

    def due(self, t: float) -> bool:
        """Take note of the picture of time ``t``; True if it is to be measured.

        A stamp that comes again, lies before an earlier one's tick, or before 0 is never due.
        """
        tick = self._tick(t)
        if tick < self._next:
            return False
        self._next = tick + 1
        return True

    @property
    def settled_until(self) -> float:
        """The next tick: no row before it can come any more."""
        return self._next / self.rate_hz

    def row_time(self, t: float) -> float:
        """Time of the row measured at ``t``: ``t``, or the tick that it misses by less than a millisecond."""
        return max(t, self._tick(t) / self.rate_hz)

    def _tick(self, t: float) -> int:
        return math.floor((t + _TOLERANCE) * self.rate_hz)


def visual_spec(model_sha256: str, duration: float = 4.0, rate_hz: float = 15.0) -> FeatureSpec:
    """What these features are, for the recipe; known without the model file."""
    return FeatureSpec(
        modality=Modality.VISUAL,
        name="mediapipe-face",
        version=1,
        dim=len(NAMES),
        rate_hz=rate_hz,
        rows=round(rate_hz * duration),
        settings={"model_sha256": model_sha256},
    )


class _Face(NamedTuple):
    """One face as found: (478, 3) landmarks in shares of the picture, coefficients (51,), head rotation (3, 3)."""

    shares: Float64
    coefficients: Float32
    rotation: Float64
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        return self.box[2] * self.box[3]


class _Measured(NamedTuple):
    """A face with its row, float32 (D,), and confidence."""

    face: _Face
    row: Float32
    confidence: float


class VisualExtractor:
    """A block: pictures in, one row of features a picture out, and the face it was taken from.

    The largest face counts; the one tracked is kept until another is 1.3 times as large. ``identity`` of the
    observations grows by one when the tracked face was out of sight for more than a second, or when the box jumps to
    another place (overlap below 0.2): it tells faces apart in time, it recognises nobody.

    The caller lets a :class:`RateGate` decide which pictures come here; one of the extractor's own, of the same rate,
    passes over any other, so that no row comes twice for a tick or before what is settled. Touched by one thread,
    which also loads the model (on the first picture, or by :meth:`open`) and frees it (:meth:`finish`); the constructor
    may run on another.

    Parameters
    ----------
    model_path : Path
        ``face_landmarker.task``.
    duration : float
        Window length in seconds, for :attr:`spec`.
    rate_hz : float
        That of the gate.

    Raises
    ------
    ModelError
        The file is missing or cannot be read; when it is loaded: it is not a face landmarker.
    ConfigError
        ``rate_hz`` is no positive number.
    """

    names = NAMES

    def __init__(self, model_path: Path, duration: float = 4.0, rate_hz: float = 15.0) -> None:
        self._path = Path(model_path)
        self._gate = RateGate(rate_hz)
        self.spec = visual_spec(_digest(self._path), duration, rate_hz)
        self._video: _Landmarker | None = None
        self._stills: _Landmarker | None = None
        self._tracked: _Face | None = None
        self._seen_at = -math.inf
        self._identity = 0

    def open(self) -> None:
        """Load the model now, on the thread that will use it (about 50 ms, the first time in a process up to 3 s)."""
        if self._video is None:
            self._video = _Landmarker(self._path, video=True)

    def push(self, frame: VideoFrame, skipped: Sequence[float] = ()) -> tuple[FeatureBlock | FaceObservation, ...]:
        """Measure one picture; ``skipped`` are times of due pictures dropped before it, in order.

        Returns the block, and the observation where there is a face; nothing for a picture that is not due. A row's
        time is the picture's, or the tick that it misses by less than a millisecond (:meth:`RateGate.row_time`). Stamps
        may stand still or jitter: a picture or a skipped time whose tick has gone by counts as never sent.

        Raises
        ------
        ModelError
            The picture is not uint8 (H, W, 3), or the model fails on it.
        """
        _check(frame.image)
        due = [self._gate.row_time(t) for t in skipped if self._gate.due(t)]
        found = None
        if self._gate.due(frame.t):
            due.append(self._gate.row_time(frame.t))
            self.open()
            assert self._video is not None
            found = self._take(self._video.detect(frame.image, frame.t), frame.image)
        if not due:
            return ()
        times = due[-1:] if found else []
        block = FeatureBlock(
            modality=Modality.VISUAL,
            times=freeze(np.array(times, dtype=np.float64)),
            ends=freeze(np.array(times, dtype=np.float64)),
            values=freeze(found.row[None] if found else np.empty((0, self.spec.dim), dtype=np.float32)),
            confidence=freeze(np.array([found.confidence] if found else [], dtype=np.float32)),
            due=freeze(np.array(due, dtype=np.float64)),
            settled_until=self._gate.settled_until,
        )
        return (block, self._observe(found, frame.t)) if found else (block,)

    def finish(self) -> tuple[FeatureBlock, ...]:
        """End of the pictures: settle everything and free the model."""
        self.close()
        return (nothing(Modality.VISUAL),)

    def close(self) -> None:
        """Free the model; idempotent, and the next picture loads it again."""
        for model in (self._video, self._stills):
            if model is not None:
                model.close()
        self._video = self._stills = self._tracked = None

    def still(self, image: UInt8, pad: float = 0.25) -> tuple[Float32, float] | None:
        """Measure a picture that stands alone, as the crops of face collections do; same numbers, same order.

        Parameters
        ----------
        image : uint8 (H, W, 3), RGB
        pad : float
            Black border on each side, a share of the longer side: the detector misses faces that fill the picture. On
            FERPlus black finds 98 % of the faces, a repeated or mirrored edge 94 %.

        Returns
        -------
        (float32 (D,), float) or None
            Row and confidence; None where no face was found.
        """
        _check(image)
        if self._stills is None:
            self._stills = _Landmarker(self._path, video=False)
        border = round(pad * max(image.shape[:2]))
        padded = np.pad(image, ((border, border), (border, border), (0, 0))) if border else image
        faces = sorted(self._stills.detect(padded), key=lambda f: f.area)
        found = _measure(faces[-1], padded) if faces else None
        return (found.row, found.confidence) if found else None

    def _take(self, faces: list[_Face], image: UInt8) -> _Measured | None:
        """Choose the first face that can be used: the tracked one, unless another is much larger, then by size."""
        before = None if self._tracked is None else self._tracked.box

        def rank(face: _Face) -> float:
            known = before is not None and geometry.overlap(face.box, before) >= _SAME_FACE
            return face.area * (_LARGER if known else 1.0)

        measured = (_measure(face, image) for face in sorted(faces, key=rank, reverse=True))
        return next((m for m in measured if m is not None), None)

    def _observe(self, found: _Measured, t: float) -> FaceObservation:
        face, last = found.face, self._tracked
        new = last is None or t - self._seen_at > _LOST_AFTER or geometry.overlap(face.box, last.box) < _SAME_FACE
        self._identity += new
        self._tracked, self._seen_at = face, t
        outline = freeze(np.asarray(face.shares[_OVAL, :2], dtype=np.float32))
        return FaceObservation(t=t, box=face.box, confidence=found.confidence, identity=self._identity, outline=outline)


def _measure(face: _Face, image: UInt8) -> _Measured | None:
    """Row (D,) and confidence of a face found in ``image``; None where it must not be used."""
    points = geometry.in_pixels(face.shares, image.shape[1], image.shape[0])
    placement = geometry.place(points)
    if placement is None:
        return None
    confidence = geometry.confidence(image, face.shares, face.rotation, placement)
    angles = np.array(geometry.head_angles(face.rotation), dtype=np.float32)
    row = np.concatenate([face.coefficients, angles, geometry.aligned_points(points, placement).ravel()])
    return _Measured(face, freeze(row), confidence) if confidence > 0 and np.isfinite(row).all() else None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ModelError(f"{path}: expected MediaPipe's face_landmarker.task, found no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: expected MediaPipe's face_landmarker.task, which cannot be read: {error}") from error


def _check(image: UInt8) -> None:
    ok = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2:] == (3,)
    if not ok or not image.size:
        kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ModelError(f"a picture must be uint8 (height, width, 3) in RGB, got {kind}")


class _Landmarker:
    """MediaPipe's landmarker; one thread."""

    def __init__(self, path: Path, *, video: bool) -> None:
        self._mp = import_mediapipe()
        tasks, vision = self._mp.tasks, self._mp.tasks.vision
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        options = vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            running_mode=mode,
            num_faces=_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with _quiet():
            try:
                self._model: Any = vision.FaceLandmarker.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                raise ModelError(
                    f"{path}: expected MediaPipe's face_landmarker.task, which it is not: {error}"
                ) from error
        self._last_ms = -1

    def detect(self, image: UInt8, t: float | None = None) -> list[_Face]:
        """All faces in uint8 (H, W, 3) of any size and memory layout; ``t`` in seconds for a video."""
        step = -(-max(image.shape[:2]) // _LARGEST)
        picture = self._mp.Image(
            image_format=self._mp.ImageFormat.SRGB, data=np.ascontiguousarray(image[::step, ::step])
        )
        try:
            if t is None:
                result = self._model.detect(picture)
            else:
                self._last_ms = max(self._last_ms + 1, round(t * 1000))  # MediaPipe wants strictly growing stamps
                result = self._model.detect_for_video(picture, self._last_ms)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the face landmarker failed on a picture {image.shape}: {error}") from error
        found = zip(result.face_landmarks, result.face_blendshapes, result.facial_transformation_matrixes, strict=True)
        return [_face(*parts) for parts in found]

    def close(self) -> None:
        self._model.close()


def _face(landmarks: Sequence[Any], categories: Sequence[Any], matrix: Float32) -> _Face:
    shares = np.array([(p.x, p.y, p.z) for p in landmarks], dtype=np.float64)
    scores = {c.category_name: c.score for c in categories}
    return _Face(
        shares=shares,
        coefficients=np.array([scores[name] for name in BLENDSHAPES], dtype=np.float32),
        rotation=np.asarray(matrix[:3, :3], dtype=np.float64),
        box=geometry.bounding_box(shares),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MediaPipe's chatter off file descriptor 2: errors go to the log as errors, all else as debug lines.

    MediaPipe 1.2 has no switch for it: GLOG_* and ABSL_* variables do nothing. What other threads write meanwhile is
    held back and then written.
    """
    with _fd_lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # a windowed program may have no standard error
            yield
            return
        stack.callback(os.close, saved)
        kept = stack.enter_context(tempfile.TemporaryFile())
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            kept.seek(0)
            for raw in kept.readlines():
                _sort_out(raw)


def _sort_out(raw: bytes) -> None:
    """Log a line of chatter; write any other one to where it was to go."""
    line = raw.decode(errors="replace").rstrip()
    if known := _CHATTER.match(line):
        logger.log(logging.ERROR if known[1] in ("E", "F") else logging.DEBUG, "%s", line)
    else:
        os.write(2, raw)
