from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.signal import lfilter

from dmd_runtime.assets import Assets
from dmd_runtime.features.landmarker import Landmarker
from dmd_runtime.messages import Float32
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import ExportOptions, annotated, masking, remux
from dmd_runtime.recording.export.masking import FORMANTS, HELD, PITCH_HZ, FaceTrack, VoiceMask, cover, link
from tests.recording.export.films import film_session
from tests.shared_data import shared

RATE = 16_000
BLURRED = ExportOptions(blur_faces=True)


# ------------------------------------------------------------------ voices


def vowel(pitch: float, formant: float, seconds: float = 2.0, rate: int = RATE) -> Float32:
    """A buzz of one pitch through one resonance, with a slow loudness."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = np.diff(np.floor(pitch * t), prepend=0.0)
    r, angle = np.exp(-np.pi * 120 / rate), 2 * np.pi * formant / rate
    sound = lfilter([1.0], [1.0, -2 * r * np.cos(angle), r * r], buzz) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def masked(sound: Float32, piece: int = 8_000, rate: int = RATE) -> Float32:
    """As a film does it: the filters' lateness taken off."""
    mask = VoiceMask(rate)
    padded = np.concatenate([sound, np.zeros(mask.lead, np.float32)])
    pieces = [mask(padded[i : i + piece]) for i in range(0, len(padded), piece)]
    return np.concatenate(pieces)[mask.lead :]


