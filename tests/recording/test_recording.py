from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import manifest as manifest_module
from dmd_runtime.recording.library import find_sessions, session_line, summarise
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.recording import Consent, Recording
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session
from tests.session_factory import FakeToolbox

CONFIG = SessionConfig.load()
CONSENT = Consent(text="yes, I agree", given_by="P 7", recorded_by="M. S.")


class Toolbox(FakeToolbox):
    def provenance(self) -> dict:
        return {"checkpoint": {"name": "tiny"}}


def recorded(root: Path, **options: object) -> tuple[Session, Recording]:
    toolbox = Toolbox()
    source = SyntheticSource(duration=3.0, size=(32, 16), paced=False)
    session = Session(source, toolbox, CONFIG, exact=True)  # type: ignore[arg-type]
    return session, Recording(session, toolbox, CONFIG, root, **options)  # type: ignore[arg-type]


def test_a_session_is_kept_whole(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, participant="P 7", task="talk", consent=CONSENT)
    session.run()
    folder = recording.finish()
    kept = read_manifest(folder)
    assert (kept["state"], kept["error"], kept["participant"]) == ("complete", None, "P 7")
    consent = {key: kept["consent"][key] for key in ("text", "given_by", "recorded_by")}
    assert consent == {"text": "yes, I agree", "given_by": "P 7", "recorded_by": "M. S."}
    assert kept["counts"]["readings"] == len((folder / "readings.jsonl").read_text().splitlines()) == 3


def test_a_marker_is_on_disk_at_once(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path)
    recording.mark(1.25, "smile", note="left")
    (line,) = (recording.folder / "markers.jsonl").read_text().splitlines()
    expected = {"t0": 1.25, "t1": None, "tier": "marker", "label": "smile", "note": "left", "by": "user"}
    assert json.loads(line) == expected
    recording.discard()


def test_a_session_that_never_ran_leaves_no_folder(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path)
    recording.discard()
    assert not recording.folder.exists()


def test_what_was_interrupted_says_so(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path)
    session.run()
    assert read_manifest(recording.finish(interrupted=True))["error"] == "interrupted by the user"


def test_a_disk_that_is_full_at_the_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest_module.os, "fsync", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        recorded(tmp_path)
    assert list(tmp_path.rglob("ses-*")) == []


@pytest.mark.parametrize(
    "change", [{"state": "odd"}, {"counts": []}, {"marks": "x"}, {"counts": {"media_end_s": "long"}}, {"marks": [1]}]
)
def test_odd_manifests_are_listed_and_no_traceback(tmp_path: Path, change: dict) -> None:
    session, recording = recorded(tmp_path)
    session.run()
    folder = recording.finish()
    (folder / "session.json").write_text(json.dumps({**read_manifest(folder), **change}))
    assert find_sessions(tmp_path) == [folder]
    assert folder.name in session_line(summarise(folder)[0], tmp_path)
