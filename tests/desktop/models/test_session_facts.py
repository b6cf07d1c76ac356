"""What a manifest says of a session, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop.models.session_facts import SessionFacts, facts_of
from dmd_runtime import open_session


def facts(folder: Path, **manifest: Any) -> SessionFacts:
    about = {"format": 1, "state": "complete", "participant": "p01", **manifest}
    (folder / "session.json").write_text(json.dumps(about))
    return facts_of(open_session(folder))


def test_who_when_and_with_what(tmp_path: Path) -> None:
    made_at = {"started": "2026-11-24T09:00:00", "finished": "2026-11-24T11:05:00"}
    found = facts(
        tmp_path,
        session="one",
        task="talk",
        made_at=made_at,
        notes="dim light",
        config={"speech": {"model": "base.en"}},
    )
    assert found.title == "p01 · one · talk"
    assert found.when == "24 Nov 2026, 09:00 – 11:05"
    assert found.speech_model == "base.en"
    assert found.whole.splitlines() == [found.title, found.when, "dim light"]
    assert found.notice == ""


def test_over_midnight_both_days_are_named(tmp_path: Path) -> None:
    found = facts(tmp_path, made_at={"started": "2026-11-24T23:59:00", "finished": "2026-11-25T00:01:00"})
    assert found.when == "24 Nov 2026, 23:59 – 25 Nov 2026, 00:01"


def test_what_went_wrong_is_said_briefly_and_in_full(tmp_path: Path) -> None:
    problems = [f"words.jsonl: line {i}" for i in range(4)]
    found = facts(
        tmp_path,
        state="recovered",
        recovery={"at": "2026-11-24T12:00:00", "problems": problems},
        recorded={"stopped": "the disk was full"},
        error="camera: unplugged",
    )
    assert found.remarks[0] == "This recording was cut off and recovered (24 Nov 2026, 12:00)."
    assert found.remarks[-2:] == (
        "It was stopped early: the disk was full.",
        "It ended with an error: camera: unplugged.",
    )
    assert found.notice.endswith("And 4 more.")
    assert "words.jsonl: line 3." in found.whole


@pytest.mark.parametrize("odd", [None, 7, "text", [1], {"started": 5, "problems": 7, "stopped": 1}])
def test_whatever_is_of_another_kind_is_as_if_it_were_not_there(tmp_path: Path, odd: Any) -> None:
    found = facts(tmp_path, made_at=odd, recovery=odd, recorded=odd, config=odd, notes=[odd], error={"a": odd})
    assert found == SessionFacts(title=f"p01 · {tmp_path.name}")
