"""Each effect does what it says, and every version is sound of the right kind that its generator alone decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.training import sound_augmentation as effects

RATE = 16_000
SPEEDS = (0.85, 1.15)


def noise(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32) * np.float32(0.5)


def level(sound: np.ndarray, low: float, high: float) -> float:
    """Mean power of a band."""
    power = np.abs(np.fft.rfft(sound.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(power[(hz >= low) & (hz < high)].mean())


class Fixed:
    """A generator that draws what it is told, one after the other; noise comes from a real one."""

    def __init__(self, *uniform: float, integers: int = 2, chance: float = 0.0) -> None:
        self._uniform, self._integers, self._chance = list(uniform), integers, chance
        self.standard_normal = np.random.default_rng(0).standard_normal

    def uniform(self, *_: float) -> float:
        return self._uniform.pop(0)

    def integers(self, *_: int) -> int:
        return self._integers

    def random(self) -> float:
        return self._chance


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), seconds=st.floats(0.3, 1.5))
def test_a_version_is_finite_bounded_sound_of_about_the_length(seed: int, seconds: float) -> None:
    sound = noise(seconds)
    before = sound.copy()
    heard = effects.augmented(sound, np.random.default_rng(seed))
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert 10**-1.6 * 0.999 <= np.abs(heard).max() <= 1.0001
    assert SPEEDS[0] <= len(heard) / len(sound) <= SPEEDS[1] + 1 / len(sound) + 0.001
    np.testing.assert_array_equal(heard, effects.augmented(sound, np.random.default_rng(seed)))
    np.testing.assert_array_equal(sound, before)


def test_another_seed_is_another_version() -> None:
    assert len({effects.augmented(noise(), np.random.default_rng(k)).tobytes() for k in range(8)}) == 8


@pytest.mark.parametrize("effect", [effects.augmented, effects.in_a_room, effects.with_noise, effects.mu_law])
def test_silence_and_clicks_stay_finite(effect) -> None:
    for sound in (np.zeros(4000, np.float32), np.eye(1, 4000, 9, dtype=np.float32)[0]):
        for seed in range(10):
            rng = () if effect is effects.mu_law else (np.random.default_rng(seed),)
            assert np.isfinite(effect(sound, *rng)).all()


@pytest.mark.parametrize("decibels", [0.0, 12.0, 30.0])
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_the_ratio_asked_for(decibels: float, seed: int) -> None:
    sound = tone(440)
    added = effects.with_noise(sound, np.random.default_rng(seed), (decibels, decibels)) - sound
    ratio = 10 * np.log10(np.mean(sound.astype(np.float64) ** 2) / np.mean(added.astype(np.float64) ** 2))
    assert ratio == pytest.approx(decibels, abs=0.3)


def test_brown_noise_is_lower_than_white_noise() -> None:
    sound = np.full(RATE, 0.1, dtype=np.float32)
    white, brown = (effects.with_noise(sound, Fixed(slope, 10.0, chance=0.9)) - sound for slope in (0.0, 1.0))
    for added, tilted in ((white, False), (brown, True)):
        assert (level(added, 100, 500) > 10 * level(added, 4000, 7000)) == tilted


def test_a_hum_stands_at_the_mains_frequency() -> None:
    rng = Fixed(0.0, 1.5, 10.0, chance=0.1)
    rng.choice = lambda _: 50.0
    sound = tone(440)
    added = effects.with_noise(sound, rng) - sound
    assert level(added, 49, 52) > 100 * level(added, 60, 90)


@pytest.mark.parametrize(("order", "cut"), [(1, 6), (2, 20)])
def test_a_microphone_removes_lows_and_highs(order: int, cut: float) -> None:
    sound = noise(2)
    heard = effects.through_a_microphone(sound, Fixed(300.0, 3000.0, 0.0, integers=order))
    middle = level(heard, 800, 1500) / level(sound, 800, 1500)
    assert 0.5 < middle < 1.1
    assert level(heard, 20, 60) / level(sound, 20, 60) < middle / cut
    assert level(heard, 6500, 7900) / level(sound, 6500, 7900) < middle / cut
    assert len(heard) == len(sound)
    wide = effects.through_a_microphone(sound, Fixed(60.0, 0.0, integers=1, chance=0.9))
    assert level(wide, 6500, 7900) / level(sound, 6500, 7900) == pytest.approx(1, abs=0.05)


def test_a_tilt_favours_one_side() -> None:
    sound = noise(2)
    up, down = (effects.through_a_microphone(sound, Fixed(60.0, t, integers=1, chance=0.9)) for t in (-0.5, 0.5))
    assert level(up, 6000, 7900) > 2 * level(sound, 6000, 7900) > 4 * level(down, 6000, 7900)


def test_a_room_keeps_the_direct_sound_and_adds_a_tail_that_dies_away() -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[1000] = 1
    heard = effects.in_a_room(click, Fixed(0.5, 0.6))
    assert len(heard) == len(click)
    np.testing.assert_allclose(heard[:1000], 0, atol=1e-6)
    assert heard[1000] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(heard[1001:1032], 0, atol=1e-6)  # two milliseconds
    early, late = (float((heard[1032 + k : 1032 + k + 800].astype(np.float64) ** 2).sum()) for k in (0, 6000))
    assert early > 100 * late > 0
    assert np.sqrt((heard[1001:] ** 2).sum()) == pytest.approx(0.6, rel=0.01)
    np.testing.assert_allclose(heard[1000 + RATE // 2 :], 0, atol=1e-5)


def test_a_codec_has_255_steps_and_is_fine_where_it_is_quiet() -> None:
    sound = np.linspace(-0.8, 0.8, 20_001, dtype=np.float32)
    heard = effects.mu_law(sound)
    assert heard.dtype == np.float32
    assert len(np.unique(heard)) == 255
    error = np.abs(heard - sound)
    assert error.max() < 0.02
    assert error[np.abs(sound) < 0.01].max() < 0.0005
    np.testing.assert_allclose(heard[[0, 10_000, -1]], [-0.8, 0, 0.8], atol=1e-6)
