"""What is no media file, or a damaged one: one clear line at once, or as much as can be played, and never a hang."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import SourceError
from dmd_runtime.sources.file import FileSource
from dmd_runtime.sources.synthetic import frame_image, read_frame_number, read_sample_numbers
from tests.factories import RecordingSink, cover_art, make_clip, subtitles_only

pytestmark = pytest.mark.timeout(60)

RANDOM = np.random.default_rng(7).bytes(120_000)


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        FileSource(path, paced=False).close()
    message = str(caught.value)
    assert message.isprintable()  # one line
    assert message.startswith(str(path))
    assert "expected a media file with pictures or sound" in message
    return message.split("got ", 1)[1]


def play(path: Path) -> tuple[FileSource, RecordingSink, float]:
    source = FileSource(path, paced=False)
    sink = RecordingSink()
    try:
        return source, sink, source.run(sink, sink.clock, sink.stop)
    finally:
        source.close()


def still(path: Path) -> None:
    av.VideoFrame.from_ndarray(frame_image(1, (64, 48))).save(path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "make", "got"),
    [
        ("missing.mp4", lambda p: None, "no such file"),
        ("no/folder.mp4", lambda p: None, "no such file"),
        ("folder.mp4", Path.mkdir, "a directory"),
        ("pipe.mp4", fifo, "a pipe"),
        ("empty.mp4", Path.touch, r"an empty file \(0 bytes\)"),
        ("notes.txt", lambda p: p.write_text("hello\n" * 300), "a text file"),
        ("notes.mp4", lambda p: p.write_text("grüße\n" * 1000, encoding="utf-8"), "a text file"),
        ("list.mp4", lambda p: p.write_text("#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n"), "a playlist"),
        ("list.m3u8", lambda p: p.write_text("#EXTM3U\n#EXTINF:9,\nother.ts\n"), "a playlist"),
        ("list.ffconcat", lambda p: p.write_text("ffconcat version 1.0\nfile other.mp4\n"), "a text file"),
        ("words.srt", lambda p: p.write_text("1\n00:00:00,000 --> 00:00:01,000\nHi\n\n"), "a text file"),
        ("words.mkv", subtitles_only, "nothing that can be played: stream 0: subtitle"),
        ("photo.jpg", still, r"a still picture \(JPEG\)"),
        ("photo.png", still, r"a still picture \(PNG\)"),
        ("cover.mp4", lambda p: cover_art(p, sound=False), "cover art"),
        ("huge.y4m", lambda p: p.write_bytes(b"YUV4MPEG2 W100000 H100000 F25:1\nFRAME" + bytes(9)), "data of a kind"),
        ("zeros.mp4", lambda p: p.write_bytes(bytes(5000)), "data of a kind"),
    ],
)
def test_what_is_no_medium_is_refused_in_one_line(
    tmp_path: Path, name: str, make: Callable[[Path], object], got: str
) -> None:
    path = tmp_path / name
    make(path)
    assert re.search(got, refusal(path))


TRAPS = {  # what makes a player open something else: {url} listens, {file} is a good clip
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{file}\n#EXT-X-ENDLIST\n",
    "list.mkv": "ffconcat version 1.0\nfile {file}\n",
    "list.ffconcat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    "film.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{url}/a.mp4</BaseURL></Period></MPD>',
    "link.mov": "RTSPtext\nrtsp://127.0.0.1:{port}/a\n",
    "list.asx": '<asx version="3.0"><entry><ref href="{url}/a.wmv"/></entry></asx>',
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as it:
        it.setblocking(False)
        yield it


@pytest.mark.parametrize("name", TRAPS)
def test_a_file_that_points_elsewhere_is_refused_and_nothing_else_is_opened(
    tmp_path: Path, listener: socket.socket, name: str
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=0.2)
    port = listener.getsockname()[1]
    trap = tmp_path / name
    trap.write_text(TRAPS[name].format(url=f"http://127.0.0.1:{port}", port=port, file=clip))
    assert re.match("a playlist|a text file", refusal(trap))
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    "name",
    ["http://127.0.0.1:{port}/a.mp4", "tcp://127.0.0.1:{port}", "concat:clip.mkv", "file:clip.mkv", "async:clip.mkv"],
)
def test_an_address_is_a_name_of_a_file_and_nothing_more(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make_clip(tmp_path / "clip.mkv", seconds=0.2)
    monkeypatch.chdir(tmp_path)
    address = name.format(port=listener.getsockname()[1])
    with pytest.raises(SourceError, match="no such file") as refused:
        FileSource(address, paced=False)
    assert str(refused.value).startswith(f"{address}: ")
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_file_named_like_an_address_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mkv", seconds=0.2).rename("concat:a|b.mkv")
    assert len(play(Path("concat:a|b.mkv"))[1].frames) == 5


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_clip(tmp_path / "clip.mkv", seconds=0.2)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # root, as in many a container, may read everything
    assert refusal(path) == "Permission denied"


def test_a_name_with_a_line_end_is_shown_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        FileSource(tmp_path / "a\nb.mp4", paced=False)
    assert r"a\nb.mp4: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "suffix",
    [
        *("mp4", "mkv", "avi", "ts", "mpg", "mp3", "aac", "ac3", "flac", "wav", "ogg", "amr"),
        *("h264", "m4v", "gsm", "g722", "sw", "ul", "au", "yuv", "raw", "jpg", "dat", "txt"),
    ],
)
@pytest.mark.parametrize("start", [0, 1000, 50_000])
def test_random_bytes_are_no_medium_whatever_they_are_called(tmp_path: Path, suffix: str, start: int) -> None:
    path = tmp_path / f"noise.{suffix}"
    path.write_bytes(RANDOM[start:])
    refusal(path)


def test_an_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    data = make_clip(tmp_path / "clip.mp4", audio_codec="aac").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    assert "'moov'" in refusal(path)


def test_an_absurd_size_in_the_header_is_refused_without_allocating_it(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", size=(320, 240), video_codec="rawvideo", audio_codec=None, seconds=0.1)
    path = tmp_path / "huge.mkv"
    data = clip.read_bytes()
    stated = data.replace(b"\xb0\x82\x01\x40", b"\xb0\x82\xff\xff").replace(b"\xba\x81\xf0", b"\xba\x81\xff")
    assert stated != data
    path.write_bytes(stated)
    assert "65535 x 255 pixels" in refusal(path)


def test_streams_that_do_not_decode_are_refused(tmp_path: Path) -> None:
    """The headers are whole, every packet is noise."""
    path = tmp_path / "noise.mkv"
    with av.open(str(make_clip(tmp_path / "clip.mkv"))) as source, av.open(str(path), "w") as target:
        good = source.streams.video[0]
        stream = target.add_stream_from_template(good)
        for n in range(40):
            packet = av.Packet(RANDOM[n * 500 : n * 500 + 400])
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, n * 40, n * 40, good.time_base
            target.mux(packet)
    assert "40 packets, 40 of them undecodable" in refusal(path)


def test_sound_plays_where_only_the_pictures_are_broken(tmp_path: Path) -> None:
    data = bytearray(make_clip(tmp_path / "clip.mkv").read_bytes())
    path = tmp_path / "half.mkv"
    path.write_bytes(bytes(data).replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    source, sink, _ = play(path)
    assert not source.info.has_video
    assert "video" in str(source.info.details["ignored"])
    assert len(sink.samples) == 16_000


def test_a_cut_mkv_plays_to_where_it_breaks_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = make_clip(tmp_path / "clip.mkv", seconds=8.0).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: len(data) // 2])
    _, sink, end = play(path)
    assert 3.0 < end < 5.0
    assert [read_frame_number(frame.image) for frame in sink.frames] == list(range(len(sink.frames)))
    read_sample_numbers(sink.samples)
    assert "cut.mkv: played to" in caplog.text
    assert len(caplog.records) == 1


def test_a_wound_in_the_middle_costs_only_what_it_hit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(make_clip(tmp_path / "clip.ts", seconds=4.0, audio_codec="aac").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 188 * 12] = RANDOM[: 188 * 12]
    path = tmp_path / "hurt.ts"
    path.write_bytes(data)
    source, sink, end = play(path)
    assert end == pytest.approx(4.0, abs=0.2)
    assert len(sink.frames) > 80
    assert any(source.counters.values())


WHOLE: dict[str, bytes] = {}


def whole(folder: Path, suffix: str) -> bytes:
    """One good clip for each container, made once."""
    if suffix not in WHOLE:
        sound = {".wav": "pcm_s16le", ".mp3": "libmp3lame", ".mkv": "pcm_s16le", ".avi": "pcm_s16le"}.get(suffix, "aac")
        video = None if suffix in (".wav", ".mp3") else "libx264"
        moov = {"movflags": "faststart"} if suffix == ".mp4" else None
        clip = make_clip(
            folder / f"whole{suffix}", size=(64, 48), video_codec=video, audio_codec=sound, container_options=moov
        )
        WHOLE[suffix] = clip.read_bytes()
    return WHOLE[suffix]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".mp4", ".mkv", ".ts", ".avi", ".wav", ".mp3"]))
def test_a_file_cut_anywhere_plays_or_is_refused(tmp_path: Path, data: st.DataObject, suffix: str) -> None:
    good = whole(tmp_path, suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    plays_or_is_refused(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".mp4", ".mkv", ".ts", ".avi", ".wav", ".mp3"]))
def test_a_file_with_wrong_bytes_plays_or_is_refused(tmp_path: Path, data: st.DataObject, suffix: str) -> None:
    wrong = bytearray(whole(tmp_path, suffix))
    for _ in range(data.draw(st.integers(1, 12))):
        wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"wrong{suffix}"
    path.write_bytes(wrong)
    plays_or_is_refused(path)


def plays_or_is_refused(path: Path) -> None:
    try:
        _, sink, end = play(path)
    except SourceError:
        refusal(path)
        return
    assert sink.items
    assert 0.0 < end < 3600.0
    assert all(np.isfinite(block.samples).all() for block in sink.blocks)


def test_nothing_is_written_to_standard_error_by_the_libraries(tmp_path: Path) -> None:
    data = make_clip(tmp_path / "clip.mp4", audio_codec="aac", container_options={"movflags": "faststart"}).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * 0.7)] + RANDOM[:500])
    code = f"""
import logging, threading
logging.disable()
from dmd_runtime.clock import SessionClock
from dmd_runtime.sources.file import FileSource
class Sink:
    def video(self, frame): pass
    def audio(self, block): pass
print(FileSource({str(path)!r}, paced=False).run(Sink(), SessionClock(), threading.Event()) > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
