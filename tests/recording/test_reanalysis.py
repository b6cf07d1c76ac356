from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import RecordingError, StageError
from dmd_runtime.recording.manifest import read_manifest, write_manifest
from dmd_runtime.recording.reader import open_session
from dmd_runtime.recording.reanalysis import AnalysisCancelledError, analyses, open_analysis, reanalyse, settings_of
from dmd_runtime.recording.recording import Recording
from dmd_runtime.sources.file import FileSource
from dmd_runtime.streaming.session import Session
from tests.factories import make_clip
from tests.recording.export.films import film_session
from tests.session_factory import FakeFaces, FakeToolbox
from tests.shared_data import shared

CONFIG = SessionConfig.load()


class Toolbox(FakeToolbox):
    def provenance(self) -> dict[str, Any]:
        return {"checkpoint": {"name": "tiny", "trained": False}, "speech_model": None}


def live_session(folder: Path, **clip: object) -> Path:
    """As recorded: its medium counts session time, which here begins before the first picture."""
    folder.mkdir(parents=True)
    make_clip(folder / "media.mkv", seconds=3.0, video_start=0.04, audio_start=0.1, **clip)  # type: ignore[arg-type]
    film_session(folder)
    return folder


def again(folder: Path, **options: Any) -> Path:
    toolbox = options.pop("toolbox", None) or Toolbox()
    return reanalyse(folder, toolbox, config=CONFIG, **options)


def without_wall_clock(path: Path) -> str:
    return re.sub(r'"made_at":[^,]*,', "", path.read_text(encoding="utf-8"))


def test_session_time_is_that_of_the_recording(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    again(folder)
    session = open_analysis(folder, "untrained")
    assert session.faces.t[0] == pytest.approx(0.04, abs=1e-6)
    assert session.words[0].span.start == pytest.approx(0.25)
    assert session.end == pytest.approx(3.1, abs=0.05)


@pytest.mark.parametrize(("origin", "first"), [(None, 0.0), (Fraction(0), 0.04), (Fraction(2, 100), 0.02)])
def test_a_file_can_say_where_its_zero_is(tmp_path: Path, origin: Fraction | None, first: float) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=1.0, video_start=0.04, audio_codec=None)
    source = FileSource(clip, paced=False, origin=origin)
    times: list[float] = []

    class Sink:
        def video(self, frame: Any) -> None:
            times.append(frame.t)

    end = source.run(Sink(), None, Event())  # type: ignore[arg-type]
    source.close()
    assert times[0] == pytest.approx(first, abs=1e-6)
    assert end == pytest.approx(source.info.duration, abs=0.005)
    assert end == pytest.approx(first + 1.0, abs=0.005)


def test_the_same_pipeline_says_the_same_again(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=4.0)
    toolbox = Toolbox()
    session = Session(FileSource(clip, paced=False), toolbox, CONFIG, exact=True)  # type: ignore[arg-type]
    recording = Recording(session, toolbox, CONFIG, tmp_path / "out")  # type: ignore[arg-type]
    session.run()
    folder = recording.finish()
    old = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    target = again(folder, name="once-more")
    for table in ("readings", "words", "faces"):
        assert without_wall_clock(folder / f"{table}.jsonl") == without_wall_clock(target / f"{table}.jsonl")
        assert (target / f"{table}.jsonl").stat().st_size
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == old


