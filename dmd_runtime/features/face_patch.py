"""The face as a small grey picture of its own: turned upright, eyes and mouth where they always are.

What coefficients and landmarks leave out (wrinkles, teeth, the fold of a nose) is in here; a checkpoint may bring an
encoder that reads it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dmd_runtime.messages import Float64, UInt8

SIZE: Final = 48
"""Side of a patch in pixels."""
_EYES = ((33, 133, 159, 145), (263, 362, 386, 374))  # the subject's right and left, landmark numbers
_MOUTH = (61, 291, 13, 14)
_HOME: Final = np.array([[0.30, 0.36], [0.70, 0.36], [0.5, 0.76]])
"""Where the right eye, the left eye and the mouth stand, in sides of the patch (x to the picture's right, y down)."""


def aligned_patch(image: UInt8, shares: Float64) -> UInt8:
    """Cut the face out of a picture.

    Parameters
    ----------
    image : uint8 (H, W, 3), RGB
    shares : float64 (478, 2+)
        Landmarks in shares of the picture.

    Returns
    -------
    uint8 (SIZE, SIZE)
        Grey; the similarity (turn, scale, shift) that fits both eyes and the mouth best, the border repeated outside
        the picture. Where the face is large, pixels are averaged, not skipped.
    """
    import cv2  # noqa: PLC0415 - loaded with the face model

    height, width = image.shape[:2]
    points = shares[:, :2] * (width, height)
    seen = np.stack([points[list(part)].mean(axis=0) for part in (*_EYES, _MOUTH)])  # (3, 2)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    margin = 0.35 * (high - low).max()
    x0, y0 = np.maximum(0, low - margin).astype(int)
    x1, y1 = np.minimum((width, height), high + margin).astype(int)
    cut = image[y0:y1, x0:x1]
    if cut.size == 0:
        return np.zeros((SIZE, SIZE), dtype=np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(cut), cv2.COLOR_RGB2GRAY)
    matrix = _similarity(seen - (x0, y0), _HOME * SIZE)
    shrink = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if shrink < 0.6:  # average first: a warp looks at four pixels only
        smaller = 0.75 / (shrink * 1.5) if shrink * 1.5 > 0.75 else 1.0
        factor = min(1.0, shrink * 1.5 * smaller)
        size = (max(2, round(grey.shape[1] * factor)), max(2, round(grey.shape[0] * factor)))
        scale = np.array([size[0] / grey.shape[1], size[1] / grey.shape[0]])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        matrix = _similarity((seen - (x0, y0)) * scale, _HOME * SIZE)
    warped = cv2.warpAffine(grey, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def _similarity(source: Float64, target: Float64) -> Float64:
    """Turn, scale and shift, (2, 3), that carry ``source`` (n, 2) to ``target`` (n, 2) with least squares."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    size = max(float((a * a).sum()), 1e-9)
    real = float((a * b).sum()) / size
    imaginary = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
    turn = np.array([[real, -imaginary], [imaginary, real]])
    shift = target.mean(axis=0) - turn @ source.mean(axis=0)
    return np.concatenate([turn, shift[:, None]], axis=1)
