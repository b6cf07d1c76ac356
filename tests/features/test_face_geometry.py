"""Landmark geometry: what a head's place, size and turn must not change, and the signs of what they do change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.messages import Float32, Float64
from tests.features.face_assets import rest, shares_of, turn

angles = st.tuples(st.floats(-1.3, 1.3), st.floats(-1.3, 1.3), st.floats(-3.1, 3.1))
shifts = st.tuples(*[st.floats(-1e3, 1e3)] * 3)
scales = st.floats(1.0, 200.0)


def expressive(seed: int) -> Float64:
    """Let the table's points be anywhere within 5 mm, and the anchors at home."""
    points = rest() + np.random.default_rng(seed).uniform(-0.5, 0.5, rest().shape)
    points[geometry._ANCHOR_INDEX] = geometry._ANCHOR_HOME
    return points


def aligned(points: Float64) -> Float32:
    placement = geometry.place(points)
    assert placement is not None
    return geometry.aligned_points(points, placement)


@given(st.integers(0, 10_000), angles, shifts, scales)
@settings(deadline=None)
def test_place_size_and_turn_of_the_head_change_no_aligned_point(
    seed: int, ypr: tuple[float, float, float], shift: tuple[float, float, float], scale: float
) -> None:
    points = expressive(seed)
    moved = scale * points @ turn(*ypr).T + np.array(shift)
    np.testing.assert_allclose(aligned(moved), aligned(points), atol=1e-5)


@given(st.integers(0, 10_000), st.floats(-3.1, 3.1), st.floats(0.2, 5.0), st.floats(-2e3, 2e3), st.floats(-2e3, 2e3))
@settings(deadline=None)
def test_the_same_holds_of_noisy_anchors(seed: int, roll: float, scale: float, x: float, y: float) -> None:
    points = rest() * 20 + np.random.default_rng(seed).normal(0, 4, rest().shape)
    moved = scale * points @ turn(roll=roll).T + np.array([x, y, 0])
    np.testing.assert_allclose(aligned(moved), aligned(points), atol=1e-5)


@given(angles, shifts, scales)
@settings(deadline=None)
def test_the_placement_of_a_face_is_recovered(
    ypr: tuple[float, float, float], shift: tuple[float, float, float], scale: float
) -> None:
    placement = geometry.place(scale * rest() @ turn(*ypr).T + np.array(shift))
    assert placement is not None
    assert placement.scale == pytest.approx(scale)
    np.testing.assert_allclose(placement.rotation, turn(*ypr), atol=1e-7)
    np.testing.assert_allclose(placement.shift, shift, atol=1e-5)
    assert placement.residual < 1e-5


def test_a_face_at_rest_is_where_it_is_at_rest() -> None:
    np.testing.assert_allclose(aligned(rest() * 30 + 200), 0.0, atol=1e-6)


def test_a_raised_corner_of_the_mouth_is_a_displacement_in_eye_distances() -> None:
    points = rest().copy()
    points[291] += [0.0, geometry.EYE_DISTANCE / 10, 0.0]
    expected = np.zeros((len(geometry.POINT_NAMES), 2))
    expected[geometry.POINT_NAMES.index("lip_corner_left")] = 0.0, 0.1
    np.testing.assert_allclose(aligned(points), expected, atol=1e-6)


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_a_mirrored_mesh_is_never_fitted_by_a_mirror(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=rest().shape)
    placement = geometry.place(points)
    if placement is not None:
        assert np.linalg.det(placement.rotation) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [np.full((478, 3), 5.0), np.full((478, 3), np.nan), np.zeros((478, 3))])
def test_points_that_are_no_face_have_no_placement(bad: Float64) -> None:
    assert geometry.place(bad) is None


def test_one_point_that_is_no_number_is_enough_to_refuse() -> None:
    points = rest().copy()
    points[152, 1] = np.inf
    assert geometry.place(points) is None


# -------------------------------------------------------------------- angles


