from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import SourceError, StageError
from dmd_runtime.messages import AudioBlock, Failure, Health, Message, Reading, VideoFrame, Word
from dmd_runtime.modality import EDGES, Graph
from dmd_runtime.sources.base import MediaSink
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session, SessionState
from tests.messages_factory import A, L, V
from tests.session_factory import FakeFaces, FakeHearing, FakeToolbox

CONFIG = SessionConfig.load()


class Heard:
    """Keeps every message of a session."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        self.messages.append(message)

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]


def session(toolbox: FakeToolbox | None = None, source: Any = None, *, exact: bool = True) -> tuple[Session, Heard]:
    source = source or SyntheticSource(duration=5.0, size=(32, 16), paced=False)
    made = Session(source, toolbox or FakeToolbox(), CONFIG, exact=exact)  # type: ignore[arg-type]
    heard = Heard()
    made.subscribe(heard)
    return made, heard


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dmd-")]


class Endless(SyntheticSource):
    """Delivers until it is told to stop."""

    def __init__(self, do: Callable[[MediaSink], None] = lambda sink: None) -> None:
        super().__init__(duration=5.0, size=(32, 16), paced=False)
        self.do = do
        self.running = Event()
        self.closed = 0

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        super().run(sink, clock, stop)
        self.do(sink)
        self.running.set()
        assert stop.wait(30)
        return 5.0

    def close(self) -> None:
        self.closed += 1


def test_there_is_a_reading_at_every_step_with_both_graphs() -> None:
    made, heard = session()
    made.run()
    readings: list[Reading] = heard.of(Reading)
    assert [r.span.end for r in readings] == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    for reading in readings:
        assert reading.valid
        assert reading.provenance.marks == ("UNTRAINED", "SYNTHETIC")
        for graph in Graph:
            edges = reading.edges[graph]
            assert edges is not None
            assert tuple(edges) == EDGES
            assert sum(edges.values()) == pytest.approx(1.0)
    assert made.state is SessionState.COMPLETE


def test_words_are_published_once_and_know_whether_a_face_was_there() -> None:
    made, heard = session(FakeToolbox(faces=FakeFaces(until=2.0)))
    made.run()
    assert [word.speaker_visible for word in heard.of(Word)] == [True, True, False, False]


def test_an_exact_run_is_a_pure_function_of_the_source() -> None:
    first, second = (session() for _ in range(2))
    for made, _ in (first, second):
        made.run()
    assert [replace(r, made_at=0.0) for r in first[1].of(Reading)] == [
        replace(r, made_at=0.0) for r in second[1].of(Reading)
    ]


def test_no_face_is_missing_and_not_neutral() -> None:
    made, heard = session(FakeToolbox(faces=FakeFaces(until=-1.0)))
    made.run()
    last = heard.of(Reading)[-1]
    assert last.coverage[V] == 0.0
    assert last.unimodal[Graph.HETEROGENEOUS][V] is None
    assert last.edges[Graph.HOMOGENEOUS][EDGES[0]] == 0.0  # vision teaches language
    assert "no face" in last.reason


@pytest.mark.parametrize(("video", "audio", "absent"), [(True, False, {A, L}), (False, True, {V})])
def test_a_source_without_pictures_or_sound_runs_with_the_rest(video: bool, audio: bool, absent: set) -> None:
    source = SyntheticSource(duration=3.0, size=(32, 16), paced=False, video=video, audio=audio)
    made, heard = session(source=source)
    made.run()
    assert set(made.absent) == absent
    readings = heard.of(Reading)
    assert len(readings) == 3
    assert all(r.unimodal[Graph.HOMOGENEOUS][m] is None for r in readings for m in absent)


def test_no_thread_is_left_after_twenty_sessions() -> None:
    toolbox = FakeToolbox()
    for _ in range(20):
        made, heard = session(replace(toolbox, faces=FakeFaces(), hearing=FakeHearing()))
        made.run()
        assert heard.of(Reading)
    assert own_threads() == []


def test_stop_ends_a_running_session_and_closes_its_source() -> None:
    source = Endless()
    made, _ = session(source=source, exact=False)
    made.start()
    assert source.running.wait(30)
    made.stop()
    made.stop()
    assert made.wait(30)
    assert made.state is SessionState.COMPLETE
    assert source.closed == 1
    assert own_threads() == []


def test_stop_while_the_models_are_still_opening() -> None:
    opening = Event()
    source = Endless()
    made, _ = session(FakeToolbox(faces=FakeFaces(opening=opening)), source)
    made.start()
    assert made.state is SessionState.STARTING
    made.stop()
    opening.set()
    assert made.wait(30)
    assert made.state is SessionState.COMPLETE


def test_a_session_starts_once() -> None:
    made, _ = session()
    made.run()
    with pytest.raises(StageError, match="starts once"):
        made.start()


@pytest.mark.parametrize("faces", [FakeFaces(dies_at=40), FakeFaces(fails_to_open=True)])
def test_a_dead_stage_is_told_and_the_rest_goes_on(faces: FakeFaces, caplog: pytest.LogCaptureFixture) -> None:
    made, heard = session(FakeToolbox(faces=faces))
    with pytest.raises(StageError, match="stage visual stopped"):
        made.run()
    (failure,) = heard.of(Failure)
    assert failure.stage == "visual"
    assert [r.span.end for r in heard.of(Reading)][-1] == 5.0
    assert heard.of(Reading)[-1].unimodal[Graph.HOMOGENEOUS][A] is not None
    assert made.state is SessionState.FAILED
    assert own_threads() == []


def test_without_its_ears_a_session_still_sees(caplog: pytest.LogCaptureFixture) -> None:
    made, heard = session(FakeToolbox(hearing=FakeHearing(dies=True)))
    with pytest.raises(StageError, match="stage sound stopped"):
        made.run()
    assert [r.span.end for r in heard.of(Reading)][-1] == 5.0
    assert heard.of(Reading)[-1].unimodal[Graph.HOMOGENEOUS][V] is not None


def test_without_its_model_a_session_ends(caplog: pytest.LogCaptureFixture) -> None:
    made, heard = session(FakeToolbox(broken_model=True))
    with pytest.raises(StageError, match="stage reading stopped: the model broke"):
        made.run()
    assert heard.of(Reading) == []
    assert own_threads() == []


def test_what_a_broken_source_gave_before_is_published() -> None:
    def break_off(sink: MediaSink) -> None:
        raise SourceError("clip.mkv: broke off")

    made, heard = session(source=Endless(break_off))
    with pytest.raises(SourceError, match="broke off"):
        made.run()
    assert heard.of(Reading)
    assert made.state is SessionState.FAILED


def test_a_subscriber_that_fails_is_dropped_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    made, heard = session()

    def fails(message: Message) -> None:
        raise RuntimeError("no disk")

    made.subscribe(fails)
    with caplog.at_level(logging.ERROR):
        made.run()
    assert len(heard.of(Reading)) == 7
    assert sum("failed and is dropped" in record.message for record in caplog.records) >= 1


def test_unsubscribing_ends_the_messages() -> None:
    made, heard = session()
    second = Heard()
    made.subscribe(second)()
    made.run()
    assert heard.messages
    assert second.messages == []


def test_sound_that_finds_no_room_is_lost_and_counted_never_silence() -> None:
    hold = Event()
    hearing = FakeHearing(hold=hold)
    source = _Flood(hold)
    made, _ = session(FakeToolbox(hearing=hearing), source, exact=False)
    made.run()
    assert made.counts.audio_lost > 0
    assert hearing.lost == made.counts.audio_lost
    assert hearing.samples + hearing.lost == source.samples


class _Flood(SyntheticSource):
    """Thirty seconds of sound at once, then a little more when there is room again."""

    def __init__(self, hold: Event) -> None:
        super().__init__(duration=30.0, size=(32, 16), paced=False, video=False)
        self._hold = hold
        self.samples = 0

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        end = super().run(_Counting(sink, self), clock, stop)
        self._hold.set()
        assert isinstance(sink, Session)
        while sink.sound.channel.depth:
            stop.wait(0.001)
        more = SyntheticSource(duration=1.0, paced=False, video=False)
        return more.run(_Counting(sink, self, after=end), clock, stop) + end


class _Counting:
    """Hands on, counts samples, moves times."""

    def __init__(self, sink: MediaSink, source: _Flood, after: float = 0.0) -> None:
        self.sink, self.source, self.after = sink, source, after

    def video(self, frame: VideoFrame) -> None:
        self.sink.video(frame)

    def audio(self, block: AudioBlock) -> None:
        self.source.samples += len(block.samples)
        self.sink.audio(replace(block, t=block.t + self.after))


def test_sound_lost_at_the_very_end_is_counted_too() -> None:
    hold = Event()
    source = SyntheticSource(duration=30.0, paced=False, video=False)
    made, _ = session(FakeToolbox(hearing=FakeHearing(hold=hold)), source, exact=False)
    made.start()
    made._source_thread.join(30)
    hold.set()
    assert made.wait(30)
    assert made.counts.audio_samples + made.counts.audio_lost == 30 * 16_000


@pytest.mark.parametrize("exact", [True, False])
def test_no_window_ends_after_the_medium_though_everything_is_settled_for_ever(
    exact: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = SyntheticSource(duration=3.0, size=(32, 16), paced=False, audio=False)
    made, heard = session(FakeToolbox(faces=FakeFaces(dies_at=40)), source, exact=exact)
    with pytest.raises(StageError, match="visual"):
        made.run()
    assert [r.span.end for r in heard.of(Reading)] == [2.0, 2.5, 3.0]


def test_what_a_source_gave_before_it_broke_is_read_to_its_end() -> None:
    class Breaking(SyntheticSource):
        def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
            super().run(sink, clock, stop)
            raise SourceError("clip.mkv: broke off")

    made, heard = session(source=Breaking(duration=20.0, size=(32, 16), paced=False))
    with pytest.raises(SourceError):
        made.run()
    assert heard.of(Reading)[-1].span.end >= 19.5


def test_listeners_are_told_of_the_sources_own_losses_only() -> None:
    hold = Event()
    source = _Flood(hold)
    made, heard = session(FakeToolbox(hearing=FakeHearing(hold=hold)), source, exact=False)
    made.run()
    assert made.counts.audio_lost > 0
    assert sum(block.lost for block in heard.of(AudioBlock)) == 0
    assert sum(len(block.samples) for block in heard.of(AudioBlock)) == source.samples


def test_a_stage_that_does_not_finish_fails_the_session_and_is_not_heard_afterwards(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dmd_runtime.streaming.session._JOIN", 0.05)
    hold = Event()
    made, heard = session(FakeToolbox(hearing=FakeHearing(hold=hold)), exact=False)
    with pytest.raises(StageError, match="stage sound did not finish in time"):
        made.run()
    before = len(heard.messages)
    hold.set()
    assert made.sound.join(30)
    assert len(heard.messages) == before
    assert made.state is SessionState.FAILED


def test_a_session_that_has_ended_stays_ended() -> None:
    made, _ = session()
    made.run()
    made.stop()
    assert made.state is SessionState.COMPLETE


def test_a_source_that_cannot_be_closed_is_no_reason_to_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(SyntheticSource):
        def close(self) -> None:
            raise OSError("device is busy")

    made, heard = session(source=Stuck(duration=3.0, size=(32, 16), paced=False))
    with pytest.raises(StageError, match="ending failed: device is busy"):
        made.run()
    assert len(heard.of(Reading)) == 3


def test_words_do_not_wait_where_there_is_no_vision() -> None:
    made, heard = session(source=SyntheticSource(duration=5.0, paced=False, video=False))
    made.run()
    kinds = [type(m) for m in heard.messages if isinstance(m, Word | Reading)]
    assert kinds.index(Word) < len(kinds) - 1 - kinds[::-1].index(Reading)
    assert {word.speaker_visible for word in heard.of(Word)} == {None}


def test_what_a_paced_source_left_out_is_counted() -> None:
    class Late(SyntheticSource):
        counters = {"skipped": 62}  # noqa: RUF012

    made, _ = session(source=Late(duration=3.0, size=(32, 16), paced=False))
    made.run()
    assert made.counts.as_dict()["frames_skipped"] == 62


def test_pictures_dropped_under_load_are_told_to_the_extractor_as_due() -> None:
    faces = FakeFaces()
    made, _ = session(FakeToolbox(faces=faces), exact=False)
    made.run()
    assert made.counts.frames == 150
    expected = [k / 30 for k in range(0, 150, 2)]
    assert faces.due == pytest.approx(expected)  # 15 Hz, whether measured or dropped


def test_a_live_session_tells_its_health_and_an_exact_one_nothing() -> None:
    source = Endless()
    made, heard = session(source=source, exact=False)
    seen = Event()
    made.subscribe(lambda m: seen.set() if isinstance(m, Health) else None)
    made.start()
    assert seen.wait(30)
    made.stop()
    assert made.wait(30)
    (health, *_) = heard.of(Health)
    assert set(health.stages) == {"visual", "sound", "words", "reading"}
    exact, quiet = session()
    exact.run()
    assert quiet.of(Health) == []
