"""A whole session on live devices: both go and come back, and nothing but the gap is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from desktop.capture.camera import CameraThread
from desktop.capture.devices import CameraChoice, MicrophoneChoice
from desktop.capture.live_source import CaptureEvent, DeviceSource
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.sound_track import SoundTrack
from dmd_runtime import AudioBlock, Clock, Message, Reading, Session, SessionConfig, SessionState, VideoFrame
from dmd_runtime.sources.synthetic import numbered_samples
from tests.desktop.capture.fake_devices import (
    QUICK,
    SOON,
    Collected,
    MicrophoneShop,
    check_tiling,
    frame_numbers,
    sample_numbers,
)
from tests.desktop.capture.mjpeg_server import MjpegServer
from tests.session_factory import FakeToolbox

SAMPLES = 533  # to a picture, 30 times a second


def devices(server: MjpegServer, shop: MicrophoneShop, events: Collected[CaptureEvent]) -> DeviceSource:
    """A real stream of pictures and a fake microphone."""

    def camera(choice: CameraChoice, sink: Callable[[VideoFrame], None], clock: Clock, first_seq: int) -> CameraThread:
        return CameraThread(choice, sink, clock, first_seq=first_seq, retry_every=0.1)

    def microphone(
        choice: MicrophoneChoice, sink: Callable[[AudioBlock], None], clock: Clock, track: SoundTrack
    ) -> MicrophoneThread:
        return MicrophoneThread(choice, sink, clock, track=track, open_microphone=shop, retry_every=QUICK)

    return DeviceSource(server.url, "mic", on_event=events, make_camera=camera, make_microphone=microphone)


def speak(session: Session, shop: MicrophoneShop, first: int, pictures: int) -> int:
    """Say numbered sound with each picture that comes; return the next sample's number."""
    came = threading.Semaphore(0)
    end = session.subscribe(lambda message: came.release() if isinstance(message, VideoFrame) else None)
    for n in range(pictures):
        assert came.acquire(timeout=SOON)
        shop.opened[-1].say(numbered_samples(first + SAMPLES * n, SAMPLES))
    end()
    return first + SAMPLES * pictures


def test_a_session_lives_through_both_devices_going_and_coming_back() -> None:
    shop, said, events = MicrophoneShop(), Collected[Message](), Collected[CaptureEvent]()
    with MjpegServer() as server:
        session = Session(devices(server, shop, events), FakeToolbox(), SessionConfig.load())  # type: ignore[arg-type]
        session.subscribe(said)
        session.start()
        try:
            spoken = speak(session, shop, 0, 75)
            said.wait_for(1, Reading)
            shop.problem = "Microphone “mic” is not connected."
            shop.opened[-1].on_end()
            server.unplug()
            events.wait_for(6)  # each was opened, unplugged, not found again
            assert session.state is SessionState.RUNNING
            shop.problem = ""
            server.plug()
            shop.wait_for_stream(2)
            readings = len(said.wait_for(1, Reading))
            speak(session, shop, spoken, 45)
            said.wait_for(readings + 1, Reading)
        finally:
            session.stop()
            assert session.wait(30)
    assert session.state is SessionState.COMPLETE
    blocks = [message for message in said.items if isinstance(message, AudioBlock)]
    frames = [message for message in said.items if isinstance(message, VideoFrame)]
    check_tiling(blocks)
    assert set(np.diff(sample_numbers(blocks)) % 2**15) == {1}
    assert session.counts.audio_lost == sum(block.lost for block in blocks) > 0
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    steps = np.diff(frame_numbers(frames))
    assert (steps >= 1).all()
    assert (steps > 1).sum() == 1, "one gap, and nothing else missing"
    assert session.counts.media_end == max(blocks[-1].end, frames[-1].t)
