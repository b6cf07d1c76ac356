from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import ExportCancelledError, ExportOptions
from dmd_runtime.recording.export.remux import write_mp4
from dmd_runtime.recording.playback import Medium, media_timeline, medium_of
from dmd_runtime.recording.playback_sound import SoundReader
from dmd_runtime.recording.reader import RecordedSession
from dmd_runtime.sources.file import FileSource
from tests.factories import make_clip
from tests.recording.export.films import beeps, film_session, flash_and_beep, flashes, packets_of

PLAIN = ExportOptions()
UNEVEN = (0.03, 0.07, 0.101, 0.25, 0.9, 1.4, 1.433)


def film_of(session: RecordedSession, options: ExportOptions = PLAIN) -> Path:
    (path,) = write_mp4(session, Annotations(), session.folder, options)
    return path


def times(path: Path) -> np.ndarray:
    """Of all pictures, in the film's own count: what a player shows."""
    return media_timeline(Medium(path=path, origin=Fraction(0))).times


def recorded(folder: Path, **clip: object) -> RecordedSession:
    folder.mkdir()
    make_clip(folder / "media.mkv", **clip)  # type: ignore[arg-type]
    return film_session(folder)


def test_every_picture_keeps_its_time_and_its_bits(tmp_path: Path) -> None:
    session = recorded(tmp_path / "s", frame_times=UNEVEN, audio_start=0.05)
    film = film_of(session)
    assert times(film) == pytest.approx(UNEVEN, abs=0.001)
    assert packets_of(film) == packets_of(session.folder / "media.mkv")


def test_a_flash_and_its_beep_stay_together(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    flash_and_beep(tmp_path / "s" / "media.mkv", (1.0, 2.5, 4.0), 5.0)
    film = film_of(film_session(tmp_path / "s"))
    assert flashes(film) == pytest.approx([1.0, 2.5, 4.0], abs=0.001)
    assert beeps(film) == pytest.approx([1.0, 2.5, 4.0], abs=0.002)


def test_a_masked_voice_stays_with_its_picture(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    flash_and_beep(tmp_path / "s" / "media.mkv", (1.0, 2.5), 4.0)
    film = film_of(film_session(tmp_path / "s"), ExportOptions(mask_voice=True))
    assert film.name == "film_voice-masked.mp4"
    assert beeps(film) == pytest.approx(flashes(film), abs=0.020)


def test_lost_sound_is_silence_and_what_follows_is_in_time(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    flash_and_beep(tmp_path / "s" / "media.mkv", (1.0, 2.05, 3.0), 4.0, lost=(2.0, 2.9))
    film = film_of(film_session(tmp_path / "s"))
    assert beeps(film) == pytest.approx([1.0, 3.0], abs=0.002)
    sound = SoundReader(Medium(path=film, origin=Fraction(0)))
    assert np.abs(sound.read(2.05, 2.85)).max() < 0.01
    sound.close()


@pytest.mark.parametrize("masked", [False, True])
def test_the_end_is_where_the_medium_ends(tmp_path: Path, masked: bool) -> None:
    session = recorded(tmp_path / "s", seconds=1.3)
    film = film_of(session, ExportOptions(mask_voice=masked))
    end = media_timeline(Medium(path=film, origin=Fraction(0))).end
    assert end == pytest.approx(media_timeline(medium_of(session)).end, abs=0.05)


def test_films_of_other_cameras_are_copied_where_mp4_holds_them(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "b.mp4", seconds=2, b_frames=2, audio_codec="aac", audio_rate=44_100, layout="stereo")
    film = film_of(film_session(tmp_path / "s", live=False, medium=clip))
    assert packets_of(film) == packets_of(clip)
    assert times(film) == pytest.approx(times(clip), abs=0.001)


def test_what_mp4_cannot_hold_is_encoded_anew(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "old.avi", seconds=2, video_codec="mjpeg", pixel_format="yuvj420p")
    session = film_session(tmp_path / "s", live=False, medium=clip)
    film = film_of(session)
    with av.open(str(film)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert times(film) == pytest.approx(media_timeline(medium_of(session)).times, abs=0.001)


@pytest.mark.parametrize("left", ["video_codec", "audio_codec"])
def test_a_medium_may_have_one_stream(tmp_path: Path, left: str) -> None:
    film = film_of(recorded(tmp_path / "s", seconds=1.0, **{left: None}))
    with av.open(str(film)) as container:
        assert [stream.type for stream in container.streams] == ["audio" if left == "video_codec" else "video"]


def test_a_player_need_not_read_to_the_end_to_begin(tmp_path: Path) -> None:
    data = film_of(recorded(tmp_path / "s")).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_marks_go_with_the_film(tmp_path: Path) -> None:
    session = recorded(tmp_path / "s")
    session.manifest["marks"].append("DEMO")
    source = FileSource(film_of(session), paced=False)
    source.close()
    assert source.info.marks == ("DEMO",)


def test_a_stopped_export_leaves_nothing(tmp_path: Path) -> None:
    session, stop, told = recorded(tmp_path / "s", seconds=3.0), Event(), []

    def progress(share: float) -> None:
        told.append(share)
        if share > 0.5:
            stop.set()

    before = sorted(session.folder.iterdir())
    with pytest.raises(ExportCancelledError):
        write_mp4(session, Annotations(), session.folder, PLAIN, progress, stop)
    assert sorted(session.folder.iterdir()) == before
    assert told == sorted(told)
    assert 0.5 < told[-1] < 0.6


def test_progress_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    session = recorded(tmp_path / "s")
    write_mp4(session, Annotations(), session.folder, PLAIN, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_session_without_medium_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="expected a medium"):
        film_of(film_session(tmp_path / "s"))


def test_a_film_that_is_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    session, stop = recorded(tmp_path / "s"), Event()
    film = film_of(session)
    old = film.read_bytes()
    stop.set()
    with pytest.raises(ExportCancelledError):
        write_mp4(session, Annotations(), session.folder, PLAIN, None, stop)
    assert film.read_bytes() == old
