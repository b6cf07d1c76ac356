"""The parts of the demo film's script that need no portrait, model or voice."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import make_demo
from scripts.demo.mesh import Expression, Floats, Mesh, make_mesh
from scripts.demo.picture import SIZE, Camera, Painter, affines
from scripts.demo.points import FACE, IRISES, LOWER_LIDS, LOWER_LIP, OVAL, UPPER_LIDS, UPPER_LIP
from scripts.demo.timeline import LINES, camera_at, expression_at, plan, times
from scripts.demo.voice import RATE, mixed, mouth_track

SIDE = 256
EDGE = slice(-len(OVAL), None)
LENGTHS = st.lists(st.floats(1.2, 6.0), min_size=len(LINES), max_size=len(LINES))
AMOUNTS = [field.name for field in fields(Expression)][:10]
EXPRESSIONS = st.builds(
    Expression,
    **{name: st.floats(0.0, 1.0) for name in AMOUNTS},
    **dict.fromkeys(("yaw", "pitch", "roll", "x", "y", "breath"), st.floats(-0.1, 0.1)),
)


def face() -> Floats:
    """Landmarks (478, 3) of a face made of arcs, 40 pixels from eye to eye; what has no place of its own is strewn."""
    points = np.random.default_rng(1).uniform([-0.7, -0.5, -0.3], [0.7, 1.5, 0.3], (478, 3))
    angle = np.linspace(0.0, 2.0 * np.pi, len(OVAL), endpoint=False)
    points[list(OVAL), :2] = np.column_stack([1.05 * np.sin(angle), 0.5 - 1.25 * np.cos(angle)])
    for lines, sign in ((UPPER_LIP, -1.0), (LOWER_LIP, 1.0)):
        for k, ring in enumerate(lines):
            s = np.linspace(-1.0, 1.0, len(ring))
            points[list(ring), :2] = np.column_stack(
                [0.015 + (0.5 - 0.02 * k) * s, 1.0 + sign * (0.2 - 0.04 * k) * (1.0 - s * s)]
            )
    for lids, sign in ((UPPER_LIDS, -1.0), (LOWER_LIDS, 1.0)):
        for lid, middle in zip(lids, (-0.5, 0.5), strict=True):
            s = np.linspace(-1.0, 1.0, len(lid))
            points[list(lid), :2] = np.column_stack([middle + 0.22 * s, sign * 0.08 * (1.0 - s * s)])
    points[IRISES[0], :2], points[IRISES[1], :2] = (-0.5, 0.0), (0.5, 0.0)
    points[1] = (0.0, 0.5, -0.5)
    return points * 40.0 + [SIDE / 2, 100.0, 0.0]


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    fan = [(1, a, b) for a, b in zip(OVAL, (*OVAL[1:], OVAL[0]), strict=True)]
    return make_mesh(face(), np.array(fan), (SIDE, SIDE))


def test_the_smile_is_the_portraits_own(mesh: Mesh) -> None:
    assert np.allclose(mesh.displaced(Expression(smile=1.0)), mesh.rest[:, :2])


@given(e=EXPRESSIONS)
@settings(max_examples=30, deadline=None)
def test_nothing_moves_at_the_edge_of_the_picture(mesh: Mesh, e: Expression) -> None:
    moved = mesh.displaced(e) - mesh.rest[:, :2]
    assert np.abs(moved[EDGE]).max() == 0.0
    assert np.abs(moved[:FACE]).max() > 0.0


@given(e=EXPRESSIONS)
@settings(max_examples=30, deadline=None)
def test_lids_and_lips_meet_and_never_pass(mesh: Mesh, e: Expression) -> None:
    upright = Expression(**{name: value for name, value in asdict(e).items() if name in AMOUNTS})
    at = mesh.displaced(upright)
    for above, below in zip((*UPPER_LIDS, UPPER_LIP[-1]), (*LOWER_LIDS, LOWER_LIP[-1]), strict=True):
        assert (at[list(below), 1] - at[list(above), 1]).min() > -1e-9


def test_a_blink_shuts_the_eyes_and_the_jaw_opens_the_mouth(mesh: Mesh) -> None:
    open_, shut = (mesh.displaced(Expression(blink=b)) for b in (0.0, 1.0))
    for above, below in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        assert (open_[list(below), 1] - open_[list(above), 1]).max() > 0.1
        assert (shut[list(below), 1] - shut[list(above), 1]).max() < 1e-6
    gaps = [mesh.displaced(Expression(jaw=j))[[13, 14], 1] for j in (0.0, 0.5, 1.0)]
    assert [round(float(low - high), 2) for high, low in gaps] == sorted(round(float(b - a), 2) for a, b in gaps)
    assert gaps[0][1] - gaps[0][0] < 0.01
    assert gaps[2][1] - gaps[2][0] > 0.3


def test_the_head_goes_as_one(mesh: Mesh) -> None:
    moved = mesh.displaced(Expression(smile=1.0, x=0.1)) - mesh.rest[:, :2]
    assert np.allclose(moved[:FACE], [0.1, 0.0])
    assert np.all(moved[FACE:, 0] <= 0.1 + 1e-12)


def test_affines_carry_triangles_and_flat_ones_nowhere() -> None:
    rng = np.random.default_rng(2)
    targets, sources = rng.uniform(0, 100, (2, 5, 3, 2))
    targets[3] = targets[3, :1]
    carried = np.einsum(
        "mij,mkj->mki", affines(targets, sources), np.concatenate([targets, np.ones((5, 3, 1))], axis=2)
    )
    assert np.allclose(carried[[0, 1, 2, 4]], sources[[0, 1, 2, 4]])
    assert np.all(carried[3] == 0.0)


def test_a_face_that_does_nothing_is_the_portrait_enlarged(mesh: Mesh) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    portrait = np.stack([x // 2 + 40, y // 2 + 40, (x + y) // 4 + 40], axis=-1).astype(np.uint8)
    picture = Painter(portrait, mesh)(Expression(smile=1.0), Camera(SIDE / 2, SIDE / 2, 160.0))
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    left, top, zoom = SIDE / 2 - 80.0, SIDE / 2 - 60.0, SIZE[0] / 160.0
    rows, columns = np.mgrid[:200, : SIZE[0]]  # above the mouth
    expected = (left + (columns + 0.5) / zoom - 0.5) / 2 + 40, (top + (rows + 0.5) / zoom - 0.5) / 2 + 40
    for channel in (0, 1):
        assert np.abs(picture[:200, :, channel] - expected[channel]).max() < 2.5


def test_the_same_numbers_give_the_same_picture(mesh: Mesh) -> None:
    portrait = np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    e, camera = Expression(jaw=0.5, blink=0.4, yaw=0.05), Camera(SIDE / 2, 120.0, 150.0)
    first, second = (Painter(portrait, mesh)(e, camera) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, Painter(portrait, mesh)(Expression(), camera))


@given(lengths=LENGTHS, loudness=st.floats(0, 1), darkness=st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_expressions_are_bounded_and_continuous(lengths: list[float], loudness: float, darkness: float) -> None:
    timeline = plan(lengths)
    faces = [expression_at(t, timeline, loudness=loudness, darkness=darkness) for t in times(timeline).tolist()]
    track = np.array([list(asdict(e).values()) for e in faces])
    assert track[:, : len(AMOUNTS)].min() >= 0.0
    assert track[:, : len(AMOUNTS)].max() <= 1.0
    assert np.abs(track[:, len(AMOUNTS) :]).max() <= 0.2
    steps = np.abs(np.diff(track, axis=0)).max(axis=0)
    assert steps[AMOUNTS.index("blink")] <= 0.34  # a tenth of a second to shut
    assert np.delete(steps, AMOUNTS.index("blink")).max() <= 0.15


@given(lengths=LENGTHS)
@settings(max_examples=20, deadline=None)
def test_the_plan_is_in_order(lengths: list[float]) -> None:
    timeline = plan(lengths)
    ends = [0.0, *(t for said in timeline.spoken for t in (said.t0, said.t1)), timeline.duration]
    assert ends == sorted(ends)
    for stretch in (*timeline.moods, timeline.silence, timeline.away):
        assert 0.0 < stretch.t0 < stretch.t1 < timeline.duration
    assert not any(said.t0 < timeline.silence.t1 and said.t1 > timeline.silence.t0 for said in timeline.spoken)
    assert np.diff(timeline.blinks).min() >= 1.5
    assert timeline.blinks[-1] < timeline.duration
    middle = (timeline.away.t0 + timeline.away.t1) / 2
    assert camera_at(middle, timeline).y > camera_at(0.0, timeline).y + 150.0


def test_the_mouth_follows_the_voice_and_rests_in_silence() -> None:
    timeline = plan([1.5] * len(LINES))
    tone = (0.3 * np.sin(np.arange(round(1.5 * RATE)) * 2.0 * np.pi * 500.0 / RATE)).astype(np.float32)
    sound = mixed([tone] * len(LINES), timeline)
    at = times(timeline)
    loud, dark = mouth_track(sound, len(at))
    spoken = np.any([(at > said.t0 + 0.1) & (at < said.t1 - 0.1) for said in timeline.spoken], axis=0)
    silent = ~np.any([(at > said.t0 - 0.1) & (at < said.t1 + 0.1) for said in timeline.spoken], axis=0)
    assert loud[spoken].min() > 0.9
    assert np.all(loud[silent] == 0.0)
    assert max(loud.max(), dark.max()) <= 1.0


@pytest.mark.parametrize(
    ("missing", "line"), [("skimage", "pip install scikit-image"), ("espeak", "apt-get install -y espeak-ng")]
)
def test_what_is_missing_is_named_with_the_line_to_type(
    missing: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setattr(make_demo, "find_spec", lambda name: None if missing == "skimage" else object())
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert make_demo.main(["--out", f"{tmp_path}/demo.mkv"]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
