from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import Message, SpeechChange, VideoFrame
from dmd_runtime.recording import disk
from dmd_runtime.recording import manifest as manifest_module
from dmd_runtime.recording import recording as recording_module
from dmd_runtime.recording.disk import DiskLimits
from dmd_runtime.recording.library import find_sessions, session_line, summarise
from dmd_runtime.recording.lock import is_held
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.media_file import MediaFile
from dmd_runtime.recording.media_writer import MediaWriter
from dmd_runtime.recording.reader import open_session
from dmd_runtime.recording.recording import Consent, Recording
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, SyntheticSource
from dmd_runtime.streaming.session import Session
from tests.recording.test_media_writer import pictures, samples
from tests.session_factory import FakeToolbox

CONFIG = SessionConfig.load()
CONSENT = Consent(text="yes, I agree", given_by="P 7", recorded_by="M. S.")


class Toolbox(FakeToolbox):
    def provenance(self) -> dict:
        return {"checkpoint": {"name": "tiny"}}


def recorded(root: Path, *, exact: bool = True, device: bool = False, **options: object) -> tuple[Session, Recording]:
    """Of three seconds of numbered pictures and samples."""
    toolbox = Toolbox()
    source = SyntheticSource(duration=3.0, size=(64, 32), paced=False)
    if device:
        source.info = replace(source.info, kind="device")
    session = Session(source, toolbox, CONFIG, exact=exact)  # type: ignore[arg-type]
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


def check_film(folder: Path) -> dict:
    """Every picture and sample in the film is the one of its time, none is doubled; returns what was counted."""
    found = read_manifest(folder)["recorded"]
    film = pictures(folder / "media.mkv")
    numbers = np.array([number for _, number in film])
    assert (np.diff(numbers) > 0).all()
    assert np.abs(np.array([t for t, _ in film]) - numbers / 30).max() <= 0.00051
    values, at = samples(folder / "media.mkv")
    assert np.array_equal(values, np.rint(at) % SAMPLE_CYCLE)
    assert (len(film), len(values)) == (found["frames"], found["audio_samples"])
    return found


def test_a_change_of_the_speech_model_is_kept(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path)
    changes = [SpeechChange(t=1.0, model="other", language="de", before="fake")]
    session.subscribe(lambda m: session._publish(changes.pop()) if changes and isinstance(m, VideoFrame) else None)
    session.run()
    assert read_manifest(recording.finish())["speech"] == [
        {"t": 0.0, "model": "fake", "language": "auto"},
        {"t": 1.0, "model": "other", "language": "de"},
    ]


