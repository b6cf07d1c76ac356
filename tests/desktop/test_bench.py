"""The film of the benchmark: several in turn, without a seam in the sound, each picture with its number."""

from __future__ import annotations

import pytest

from desktop.bench import STAMP, StampedFilm
from dmd_runtime import read_frame_number
from tests.factories import RecordingSink
from tests.shared_data import shared


@pytest.fixture(scope="module")
def heard() -> RecordingSink:
    """18 s of two films; the sound of the second, 6.107 s long, ends before its pictures."""
    paths = [shared("clips", "talkers", f"talker_{name}.mp4") for name in "ba"]
    sink = RecordingSink()
    film = StampedFilm(paths, 18.0)
    assert film.run(sink, sink.clock, sink.stop) >= 18.0
    return sink


def test_sound_goes_on_where_one_film_follows_another(heard: RecordingSink) -> None:
    assert [block.seq for block in heard.blocks] == list(range(len(heard.blocks)))
    received = 0
    for block in heard.blocks:
        assert block.t == pytest.approx(received / block.rate, abs=0.5 / block.rate)
        received += len(block.samples)
    assert received > 16.0 * 16_000


def test_pictures_follow_one_another_and_carry_their_numbers(heard: RecordingSink) -> None:
    left, top, across, down = STAMP
    assert [frame.seq for frame in heard.frames] == list(range(len(heard.frames)))
    assert all(a.t < b.t for a, b in zip(heard.frames, heard.frames[1:], strict=False))
    for frame in heard.frames[::50]:
        height, width = frame.image.shape[:2]
        part = frame.image[round(top * height) :, round(left * width) :][
            : round(down * height), : round(across * width)
        ]
        assert read_frame_number(part) == frame.seq


def test_different_films_are_seen_in_turn(heard: RecordingSink) -> None:
    sizes = [frame.image.shape[0] for frame in heard.frames]
    changes = [size for size, before in zip(sizes, [0, *sizes], strict=False) if size != before]
    assert changes == [700, 512, 700]
