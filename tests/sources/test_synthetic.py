"""Numbered pictures and samples: all of them come, and whatever happens to one on the way shows."""

from __future__ import annotations

import math
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.messages import AudioBlock, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE, Source
from dmd_runtime.sources.pacing import BLOCK
from dmd_runtime.sources.synthetic import (
    FRAME_NUMBERS,
    SAMPLE_CYCLE,
    SyntheticSource,
    frame_image,
    numbered_samples,
    read_frame_number,
    read_sample_numbers,
)
from tests.factories import FakeClock, RecordingSink

SIZES = st.tuples(st.integers(32, 200), st.integers(16, 200))


def play(duration: float = 1.0, *, paced: bool = False, **options: Any) -> tuple[SyntheticSource, RecordingSink, float]:
    source = SyntheticSource(duration, paced=paced, **options)
    sink = RecordingSink()
    return source, sink, source.run(sink, sink.clock, sink.stop)


def steps(frames: list[VideoFrame]) -> set[int]:
    """By how much the numbers that the pictures spell go up; {1} where none is lost, doubled or swapped."""
    return set(np.diff([read_frame_number(frame.image) for frame in frames]).tolist())


def sample_steps(blocks: list[AudioBlock]) -> set[int]:
    numbers = np.concatenate([read_sample_numbers(block.samples) for block in blocks])
    return set((np.diff(numbers) % SAMPLE_CYCLE).tolist())


@pytest.mark.parametrize("fps", [8, 30, 30_000 / 1001])
def test_every_picture_and_every_sample_arrives_once_in_order_at_its_time(fps: float) -> None:
    _, sink, end = play(3.0, fps=fps)
    assert [read_frame_number(frame.image) for frame in sink.frames] == list(range(math.ceil(3.0 * fps)))
    assert [frame.t for frame in sink.frames] == pytest.approx([n / fps for n in range(len(sink.frames))])
    assert (read_sample_numbers(sink.samples) == np.arange(3 * ANALYSIS_RATE) % SAMPLE_CYCLE).all()
    assert [block.t for block in sink.blocks] == [n * BLOCK / ANALYSIS_RATE for n in range(len(sink.blocks))]
    assert end == pytest.approx(3.0, abs=1 / fps)


def test_pictures_and_sound_come_in_the_order_of_a_live_device() -> None:
    _, sink, _ = play(2.0)
    due = [item.t if isinstance(item, VideoFrame) else item.end for item in sink.items]
    assert due == sorted(due)


@given(at=st.integers(1, 28), what=st.sampled_from(["lost", "doubled", "swapped"]))
def test_a_lost_doubled_or_swapped_item_shows(at: int, what: str) -> None:
    _, sink, _ = play(1.0, size=(32, 16))
    edits = {"lost": slice(at, at + 1), "doubled": slice(at, at), "swapped": slice(at, at + 2)}
    frames, blocks = sink.frames, sink.blocks
    for items in (frames, blocks):
        items[edits[what]] = {"lost": [], "doubled": [items[at]], "swapped": items[at : at + 2][::-1]}[what]
    assert (steps(sink.frames), sample_steps(sink.blocks)) == ({1}, {1})
    shown = {"lost": {1, 2}, "doubled": {0, 1}, "swapped": {-1, 1, 2}}[what]
    assert steps(frames) == (shown | {2} if what == "swapped" else shown)
    assert len(sample_steps(blocks)) > 1


@given(number=st.integers(0, FRAME_NUMBERS - 1), size=SIZES)
def test_a_picture_spells_its_number(number: int, size: tuple[int, int]) -> None:
    image = frame_image(number, size)
    assert image.shape == (size[1], size[0], 3)
    assert not image.flags.writeable
    assert read_frame_number(image) == number


@given(number=st.integers(0, FRAME_NUMBERS - 1), noise=st.integers(0, 2**32 - 1))
def test_a_number_survives_noise_and_a_poor_contrast(number: int, noise: int) -> None:
    spoilt = 60 + 0.5 * frame_image(number, (64, 48)) + np.random.default_rng(noise).normal(0, 20, (48, 64, 3))
    assert read_frame_number(spoilt.clip(0, 255).astype(np.uint8)) == number


