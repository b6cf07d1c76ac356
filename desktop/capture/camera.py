"""A camera on its own thread: pictures stamped when they come, trouble told, opened again when it is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from PySide6.QtCore import QObject

from desktop.capture.devices import CameraChoice
from desktop.capture.opencv import Camera, CameraFormat, OpenCVCamera, Picture
from desktop.capture.thread import RETRY, CaptureThread
from dmd_runtime import Clock, DeviceError, VideoFrame

OpenCamera: TypeAlias = Callable[[CameraChoice, CameraFormat], Camera]


class CameraThread(CaptureThread):
    """Reads one camera and gives each picture to ``sink`` on this thread, which must take it quickly.

    ``t`` of a picture is the session time at which its read returned; exposure and transfer, some 30 to 60 ms, lie
    before. A film that stands in for a camera is read at its own pace and begins again at its end.

    Signals, life: see :class:`~desktop.capture.thread.CaptureThread`.

    Attributes
    ----------
    choice : CameraChoice
        What was chosen; once it was open, the very camera that was found, so that no other takes its place.

    Parameters
    ----------
    choice : CameraChoice
    sink : callable
    clock : Clock
    asked : CameraFormat, optional
    first_seq : int
        Number of the first picture, where this thread follows another.
    open_camera : callable, optional
        Opens a choice; raises DeviceError.
    """

    def __init__(
        self,
        choice: CameraChoice,
        sink: Callable[[VideoFrame], None],
        clock: Clock,
        *,
        asked: CameraFormat | None = None,
        first_seq: int = 0,
        open_camera: OpenCamera = OpenCVCamera,
        retry_every: float = RETRY,
        parent: QObject | None = None,
    ) -> None:
        super().__init__("dmd-camera", clock, retry_every=retry_every, parent=parent)
        self.choice = choice
        self._next_seq = first_seq
        self._sink = sink
        self._asked = asked if asked is not None else CameraFormat()
        self._open_camera = open_camera
        self._camera: Camera | None = None
        self._due: float | None = None  # session time of a film's next picture

    def _open(self) -> str:
        camera = self._open_camera(self.choice, self._asked)
        self._camera, self._due = camera, None
        self.choice = camera.choice
        return camera.description

    def _next(self) -> object | None:
        assert self._camera is not None
        picture = self._camera.read()
        if picture is None:
            if self.is_ending:
                return None
            text = self.tr("Camera “{name}” gives no more pictures; was it unplugged?")
            raise DeviceError(text.format(name=self.choice.name))
        if self._camera.interval is None:
            return self._frame(picture, self._clock.now())
        return self._at_its_time(picture, self._camera.interval)

    def _at_its_time(self, picture: Picture, interval: float) -> object | None:
        now = self._clock.now()
        due = now if self._due is None or now - self._due > 1.0 else self._due  # after a long pause, go on from there
        self._due = due + interval
        if not self._clock.wait_until(due, self._ending):
            return None
        return self._frame(picture, self._clock.now())

    def _frame(self, picture: Picture, t: float) -> VideoFrame:
        frame = VideoFrame(seq=self._next_seq, t=t, image=picture)
        self._next_seq += 1
        return frame

    def _take(self, item: object) -> None:
        assert isinstance(item, VideoFrame)
        self._sink(item)

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _release(self) -> None:
        camera = self._camera
        if camera is not None:
            camera.abort()

    def _silence(self) -> str:
        return self.tr("Camera “{name}” gives no pictures.").format(name=self.choice.name)
