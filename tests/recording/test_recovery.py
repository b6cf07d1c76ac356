from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from dmd_runtime.__main__ import main
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import media_recovery, recovery, table_recovery
from dmd_runtime.recording.lock import SessionLock
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.playback import media_timeline, medium_of
from dmd_runtime.recording.reader import open_session
from dmd_runtime.recording.recovery import find_unfinished, recover
from tests.recording.crashed import SOURCE, Packed, contents, crashed, medium

COUNTS = {"readings": 4, "words": 6, "markers": 3, "faces": 60, "health": 3}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return medium(tmp_path_factory.mktemp("medium") / "media.mkv", noise=True)


def packets(path: Path) -> list[tuple[str, int | None, bytes]]:
    with av.open(str(path), format="matroska") as container:
        return [(p.stream.type, p.pts, bytes(p)) for p in container.demux() if p.size]


def test_what_a_kill_left_becomes_a_session(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished)
    before = packets(folder / "media.mkv")
    done = recover(folder)
    assert dict(done.counts) == COUNTS
    kept = read_manifest(folder)
    assert (kept["state"], kept["participant"], kept["marks"]) == ("recovered", "p1", ["UNTRAINED"])
    assert kept["counts"]["media_end_s"] == kept["recovery"]["media_end_s"] == done.media_end_s
    assert kept["recovery"]["problems"] == list(done.problems) == []
    assert (kept["counts"]["frames_dropped"], kept["counts"]["audio_lost"]) == (2, 512)
    frames = sum(kind == "video" for kind, *_ in before)
    assert kept["recorded"]["frames"] == frames <= kept["counts"]["frames"]
    assert packets(folder / "media.mkv") == before
    assert not list(folder.glob("media.torn*"))


def test_the_medium_knows_its_length_and_can_be_searched(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished)
    with av.open(str(folder / "media.mkv")) as container:
        assert container.duration is None
    end = recover(folder).media_end_s
    assert end is not None
    with av.open(str(folder / "media.mkv")) as container:
        assert container.duration == pytest.approx(end * 1e6, abs=2000)
    assert bytes.fromhex("1c53bb6b") in (folder / "media.mkv").read_bytes()  # cues
    timeline = media_timeline(medium_of(open_session(folder)))  # type: ignore[arg-type]
    assert timeline.end == pytest.approx(end, abs=0.06)
    assert timeline.times[:3].tolist() == [0.0, 0.05, 0.1]


def test_a_packet_cut_in_two_keeps_the_original(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished[:-700])
    original = (folder / "media.mkv").read_bytes()
    done = recover(folder)
    assert (folder / "media.torn.mkv").read_bytes() == original
    assert done.problems == ("media.mkv: what could not be copied is kept in media.torn.mkv",)
    assert packets(folder / "media.mkv") == packets(folder / "media.torn.mkv")
    assert open_session(folder).media == folder / "media.mkv"


def test_a_medium_without_a_whole_packet_is_put_aside(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished[:200])
    done = recover(folder)
    assert (folder / "media.torn.mkv").read_bytes() == packed.unfinished[:200]
    assert open_session(folder).media is None
    assert done.media_end_s == 3.5, "the last reading"
    assert "no packet of it can be read" in done.problems[0]


def test_a_medium_that_was_finished_is_left_as_it_is(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.finished)
    stamp = (folder / "media.mkv").stat()
    done = recover(folder)
    assert done.media_end_s == pytest.approx(3.0, abs=0.06)
    assert (folder / "media.mkv").stat().st_ino == stamp.st_ino
    assert (folder / "media.mkv").read_bytes() == packed.finished


def test_a_copy_of_the_source_is_left_as_it_is(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished[:-700], source={**SOURCE, "kind": "file"})
    manifest = json.loads((folder / "session.json").read_text())
    manifest["media"] = {"path": "/a/film.mkv", "sha256": None, "bytes": len(packed.unfinished)}
    (folder / "session.json").write_text(json.dumps(manifest))
    size = len(packed.unfinished)
    assert recover(folder).problems == (f"media.mkv: holds {size - 700} of {size} bytes",)
    assert (folder / "media.mkv").read_bytes() == packed.unfinished[:-700]


def test_a_session_without_a_medium(tmp_path: Path) -> None:
    done = recover(crashed(tmp_path))
    assert (done.media_end_s, done.problems) == (3.5, ())
    assert open_session(done.folder).end == 3.5


