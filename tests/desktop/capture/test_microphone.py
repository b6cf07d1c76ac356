"""A microphone's thread: every sample once, in time by its count; what is missing is ``lost``; gone when stopped."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from desktop.capture import microphone as module
from desktop.capture.devices import MicrophoneChoice
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.sound_track import BLOCK, SoundTrack
from dmd_runtime import ANALYSIS_RATE, AudioBlock
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, numbered_samples
from tests.desktop.capture.fake_devices import (
    CHUNK,
    QUICK,
    SOON,
    Collected,
    FakeStream,
    MicrophoneShop,
    Said,
    check_tiling,
    microphone_thread,
    sample_numbers,
)
from tests.factories import FakeClock

RATE = ANALYSIS_RATE


@pytest.fixture
def shop() -> MicrophoneShop:
    return MicrophoneShop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(t=5.0)


@pytest.fixture
def blocks() -> Collected[AudioBlock]:
    return Collected()


@pytest.fixture
def thread(shop: MicrophoneShop, blocks: Collected[AudioBlock], clock: FakeClock) -> Iterator[MicrophoneThread]:
    thread = microphone_thread(shop, blocks, clock)
    yield thread
    assert thread.stop()
    assert all(stream.closed == 1 for stream in shop.opened)


def speak(stream: FakeStream, clock: FakeClock, first: int, count: int, *, size: int = CHUNK) -> None:
    """Numbered samples, each chunk handed over at the moment when its last sample was captured."""
    for at in range(first, first + count, size):
        part = numbered_samples(at, min(size, first + count - at))
        clock.advance(len(part) / stream.rate)
        stream.say(part)


def test_every_sample_comes_once_and_its_time_is_when_it_was_captured(
    shop: MicrophoneShop, blocks: Collected[AudioBlock], clock: FakeClock, thread: MicrophoneThread
) -> None:
    said = Said(thread)
    thread.start()
    speak(shop.wait_for_stream(), clock, 0, 40_000)
    blocks.wait_for(40_000 // BLOCK)
    assert thread.stop()
    got = blocks.items
    assert sample_numbers(got) == [n % SAMPLE_CYCLE for n in range(40_000)], "the rest comes at the end"
    check_tiling(got)
    assert got[0].t == pytest.approx(5.0)
    assert got[-1].end == pytest.approx(5.0 + 40_000 / RATE)
    assert all(b.rate == RATE and b.lost == 0 and b.samples.dtype == np.float32 for b in got)
    assert said.lines == ["opened mic! is open"]
    assert blocks.threads.isdisjoint({threading.get_ident()})


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (8_000, 1)])
def test_another_rate_becomes_the_one_that_analysis_needs(
    rate: int, channels: int, blocks: Collected[AudioBlock], clock: FakeClock
) -> None:
    shop = MicrophoneShop(rate, channels)
    thread = microphone_thread(shop, blocks, clock)
    thread.start()
    stream = shop.wait_for_stream()
    wave = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    for part in np.array_split(wave, 31):
        clock.advance(len(part) / rate)
        stream.say(part)
    blocks.wait_for(RATE // BLOCK - 1)
    assert thread.stop()
    check_tiling(blocks.items)
    sound = np.concatenate([block.samples for block in blocks.items])
    assert len(sound) == pytest.approx(RATE, abs=1)
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(sound)) / RATE)
    assert np.abs(sound - wanted)[100:-100].max() < 1e-3, "there is a click"
    assert sum(block.lost for block in blocks.items) == 0


def test_unplugged_and_plugged_in_again_the_gap_is_lost_and_time_is_the_clock(
    shop: MicrophoneShop, blocks: Collected[AudioBlock], clock: FakeClock, thread: MicrophoneThread
) -> None:
    said = Said(thread)
    thread.start()
    stream = shop.wait_for_stream()
    speak(stream, clock, 0, 1000)
    shop.problem = "not connected"
    stream.on_end()
    assert "was unplugged" in said.wait_for(3)[1]
    clock.advance(30.0)
    back = clock.t
    shop.problem = ""
    speak(shop.wait_for_stream(2), clock, 2000, 2048)
    said.wait_for(5)
    assert thread.stop()
    check_tiling(blocks.items)
    assert sample_numbers(blocks.items) == [*range(1000), *range(2000, 4048)]
    (hole,) = [block for block in blocks.items if block.lost]
    assert hole.lost == 30 * RATE
    assert hole.t == pytest.approx(back)
    assert said.lines[2:] == ["trouble not connected", "opened mic! is open", "recovered"]


def test_a_device_that_goes_silent_is_opened_again(
    shop: MicrophoneShop,
    blocks: Collected[AudioBlock],
    clock: FakeClock,
    thread: MicrophoneThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.01)
    thread.stall_after = 0.02
    said = Said(thread)
    thread.start()
    speak(shop.wait_for_stream(), clock, 0, CHUNK)
    clock.advance(1.5)
    speak(shop.wait_for_stream(2), clock, 0, CHUNK)
    blocks.wait_for(2)
    assert blocks.items[1].lost == pytest.approx(1.5 * RATE, abs=1)
    said.wait_for(4)
    assert said.lines[:2] == ["opened mic! is open", "trouble Microphone “mic!” gives no sound."]


def test_a_device_that_never_gives_anything_is_trouble(
    shop: MicrophoneShop, thread: MicrophoneThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.01)
    thread.first_after = 0.01
    said = Said(thread)
    thread.start()
    shop.wait_for_attempts(3)
    assert said.lines == ["trouble Microphone “mic!” gives no sound."]


def test_an_overrun_of_the_device_is_estimated(
    shop: MicrophoneShop,
    blocks: Collected[AudioBlock],
    clock: FakeClock,
    thread: MicrophoneThread,
    caplog: pytest.LogCaptureFixture,
) -> None:
    thread.start()
    stream = shop.wait_for_stream()
    speak(stream, clock, 0, 5 * CHUNK)
    clock.advance(0.25 + CHUNK / RATE)
    stream.say(numbered_samples(9000, CHUNK), overrun=True)
    speak(stream, clock, 9000 + CHUNK, CHUNK)
    blocks.wait_for(7)
    check_tiling(blocks.items)
    assert [block.lost for block in blocks.items] == [0, 0, 0, 0, 0, 4000, 0]
    assert blocks.items[-1].end == pytest.approx(clock.t, abs=1e-3)
    assert caplog.text.count("too busy") == 1


def test_nothing_is_mixed_across_a_hole(blocks: Collected[AudioBlock], clock: FakeClock) -> None:
    shop = MicrophoneShop(48_000)
    thread = microphone_thread(shop, blocks, clock)
    thread.start()
    stream = shop.wait_for_stream()
    for n, level in enumerate([0.5, 0.5, 0.5, -0.5, -0.5, -0.5]):
        clock.advance(0.032 + (1.0 if n == 3 else 0.0))
        stream.say(np.full(1536, level, dtype=np.float32), overrun=n == 3)
    blocks.wait_for(5)
    assert thread.stop()
    hole = next(n for n, block in enumerate(blocks.items) if block.lost)
    before, after = blocks.items[:hole], blocks.items[hole:]
    assert sum(len(block.samples) for block in before) == pytest.approx(3 * CHUNK, abs=1)
    assert min(block.samples.min() for block in before) > -0.1
    assert max(block.samples.max() for block in after) < 0.1


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_an_overrun_before_the_first_sample_is_none(rate: int, blocks: Collected[AudioBlock], clock: FakeClock) -> None:
    shop = MicrophoneShop(rate)
    thread = microphone_thread(shop, blocks, clock)
    thread.start()
    shop.wait_for_stream().say(numbered_samples(0, 2 * CHUNK * rate // RATE), overrun=True)
    assert blocks.wait_for(1)[0].lost == 0
    assert thread.stop()
    assert [block.lost for block in blocks.items] == [0] * len(blocks.items)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_what_a_full_queue_refuses_is_counted_to_the_sample(
    rate: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CAPACITY", 4)
    size = CHUNK * rate // RATE
    let_go, entered, got = threading.Event(), threading.Event(), Collected[AudioBlock]()

    def sink(block: AudioBlock) -> None:
        entered.set()
        assert let_go.wait(SOON)
        got(block)

    shop = MicrophoneShop(rate)
    thread = microphone_thread(shop, sink, clock)  # type: ignore[arg-type]
    thread.start()
    stream = shop.wait_for_stream()
    at_work = 1 if rate == RATE else 2  # chunks for the first block: resampling holds some back
    speak(stream, clock, 0, at_work * size, size=size)
    assert entered.wait(SOON)
    speak(stream, clock, at_work * size, 10 * size, size=size)  # four fit, six do not
    let_go.set()
    got.wait_for(5)
    speak(stream, clock, (at_work + 10) * size, 3 * size, size=size)
    got.wait_for(8)
    assert thread.stop()
    check_tiling(got.items)
    assert sum(block.lost for block in got.items) == 6 * CHUNK
    received = sum(len(block.samples) for block in got.items)
    assert received == pytest.approx((at_work + 7) * CHUNK, abs=1)
    if rate == RATE:
        numbers = np.array(sample_numbers(got.items))
        (hole,) = numbers[1:][np.diff(numbers) != 1]
        assert hole == next(block for block in got.items if block.lost).t * RATE - 5 * RATE


def test_the_very_device_that_was_open_is_opened_again(shop: MicrophoneShop, thread: MicrophoneThread) -> None:
    thread.start()
    shop.wait_for_stream().on_end()
    shop.wait_for_stream(2)
    assert shop.names == ["mic", "mic!"]


def test_the_default_device_stays_the_default(blocks: Collected[AudioBlock], shop: MicrophoneShop) -> None:
    """It may be another one after a replug: the system's default is what was chosen."""
    choice = MicrophoneChoice(name="default microphone", kind="default")
    thread = MicrophoneThread(choice, blocks, FakeClock(), open_microphone=shop, retry_every=QUICK)
    thread.start()
    shop.wait_for_stream().on_end()
    shop.wait_for_stream(2)
    assert thread.stop()
    assert shop.names[:2] == [None, None]


