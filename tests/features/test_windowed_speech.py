"""A window has rows of exactly its own sound, however that was cut into blocks; training sees what sessions see."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ModelError
from dmd_runtime.features.acoustic import NAMES, acoustic_spec
from dmd_runtime.features.base import Recipe
from dmd_runtime.features.speech_representation import HOP, WIDTH, SpeechRepresentation
from dmd_runtime.features.voice_activity import VoiceActivityDetector
from dmd_runtime.features.windowed_speech import WindowedSpeech, acoustic_window
from dmd_runtime.messages import AudioBlock, FeatureBlock, Float32, SpeechActivity, Window, WindowRows
from dmd_runtime.streaming.extractors import Voice
from dmd_runtime.streaming.hearing import AcousticExtractor, Hearing
from dmd_runtime.streaming.window import WindowBuilder
from tests.features.speech_assets import RATE, load, model_folder
from tests.messages_factory import A, recipe
from tests.shared_data import shared

CONFIG = SessionConfig.load().window
RAMP = np.arange(1, 12 * RATE + 1, dtype=np.float32)  # sample k of the stream is k + 1


def bounds(samples: Float32) -> Float32:
    """An encoder whose rows say what they were made of: first and last sample, and how many there were."""
    rows = np.zeros((-(-len(samples) // HOP), WIDTH), dtype=np.float32)
    rows[:, :3] = samples[0], samples[-1], len(samples)
    rows[:, 3] = samples[::HOP]
    return rows


def cut(samples: Float32, sizes: Iterable[int], *, t: float = 0.0, lost: int = 0) -> list[AudioBlock]:
    """The sound in blocks of these sizes, over and over; the first one lost ``lost`` samples before it."""
    blocks: list[AudioBlock] = []
    at, pieces = 0, list(sizes)
    while at < len(samples):
        piece = samples[at : at + pieces[len(blocks) % len(pieces)]]
        start = t + (lost + at) / RATE
        blocks.append(
            AudioBlock(seq=len(blocks), t=start, samples=piece, rate=RATE, lost=0 if blocks else lost),
        )
        at += len(piece)
    return blocks


def heard(blocks: Iterable[AudioBlock], encode=bounds) -> list[WindowRows]:
    windows = WindowedSpeech(encode, CONFIG)
    return [*(row for b in blocks for row in windows.push(b)), *windows.finish()]


def test_a_window_is_encoded_from_exactly_the_sound_inside_it() -> None:
    made = heard(cut(RAMP[: 6 * RATE], [512]))
    whole = [w for w in made if w.end <= 6.0]
    assert [w.end for w in whole] == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]
    for w in whole:
        start = max(0.0, w.end - 4.0)
        assert w.values[0, :3].tolist() == [start * RATE + 1, w.end * RATE, (w.end - start) * RATE]
        assert w.values.shape == (round((w.end - start) * 50), WIDTH)
        assert not w.values.flags.writeable


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_how_sound_is_cut_changes_nothing(sizes: list[int]) -> None:
    expected, found = heard(cut(RAMP[: 5 * RATE + 77], [512])), heard(cut(RAMP[: 5 * RATE + 77], sizes))
    assert [w.end for w in found] == [w.end for w in expected]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(expected, found, strict=True))


def test_windows_come_with_the_sample_that_ends_them() -> None:
    windows = WindowedSpeech(bounds, CONFIG)
    first, second = cut(RAMP[: 2 * RATE], [2 * RATE - 1])
    assert not windows.push(first)
    (row,) = windows.push(second)
    assert row.end == 2.0


def test_lost_samples_count_as_zeros() -> None:
    blocks = cut(RAMP[:RATE], [800]) + cut(RAMP[:RATE], [800], t=1.0, lost=RATE)
    rows = {w.end: w.values for w in heard(blocks)}
    assert rows[2.0][0, :3].tolist() == [1, 0, 2 * RATE]
    assert rows[3.0][0, :3].tolist() == [1, RATE, 3 * RATE]
    assert not rows[3.0][50:100, 3].any()
    assert rows[3.0][100, 3] == 1


def test_a_hole_of_an_hour_is_no_trouble_and_is_not_encoded() -> None:
    asked = []
    blocks = cut(RAMP[:RATE], [800]) + cut(RAMP[:RATE], [800], t=1.0, lost=3_600 * RATE)
    made = heard(blocks, lambda s: (asked.append(len(s)), bounds(s))[1])
    assert len(made) > 7_000
    assert len(asked) < 20
    assert made[4_000].values.shape == (0, WIDTH)


def test_silence_and_scraps_are_not_encoded() -> None:
    assert {w.values.shape for w in heard(cut(np.zeros(5 * RATE, np.float32), [512]))} == {(0, WIDTH)}
    late = heard(cut(RAMP[: 2 * RATE], [512], t=1.8))
    assert [len(w.values) for w in late if w.end <= 2.5] == [0, 35]  # 0.2 s of sound, then 0.7 s


def test_sound_that_begins_late_or_before_the_session_is_where_it_belongs() -> None:
    late = {w.end: w.values for w in heard(cut(RAMP[: 4 * RATE], [512], t=0.51))}
    assert late[2.0].shape[0] == 75  # ceil(1.49 s * 50)
    assert late[2.0][0, :3].tolist() == [1, 1.49 * RATE, 1.49 * RATE]
    early = {w.end: w.values for w in heard(cut(RAMP[: 4 * RATE], [512], t=-0.25))}
    assert early[2.0][0, :3].tolist() == [0.25 * RATE + 1, 2.25 * RATE, 2 * RATE]
    assert heard(cut(RAMP[: 4 * RATE], [512], t=3.2))[0].values.shape == (0, WIDTH)


def test_after_the_end_windows_that_still_hold_enough_sound_are_encoded() -> None:
    made = heard(cut(RAMP[: 5 * RATE], [512]))
    assert [w.end for w in made][-5:] == [5.0, 5.5, 6.0, 6.5, 7.0]
    assert made[-1].values[0, :3].tolist() == [3 * RATE + 1, 0, 4 * RATE]
    assert not WindowedSpeech(bounds, CONFIG).finish()


def test_samples_that_are_no_numbers_are_zeros() -> None:
    spoilt = RAMP[: 2 * RATE].copy()
    spoilt[[0, -1]] = np.nan, np.inf
    (first, *_) = heard(cut(spoilt, [512]))
    assert first.values[0, :2].tolist() == [0, 0]


# ------------------------------------------------------------- training and sessions


@cache
def encoder() -> SpeechRepresentation:
    return SpeechRepresentation(model_folder("whisper-tiny.en"))


@cache
def clip() -> Float32:
    """7 s of a recorded talker."""
    return load(shared("clips", "talkers", "talker_a.mp4"))[: 7 * RATE]


def streamed(samples: Float32, encode, sizes: Iterable[int] = (512,)) -> list[Window]:
    """The windows of a session that hears this sound."""
    specs = {**recipe().specs, A: acoustic_spec("")}
    builder = WindowBuilder(CONFIG, Recipe(duration=4.0, specs=specs), {m: "not here" for m in specs if m is not A})
    hearing = Hearing(VoiceActivityDetector(), Voice(AcousticExtractor(), WindowedSpeech(encode, CONFIG)))
    windows: list[Window] = []
    for said in [*map(hearing.push, cut(samples, sizes)), hearing.finish()]:
        for message in said:
            if not isinstance(message, FeatureBlock | WindowRows | SpeechActivity):
                continue
            builder.add(message)
            while all(builder.settled.values()) and builder.next_end <= len(samples) / RATE:
                windows.append(builder.build())
    return windows


def test_training_sees_what_a_session_sees() -> None:
    windows = streamed(clip(), encoder())
    assert [w.span.end for w in windows] == [2.0 + k / 2 for k in range(11)]
    for w in windows:
        sound = clip()[round(w.span.start * RATE) : round(w.span.end * RATE)]
        values, mask = acoustic_window(sound, encoder())
        assert values.shape == w.features[A].shape == (200, len(NAMES) + WIDTH)
        assert w.present[A]
        both = mask & w.mask[A]
        assert both.sum() >= mask.sum() - 1
        np.testing.assert_array_equal(w.features[A][both, len(NAMES) :], values[both, len(NAMES) :])
        if w.span.start == 0.0:  # later ones know what came before: running level and pitch
            np.testing.assert_array_equal(w.mask[A], mask)
            np.testing.assert_array_equal(w.features[A], values)


def test_blocks_of_any_size_give_the_same_windows() -> None:
    small, large = streamed(clip(), bounds, [160, 4_000, 1]), streamed(clip(), bounds, [60_000])
    assert len(small) == len(large) == 11
    for a, b in zip(small, large, strict=True):
        np.testing.assert_array_equal(a.features[A], b.features[A])
        np.testing.assert_array_equal(a.mask[A], b.mask[A])
        assert a.reason == b.reason


@pytest.mark.parametrize("count", [16_000, 16_100, 16_319, 51_235, 64_000])
def test_voice_row_k_stands_beside_row_k_plus_1_of_the_window(count: int) -> None:
    samples = np.random.default_rng(0).standard_normal(count).astype(np.float32) / 10
    values, mask = acoustic_window(samples, bounds)
    rows = -(-count // HOP)
    made = max(0, (count - 1024) // HOP + 1)
    assert np.flatnonzero(mask).tolist() == list(range(200 - rows + 1, 200 - rows + 1 + made))
    assert values[mask, len(NAMES) + 3].tolist() == samples[::HOP][1 : made + 1].tolist()
    assert not values[~mask].any()
    (block,) = AcousticExtractor().push(AudioBlock(seq=0, t=0.0, samples=samples, rate=RATE))
    np.testing.assert_array_equal(values[mask, : len(NAMES)][: len(block.values)], block.values)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.ones(3_000, np.float32), np.zeros(RATE, np.float32)])
def test_sound_that_says_nothing_is_a_window_without_rows(samples: Float32) -> None:
    values, mask = acoustic_window(samples, bounds)
    assert values.shape == (200, len(NAMES) + WIDTH)
    assert not mask.any()
    assert not values.any()


@pytest.mark.parametrize(
    "samples", [np.zeros(64_001, np.float32), np.zeros(9, np.float64), np.zeros((2, 9), np.float32)]
)
def test_what_is_no_windows_sound_is_refused(samples: Float32) -> None:
    with pytest.raises(ModelError, match=r"float32 \(n,\) of at most 4 s at 16000 Hz, got"):
        acoustic_window(samples, bounds)
