"""The face as a small picture of its own: same place, same size, whatever the picture it was cut from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.features.face_patch import SIZE, aligned_patch
from dmd_runtime.messages import Float64, UInt8

EYES, MOUTH = ((33, 133, 159, 145), (263, 362, 386, 374)), (61, 291, 13, 14)
HOME = np.array([[0.30, 0.36], [0.70, 0.36], [0.5, 0.76]]) * SIZE


def marked(points: Float64, size: tuple[int, int], radius: float) -> tuple[UInt8, Float64]:
    """A picture with a white disc on both eyes and the mouth (3, 2), pixels; and landmarks that say where they are."""
    height, width = size
    image = np.full((height, width, 3), 40, np.uint8)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), max(1, round(radius)), (255, 255, 255), -1)
    shares = np.repeat(points.mean(axis=0)[None], 478, axis=0)
    for part, point in zip((*EYES, MOUTH), points, strict=True):
        shares[list(part)] = point
    return image, shares / (width, height)


def discs(patch: UInt8) -> Float64:
    """Middles of the three bright spots of a patch, in the order right eye, left eye, mouth."""
    count, _, _, middles = cv2.connectedComponentsWithStats((patch > 128).astype(np.uint8))
    assert count == 4
    return np.asarray(sorted(middles[1:], key=lambda m: (m[1] > SIZE / 2, m[0])))


@settings(max_examples=40, deadline=None)
@given(turn=st.floats(-0.6, 0.6), scale=st.floats(0.8, 12.0), x=st.floats(-0.1, 0.1), y=st.floats(-0.1, 0.1))
def test_eyes_and_mouth_always_stand_at_home(turn: float, scale: float, x: float, y: float) -> None:
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    width, height = 1280, 960
    points = (HOME - SIZE / 2) @ spin.T * scale + (width * (0.5 + x), height * (0.5 + y))
    patch = aligned_patch(*marked(points, (height, width), 3 * scale))
    assert patch.shape == (SIZE, SIZE)
    assert patch.dtype == np.uint8
    np.testing.assert_allclose(discs(patch), HOME, atol=1.2)


def test_outside_the_picture_its_border_is_repeated() -> None:
    points = HOME - (14, 0)  # the right eye stands on the picture's edge
    image, shares = marked(points, (SIZE, SIZE), 2)
    image[:, 0] = 200
    assert (aligned_patch(image, shares)[:, :14] == 200).all()


def test_a_face_that_is_nowhere_in_the_picture_is_black() -> None:
    image, shares = marked(HOME, (SIZE, SIZE), 2)
    assert not aligned_patch(image, shares + 5.0).any()


@pytest.mark.parametrize("factor", [2, 5, 16])
def test_large_faces_are_averaged_not_thinned(factor: int) -> None:
    """A chequerboard finer than the patch's pixels becomes its mean, not one of its colours."""
    size = SIZE * factor
    board = (np.indices((size, size)).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    _, shares = marked(HOME * factor, (size, size), 1)
    patch = aligned_patch(np.repeat(board[:, :, None], 3, axis=2), shares).astype(int)
    assert abs(patch.mean() - 120) < 3
    assert patch.std() < 30
