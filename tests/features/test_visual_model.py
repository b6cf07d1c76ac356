"""Visual features with the real model: bad files, a portrait, odd pictures and stamps, quietness, recordings."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.errors import ModelError
from dmd_runtime.features import face_geometry as geometry
from dmd_runtime.features import landmarker
from dmd_runtime.features.visual import NAMES, VisualExtractor
from dmd_runtime.messages import FaceObservation, FeatureBlock, Float32, Float64
from dmd_runtime.sources.file import FileSource
from tests.factories import RecordingSink
from tests.features.block_promises import Stream, joined
from tests.features.face_assets import NOISE, face_model, observed, portrait, push, recording, stream

TICK = 1 / 15


# ------------------------------------------------------------- the model's file


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.task: expected MediaPipe's face_landmarker\.task, found no such file"):
        VisualExtractor(tmp_path / "gone.task")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        VisualExtractor(tmp_path)


@pytest.mark.parametrize("content", ["empty", "noise", "cut"])
def test_a_file_that_is_no_face_landmarker_is_named_when_it_is_loaded(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.task"
    whole = face_model().read_bytes()
    path.write_bytes({"empty": b"", "noise": bytes(range(256)) * 20, "cut": whole[: len(whole) // 2]}[content])
    extractor = VisualExtractor(path)
    with pytest.raises(ModelError, match=r"bad\.task: expected MediaPipe's face_landmarker\.task"):
        extractor.open()


def canonical_face(path: Path) -> Float64:
    """Read MediaPipe's face at rest, (468, 3) in centimetres, out of its model file."""
    with zipfile.ZipFile(path) as bundle:
        data = np.frombuffer(bundle.read("geometry_pipeline_metadata_landmarks.binarypb"), dtype=np.uint8)
    size = 468 * 5 * 5  # five floats a point, each behind a byte that names its field
    start = next(k for k in range(64) if (data[k : k + size : 5] == 0x1D).all())
    floats = data[start : start + size].reshape(-1, 5)[:, 1:].copy().view("<f4")
    return np.asarray(floats.reshape(468, 5)[:, :3], dtype=np.float64)


def test_the_tables_of_points_are_those_of_the_model() -> None:
    home = canonical_face(face_model())
    np.testing.assert_allclose(geometry._TABLE.home, home[geometry._TABLE.rows], atol=6e-4)
    np.testing.assert_allclose(geometry._ANCHOR_HOME, home[geometry._ANCHOR_INDEX], atol=6e-4)
    eyes = [home[[33, 133]].mean(axis=0), home[[263, 362]].mean(axis=0)]
    assert pytest.approx(np.linalg.norm(eyes[1] - eyes[0]), abs=1e-3) == geometry.EYE_DISTANCE


# ----------------------------------------------------------------- the real model


@pytest.fixture(scope="module")
def stills() -> Iterator[VisualExtractor]:
    extractor = VisualExtractor(face_model())
    yield extractor
    extractor.close()


@pytest.fixture
def real() -> Iterator[VisualExtractor]:
    extractor = VisualExtractor(face_model())
    yield extractor
    extractor.close()


def named(row: Float32, *names: str) -> list[float]:
    return [float(row[NAMES.index(name)]) for name in names]


def test_the_portrait_is_one_smiling_frontal_face(real: VisualExtractor) -> None:
    block, seen = push(real, 0.0, image=portrait())
    assert isinstance(block, FeatureBlock)
    assert isinstance(seen, FaceObservation)
    assert block.values.shape == (1, real.spec.dim)
    assert block.confidence[0] == seen.confidence > 0.9
    assert min(named(block.values[0], "mouthSmileLeft", "mouthSmileRight")) > 0.6
    assert max(named(block.values[0], "mouthFrownLeft", "mouthFrownRight", "mouthPucker", "eyeBlinkLeft")) < 0.3
    assert np.abs(named(block.values[0], "head_yaw", "head_roll")).max() < 0.2
    x, y, w, h = seen.box
    assert (x + w / 2, y + h / 2) == pytest.approx((0.44, 0.24), abs=0.03)
    assert seen.outline.shape == (36, 2)
    assert (seen.outline.min(axis=0) >= (x - 1e-6, y - 1e-6)).all()


