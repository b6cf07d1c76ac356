"""A file that is begun before its first picture, how much may wait for it, and an end that takes its time."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import VideoFrame
from dmd_runtime.recording import media_writer
from dmd_runtime.recording.media_file import MediaFile, Output
from dmd_runtime.recording.media_recovery import is_finished, recover_media
from dmd_runtime.recording.media_writer import DRAFT, MediaWriter
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE
from tests.recording.test_media_writer import BLOCK, picture, pictures, samples, sound, written

HD = (1280, 720)


def plain(t: float, size: tuple[int, int]) -> VideoFrame:
    return VideoFrame(seq=0, t=t, image=np.zeros((size[1], size[0], 3), np.uint8))


def test_a_camera_that_comes_late_has_its_own_size_and_all_the_sound_before_it(tmp_path: Path) -> None:
    blocks = [sound(k * BLOCK) for k in range(400)]  # 12.8 s, and a hole before the last second
    blocks += [sound(k * BLOCK, lost=32 * BLOCK * (k == 432)) for k in range(432, 464)]
    late = [picture(k, 10.0 + k / 30, HD) for k in range(60)]
    writer = written(tmp_path, sorted([*blocks, *late], key=lambda item: item.t))
    counts = writer.counts
    assert (counts.frames, counts.frames_dropped, counts.audio_samples) == (60, 0, 432 * BLOCK)
    assert counts.audio_lost == 32 * BLOCK
    found = pictures(writer.path)
    assert [number for _, number in found] == list(range(60))
    assert np.abs([t for t, _ in found] - (10.0 + np.arange(60) / 30)).max() <= 0.00051
    with av.open(str(writer.path)) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == HD
    values, at = samples(writer.path)
    assert np.array_equal(values, np.rint(at) % SAMPLE_CYCLE)
    assert len(values) == 432 * BLOCK
    assert is_finished(writer.path)
    assert [path.name for path in tmp_path.iterdir()] == ["media.mkv"]


def test_without_a_single_picture_the_film_has_none(tmp_path: Path) -> None:
    writer = written(tmp_path, [sound(k * BLOCK) for k in range(100)])
    with av.open(str(writer.path)) as file:
        assert [stream.type for stream in file.streams] == ["audio"]


def test_sound_is_on_disk_while_a_picture_is_waited_for(tmp_path: Path) -> None:
    writer = MediaWriter(tmp_path, video=True, audio=True, patient=True)
    for k in range(64):
        writer(sound(k * BLOCK))
    with writer._changed:
        assert writer._changed.wait_for(lambda: writer._kept.samples >= 48 * BLOCK, 20)
    values, _ = samples(writer.path)
    assert len(values) >= 32 * BLOCK, "a second of the 1.5 that were written"
    writer.finish()


@pytest.mark.parametrize("step", ["copy", "replace"])
def test_at_every_moment_of_the_exchange_there_is_a_file_that_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The folder is looked at as a crash would leave it, in the middle of the copy and just before it is exchanged."""
    left: list[dict[str, bytes]] = []

    def look(*_: object) -> None:
        left.append({path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()})

    owner, name = (MediaFile, "take_sound_of") if step == "copy" else (Output, "replace")
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: (look(), real(*args)))
    written(tmp_path, [*(sound(k * BLOCK) for k in range(100)), picture(7, 3.2, HD)])
    assert set(left[0]) == {"media.mkv", DRAFT}
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file, content in left[0].items():
        (crashed / file).write_bytes(content)
    found = recover_media(crashed)
    assert found is not None
    assert found.samples == 100 * BLOCK
    assert [path.name for path in crashed.iterdir()] == ["media.mkv"]


def test_where_there_is_no_room_for_the_exchange_the_sound_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MediaFile, "take_sound_of", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        written(tmp_path, [*(sound(k * BLOCK) for k in range(100)), picture(7, 3.2)])
    assert len(samples(tmp_path / "media.mkv")[0]) == 100 * BLOCK
    assert [path.name for path in tmp_path.iterdir()] == ["media.mkv"]


@pytest.mark.parametrize(("size", "waiting"), [((64, 48), 45), ((640, 480), 45), ((1920, 1080), 10), ((3840, 2160), 4)])
def test_pictures_that_wait_are_bounded_by_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], waiting: int
) -> None:
    go_on = threading.Event()
    write = MediaFile.picture

    def slow(file: MediaFile, item: VideoFrame) -> object:
        assert go_on.wait(30)
        return write(file, VideoFrame(seq=0, t=item.t, image=item.image[:48, :64]))

    monkeypatch.setattr(MediaFile, "picture", slow)
    writer = MediaWriter(tmp_path, video=True, audio=False)
    one = plain(0.0, size)
    for k in range(60):
        writer(VideoFrame(seq=k, t=k / 30, image=one.image))
    held = writer._held
    assert (held.frames, writer.counts.frames_dropped) == (waiting, 60 - waiting)
    assert held.bytes <= max(64 << 20, 4 * one.image.nbytes)
    go_on.set()
    writer.finish()
    assert writer.counts.frames == waiting


class Disk:
    """Takes each picture when it is told to; ``finish`` sees nothing else move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turn = threading.Semaphore(0)
        write = MediaFile.picture

        def slow(file: MediaFile, item: VideoFrame) -> object:
            assert self.turn.acquire(timeout=60)
            return write(file, item)

        monkeypatch.setattr(MediaFile, "picture", slow)


def test_the_end_waits_for_a_slow_disk_as_long_as_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look finds one picture more: many times the patience goes by."""
    disk, told = Disk(monkeypatch), list[float]()
    writer = MediaWriter(tmp_path, video=True, audio=False)
    for k in range(20):
        writer(picture(k, k / 30))

    def one_more(share: float) -> None:
        told.append(share)
        disk.turn.release()

    writer.finish(patience=0.35, progress=one_more)
    assert len(told) >= 18
    assert told == sorted(told)
    assert [number for _, number in pictures(writer.path)] == list(range(20))


def test_the_end_is_given_up_where_nothing_moves_and_what_was_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    monkeypatch.setattr(media_writer, "_PATIENCE", 0.3)
    writer = MediaWriter(tmp_path, video=True, audio=True)
    for k in range(5):
        writer(sound(k * BLOCK))
    writer(picture(0, 0.16))
    writer(picture(1, 0.2))
    disk.turn.release()
    with pytest.raises(RecordingError, match=r"media\.mkv: nothing has been written for 0\.3 s"):
        writer.finish()
    assert not writer.is_over
    disk.turn.release()  # it moves again: nothing that had come is lost
    writer.finish()
    assert [number for _, number in pictures(writer.path)] == [0, 1]
    assert len(samples(writer.path)[0]) == 5 * BLOCK
