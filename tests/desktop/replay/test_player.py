"""Playback: exact pictures, sound in step, threads that end, and no decoding on the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.replay.clock import PlaybackClock
from desktop.replay.player import Player
from dmd_runtime import FrameReader, Medium, SoundReader, VideoFrame, read_frame_number
from tests.desktop.replay.standins import LATENCY, FakeSpeaker, FakeTime
from tests.recording.replayable import RATE, pulses, uneven_times, write_media

TIMES = [t for t in uneven_times(400) if t < 8.0]
BLOCK = 320


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Medium:
    path = tmp_path_factory.mktemp("media") / "media.mkv"
    return Medium(path=write_media(path, TIMES, sound=pulses(8.0)), origin=Fraction(0))


class Stage:
    """A player with a clock and a loudspeaker in the test's hand, and the picture that it shows."""

    def __init__(self, medium: Medium | None, bot: QtBot, *, refuses: str = "") -> None:
        self.bot = bot
        self.time = FakeTime()
        self.speaker = FakeSpeaker(self.time, refuses=refuses)
        self.troubles: list[tuple[str, str]] = []
        self.shown: VideoFrame | None = None
        self.player = Player(medium, 8.0, output=self.speaker, clock=PlaybackClock(self.time))
        self.player.picture.connect(self._show)
        self.player.trouble.connect(lambda key, text: self.troubles.append((key, text)))
        if medium is not None:
            bot.waitUntil(lambda: self.player.timeline is not None)

    def _show(self, frame: VideoFrame) -> None:
        self.shown = frame

    def wait_for_picture(self, number: int) -> None:
        self.bot.waitUntil(lambda: self.shown is not None and self.shown.seq == number)
        assert self.shown is not None
        assert read_frame_number(self.shown.image) == number
        assert self.shown.t == pytest.approx(TIMES[number], abs=1e-6)

    def hear(self, blocks: int) -> np.ndarray:
        """Let so many blocks be asked for, in step with the machine's time."""
        out = []
        for _ in range(blocks):
            self.bot.waitUntil(lambda: self.player._sound is not None and self.player._sound._queue.seconds > 0.1)
            out.append(self.speaker.ask(BLOCK))
            self.time.advance(BLOCK / self.speaker.rate)
        return np.concatenate(out)


@pytest.fixture
def stage(medium: Medium, qtbot: QtBot) -> Iterator[Stage]:
    stage = Stage(medium, qtbot)
    yield stage
    stage.player.close()


def test_steps_go_from_one_recorded_time_to_the_next(stage: Stage) -> None:
    stage.player.seek(2.0)
    number = int(np.searchsorted(TIMES, 2.0, side="right")) - 1
    stage.wait_for_picture(number)
    for by in (1, 1, -1, -1, -1):
        stage.player.step(by)
        number += by
        assert stage.player.position == pytest.approx(TIMES[number])
        stage.wait_for_picture(number)


def test_steps_stop_at_the_ends(stage: Stage) -> None:
    stage.player.step(-1)
    assert stage.player.position == pytest.approx(TIMES[0])
    stage.player.seek(99.0)
    stage.player.step(1)
    stage.wait_for_picture(len(TIMES) - 1)


def test_the_last_of_many_wishes_is_shown(stage: Stage) -> None:
    for t in np.linspace(0.1, 7.9, 60):
        stage.player.scrub(float(t))
    stage.wait_for_picture(int(np.searchsorted(TIMES, 7.9, side="right")) - 1)
    assert not stage.player.playing


def test_pictures_and_clock_follow_what_is_heard(stage: Stage) -> None:
    stage.player.seek(1.0)
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    for _ in range(4):
        heard = stage.hear(20)
        loud = np.flatnonzero(np.abs(heard) > 0.3)
        if len(loud):  # a pulse of the sound is a multiple of half a second of the session
            begin = stage.time() - 20 * BLOCK / RATE + LATENCY
            t = stage.player.clock.now() + begin + loud[0] / RATE - stage.time()
            assert abs(t - round(t / 0.5) * 0.5) < 0.012
        now = stage.player.position
        stage.wait_for_picture(int(np.searchsorted(TIMES, now + 1e-6, side="right")) - 1)
    assert stage.player.position == pytest.approx(1.0 + 80 * BLOCK / RATE - LATENCY, abs=0.01)


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_at_any_speed_sound_and_clock_stay_together(stage: Stage, speed: float) -> None:
    stage.player.set_speed(speed)
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(10)
    before, machine = stage.player.position, stage.time()
    heard = stage.hear(60)
    passed = stage.time() - machine
    assert passed == pytest.approx(60 * BLOCK / RATE)
    assert (stage.player.position - before) / passed == pytest.approx(speed, rel=0.03)
    loud = np.flatnonzero(np.abs(heard) > 0.4)
    t = before + (loud / RATE + LATENCY) * speed
    away = np.abs(t - np.round(t / 0.5) * 0.5) - 0.01
    assert (away / speed < 0.04).all()


