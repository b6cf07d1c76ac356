"""Camera and microphone as one source: either may be missing, go, come back, be exchanged; both end in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from desktop.capture import live_source
from desktop.capture.camera import CameraThread
from desktop.capture.devices import CameraChoice, MicrophoneChoice
from desktop.capture.live_source import CaptureEvent, DeviceSource
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.sound_track import SoundTrack
from dmd_runtime import ANALYSIS_RATE, AudioBlock, Clock, DeviceError, Source, VideoFrame
from dmd_runtime.sources.synthetic import numbered_samples
from tests.desktop.capture.fake_devices import (
    QUICK,
    SOON,
    CameraShop,
    Collected,
    MicrophoneShop,
    WakingCameraThread,
    check_tiling,
    frame_numbers,
    sample_numbers,
)
from tests.factories import FakeClock

RATE = ANALYSIS_RATE


@dataclass
class Stage:
    """A source that runs on a thread of its own, with fake devices."""

    cameras: CameraShop = field(default_factory=CameraShop)
    microphones: MicrophoneShop = field(default_factory=MicrophoneShop)
    clock: FakeClock = field(default_factory=lambda: FakeClock(t=1.0))
    frames: Collected[VideoFrame] = field(default_factory=Collected)
    blocks: Collected[AudioBlock] = field(default_factory=Collected)
    events: Collected[CaptureEvent] = field(default_factory=Collected)
    stop: threading.Event = field(default_factory=threading.Event)
    ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.video: Callable[[VideoFrame], None] = self.frames
        self.audio: Callable[[AudioBlock], None] = self.blocks
        self.thread: threading.Thread | None = None

    def source(self, camera: str | None = "cam", microphone: str | None = "mic") -> DeviceSource:
        return DeviceSource(
            camera,
            microphone,
            on_event=self.events,
            make_camera=self._camera,
            make_microphone=self._microphone,
        )

    def run(self, source: DeviceSource) -> DeviceSource:
        def deliver() -> None:
            self.ends.append(source.run(self, self.clock, self.stop))

        self.thread = threading.Thread(target=deliver, name="dmd-source")
        self.thread.start()
        return source

    def end(self) -> float:
        self.stop.set()
        assert self.thread is not None
        self.thread.join(SOON)
        assert not self.thread.is_alive()
        return self.ends[0]

    def _camera(
        self, choice: CameraChoice, sink: Callable[[VideoFrame], None], clock: Clock, first_seq: int
    ) -> CameraThread:
        return WakingCameraThread(choice, sink, clock, first_seq=first_seq, open_camera=self.cameras, retry_every=QUICK)

    def _microphone(
        self, choice: MicrophoneChoice, sink: Callable[[AudioBlock], None], clock: Clock, track: SoundTrack
    ) -> MicrophoneThread:
        return MicrophoneThread(choice, sink, clock, track=track, open_microphone=self.microphones, retry_every=QUICK)

    def said(self, kind: str) -> list[str]:
        return [f"{event.state} {event.text}".strip() for event in self.events.items if event.kind == kind]


@pytest.fixture
def stage() -> Iterator[Stage]:
    before = threading.enumerate()
    stage = Stage()
    yield stage
    if stage.thread is not None:
        stage.end()
    assert threading.enumerate() == before


def test_both_deliver_each_on_its_thread(stage: Stage) -> None:
    source: Source = stage.run(stage.source())
    stage.cameras.wait_for_camera()
    stream = stage.microphones.wait_for_stream()
    for n in range(10):
        stage.clock.advance(512 / RATE)
        stream.say(numbered_samples(512 * n, 512))
        stage.cameras.give(n)
        stage.frames.wait_for(n + 1)
    stage.blocks.wait_for(10)
    end = stage.end()
    assert frame_numbers(stage.frames.items) == list(range(10))
    assert sample_numbers(stage.blocks.items) == list(range(5120))
    assert len(stage.frames.threads | stage.blocks.threads) == 2
    assert end == max(stage.frames.items[-1].t, stage.blocks.items[-1].end)
    assert (stage.said("camera"), stage.said("microphone")) == (["opened cam is open"], ["opened mic! is open"])
    assert stage.cameras.opened[0].closed == stage.microphones.opened[0].closed == 1
    source.close()
    source.close()


def test_what_is_known_beforehand(stage: Stage) -> None:
    info = stage.source("http://127.0.0.1:1/video", "Yeti").info
    assert (info.kind, info.name) == ("device", "http://127.0.0.1:1/video + Yeti")
    assert (info.has_video, info.has_audio, info.duration, info.media, info.marks) == (True, True, None, None, ())
    assert info.details == {
        "camera": {"name": "http://127.0.0.1:1/video", "kind": "url"},
        "microphone": {"name": "Yeti", "kind": "name"},
    }
    alone = stage.source("none", "default").info
    assert (alone.has_video, alone.has_audio) == (False, True)
    assert alone.details == {"microphone": {"name": "default microphone", "kind": "default"}}


def test_a_password_is_not_stored(stage: Stage) -> None:
    assert "secret" not in repr(stage.source("http://me:secret@127.0.0.1:1/video").info)


@pytest.mark.slow
def test_a_hundred_exchanges_leave_nothing_behind(stage: Stage) -> None:
    source = stage.run(stage.source())
    threads = len(threading.enumerate())
    for n in range(100):
        stage.microphones.wait_for_stream(n + 1)
        stage.cameras.wait_for_camera(n + 1)
        stage.cameras.give(n)
        stage.frames.wait_for(n + 1)
        source.choose_camera(f"cam {n}")
        source.choose_microphone(f"mic {n}")
    stage.cameras.wait_for_camera(101)
    stage.microphones.wait_for_stream(101)
    assert len(threading.enumerate()) <= threads + 2
    assert [camera.closed for camera in stage.cameras.opened] == [1] * 100 + [0]
    assert [stream.closed for stream in stage.microphones.opened] == [1] * 100 + [0]
    assert frame_numbers(stage.frames.items) == list(range(100))


def test_making_one_touches_no_device(stage: Stage) -> None:
    DeviceSource("camera", "default")
    stage.source().close()
    assert (stage.cameras.attempts, stage.microphones.names) == (0, [])


def test_a_missing_device_is_told_and_the_other_goes_on(stage: Stage) -> None:
    stage.microphones.problem = "Microphone “mic” is not connected."
    stage.run(stage.source())
    stage.cameras.wait_for_camera()
    stage.cameras.give(0, 1, 2)
    stage.frames.wait_for(3)
    stage.microphones.wait_for_attempts(3)
    assert stage.said("microphone") == ["trouble Microphone “mic” is not connected."]
    stage.microphones.problem = ""
    stage.microphones.wait_for_stream().say(numbered_samples(0, 512))
    stage.events.wait_for(4)
    stage.blocks.wait_for(1)
    assert stage.said("microphone")[1:] == ["opened mic! is open", "recovered"]


def test_another_camera_goes_on_counting(stage: Stage) -> None:
    source = stage.run(stage.source())
    stage.cameras.wait_for_camera()
    stage.cameras.give(0, 1)
    stage.frames.wait_for(2)
    old = stage.cameras.opened[0]
    source.choose_camera("other")
    stage.cameras.wait_for_camera(2)
    stage.clock.advance(2.0)
    stage.cameras.give(7, 8)
    stage.frames.wait_for(4)
    assert [frame.seq for frame in stage.frames.items] == [0, 1, 2, 3]
    assert frame_numbers(stage.frames.items) == [0, 1, 7, 8]
    assert (old.closed, stage.cameras.opened[1].choice.name) == (1, "other")
    assert source.info.name == "other + mic"
    assert [line for line in stage.said("camera") if line.startswith("opened")] == [
        "opened cam is open",
        "opened other is open",
    ]


def test_another_microphone_goes_on_in_the_same_time(stage: Stage) -> None:
    source = stage.run(stage.source())
    stage.clock.advance(0.1)
    stage.microphones.wait_for_stream().say(numbered_samples(0, 1600))
    stage.blocks.wait_for(3)
    source.choose_microphone(MicrophoneChoice(name="other"))
    second = stage.microphones.wait_for_stream(2)
    assert stage.microphones.opened[0].closed == 1
    stage.clock.advance(3.0)
    second.say(numbered_samples(5000, 1600))
    stage.blocks.wait_for(7)
    stage.end()
    check_tiling(stage.blocks.items)
    assert sample_numbers(stage.blocks.items) == [*range(1600), *range(5000, 6600)]
    assert sum(block.lost for block in stage.blocks.items) == 3 * RATE - 1600
    assert source.sound.clock.t == pytest.approx(stage.clock.t)
    assert stage.microphones.names == ["mic", "other"]


def test_a_device_can_be_taken_away_and_given_back(stage: Stage) -> None:
    source = stage.run(stage.source())
    stage.cameras.wait_for_camera()
    stage.cameras.give(0)
    stage.frames.wait_for(1)
    source.choose_camera(None)
    source.choose_camera("cam")
    stage.cameras.wait_for_camera(2)
    stage.cameras.give(5)
    assert [frame.seq for frame in stage.frames.wait_for(2)] == [0, 1]
    assert source.info.has_video


@pytest.mark.parametrize("kind", ["camera", "microphone"])
def test_what_the_session_began_without_cannot_be_added(kind: str, stage: Stage) -> None:
    """Its stages have already been told that there is none."""
    source = stage.source("none" if kind == "camera" else "cam", "none" if kind == "microphone" else "mic")
    choose = source.choose_camera if kind == "camera" else source.choose_microphone
    with pytest.raises(DeviceError, match=f"began without a {kind}"):
        choose("other")
    choose("none")


def test_a_device_that_gives_nothing_is_told_by_the_source(stage: Stage) -> None:
    stage.run(stage.source(microphone=None))
    stage.cameras.wait_for_camera()
    stage.cameras.give(0)
    stage.frames.wait_for(1)
    stage.events.wait_for(1)
    stage.clock.advance(60.0)
    stage.events.wait_for(2)
    assert stage.said("camera")[1] == "trouble Camera “cam” gives no pictures."


def test_neither_device_is_an_error(stage: Stage) -> None:
    with pytest.raises(DeviceError, match="Choose a camera or a microphone"):
        stage.source("none", None).run(stage, stage.clock, stage.stop)


def test_it_runs_once(stage: Stage) -> None:
    source = stage.source()
    stage.stop.set()
    assert source.run(stage, stage.clock, stage.stop) == 0.0
    with pytest.raises(DeviceError, match="one run"):
        source.run(stage, stage.clock, stage.stop)


def test_closing_ends_a_run(stage: Stage) -> None:
    source = stage.run(stage.source(camera=None))
    stage.microphones.wait_for_stream()
    source.close()
    assert stage.thread is not None
    stage.thread.join(SOON)
    assert not stage.thread.is_alive()


def test_a_listener_that_fails_ends_nothing(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    source = stage.source(microphone=None)
    failed = threading.Event()

    def fail(event: CaptureEvent) -> None:
        failed.set()
        raise RuntimeError("window gone")

    source._on_event = fail
    stage.run(source)
    stage.cameras.wait_for_camera()
    stage.cameras.give(0, 1)
    stage.frames.wait_for(2)
    assert failed.is_set()
    assert "window gone" in caplog.text


def test_a_camera_left_behind_is_not_heard_and_another_takes_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CameraThread.stop, "__defaults__", (50,))
    stage.cameras = CameraShop(aborts=False)
    source = stage.run(stage.source(microphone=None))
    hung = stage.cameras.wait_for_camera()
    assert hung.reading.wait(SOON)
    thread = source._camera_thread
    source.choose_camera("other")
    stage.cameras.wait_for_camera(2)
    hung.pictures.put(None)
    assert thread is not None
    assert thread.wait(5000)
    stage.cameras.give(1)
    assert frame_numbers(stage.frames.wait_for(1)) == [1]
    assert stage.events.wait_for(1)[0].text == "other is open"
    stage.stop.set()  # first: the thread would else take None for an unplugged camera and open a third one
    stage.cameras.opened[1].pictures.put(None)  # which abort() does not


def test_without_an_application_it_refuses(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_source.QCoreApplication, "instance", lambda: None)
    with pytest.raises(DeviceError, match="need a QCoreApplication"):
        stage.source().run(stage, stage.clock, stage.stop)
