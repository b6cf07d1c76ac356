"""Paced like a live device: at its time, without drift, without spinning; pictures may be let go, sound never."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.clock import SessionClock
from dmd_runtime.messages import AudioBlock, VideoFrame
from dmd_runtime.sources.file import FileSource
from dmd_runtime.sources.pacing import Timed, deliver
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, frame_image, read_frame_number, read_sample_numbers
from tests.factories import FakeClock, RecordingSink, make_clip


def play(path: Path, sink: RecordingSink) -> tuple[FileSource, float]:
    source = FileSource(path, paced=True, with_hash=False)
    try:
        return source, source.run(sink, sink.clock, sink.stop)
    finally:
        source.close()


def lateness(sink: RecordingSink, kind: type[VideoFrame | AudioBlock] | None = None) -> list[float]:
    due = [item.t if isinstance(item, VideoFrame) else item.end for item in sink.items]
    return [
        at - t for at, t, item in zip(sink.arrivals, due, sink.items, strict=True) if kind is None or type(item) is kind
    ]


def test_each_item_comes_when_a_device_would_have_it(tmp_path: Path) -> None:
    sink = RecordingSink()
    play(make_clip(tmp_path / "clip.mkv", seconds=2.0), sink)
    assert set(lateness(sink)) == {0.0}


def test_a_clock_that_wakes_late_does_not_add_up(tmp_path: Path) -> None:
    sink = RecordingSink(FakeClock(late=0.003))
    source, end = play(make_clip(tmp_path / "clip.mkv", seconds=8.0), sink)
    assert max(lateness(sink)) <= 0.003 + 1e-9
    assert end == pytest.approx(8.0)
    assert source.counters["skipped"] == 0


def test_it_waits_once_for_an_item_and_never_polls(tmp_path: Path) -> None:
    sink = RecordingSink()
    play(make_clip(tmp_path / "clip.mkv", seconds=2.0), sink)
    assert len(sink.clock.waits) == len(sink.items)


def test_one_costly_picture_delays_little_and_what_follows_is_on_time() -> None:
    """It is decoded while the one before it waits for its time."""
    sink = RecordingSink()

    def pictures() -> Iterator[Timed]:
        for n in range(50):
            sink.clock.advance(0.15 if n == 25 else 0.01)
            yield Timed(n * 0.04, (n + 1) * 0.04, VideoFrame(seq=n, t=n * 0.04, image=frame_image(n, (32, 16))))

    deliver([pictures()], sink, sink.clock, sink.stop, paced=True)
    assert len(sink.frames) == 50
    late = lateness(sink)
    assert late[0] == pytest.approx(0.01), "nothing was ready yet"
    assert max(late) <= 0.15 - 0.04 + 1e-9
    assert sum(t > 1e-9 for t in late[1:]) <= 4


def test_a_machine_that_is_too_slow_lets_pictures_go_but_no_sound(tmp_path: Path) -> None:
    sink = RecordingSink(picture_cost=0.1)  # 25 a second come, 10 a second can be taken
    source, end = play(make_clip(tmp_path / "clip.mkv", seconds=6.0), sink)
    assert (read_sample_numbers(sink.samples) == np.arange(96_000) % SAMPLE_CYCLE).all()
    assert max(lateness(sink)) < 0.5
    assert len(sink.frames) + source.counters["skipped"] == 150
    assert 40 <= len(sink.frames) <= 75
    assert [read_frame_number(frame.image) / 25 for frame in sink.frames] == pytest.approx([f.t for f in sink.frames])
    assert [frame.seq for frame in sink.frames] == list(range(len(sink.frames)))
    assert end == pytest.approx(6.0)


@pytest.mark.parametrize("b_frames", [0, 3])
def test_far_behind_it_leaps_to_a_picture_that_needs_no_other(tmp_path: Path, b_frames: int) -> None:
    class StallsOnce(RecordingSink):
        def video(self, frame: VideoFrame) -> None:
            super().video(frame)
            self.clock.advance(3.0 if frame.seq == 20 else 0.0)

    path = make_clip(tmp_path / "clip.mkv", seconds=6.0, b_frames=b_frames)
    sink = StallsOnce()
    source, end = play(path, sink)
    assert (read_sample_numbers(sink.samples) == np.arange(96_000) % SAMPLE_CYCLE).all()
    shown = [read_frame_number(frame.image) for frame in sink.frames]  # raises for a picture that lacks its past
    first = int(np.argmax(np.diff(shown))) + 1  # after the leap
    assert shown[:first] == list(range(first))
    assert 21 <= first <= 21 + 8, "what was decoded ahead is still shown"
    assert 70 < shown[first] < 110
    assert shown[first:] == list(range(shown[first], 150))
    assert [frame.t for frame in sink.frames] == pytest.approx([n / 25 for n in shown], abs=1e-3)
    assert len(shown) + source.counters["skipped"] == 150
    assert end == pytest.approx(6.0)


def test_without_stamps_pictures_are_let_go_but_time_goes_on(tmp_path: Path) -> None:
    sink = RecordingSink(picture_cost=0.3)
    source, _ = play(make_clip(tmp_path / "clip.h264", audio_codec=None, seconds=4.0), sink)
    assert [read_frame_number(frame.image) / 25 for frame in sink.frames] == pytest.approx([f.t for f in sink.frames])
    assert len(sink.frames) + source.counters["skipped"] == 100


def test_an_exact_run_lets_nothing_go_however_slow(tmp_path: Path) -> None:
    sink = RecordingSink(picture_cost=5.0)
    source = FileSource(make_clip(tmp_path / "clip.mkv"), paced=False)
    source.run(sink, sink.clock, sink.stop)
    source.close()
    assert (len(sink.frames), source.counters["skipped"]) == (25, 0)


def test_it_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    source = FileSource(make_clip(tmp_path / "clip.mkv", frame_times=[0.0, 600.0], audio_codec=None), paced=True)
    came, stop, ends = threading.Event(), threading.Event(), []

    class Sink:
        def video(self, frame: VideoFrame) -> None:
            came.set()

        def audio(self, block: AudioBlock) -> None: ...

    thread = threading.Thread(target=lambda: ends.append(source.run(Sink(), SessionClock(), stop)), daemon=True)
    thread.start()
    assert came.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    source.close()
    assert ends[0] < 20.0