def test_every_picture_and_every_sample_of_a_session_is_in_the_film(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    session.run()
    found = check_film(recording.finish())
    assert (found["frames"], found["frames_dropped"]) == (90, 0)
    assert (found["audio_samples"], found["audio_lost"]) == (3 * ANALYSIS_RATE, 0)


def test_a_disk_that_stands_still_costs_pictures_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends while the first picture is still being written."""
    go_on = threading.Event()
    write = MediaFile.picture

    def slow(file: object, item: object) -> object:
        assert go_on.wait(30)
        return write(file, item)  # type: ignore[arg-type]

    monkeypatch.setattr(MediaFile, "picture", slow)
    session, recording = recorded(tmp_path, exact=False, device=True, consent=CONSENT)
    session.run()
    assert session.counts.frames == 90
    go_on.set()
    found = check_film(recording.finish())
    assert found["frames_dropped"] > 0
    assert found["frames"] + found["frames_dropped"] == session.counts.frames
    assert (found["audio_samples"], found["audio_lost"]) == (3 * ANALYSIS_RATE, 0)


def test_devices_are_not_recorded_without_consent(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="with consent only: expected one, got none"):
        recorded(tmp_path, device=True)
    assert list(tmp_path.iterdir()) == []
    for text, name in (("", "P 7"), ("yes", "  ")):
        with pytest.raises(RecordingError, match="consent: expected"):
            Consent(text=text, given_by=name)


class Heard:
    """What a recording told, and that it did."""

    def __init__(self, recording: Recording) -> None:
        self.texts: list[str] = []
        self.came = threading.Event()
        recording.on_trouble = self

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self.came.set()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "_LOOK", 0.005)


@pytest.mark.usefixtures("quick")
def test_a_full_disk_ends_the_recording_and_not_the_session(tmp_path: Path) -> None:
    full = DiskLimits(warn_bytes=10**18, stop_bytes=10**18)
    session, recording = recorded(tmp_path, with_media=True, limits=full)
    heard = Heard(recording)
    assert heard.came.wait(20)
    recording._keeper.join(20)
    session.run()
    assert (session.error, session.counts.frames) == (None, 90)
    kept = read_manifest(recording.finish())
    assert kept["state"] == "complete"
    assert kept["recorded"]["stopped"].startswith("The disk is full")
    assert kept["counts"]["media_end_s"] < 3
    assert heard.texts == [kept["recorded"]["stopped"]]


@pytest.mark.usefixtures("quick")
def test_a_disk_that_fills_in_the_middle_keeps_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10**12]
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    session, recording = recorded(tmp_path, with_media=True)
    heard = Heard(recording)

    def fill(message: Message) -> None:
        if isinstance(message, VideoFrame) and message.seq == 45:
            free[0] = 1000
            recording._keeper.join(20)

    session.subscribe(fill)
    session.run()
    assert (session.error, session.counts.frames) == (None, 90)
    folder = recording.finish()
    found, kept = check_film(folder), read_manifest(folder)
    assert (found["frames"], found["frames_dropped"], found["audio_lost"]) == (46, 0, 0)
    assert found["audio_samples"] == pytest.approx(1.5 * ANALYSIS_RATE, abs=512)
    assert found["stopped"] == heard.texts[-1]
    assert found["stopped"].startswith("The disk is full (0 MB left): the recording has ended.")
    assert (kept["state"], kept["counts"]["media_end_s"]) == ("complete", pytest.approx(1.5, abs=0.04))
    opened = open_session(folder)
    assert (opened.problems, opened.end) == ([], kept["counts"]["media_end_s"])
    assert not is_held(folder)


def test_a_disk_that_breaks_while_the_source_waits_for_room_ends_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    writer = recording._media
    assert writer is not None

    waits, wait_for = threading.Event(), writer._changed.wait_for

    def noted(is_so: Callable[[], bool], timeout: float | None = None) -> bool:
        if threading.current_thread() is not writer._thread and not is_so():
            waits.set()  # the lock is held until it really does
        return wait_for(is_so, timeout)

    def breaks(*_: object) -> None:
        assert waits.wait(20)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._changed, "wait_for", noted)
    monkeypatch.setattr(MediaFile, "picture", breaks)
    heard = Heard(recording)
    running = threading.Thread(target=session.run, daemon=True)
    running.start()
    running.join(30)
    assert not running.is_alive()
    assert session.counts.frames == 90
    with pytest.raises(RecordingError, match="No space left on device"):
        recording.finish()
    assert heard.texts == [str(writer.failure)]
    assert read_manifest(recording.folder)["state"] == "recording"  # to be recovered
    assert not is_held(recording.folder)


@pytest.mark.usefixtures("quick")
def test_a_disk_that_is_almost_full_is_told_once(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, limits=DiskLimits(warn_bytes=10**18, stop_bytes=0))
    heard = Heard(recording)
    assert heard.came.wait(20)
    session.run()
    kept = read_manifest(recording.finish())
    assert kept["recorded"]["stopped"] is None
    assert len(heard.texts) == 1
    assert heard.texts[0].startswith("The disk is almost full")


@pytest.mark.usefixtures("quick")
def test_a_folder_that_is_taken_away_is_told(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    shutil.rmtree(recording.folder)
    heard = Heard(recording)
    assert heard.came.wait(20)
    session.run()
    with pytest.raises(RecordingError, match="it is not there any more"):
        recording.finish()
    assert session.error is None
    assert len(heard.texts) == 1


def test_trouble_before_anybody_listens_is_kept_for_them(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path)
    with pytest.raises(RecordingError, match="expected finite numbers"):
        recording.mark(float("nan"), "nowhere")
    heard = Heard(recording)
    assert len(heard.texts) == 1
    assert "expected finite numbers" in heard.texts[0]
    recording.discard()


def test_the_end_is_bounded_where_the_disk_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang, reached = threading.Event(), threading.Event()

    def never(_: MediaWriter) -> None:
        reached.set()
        hang.wait(60)

    for name, value in (("_LOOK", 0.005), ("_PATIENCE", 0.05)):
        monkeypatch.setattr(recording_module, name, value)
    monkeypatch.setattr(MediaWriter, "sync", never)
    session, recording = recorded(tmp_path, with_media=True)
    session.run()
    assert reached.wait(20)
    with pytest.raises(RecordingError, match="the disk has not answered"):
        recording.finish()
    hang.set()
    recording._keeper.join(20)
    recording.discard()


def test_spans_and_traces_are_on_disk_at_once(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path)
    recording.mark(1.0, "talk", id="a", open=True)
    recording.mark(1.0, "talk", t1=2.0, id="a")
    recording.mark(1.0, "talk", t1=2.0, id="a", void=True)
    recording.trace(1.5, "valence", -0.25, "P 1")
    lines = [json.loads(line) for line in (recording.folder / "markers.jsonl").read_text().splitlines()]
    assert [(line["id"], line["t1"], line.get("open"), line.get("void")) for line in lines] == [
        ("a", None, True, None),
        ("a", 2.0, None, None),
        ("a", 2.0, None, True),
    ]
    (sample,) = (recording.folder / "traces.jsonl").read_text().splitlines()
    assert json.loads(sample) == {"t": 1.5, "tier": "valence", "value": -0.25, "by": "P 1"}
    recording.discard()


def test_a_marker_is_on_disk_at_once(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path)
    recording.mark(1.25, "smile", note="left")
    (line,) = (recording.folder / "markers.jsonl").read_text().splitlines()
    expected = {"t0": 1.25, "t1": None, "tier": "marker", "label": "smile", "note": "left", "by": "user"}
    assert json.loads(line) == expected
    recording.discard()


def test_the_folder_is_held_until_the_manifest_says_how_it_ended(tmp_path: Path) -> None:
    session, recording = recorded(tmp_path, with_media=True)
    held: list[bool] = []
    session.subscribe(lambda message: held.append(is_held(recording.folder)))
    session.run()
    assert held
    assert all(held)
    assert is_held(recording.folder)
    recording.finish()
    assert not is_held(recording.folder)
    assert not (recording.folder / ".lock").exists()


def test_where_there_can_be_no_film_nothing_is_left_open_or_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RecordingError("no film today")

    monkeypatch.setattr(recording_module, "MediaWriter", refuse)
    with pytest.raises(RecordingError, match="no film today") as caught:  # which keeps all of it alive
        recorded(tmp_path, with_media=True)
    assert caught
    assert list(tmp_path.rglob("ses-*")) == []
    assert [file.path for file in psutil.Process().open_files() if str(tmp_path) in file.path] == []


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
