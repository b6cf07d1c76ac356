"""Camera and microphone as one source of a session, exchangeable while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal, TypeAlias

from PySide6.QtCore import QCoreApplication, Qt

from desktop.capture.camera import CameraThread
from desktop.capture.devices import CameraChoice, MicrophoneChoice, camera_choice, microphone_choice
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.sound_track import SoundTrack
from desktop.capture.thread import STOP_MS, CaptureThread
from dmd_runtime import AudioBlock, Clock, DeviceError, MediaSink, SourceInfo, VideoFrame

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

DeviceKind: TypeAlias = Literal["camera", "microphone"]

_LOOK = 0.1  # s between two looks at what was chosen and whether the devices deliver


@dataclass(frozen=True, kw_only=True)
class CaptureEvent:
    """Something happened to a device; ``text`` is one line for people (empty for ``recovered``)."""

    kind: DeviceKind
    state: Literal["opened", "trouble", "recovered"]
    text: str


MakeCamera: TypeAlias = Callable[[CameraChoice, Callable[[VideoFrame], None], Clock, int], CameraThread]
MakeMicrophone: TypeAlias = Callable[
    [MicrophoneChoice, Callable[[AudioBlock], None], Clock, SoundTrack], MicrophoneThread
]


def _camera_thread(
    choice: CameraChoice, sink: Callable[[VideoFrame], None], clock: Clock, first_seq: int
) -> CameraThread:
    return CameraThread(choice, sink, clock, first_seq=first_seq)


def _microphone_thread(
    choice: MicrophoneChoice, sink: Callable[[AudioBlock], None], clock: Clock, track: SoundTrack
) -> MicrophoneThread:
    return MicrophoneThread(choice, sink, clock, track=track)


class DeviceSource:
    """A live camera and a live microphone, either of which may be missing, come, go and be exchanged.

    Making one touches no device. Threads: :meth:`run` belongs to the session's source thread, which makes, starts,
    stops and drops the two capture threads (the QThread objects belong to it; it needs no event loop, because their
    signals are connected directly). Pictures reach the sink on the camera's thread and sound on the microphone's, one
    of each at a time. ``choose_…`` and :meth:`close` may be called from any thread and return at once.

    Parameters
    ----------
    camera, microphone : a choice, or text that wishes for one
        None or ``"none"`` goes without; see :func:`~desktop.capture.devices.camera_choice`.
    on_event : callable, optional
        Called with each :class:`CaptureEvent` on the thread where it happened; must be quick and safe for that (a Qt
        signal's ``emit`` is).
    make_camera, make_microphone : callables, optional
    """

    def __init__(
        self,
        camera: CameraChoice | str | None,
        microphone: MicrophoneChoice | str | None,
        *,
        on_event: Callable[[CaptureEvent], None] | None = None,
        make_camera: MakeCamera = _camera_thread,
        make_microphone: MakeMicrophone = _microphone_thread,
    ) -> None:
        self._camera = camera_choice(camera) if isinstance(camera, str) else camera
        self._microphone = microphone_choice(microphone) if isinstance(microphone, str) else microphone
        self._has_video, self._has_audio = self._camera is not None, self._microphone is not None
        self._on_event = on_event
        self._make_camera = make_camera
        self._make_microphone = make_microphone
        self._changes = threading.Lock()
        self._changed: set[DeviceKind] = {"camera", "microphone"}
        self._closed = Event()
        self._ran = False
        self._track = SoundTrack()
        self._camera_thread: CameraThread | None = None
        self._microphone_thread: MicrophoneThread | None = None
        self._video_end, self._next_seq = 0.0, 0  # written by the camera's thread
        self._audio_end = 0.0  # written by the microphone's thread

    @property
    def info(self) -> SourceInfo:
        """What is chosen now; ``has_video`` and ``has_audio`` tell what was at the start, there or not."""
        chosen = {"camera": self._camera, "microphone": self._microphone}
        there = {kind: choice for kind, choice in chosen.items() if choice is not None}
        return SourceInfo(
            kind="device",
            name=" + ".join(choice.name for choice in there.values()) or "none",
            has_video=self._has_video,
            has_audio=self._has_audio,
            details={kind: {"name": choice.name, "kind": choice.kind} for kind, choice in there.items()},
        )

    @property
    def sound(self) -> SoundTrack:
        """The count of samples, for figures; to be read only."""
        return self._track

    # ---------------------------------------------------------- any thread

    def choose_camera(self, camera: CameraChoice | str | None) -> None:
        """Take pictures from another camera from now on; None or ``"none"`` for without.

        Raises
        ------
        DeviceError
            The session began without a camera: its stages do not look for pictures.
        """
        choice = camera_choice(camera) if isinstance(camera, str) else camera
        if choice is not None and not self._has_video:
            raise DeviceError(translate("capture", "This session began without a camera; start another one."))
        with self._changes:
            self._camera = choice
            self._changed.add("camera")

    def choose_microphone(self, microphone: MicrophoneChoice | str | None) -> None:
        """Take sound from another microphone from now on; None or ``"none"`` for without. What is missed is ``lost``.

        Raises
        ------
        DeviceError
            The session began without a microphone: its stages do not look for sound.
        """
        choice = microphone_choice(microphone) if isinstance(microphone, str) else microphone
        if choice is not None and not self._has_audio:
            raise DeviceError(translate("capture", "This session began without a microphone; start another one."))
        with self._changes:
            self._microphone = choice
            self._changed.add("microphone")

    def close(self) -> None:
        """End a run that is still going on; the devices are released on its thread. Idempotent."""
        self._closed.set()

    # ----------------------------------------------------- the source thread

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver until ``stop`` is set; see :class:`~dmd_runtime.Source`. A device in trouble ends nothing."""
        if self._ran:
            raise DeviceError("expected one run of these devices, got a second")
        self._ran = True
        if QCoreApplication.instance() is None:
            # Qt would take this thread for its main thread, and corrupt memory when it ends.
            raise DeviceError("devices need a QCoreApplication, made on the main thread; there is none")
        if self._camera is None and self._microphone is None:
            raise DeviceError(translate("capture", "Choose a camera or a microphone: there is neither."))
        try:
            while not (stop.is_set() or self._closed.is_set()):
                self._follow_choices(sink, clock)
                for thread in self._threads:
                    thread.watch()
                stop.wait(_LOOK)
        finally:
            self._end_all()
        return max(self._video_end, self._audio_end)

    @property
    def _threads(self) -> tuple[CaptureThread, ...]:
        both = (self._camera_thread, self._microphone_thread)
        return tuple(thread for thread in both if thread is not None)

    def _follow_choices(self, sink: MediaSink, clock: Clock) -> None:
        with self._changes:
            changed, self._changed = self._changed, set()
            camera, microphone = self._camera, self._microphone
        if "camera" in changed:
            self._exchange_camera(camera, sink, clock)
        if "microphone" in changed:
            self._exchange_microphone(microphone, sink, clock)

    def _exchange_camera(self, choice: CameraChoice | None, sink: MediaSink, clock: Clock) -> None:
        old, self._camera_thread = self._camera_thread, None
        if old is not None:
            old.stop()
        if choice is None:
            return

        def take(frame: VideoFrame) -> None:
            self._video_end, self._next_seq = frame.t, frame.seq + 1
            sink.video(frame)

        thread = self._make_camera(choice, take, clock, self._next_seq)
        self._camera_thread = thread
        self._begin(thread, "camera")

    def _exchange_microphone(self, choice: MicrophoneChoice | None, sink: MediaSink, clock: Clock) -> None:
        old, self._microphone_thread = self._microphone_thread, None
        if old is not None:
            old.stop()
        if choice is None:
            return

        def take(block: AudioBlock) -> None:
            self._audio_end = block.end
            sink.audio(block)

        thread = self._make_microphone(choice, take, clock, self._track)
        self._microphone_thread = thread
        self._begin(thread, "microphone")

    def _begin(self, thread: CaptureThread, kind: DeviceKind) -> None:
        direct = Qt.ConnectionType.DirectConnection  # this thread has no event loop
        thread.opened.connect(lambda text: self._tell(kind, "opened", text), direct)
        thread.trouble.connect(lambda text: self._tell(kind, "trouble", text), direct)
        thread.recovered.connect(lambda: self._tell(kind, "recovered", ""), direct)
        thread.start()

    def _tell(self, kind: DeviceKind, state: Literal["opened", "trouble", "recovered"], text: str) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(CaptureEvent(kind=kind, state=state, text=text))
        except Exception:
            logger.exception("a listener to capture events failed")

    def _end_all(self) -> None:
        """Interrupt both first, so that they end side by side; then wait for each."""
        threads, self._camera_thread, self._microphone_thread = self._threads, None, None
        for thread in threads:
            thread.interrupt()
        for thread in threads:
            thread.stop(STOP_MS)
