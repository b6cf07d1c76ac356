"""Acoustic features: what does not change them (cuts, gain), what does (the sound), and what is missing where."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ModelError
from dmd_runtime.features.acoustic import HOP, NAMES, WINDOW, AcousticExtractor, acoustic_spec
from dmd_runtime.messages import FOREVER, AudioBlock, Float32
from dmd_runtime.modality import Modality
from tests.features.block_promises import Stream, joined

RATE = 16_000
HALF = WINDOW / 2 / RATE
SECONDS = 2.0
START = 7.3  # s of session time at which the sound begins


@functools.cache
def sound() -> Float32:
    """Two seconds with everything in them: a gliding voice, noise, digital silence, a click."""
    rng = np.random.default_rng(5)
    n = round(SECONDS * RATE)
    phase = 2 * np.pi * np.cumsum(np.linspace(110, 260, n)) / RATE
    x = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.1
    x = x + 0.003 * rng.standard_normal(n)
    x[9_000:13_000] = 0.02 * rng.standard_normal(4_000)
    x[18_000:23_000] = 0.0
    x[20_500] = 0.9
    x = x.astype(np.float32)
    x.flags.writeable = False
    return x


def blocks(x: Float32, cuts: Sequence[int] = (), holes: Sequence[tuple[int, int]] = ()) -> list[AudioBlock]:
    """``x`` cut at ``cuts``; a hole (first, last) takes samples away."""
    edges = sorted({0, len(x), *cuts, *(at for hole in holes for at in hole)})
    out: list[AudioBlock] = []
    lost = 0
    for a, b in pairwise(edges):
        if any(first <= a and b <= last for first, last in holes):
            lost += b - a
            continue
        out.append(AudioBlock(seq=len(out), t=START + a / RATE, samples=x[a:b], rate=RATE, lost=lost))
        lost = 0
    return out


def run(items: Sequence[AudioBlock]) -> Stream:
    features = AcousticExtractor()
    return joined([*(m for item in items for m in features.push(item)), *features.finish()], len(NAMES))


def column(stream: Stream, name: str) -> Float32:
    return stream.values[:, NAMES.index(name)]


@functools.cache
def whole() -> Stream:
    return run(blocks(sound()))


def same(a: Stream, b: Stream) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


cut_lists = st.lists(st.integers(0, round(SECONDS * RATE)), max_size=40)


@st.composite
def hole_lists(draw: st.DrawFn) -> list[tuple[int, int]]:
    edges = sorted(draw(st.sets(st.integers(0, round(SECONDS * RATE) - 1), min_size=2, max_size=6)))
    return list(zip(edges[0::2], edges[1::2], strict=False))


# ------------------------------------------------------------- what changes nothing


@given(cut_lists)
@settings(max_examples=40, deadline=None)
def test_any_cut_into_blocks_gives_the_same_bits(cuts: list[int]) -> None:
    assert same(run(blocks(sound(), cuts)), whole())


@pytest.mark.parametrize("size", [1, 7, 160, 320, 512, 1023, 2304])
def test_blocks_of_one_size_give_the_same_bits(size: int) -> None:
    x = sound()[: 6_000 if size == 1 else None]
    assert same(run(blocks(x, range(0, len(x), size))), run(blocks(x)))


@given(cut_lists, hole_lists())
@example([22_144], [(0, 321)])  # a row of silence alone
@settings(max_examples=40, deadline=None)
def test_cuts_change_nothing_where_sound_was_lost(cuts: list[int], holes: list[tuple[int, int]]) -> None:
    assert same(run(blocks(sound(), cuts, holes)), run(blocks(sound(), (), holes)))


def test_an_empty_block_changes_nothing() -> None:
    first, second = blocks(sound(), [8_000])
    empty = AudioBlock(seq=9, t=second.t, samples=np.empty(0, np.float32), rate=RATE)
    assert same(run([first, empty, empty, second]), whole())


@given(st.floats(-5.0, 0.0))
@settings(max_examples=15, deadline=None)
def test_gain_changes_nothing(log10_gain: float) -> None:
    quiet = run(blocks(sound() * np.float32(10.0**log10_gain)))
    np.testing.assert_allclose(quiet.values, whole().values, atol=2e-4)
    np.testing.assert_allclose(quiet.confidence, whole().confidence, atol=1e-5)


def test_polarity_changes_nothing() -> None:
    assert same(run(blocks(-sound())), whole())


def test_a_constant_offset_changes_nothing_that_is_louder_than_its_rounding() -> None:
    shifted = run(blocks(sound()[:9_000] + np.float32(0.1)))
    np.testing.assert_allclose(column(shifted, "f0"), column(run(blocks(sound()[:9_000])), "f0"), atol=1e-3)


# --------------------------------------------------------------- where rows are


def test_rows_are_20_ms_apart_and_a_window_of_4_s_holds_200() -> None:
    spec = acoustic_spec("abc")
    assert (spec.modality, spec.rate_hz, spec.rows) == (Modality.ACOUSTIC, 50.0, 200)
    assert (spec.dim, spec.block_columns) == (len(NAMES) + 384, len(NAMES))
    assert spec.settings["model_sha256"] == "abc"
    np.testing.assert_allclose(np.diff(whole().times), 0.02, atol=1e-9)
    assert len(whole().times) == (len(sound()) - WINDOW) // HOP + 1
    assert whole().times[0] == pytest.approx(START + HALF)
    np.testing.assert_allclose(whole().ends - whole().times, HALF, atol=1e-9)


def test_a_row_depends_on_nothing_after_its_end() -> None:
    x = sound().copy()
    x[15_000:] = 0.5
    changed = run(blocks(x))
    untouched = whole().ends <= START + 15_000 / RATE
    assert 0 < untouched.sum() < len(untouched)
    assert np.array_equal(changed.values[untouched], whole().values[untouched])


@given(hole_lists())
@settings(max_examples=40, deadline=None)
def test_rows_come_for_exactly_the_windows_without_a_lost_sample(holes: list[tuple[int, int]]) -> None:
    stream = run(blocks(sound(), (), holes))
    starts = np.arange(0, len(sound()) - WINDOW + 1, HOP)
    touched = np.zeros(len(starts), dtype=np.bool_)
    for first, last in holes:
        touched |= (starts < last) & (starts + WINDOW > first)
    expected = START + starts[~touched] / RATE + HALF
    np.testing.assert_allclose(stream.times, expected, atol=1e-9)
    last_sound = starts[~touched][-1] if len(expected) else 0
    due = START + np.arange(0, last_sound + 1, HOP) / RATE + HALF
    assert len(expected) == 0 or np.allclose(stream.due[: len(due)], due), "lost sound was not due"


def test_a_hole_is_not_silence() -> None:
    lost = run(blocks(sound(), (), [(2_000, 6_000)]))
    silent = sound().copy()
    silent[2_000:6_000] = 0.0
    assert len(lost.times) < len(lost.due)
    assert len(run(blocks(silent)).times) == len(run(blocks(silent)).due)


def test_the_first_row_behind_a_hole_has_no_row_before() -> None:
    stream = run(blocks(sound(), (), [(3_000, 6_000)]))
    behind = int(np.argmax(np.diff(stream.times) > 0.03)) + 1
    for name in ("energy_delta", "f0_delta", "flux"):
        assert column(stream, name)[behind] == 0.0
        assert column(stream, name)[behind + 1] != 0.0


def test_sound_lost_before_the_first_block_was_due() -> None:
    stream = run([AudioBlock(seq=0, t=START + 0.5, samples=sound(), rate=RATE, lost=RATE // 2)])
    assert stream.due[0] == pytest.approx(START + HALF)
    assert stream.times[0] == pytest.approx(START + 0.5 + HALF)


def test_rows_wait_for_at_most_six_hops() -> None:
    features = AcousticExtractor()
    for block in blocks(sound(), range(0, len(sound()), 160)):
        (out,) = features.push(block)
        assert block.end - out.settled_until <= HALF + 6 * HOP / RATE + 1e-9


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1])
def test_sound_too_short_for_a_window_gives_no_row(samples: int) -> None:
    stream = run([AudioBlock(seq=0, t=0.0, samples=sound()[:samples], rate=RATE)])
    assert len(stream.times) == len(stream.due) == 0


def test_no_sound_at_all_settles() -> None:
    (block,) = AcousticExtractor().finish()
    assert block.settled_until == FOREVER


# ----------------------------------------------------------------- what rows say


def tone(frequency: float, seconds: float = 0.6) -> Float32:
    return (0.2 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("frequency", [300.0, 1_000.0, 3_000.0])
def test_the_loudest_band_and_the_centroid_follow_a_tone(frequency: float) -> None:
    stream = run(blocks(tone(frequency)))
    mel = 2595 * np.log10(1 + np.array([50.0, frequency, 7600.0]) / 700)
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 41 - 1  # forty centres, evenly spaced between the ends
    assert np.abs(np.argmax(stream.values[:, :40], axis=1) - band).max() <= 1
    np.testing.assert_allclose(column(stream, "centroid"), np.log2(frequency / 1000), atol=0.05)
    np.testing.assert_allclose(column(stream, "rolloff"), np.log2(frequency / 1000), atol=0.1)


def test_noise_is_flatter_than_a_voice_and_a_voice_is_more_voiced() -> None:
    noise = run(blocks(np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * np.float32(0.1)))
    voice = run(blocks(sound()[:9_000]))
    assert column(noise, "flatness").min() > column(voice, "flatness").max()
    assert column(noise, "voicing").max() < 0.35
    assert column(voice, "voicing").min() > 0.9
    assert not column(noise, "f0").any()


def test_energy_follows_loudness_in_steps_of_twenty_decibel() -> None:
    x = tone(200.0, 1.0)
    x[8_000:] *= np.float32(0.1)
    stream = run(blocks(x))
    energy = column(stream, "energy")
    assert energy[-1] - energy[20] == pytest.approx(-1.0, abs=0.1)  # 1 is 20 dB; the running level falls a little
    assert column(stream, "energy_delta").min() < -0.5


def test_a_pause_has_no_voice_and_little_confidence() -> None:
    inside = (whole().times > START + 18_000 / RATE + HALF) & (whole().ends < START + 20_500 / RATE)
    assert inside.sum() > 3
    assert not whole().confidence[inside].any()
    assert not column(whole(), "voicing")[inside].any()


@pytest.mark.parametrize("value", [0.0, 1e-30, 3.0e38, 0.1, 0.7])
def test_sound_without_any_change_gives_finite_rows(value: float) -> None:
    stream = run(blocks(np.full(6_000, value, dtype=np.float32)))
    assert len(stream.values) == (6_000 - WINDOW) // HOP + 1
    assert not stream.confidence.any()


def test_samples_that_are_no_numbers_count_as_zero_and_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    bad, clean = sound().copy(), sound().copy()
    bad[[100, 5_000]] = np.nan, np.inf
    clean[[100, 5_000]] = 0.0
    with caplog.at_level(logging.WARNING):
        assert same(run(blocks(bad, [3_000])), run(blocks(clean)))
    assert len(caplog.records) == 1


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_another_sample_rate_is_refused_with_both_rates(rate: int) -> None:
    with pytest.raises(ModelError, match=f"16000 Hz, got {rate} Hz"):
        AcousticExtractor().push(AudioBlock(seq=0, t=0.0, samples=sound(), rate=rate))


@pytest.mark.parametrize(
    "samples", [np.zeros((800, 2), np.float32), np.zeros(800, np.int16), np.zeros(800, np.float64)], ids=str
)
def test_what_is_not_mono_float32_is_refused(samples: Float32) -> None:
    with pytest.raises(ModelError, match=r"expected float32 \(n,\), got"):
        AcousticExtractor().push(AudioBlock(seq=0, t=0.0, samples=samples, rate=RATE))


@pytest.mark.parametrize(("t", "lost"), [(0.0, -1), (float("nan"), 0), (float("inf"), 0)])
def test_a_block_without_a_place_is_refused(t: float, lost: int) -> None:
    with pytest.raises(ModelError, match="expected lost >= 0 and a time"):
        AcousticExtractor().push(AudioBlock(seq=0, t=t, samples=sound(), rate=RATE, lost=lost))


@pytest.mark.parametrize("jump", [-0.02, 0.02, 5.0])
def test_a_gap_that_lost_does_not_tell_is_refused(jump: float) -> None:
    first, second = blocks(sound(), [8_000])
    features = AcousticExtractor()
    features.push(first)
    with pytest.raises(ModelError, match="missing samples belong into lost"):
        features.push(AudioBlock(seq=1, t=second.t + jump, samples=second.samples, rate=RATE))


def test_the_mel_bands_are_triangles_of_one_weight() -> None:
    flat = run(blocks(np.eye(1, 6_000, 3_000, dtype=np.float32)[0]))  # a click has a flat spectrum
    np.testing.assert_allclose(flat.values[flat.confidence > 0.5, :40], 0.0, atol=1e-3)
