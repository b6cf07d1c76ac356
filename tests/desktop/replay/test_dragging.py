"""While the play head is dragged the picture goes first; as soon as it rests everything is of that moment."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.models.replay import ReplayModel
from desktop.replay.player import Player
from desktop.replay.session import ReplaySession
from desktop.replay_page import ReplayPage
from dmd_runtime import FrameReader, Graph, Medium, VideoFrame, read_frame_number
from tests.desktop.looking import look
from tests.desktop.replay.standins import FakeSpeaker, FakeTime
from tests.recording.replayable import uneven_times, write_media, write_session

TIMES = [t for t in uneven_times(200) if t < 8.0]


@pytest.fixture
def page(tmp_path: Path, qtbot: QtBot, qapp: QApplication) -> Iterator[ReplayPage]:
    look(qapp, "dark")
    model = ReplayModel()
    model.machine = FakeTime()
    page, session = ReplayPage(model), ReplaySession(model, output=FakeSpeaker())
    qtbot.addWidget(page)
    page.show()
    with qtbot.waitSignal(session.opened):
        session.open(write_session(tmp_path / "ses-a"))
    yield page
    session.close()


def test_readings_and_words_follow_ten_times_a_second_and_at_rest(page: ReplayPage, qtbot: QtBot) -> None:
    model, machine = page.model, page.model.machine
    assert isinstance(machine, FakeTime)
    model.seek(2.0)
    machine.advance(1.0)
    model.scrub(3.0)
    assert model.reading is not None
    assert model.reading.span.end == 3.0
    machine.advance(0.03)
    model.scrub(4.5)
    assert model.position == 4.5
    assert model.reading.span.end == 3.0  # the picture first
    assert model.words.word == 10
    machine.advance(0.08)
    model.scrub(5.0)
    assert model.reading.span.end == 5.0
    model.scrub(4.0)
    qtbot.waitUntil(lambda: not model.is_dragged)  # it rests, the mouse still down
    assert model.reading.span.end == 4.0
    assert model.words.word == 13
    model.scrub(3.5)
    model.seek(2.5)  # let go
    assert not model.is_dragged
    assert model.reading.span.end == 2.5


def test_nothing_glides_while_it_is_dragged(page: ReplayPage, qtbot: QtBot) -> None:
    glides = [page.emotion.glide, *(page.graphs[graph].glide for graph in Graph)]
    page.model.scrub(3.0)
    assert all(glide.is_still for glide in glides)
    page.model.seek(3.0)
    assert not any(glide.is_still for glide in glides)


def test_a_reader_that_is_hurried_says_how_far_it_got(tmp_path: Path) -> None:
    medium = Medium(path=write_media(tmp_path / "media.mkv", TIMES, key_every=25), origin=Fraction(0))
    reader = FrameReader(medium)
    looks = iter((False, False, True))
    hurried = reader.frame(70, hurry=lambda: next(looks))
    assert (hurried.seq, read_frame_number(hurried.image)) == (52, 52)  # the third from the key picture, and it says so
    assert hurried.t == pytest.approx(TIMES[52], abs=1e-6)
    there = reader.frame(70)
    assert (there.seq, read_frame_number(there.image)) == (70, 70)
    reader.close()


@pytest.fixture
def player(tmp_path: Path, qtbot: QtBot) -> Iterator[Player]:
    medium = Medium(path=write_media(tmp_path / "media.mkv", TIMES, key_every=25), origin=Fraction(0))
    player = Player(medium, TIMES[-1], output=FakeSpeaker())
    yield player
    player.close()


def test_whoever_drags_sees_pictures_and_at_rest_the_very_one(player: Player, qtbot: QtBot) -> None:
    shown: list[VideoFrame] = []
    player.picture.connect(shown.append)
    qtbot.waitUntil(lambda: player.timeline is not None)
    for number in (10, 150, 40, 90, 160, 20, 120, 60, 149):
        player.scrub(TIMES[number])
    qtbot.waitUntil(lambda: bool(shown) and shown[-1].seq == 149)
    assert all(frame.seq < 0 or read_frame_number(frame.image) == frame.seq for frame in shown)
