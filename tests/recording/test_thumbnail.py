"""The small picture of a session."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from dmd_runtime.recording import thumbnail as thumbnail_module
from dmd_runtime.recording.lock import SessionLock
from dmd_runtime.recording.thumbnail import SIZE, thumbnail
from tests.factories import make_clip
from tests.recording.library_factory import make_session
from tests.shared_data import shared

COLOURED = np.zeros((120, 160, 3), np.uint8)
COLOURED[:, :60] = (250, 20, 20)
COLOURED[:, 60:] = (20, 20, 250)


def pixels(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_picture_of_the_medium_is_made_once_and_not_into_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_session(tmp_path)
    make_clip(folder / "media.mkv", seconds=2, picture=COLOURED)
    before = files(folder)
    path = thumbnail(folder, tmp_path / "cache", "key")
    assert path is not None
    image = pixels(path)
    assert image.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(image[135, 40].astype(int) - COLOURED[0, 0]).max() < 30
    assert np.abs(image[135, 440].astype(int) - COLOURED[0, 159]).max() < 30
    assert files(folder) == before
    monkeypatch.setattr(thumbnail_module, "_picture", lambda _: pytest.fail("made again"))
    assert thumbnail(folder, tmp_path / "cache", "key") == path


def test_another_medium_gets_another_picture_and_the_old_one_goes(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    make_clip(folder / "media.mkv", seconds=1, picture=COLOURED)
    first = thumbnail(folder, tmp_path / "cache", "key")
    make_clip(folder / "media.mkv", seconds=2, picture=255 - COLOURED)
    second = thumbnail(folder, tmp_path / "cache", "key")
    assert first != second
    assert list((tmp_path / "cache").iterdir()) == [second]


def test_the_moment_has_a_face_and_the_face_is_in_it(tmp_path: Path) -> None:
    folder = make_session(tmp_path, counts={"media_end_s": 3.0})
    picture = np.zeros((320, 160, 3), np.uint8)  # upright: only a part of it fits
    picture[240:300, 40:120] = 255
    make_clip(folder / "media.mkv", seconds=3, size=(160, 320), picture=picture)
    faces = [{"t": t, "box": [0.25, 0.75, 0.5, 0.19], "confidence": 1.0, "id": 1} for t in (0.0, 1.2, 2.8)]
    (folder / "faces.jsonl").write_text("".join(f"{json.dumps(face)}\n" for face in faces))
    path = thumbnail(folder, tmp_path / "cache", "key")
    assert path is not None
    assert pixels(path)[135, 240].min() > 200


@pytest.mark.parametrize("what", ["sound", "nothing", "broken", "manifest"])
def test_without_pictures_there_is_none_and_nobody_looks_again(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_session(tmp_path)
    if what == "sound":
        make_clip(folder / "media.mkv", seconds=1, video_codec=None)
    elif what == "broken":
        (folder / "media.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + b"\x00" * 500)
    elif what == "manifest":
        (folder / "session.json").write_text("{")
    assert thumbnail(folder, tmp_path / "cache", "key") is None
    if what == "sound":
        monkeypatch.setattr(thumbnail_module, "_picture", lambda _: pytest.fail("looked again"))
        assert thumbnail(folder, tmp_path / "cache", "key") is None


def test_a_session_that_is_being_recorded_has_none_yet(tmp_path: Path) -> None:
    folder = make_session(tmp_path, state="recording")
    make_clip(folder / "media.mkv", seconds=1, picture=COLOURED)
    with SessionLock(folder):
        assert thumbnail(folder, tmp_path / "cache", "key") is None
    assert thumbnail(folder, tmp_path / "cache", "key") is not None


def test_a_real_film_that_lies_elsewhere(tmp_path: Path) -> None:
    film = shared("clips", "talkers", "talker_b.mp4")
    folder = make_session(tmp_path, media={"path": str(film)}, counts={"media_end_s": 6.13})
    path = thumbnail(folder, tmp_path / "cache", "key")
    assert path is not None
    assert pixels(path).std() > 20
