"""``dmd sessions list``, ``search`` and ``delete``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dmd_runtime.cli import main
from dmd_runtime.recording import index as index_module
from tests.recording.library_factory import make_session, words


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "user_cache_path", lambda *_, **__: tmp_path / "user-cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_session(tmp_path / "root", "sub-a/ses-1", said=words("asking for help"), participant="A", marks=["DEMO"])
    make_session(tmp_path / "root", "sub-b/ses-2", made_at={"started": "2026-04-01T00:00:00+00:00"})
    return tmp_path / "root"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["sessions", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "list", root)
    assert (code, out.splitlines()) == (
        0,
        [
            "sub-a/ses-1\tcomplete\t60.0 s\t0 readings\t3 words\tDEMO",
            "sub-b/ses-2\tcomplete\t60.0 s\t0 readings\t0 words\t",
        ],
    )
    rows = json.loads(said(capsys, "list", root, "--json")[1])
    assert [row["folder"] for row in rows] == [str(root / "sub-b/ses-2"), str(root / "sub-a/ses-1")]
    assert (rows[1]["participant"], rows[1]["words"], rows[1]["started"]) == ("A", 3, "2026-03-01T09:30:00+00:00")


def test_search(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "search", root, "for he")[1] == "sub-a/ses-1\t0.400 s\tword\tasking for help\n"
    (hit,) = json.loads(said(capsys, "search", root, '"for help"', "--json")[1])
    assert (hit["t"], hit["kind"], hit["marked"]) == (0.4, "word", [[7, 15]])
    assert said(capsys, "search", root, 'nothing" OR')[:2] == (0, "")


def test_a_root_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (["list", tmp_path / "none"], ["search", tmp_path / "none", "x"]):
        code, _, error = said(capsys, *what)
        assert code == 2
        assert "expected a folder with sessions in it, got nothing" in error


def test_delete_needs_an_answer(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "sub-a" / "ses-1"
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, error = said(capsys, "delete", folder)
    assert (code, folder.is_dir()) == (2, True)
    assert "expected --yes, or a terminal to ask on, got neither" in error
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    code, out, _ = said(capsys, "delete", folder)
    assert (code, folder.is_dir()) == (1, True)
    assert "It cannot be brought back. Delete it? [y/N]" in out
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert said(capsys, "delete", folder)[0] == 0
    assert not folder.exists()
    assert said(capsys, "delete", root / "sub-b" / "ses-2", "--yes")[0] == 0
    assert list(root.iterdir()) == []


def test_delete_refuses_what_is_no_session(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = said(capsys, "delete", root / "sub-a", "--yes")
    assert (code, (root / "sub-a" / "ses-1").is_dir()) == (2, True)
    assert "expected a session folder" in error