def test_an_analysis_opens_as_the_session_it_is_of(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    (folder / "markers.jsonl").write_text('{"t0":1.0,"label":"smile"}\n')
    again(folder, toolbox=Toolbox(faces=FakeFaces(until=1.0)))
    session = open_analysis(folder, "untrained")
    assert (session.folder, session.media) == (folder, folder / "media.mkv")
    assert [marker.label for marker in session.markers] == ["smile"]
    assert len(session.readings) == 3
    assert session.faces.t.max() < 1.0
    assert session.marks == ("UNTRAINED",)
    assert session.manifest["provenance"]["checkpoint"]["name"] == "tiny"
    assert session.manifest["participant"] == "P7"
    assert len(open_session(folder).readings) == 0


def test_several_stand_side_by_side_and_none_is_replaced(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    names = [again(folder).name, again(folder).name, again(folder, name="b.2").name]
    assert [analysis.name for analysis in analyses(folder)] == sorted(names) == ["b.2", "untrained", "untrained_02"]
    assert {analysis.checkpoint for analysis in analyses(folder)} == {"tiny"}
    assert all(analysis.counts["readings"] == 3 for analysis in analyses(folder))
    with pytest.raises(RecordingError, match="expected a name that is free"):
        again(folder, name="b.2")
    with pytest.raises(RecordingError, match=r"one of b\.2, untrained"):
        open_analysis(folder, "c")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 65, "ä"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    folder = live_session(tmp_path / "s")
    with pytest.raises(RecordingError, match="expected letters"):
        again(folder, name=name)
    assert not (folder / "derived").exists()


def test_what_is_half_done_is_not_listed(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    whole = again(folder, name="whole")
    root = whole.parent
    for name, text in (("torn", '{"format":1,"state":"comp'), ("other", "[]"), ("open", '{"format":1,"state":"x"}')):
        (root / name).mkdir()
        (root / name / "analysis.json").write_text(text)
    (root / "empty").mkdir()
    (root / ".killed.part").mkdir()
    (root / ".killed.part" / "analysis.json").write_text((whole / "analysis.json").read_text())
    assert [analysis.name for analysis in analyses(folder)] == ["whole"]


def test_a_stage_that_dies_leaves_nothing(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    with pytest.raises(StageError, match="visual"):
        again(folder, toolbox=Toolbox(faces=FakeFaces(dies_at=20)))
    assert list((folder / "derived" / "analyses").iterdir()) == []


def test_it_can_be_stopped(tmp_path: Path) -> None:
    folder, stop, told = live_session(tmp_path / "s"), Event(), []

    def progress(share: float) -> None:
        told.append(share)
        if share > 0.3:
            stop.set()

    with pytest.raises(AnalysisCancelledError):
        again(folder, progress=progress, cancel=stop)
    assert list((folder / "derived" / "analyses").iterdir()) == []
    assert told == sorted(told)
    assert told[-1] < 0.9


def test_another_medium_is_not_taken_for_the_one_recorded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=1.0)
    film_session(tmp_path / "s", live=False, medium=clip)
    manifest = read_manifest(tmp_path / "s")
    manifest["media"]["sha256"] = "0" * 64
    write_manifest(tmp_path / "s", manifest)
    with pytest.raises(RecordingError, match="expected the medium of the session, SHA-256 0000"):
        again(tmp_path / "s")


def test_marks_of_the_material_stay(tmp_path: Path) -> None:
    folder = live_session(tmp_path / "s")
    write_manifest(folder, {**read_manifest(folder), "marks": ["UNTRAINED", "DEMO"]})
    target = again(folder)
    assert set(analyses(folder)[0].marks) == {"UNTRAINED", "DEMO"}
    assert json.loads((target / "readings.jsonl").read_text().splitlines()[0])["marks"] == ["UNTRAINED", "DEMO"]


@pytest.mark.parametrize("state", ["recording", "complete"])
def test_what_is_not_over_or_has_no_medium_is_refused(tmp_path: Path, state: str) -> None:
    film_session(tmp_path / "s")
    write_manifest(tmp_path / "s", {**read_manifest(tmp_path / "s"), "state": state})
    with pytest.raises(RecordingError, match="that has ended" if state == "recording" else "expected a medium"):
        again(tmp_path / "s")


def test_settings_are_the_recordings_unless_asked_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    film_session(folder)
    recorded = SessionConfig.load(None, window={"step": 0.25}, runtime={"threads": 7}).model_dump()
    write_manifest(folder, {**read_manifest(folder), "config": recorded})
    config = settings_of(folder, speech={"model": "none"})
    assert (config.window.step, config.speech.model, config.runtime) == (0.25, "none", CONFIG.runtime)
    (tmp_path / "own.toml").write_text("[window]\nduration = 3.0\n")
    config = settings_of(folder, tmp_path / "own.toml")
    assert (config.window.duration, config.window.step) == (3.0, CONFIG.window.step)
    write_manifest(folder, {**read_manifest(folder), "config": {"window": {"of_a_later_version": 1}}})
    assert settings_of(folder) == CONFIG


@pytest.mark.slow
def test_the_starter_reads_a_talker_again(tmp_path: Path) -> None:
    from dmd_runtime.streaming.toolbox import Toolbox as Real

    clip = shared("clips", "talkers", "talker_b.mp4")
    toolbox = Real.load(CONFIG, Assets(offline=True))
    session = Session(FileSource(clip, paced=False), toolbox, CONFIG, exact=True)
    recording = Recording(session, toolbox, CONFIG, tmp_path)
    session.run()
    folder = recording.finish()
    reanalyse(folder, toolbox, config=settings_of(folder))
    before, after = open_session(folder), open_analysis(folder, "starter")
    assert np.array_equal(before.readings.emotion, after.readings.emotion)
    assert [word.text for word in before.words] == [word.text for word in after.words]
    assert len(after.words) > 10
