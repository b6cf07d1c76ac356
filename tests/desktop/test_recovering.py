from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import dmd_runtime
from desktop.exporting import ExportProgress
from desktop.recovering import Recovering, recovered_text, unfinished_text
from dmd_runtime import Recovery
from dmd_runtime.recording.lock import SessionLock
from tests.recording.export.sessions import write_session

PATIENCE = 20_000
CUT = {"state": "recording", "counts": {}}


@pytest.fixture
def recovering(qtbot: QtBot) -> Iterator[Recovering]:
    made = Recovering()
    yield made
    assert made.shut_down()


def cut_off(root: Path, name: str) -> Path:
    return write_session(root, manifest=CUT, name=f"sub-p1/ses-{name}")


def test_what_was_not_finished_is_found_and_what_is_being_recorded_is_not(
    recovering: Recovering, qtbot: QtBot, tmp_path: Path
) -> None:
    write_session(tmp_path, name="sub-p1/ses-whole")
    first, second, held = (cut_off(tmp_path, name) for name in "abc")
    with SessionLock(held), qtbot.waitSignal(recovering.found, timeout=PATIENCE) as found:
        recovering.look(tmp_path)
        assert not recovering.is_busy  # looking is nothing to show
    assert found.args == [[first, second]]
    assert recovering.unfinished == [first, second]


def test_where_nothing_was_recorded_nothing_is_found(recovering: Recovering, qtbot: QtBot, tmp_path: Path) -> None:
    with qtbot.waitSignal(recovering.found, timeout=PATIENCE) as found:
        recovering.look(tmp_path / "not there yet")
    assert found.args == [[]]


def test_they_are_recovered_with_progress(recovering: Recovering, qtbot: QtBot, tmp_path: Path) -> None:
    folders = [cut_off(tmp_path, name) for name in "ab"]
    with (folders[0] / "words.jsonl").open("a") as file:
        file.write('{"t0": 6.0, "t1"')
    shown: list[tuple[str, float]] = []
    recovering.progress.connect(lambda *what: shown.append(what))
    recovering.look(tmp_path)
    qtbot.waitUntil(lambda: recovering.unfinished == folders, timeout=PATIENCE)
    with qtbot.waitSignal(recovering.recovered, timeout=PATIENCE) as recovered:
        recovering.recover(folders)
        assert recovering.is_busy
    (done,) = recovered.args
    assert [recovery.folder for recovery in done] == folders
    for folder in folders:
        assert json.loads((folder / "session.json").read_text())["state"] == "recovered"
    assert (folders[0] / "words.torn").exists()
    assert recovering.unfinished == []
    qtbot.waitUntil(lambda: not recovering.is_busy)
    assert [text for text, _ in shown] == sorted(text for text, _ in shown)
    assert (shown[0], shown[-1][0]) == (("sub-p1/ses-a", 0.0), "sub-p1/ses-b")
    assert "2 recordings were recovered. 1 thing was torn" in recovered_text(done)


def test_one_that_cannot_be_recovered_costs_no_other(recovering: Recovering, qtbot: QtBot, tmp_path: Path) -> None:
    whole, cut = write_session(tmp_path, name="sub-p1/ses-whole"), cut_off(tmp_path, "cut")
    failed: list[str] = []
    recovering.failed.connect(failed.append)
    with qtbot.waitSignal(recovering.recovered, timeout=PATIENCE) as recovered:
        recovering.recover([whole, cut])
    assert [recovery.folder for recovery in recovered.args[0]] == [cut]
    assert len(failed) == 1
    assert "complete" in failed[0]


def test_cancel_leaves_those_that_wait_as_they_are(
    recovering: Recovering, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    asked: list[Path] = []

    def slow(folder: Path, progress: Callable[[float], None]) -> Any:
        asked.append(folder)
        progress(0.5)
        begun.set()
        go_on.wait(30)
        return Recovery(folder=folder, media_end_s=1.0, counts={}, problems=())

    monkeypatch.setattr(dmd_runtime, "recover", slow, raising=False)
    line = ExportProgress(recovering, "Recovering")
    qtbot.addWidget(line)
    done: list[list[Recovery]] = []
    recovering.recovered.connect(done.append)
    recovering.recover([tmp_path / "a", tmp_path / "b"])
    qtbot.waitUntil(begun.is_set, timeout=PATIENCE)
    qtbot.waitUntil(lambda: line.bar.value() == 250)
    line.cancel.click()
    go_on.set()
    qtbot.waitUntil(lambda: not recovering.is_busy, timeout=PATIENCE)
    assert asked == [tmp_path / "a"]
    assert [recovery.folder for recovery in done[0]] == [tmp_path / "a"]
    assert line.isHidden()


def test_what_is_said(tmp_path: Path) -> None:
    a, b = (tmp_path / "sub-p" / name for name in ("ses-a", "ses-b"))
    assert unfinished_text([]) == ""
    assert "sub-p/ses-a was not finished" in unfinished_text([a])
    assert unfinished_text([a, b]).startswith("2 recordings were not finished")
    whole = Recovery(folder=a, media_end_s=83.4, counts={}, problems=())
    torn = Recovery(folder=b, media_end_s=None, counts={}, problems=("x", "y"))
    assert recovered_text([whole]) == "sub-p/ses-a was recovered (1:23)."
    assert recovered_text([whole, torn]).endswith("2 things were torn; the report names them.")


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = """
import sys
import desktop.export_dialog, desktop.exporting, desktop.recovering
print(sorted({"torch", "av", "cv2", "pyarrow", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