def test_an_open_span_is_ended_with_the_session(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    lines = (folder / "markers.jsonl").read_text()
    recover(folder)
    after = (folder / "markers.jsonl").read_text()
    assert after.startswith(lines)
    (added,) = [json.loads(line) for line in after[len(lines) :].splitlines()]
    assert added == {
        "t0": 1.1,
        "t1": 3.5,
        "open": False,
        "tier": "m",
        "label": "left",
        "note": "n",
        "by": "R2",
        "id": "c",
    }
    spans = {marker.id: (marker.t0, marker.t1, marker.open) for marker in open_session(folder).markers}
    assert spans == {"a": (0.5, None, False), "b": (0.2, 0.9, False), "c": (1.1, 3.5, False)}


def test_a_torn_line_is_moved_and_nothing_of_it_lost(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    words = (folder / "words.jsonl").read_bytes()
    (folder / "words.jsonl").write_bytes(words + b'{"t0":9.1,"t1":9.2,"te')
    done = recover(folder)
    assert (folder / "words.jsonl").read_bytes() == words
    assert (folder / "words.torn").read_bytes() == b'{"t0":9.1,"t1":9.2,"te\n'
    assert done.problems == ("words.jsonl: a torn last line was moved to words.torn",)


@pytest.mark.parametrize("zeros", [0, 5000, 200_000])
def test_a_record_that_only_lacks_its_line_end_stays(tmp_path: Path, zeros: int) -> None:
    folder = crashed(tmp_path)
    whole = (folder / "words.jsonl").read_bytes()
    (folder / "words.jsonl").write_bytes(whole[:-1] + bytes(zeros))
    assert recover(folder).counts["words"] == 6
    assert (folder / "words.jsonl").read_bytes() == whole
    assert not (folder / "words.torn").exists()


def test_zeros_of_a_power_cut_are_cut_off(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished + bytes(4096))
    whole = contents(folder)
    for table in COUNTS:
        (folder / f"{table}.jsonl").write_bytes(whole[f"{table}.jsonl"] + bytes(70_000))
    assert dict(recover(folder).counts) == COUNTS
    assert (folder / "readings.jsonl").read_bytes() == whole["readings.jsonl"]
    assert not list(folder.glob("media.torn*")), "zeros hold nothing"


def test_what_follows_zeros_on_a_line_is_read(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    first, rest = (folder / "words.jsonl").read_bytes().split(b"\n", 1)
    (folder / "words.jsonl").write_bytes(first + b"\n" + bytes(100) + rest)
    assert recover(folder).counts["words"] == len(open_session(folder).words) == 6


@pytest.mark.parametrize(
    "torn", [None, b"", b'{"format": 1, "state": "rec', bytes(900), b"[1]", b'{"state": "recording"}']
)
def test_a_manifest_that_is_torn_or_gone_is_made_of_what_is_there(
    tmp_path: Path, packed: Packed, torn: bytes | None
) -> None:
    folder = crashed(tmp_path, packed.unfinished)
    (folder / "session.json").unlink()
    if torn is not None:
        (folder / "session.json").write_bytes(torn)
    assert find_unfinished(tmp_path) == [folder]
    done = recover(folder)
    assert find_unfinished(tmp_path) == []
    session = open_session(folder)
    assert (session.state, session.marks) == ("recovered", ("UNTRAINED",))
    assert (session.manifest["participant"], session.manifest["task"]) == ("p1", "talk")
    assert session.manifest["provenance"]["checkpoint"]["digest"]
    assert session.end == done.media_end_s
    assert "session.json: was torn or missing" in done.problems[0]
    assert torn is None or (folder / "session.torn.json").read_bytes() == torn


def test_a_whole_draft_of_the_manifest_is_used(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    (folder / "session.json").rename(folder / "session.json.part")
    recover(folder)
    assert read_manifest(folder)["source"] == SOURCE


def test_done_twice_it_changes_nothing(tmp_path: Path, packed: Packed) -> None:
    folder = crashed(tmp_path, packed.unfinished[:-700])
    with (folder / "faces.jsonl").open("ab") as file:
        file.write(b'{"t":')
    first = recover(folder)
    before = contents(folder)
    assert recover(folder) == first
    assert contents(folder) == before


class Killed(BaseException):
    """Not an Exception: nothing may clean up after it, as nothing does after a kill."""


def steps(monkeypatch: pytest.MonkeyPatch, last: int) -> Iterator[None]:
    """Be killed before whatever touches the disk for the ``last``-th time."""
    count = 0

    def before(function):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal count
            count += 1
            if count > last:
                raise Killed
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "replace"):
            patch.setattr(Path, name, before(getattr(Path, name)))
        patch.setattr(os, "fsync", before(os.fsync))
        patch.setattr(table_recovery, "_append", before(table_recovery._append))
        patch.setattr(recovery, "end_open_spans", before(recovery.end_open_spans))
        patch.setattr(media_recovery, "_read", before(media_recovery._read))
        yield


def test_broken_off_anywhere_it_can_be_done_again(
    tmp_path: Path, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def but_media(folder: Path) -> dict[str, bytes]:
        """All files but those that hold the time of the recovery or a random number."""
        return {k: v for k, v in contents(folder).items() if k not in ("session.json", "media.mkv")}

    def left(root: Path) -> Path:
        folder = crashed(root, packed.unfinished[:-700])
        for table in ("readings", "markers"):
            with (folder / f"{table}.jsonl").open("ab") as file:
                file.write(b'{"t0": 3.0, "t')
        (folder / "session.json").write_bytes(b'{"format": 1, "state": "odd", "notes": "kept"}')
        return folder

    whole = left(tmp_path / "whole")
    expected = recover(whole)
    wanted = but_media(whole)
    broken, last = 0, 0
    while broken == last:
        folder = left(tmp_path / f"at{last}")
        for _ in steps(monkeypatch, last):
            try:
                recover(folder)
            except Killed:
                broken += 1
        done = recover(folder)
        assert (done.counts, done.media_end_s) == (expected.counts, expected.media_end_s)
        assert set(done.problems) == set(expected.problems)
        assert read_manifest(folder)["notes"] == "kept"
        assert but_media(folder) == wanted
        assert packets(folder / "media.mkv") == packets(whole / "media.mkv")
        last += 1
    assert broken > 10


def test_no_room_for_the_copy_leaves_all_as_it_was(
    tmp_path: Path, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = crashed(tmp_path, packed.unfinished)
    before = contents(folder)
    monkeypatch.setattr(media_recovery.shutil, "disk_usage", lambda _: FullDisk())
    with pytest.raises(RecordingError, match="expected room for a copy"):
        recover(folder)
    assert contents(folder) == before
    assert find_unfinished(tmp_path) == [folder]


class FullDisk:
    free = 1000


def test_what_is_at_work_or_complete_is_left_alone(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    with SessionLock(folder):
        assert find_unfinished(tmp_path) == []
        with pytest.raises(RecordingError, match="at work"):
            recover(folder)
    manifest = read_manifest(folder)
    (folder / "session.json").write_text(json.dumps({**manifest, "state": "complete"}))
    assert find_unfinished(tmp_path) == []
    with pytest.raises(RecordingError, match="complete"):
        recover(folder)


def test_a_newer_format_is_not_touched(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    (folder / "session.json").write_text(json.dumps({**read_manifest(folder), "format": 2}))
    before = contents(folder)
    assert find_unfinished(tmp_path) == []
    with pytest.raises(RecordingError, match="newer program"):
        recover(folder)
    assert contents(folder) == before


def test_an_empty_folder_is_no_session(tmp_path: Path) -> None:
    folder = tmp_path / "sub-a" / "ses-b"
    folder.mkdir(parents=True)
    assert find_unfinished(tmp_path) == []
    with pytest.raises(RecordingError, match="expected a session folder"):
        recover(folder)


def test_progress_rises_to_the_end(tmp_path: Path, packed: Packed) -> None:
    shares: list[float] = []
    recover(crashed(tmp_path, packed.unfinished), shares.append)
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < shares[-1] == 1.0


def test_the_command_says_one_line_a_session(
    tmp_path: Path, packed: Packed, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = crashed(tmp_path, packed.unfinished)
    assert main(["sessions", "recover", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out == "sub-p1/ses-a_task-talk\tunfinished\n"
    assert read_manifest(folder)["state"] == "recording"
    assert main(["sessions", "recover", str(tmp_path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("\t")[1:2] + line.split("\t")[3:] == ["recovered", "4 readings", "6 words", "3 markers"]
    assert main(["sessions", "recover", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_root_that_is_none_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "recover", str(tmp_path / "none")]) == 2
    assert "expected a folder with sessions in it" in capsys.readouterr().err
