"""Pitch against sounds whose pitch is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.features.pitch import F_MAX, F_MIN, PitchDetector, RunningPitch, power_at
from dmd_runtime.messages import Float64

RATE, N, N_FFT = 16_000, 1024, 1280
WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(N) + 0.5) / N)
SECONDS = np.arange(N) / RATE


@cache
def detector() -> PitchDetector:
    return PitchDetector(WINDOW, N_FFT, RATE)


def pitch_of(*windows: Float64) -> tuple[Float64, Float64]:
    return detector()(np.abs(np.fft.rfft(np.stack(windows) * WINDOW, N_FFT)) ** 2)


def voice(f0: float, *, first: int = 1, tilt: float = 1.0, phase: float = 0.0) -> Float64:
    """Harmonics ``first`` to 12 of ``f0``, each ``k ** -tilt`` strong."""
    harmonics = [k for k in range(first, 13) if k * f0 < 7_500]
    return np.sum([np.sin(2 * np.pi * k * f0 * SECONDS + k * phase) / k**tilt for k in harmonics], axis=0)


def cents(pitch: Float64, f0: float) -> float:
    return float(np.abs(1200 * np.log2(pitch / f0)).max())


@given(f0=st.floats(100.0, 590.0), tilt=st.floats(0.0, 2.0), phase=st.floats(0.0, 6.3))
@settings(max_examples=60, deadline=None)
def test_a_voice_of_100_to_590_hz_is_found_within_two_cents(f0: float, tilt: float, phase: float) -> None:
    pitch, strength = pitch_of(voice(f0, tilt=tilt, phase=phase))
    assert cents(pitch, f0) < 2.0
    assert strength[0] > 0.97


@given(st.floats(75.0, 100.0))
@settings(max_examples=20, deadline=None)
def test_a_deep_voice_is_found_within_ten_cents(f0: float) -> None:
    assert cents(pitch_of(voice(f0))[0], f0) < 10.0


@given(st.floats(80.0, 500.0))
@settings(max_examples=30, deadline=None)
def test_a_voice_without_its_fundamental_keeps_its_pitch(f0: float) -> None:
    assert cents(pitch_of(voice(f0, first=2))[0], f0) < 2.0


@given(st.integers(0, 2**32 - 1), st.floats(90.0, 400.0))
@settings(max_examples=40, deadline=None)
def test_in_noise_ten_decibel_down_the_pitch_is_within_a_quarter_tone(seed: int, f0: float) -> None:
    clean = voice(f0)
    noise = np.random.default_rng(seed).standard_normal(N) * clean.std() * 10 ** (-10 / 20)
    pitch, strength = pitch_of(clean + noise)
    assert cents(pitch, f0) < 50.0
    assert strength[0] > 0.8


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_white_noise_is_not_voiced(seed: int) -> None:
    assert pitch_of(np.random.default_rng(seed).standard_normal(N))[1][0] < 0.35


def test_the_strength_is_the_share_of_the_power_that_is_periodic() -> None:
    rng = np.random.default_rng(3)
    noise = np.fft.rfft(rng.standard_normal((400, N)))
    band = (np.fft.rfftfreq(N, 1 / RATE) > 100) & (np.fft.rfftfreq(N, 1 / RATE) < 1_800)  # where the weight is 1
    noise = np.fft.irfft(noise * band, N)
    tone = np.sin(2 * np.pi * 200 * SECONDS) + np.sin(2 * np.pi * 600 * SECONDS)
    noise *= tone.std() / noise.std() / np.sqrt(3.0)
    strength = pitch_of(*(tone + noise))[1]
    assert np.median(strength) == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize("octaves_per_second", [-1.5, 0.5, 1.5])
def test_a_glide_is_read_at_the_middle_of_the_window(octaves_per_second: float) -> None:
    frequency = 160 * 2 ** (octaves_per_second * (SECONDS - SECONDS.mean()))
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    assert cents(pitch_of(np.sum([np.sin(k * phase) / k for k in range(1, 10)], axis=0))[0], 160.0) < 5.0


@pytest.mark.parametrize("sound", [np.zeros(N), 0.1 * np.sin(2 * np.pi * 50 * SECONDS)], ids=["silence", "hum"])
def test_silence_and_hum_have_no_pitch(sound: Float64) -> None:
    pitch, strength = pitch_of(sound)
    assert (pitch[0], strength[0]) == (F_MIN, 0.0)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_pitch_and_strength_stay_in_their_ranges(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    pitch, strength = pitch_of(share * rng.standard_normal(N) + (1 - share) * voice(rng.uniform(20, 2_000)))
    assert F_MIN <= pitch[0] <= F_MAX
    assert 0.0 <= strength[0] <= 1.0


def test_each_row_is_computed_for_itself() -> None:
    windows = [voice(f) for f in (90.0, 140.0, 333.0, 500.0)]
    together = pitch_of(*windows)
    alone = [pitch_of(window) for window in windows]
    assert np.array_equal(together, np.concatenate(alone, axis=1))


def test_a_transform_too_short_for_the_lowest_pitch_is_a_programming_error() -> None:
    with pytest.raises(AssertionError, match="wrap around"):
        PitchDetector(WINDOW, N, RATE)


# -------------------------------------------------------------------- across rows

VOICED = np.ones(40)


def test_a_steady_voice_is_at_its_own_pitch() -> None:
    relative, delta = RunningPitch()(np.full(40, 7.0), VOICED)
    assert not relative.any()
    assert not delta.any()


def test_a_speaker_is_compared_with_himself() -> None:
    low, high = (RunningPitch()(base + np.sin(np.arange(40)), VOICED)[0] for base in (6.6, 8.1))
    np.testing.assert_allclose(low, high, atol=1e-12)


def test_the_change_is_in_octaves_per_tenth_of_a_second() -> None:
    delta = RunningPitch()(7.0 + 0.75 * np.arange(40) * 0.02, VOICED)[1]
    np.testing.assert_allclose(delta[1:], 0.075, atol=1e-9)
    assert delta[0] == 0.0


def test_a_change_counts_as_far_as_both_rows_are_voiced() -> None:
    delta = RunningPitch()(np.array([7.0, 7.1, 7.2]), np.array([0.5, 1.0, 0.2]))[1]
    np.testing.assert_allclose(delta, [0.0, 0.5 * 0.5, 0.2 * 0.5])


def test_an_octave_error_changes_the_pitch_by_one_at_most() -> None:
    assert np.abs(RunningPitch()(np.array([7.0, 8.5, 7.0]), np.ones(3))[1]).max() == 1.0


def test_unvoiced_rows_say_nothing_and_teach_nothing() -> None:
    running = RunningPitch()
    running(np.full(10, 7.0), np.ones(10))
    relative, delta = running(np.full(10, 9.0), np.zeros(10))
    assert not relative.any()
    assert not delta.any()
    assert running(np.array([7.0]), np.ones(1))[0][0] == 0.0


def test_behind_a_hole_there_is_no_row_before() -> None:
    running = RunningPitch()
    running(np.array([7.0]), np.ones(1))
    running.forget_neighbour()
    assert running(np.array([7.1]), np.ones(1))[1][0] == 0.0


@given(st.lists(st.tuples(st.floats(6.0, 9.3), st.floats(0.0, 1.0)), min_size=1, max_size=60), st.integers(0, 60))
@settings(deadline=None)
def test_where_a_stream_is_cut_changes_no_bit(rows: list[tuple[float, float]], cut: int) -> None:
    pitch, weight = np.array(rows).T
    running = RunningPitch()
    parts = [running(pitch[:cut], weight[:cut]), running(pitch[cut:], weight[cut:])]
    assert np.array_equal(np.concatenate(parts, axis=1), np.stack(RunningPitch()(pitch, weight)))


def test_spectra_are_read_between_bins() -> None:
    power = np.array([[0.0, 1.0, 4.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(power_at(power, np.array([1.5, 0.25])), [2.5, 2.0])
