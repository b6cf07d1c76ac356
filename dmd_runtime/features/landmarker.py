"""MediaPipe's face landmarker (https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker), made quiet.

It runs on the processor and takes about 10 ms a picture.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.messages import Float32, Float64, UInt8
from dmd_runtime.privacy import import_mediapipe

_FACES = 2  # with one, MediaPipe smooths landmarks over time, which a still picture cannot have
_LARGEST = 4096  # px: of larger pictures every n-th pixel is taken; below, MediaPipe scales down faster than numpy
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
_fd_lock = threading.Lock()
_END = b"\0end of chatter\n"
_PATIENCE_SECONDS = 1.0
_CHATTER = re.compile(r"([IWEF])\d{4} \d\d:\d\d:|INFO: .*TensorFlow|WARNING: .* written to STDERR")
logger = logging.getLogger(__name__)


class Face(NamedTuple):
    """One face as found: (478, 3) landmarks in shares of the picture, coefficients (51,), head rotation (3, 3)."""

    shares: Float64
    coefficients: Float32
    rotation: Float64
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """Share of the picture."""
        return self.box[2] * self.box[3]


class Landmarker:
    """MediaPipe's landmarker; one thread."""

    def __init__(self, path: Path, *, video: bool) -> None:
        self._mp = import_mediapipe()
        tasks, vision = self._mp.tasks, self._mp.tasks.vision
        # WORKAROUND: collected as garbage, MediaPipe's object closes itself on whatever thread that is, and waits there
        # for threads of its own, at times for ever. It is closed by :meth:`close`, or when the process ends.
        vision.FaceLandmarker.__del__ = _left_alone
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        options = vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            running_mode=mode,
            num_faces=_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with quiet():
            try:
                self._model: Any = vision.FaceLandmarker.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                raise ModelError(
                    f"{path}: expected MediaPipe's face_landmarker.task, which it is not: {error}"
                ) from error
        self._last_ms = -1

    def detect(self, image: UInt8, t: float | None = None) -> list[Face]:
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
        """Free the model."""
        self._model.close()


def _left_alone(_: object) -> None:
    """Do nothing."""


def _face(landmarks: Sequence[Any], categories: Sequence[Any], matrix: Float32) -> Face:
    shares = np.array([(p.x, p.y, p.z) for p in landmarks], dtype=np.float64)
    scores = {c.category_name: c.score for c in categories}
    return Face(
        shares=shares,
        coefficients=np.array([scores[name] for name in BLENDSHAPES], dtype=np.float32),
        rotation=np.asarray(matrix[:3, :3], dtype=np.float64),
        box=geometry.bounding_box(shares),
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep MediaPipe's chatter off file descriptor 2: errors go to the log as errors, all else as debug lines.

    MediaPipe 1.2 has no switch for it: GLOG_* and ABSL_* variables do nothing. What other threads write meanwhile
    passes at once, so it is there even where the process ends before the model is loaded.
    """
    with _fd_lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # a windowed program may have no standard error
            yield
            return
        stack.callback(os.close, saved)
        if sys.stderr is not None:
            sys.stderr.flush()
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        all_said = threading.Event()
        threading.Thread(target=_relay, args=(reading, os.dup(saved), all_said), name="chatter", daemon=True).start()
        try:
            yield
        finally:
            os.write(2, _END)
            os.dup2(saved, 2)
            all_said.wait(_PATIENCE_SECONDS)


def _relay(reading: int, out: int, all_said: threading.Event) -> None:
    """Sort out the lines until nobody is left to write any: a program started meanwhile has this descriptor too."""
    try:
        with os.fdopen(reading, "rb") as lines:
            for raw in lines:
                if raw.endswith(_END):
                    _sort_out(raw.removesuffix(_END), out)
                    all_said.set()
                else:
                    _sort_out(raw, out)
    finally:
        os.close(out)


def _sort_out(raw: bytes, out: int) -> None:
    """Log a line of chatter; write any other one to where it was to go."""
    line = raw.decode(errors="replace").rstrip()
    if known := _CHATTER.match(line):
        logger.log(logging.ERROR if known[1] in ("E", "F") else logging.DEBUG, "%s", line)
    else:
        os.write(out, raw)
