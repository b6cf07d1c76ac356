from __future__ import annotations

from typing import Any

import pytest
import torch

from dmd_runtime.errors import ConfigError
from dmd_runtime.model.face_encoder import FaceEncoderConfig
from tests.model.encoder_factory import FACE, face_net


def test_sizes_come_back() -> None:
    assert FaceEncoderConfig.from_json(FACE.to_json()) == FACE


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"row": 6},
        FACE.to_json() | {"colour": 1},
        *(FACE.to_json() | {"row": n} for n in (0, 4097, 1.5, True)),
    ],
)
def test_sizes_have_rules(body: Any) -> None:
    with pytest.raises(ConfigError, match="face encoder: "):
        FaceEncoderConfig.from_json(body)


def test_patch_and_row_both_count_and_samples_do_not_see_each_other() -> None:
    net, draw = face_net(), torch.Generator().manual_seed(0)
    patches = torch.randn(4, 48, 48, generator=draw).cumsum(1).cumsum(2)  # large shapes, unlike noise
    rows = torch.randn(4, 6, generator=draw)
    with torch.inference_mode():
        whole = net(patches, rows)
        assert whole.shape == (4, 3)
        torch.testing.assert_close(net(patches[2:3], rows[2:3]), whole[2:3], atol=1e-6, rtol=1e-5)
        assert (net(patches.flip(0), rows) - whole).abs().max() > 1e-4
        assert (net(patches, rows.flip(0)) - whole).abs().max() > 1e-4


def test_rows_are_taken_raw() -> None:
    net = face_net()
    net.mean.fill_(2.0)
    net.scale.fill_(4.0)
    patches, rows = torch.rand(2, 48, 48) * 255, torch.randn(2, 6)
    with torch.inference_mode():
        assert torch.equal(net(patches, rows), net.embed_standardised(patches, (rows - 2.0) / 4.0))


def test_light_and_contrast_of_a_picture_hardly_matter() -> None:
    net = face_net()
    patch, row = torch.rand(1, 48, 48) * 255, torch.zeros(1, 6)
    with torch.inference_mode():
        bright, dim, other = net(patch, row), net(patch * 0.5 + 40, row), net(patch.cumsum(dim=2) / 24, row)
    assert (bright - dim).abs().max() < 0.2 * (bright - other).abs().max()
