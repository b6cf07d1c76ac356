"""What is in the file is what was handed over, at its time; what is not is counted."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import AudioBlock, VideoFrame, freeze
from dmd_runtime.recording import media_writer
from dmd_runtime.recording.media_file import MediaFile, fitted
from dmd_runtime.recording.media_writer import MediaWriter
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, frame_image, read_frame_number

SIZE = (160, 96)
BLOCK = 512


def picture(number: int, t: float, size: tuple[int, int] = SIZE) -> VideoFrame:
    return VideoFrame(seq=number, t=t, image=freeze(np.ascontiguousarray(frame_image(number, size))))


def sound(first: int, *, lost: int = 0, n: int = BLOCK) -> AudioBlock:
    """Each sample is its own number."""
    numbers = np.arange(first, first + n) % SAMPLE_CYCLE
    samples = freeze((numbers / SAMPLE_CYCLE).astype(np.float32))
    return AudioBlock(seq=0, t=first / ANALYSIS_RATE, samples=samples, rate=ANALYSIS_RATE, lost=lost)


def written(folder: Path, items: list[VideoFrame | AudioBlock], **options: bool) -> MediaWriter:
    writer = MediaWriter(folder, **{"video": True, "audio": True, "patient": True, **options})
    for item in items:
        writer(item)
    writer.finish()
    return writer


def pictures(path: Path) -> list[tuple[float, int]]:
    """(time, number) of each."""
    with av.open(str(path)) as file:
        return [
            (float(f.pts * f.time_base), read_frame_number(f.to_ndarray(format="rgb24"))) for f in file.decode(video=0)
        ]


def samples(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Number of each sample by its value, and by its block's time."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    values = np.concatenate([f.to_ndarray()[0] for f in frames])
    times = np.concatenate([float(f.pts * f.time_base) * ANALYSIS_RATE + np.arange(f.samples) for f in frames])
    return values, times


def in_order(frames: list[VideoFrame], blocks: list[AudioBlock]) -> list[VideoFrame | AudioBlock]:
    return sorted([*frames, *blocks], key=lambda item: item.t)


def test_every_picture_and_every_sample_is_there_at_its_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.08, 90))  # a rate that varies
    frames = [picture(k, float(t)) for k, t in enumerate(times)]
    blocks = [sound(k * BLOCK) for k in range(160)]
    counts = written(tmp_path, in_order(frames, blocks)).counts
    assert (counts.frames, counts.frames_dropped) == (90, 0)
    assert (counts.audio_samples, counts.audio_lost) == (160 * BLOCK, 0)
    found = pictures(tmp_path / "media.mkv")
    assert [number for _, number in found] == list(range(90))
    assert np.abs([t for t, _ in found] - times).max() <= 0.00051  # milliseconds, rounded
    values, at = samples(tmp_path / "media.mkv")
    assert np.array_equal(values, np.arange(160 * BLOCK) % SAMPLE_CYCLE)
    assert np.abs(at - np.arange(160 * BLOCK)).max() <= 0.00051 * ANALYSIS_RATE


def test_lost_sound_is_a_hole_and_no_silence(tmp_path: Path) -> None:
    blocks = [sound(0), sound(BLOCK), sound(2 * BLOCK + 8000, lost=8000)]
    writer = written(tmp_path, blocks, video=False)
    assert writer.counts.audio_lost == 8000
    values, at = samples(tmp_path / "media.mkv")
    assert len(values) == 3 * BLOCK
    assert at[2 * BLOCK] - at[2 * BLOCK - 1] == pytest.approx(8001, abs=16)


def test_a_slow_disk_costs_pictures_and_never_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold, reached = threading.Event(), threading.Event()
    encode = MediaFile.picture

    def slow(file: object, item: VideoFrame) -> object:
        reached.set()
        assert hold.wait(20)
        return encode(file, item)  # type: ignore[arg-type]

    monkeypatch.setattr(MediaFile, "picture", slow)
    writer = MediaWriter(tmp_path, video=True, audio=True)
    writer(picture(0, 0.0))
    assert reached.wait(20)
    for k in range(1, 200):  # would never come back if it waited
        writer(picture(k, k / 30))
        writer(sound(k * BLOCK))
    hold.set()
    writer.finish()
    counts = writer.counts
    assert counts.frames == media_writer._FRAMES
    assert counts.frames + counts.frames_dropped == 200
    assert counts.audio_samples == 199 * BLOCK
    assert [number for _, number in pictures(tmp_path / "media.mkv")] == list(range(counts.frames))


def test_sound_comes_before_the_first_picture_or_without_any(tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    written(tmp_path / "late", [*(sound(k * BLOCK) for k in range(20)), picture(7, 0.64)])
    assert pictures(tmp_path / "late" / "media.mkv") == [(0.64, 7)]
    assert len(samples(tmp_path / "late" / "media.mkv")[0]) == 20 * BLOCK
    (tmp_path / "never").mkdir()
    written(tmp_path / "never", [sound(k * BLOCK) for k in range(100)])
    assert len(samples(tmp_path / "never" / "media.mkv")[0]) == 100 * BLOCK


def test_another_camera_s_pictures_are_fitted(tmp_path: Path) -> None:
    written(tmp_path, [picture(1, 0.0), picture(2, 0.1, (320, 192)), picture(3, 0.2, (96, 96))], audio=False)
    with av.open(str(tmp_path / "media.mkv")) as file:
        images = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert [read_frame_number(image) for image in images[:2]] == [1, 2]
    last = images[2]
    assert last.shape == (96, 160, 3)
    assert last[:, :24].max() < 24  # black at the sides


def test_odd_sides_lose_a_row_or_a_column() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    assert np.array_equal(fitted(image, (6, 4)), image[:4, :6])


@pytest.mark.parametrize("fps", [5, 30])
def test_a_replay_finds_a_whole_picture_every_second(tmp_path: Path, fps: int) -> None:
    written(tmp_path, [picture(k, k / fps) for k in range(4 * fps)], audio=False)
    with av.open(str(tmp_path / "media.mkv")) as file:
        whole = [float(p.pts * p.time_base) for p in file.demux(video=0) if p.pts is not None and p.is_keyframe]
    assert whole == [0, 1, 2, 3]


def test_what_was_captured_before_session_time_0_is_left_out_and_counted(tmp_path: Path) -> None:
    blocks = [replace(sound(k * BLOCK), t=(k * BLOCK - 700) / ANALYSIS_RATE) for k in range(3)]
    counts = written(tmp_path, [picture(0, -0.01), *blocks, picture(1, 0.05)]).counts
    assert (counts.frames, counts.frames_dropped) == (1, 1)
    assert (counts.audio_samples, counts.audio_lost) == (3 * BLOCK - 700, 700)
    assert pictures(tmp_path / "media.mkv") == [(0.05, 1)]
    values, at = samples(tmp_path / "media.mkv")
    assert np.array_equal(values, np.arange(700, 3 * BLOCK))
    assert np.abs(at - np.arange(3 * BLOCK - 700)).max() <= 0.00051 * ANALYSIS_RATE


def test_what_was_not_announced_is_nothing_that_was_dropped(tmp_path: Path) -> None:
    counts = written(tmp_path, [sound(0), *(picture(k, k / 30) for k in range(100))], video=False).counts
    assert (counts.frames, counts.frames_dropped, counts.audio_samples) == (0, 0, BLOCK)


def test_sound_at_another_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="expected sound at 16000 Hz, got 48000 Hz"):
        written(tmp_path, [replace(sound(0), rate=48_000)], video=False)


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of the system's on the size of files stands for a disk")
def test_a_disk_that_takes_no_more_leaves_a_file_that_plays(tmp_path: Path) -> None:
    import resource

    heard = threading.Event()
    random = np.random.default_rng(0)
    writer = MediaWriter(tmp_path, video=True, audio=True, patient=True, on_failure=lambda _: heard.set())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
    try:
        for k in range(300):
            image = random.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
            writer(VideoFrame(seq=k, t=k / 30, image=freeze(image)))
            writer(sound(k * BLOCK))
        assert heard.wait(20)
        with pytest.raises(RecordingError, match=r"media\.mkv: cannot be written: File too large"):
            writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    counts = writer.counts
    assert counts.frames + counts.frames_dropped == 300
    assert counts.audio_samples + counts.audio_lost == 300 * BLOCK
    with av.open(str(tmp_path / "media.mkv")) as file:
        shown = sum(1 for packet in file.demux(video=0) if packet.pts is not None)
    assert counts.frames - 30 <= shown <= counts.frames + 1


def test_two_pictures_of_one_millisecond_are_both_kept(tmp_path: Path) -> None:
    written(tmp_path, [picture(1, 0.0101), picture(2, 0.0102)], audio=False)
    assert pictures(tmp_path / "media.mkv") == [(0.01, 1), (0.011, 2)]


def test_what_breaks_the_file_is_told_at_once_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    heard = threading.Event()

    def tell(error: RecordingError) -> None:
        told.append(str(error))
        heard.set()

    monkeypatch.setattr(MediaFile, "sound", full)
    writer = MediaWriter(tmp_path, video=False, audio=True, on_failure=tell)
    writer(sound(0))
    assert heard.wait(20)
    writer(sound(BLOCK))
    with pytest.raises(RecordingError, match=r"media\.mkv: cannot be written: No space left on device"):
        writer.finish()
    assert len(told) == 1
    assert writer.counts.audio_lost >= BLOCK


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "media.mkv").write_bytes(b"kept")
    with pytest.raises(RecordingError, match=r"media\.mkv: cannot be written"):
        MediaWriter(tmp_path, video=True, audio=True)
    assert (tmp_path / "media.mkv").read_bytes() == b"kept"


def test_nothing_came_and_it_still_ends(tmp_path: Path) -> None:
    writer = MediaWriter(tmp_path, video=True, audio=True)
    writer.finish()
    writer.finish()
    writer(picture(0, 0.0))
    assert writer.counts.frames == 0
