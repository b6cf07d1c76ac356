"""What holds for every format: whole files or none, odd sessions, names, cancelling."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.export import FORMATS, TEXT_FORMATS, ExportCancelledError, ExportOptions, export, provenance
from tests.recording.export.sessions import ANNOTATED, ODD, reading, write_session


@pytest.mark.parametrize("odd", list(ODD))
def test_odd_sessions_are_exported(tmp_path: Path, odd: str) -> None:
    folder = write_session(tmp_path, **ODD[odd])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    paths = export(folder)
    assert [path.name for path in paths] == [file for name in TEXT_FORMATS for file in FORMATS[name].files]
    assert sorted(paths) == sorted((folder / "derived").iterdir())
    for path in paths:
        if path.suffix != ".parquet":
            path.read_text(encoding="utf-8")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_export_is_the_same_every_time_and_replaces_the_last(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ANNOTATED)
    names = [name for name in TEXT_FORMATS if name != "eaf"]  # has its date
    first = {path: path.read_bytes() for path in export(folder, names)}
    assert {path: path.read_bytes() for path in export(folder, names)} == first


def test_edited_annotations_stand_for_the_recorded(tmp_path: Path) -> None:
    from dmd_runtime.recording.annotations import Annotations, write_annotations

    folder = write_session(tmp_path, **ANNOTATED)
    write_annotations(folder, Annotations())
    (path, *_) = export(folder, ["events"])
    assert "annotation" not in path.read_text(encoding="utf-8")


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"expected formats of csv, .*, got pdf"):
        export(write_session(tmp_path), ["csv", "pdf"])
    assert not list(tmp_path.glob("**/derived/*"))


def test_a_folder_that_is_no_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"session\.json"):
        export(tmp_path)
    assert not list(tmp_path.iterdir())


def test_progress_rises_to_one(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    export(write_session(tmp_path), ["csv", "vtt"], progress=lambda name, share: told.append((name, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert told[-1] == ("vtt", 1.0)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_cancelled_export_leaves_nothing_and_names_the_file(tmp_path: Path, name: str) -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(ExportCancelledError, match=FORMATS[name].files[0]):
        export(write_session(tmp_path), [name], cancel=cancel)
    assert not list(tmp_path.glob("**/derived/*"))


def test_what_was_whole_before_it_was_cancelled_stays(tmp_path: Path) -> None:
    cancel = Event()

    def stop(name: str, share: float) -> None:
        if share > 0:
            cancel.set()

    with pytest.raises(ExportCancelledError, match=r"words\.csv"):
        export(write_session(tmp_path), ["csv"], progress=stop, cancel=cancel)
    assert [path.name for path in tmp_path.glob("**/derived/*")] == ["readings.csv"]


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_full_disk_leaves_the_old_file_and_names_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_session(tmp_path)
    old = folder / "derived" / FORMATS[name].files[0]
    old.parent.mkdir()
    old.write_text("old")

    class Full:
        def __init__(self, path: Path) -> None:
            self.path = path

        def __enter__(self) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(provenance, "whole_file", Full)
    with pytest.raises(RecordingError, match=rf"{old.name}: cannot be written: No space left"):
        export(folder, [name])
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_a_writer_that_breaks_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dmd_runtime.recording.export import csv_files

    def broken(table: object) -> Iterator[list[list[str]]]:
        yield [["t0", "t1"]]
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(csv_files, "_rows", broken)
    with pytest.raises(RecordingError, match=r"readings\.csv: cannot be written: Input/output error"):
        export(write_session(tmp_path), ["csv"])
    assert not list(tmp_path.glob("**/derived/*"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    (folder / "derived").write_text("a file")
    with pytest.raises(RecordingError, match="derived: cannot be made"):
        export(folder, ["csv"])


def test_every_format_has_a_writer() -> None:
    for name, one in FORMATS.items():
        assert callable(one.load()), name


def test_the_names_of_formats_cost_nothing() -> None:
    code = (
        "import sys, dmd_runtime.recording.export.command;"
        "heavy = {'numpy', 'pyarrow', 'pympi', 'praatio', 'webvtt', 'jinja2', 'av', 'torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_re_analysis_is_exported_beside_itself(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    here = folder / "derived" / "analyses" / "other"
    write_session(here.parent, name="other", readings=[reading(2.0)], words=((1.0, 1.5, "else"),))
    (here / "session.json").unlink()
    about = {"format": 1, "state": "complete", "marks": ["UNTRAINED"], "counts": {}, "made_at": {"finished": "now"}}
    provenance = {"checkpoint": {"name": "other", "digest": "sha256:def"}}
    (here / "analysis.json").write_text(json.dumps({**about, "provenance": provenance}))
    paths = export(folder, options=ExportOptions(analysis="other"))
    assert {path.parent for path in paths} == {here}
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths if path.suffix != ".parquet"}
    assert len(texts["readings.csv"].splitlines()) == 2
    for name in (
        "tables.json",
        "transcript.vtt",
        "annotations.eaf",
        "annotations.TextGrid",
        "events.json",
        "report.html",
    ):
        assert "sha256:def" in texts[name]
        assert "UNTRAINED" in texts[name]
        assert "nalysis" in texts[name]
    with pytest.raises(RecordingError, match=r"one of other.*, got 'third'"):
        export(folder, options=ExportOptions(analysis="third"))