@given(number=st.integers(0, FRAME_NUMBERS - 1), cell=st.integers(0, 31))
def test_a_flipped_cell_is_found_by_the_check_sum(number: int, cell: int) -> None:
    image = frame_image(number, (32, 16)).copy()
    top, left = divmod(cell, 8)
    image[4 * top : 4 * top + 4, 4 * left : 4 * left + 4] ^= 255
    with pytest.raises(ValueError, match="check sum"):
        read_frame_number(image)


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_picture_spells_nothing(level: int) -> None:
    with pytest.raises(ValueError, match="check sum"):
        read_frame_number(np.full((48, 64, 3), level, dtype=np.uint8))


def test_a_grey_picture_spells_nothing() -> None:
    with pytest.raises(ValueError, match="neither black nor white"):
        read_frame_number(np.full((48, 64, 3), 120, dtype=np.uint8))


@pytest.mark.parametrize("change", [lambda x: x * 0.9, lambda x: -x, lambda x: (x[1:] + x[:-1]) / 2], ids=str)
def test_changed_samples_are_refused(change: Any) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        read_sample_numbers(change(numbered_samples(100, 64)))


def test_sample_numbers_survive_16_bits() -> None:
    samples = numbered_samples(SAMPLE_CYCLE - 100, 200)
    pcm = (samples * 2**15).astype(np.int16)
    assert (read_sample_numbers(pcm.astype(np.float32) / 2**15) == read_sample_numbers(samples)).all()


def test_the_source_says_that_it_is_synthetic() -> None:
    source: Source = SyntheticSource(2, 25, (64, 48), paced=False)
    info = source.info
    assert (info.kind, info.marks, info.duration, info.media) == ("synthetic", ("SYNTHETIC",), 2.0, None)
    assert info.details["video"] == {"size": [64, 48], "fps": 25.0, "frames": 50}
    assert info.details["audio"] == {"rate": 16_000, "channels": 1, "samples": 32_000}


@pytest.mark.parametrize("only", ["video", "audio"])
def test_one_of_the_two_is_enough(only: str) -> None:
    options = {"video": False, "audio": False, only: True}
    source, sink, end = play(0.5, **options)
    assert (source.info.has_video, source.info.has_audio) == (options["video"], options["audio"])
    assert (len(sink.frames), len(sink.samples)) == ((15, 0) if only == "video" else (0, 8_000))
    assert end == pytest.approx(0.5)


def test_paced_it_delivers_each_item_at_its_time() -> None:
    _, sink, _ = play(2.0, paced=True)
    due = [item.t if isinstance(item, VideoFrame) else item.end for item in sink.items]
    assert sink.arrivals == due


def test_exact_it_waits_for_nothing() -> None:
    _, sink, _ = play(2.0, paced=False)
    assert sink.clock.waits == []


@pytest.mark.parametrize("paced", [True, False])
def test_it_stops_when_told(paced: bool) -> None:
    source = SyntheticSource(10.0, paced=paced)
    sink = RecordingSink(stop_after=20)
    end = source.run(sink, sink.clock, sink.stop)
    assert len(sink.items) == 20
    assert end == max(sink.blocks[-1].end, sink.frames[-1].t + 1 / 30)


def test_stopped_before_the_start_it_delivers_nothing() -> None:
    sink = RecordingSink()
    sink.stop.set()
    assert SyntheticSource(1.0, paced=True).run(sink, sink.clock, sink.stop) == 0.0
    assert sink.items == []


def test_it_runs_once() -> None:
    source, sink, _ = play(0.1)
    with pytest.raises(SourceError, match="one run"):
        source.run(sink, FakeClock(), Event())
    source.close()
    source.close()


@pytest.mark.parametrize(
    "options",
    [
        {"duration": 0},
        {"duration": math.inf},
        {"duration": math.nan},
        {"fps": 0},
        {"fps": 1001},
        {"rate": 0},
        {"video": False, "audio": False},
        {"size": (31, 16)},
        {"size": (32, 15)},
        {"duration": 1e6, "fps": 1000},  # more pictures than there are numbers
    ],
    ids=str,
)
def test_parameters_have_rules(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="got"):
        SyntheticSource(**{"duration": 1.0, "paced": False, **options})
