"""Pictures and sound of a medium at any time: every picture spells its number, so that a wrong one shows."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime import (
    ConfigError,
    FrameReader,
    Medium,
    SoundReader,
    SourceError,
    Tempo,
    media_timeline,
    medium_of,
    open_session,
    read_frame_number,
)
from dmd_runtime.recording import playback_timeline
from dmd_runtime.recording.playback_sound import stages
from tests.recording.replayable import RATE, pulses, uneven_times, write_media, write_session

TIMES = uneven_times(100)


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Medium:
    path = tmp_path_factory.mktemp("media") / "media.mkv"
    return Medium(path=write_media(path, TIMES, sound=pulses(5.0), hole=(1.0, 1.6)), origin=Fraction(0))


def test_the_timeline_is_what_was_recorded(medium: Medium) -> None:
    timeline = media_timeline(medium)
    assert timeline.times == pytest.approx(TIMES, abs=1e-9)
    assert timeline.keys[0] == 0
    assert len(timeline.keys) >= 100 // 12
    assert timeline.has_sound
    assert timeline.end >= max(5.0, TIMES[-1])
    assert media_timeline(medium) is timeline  # remembered


def test_a_time_is_the_picture_on_screen_then(medium: Medium) -> None:
    timeline = media_timeline(medium)
    for number in (0, 1, 37, 98):
        assert timeline.index(TIMES[number]) == number
        assert timeline.index(TIMES[number + 1] - 0.001) == number
    assert timeline.index(-1.0) == 0
    assert timeline.index(1e6) == 99


def test_every_picture_is_the_one_that_was_asked_for(medium: Medium) -> None:
    reader = FrameReader(medium, kept_bytes=1 << 16)
    assert read_frame_number(reader.first.image) == 0
    order = [*range(100), *range(99, -1, -1), *random.Random(0).choices(range(100), k=100)]
    for number in order:
        frame = reader.frame(number)
        assert (frame.seq, read_frame_number(frame.image)) == (number, number)
        assert frame.t == pytest.approx(TIMES[number], abs=1e-9)
    reader.close()


def test_going_on_never_seeks_and_going_back_a_little_neither(medium: Medium) -> None:
    reader = FrameReader(medium)
    for number in [*range(100), *range(99, 60, -1)]:
        reader.frame(number)
    assert reader.seeks == 1
    reader.close()


def test_a_glimpse_needs_no_timeline_and_is_exact_too(medium: Medium) -> None:
    reader = FrameReader(medium)
    for number in (70, 3, 98, 0, 12, 13):
        frame = reader.glimpse(TIMES[number] + 0.004)
        assert (frame.seq, read_frame_number(frame.image)) == (-1, number)
        assert frame.t == pytest.approx(TIMES[number], abs=1e-9)
    assert reader.frame(40).seq == 40  # and back to numbers
    reader.close()


def test_a_large_medium_is_looked_at_by_another_process(
    medium: Medium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback_timeline, "LARGE", 0)
    copy = tmp_path / "media.mkv"
    copy.write_bytes(medium.path.read_bytes())
    found, here = media_timeline(Medium(path=copy, origin=Fraction(0)), apart=True), media_timeline(medium)
    assert found.times.tolist() == here.times.tolist()
    assert found.keys.tolist() == here.keys.tolist()
    copy.touch()
    with copy.open("ab") as file:
        file.write(bytes(64))
    with pytest.raises(SourceError, match="nobody wants to know"):
        media_timeline(Medium(path=copy, origin=Fraction(0)), apart=True, unwanted=lambda: True)


def test_no_picture_beyond_the_ends(medium: Medium) -> None:
    reader = FrameReader(medium)
    for wrong in (-1, 100):
        with pytest.raises(IndexError, match="expected a picture from 0 to 99"):
            reader.frame(wrong)
    reader.close()


def test_a_file_that_is_cut_off_plays_as_far_as_it_goes(medium: Medium, tmp_path: Path) -> None:
    whole = medium.path.read_bytes()
    cut = tmp_path / "media.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    reader = FrameReader(Medium(path=cut, origin=Fraction(0)))
    count = len(reader.timeline)
    assert 30 < count < 100
    for number in (count - 2, 3, count // 2):
        assert read_frame_number(reader.frame(number).image) == number
    reader.close()


def test_another_file_begins_at_its_first_picture_or_sample(tmp_path: Path) -> None:
    path = write_media(tmp_path / "film.mkv", [t + 3.0 for t in TIMES[:20]])
    assert media_timeline(Medium(path=path)).times[0] == 0.0
    assert media_timeline(Medium(path=path, origin=Fraction(0))).times[0] == pytest.approx(3.013)


def test_the_medium_of_a_session_counts_in_session_time(tmp_path: Path) -> None:
    session = open_session(write_session(tmp_path / "ses-a"))
    assert medium_of(session) == Medium(path=tmp_path / "ses-a" / "media.mkv", origin=Fraction(0))
    gone = open_session(write_session(tmp_path / "ses-b", media=False))
    assert medium_of(gone) is None


def test_sound_is_exact_and_a_hole_is_silence(medium: Medium) -> None:
    reader = SoundReader(medium)
    expected = pulses(5.0).astype(np.float32) / 32768
    expected[RATE : round(1.6 * RATE)] = 0.0
    assert reader.rate == RATE
    for start, end in ((0.0, 0.3), (0.3, 2.0), (4.4, 5.0), (0.45, 0.55), (1.2, 1.5)):
        found = reader.read(start, end)
        assert np.abs(found - expected[round(start * RATE) : round(end * RATE)]).max() < 2e-4
    assert reader.read(4.9, 6.0)[round(0.1 * RATE) :].tolist() == [0.0] * RATE  # beyond the end
    reader.close()


def test_sound_alone_or_pictures_alone(tmp_path: Path) -> None:
    silent = Medium(path=write_media(tmp_path / "silent.mkv", TIMES[:10]))
    assert not media_timeline(silent).has_sound
    with pytest.raises(SourceError, match="expected a medium with sound"):
        SoundReader(silent)
    blind = Medium(path=write_media(tmp_path / "blind.mkv", [], sound=pulses(1.0)))
    timeline = media_timeline(blind)
    assert (len(timeline), timeline.index(0.5)) == (0, -1)
    assert timeline.end == pytest.approx(1.0, abs=0.03)
    with pytest.raises(SourceError, match="expected a medium with pictures"):
        FrameReader(blind)


def test_what_is_no_medium_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.mkv"):
        media_timeline(Medium(path=tmp_path / "gone.mkv"))


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0])
def test_tempo_keeps_pitch_and_time(speed: float) -> None:
    sound = pulses(8.0, width=0.06).astype(np.float32) / 32768
    tempo = Tempo(RATE, speed)
    out = np.concatenate([tempo.push(sound[i : i + 800]) for i in range(0, len(sound), 800)])
    at = np.arange(len(out)) / RATE * speed + tempo.ahead  # what part of the session is heard
    power = np.where(np.abs(out) > 0.1, out**2, 0.0)
    for k in range(1, 13):
        near = np.abs(at - 0.5 * k - 0.03) < 0.2
        middle = np.average(at[near], weights=power[near])
        assert abs(middle - 0.5 * k - 0.03) / speed < 0.04, k  # as it is heard
    loudest = int(np.argmax(np.convolve(power[: 4 * RATE], np.ones(400), "same")))
    piece = out[loudest - 200 : loudest + 200]
    crossings = np.count_nonzero(np.diff(np.signbit(piece)))
    assert crossings / 2 * RATE / 400 == pytest.approx(1000, rel=0.15)


def test_stages_stay_within_what_the_filter_does_well() -> None:
    for speed in (0.25, 0.3, 0.5, 1.7, 2.0, 3.0, 4.0):
        assert all(0.5 <= stage <= 2.0 for stage in stages(speed))
        assert np.prod(stages(speed)) == pytest.approx(speed)
    with pytest.raises(ConfigError, match="expected a speed"):
        Tempo(RATE, 5.0)
