"""A checkpoint's face encoder at work: in videos and stills, and on the faces it is trained on."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch

from dmd_runtime.errors import CheckpointError, ConfigError, ModelError
from dmd_runtime.features.face_encoder import FaceEmbedder
from dmd_runtime.features.face_patch import SIZE, aligned_patch
from dmd_runtime.features.landmarker import Landmarker
from dmd_runtime.features.visual import NAMES, VisualExtractor, _measure, visual_spec
from dmd_runtime.messages import FeatureBlock, UInt8
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.model.face_encoder import FaceEncoderConfig
from tests.features.face_assets import face_model, portrait, push, stream
from tests.model.encoder_factory import face, face_net
from tests.shared_data import shared


def config(row: int = len(NAMES)) -> FaceEncoderConfig:
    return FaceEncoderConfig(row=row, channels=4, embedding=5)


def encoder(row: int = len(NAMES)) -> Encoder:
    return face(config=config(row))


def some(count: int) -> tuple[UInt8, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8),
        rng.standard_normal((count, len(NAMES))).astype(np.float32),
    )


def test_one_at_a_time_gives_what_training_computes_in_batches() -> None:
    patches, rows = some(6)
    embedder = FaceEmbedder(encoder())
    with torch.inference_mode():
        expected = face_net(config=config())(torch.from_numpy(patches), torch.from_numpy(rows)).numpy()
    found = np.stack([embedder(p, r) for p, r in zip(patches, rows, strict=True)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert expected.std(axis=0).min() > 1e-3  # it looks at what it is given


def test_what_is_no_encoder_for_these_rows_is_refused() -> None:
    with pytest.raises(ModelError, match=f"reads rows of 7 columns, these features have {len(NAMES)}"):
        visual_spec("abc", encoder=encoder(7))
    with pytest.raises(ConfigError, match="expected row, channels and embedding"):
        visual_spec("abc", encoder=Encoder(config={"rank": 2}, tensors={}))
    with pytest.raises(CheckpointError, match=r"encoders\.face\..* expected shape"):
        FaceEmbedder(Encoder(config=encoder().config, tensors={}))


def test_the_spec_names_it_and_counts_its_columns() -> None:
    spec = visual_spec("abc", encoder=encoder())
    assert spec.dim == len(NAMES) + 5
    assert spec.settings == {"model_sha256": "abc", "face_encoder": encoder().identity[:16]}
    assert visual_spec("abc").settings == {"model_sha256": "abc"}


@pytest.fixture(scope="module")
def plain() -> Iterator[VisualExtractor]:
    extractor = VisualExtractor(face_model())
    yield extractor
    extractor.close()


def test_a_video_and_a_still_carry_the_embedding_behind_the_row(plain: VisualExtractor) -> None:
    extractor = VisualExtractor(face_model(), encoder=encoder())
    block, _ = push(extractor, 0.0, image=portrait())
    still, bare = extractor.still(portrait(), pad=0.0), plain.still(portrait(), pad=0.0)
    extractor.close()
    assert isinstance(block, FeatureBlock)
    assert still is not None
    assert bare is not None
    assert block.values.shape == (1, extractor.spec.dim) == (1, len(NAMES) + 5)
    np.testing.assert_array_equal(block.values[0], still.row)
    np.testing.assert_array_equal(still.row[: len(NAMES)], bare.row)
    np.testing.assert_array_equal(still.patch, bare.patch)
    expected = FaceEmbedder(encoder())(bare.patch, bare.row)
    np.testing.assert_array_equal(still.row[len(NAMES) :], expected)


def test_without_a_face_rows_have_the_same_width() -> None:
    extractor = VisualExtractor(face_model(), encoder=encoder())
    rows, _ = stream(extractor, [0.0, 0.1], np.zeros((120, 160, 3), np.uint8))
    assert rows.values.shape == (0, len(NAMES) + 5)


def faces(count: int) -> Iterator[UInt8]:
    """Crops of FERPlus, 48 x 48."""
    root = shared("data", "ferplus")
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
    sheets = {
        name: cv2.cvtColor(cv2.imread(str(root / name)), cv2.COLOR_BGR2RGB) for name in {r["atlas"] for r in rows}
    }
    for row in rows:
        y, x = (48 * int(row[name]) for name in ("row", "col"))
        yield sheets[row["atlas"]][y : y + 48, x : x + 48]


def test_stills_of_a_collection_are_found_by_a_border_else_by_a_larger_one_and_enlarged(plain: VisualExtractor) -> None:
    """Every step by itself, as the features of the shipped encoder were made."""
    model = Landmarker(face_model(), video=False)
    attempts = []
    for image in faces(120):
        found, expected = plain.still(image), None
        for border, factor in ((12, 1), (24, 3)):
            seen = np.pad(image, ((border, border), (border, border), (0, 0)))
            if factor > 1:
                seen = cv2.resize(seen, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            boxes = sorted(model.detect(seen), key=lambda f: f.area)
            expected = _measure(boxes[-1], seen) if boxes else None
            if expected is not None:
                break
        assert (found is None) == (expected is None)
        if found is None or expected is None:
            continue
        attempts.append(factor)
        shares = (expected.face.shares[:, :2] * len(seen) / factor - border) / 48
        np.testing.assert_array_equal(found.row, expected.row)
        assert found.confidence == expected.confidence
        assert np.abs(found.patch.astype(int) - aligned_patch(image, shares)).max() <= 1
    model.close()
    assert len(attempts) > 100
    assert set(attempts) == {1, 3}


def test_a_large_picture_without_a_face_is_not_enlarged(plain: VisualExtractor) -> None:
    seen = []
    plain.still(np.zeros((48, 48, 3), np.uint8))
    model = plain._stills
    assert model is not None
    detect = model.detect
    try:
        model.detect = lambda image, t=None: (seen.append(image.shape), detect(image, t))[1]  # type: ignore[method-assign]
        assert plain.still(np.zeros((600, 400, 3), np.uint8)) is None
        assert plain.still(np.zeros((100, 80, 3), np.uint8)) is None
    finally:
        del model.detect  # type: ignore[method-assign]
    assert seen == [(900, 700, 3), (1200, 1000, 3), (150, 130, 3), (600, 540, 3)]