def pitch_of(sound: Float32) -> float:
    """Median over 40 ms frames of the lag, between 60 and 400 Hz, at which a frame is most like itself."""
    found = []
    for start in range(RATE // 4, len(sound) - RATE // 4, RATE // 25):
        frame = sound[start : start + RATE // 25] - sound[start : start + RATE // 25].mean()
        alike = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        lags = np.arange(RATE // 400, RATE // 60)
        best = lags[np.argmax(alike[lags])]  # the shortest of those that are alike: nearer ones count for more
        found.append(RATE / best)
    return float(np.median(found))


def loudest_hz(sound: Float32) -> float:
    """Middle of the strongest 300 Hz of the spectrum: the formant, whatever the pitch."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    width = round(300 / hz[1])
    smooth = np.convolve(power, np.hanning(width), "same")
    return float(hz[np.argmax(smooth)])


@pytest.mark.parametrize("pitch", [95.0, 160.0, 230.0])
def test_every_voice_gets_the_same_pitch(pitch: float) -> None:
    sound = vowel(pitch, 900)
    assert pitch_of(sound) == pytest.approx(pitch, rel=0.03)
    assert pitch_of(masked(sound)) == pytest.approx(PITCH_HZ, rel=0.05)


@pytest.mark.parametrize("formant", [500.0, 900.0, 1700.0])
def test_formants_move(formant: float) -> None:
    sound = vowel(120, formant)
    assert loudest_hz(sound) == pytest.approx(formant, rel=0.12)
    assert loudest_hz(masked(sound)) / loudest_hz(sound) == pytest.approx(FORMANTS, rel=0.12)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_length_and_time_are_kept(rate: int) -> None:
    t = np.arange(2 * rate) / rate
    bursts = (0.3 * np.sin(2 * np.pi * 440 * t) * ((t % 0.5) < 0.2)).astype(np.float32)
    out = masked(bursts, rate=rate)
    assert len(out) == len(bursts)
    hop = rate // 200
    before, after = (np.sqrt(np.mean(s.reshape(-1, hop) ** 2, axis=1)) for s in (bursts, out))
    lags = np.arange(-20, 21)
    alike = [np.corrcoef(np.roll(before, lag)[20:-20], after[20:-20])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(alike))]) * 5 <= 20  # ms
    assert max(alike) > 0.9


def test_pieces_make_no_difference_and_nothing_is_left_to_chance() -> None:
    sound = vowel(140, 800, 1.0)
    assert np.array_equal(masked(sound, 8_000), masked(sound, 8_000))
    assert np.allclose(masked(sound, 777), masked(sound, 16_000), atol=1e-5)


def test_silence_stays_silent_and_nothing_clips() -> None:
    assert not masked(np.zeros(RATE, np.float32)).any()
    loud = np.sign(np.sin(np.arange(RATE) * 0.05)).astype(np.float32)
    assert np.abs(masked(loud)).max() <= 1.0


# ------------------------------------------------------------------ faces


def test_a_face_is_followed_between_where_it_was_found() -> None:
    tracks = link([2.0, 0.0, 1.0], [(0.3, 0.2, 0.2, 0.2), (0.2, 0.2, 0.2, 0.2), (0.25, 0.2, 0.2, 0.2)])
    (track,) = tracks
    assert track.at(0.5) == pytest.approx((0.225, 0.2, 0.2, 0.2))
    assert track.at(2.0 + HELD) == pytest.approx((0.3, 0.2, 0.2, 0.2))
    assert track.at(2.1 + HELD) is None
    assert track.at(-HELD) is not None


def test_two_faces_are_two_tracks_and_a_long_absence_makes_another() -> None:
    left, right = (0.1, 0.2, 0.2, 0.2), (0.6, 0.2, 0.2, 0.2)
    assert len(link([0.0, 0.0, 0.1, 0.1], [left, right, left, right])) == 2
    assert [len(track.t) for track in link([0.0, 0.5, 3.0], [left, left, left])] == [2, 1]


def test_what_covers_a_face_has_few_colours_and_ends_with_the_head() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    before = image.copy()
    cover(image, [(0.4, 0.4, 0.2, 0.3)], 5)
    face = image[96:168, 128:192].astype(int)
    assert np.abs(np.diff(face, axis=0)).max() <= 8  # noise is gone: what is left changes slowly
    assert np.abs(np.diff(face, axis=1)).max() <= 8
    assert np.array_equal(image[:, :80], before[:, :80])
    assert np.array_equal(image[220:], before[220:])


@pytest.mark.parametrize("box", [(-0.3, -0.2, 0.4, 0.4), (0.9, 0.9, 0.4, 0.4), (1.5, 0.2, 0.1, 0.1), (0, 0, 1, 1)])
def test_a_face_may_leave_the_picture(box: tuple[float, float, float, float]) -> None:
    image = np.full((48, 64, 3), 90, dtype=np.uint8)
    cover(image, [box], 5)
    assert np.abs(image.astype(int) - 90).max() <= 1


def test_a_track_of_one_moment_is_held() -> None:
    track = FaceTrack(t=np.array([1.0]), box=np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert track.at(1.9) == pytest.approx((0.1, 0.2, 0.3, 0.4))


def beginning(source: Path, target: Path, start: float, end: float) -> Path:
    """A part of a film, as the recorder would have written it."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.options = {"preset": "ultrafast", "crf": "18"}
        first = container.streams.video[0]
        video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
        for frame in container.decode(video=0):
            if frame.time < start:
                continue
            if frame.time > end:
                break
            image = frame.reformat(format="yuv420p")
            image.pict_type = 0
            out.mux(video.encode(image))
        out.mux(video.encode(None))
    return target


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Path:
    path = shared("models", "face_landmarker.task")
    monkeypatch.setattr(Assets, "fetch", lambda self, name: path)
    return path


def pictures(path: Path, every: int) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                yield np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def found_in(path: Path, model: Path, every: int = 1) -> int:
    """In how many pictures the project's landmarker finds a face."""
    with closing(Landmarker(model, video=False)) as landmarker:
        return sum(bool(landmarker.detect(image)) for image in pictures(path, every))


CASES = [(("talkers", "talker_b.mp4"), 1.0, 1.6), (("faces", "face_noface.mov"), 2.2, 3.0)]


@pytest.mark.parametrize(("clip", "start", "end"), CASES)
def test_no_face_is_found_in_the_blurred_film(
    tmp_path: Path, model: Path, clip: tuple[str, str], start: float, end: float
) -> None:
    (tmp_path / "s").mkdir()
    medium = beginning(shared("clips", *clip), tmp_path / "s" / "media.mkv", start, end)
    (film,) = remux.write_mp4(film_session(tmp_path / "s"), Annotations(), tmp_path, BLURRED)
    assert film.name == "film_faces-blurred.mp4"
    assert found_in(medium, model) > 5
    assert found_in(film, model) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "start", "end"), CASES)
def test_no_face_is_found_in_any_picture_of_either_film(
    tmp_path: Path, model: Path, clip: tuple[str, str], start: float, end: float
) -> None:
    medium = shared("clips", *clip)
    session = film_session(tmp_path / "s", live=False, medium=medium)
    assert found_in(medium, model) > 30
    for write in (remux.write_mp4, annotated.write_annotated):
        (film,) = write(session, Annotations(), tmp_path, BLURRED)
        assert found_in(film, model) == 0


def test_faces_are_never_left_open_for_want_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMD_OFFLINE", "1")
    monkeypatch.setattr(masking, "FACES", "no-such-model")
    (tmp_path / "s").mkdir()
    session = film_session(tmp_path / "s", medium=None)
    beginning(shared("clips", "talkers", "talker_b.mp4"), tmp_path / "s" / "media.mkv", 0.0, 0.2)
    with pytest.raises(Exception, match="no-such-model"):
        remux.write_mp4(session, Annotations(), tmp_path, BLURRED)
    assert not list(tmp_path.glob("*.mp4"))
