"""Media files that are odd but good: what arrives, when, and what it is said to be."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.messages import AudioBlock, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE, Source
from dmd_runtime.sources.file import FileSource
from dmd_runtime.sources.pacing import BLOCK
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, read_frame_number, read_sample_numbers
from tests.factories import TONE_HZ, FakeClock, RecordingSink, cover_art, make_clip
from tests.shared_data import shared


def play(path: Path, **options: Any) -> tuple[FileSource, RecordingSink, float]:
    source = FileSource(path, paced=False, **options)
    sink = RecordingSink()
    try:
        end = source.run(sink, sink.clock, sink.stop)
    finally:
        source.close()
    check_promises(source, sink, end)
    return source, sink, end


def check_promises(source: FileSource, sink: RecordingSink, end: float) -> None:
    """Check what holds of every file: numbering, arrays, time by sample count, and one common time order."""
    frames, blocks = sink.frames, sink.blocks
    assert bool(frames) == source.info.has_video
    assert bool(blocks) == source.info.has_audio
    for items in (frames, blocks):
        assert [item.seq for item in items] == list(range(len(items)))
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert not frame.image.flags.writeable
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
    assert all(a.t < b.t for a, b in pairwise(frames))
    for block in blocks:
        assert block.rate == ANALYSIS_RATE
        assert block.samples.dtype == np.float32
        assert not block.samples.flags.writeable
        assert 0 < len(block.samples) <= BLOCK
        assert np.abs(block.samples).max() <= 1.0
    for a, b in pairwise(blocks):
        assert b.t == pytest.approx(a.end + b.lost / ANALYSIS_RATE, abs=1e-9)
        assert len(a.samples) == BLOCK or b.lost
    due = [due_at(item) for item in sink.items]
    assert due == sorted(due)
    assert min(item.t for item in sink.items) >= 0.0
    assert end >= max(due)
    assert source.counters["lost"] == sum(block.lost for block in blocks)
    json.dumps(source.info.details)
    json.dumps(source.info.media)


def due_at(item: VideoFrame | AudioBlock) -> float:
    return item.t if isinstance(item, VideoFrame) else item.end


def numbers(sink: RecordingSink) -> list[int]:
    return [read_frame_number(frame.image) for frame in sink.frames]


def test_every_picture_and_every_sample_arrives_once_in_order_at_its_time(tmp_path: Path) -> None:
    source, sink, end = play(make_clip(tmp_path / "clip.mkv", seconds=3.0))
    assert numbers(sink) == list(range(75))
    assert [frame.t for frame in sink.frames] == pytest.approx([n / 25 for n in range(75)])
    assert (read_sample_numbers(sink.samples) == np.arange(48_000) % SAMPLE_CYCLE).all()
    assert end == pytest.approx(3.0)
    assert not any(source.counters.values())


def test_the_source_says_what_it_is(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", size=(320, 240), metadata={"dmd_mark": "demo"})
    source: Source = FileSource(path, paced=False)
    info = source.info
    source.close()
    source.close()
    data = path.read_bytes()
    assert (info.kind, info.name, info.has_video, info.has_audio) == ("file", "clip.mkv", True, True)
    assert info.duration == pytest.approx(1.0)
    assert info.media == {"path": str(path.resolve()), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert info.marks == ("DEMO",)
    video, audio = info.details["video"], info.details["audio"]
    assert isinstance(video, dict)
    assert isinstance(audio, dict)
    assert (video["codec"], video["size"], video["fps"], video["rotation"]) == ("h264", [320, 240], 25.0, 0)
    assert (audio["codec"], audio["rate"], audio["channels"]) == ("pcm_s16le", 16_000, 1)


@pytest.mark.parametrize(
    ("suffix", "value", "marks"),
    [(".mkv", "SYNTHETIC", ("SYNTHETIC",)), (".mov", "DEMO", ("DEMO",)), (".mkv", "DEMOLITION", ()), (".mkv", "", ())],
)
def test_marks_come_from_the_metadata(tmp_path: Path, suffix: str, value: str, marks: tuple[str, ...]) -> None:
    options = {"movflags": "use_metadata_tags"} if suffix == ".mov" else None
    path = make_clip(tmp_path / f"clip{suffix}", metadata={"DMD_MARK": value}, container_options=options, seconds=0.2)
    source = FileSource(path, paced=False, with_hash=False)
    source.close()
    assert source.info.marks == marks
    assert source.info.media is not None
    assert source.info.media["sha256"] is None


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "sample_format"),
    [
        ("a.wav", "pcm_s16le", 8_000, "mono", None),
        ("a.wav", "pcm_s24le", 48_000, "stereo", None),
        ("a.wav", "pcm_f32le", 44_100, "stereo", None),
        ("a.wav", "pcm_s16le", 48_000, "5.1", None),
        ("a.flac", "flac", 96_000, "stereo", "s32"),
        ("a.mp3", "libmp3lame", 44_100, "stereo", "s16p"),
        ("a.ogg", "libopus", 48_000, "stereo", None),
        ("a.m4a", "aac", 22_050, "mono", None),
    ],
)
def test_sound_of_every_kind_comes_as_16_khz_mono(
    tmp_path: Path, name: str, codec: str, *, rate: int, layout: str, sample_format: str | None
) -> None:
    sound = {"audio_rate": rate, "layout": layout, "sample_format": sample_format}
    path = make_clip(tmp_path / name, video_codec=None, audio_codec=codec, **sound)
    source, sink, end = play(path)
    assert not source.info.has_video
    assert end == pytest.approx(1.0, abs=0.06)  # lossy codecs pad their last frame
    middle = sink.samples[4_000:12_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * ANALYSIS_RATE / len(middle) == pytest.approx(TONE_HZ, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)  # mixing down makes nothing louder


def test_ten_channels_without_a_layout_are_mixed_down(tmp_path: Path) -> None:
    _, sink, _ = play(make_clip(tmp_path / "a.wav", video_codec=None, layout="10 channels", audio_rate=16_000))
    assert len(sink.samples) == 16_000
    assert np.abs(sink.samples).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "options",
    [
        {"fps": 8},
        {"size": (360, 240)},
        {"size": (361, 203), "pixel_format": "yuv444p"},
        {"size": (38, 200)},
        {"b_frames": 3, "seconds": 2.0},
        {"video_start": 5.0, "audio_start": 5.0},
        {"video_codec": "mpeg4"},
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_odd_pictures_arrive_whole(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    source, sink, end = play(make_clip(tmp_path / f"clip{suffix}", **options))
    seconds = options.get("seconds", 1.0)
    fps = options.get("fps", 25)
    assert numbers(sink) == list(range(round(seconds * fps)))
    assert [frame.t for frame in sink.frames] == pytest.approx([n / fps for n in range(len(sink.frames))], abs=1.1e-3)
    width, height = options.get("size", (160, 120))
    assert sink.frames[0].image.shape == (height, width, 3)
    assert (read_sample_numbers(sink.samples) == np.arange(round(seconds * 16_000))).all()
    assert end == pytest.approx(seconds, abs=2e-3)
    assert source.info.duration == pytest.approx(seconds, abs=0.05)
    assert not any(source.counters.values())


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.3, 0.31, 0.9, 0.905]
    _, sink, _ = play(make_clip(tmp_path / "clip.mkv", frame_times=times))
    assert numbers(sink) == list(range(6))
    assert [frame.t for frame in sink.frames] == pytest.approx(times, abs=1.1e-3)


def test_4k_is_scaled_and_both_sizes_are_told(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", size=(3840, 2160), seconds=0.08, audio_codec=None)
    source, sink, _ = play(path)
    assert sink.frames[1].image.shape == (720, 1280, 3)
    assert numbers(sink) == [0, 1]
    video = source.info.details["video"]
    assert isinstance(video, dict)
    assert (video["size"], video["delivered_size"]) == ([3840, 2160], [1280, 720])
    _, small, _ = play(path, max_side=64)
    assert small.frames[0].image.shape == (36, 64, 3)
    assert numbers(small) == [0, 1]


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (1, 0)), (-90, (0, 1)), (180, (1, 1))])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_turned_phone_picture_is_set_upright(
    tmp_path: Path, suffix: str, degrees: int, corner: tuple[int, int]
) -> None:
    picture = np.zeros((96, 160, 3), dtype=np.uint8)
    picture[:48, :80] = 255  # bright at the upper left; turned counter-clockwise by 90 degrees that is the lower left
    path = make_clip(tmp_path / f"c{suffix}", picture=picture, rotate=degrees, seconds=0.2, audio_codec=None)
    _, sink, _ = play(path)
    image = sink.frames[-1].image
    assert image.shape[:2] == ((160, 96) if degrees in (90, -90) else (96, 160))
    height, width = image.shape[0] // 2, image.shape[1] // 2
    quarters = {(y, x): image[y * height :][:height, x * width :][:, :width].mean() for y in (0, 1) for x in (0, 1)}
    assert max(quarters, key=lambda key: quarters[key]) == corner
    assert quarters[corner] > 240


@pytest.mark.parametrize("late", ["video_start", "audio_start"])
def test_a_stream_that_starts_later_keeps_its_distance(tmp_path: Path, late: str) -> None:
    _, sink, end = play(make_clip(tmp_path / "clip.mkv", **{late: 0.3}))  # type: ignore[arg-type]
    first = {"video_start": sink.frames[0].t, "audio_start": sink.blocks[0].t}
    assert first.pop(late) == pytest.approx(0.3)
    assert first.popitem()[1] == 0.0
    assert end == pytest.approx(1.3)
    assert sink.blocks[0].lost == 0  # nothing was lost: the sound had not begun


def test_a_hole_in_the_sound_is_lost_samples_not_silence(tmp_path: Path) -> None:
    source, sink, end = play(make_clip(tmp_path / "clip.mkv", gaps=[(0.5, 0.25)]))
    (after,) = [block for block in sink.blocks if block.lost]
    assert after.lost == 4_000
    assert after.t == pytest.approx(0.75)
    assert (read_sample_numbers(sink.samples) == np.arange(16_000)).all()
    assert end == pytest.approx(1.25)
    assert source.counters["lost"] == 4_000


@pytest.mark.parametrize("name", ["cover.mp3", "cover.mp4"])
def test_cover_art_is_no_video(tmp_path: Path, name: str) -> None:
    source, sink, _ = play(cover_art(tmp_path / name))
    assert not source.info.has_video
    assert "cover art" in str(source.info.details["ignored"])
    assert len(sink.samples) == pytest.approx(16_000, abs=1024)


def test_a_raw_stream_without_stamps_runs_at_its_rate(tmp_path: Path) -> None:
    source, sink, _ = play(make_clip(tmp_path / "clip.h264", audio_codec=None))
    assert numbers(sink) == list(range(25))
    assert [frame.t for frame in sink.frames] == pytest.approx([n / 25 for n in range(25)])
    assert source.counters["repaired"] == 25


@pytest.mark.filterwarnings("error")
def test_names_that_are_no_utf_8_or_hold_line_ends_run(tmp_path: Path) -> None:
    odd = tmp_path / "a\nb %d \udcff.mkv"
    try:
        make_clip(tmp_path / "clip.mkv", seconds=0.2).rename(odd)
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    source, sink, _ = play(odd)
    assert len(sink.frames) == 5
    assert source.info.name.isprintable()
    assert source.info.name.encode("utf-8")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    video_start=st.floats(0, 2),
    audio_start=st.floats(0, 2),
    fps=st.sampled_from([5, 12.5, 30, 60]),
    delta=st.sampled_from(["1", "10000000"]),
    suffix=st.sampled_from([".mkv", ".avi", ".mov"]),
)
def test_pictures_and_sound_come_in_common_time_order_however_they_are_interleaved(
    tmp_path: Path, *, video_start: float, audio_start: float, fps: float, delta: str, suffix: str
) -> None:
    starts = {} if suffix == ".avi" else {"video_start": video_start, "audio_start": audio_start}
    path = make_clip(
        tmp_path / f"clip{suffix}", size=(64, 48), fps=fps, container_options={"max_interleave_delta": delta}, **starts
    )
    _, sink, _ = play(path)  # its promises include: due times never go back, so the skew is nil
    assert len(sink.frames) == round(fps)
    assert len(sink.samples) == 16_000


def test_a_file_runs_once(tmp_path: Path) -> None:
    source = FileSource(make_clip(tmp_path / "clip.mkv", seconds=0.2), paced=False)
    sink = RecordingSink()
    source.run(sink, FakeClock(), sink.stop)
    with pytest.raises(SourceError, match="one run"):
        source.run(sink, FakeClock(), sink.stop)
    source.close()


def test_parameters_have_rules(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_side"):
        FileSource(tmp_path / "clip.mkv", paced=False, max_side=0)


@pytest.mark.parametrize("folder", ["talkers", "grid", "faces", "speech"])
def test_real_clips_open_and_deliver_all_they_state(folder: str) -> None:
    for path in sorted(shared("clips", folder).iterdir()):
        if path.suffix != ".tsv":
            _check_delivery(path)


def _check_delivery(path: Path) -> None:
    source, sink, end = play(path, max_side=160)
    assert not any(source.counters.values())
    assert source.info.duration == pytest.approx(end, abs=0.05)
    if source.info.has_video:
        video = source.info.details["video"]
        assert isinstance(video, dict)
        seconds = sink.frames[-1].t - sink.frames[0].t
        assert len(sink.frames) == pytest.approx(seconds * video["fps"] + 1, rel=0.02, abs=1)
    if source.info.has_audio:
        assert len(sink.samples) / ANALYSIS_RATE == pytest.approx(sink.blocks[-1].end - sink.blocks[0].t, abs=1e-6)
