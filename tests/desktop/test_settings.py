from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from desktop.models.timeline import DEFAULT_LANES
from desktop.settings import Settings, SettingsStore

WRONG_EDGES = [
    json.dumps({"timeline_edges": [lane]}) for lane in (["homo", "L-V"], ["homo", "L>L"], ["third", "L>V"], ["homo"])
]


def test_what_is_changed_is_there_at_the_next_start(tmp_path: Path) -> None:
    SettingsStore(tmp_path / "desktop.json").update(theme="light", camera="Webcam 720p")
    again = SettingsStore(tmp_path / "desktop.json").now
    assert (again.theme, again.camera) == ("light", "Webcam 720p")
    assert again.model_copy(update={"theme": "system", "camera": ""}) == Settings()


def test_a_value_outside_its_rule_changes_nothing(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "desktop.json")
    with pytest.raises(ValidationError, match="theme"):
        store.update(theme="pink")
    assert store.now == Settings()
    assert not store.path.exists()


@pytest.mark.parametrize("text", ["", "{", '{"theme": "pink"}', "[1]", "\x00\xff", *WRONG_EDGES])
def test_a_broken_file_is_put_aside_and_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text(text, encoding="latin-1")
    store = SettingsStore(path)
    assert store.now == Settings()
    assert "expected settings of this program" in store.problem
    assert (tmp_path / "desktop.broken").read_text(encoding="latin-1") == text


def test_a_newer_versions_settings_are_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    path.write_text('{"theme": "dark", "of_the_future": 1}')
    store = SettingsStore(path)
    assert store.now.theme == "dark"
    assert store.problem == ""


def test_a_place_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SettingsStore(tmp_path / "file" / "desktop.json")
    assert store.update(theme="dark").theme == "dark"


def test_edges_of_the_timeline_are_told_as_what_they_are() -> None:
    assert Settings().lanes == DEFAULT_LANES


def test_what_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "desktop.json")
    store.update(theme="dark")
    store.path.unlink()
    store.update(theme="dark")
    assert not store.path.exists()


def test_settings_do_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("the window's thread waited for the disk"))
    SettingsStore(tmp_path / "desktop.json").update(theme="dark")
