"""What a face does: MediaPipe's expression coefficients, head pose and pose-free landmarks, fifteen times a second.

The model is MediaPipe's (:mod:`dmd_runtime.features.landmarker`), loaded by the first call of the thread that uses it.
A checkpoint may bring an encoder that reads the picture of the face itself; its embedding then joins every row.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.features.base import SHORT, FeatureSpec, Recipe, nothing
from dmd_runtime.features.face_patch import aligned_patch
from dmd_runtime.features.landmarker import BLENDSHAPES, Face, Landmarker
from dmd_runtime.messages import FaceObservation, FeatureBlock, Float32, Float64, UInt8, VideoFrame, freeze
from dmd_runtime.modality import Modality

if TYPE_CHECKING:  # loads torch
    from dmd_runtime.features.face_encoder import FaceEmbedder
    from dmd_runtime.model.encoders import Encoder

__all__ = ["BLENDSHAPES", "NAMES", "RateGate", "Still", "VisualExtractor", "jaw_column", "visual_spec"]

_NAME = "mediapipe-face"  # in the recipe
_TOLERANCE = 1e-3  # s: containers round stamps to milliseconds
_LOST_AFTER = 1.0  # s without a face after which the next one is somebody new
_SAME_FACE = 0.2  # overlap of two boxes below which a face is another one
_AGAIN = (0.5, 3)  # border and enlargement of a still in which no face was found at first
_SMALL = 512  # px: larger pictures are not enlarged
_LARGER = 1.3  # another face takes over when its area exceeds the tracked one's by this factor
NAMES: Final = (
    *BLENDSHAPES,
    *("head_yaw", "head_pitch", "head_roll"),
    *(f"{name}_{axis}" for name in geometry.POINT_NAMES for axis in "xy"),
)
_OVAL = list(geometry.OVAL)


def jaw_column(recipe: Recipe) -> int | None:
    """Column of the blendshape ``jawOpen`` in the rows of :class:`VisualExtractor`; None for rows of another one."""
    return NAMES.index("jawOpen") if recipe.specs[Modality.VISUAL].name == _NAME else None


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


def visual_spec(
    model_sha256: str, duration: float = 4.0, rate_hz: float = 15.0, *, encoder: Encoder | None = None
) -> FeatureSpec:
    """What these features are, for the recipe; known without the model file. ``encoder`` reads faces beside it.

    Raises
    ------
    ModelError
        The encoder reads other rows.
    ConfigError
        The encoder is no face encoder.
    """
    width = 0 if encoder is None else _embedding(encoder)
    return FeatureSpec(
        modality=Modality.VISUAL,
        name=_NAME,
        version=1,
        dim=len(NAMES) + width,
        rate_hz=rate_hz,
        rows=round(rate_hz * duration),
        settings={"model_sha256": model_sha256}
        | ({} if encoder is None else {"face_encoder": encoder.identity[:SHORT]}),
    )


class _Measured(NamedTuple):
    """A face with its row, float32 (D,), and confidence."""

    face: Face
    row: Float32
    confidence: float


def _embedding(encoder: Encoder) -> int:
    """Columns that the encoder adds."""
    from dmd_runtime.model.face_encoder import FaceEncoderConfig  # noqa: PLC0415 - whoever has an encoder has torch

    config = FaceEncoderConfig.from_json(encoder.config)
    if config.row != len(NAMES):
        raise ModelError(
            f"the checkpoint's face encoder reads rows of {config.row} columns, these features have {len(NAMES)}"
        )
    return config.embedding


class Still(NamedTuple):
    """A face in a picture that stands alone.

    ``row`` is float32 (D,), as in a video; ``confidence`` in [0, 1]; ``patch`` uint8 (48, 48), see
    :func:`~dmd_runtime.features.face_patch.aligned_patch`.
    """

    row: Float32
    confidence: float
    patch: UInt8


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
    encoder : Encoder, optional
        The encoder ``face`` of a checkpoint; what it makes of a face stands behind the columns of :attr:`names`.

    Raises
    ------
    ModelError
        The file is missing or cannot be read, or the encoder reads other rows; when it is loaded: it is not a face
        landmarker.
    CheckpointError
        When it is loaded: the encoder's weights are not those of its configuration.
    ConfigError
        ``rate_hz`` is no positive number, or the encoder no face encoder.
    """

    names = NAMES

    def __init__(
        self, model_path: Path, duration: float = 4.0, rate_hz: float = 15.0, *, encoder: Encoder | None = None
    ) -> None:
        self._path = Path(model_path)
        self._gate = RateGate(rate_hz)
        self.spec = visual_spec(_digest(self._path), duration, rate_hz, encoder=encoder)
        self._encoder = encoder
        self._embedder: FaceEmbedder | None = None
        self._video: Landmarker | None = None
        self._stills: Landmarker | None = None
        self._tracked: Face | None = None
        self._seen_at = -math.inf
        self._identity = 0

    def open(self) -> None:
        """Load the model now, on the thread that will use it (about 50 ms, the first time in a process up to 3 s)."""
        self._load_encoder()
        if self._video is None:
            self._video = Landmarker(self._path, video=True)

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
        values = np.empty((0, self.spec.dim), dtype=np.float32)
        if found:
            patch = aligned_patch(frame.image, found.face.shares) if self._embedder else None
            values = self._joined(found.row, patch)[None]
        block = FeatureBlock(
            modality=Modality.VISUAL,
            times=freeze(np.array(times, dtype=np.float64)),
            ends=freeze(np.array(times, dtype=np.float64)),
            values=freeze(values),
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

    def still(self, image: UInt8, pad: float = 0.25) -> Still | None:
        """Measure a picture that stands alone, as the crops of face collections do; same numbers, same order.

        Where no face is found, a small picture is looked at once more, three times as large and with a border of 0.5;
        on FERPlus that finds one more in a hundred.

        Parameters
        ----------
        image : uint8 (H, W, 3), RGB
        pad : float
            Black border on each side, a share of the longer side: the detector misses faces that fill the picture. On
            FERPlus black finds 98 % of the faces, a repeated or mirrored edge 94 %.

        Returns
        -------
        Still or None
            None where no face was found. The patch is taken from the picture without border.
        """
        _check(image)
        self._load_encoder()
        if self._stills is None:
            self._stills = Landmarker(self._path, video=False)
        longer = max(image.shape[:2])
        for share, enlarge in ((pad, 1), _AGAIN):
            border, factor = round(share * longer), enlarge if longer <= _SMALL else 1
            padded = _prepared(image, border, factor)
            faces = sorted(self._stills.detect(padded), key=lambda f: f.area)
            found = _measure(faces[-1], padded) if faces else None
            if found:
                patch = freeze(aligned_patch(image, _without_border(found.face.shares, padded, image, border, factor)))
                return Still(self._joined(found.row, patch), found.confidence, patch)
        return None

    def _load_encoder(self) -> None:
        if self._encoder is not None and self._embedder is None:
            from dmd_runtime.features.face_encoder import FaceEmbedder  # noqa: PLC0415 - loads torch

            self._embedder = FaceEmbedder(self._encoder)

    def _joined(self, row: Float32, patch: UInt8 | None) -> Float32:
        """The row with what the encoder, where there is one, makes of the face behind it."""
        if self._embedder is None or patch is None:
            return row
        return freeze(np.concatenate([row, self._embedder(patch, row)]))

    def _take(self, faces: list[Face], image: UInt8) -> _Measured | None:
        """Choose the first face that can be used: the tracked one, unless another is much larger, then by size."""
        before = None if self._tracked is None else self._tracked.box

        def rank(face: Face) -> float:
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


def _prepared(image: UInt8, border: int, factor: int) -> UInt8:
    """The picture inside a black border, ``factor`` times as large."""
    padded = np.pad(image, ((border, border), (border, border), (0, 0))) if border else image
    if factor == 1:
        return padded
    import cv2  # noqa: PLC0415 - loaded with the face model

    return np.asarray(cv2.resize(padded, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _without_border(shares: Float64, padded: UInt8, image: UInt8, border: int, factor: int) -> Float64:
    """Landmarks (478, 2) in shares of ``image`` from those in shares of ``padded``."""
    whole, inner = (np.array([p.shape[1], p.shape[0]]) for p in (padded, image))
    return np.asarray((shares[:, :2] * (whole / factor) - border) / inner, dtype=np.float64)


def _measure(face: Face, image: UInt8) -> _Measured | None:
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
