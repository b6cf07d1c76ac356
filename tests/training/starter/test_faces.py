"""The face encoder: mirrored rows, learning, and versions that are what the live extractor measures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.face_encoder import FaceEmbedder
from dmd_runtime.features.face_patch import SIZE
from dmd_runtime.features.visual import NAMES, VisualExtractor
from dmd_runtime.model.encoders import Encoder, check
from dmd_runtime.training.starter.faces import Faces, FaceSchedule, Mirror, fit, versions

TINY = FaceSchedule(epochs=6, batch=16, channels=4, embedding=5)
SMALL_NAMES = ("browDownLeft", "browDownRight", "jawOpen", "head_yaw", "head_pitch", "tip_x", "tip_y")


def make_faces(n: int = 96, seed: int = 0, names: tuple[str, ...] = SMALL_NAMES) -> Faces:
    """Faces of two labels: bright above or bright below; the rows say nothing."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    patches = rng.integers(0, 60, (n, SIZE, SIZE)).astype(np.uint8)
    for k, y in enumerate(label):
        patches[k, SIZE // 2 * y : SIZE // 2 * (y + 1)] += 120
    rows = rng.standard_normal((n, len(names)), dtype=np.float32)
    return Faces(patches=patches, rows=rows, votes=np.eye(2, dtype=np.float32)[label])


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return learned()


def learned(seed: int = 0, schedule: FaceSchedule = TINY) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        return fit(make_faces(), Mirror(SMALL_NAMES), schedule, seed, lambda *_: None)


def test_mirroring_twice_changes_nothing_and_every_left_becomes_its_right() -> None:
    mirror = Mirror(NAMES)
    rows = np.random.default_rng(0).standard_normal((3, 2, len(NAMES)), dtype=np.float32)
    np.testing.assert_array_equal(mirror(mirror(rows)), rows)
    once = mirror(rows)
    for here, there, sign in (
        ("mouthSmileLeft", "mouthSmileRight", 1),
        ("mouthRight", "mouthLeft", 1),
        ("jawOpen", "jawOpen", 1),
        ("head_yaw", "head_yaw", -1),
        ("head_pitch", "head_pitch", 1),
        ("head_roll", "head_roll", -1),
    ):
        np.testing.assert_array_equal(once[..., NAMES.index(here)], sign * rows[..., NAMES.index(there)])
    sided = [name for name in NAMES if "Left" in name or "_left_" in name]
    turned = [name for name in sided if (once[0, 0, NAMES.index(name)] != rows[0, 0, NAMES.index(name)])]
    assert sided == turned
    points = [name for name in NAMES if name.endswith("_x")]
    assert points
    partner = {
        name: name.replace("_left_", "_#_").replace("_right_", "_left_").replace("_#_", "_right_") for name in points
    }
    for name, other in partner.items():
        np.testing.assert_array_equal(once[..., NAMES.index(name)], -rows[..., NAMES.index(other)])


def test_the_encoder_learns_from_pictures_above_chance(encoder: Encoder) -> None:
    check("face", encoder)
    unseen = make_faces(64, seed=5)
    net = encoder.face()
    with torch.inference_mode():
        known, found = (
            net(torch.from_numpy(f.patches), torch.from_numpy(f.rows)).numpy() for f in (make_faces(), unseen)
        )
    label = np.arange(96) % 2
    direction = known[label == 1].mean(axis=0) - known[label == 0].mean(axis=0)
    middle = known.mean(axis=0)
    right = ((found - middle) @ direction > 0) == (np.arange(64) % 2 == 1)
    assert right.mean() > 0.9  # chance: a half


def test_the_seed_decides_and_the_rows_scales_are_in_it(encoder: Encoder) -> None:
    short = FaceSchedule(epochs=1, batch=48, channels=2, embedding=3)
    one, same, other = (learned(seed, short) for seed in (1, 1, 2))
    assert one.identity == same.identity != other.identity
    rows = make_faces().rows
    np.testing.assert_allclose(encoder.tensors["mean"], rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(encoder.tensors["scale"], rows.std(axis=0), rtol=1e-3)


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 128 faces, one batch, got 96"):
        learned(schedule=FaceSchedule())


def test_version_0_is_what_the_live_extractor_joins_and_version_1_is_mirrored() -> None:
    faces = make_faces(5, names=NAMES)
    with torch.random.fork_rng(devices=[]):
        tall = fit(
            make_faces(32, names=NAMES), Mirror(NAMES), FaceSchedule(epochs=2, batch=16, channels=4), 0, lambda *_: None
        )
        torch.manual_seed(0)
        made = versions(tall, faces, Mirror(NAMES), 4, seed=0)
    assert made.shape == (5, 4, len(NAMES) + 64)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    extractor = VisualExtractor.__new__(VisualExtractor)  # the model file is not needed to join a row
    extractor._embedder = FaceEmbedder(tall)
    for k in range(5):
        np.testing.assert_allclose(made[k, 0], extractor._joined(faces.rows[k], faces.patches[k]), atol=1e-3)
        mirrored = Mirror(NAMES)(faces.rows[k])
        np.testing.assert_allclose(made[k, 1], extractor._joined(mirrored, faces.patches[k, :, ::-1]), atol=1e-3)
    assert all(not np.allclose(made[:, a], made[:, b], atol=1e-2) for a in range(4) for b in range(a))


def test_versions_do_not_depend_on_the_others_in_the_first_two(encoder: Encoder) -> None:
    faces, mirror = make_faces(300), Mirror(SMALL_NAMES)  # more than are embedded at once
    few = Faces(patches=faces.patches[256:], rows=faces.rows[256:], votes=faces.votes[256:])
    with torch.random.fork_rng(devices=[]):
        np.testing.assert_allclose(
            versions(encoder, faces, mirror, 2, 0)[256:], versions(encoder, few, mirror, 2, 0), atol=1e-4
        )
