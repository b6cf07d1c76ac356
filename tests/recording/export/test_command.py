"""``dmd sessions export`` and ``dmd sessions report``."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.cli import main
from dmd_runtime.recording.export import FORMATS, TEXT_FORMATS
from dmd_runtime.recording.lock import SessionLock
from tests.recording.export.sessions import ODD, write_session


def test_all_text_formats_unless_told_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_session(tmp_path)
    assert main(["sessions", "export", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == [f for name in TEXT_FORMATS for f in FORMATS[name].files]
    assert all(Path(line).is_file() for line in out.splitlines())
    assert err == ""  # no bar where there is no terminal


@pytest.mark.parametrize("options", [["--format", "srt", "vtt"], ["--format", "srt", "--format", "vtt"]])
def test_formats_can_be_chosen(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "export", str(write_session(tmp_path)), *options]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["transcript.vtt", "transcript.srt"]


def test_a_wrong_format_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["sessions", "export", str(write_session(tmp_path)), "--format", "pdf"])
    assert stopped.value.code == 64
    assert "pdf" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["export", "report"])
def test_a_folder_that_is_no_session_is_wrong_input(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", what, str(tmp_path / "nothing")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert str(tmp_path / "nothing") in err


def test_a_session_at_work_is_exported_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_session(tmp_path, **ODD["recording"])
    with SessionLock(folder):
        assert main(["sessions", "export", str(folder), "--format", "srt"]) == 0
    assert "is being recorded: what comes later is missing" in capsys.readouterr().err
    assert main(["sessions", "export", str(folder), "--format", "srt"]) == 0
    assert "was never finished; `dmd sessions recover` rebuilds it" in capsys.readouterr().err


def test_a_report_goes_where_it_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_session(tmp_path)
    assert main(["sessions", "report", str(folder)]) == 0
    assert (folder / "derived" / "report.html").is_file()
    assert main(["sessions", "report", str(folder), "--out", str(tmp_path / "mine.html")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "mine.html")
    assert main(["sessions", "report", str(folder), "--out", str(tmp_path / "no" / "mine.html")]) == 2
    assert "mine.html: cannot be written" in capsys.readouterr().err
