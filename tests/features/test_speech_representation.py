"""The speech encoder: rows and their places, and what is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.errors import ModelError
from dmd_runtime.features.speech_representation import HOP, WIDTH, SpeechRepresentation
from dmd_runtime.messages import Float32
from tests.features.speech_assets import RATE, load, model_folder
from tests.shared_data import shared


@cache
def encoder() -> SpeechRepresentation:
    return SpeechRepresentation(model_folder("whisper-tiny.en"))


@cache
def voice() -> Float32:
    return load(shared("clips", "talkers", "talker_a.mp4"))[: 4 * RATE]


@pytest.mark.parametrize("count", [1, HOP, HOP + 1, 31_999, 4 * RATE])
def test_a_row_for_every_20_ms_begun(count: int) -> None:
    rows = encoder()(voice()[:count])
    assert rows.shape == (-(-count // HOP), WIDTH)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


def test_no_sound_has_no_rows() -> None:
    assert encoder()(np.empty(0, np.float32)).shape == (0, WIDTH)


def test_the_same_sound_gives_the_same_rows() -> None:
    np.testing.assert_array_equal(encoder()(voice()), encoder()(voice().copy()))


def test_every_row_knows_the_whole_stretch() -> None:
    """Why rows of different encodings are never mixed."""
    short, long = encoder()(voice()[: 2 * RATE]), encoder()(voice())
    assert np.abs(short[:50] - long[:50]).mean() > 1e-3


def test_a_row_is_about_the_sound_at_its_place() -> None:
    late = encoder()(np.concatenate([np.zeros(RATE, np.float32), voice()[: 2 * RATE]]))[50:]
    apart = [np.abs(late[25:75] - encoder()(voice()[: 2 * RATE])[25 + k : 75 + k]).mean() for k in (-25, -5, 0, 5, 25)]
    assert np.argmin(apart) == 2
    assert apart[2] < 0.7 * min(apart[0], apart[4])


def test_another_model_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected Whisper tiny\.en \(model\.bin\), found no such file"):
        SpeechRepresentation(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"expected Whisper tiny\.en, got"):
        SpeechRepresentation(tmp_path)
