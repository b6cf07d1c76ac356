"""Opening session folders for replay: in parts, off the window's thread, whatever is missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import dmd_runtime
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.replay.session import ReplaySession
from dmd_runtime import EDGES, Graph, Modality, open_session, read_frame_number
from tests.desktop.replay.standins import FakeSpeaker
from tests.recording.replayable import reading_line, write_session


@pytest.fixture
def model() -> ReplayModel:
    return ReplayModel()


@pytest.fixture
def session(model: ReplayModel) -> Iterator[ReplaySession]:
    session = ReplaySession(model, output=FakeSpeaker())
    yield session
    session.close()


def opened(session: ReplaySession, folder: Path, bot: QtBot) -> ReplayModel:
    with bot.waitSignal(session.opened):
        session.open(folder)
    bot.waitUntil(lambda: len(session.model.track.tiers) == 2)
    return session.model


def test_everything_of_a_session_is_there(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    model = opened(session, write_session(tmp_path / "ses-a", marks=["SYNTHETIC"]), qtbot)
    assert model.live.phase is Phase.RUNNING
    assert model.live.marks == ("SYNTHETIC",)
    assert model.track.end == pytest.approx(6.0, abs=0.05)
    assert model.words.text.text.startswith("word0 word1")
    assert [row.tier.name for row in model.track.tiers] == ["event", "task"]
    qtbot.waitUntil(lambda: model.live.frame is not None and model.live.face is not None)
    assert model.title == "p01 · a"


def test_the_picture_the_reading_and_the_word_are_those_of_the_play_head(
    session: ReplaySession, tmp_path: Path, qtbot: QtBot
) -> None:
    model = opened(session, write_session(tmp_path / "ses-a"), qtbot)
    recorded, player = open_session(tmp_path / "ses-a").readings, session.player
    assert player is not None
    qtbot.waitUntil(lambda: player.timeline is not None)  # before it is found, pictures have no number
    assert player.timeline is not None
    for t in (4.26, 2.0, 5.9, 3.49):
        model.seek(t)
        row = int(np.searchsorted(recorded.t1, t, side="right")) - 1
        assert model.reading is not None
        assert model.reading.span.end == recorded.t1[row]
        for graph in Graph:
            edges = model.graphs[graph].edges
            assert edges is not None
            assert [edges[edge] for edge in EDGES] == recorded.edges[graph][row].tolist()  # the tensor itself
        assert model.emotion.valid == (row != 3)
        assert model.words.word == int(t / 0.3 + 1e-6)
        number = player.timeline.index(t)
        qtbot.waitUntil(lambda number=number: model.frame_number == number)
        assert model.live.frame is not None
        assert abs(model.live.frame.t - t) < 0.13
        assert read_frame_number(model.live.frame.image) == number
    model.seek(0.5)
    assert model.reading is None  # no window had ended yet


def test_what_is_shown_does_not_depend_on_the_way_there(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    model = opened(session, write_session(tmp_path / "ses-a"), qtbot)
    seen = []
    for way in ((5.0,), (2.0, 3.0, 4.0, 4.6, 5.0), (6.0, 5.0)):
        for t in way:
            model.seek(t)
        _, history = model.graphs[Graph.HOMOGENEOUS].history(EDGES[0])
        seen.append((model.emotion.label, dict(model.emotion.shown), history.tolist()))
    assert seen[0][:2] == seen[1][:2] == seen[2][:2]
    assert len(seen[0][2]) == 7
    assert seen[0][2] == seen[2][2]


def test_a_medium_that_is_gone_leaves_the_tables(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    model = opened(session, write_session(tmp_path / "ses-a", media=False), qtbot)
    assert model.live.absent[Modality.VISUAL] == f"moved or deleted: {tmp_path / 'ses-a' / 'gone.mkv'}"
    assert model.track.end == pytest.approx(6.0, abs=0.1)
    model.seek(4.0)
    assert model.reading is not None
    model.toggle()
    assert model.transport is not None
    assert model.transport.playing


def test_no_session_is_said(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(session.failed):
        session.open(tmp_path / "nothing")
    assert session.model.live.phase is Phase.FAILED
    assert "session.json" in session.model.live.message
    write_session(tmp_path / "nothing")
    with qtbot.waitSignal(session.opened):
        session.model.retry_requested.emit()


def test_lines_that_cannot_be_read_are_a_notice(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    folder = write_session(tmp_path / "ses-a")
    with (folder / "words.jsonl").open("a") as file:
        file.write('{"t0": 1.0, "t1"')
    (folder / "annotations.json").write_text("{}")
    with qtbot.waitSignal(session.opened):
        session.open(folder)
    qtbot.waitUntil(lambda: {"tables", "annotations"} <= set(session.model.live.notices))
    assert "words.jsonl" in session.model.live.notices["tables"].text
    assert len(session.model.words.text) == 20


def test_the_last_folder_wins(session: ReplaySession, tmp_path: Path, qtbot: QtBot) -> None:
    first, last = write_session(tmp_path / "ses-a"), write_session(tmp_path / "ses-b", media=False, seconds=4.0)
    session.open(first)
    model = opened(session, last, qtbot)
    assert model.folder == last
    assert model.track.end == pytest.approx(4.0, abs=0.1)
    assert model.live.frame is None


def test_closing_while_it_opens_leaves_nothing(session: ReplaySession, tmp_path: Path) -> None:
    session.open(write_session(tmp_path / "ses-a"))
    session.close()
    assert session.model.live.phase is Phase.EMPTY
    assert not [thread for thread in session._loaders if thread.isRunning()]


def test_another_analysis_has_its_own_readings_and_words(
    session: ReplaySession, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = write_session(tmp_path / "ses-a"), write_session(tmp_path / "other", media=False)
    lines = [reading_line(i) | {"sentiment": 2.5} for i in range(8)]
    (other / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    said = [{"t0": 1.0, "t1": 1.2, "text": "another", "p": 1}, {"t0": 1.2, "t1": 1.5, "text": "word", "p": 1}]
    (other / "words.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    (folder / "derived" / "analyses").mkdir(parents=True)

    class Named:
        name = "bigger"

    monkeypatch.setattr(dmd_runtime, "analyses", lambda _: [Named()])
    monkeypatch.setattr(dmd_runtime, "open_analysis", lambda _, name: open_session(other))
    model = opened(session, folder, qtbot)
    assert model.analyses == ("", "bigger")
    model.seek(4.0)
    before, tiers = model.words.text, model.track.tiers
    model.analysis_requested.emit("bigger")
    qtbot.waitUntil(lambda: model.analysis == "bigger")
    assert model.emotion.raw_sentiment == 2.5
    assert model.words.text.text == "another word"
    assert model.track.tiers is tiers  # what somebody said is of the session, not of an analysis
    model.analysis_requested.emit("")
    qtbot.waitUntil(lambda: model.analysis == "")
    assert model.emotion.raw_sentiment != 2.5
    assert model.words.text.text == before.text


def test_tables_are_read_on_another_thread(
    session: ReplaySession, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmd_runtime.recording import reader

    threads: set[int] = set()
    original = reader.read_lines

    def watched(*arguments: object) -> object:
        threads.add(threading.get_ident())
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "read_lines", watched)
    opened(session, write_session(tmp_path / "ses-a"), qtbot)
    assert threads
    assert threading.get_ident() not in threads
