"""Power cuts: files that end anywhere, end in zeros, or have flipped bits. Recovered or reported, never a crash."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.reader import open_session
from dmd_runtime.recording.recovery import find_unfinished, recover
from tests.recording.crashed import Packed, contents, crashed, medium

TABLES = ("readings", "words", "markers", "faces", "health")
QUICK, FEW, MANY = 50, 25, 1000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a session that a kill left."""
    root = tmp_path_factory.mktemp("whole")
    packed: Packed = medium(root / "media.mkv", noise=True)
    folder = crashed(root, packed.unfinished)
    with (folder / "traces.jsonl").open("w") as file:
        file.writelines(json.dumps({"t": t / 10, "tier": "valence", "value": 0.1, "by": "R"}) + "\n" for t in range(20))
    return contents(folder)


def lay(root: Path, files: dict[str, bytes]) -> Path:
    folder = root / "sub-p1" / "ses-a"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def read_all(folder: Path) -> dict[str, int]:
    """Everything a session tells, and how many records its tables have."""
    session = open_session(folder)
    assert session.end >= 0.0
    assert session.marks is not None
    assert session.media is None or session.media.exists()
    kept = {name: len(getattr(session, name)) for name in ("readings", "words", "markers", "health")}
    return kept | {"faces": len(session.faces.t)}


def is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def whole_lines(data: bytes) -> set[bytes]:
    """The lines of a table that are whole records; the last one may lack its line end."""
    return {line for line in data.rstrip(b"\0").split(b"\n") if is_whole(line)}


def cut(name: str, data: bytes, at: random.Random) -> bytes:
    """End anywhere; or have the length kept and the rest in zeros."""
    if at.random() < 0.4:
        return data
    end = at.randrange(len(data) + 1)
    return data[:end] + (bytes(len(data) - end + at.randrange(9000)) if at.random() < 0.4 else b"")


def check_cut(root: Path, whole: dict[str, bytes], seed: int) -> None:
    at = random.Random(seed)
    left = {name: cut(name, data, at) for name, data in whole.items()}
    folder = lay(root, left)
    assert find_unfinished(root) == [folder]
    done = recover(folder)
    assert open_session(folder).state == "recovered"
    assert find_unfinished(root) == []
    kept = read_all(folder)
    for table in (*TABLES, "traces"):
        before = left[f"{table}.jsonl"]
        after = (folder / f"{table}.jsonl").read_bytes()
        assert whole_lines(before) <= whole_lines(after), f"seed {seed}: {table} lost lines"
        rest = before.rstrip(b"\0").rpartition(b"\n")[2]
        assert rest in after or rest in (folder / f"{table}.torn").read_bytes(), f"seed {seed}: {table}"
    assert kept == {name: done.counts[name] for name in kept}
    files = contents(folder)
    assert recover(folder) == done, f"seed {seed}"
    assert contents(folder) == files


@pytest.mark.parametrize("seed", range(QUICK))
def test_files_that_end_anywhere_are_recovered(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    check_cut(tmp_path, whole, seed)


@pytest.mark.slow
def test_a_thousand_power_cuts_are_recovered(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for seed in range(QUICK, QUICK + MANY):
        check_cut(tmp_path / str(seed), whole, seed)


def flipped(data: bytes, at: random.Random, most: int = 20) -> bytes:
    out = bytearray(data)
    for _ in range(at.randint(1, most)):
        out[at.randrange(len(out))] ^= 1 << at.randrange(8)
    return bytes(out)


@pytest.mark.parametrize("seed", range(FEW))
def test_flipped_bits_cost_their_lines_and_no_others(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    at = random.Random(seed)
    files = {name: flipped(data, at) if name.endswith(".jsonl") else data for name, data in whole.items()}
    folder = lay(tmp_path, files)
    done = recover(folder)
    read_all(folder)
    for table in TABLES:
        lines = whole[f"{table}.jsonl"].splitlines()
        same = sum(old == new for old, new in zip(lines, files[f"{table}.jsonl"].splitlines(), strict=False))
        assert table == "markers" or done.counts[table] >= min(same, len(lines) - 20)


@pytest.mark.parametrize("seed", range(FEW))
def test_flipped_bits_in_manifest_and_medium_are_recovered_or_reported(
    tmp_path: Path, whole: dict[str, bytes], seed: int
) -> None:
    at = random.Random(seed)
    folder = lay(
        tmp_path, {n: flipped(d, at, 3) if n in ("session.json", "media.mkv") else d for n, d in whole.items()}
    )
    medium_before = (folder / "media.mkv").read_bytes()
    try:
        recover(folder)
    except RecordingError:
        assert (folder / "media.mkv").read_bytes() == medium_before
        return
    assert read_all(folder)["readings"] == 4


ODD: tuple[Any, ...] = (None, True, -1, 1e308, 10**400, "x", "", [], [1], {}, {"L": "x"}, [[]])


@pytest.mark.parametrize("seed", range(FEW))
def test_values_of_any_kind_are_no_crash(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    at = random.Random(seed)

    def odd(value: Any) -> Any:
        if at.random() < 0.1:
            return at.choice(ODD)
        if isinstance(value, dict):
            return {key: odd(inner) for key, inner in value.items() if at.random() > 0.03}
        return [odd(inner) for inner in value] if isinstance(value, list) else value

    def table(data: bytes) -> bytes:
        return b"".join(json.dumps(odd(json.loads(line))).encode() + b"\n" for line in data.splitlines())

    files = {name: table(data) if name.endswith(".jsonl") else data for name, data in whole.items()}
    files["session.json"] = json.dumps(odd(json.loads(whole["session.json"]))).encode()
    folder = lay(tmp_path, files)
    try:
        recover(folder)
    except RecordingError:  # it says that it is complete, or of a newer format
        with suppress(RecordingError):
            read_all(folder)
        return
    read_all(folder)
