"""What a session's files were when it was finished, and whether they still are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dmd_runtime.cli import main
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import recording as recording_module
from dmd_runtime.recording.integrity import add_hashes, hashes, verify
from dmd_runtime.recording.lock import SessionLock
from dmd_runtime.recording.manifest import read_manifest, write_manifest
from dmd_runtime.recording.recovery import recover
from tests.factories import make_clip
from tests.recording.crashed import crashed, medium
from tests.recording.library_factory import make_session
from tests.recording.test_recording import recorded

TABLES = ("faces.jsonl", "health.jsonl", "markers.jsonl", "readings.jsonl", "words.jsonl")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    session, recording = recorded(tmp_path_factory.mktemp("root"), with_media=True)
    session.run()
    return {path.name: path.read_bytes() for path in recording.finish().iterdir() if path.is_file()}


@pytest.fixture
def folder(original: dict[str, bytes], tmp_path: Path) -> Path:
    place = tmp_path / "root" / "sub-p" / "ses-1"
    place.mkdir(parents=True)
    for name, content in original.items():
        (place / name).write_bytes(content)
    return place


def test_a_finished_session_knows_its_files(folder: Path) -> None:
    kept = read_manifest(folder)["integrity"]["files"]
    assert [one["file"] for one in kept] == sorted([*TABLES, "media.mkv"])
    for one in kept:
        content = (folder / one["file"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    (folder / "annotations.json").write_text("{}")  # edited as one likes
    found = verify(folder)
    assert (found.is_whole, len(found.whole), found.unknown) == (True, 6, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "media.mkv").write_bytes(b"x" + (f / "media.mkv").read_bytes()[1:]), "expected SHA-256"),
        (lambda f: (f / "readings.jsonl").write_bytes(b""), "readings.jsonl changed: expected"),
        (lambda f: (f / "words.jsonl").unlink(), "words.jsonl missing"),
    ],
)
def test_what_was_changed_or_taken_away_is_named(folder: Path, change: Callable[[Path], object], said: str) -> None:
    change(folder)
    found = verify(folder)
    assert not found.is_whole
    assert said in str(found)
    assert len(found.whole) == 5


def test_a_table_that_was_added_is_named_and_nothing_is_wrong_with_it(folder: Path) -> None:
    (folder / "traces.jsonl").touch()
    assert (verify(folder).unknown, verify(folder).is_whole) == (("traces.jsonl",), True)


def test_who_is_in_a_hurry_has_a_whole_session_without_hashes(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    session.run()
    shares: list[float] = []
    place = recording.finish(progress=shares.append, cancel=lambda: True)
    assert (read_manifest(place)["state"], read_manifest(place)["integrity"]) == ("complete", None)
    assert verify(place).problem == "no hashes were kept"
    assert max(shares) == recording_module._WRITING
    assert add_hashes(place)
    assert verify(place).is_whole
    before = read_manifest(place)
    assert not add_hashes(place), "what was kept stays"
    assert read_manifest(place) == before


def test_the_end_tells_how_far_it_is(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    session.run()
    assert recording.share is None
    shares: list[float] = []
    recording.finish(progress=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], recording.share) == (0.0, 1.0)
    assert any(recording_module._WRITING < share < 1 for share in shares)


def test_what_is_recovered_has_hashes_too(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    place = crashed(tmp_path, medium(tmp_path / "made" / "media.mkv").unfinished[:-100])
    recover(place)
    assert verify(place).is_whole
    first = read_manifest(place)["integrity"]
    assert {one["file"] for one in first["files"]} >= {*TABLES, "media.mkv"}
    recover(place)
    assert read_manifest(place)["integrity"] == first, "nothing has changed, so nothing is said anew"


def test_a_film_that_lies_elsewhere_is_compared_as_well(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    content = clip.read_bytes()
    media = {"path": str(clip), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    place = make_session(tmp_path / "root", "sub-a/ses-1", media=media)
    write_manifest(place, {**read_manifest(place), "integrity": hashes(place)})
    assert "clip.mkv" in verify(place).whole
    clip.write_bytes(content[:-1])
    assert f"clip.mkv changed: expected {len(content)} bytes, got {len(content) - 1}" in str(verify(place))
    clip.unlink()
    assert verify(place).missing == ("clip.mkv",)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["sessions", "verify", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder.parents[1]
    assert said(capsys, folder)[:2] == (0, "ses-1\twhole\t6 files\n")
    make_session(root, "sub-p/ses-2")
    code, out, _ = said(capsys, root)
    assert (code, out.splitlines()) == (
        1,
        ["sub-p/ses-1\twhole\t6 files", "sub-p/ses-2\tnot compared\tno hashes were kept"],
    )
    code, out, _ = said(capsys, root, "--add")
    assert (code, [line.split("\t")[1] for line in out.splitlines()]) == (0, ["whole", "added"])
    with (folder / "markers.jsonl").open("a") as file:
        file.write("{}\n")
    code, out, _ = said(capsys, root)
    assert code == 1
    assert out.splitlines()[0].startswith("sub-p/ses-1\tNOT WHOLE\t5 files\tmarkers.jsonl changed: expected 0 bytes")
    code, _, err = said(capsys, root / "nowhere")
    assert code == 2
    assert "expected a folder with sessions in it" in err


def test_what_is_being_recorded_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = crashed(tmp_path)
    before = (place / "session.json").read_bytes()
    with SessionLock(place):
        code, out, _ = said(capsys, place)
        assert (code, out.split("\t")[1:]) == (1, ["not compared", "it is being recorded\n"])
        with pytest.raises(RecordingError, match="at work"):
            add_hashes(place)
    assert said(capsys, place, "--add")[1].endswith("\tnot compared\tit was not finished\n")
    with pytest.raises(RecordingError, match="expected a session that was finished"):
        add_hashes(place)
    assert (place / "session.json").read_bytes() == before
    assert json.loads(before)["state"] == "recording"
