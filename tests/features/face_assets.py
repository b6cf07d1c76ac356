"""Faces for tests: the landmark model, a portrait and recordings where they are found; and faces made of numbers.

Model: ``DMD_ASSETS``, a folder with ``face_landmarker/face_landmarker.task`` in it, or what ``dmd models fetch`` got.
Portrait: scikit-image's picture of Eileen Collins (NASA, public domain). Recordings: :mod:`tests.shared_data`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.errors import AssetError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.features.visual import VisualExtractor
from dmd_runtime.messages import FaceObservation, Float64, UInt8, VideoFrame
from tests.features.block_promises import Stream, joined
from tests.shared_data import shared

_NAME = "face_landmarker"
NOISE: UInt8 = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)


@cache
def _model() -> Path | None:
    from dmd_runtime.assets import Assets

    if (root := os.environ.get("DMD_ASSETS")) and (path := Path(root) / _NAME / f"{_NAME}.task").is_file():
        return path
    try:
        return Assets(offline=True).find(_NAME)
    except AssetError:
        return None


def face_model() -> Path:
    path = _model()
    if path is None:
        pytest.skip(f"model {_NAME} is not here: dmd models fetch {_NAME}, or name its folder's parent in DMD_ASSETS")
    return path


@cache
def _portrait() -> UInt8:
    from skimage.data import astronaut

    image = np.ascontiguousarray(astronaut())
    image.flags.writeable = False
    return image


def portrait() -> UInt8:
    """uint8 (512, 512, 3): a smiling face, 90 pixels wide, its middle at 0.44 of the width and 0.24 of the height."""
    pytest.importorskip("skimage", reason="no portrait: scikit-image (extra: demo) is not installed")
    return _portrait()


def recording(name: str) -> Path:
    return shared("clips", "faces", name)


def turn(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Float64:
    """Rotation (3, 3) of those angles, as :func:`face_geometry.head_angles` defines them."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, -pitch, roll))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, dtype=np.float64)


@cache
def rest() -> Float64:
    """Give the face at rest, (478, 3) in centimetres: known points at home, all others in the middle of them."""
    points = np.zeros((geometry.LANDMARKS, 3))
    points[geometry._TABLE.rows] = geometry._TABLE.home
    points[geometry._ANCHOR_INDEX] = geometry._ANCHOR_HOME
    points.flags.writeable = False
    return points


def shares_of(points: Float64, *, width: int, height: int) -> Float64:
    """Points (478, 3) in pixels, y up, origin at the picture's lower left, as MediaPipe gives them."""
    return np.asarray((points - [0, height, 0]) / np.array([width, -height, -width]), dtype=np.float64)


def push(extractor: VisualExtractor, t: float, *skipped: float, image: UInt8 = NOISE) -> list[object]:
    return list(extractor.push(VideoFrame(seq=0, t=t, image=image), skipped))


def stream(extractor: VisualExtractor, times: Sequence[float], image: UInt8 = NOISE) -> tuple[Stream, list[object]]:
    said = [m for t in times for m in push(extractor, t, image=image)]
    said += extractor.finish()
    return joined(said, extractor.spec.dim), said


def observed(said: Sequence[object]) -> list[FaceObservation]:
    return [m for m in said if isinstance(m, FaceObservation)]
