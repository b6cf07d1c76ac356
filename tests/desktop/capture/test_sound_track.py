"""Chunks of any size become blocks that tile session time; nothing is lost, doubled or swapped on the way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.capture.sample_clock import SampleClock
from desktop.capture.sound_track import BLOCK, Resampler, SoundTrack, Stretcher, mono
from dmd_runtime import ANALYSIS_RATE, AudioBlock
from dmd_runtime.features.acoustic import AcousticExtractor
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, numbered_samples
from tests.desktop.capture.fake_devices import check_tiling, sample_numbers

RATE = ANALYSIS_RATE
SIZES = st.lists(st.integers(0, 1500), min_size=1, max_size=30)


def feed(track: SoundTrack, sizes: list[int], *, first: int = 0) -> list[AudioBlock]:
    """Numbered samples in chunks, each arriving when its last one was captured."""
    blocks: list[AudioBlock] = []
    for size in sizes:
        at = track.clock.time_of(first + size)
        blocks += track.add(numbered_samples(first, size), at)
        first += size
    return blocks


@settings(deadline=None)
@given(sizes=SIZES, start=st.floats(0, 1000))
def test_every_sample_comes_once_in_blocks_of_512(sizes: list[int], start: float) -> None:
    track = SoundTrack()
    blocks = [*track.begin(start), *feed(track, sizes), *track.finish()]
    assert sample_numbers(blocks) == [n % SAMPLE_CYCLE for n in range(sum(sizes))]
    assert all(len(block.samples) == BLOCK for block in blocks[:-1])
    assert [block.t for block in blocks] == pytest.approx([start + n * BLOCK / RATE for n in range(len(blocks))])
    assert all(block.lost == 0 and not block.samples.flags.writeable for block in blocks)


@settings(deadline=None)
@given(before=SIZES, after=SIZES, lost=st.integers(1, 50_000))
def test_a_hole_is_lost_of_the_block_behind_it(before: list[int], after: list[int], lost: int) -> None:
    track = SoundTrack()
    track.begin(1.0)
    blocks = feed(track, before)
    heard = sum(before)
    blocks += track.add(numbered_samples(heard, 100), track.clock.time_of(heard + lost + 100), missing=lost)
    for size in after:
        blocks += track.add(numbered_samples(heard + 100, size), track.clock.t + size / RATE)
        heard += size
    blocks += track.finish()
    check_tiling(blocks)
    assert sum(block.lost for block in blocks) == lost
    hole = next(block for block in blocks if block.lost)
    assert hole.t == pytest.approx(1.0 + (sum(before) + lost) / RATE)
    assert sum(len(block.samples) for block in blocks) == sum(before) + 100 + sum(after)


@settings(deadline=None)
@given(outage=st.floats(0.01, 100))
def test_a_second_microphone_goes_on_in_the_same_time(outage: float) -> None:
    track = SoundTrack()
    track.begin(5.0)
    blocks = [*feed(track, [700]), *track.finish()]
    back = blocks[-1].end + outage
    blocks += track.begin(back)
    blocks += [*track.add(numbered_samples(0, 2000), back + 2000 / RATE), *track.finish()]
    check_tiling(blocks)
    (hole,) = [block for block in blocks if block.lost]
    assert hole.t == pytest.approx(back, abs=1 / RATE)


def test_what_a_stream_left_is_given_out_when_another_begins() -> None:
    track = SoundTrack()
    track.begin(0.0)
    assert feed(track, [100]) == []
    (block,) = track.begin(1.0)
    assert len(block.samples) == 100


def test_samples_too_many_are_cut_out_and_time_goes_on() -> None:
    track = SoundTrack(SampleClock(patience=1, tolerance=0.01))
    track.begin(10.0)
    blocks, at = [], 9.9
    for n in range(100):
        at += BLOCK / RATE
        blocks += track.add(numbered_samples(n * BLOCK, BLOCK), at)
    check_tiling(blocks)
    steps = np.diff(np.concatenate([np.rint(block.samples * SAMPLE_CYCLE) for block in blocks])) % SAMPLE_CYCLE
    (cut,) = steps[steps != 1] - 1
    assert cut == pytest.approx(0.1 * RATE, abs=2)
    assert track.clock.corrected == cut


def stretched(ppm: float, seconds: float, size: int, tone: float = 1000.0) -> tuple[list[AudioBlock], SampleClock]:
    """What a device that runs ``ppm`` fast makes of a tone, in chunks of ``size`` that each come at their time."""
    track, rate = SoundTrack(), RATE * (1 + ppm * 1e-6)
    blocks = track.begin(0.0)
    for first in range(0, round(seconds * RATE), size):
        wave = 0.5 * np.sin(2 * np.pi * tone * np.arange(first, first + size) / rate)
        blocks += track.add(wave.astype(np.float32), (first + size) / rate)
    return [*blocks, *track.finish()], track.clock


@pytest.mark.parametrize("size", [100, 512, 1600])
@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_tone_of_a_device_that_runs_fast_or_slow_is_heard_as_it_was(ppm: float, size: int) -> None:
    """In session time it has its frequency and its phase, and nothing else is to be heard."""
    blocks, clock = stretched(ppm, 90.0, size)
    check_tiling(blocks)
    assert not any(block.lost for block in blocks)
    assert sum(len(block.samples) for block in blocks) == clock.count
    for begin in (60.0, 85.0):
        heard = np.concatenate([block.samples for block in blocks if begin <= block.t < begin + 1])
        t = next(block.t for block in blocks if block.t >= begin) + np.arange(len(heard)) / RATE
        waves = np.stack([np.sin(2e3 * np.pi * t), np.cos(2e3 * np.pi * t)], axis=1)
        (a, b), *_ = np.linalg.lstsq(waves, heard.astype(np.float64), rcond=None)
        assert np.hypot(a, b) == pytest.approx(0.5, rel=0.02)  # the phase goes on moving by less than 1e-4 of it
        assert np.abs(np.diff(heard, 2)).max() < 0.5 * (2 * np.pi * 1000 / RATE) ** 2 * 1.01  # no click


@pytest.mark.parametrize("ppm", [-200, 200])
def test_nothing_is_heard_beside_a_tone_while_the_correction_sets_in(ppm: float) -> None:
    blocks, clock = stretched(ppm, 13.0, 512)
    assert clock.stretch != 0
    heard = np.concatenate([block.samples for block in blocks]).astype(np.float64)
    for begin in (4, 6, 8):  # it begins after 6 s
        spectrum = np.abs(np.fft.rfft(heard[begin * RATE : (begin + 4) * RATE] * np.kaiser(4 * RATE, 16)))
        away = np.abs(np.fft.rfftfreq(4 * RATE, 1 / RATE) - 1000) > 10
        assert 20 * np.log10(spectrum[away].max() / spectrum.max()) < -85  # one sample too few: -46 dB


def test_between_samples_the_sound_is_what_it_was() -> None:
    random = np.random.default_rng(0)
    at = np.sort(random.uniform(100, 900, 500))
    for tone, most in ((300, 1e-4), (3000, 1e-4), (7000, 1e-3)):
        wave = np.sin(2 * np.pi * tone * np.arange(1000) / RATE).astype(np.float32)
        stretcher = Stretcher()
        found = np.concatenate([stretcher(wave, at), stretcher.finish()])
        assert np.abs(found - np.sin(2 * np.pi * tone * at / RATE)).max() < most


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=10), seed=st.integers(0, 2**16))
def test_stretching_is_the_same_however_it_is_cut(cuts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    wave = random.normal(0, 0.1, 3000).astype(np.float32)
    at = np.arange(0, 2999.5, 0.9993)
    whole, pieces = Stretcher(), Stretcher()
    at_once = np.concatenate([whole(wave, at), whole.finish()])
    parts = [pieces(wave[a:b], at[(at >= a) & (at < b)] - a) for a, b in itertools.pairwise(sorted({0, 3000, *cuts}))]
    assert np.abs(np.concatenate([*parts, pieces.finish()]) - at_once).max() < 1e-5


@settings(deadline=None, max_examples=30)
@given(sizes=SIZES, holes=st.lists(st.integers(0, 3000), min_size=30, max_size=30))
def test_the_acoustic_features_accept_whatever_comes(sizes: list[int], holes: list[int]) -> None:
    """They refuse a block whose time is more than 5 ms from the count of samples."""
    track, extractor = SoundTrack(), AcousticExtractor()
    track.begin(2.5)
    blocks = []
    for size, hole in zip(sizes, holes, strict=False):
        blocks += track.add(np.zeros(size, dtype=np.float32), track.clock.t + (hole + size) / RATE, missing=hole)
    for block in [*blocks, *track.finish()]:
        extractor.push(block)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_resampling_is_the_same_however_it_is_cut(rate: int, data: st.DataObject) -> None:
    count = rate // 4
    cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=8))})
    wave = np.sin(2 * np.pi * 300 * np.arange(count) / rate).astype(np.float32)
    whole, pieces = Resampler(rate), Resampler(rate)
    at_once = np.concatenate([whole(wave), whole.finish()])
    in_pieces = [pieces(wave[a:b]) for a, b in itertools.pairwise(cuts)]
    cut_up = np.concatenate([*in_pieces, pieces.finish()])
    assert len(at_once) == len(cut_up) == pytest.approx(count * RATE / rate, abs=1)
    assert np.abs(at_once - cut_up).max() < 1e-6
    wanted = np.sin(2 * np.pi * 300 * np.arange(len(cut_up)) / RATE)
    assert np.abs(cut_up - wanted)[100:-100].max() < 1e-4


def test_at_the_right_rate_nothing_is_changed() -> None:
    resampler = Resampler(RATE)
    samples = numbered_samples(0, 700)
    assert resampler(samples) is samples
    assert len(resampler.finish()) == 0


def test_channels_are_mixed() -> None:
    sound = np.array([[0.5, 0.25], [-0.5, 0.5]], dtype=np.float32)
    assert mono(sound).tolist() == [0.375, 0.0]
    assert mono(sound[:, :1]).tolist() == [0.5, -0.5]
    assert mono(sound).dtype == np.float32
