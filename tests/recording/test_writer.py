from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import Failure, Health, Span, SpeechChange, Word
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.writer import SessionWriter
from tests.messages_factory import reading


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SessionWriter]:
    writer = SessionWriter(tmp_path, {"participant": "anon"}, marks=("DEMO",))
    yield writer
    writer.close()


def test_a_reading_is_on_disk_before_the_session_ends(writer: SessionWriter) -> None:
    writer(reading())
    (line,) = lines(writer.folder / "readings.jsonl")
    assert line["t1"] == 2.0
    assert line["marks"] == ["UNTRAINED"]
    assert set(line["edges"]["homo"]) == {"V>L", "A>L", "L>V", "A>V", "L>A", "V>A"}
    assert sum(line["edges"]["hetero"].values()) == pytest.approx(1.0)


def test_nan_is_never_written(writer: SessionWriter) -> None:
    writer(reading(sentiment=float("nan")))
    with pytest.raises(RecordingError, match=r"readings\.jsonl: expected finite numbers"):
        writer.finish()
    assert lines(writer.folder / "readings.jsonl") == []
    assert read_manifest(writer.folder)["state"] == "recording"  # never "complete"


def test_words_health_and_failures_go_to_their_tables(writer: SessionWriter) -> None:
    writer(Word(span=Span(1.0, 1.5), text="é", p=0.5, committed=True, speaker_visible=False))
    writer(Health(t=1.0, stages={"visual": {"rate": 15.0}}, rss_mb=1.0, cpu_percent=2.0, counters={"frames": 30}))
    writer(Failure(t=2.0, stage="words", text="gone"))
    assert lines(writer.folder / "words.jsonl") == [
        {"t0": 1.0, "t1": 1.5, "text": "é", "p": 0.5, "speaker_visible": False, "marks": ["DEMO"]}
    ]
    assert [line.get("failure") for line in lines(writer.folder / "health.jsonl")] == [None, "words"]


def test_state_is_recording_until_finished(writer: SessionWriter) -> None:
    assert read_manifest(writer.folder)["state"] == "recording"
    writer.finish(counts={"readings": 0})
    manifest = read_manifest(writer.folder)
    assert (manifest["state"], manifest["counts"], manifest["marks"]) == ("complete", {"readings": 0}, ["DEMO"])


def test_the_manifest_lists_every_recogniser_at_the_end(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path, {}, speech={"model": "whisper-base", "language": "en"})
    writer(SpeechChange(t=12.5, model="none", language="auto", before="whisper-base", absent="switched off"))
    assert "speech" not in read_manifest(tmp_path)
    writer.close()
    writer(SpeechChange(t=13.0, model="late", language="de", before="none"))  # after the recording
    writer.finish()
    assert read_manifest(tmp_path)["speech"] == [
        {"t": 0.0, "model": "whisper-base", "language": "en"},
        {"t": 12.5, "model": "none", "language": "auto"},
    ]


def test_lines_from_many_threads_stay_whole(writer: SessionWriter) -> None:
    threads = [threading.Thread(target=lambda: [writer(reading(i)) for i in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(lines(writer.folder / "readings.jsonl")) == 200


def test_an_existing_session_is_not_overwritten(writer: SessionWriter) -> None:
    with pytest.raises(RecordingError, match="cannot be written"):
        SessionWriter(writer.folder, {})


def test_a_full_disk_is_reported_at_the_end(writer: SessionWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._files["readings"], "write", full, raising=False)
    writer(reading())
    writer(reading(1))
    with pytest.raises(RecordingError, match="No space left"):
        writer.finish()
    assert read_manifest(writer.folder)["state"] == "recording"


def test_media_that_cannot_be_copied_leaves_nothing(writer: SessionWriter, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"media\.mp4"):
        writer.add_media(tmp_path / "gone.mp4")
    assert not (writer.folder / "media.mp4").exists()
