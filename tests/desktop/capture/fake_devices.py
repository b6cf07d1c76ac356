"""Cameras and microphones that tests plug, unplug and hang, and what listens to them."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
from PySide6.QtCore import Qt

from desktop.capture.camera import CameraThread
from desktop.capture.devices import CameraChoice, MicrophoneChoice
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.opencv import CameraFormat, Picture
from desktop.capture.sound_input import OnChunk, Sound
from desktop.capture.sound_track import SoundTrack
from desktop.capture.thread import CaptureThread
from dmd_runtime import AudioBlock, Clock, DeviceError, VideoFrame
from dmd_runtime.sources.synthetic import frame_image, read_frame_number, read_sample_numbers

SOON = 10.0
"""Seconds that a test waits for what should come at once."""
QUICK = 0.005
"""Seconds between attempts to open a fake device."""
CHUNK = 512
Item = TypeVar("Item")


@dataclass
class FakeCamera:
    """Gives the numbered pictures that :class:`CameraShop` hands it; None unplugs it."""

    choice: CameraChoice
    interval: float | None = None
    aborts: bool = True
    description: str = ""
    closed: int = 0
    pictures: queue.Queue[Picture | None] = field(default_factory=queue.Queue)
    reading: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Picture | None:
        self.reading.set()
        return self.pictures.get(timeout=60)

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        if self.aborts:
            self.pictures.put(None)


class CameraShop:
    """Opens fake cameras, or says why not.

    Attributes
    ----------
    problem : str
        Raised by every attempt to open while it is not empty.
    opened : list of FakeCamera
    """

    def __init__(self, *, interval: float | None = None, aborts: bool = True) -> None:
        self.problem = ""
        self.opened: list[FakeCamera] = []
        self.attempts = 0
        self._interval = interval
        self._aborts = aborts
        self._changed = threading.Condition()

    def __call__(self, choice: CameraChoice, asked: CameraFormat) -> FakeCamera:
        with self._changed:
            self.attempts += 1
            self._changed.notify_all()
            if self.problem:
                raise DeviceError(self.problem)
            found = replace(choice, kind="name", address=f"{choice.name}!")
            camera = FakeCamera(found, self._interval, self._aborts, f"{choice.name} is open")
            self.opened.append(camera)
            return camera

    def wait_for_attempts(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.attempts >= count, SOON), f"{self.attempts} attempts"

    def wait_for_camera(self, count: int = 1) -> FakeCamera:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.opened) >= count, SOON), f"{len(self.opened)} opened"
            return self.opened[count - 1]

    def give(self, *numbers: int) -> None:
        """Let the camera that was opened last give these pictures."""
        for number in numbers:
            self.opened[-1].pictures.put(frame_image(number, (64, 48)))

    def end(self, thread: CameraThread) -> bool:
        """Stop a thread whose camera may wait for a picture."""
        thread.interrupt()
        for camera in self.opened:
            camera.abort()
        return thread.stop()

    def unplug(self, problem: str = "not connected") -> None:
        self.problem = problem
        self.opened[-1].pictures.put(None)


@dataclass
class FakeStream:
    """What :class:`MicrophoneShop` opens; the test plays PortAudio's thread."""

    name: str
    rate: int
    channels: int
    on_chunk: OnChunk
    on_end: Callable[[], None]
    description: str = ""
    closed: int = 0

    def close(self) -> None:
        self.closed += 1

    def say(self, samples: Sound, *, overrun: bool = False) -> None:
        """Hand over float32 (n,) that was captured just now, on every channel."""
        sound = np.repeat(samples[:, None], self.channels, axis=1)
        self.on_chunk(sound, len(samples) / self.rate, overrun)
        sound.fill(np.nan)  # as PortAudio's buffer, it is valid during the call only


