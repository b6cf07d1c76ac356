"""Voices in several versions: the first is the clip's loudest window; a file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from dmd_runtime.features.base import FeatureSpec
from dmd_runtime.modality import Modality
from dmd_runtime.training.starter.voices import write_versions

RATE = 16_000
SPEC = FeatureSpec(modality=Modality.ACOUSTIC, name="x", version=1, dim=2, rate_hz=2.0, rows=8)
"""Mean and loudness of each half second, counted from the window's end."""


def measure(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert sound.dtype == np.float32
    assert len(sound) <= 4 * RATE
    values, mask = np.zeros((8, 2), dtype=np.float32), np.zeros(8, dtype=np.bool_)
    for k in range(min(8, len(sound) // (RATE // 2))):
        part = sound[len(sound) - (k + 1) * RATE // 2 :][: RATE // 2]
        values[7 - k], mask[7 - k] = (part.mean(), np.abs(part).max()), True
    return values, mask


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One shorter than a window, and one of six seconds that is loud from 1.5 s to 5.5 s."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    long = rng.normal(0, 0.002, 6 * RATE)
    long[RATE * 3 // 2 : RATE * 11 // 2] = rng.normal(0, 0.1, 4 * RATE)
    paths = []
    for name, sound in (("short", rng.normal(0, 0.1, 2 * RATE)), ("long", long)):
        paths.append(folder / f"{name}.wav")
        wavfile.write(paths[-1], RATE, sound.astype(np.float32))
    return paths


def write(clips: list[Path], folder: Path, measure=measure, count: int = 4) -> tuple[np.ndarray, np.ndarray, list]:
    told: list[float] = []
    into = folder / "values.npy", folder / "mask.npy"
    write_versions(
        clips,
        measure,
        spec=SPEC,
        duration=4.0,
        count=count,
        into=into,
        progress=lambda share, _: told.append(share),
    )
    return np.load(into[0]), np.load(into[1]), told


def test_the_first_version_is_the_loudest_window_as_recorded(clips: list[Path], tmp_path: Path) -> None:
    values, mask, told = write(clips, tmp_path)
    assert (values.shape, mask.shape) == ((2, 4, 8, 2), (2, 4, 8))
    assert (values.dtype, mask.dtype) == (np.float16, np.bool_)
    assert told == [0.5, 1.0]
    for k, (begin, end) in enumerate(((0, 2 * RATE), (RATE * 3 // 2, RATE * 11 // 2))):
        expected, there = measure(wavfile.read(clips[k])[1][begin:end])
        np.testing.assert_array_equal(mask[k, 0], there)
        np.testing.assert_allclose(values[k, 0], expected, atol=2e-3)
    assert mask[1, 0].all()


def test_the_other_versions_differ_and_depend_on_place_and_number_alone(clips: list[Path], tmp_path: Path) -> None:
    values, mask, _ = write(clips, tmp_path)
    assert len({values[1, k].tobytes() for k in range(4)}) == 4
    more, covered, _ = write(clips[:1], tmp_path, count=5)
    np.testing.assert_array_equal(more[:, :4], values[:1])
    np.testing.assert_array_equal(covered[:, :4], mask[:1])


def test_an_interrupted_build_leaves_no_file_that_looks_whole(clips: list[Path], tmp_path: Path) -> None:
    heard: list[int] = []

    def breaks(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        heard.append(len(sound))
        if len(heard) == 6:
            raise KeyboardInterrupt
        return measure(sound)

    with pytest.raises(KeyboardInterrupt):
        write(clips, tmp_path, breaks)
    assert not [path for path in tmp_path.iterdir() if ".part." not in path.name]
    values, _, _ = write(clips, tmp_path)
    assert np.isfinite(values).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.npy", "values.npy"]