def test_a_track_goes_on_from_one_thread_to_the_next(
    shop: MicrophoneShop, blocks: Collected[AudioBlock], clock: FakeClock
) -> None:
    track = SoundTrack()
    for n, pause in enumerate((0.0, 2.0, 0.5)):
        clock.advance(pause)
        thread = microphone_thread(shop, blocks, clock, track=track)
        thread.start()
        speak(shop.wait_for_stream(n + 1), clock, n * 1000, 1000)
        assert thread.stop()
    check_tiling(blocks.items)
    assert sample_numbers(blocks.items) == list(range(3000))
    assert [block.lost for block in blocks.items if block.lost] == [2 * RATE, RATE // 2]


def test_drift_is_told_and_logged(
    shop: MicrophoneShop,
    blocks: Collected[AudioBlock],
    clock: FakeClock,
    thread: MicrophoneThread,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert thread.drift_ppm is None
    thread.start()
    stream = shop.wait_for_stream()
    with caplog.at_level(logging.INFO):
        for n in range(60):
            clock.advance(0.512 * (1 + 200e-6))  # the device is slow
            stream.say(numbered_samples(0, 16 * CHUNK))
            blocks.wait_for(16 * (n + 1) - 1)  # the last one may wait for what is around its last samples
    assert thread.drift_ppm == pytest.approx(-200, abs=5)
    assert thread.corrected_samples == 0
    assert re.search(r"runs -(19|20)\d ppm", caplog.text)


# ------------------------------------------------------------------- the end


def test_stopped_while_the_device_is_missing(shop: MicrophoneShop, blocks: Collected[AudioBlock]) -> None:
    shop.problem = "not connected"
    thread = microphone_thread(shop, blocks, FakeClock())
    thread._retry_every = 3600.0
    thread.start()
    shop.wait_for_attempts(1)
    assert thread.stop()


def test_stopped_while_it_is_opened(blocks: Collected[AudioBlock]) -> None:
    opening, go_on = threading.Event(), threading.Event()
    shop = MicrophoneShop()

    def slowly(*arguments: object) -> FakeStream:
        opening.set()
        assert go_on.wait(SOON)
        return shop(*arguments)  # type: ignore[arg-type]

    thread = MicrophoneThread(MicrophoneChoice(name="mic"), blocks, FakeClock(), open_microphone=slowly)
    thread.start()
    assert opening.wait(SOON)
    thread.interrupt()
    go_on.set()
    assert thread.stop()
    assert shop.opened[0].closed == 1


def test_a_hundred_lives_leave_no_thread(shop: MicrophoneShop, blocks: Collected[AudioBlock]) -> None:
    before = threading.enumerate()
    for n in range(100):
        thread = microphone_thread(shop, blocks, FakeClock())
        thread.start()
        shop.wait_for_stream(n + 1).say(numbered_samples(n, 3))
        assert thread.stop()
    assert threading.enumerate() == before
    assert sample_numbers(blocks.items) == [n + k for n in range(100) for k in range(3)]