@given(angles)
def test_head_angles_are_those_of_the_rotation(ypr: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(geometry.head_angles(turn(*ypr)), ypr, atol=1e-9)


def test_the_signs_of_the_angles_are_as_documented() -> None:
    nose = np.array([0.0, 0.0, 1.0])
    assert (turn(yaw=0.3) @ nose)[0] > 0  # to the subject's left, the picture's right
    assert (turn(pitch=0.3) @ nose)[1] > 0  # up
    assert (turn(roll=0.3) @ np.array([1.0, 0.0, 0.0]))[1] > 0  # counter-clockwise with y up


@given(st.floats(-3.1, 3.1), st.floats(0.0, 1.5))
def test_rolling_the_head_does_not_turn_it_away(roll: float, yaw: float) -> None:
    assert geometry.away_angle(turn(yaw=yaw, roll=roll)) == pytest.approx(yaw, abs=1e-6)


# --------------------------------------------------------------------- places


def test_pixels_have_y_up_and_z_toward_the_viewer() -> None:
    shares = np.array([[0.5, 0.25, -0.1]])
    np.testing.assert_allclose(geometry.in_pixels(shares, 640, 480), [[320.0, -120.0, 64.0]])


unit = st.floats(0.0, 1.0)
boxes = st.tuples(unit, unit, st.floats(0.01, 1.0), st.floats(0.01, 1.0))


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert geometry.overlap(a, b) == geometry.overlap(b, a)
    assert 0.0 <= geometry.overlap(a, b) <= 1.0 + 1e-9
    assert geometry.overlap(a, a) == pytest.approx(1.0)


def test_overlap_of_known_boxes() -> None:
    assert geometry.overlap((0, 0, 2, 2), (1, 0, 2, 2)) == pytest.approx(1 / 3)
    assert geometry.overlap((0, 0, 1, 1), (2, 2, 1, 1)) == 0.0
    assert geometry.overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0


def test_the_box_holds_every_point_tightly() -> None:
    points = np.random.default_rng(0).uniform(-0.2, 1.2, (50, 3))
    x, y, w, h = geometry.bounding_box(points)
    np.testing.assert_allclose((x, y, x + w, y + h), [*points[:, :2].min(axis=0), *points[:, :2].max(axis=0)])


def test_the_share_inside_counts_points_on_the_edge() -> None:
    assert geometry.inside_share(np.array([[0.0, 1.0], [0.5, 0.5], [1.01, 0.5], [0.5, -0.01]])) == 0.5


# ----------------------------------------------------------------- confidence

SURE = {"side_px": 200.0, "inside": 1.0, "away": 0.0, "contrast": 50.0, "misfit": 0.2}
NONE = {"side_px": 24.0, "inside": 0.7, "away": np.radians(75.0), "contrast": 2.0, "misfit": 1.0}


def test_a_large_frontal_face_is_sure() -> None:
    assert geometry.measurability(**SURE) == 1.0


@pytest.mark.parametrize("doubt", list(NONE))
def test_each_doubt_alone_forbids_the_use(doubt: str) -> None:
    assert geometry.measurability(**{**SURE, doubt: NONE[doubt]}) == pytest.approx(0.0)
    assert geometry.measurability(**{**SURE, doubt: 0.7 * NONE[doubt] + 0.3 * SURE[doubt]}) > 0.0


@given(st.sampled_from(list(NONE)), unit, unit)
def test_more_doubt_is_never_more_confidence(doubt: str, a: float, b: float) -> None:
    less, more = sorted((a, b))
    values = [
        geometry.measurability(**{**SURE, doubt: (1 - share) * SURE[doubt] + share * NONE[doubt]})
        for share in (less, more)
    ]
    assert values[1] <= values[0]


@pytest.mark.parametrize(("x", "expected"), [(320.0, 1.0), (-20.0, 0.0), (5_000.0, 0.0)])
def test_a_face_outside_the_picture_has_no_confidence(x: float, expected: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    points = rest() * 15 + np.array([x, 240.0, 0.0])
    placement = geometry.place(points)
    assert placement is not None
    shares = shares_of(points, width=640, height=480)
    assert geometry.confidence(image, shares, turn(), placement) == expected


# -------------------------------------------------------------------- tables


def test_names_are_unique_and_sides_are_mirrored() -> None:
    names = geometry.POINT_NAMES
    assert len(set(names)) == len(names) == len(set(geometry._TABLE.rows))
    home = dict(zip(names, geometry._TABLE.home, strict=True))
    for name in names:
        if name.endswith("_left"):
            np.testing.assert_array_equal(home[name] * [-1, 1, 1], home[name.removesuffix("_left") + "_right"])
            assert home[name][0] > 0


def test_the_outline_goes_around_once() -> None:
    assert len(set(geometry.OVAL)) == len(geometry.OVAL) == 36
    assert max(geometry.OVAL) < geometry.LANDMARKS