class MicrophoneShop:
    """Opens fake microphones, or says why not; see :class:`CameraShop`."""

    def __init__(self, rate: int = 16_000, channels: int = 1) -> None:
        self.problem = ""
        self.opened: list[FakeStream] = []
        self.names: list[str | None] = []
        self.rate = rate
        self._channels = channels
        self._changed = threading.Condition()

    def __call__(self, name: str | None, on_chunk: OnChunk, on_end: Callable[[], None]) -> FakeStream:
        with self._changed:
            self.names.append(name)
            self._changed.notify_all()
            if self.problem:
                raise DeviceError(self.problem)
            full = f"{name}!" if name is not None and not name.endswith("!") else name or "default"
            stream = FakeStream(full, self.rate, self._channels, on_chunk, on_end, f"{full} is open")
            self.opened.append(stream)
            return stream

    def wait_for_attempts(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.names) >= count, SOON), f"{len(self.names)} attempts"

    def wait_for_stream(self, count: int = 1) -> FakeStream:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.opened) >= count, SOON), f"{len(self.opened)} opened"
            return self.opened[count - 1]


class Collected(Generic[Item]):
    """A sink that can be waited for."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.threads: set[int] = set()
        self._came = threading.Condition()

    def __call__(self, item: Item) -> None:
        with self._came:
            self.items.append(item)
            self.threads.add(threading.get_ident())
            self._came.notify_all()

    def wait_for(self, count: int, kind: type | None = None) -> list[Item]:
        """At least ``count`` items (of one kind)."""

        def chosen() -> list[Item]:
            return [item for item in self.items if kind is None or isinstance(item, kind)]

        with self._came:
            assert self._came.wait_for(lambda: len(chosen()) >= count, SOON), f"{len(chosen())} came"
            return chosen()


class Said:
    """What a capture thread's signals said, in order: "opened …", "trouble …", "recovered"."""

    def __init__(self, thread: CaptureThread) -> None:
        self.lines: list[str] = []
        self._came = threading.Condition()
        direct = Qt.ConnectionType.DirectConnection
        thread.opened.connect(lambda text: self._add(f"opened {text}"), direct)
        thread.trouble.connect(lambda text: self._add(f"trouble {text}"), direct)
        thread.recovered.connect(lambda: self._add("recovered"), direct)

    def wait_for(self, count: int) -> list[str]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) >= count, SOON), str(self.lines)
            return list(self.lines)

    def _add(self, line: str) -> None:
        with self._came:
            self.lines.append(line)
            self._came.notify_all()


class WakingCameraThread(CameraThread):
    """A real camera's read is bounded; a fake one's waits for the test, so it is woken when the thread is to end."""

    def _wake(self) -> None:
        self._release()


def camera_thread(
    shop: CameraShop, sink: Collected[VideoFrame], clock: Clock, *, name: str = "cam", first_seq: int = 0
) -> CameraThread:
    choice = CameraChoice(name=name, kind="any")
    return CameraThread(choice, sink, clock, first_seq=first_seq, open_camera=shop, retry_every=QUICK)


def microphone_thread(
    shop: MicrophoneShop,
    sink: Collected[AudioBlock],
    clock: Clock,
    *,
    name: str = "mic",
    track: SoundTrack | None = None,
) -> MicrophoneThread:
    choice = MicrophoneChoice(name=name)
    return MicrophoneThread(choice, sink, clock, track=track, open_microphone=shop, retry_every=QUICK)


def frame_numbers(frames: list[VideoFrame]) -> list[int]:
    return [read_frame_number(frame.image) for frame in frames]


def sample_numbers(blocks: list[AudioBlock]) -> list[int]:
    return [int(n) for block in blocks for n in read_sample_numbers(block.samples)]


def check_tiling(blocks: list[AudioBlock]) -> None:
    """Blocks must follow one another in number and time, holes being ``lost``."""
    for before, after in itertools.pairwise(blocks):
        assert after.seq == before.seq + 1
        assert abs(after.t - after.lost / after.rate - before.end) < 1e-6