@pytest.mark.parametrize("picture", ["black", "white", "noise"])
def test_a_picture_without_a_face_has_no_row_but_settles(real: VisualExtractor, picture: str) -> None:
    image = {"black": np.zeros_like(NOISE), "white": np.full_like(NOISE, 255), "noise": NOISE}[picture]
    rows, said = stream(real, [k * TICK for k in range(4)], image)
    assert (len(rows.times), len(rows.due)) == (0, 4)
    assert not observed(said)


def test_a_memory_layout_changes_nothing(real: VisualExtractor) -> None:
    wide = np.repeat(portrait(), 2, axis=1)
    views = [portrait(), wide[:, ::2], np.asfortranarray(portrait()), np.ascontiguousarray(portrait()[::-1])[::-1]]
    rows = [r[0] for view in views if (r := real.still(view, pad=0.0)) is not None]
    assert len(rows) == 4
    assert all(np.array_equal(a, b) for a, b in pairwise(rows))


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (16, 3_000), (3_000, 16)])
def test_a_tiny_or_narrow_picture_is_no_trouble(real: VisualExtractor, shape: tuple[int, int]) -> None:
    rows, _ = stream(real, [0.0, TICK], np.zeros((*shape, 3), np.uint8))
    assert len(rows.due) == 2


@pytest.mark.parametrize("factor", [4, 12])
def test_a_huge_picture_gives_the_numbers_of_the_small_one(stills: VisualExtractor, factor: int) -> None:
    small = portrait()[:400, 20:420]
    huge = np.repeat(np.repeat(small, factor, axis=0), factor, axis=1)
    expected, found = stills.still(small, pad=0.0), stills.still(huge, pad=0.0)
    assert expected is not None
    assert found is not None
    assert np.abs(found[0] - expected[0]).max() < 0.25
    assert found[1] == pytest.approx(expected[1], abs=0.05)


def test_above_the_limit_pixels_are_left_out(real: VisualExtractor) -> None:
    thin = np.broadcast_to(portrait()[:, :, None, :], (512, 512, 17, 3)).reshape(512, -1, 3)  # 8704 pixels wide
    block, *_ = push(real, 0.0, image=thin)
    assert isinstance(block, FeatureBlock)
    assert len(block.due) == 1


def test_stamps_that_stand_still_or_go_back_are_no_trouble(real: VisualExtractor) -> None:
    rows, _ = stream(real, [0.0, 0.0, TICK, 0.05, 0.02, -3.0, 2 * TICK, 2 * TICK], portrait())
    np.testing.assert_allclose(rows.times, [0.0, TICK, 2 * TICK])


def test_many_pictures_within_a_millisecond_are_no_trouble() -> None:
    extractor = VisualExtractor(face_model(), rate_hz=4_000.0)
    rows, _ = stream(extractor, [k / 4_000 for k in range(6)], portrait()[:300, 80:380])
    assert len(rows.times) == 6


def test_made_on_one_thread_used_on_another() -> None:
    extractor = VisualExtractor(face_model())
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(lambda: [*push(extractor, 0.0, image=portrait()), *extractor.finish()]).result(60)
    assert len(observed(said)) == 1


def test_after_the_end_the_model_can_be_loaded_again(real: VisualExtractor) -> None:
    assert len(push(real, 0.0, image=portrait())) == 2
    real.finish()
    assert len(push(real, TICK, image=portrait())) == 2


def test_a_still_has_the_numbers_of_the_first_picture_of_a_video(real: VisualExtractor) -> None:
    block, _ = push(real, 0.0, image=portrait())
    still = real.still(portrait(), pad=0.0)
    assert isinstance(block, FeatureBlock)
    assert still is not None
    np.testing.assert_array_equal(still[0], block.values[0])
    assert still[1] == block.confidence[0]


def test_a_still_that_the_face_fills_is_found_through_its_border(stills: VisualExtractor) -> None:
    tight = portrait()[70:185, 175:280]
    found = stills.still(tight)
    assert found is not None
    assert min(named(found[0], "mouthSmileLeft", "mouthSmileRight")) > 0.4
    assert stills.still(np.zeros((48, 48, 3), np.uint8)) is None


