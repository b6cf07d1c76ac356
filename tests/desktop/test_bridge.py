from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from desktop.bridge import SessionBridge
from dmd_runtime import AudioBlock, SessionConfig, SessionState, SpeechActivity, SyntheticSource, VideoFrame
from dmd_runtime.streaming.session import Session
from tests.messages_factory import reading
from tests.session_factory import FakeToolbox


@dataclass
class QuietSession:
    """A session that says what it is told to say."""

    state: SessionState = SessionState.RUNNING
    subscribers: list[Any] = field(default_factory=list)
    clock: Any = None
    over: bool = False

    def __post_init__(self) -> None:
        self.clock = self

    def now(self) -> float:
        return 1.0

    def wait(self, timeout: float | None = None) -> bool:
        return self.over

    def subscribe(self, take: Any) -> Any:
        self.subscribers.append(take)
        return lambda: self.subscribers.remove(take)

    def say(self, message: object) -> None:
        for take in list(self.subscribers):
            take(message)


def frame(seq: int) -> VideoFrame:
    return VideoFrame(seq=seq, t=seq / 30, image=np.zeros((2, 2, 3), np.uint8))


def attached(state: SessionState = SessionState.RUNNING) -> tuple[SessionBridge, QuietSession]:
    bridge, session = SessionBridge(), QuietSession(state)
    bridge.attach(session)  # type: ignore[arg-type]
    return bridge, session


def test_of_many_pictures_only_the_newest_reaches_the_window(qtbot: QtBot) -> None:
    bridge, session = attached()
    seen: list[int] = []
    bridge.frame.connect(lambda f: seen.append(f.seq))
    for seq in range(100):
        session.say(frame(seq))
    qtbot.waitUntil(lambda: bool(seen))
    with qtbot.waitSignal(bridge.ticked):
        pass
    assert seen == [99]
    bridge.detach()


def test_every_reading_reaches_the_window_in_order(qtbot: QtBot) -> None:
    bridge, session = attached()
    seen: list[int] = []
    bridge.reading.connect(lambda r: seen.append(r.index))
    for index in range(20):
        session.say(reading(index))
    qtbot.waitUntil(lambda: len(seen) == 20)
    assert seen == list(range(20))
    bridge.detach()


def test_nothing_of_a_session_comes_after_it_was_let_go(qtbot: QtBot) -> None:
    bridge, session = attached()
    seen: list[object] = []
    bridge.reading.connect(seen.append)
    session.say(reading())
    bridge.detach()
    assert session.subscribers == []
    other = QuietSession()
    bridge.attach(other)  # type: ignore[arg-type]
    with qtbot.waitSignal(bridge.ticked):
        pass
    assert seen == []
    bridge.detach()


def test_sound_at_full_scale_is_told(qtbot: QtBot) -> None:
    bridge, session = attached()
    loud = np.ones(512, np.float32)
    session.say(AudioBlock(seq=0, t=0.0, samples=loud, rate=16_000))
    with qtbot.waitSignal(bridge.activity) as told:
        session.say(SpeechActivity(spans=(), settled_until=0.0, speaking=True, level_db=0.0))
    assert told.args[1] is True
    bridge.detach()


def test_the_end_is_told_after_everything_else(qtbot: QtBot) -> None:
    bridge = SessionBridge()
    source = SyntheticSource(duration=4.0, size=(32, 16), paced=False)
    session = Session(source, FakeToolbox(), SessionConfig.load(), exact=True)  # type: ignore[arg-type]
    said: list[object] = []
    bridge.reading.connect(lambda r: said.append(r.index))
    bridge.ended.connect(lambda _: said.append("ended"))
    bridge.attach(session)
    session.start()
    qtbot.waitUntil(lambda: "ended" in said, timeout=20_000)
    assert said == [0, 1, 2, 3, 4, "ended"]
    assert bridge.session is None
    assert session.wait(10)


def test_a_moment_that_was_too_loud_is_told_though_softer_ones_follow(qtbot: QtBot) -> None:
    bridge, session = attached()
    told: list[bool] = []
    bridge.activity.connect(lambda _, clipping: told.append(clipping))
    for seq, level in enumerate((1.0, 0.0)):
        session.say(AudioBlock(seq=seq, t=seq * 0.032, samples=np.full(512, level, np.float32), rate=16_000))
        session.say(SpeechActivity(spans=(), settled_until=seq * 0.032, speaking=False, level_db=0.0))
    qtbot.waitUntil(lambda: bool(told))
    session.say(SpeechActivity(spans=(), settled_until=0.1, speaking=False, level_db=-120.0))
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told == [True, False]
    bridge.detach()


def test_time_is_told_from_when_it_runs(qtbot: QtBot) -> None:
    bridge, session = attached(SessionState.STARTING)
    told: list[str] = []
    bridge.began.connect(lambda _: told.append("began"))
    bridge.ticked.connect(lambda _: told.append("ticked"))
    for _ in range(4):
        bridge._tick()
    assert told == []
    session.state = SessionState.RUNNING
    qtbot.waitUntil(lambda: len(told) >= 3)
    session.state = SessionState.STOPPING
    before = len(told)
    qtbot.waitUntil(lambda: len(told) > before)
    assert told[0] == "began"
    assert set(told[1:]) == {"ticked"}
    bridge.detach()


def test_the_end_is_what_the_session_says_not_its_state(qtbot: QtBot) -> None:
    """The state may be FAILED, or fall back, while threads are still at work."""
    bridge, session = attached(SessionState.FAILED)
    ended: list[object] = []
    bridge.ended.connect(ended.append)
    bridge._tick()
    qtbot.wait(0)
    assert ended == []
    session.state, session.over = SessionState.STOPPING, True
    qtbot.waitUntil(lambda: ended == [session])