def test_a_seek_is_heard_at_once(stage: Stage) -> None:
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(10)
    stage.player.seek(5.0)
    heard = stage.hear(2)
    expected = pulses(8.0)[5 * RATE : 5 * RATE + 2 * BLOCK] / 32768
    assert np.abs(heard - expected).max() < 2e-3
    assert stage.player.position == pytest.approx(5.0, abs=0.05)


def test_a_pause_is_silent_and_stands(stage: Stage) -> None:
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(10)
    stage.player.pause()
    at = stage.player.position
    assert not stage.speaker.ask(BLOCK).any()
    stage.time.advance(1.0)
    assert stage.player.position == at


def test_a_loop_goes_back(stage: Stage) -> None:
    stage.player.set_loop((2.0, 2.2))
    stage.player.play()
    assert stage.player.position == pytest.approx(2.0)
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(5)
    stage.time.advance(0.3)
    stage.bot.waitUntil(lambda: stage.player.position < 2.19)
    assert stage.player.playing


def test_it_stands_at_the_end_and_begins_anew(stage: Stage) -> None:
    stage.player.seek(7.9)
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(2)
    stage.time.advance(60.0)
    stage.bot.waitUntil(lambda: not stage.player.playing)
    assert stage.player.position == stage.player.end
    stage.player.play()
    assert stage.player.position == pytest.approx(0.0, abs=0.01)


def test_without_a_loudspeaker_it_plays_silent_and_says_so(medium: Medium, qtbot: QtBot) -> None:
    stage = Stage(medium, qtbot, refuses="no loudspeaker here")
    stage.player.play()
    qtbot.waitUntil(lambda: ("sound", "no loudspeaker here") in stage.troubles)
    at = stage.player.position
    stage.time.advance(0.5)
    assert stage.player.position == pytest.approx(at + 0.5, abs=0.01)
    number = int(np.searchsorted(TIMES, stage.player.position + 1e-6, side="right")) - 1
    stage.wait_for_picture(number)
    stage.speaker.refuses = ""  # somebody plugs one in
    stage.player.pause()
    stage.player.play()
    qtbot.waitUntil(lambda: stage.troubles[-1] == ("sound", ""))
    stage.player.close()


def test_a_loudspeaker_that_goes_away_does_not_stop_it(stage: Stage) -> None:
    stage.player.play()
    stage.bot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(10)
    stage.speaker.on_end()
    stage.bot.waitUntil(lambda: stage.troubles[-1:] == [("sound", "the loudspeaker is gone")])
    at = stage.player.position
    stage.time.advance(1.0)
    assert stage.player.position == pytest.approx(at + 1.0, abs=0.01)


def test_time_alone_plays_too(qtbot: QtBot) -> None:
    stage = Stage(None, qtbot)
    stage.player.play()
    stage.time.advance(2.0)
    assert stage.player.position == pytest.approx(2.0)
    stage.player.step(1)
    assert stage.player.position == pytest.approx(2.04)
    stage.player.close()


def test_a_medium_without_sound_is_no_trouble(tmp_path: Path, qtbot: QtBot) -> None:
    silent = Medium(path=write_media(tmp_path / "silent.mkv", TIMES[:30]), origin=Fraction(0))
    stage = Stage(silent, qtbot)
    qtbot.waitUntil(lambda: stage.player._sound is not None and stage.player._sound.is_silent)
    stage.player.play()
    stage.time.advance(0.5)
    assert stage.player.position == pytest.approx(0.5, abs=0.01)
    assert stage.troubles == []
    stage.player.close()


def test_the_window_s_thread_never_decodes(medium: Medium, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    for kind, name in ((FrameReader, "__init__"), (FrameReader, "frame"), (SoundReader, "samples")):
        original = getattr(kind, name)

        def watched(*args: Any, _original: Any = original, **kwargs: Any) -> Any:
            threads.add(threading.get_ident())
            return _original(*args, **kwargs)

        monkeypatch.setattr(kind, name, watched)
    stage = Stage(medium, qtbot)
    stage.player.scrub(3.0)
    stage.wait_for_picture(int(np.searchsorted(TIMES, 3.0, side="right")) - 1)
    stage.player.play()
    qtbot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.hear(3)
    stage.player.close()
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_closing_ends_the_threads_and_gives_the_loudspeaker_back(medium: Medium, qtbot: QtBot) -> None:
    stage = Stage(medium, qtbot)
    pictures, sound = stage.player._pictures, stage.player._sound
    stage.player.play()
    qtbot.waitUntil(lambda: stage.speaker.opened == 1)
    stage.player.close()
    stage.player.close()
    assert pictures is not None
    assert sound is not None
    assert pictures.isFinished()
    assert sound.isFinished()
    assert stage.speaker.closed == 1
