"""Visual features around a model of known answers: which pictures are measured when, which face, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.features import visual
from dmd_runtime.features.landmarker import Face
from dmd_runtime.features.visual import BLENDSHAPES, NAMES, RateGate, VisualExtractor
from dmd_runtime.messages import FOREVER, FaceObservation, FeatureBlock, UInt8
from dmd_runtime.modality import Modality
from tests.features.block_promises import joined
from tests.features.face_assets import NOISE, observed, push, rest, shares_of, stream, turn

TICK = 1 / 15


# ------------------------------------------------------------------ the gate


def stamps(fps: float, seconds: float, offset: float = 0.0) -> list[float]:
    """Give the times of a camera, rounded to milliseconds as containers do."""
    return [round(offset + k / fps, 3) for k in range(int(seconds * fps))]


def passed(times: Sequence[float]) -> list[float]:
    gate = RateGate(15.0)
    return [t for t in times if gate.due(t)]


@pytest.mark.parametrize("fps", [15.0, 25.0, 29.97, 30.0, 60.0])
def test_a_camera_at_least_as_fast_gives_one_picture_for_every_tick(fps: float) -> None:
    times = stamps(fps, 120.0)
    assert len(passed(times)) == math.floor(times[-1] * 15 + 0.02) + 1
    lags = [t - k * TICK for k, t in enumerate(passed(times))]
    assert min(lags) >= -0.001 - 1e-9
    assert max(lags) < 1 / fps + 0.001


@given(st.sampled_from([25.0, 29.97, 30.0, 60.0]), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_same_holds_wherever_its_first_picture_lies(fps: float, offset: float) -> None:
    kept = passed(stamps(fps, 20.0, offset))
    assert [math.floor((t + 0.001) * 15) for t in kept] == list(
        range(math.floor((kept[0] + 0.001) * 15), math.floor((kept[-1] + 0.001) * 15) + 1)
    )


@given(st.sampled_from([8.0, 12.0, 14.5]), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_slower_camera_gives_all_its_pictures(fps: float, offset: float) -> None:
    assert passed(stamps(fps, 20.0, offset)) == stamps(fps, 20.0, offset)


def test_thirty_pictures_a_second_in_milliseconds_give_every_second_one_for_an_hour() -> None:
    times = stamps(30.0, 3_600.0)
    assert passed(times) == times[::2]


jittering = st.lists(st.floats(-0.01, 0.2), min_size=1, max_size=80).map(lambda gaps: list(np.cumsum(gaps)))


@given(jittering)
@settings(deadline=None)
def test_a_picture_is_refused_only_where_its_tick_has_had_one(times: list[float]) -> None:
    gate = RateGate(15.0)
    settled = 0.0
    for t in times:
        if gate.due(t):
            assert gate.row_time(t) >= settled - 1e-9
            assert t - 1e-9 <= gate.row_time(t) <= max(t, 0.0) + 0.001 + 1e-9
            assert gate.row_time(t) < gate.settled_until <= gate.row_time(t) + TICK + 1e-9
        else:
            assert t + 0.001 < settled + 1e-9
            assert gate.settled_until == settled
        settled = gate.settled_until


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="positive number"):
        RateGate(rate)


# ------------------------------------------- the extractor around a known model


def face(x: float = 0.5, size: float = 1.0, *, yaw: float = 0.0, width: int = 640, height: int = 480) -> Face:
    """Make a face at rest, ``size`` times 15 pixels a centimetre, its middle at ``x`` widths."""
    points = 15 * size * rest() @ turn(yaw=yaw).T + np.array([x * width, height / 2, 0.0])
    shares = shares_of(points, width=width, height=height)
    return Face(shares, np.zeros(51, np.float32), turn(yaw=yaw), geometry.bounding_box(shares))


class FakeLandmarker:
    """Stands in for MediaPipe: says what ``script`` says for the time it is asked about."""

    script: Callable[[float], list[Face]] = staticmethod(lambda t: [face()])

    def __init__(self, path: Path, *, video: bool) -> None:
        self.closed = False

    def detect(self, image: UInt8, t: float | None = None) -> list[Face]:
        self.image = image
        return type(self).script(t or 0.0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Callable[..., VisualExtractor]]:
    """Give a maker of extractors whose model finds ``faces(t)``."""
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"not read by the fake")

    def make(faces: Callable[[float], list[Face]] | None = None) -> VisualExtractor:
        FakeLandmarker.script = staticmethod(faces or (lambda t: [face()]))
        return VisualExtractor(path)

    with mock.patch.object(visual, "Landmarker", FakeLandmarker):
        yield make


def test_the_spec_is_15_hz_60_rows_in_4_s(fake: Callable[..., VisualExtractor]) -> None:
    spec = fake().spec
    assert (spec.modality, spec.rate_hz, spec.rows, spec.dim) == (Modality.VISUAL, 15.0, 60, len(NAMES))
    assert len(BLENDSHAPES) == 51
    assert len(set(NAMES)) == len(NAMES) == 51 + 3 + 2 * len(geometry.POINT_NAMES)


def test_another_model_file_is_another_recipe(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.task", "b.task")]
    for path in paths:
        path.write_bytes(path.name.encode())
    assert len({VisualExtractor(path).spec.settings["model_sha256"] for path in paths}) == 2


@given(times=jittering, dropped=st.lists(st.booleans(), min_size=80, max_size=80), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_due_picture_settles_whether_it_came_had_a_face_or_was_dropped(
    fake: Callable[..., VisualExtractor], times: list[float], dropped: list[bool], seed: int
) -> None:
    absent = np.random.default_rng(seed).random(81) < 0.3
    extractor = fake(lambda t: [] if absent[int(abs(t) * 15) % 81] else [face()])
    said: list[object] = []
    skipped: list[float] = []
    for t, drop in zip(times, dropped, strict=False):
        if drop:
            skipped.append(t)
        else:
            said += push(extractor, t, *skipped)
            skipped = []
    rows = joined([*said, *extractor.finish()], extractor.spec.dim)
    handed = times[: len(times) - len(skipped)]
    assert len(rows.due) == len(passed(handed))
    assert len(rows.times) == len(observed(said))


def test_dropped_pictures_are_due_but_missing(fake: Callable[..., VisualExtractor]) -> None:
    (block, _) = push(fake(), 3 * TICK, 0.0, TICK, 2 * TICK)
    assert isinstance(block, FeatureBlock)
    np.testing.assert_allclose(block.due, [0.0, TICK, 2 * TICK, 3 * TICK])
    np.testing.assert_allclose(block.times, [3 * TICK])
    assert block.settled_until == pytest.approx(4 * TICK)


def test_pictures_that_are_not_due_are_passed_over(fake: Callable[..., VisualExtractor]) -> None:
    rows, _ = stream(fake(), stamps(60.0, 4.0))
    assert len(rows.times) == len(rows.due) == 60


def test_a_picture_that_is_not_due_still_tells_of_dropped_ones(fake: Callable[..., VisualExtractor]) -> None:
    (block,) = push(fake(), 0.02, 0.0)
    assert isinstance(block, FeatureBlock)
    assert (list(block.due), list(block.times)) == ([0.0], [])


def test_a_stamp_a_millisecond_early_is_put_on_its_tick(fake: Callable[..., VisualExtractor]) -> None:
    block, seen = push(fake(), 0.066)
    assert isinstance(block, FeatureBlock)
    assert isinstance(seen, FaceObservation)
    assert block.times[0] == TICK
    assert seen.t == 0.066


def test_a_face_too_far_turned_gives_no_row_and_no_observation(fake: Callable[..., VisualExtractor]) -> None:
    (block,) = push(fake(lambda t: [face(yaw=1.35)]), 0.0)
    assert isinstance(block, FeatureBlock)
    assert (len(block.times), len(block.due)) == (0, 1)


def test_the_largest_face_is_taken(fake: Callable[..., VisualExtractor]) -> None:
    _, seen = push(fake(lambda t: [face(0.2), face(0.7, 1.2), face(0.45)]), 0.0)
    assert isinstance(seen, FaceObservation)
    x, _, w, _ = seen.box
    assert x + w / 2 == pytest.approx(0.7, abs=0.02)


def test_where_the_largest_cannot_be_measured_the_next_is_taken(fake: Callable[..., VisualExtractor]) -> None:
    _, seen = push(fake(lambda t: [face(0.7, 1.2, yaw=1.4), face(0.3)]), 0.0)
    assert isinstance(seen, FaceObservation)
    assert seen.box[0] < 0.3


@pytest.mark.parametrize(("size", "taken"), [(1.1, 0.25), (1.2, 0.75)])
def test_the_tracked_face_is_kept_until_another_is_much_larger(
    fake: Callable[..., VisualExtractor], size: float, taken: float
) -> None:
    _, said = stream(fake(lambda t: [face(0.25), *([face(0.75, size)] if t > 0.3 else [])]), stamps(15.0, 1.0))
    x, _, w, _ = observed(said)[-1].box
    assert x + w / 2 == pytest.approx(taken, abs=0.02)


@pytest.mark.parametrize(
    ("script", "identities"),
    [
        (lambda t: [face(0.3 + 0.2 * t)], 1),  # walks
        (lambda t: [] if 1.0 <= t < 1.9 else [face()], 1),  # hides for less than a second
        (lambda t: [] if 0.5 <= t < 1.9 else [face()], 2),  # for longer
        (lambda t: [face(0.25 if t < 1.0 else 0.75)], 2),  # jumps
    ],
    ids=["walks", "hides", "leaves", "jumps"],
)
def test_identity_tells_faces_apart_in_time(
    fake: Callable[..., VisualExtractor], script: Callable[[float], list[Face]], identities: int
) -> None:
    _, said = stream(fake(script), stamps(15.0, 2.5))
    seen = [o.identity for o in observed(said)]
    assert seen == sorted(seen)
    assert set(seen) == set(range(1, identities + 1))


def test_the_end_frees_the_model_and_settles_for_ever(fake: Callable[..., VisualExtractor]) -> None:
    extractor = fake()
    push(extractor, 0.0)
    model = extractor._video
    (block,) = extractor.finish()
    assert isinstance(model, FakeLandmarker)
    assert model.closed
    assert block.settled_until == FOREVER
    extractor.close()


@pytest.mark.parametrize("pad", [0.0, 0.25, 0.5])
def test_a_still_gets_a_black_border(fake: Callable[..., VisualExtractor], pad: float) -> None:
    extractor = fake()
    extractor.still(NOISE, pad=pad)
    border = round(pad * 640)
    assert isinstance(extractor._stills, FakeLandmarker)
    expected = np.zeros((480 + 2 * border, 640 + 2 * border, 3), np.uint8)
    expected[border : border + 480, border : border + 640] = NOISE
    assert np.array_equal(extractor._stills.image, expected)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
    ids=["grey", "rgba", "float", "empty", "none"],
)
def test_what_is_no_rgb_picture_is_refused(fake: Callable[..., VisualExtractor], image: UInt8) -> None:
    with pytest.raises(ModelError, match=r"must be uint8 \(height, width, 3\)"):
        push(fake(), 0.0, image=image)
    with pytest.raises(ModelError, match=r"must be uint8 \(height, width, 3\)"):
        fake().still(image)