def test_a_mirrored_picture_mirrors_the_numbers(stills: VisualExtractor) -> None:
    turned = portrait()[:400, 60:460]
    straight, mirrored = stills.still(turned, pad=0.0), stills.still(turned[:, ::-1], pad=0.0)
    assert straight is not None
    assert mirrored is not None
    assert named(mirrored[0], "head_yaw", "head_roll") == pytest.approx(
        [-a for a in named(straight[0], "head_yaw", "head_roll")], abs=0.05
    )
    assert named(mirrored[0], "mouthSmileLeft") == pytest.approx(named(straight[0], "mouthSmileRight"), abs=0.2)


@pytest.mark.parametrize("degrees", [-20.0, 20.0])
def test_a_picture_rolled_counter_clockwise_has_a_larger_roll_and_the_same_face(
    stills: VisualExtractor, degrees: float
) -> None:
    upright = portrait()[:400, 20:420]
    from skimage.transform import rotate

    rolled = (rotate(upright, degrees, center=(200, 120), mode="edge") * 255).astype(np.uint8)
    a, b = stills.still(upright, pad=0.0), stills.still(rolled, pad=0.0)
    assert a is not None
    assert b is not None
    assert named(b[0], "head_roll")[0] - named(a[0], "head_roll")[0] == pytest.approx(np.radians(degrees), abs=0.06)
    assert np.abs(b[0][54:] - a[0][54:]).mean() < 0.03


# ------------------------------------------------------------------ quietness


def test_loading_and_measuring_write_nothing_to_standard_error() -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from dmd_runtime.features.visual import VisualExtractor; from dmd_runtime.messages import VideoFrame\n"
        "v = VisualExtractor(Path(sys.argv[1])); image = np.zeros((120, 160, 3), np.uint8)\n"
        "v.push(VideoFrame(seq=0, t=0.0, image=image)); v.still(image); v.finish()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(face_model())], capture_output=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, b"", b"")


def test_chatter_goes_to_the_log_and_what_others_write_passes(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said = [
        "W0000 00:00:1795516638.2 99 graph.cc:181] Sets something.",
        "E0000 00:00:1795516638.2 99 graph.cc:182] Broke.",
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "WARNING: the disk is nearly full",
    ]
    with caplog.at_level(logging.DEBUG), landmarker.quiet():
        os.write(2, "\n".join([*said, ""]).encode())
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.DEBUG, said[0]),
        (logging.ERROR, said[1]),
        (logging.DEBUG, said[2]),
    ]
    assert capfd.readouterr().err == f"{said[3]}\n"


def test_what_others_write_is_there_where_the_process_ends_before_the_model_is_loaded() -> None:
    code = (
        "import os, sys, time; from dmd_runtime.features import landmarker\n"
        "with landmarker.quiet():\n"
        "    print('what went wrong', file=sys.stderr, flush=True); time.sleep(0.2); os._exit(2)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (2, b"what went wrong\n")


def test_a_program_started_meanwhile_keeps_its_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; sys.stdin.read(); print('late', file=sys.stderr)"
    with landmarker.quiet():
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    child.communicate(b"go", timeout=60)
    assert child.returncode == 0
    deadline = time.monotonic() + 10
    said = capfd.readouterr().err
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
        said += capfd.readouterr().err
    assert said == "late\n"


# ------------------------------------------------------------------- recordings


def watch(name: str) -> Stream:
    source = FileSource(recording(name), paced=False)
    sink = RecordingSink()
    extractor = VisualExtractor(face_model())
    try:
        source.run(sink, sink.clock, sink.stop)
        said = [m for frame in sink.frames for m in extractor.push(frame)]
    finally:
        source.close()
    return joined([*said, *extractor.finish()], extractor.spec.dim)


def test_rows_come_only_while_a_face_is_there() -> None:
    seen = watch("face_noface.mov")
    assert len(seen.due) > 90
    there = seen.due < 2.35
    assert np.isin(seen.due[there], seen.times).all()
    assert seen.times.max() < 2.5
    assert seen.due.max() > 6.0


def test_a_smile_is_seen_to_come() -> None:
    seen = watch("single_face.mp4")
    smile = seen.values[:, [NAMES.index("mouthSmileLeft"), NAMES.index("mouthSmileRight")]].mean(axis=1)
    assert smile[seen.times < 0.3].max() < 0.1
    assert smile[(seen.times > 0.8) & (seen.times < 2.0)].min() > 0.6
    assert seen.confidence.min() > 0.9
    assert len(seen.times) == len(seen.due) == 36
