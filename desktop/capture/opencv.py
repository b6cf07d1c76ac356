"""A camera through OpenCV: opened by what was chosen, read picture by picture; and why it cannot be opened."""

from __future__ import annotations

import http.client
import logging
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QCoreApplication

from desktop.capture.devices import CameraChoice, camera_backend, find_camera, list_cameras
from dmd_runtime import DeviceError, freeze

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

Picture = npt.NDArray[np.uint8]
"""uint8 RGB (H, W, 3), contiguous, read-only."""

_TIMEOUT = 2.0  # s that opening and reading may take
# OpenCV reads these once, the first when it is loaded: a camera that sends nothing would else hold a read for 10 s, and
# the library under it would write to stderr what is said in the window.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(round(_TIMEOUT)))
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclass(frozen=True, kw_only=True)
class CameraFormat:
    """What is asked of a camera; it may give something else. ``fps`` pictures a second."""

    width: int = 640
    height: int = 480
    fps: float = 30.0


class Camera(Protocol):
    """An open camera, used by one thread.

    Attributes
    ----------
    choice : CameraChoice
        The choice by which this very camera is found again.
    description : str
        For people.
    interval : float or None
        Seconds from picture to picture where it does not keep time itself (a film that stands in for a camera).
    """

    choice: CameraChoice
    description: str
    interval: float | None

    def read(self) -> Picture | None:
        """Wait for the next picture, a few seconds at most; None where there is none: the camera is gone."""
        ...

    def close(self) -> None:
        """Release it. Idempotent."""
        ...

    def abort(self) -> None:
        """Make a :meth:`read` that hangs on another thread return, where that can be done safely."""
        ...


class OpenCVCamera:
    """See :class:`Camera`.

    Raises
    ------
    DeviceError
        It cannot be opened; the text says what is likely.
    """

    def __init__(self, choice: CameraChoice, asked: CameraFormat) -> None:
        import cv2  # noqa: PLC0415 - slow, and many starts need no camera

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._cv2 = cv2
        self.choice, target, backend = _locate(choice)
        self._is_film = isinstance(target, str) and Path(target).is_file()
        self._capture = cv2.VideoCapture(target, backend, _timeouts(cv2) if choice.kind == "url" else [])
        if not self._capture.isOpened():
            self._capture.release()
            raise DeviceError(_why_not(self.choice, target))
        if choice.kind != "url" and not self._is_film:
            self._ask(asked)
        self.interval = self._film_interval()
        self.description = self._describe()

    def read(self) -> Picture | None:
        """See :meth:`Camera.read`."""
        good, picture = self._capture.read()
        if not good and self._is_film:  # a camera has no end
            self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, 0)
            good, picture = self._capture.read()
        if not good or picture is None:
            return None
        if picture.ndim == 2:
            return self._rgb(picture, self._cv2.COLOR_GRAY2RGB)
        return self._rgb(picture, self._cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """See :meth:`Camera.close`."""
        self._capture.release()

    def abort(self) -> None:
        """Do nothing: OpenCV frees what the reading thread still uses. Reads are bounded by timeouts instead."""

    def _rgb(self, picture: Any, how: int) -> Picture:
        return freeze(np.ascontiguousarray(self._cv2.cvtColor(picture, how)))

    def _ask(self, asked: CameraFormat) -> None:
        """Ask for compressed pictures first: uncompressed, USB carries 640 × 480 at 30, larger ones at 5 or 10."""
        cv2 = self._cv2
        for what, value in (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, asked.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, asked.height),
            (cv2.CAP_PROP_FPS, asked.fps),
            # One buffer to fill while the other is read: with one alone every other picture is skipped
            # (https://github.com/l1npengtul/nokhwa/issues/128); more only age, but for the thread that reads at once.
            (cv2.CAP_PROP_BUFFERSIZE, 2),
        ):
            if not self._capture.set(what, value):
                logger.debug("%s does not take property %d = %s", self.choice.name, what, value)

    def _film_interval(self) -> float | None:
        if not self._is_film:
            return None
        fps = float(self._capture.get(self._cv2.CAP_PROP_FPS))
        return 1.0 / fps if 1.0 <= fps <= 240.0 else 1.0 / 25.0

    def _describe(self) -> str:
        cv2 = self._cv2
        width, height, fps = (
            self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        )
        size = f" · {width:.0f} × {height:.0f}" if width and height else ""
        rate = f" · {fps:.3g} fps" if fps > 0 and self.choice.kind != "url" else ""  # a stream does not know its own
        return f"{self.choice.name}{size}{rate}"


def _timeouts(cv2: Any) -> list[int]:
    milliseconds = round(_TIMEOUT * 1000)
    return [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]


def _locate(choice: CameraChoice) -> tuple[CameraChoice, str | int, int]:
    """The choice of this very camera, what OpenCV opens, and through which interface.

    Raises
    ------
    DeviceError
        It is not there.
    """
    import cv2  # noqa: PLC0415

    if choice.kind == "url":
        return choice, choice.address, int(cv2.CAP_FFMPEG)
    if choice.kind == "path":
        if not Path(choice.address).exists():
            raise DeviceError(_not_connected(choice))
        is_film = Path(choice.address).is_file()
        return choice, choice.address, int(cv2.CAP_FFMPEG) if is_film else camera_backend()
    cameras = list_cameras()
    if choice.kind == "any":
        if not cameras:
            raise DeviceError(translate("capture", "No camera is connected."))
        found = cameras[0]
    else:
        found = find_camera(choice.text, cameras) or choice
    # A system whose cameras cannot be listed is asked for the number all the same.
    if found.index is None or (found.missing and sys.platform == "linux"):
        raise DeviceError(_not_connected(choice))
    return found, found.index, camera_backend()


def _not_connected(choice: CameraChoice) -> str:
    if choice.kind == "path" and not choice.address.startswith("/dev/"):
        return translate("capture", "Camera: there is no file {name}.").format(name=choice.address)
    return translate("capture", "Camera “{name}” is not connected.").format(name=choice.name)


def _why_not(choice: CameraChoice, target: str | int) -> str:
    """What is likely where OpenCV, which does not tell, cannot open a camera that is there."""
    name = choice.name
    if choice.kind == "url":
        text = translate("capture", "No video stream at {address}: {reason}")
        return text.format(address=name, reason=_why_no_stream(choice.address))
    node = Path(target if isinstance(target, str) else f"/dev/video{target}")
    if node.is_file():
        return translate("capture", "Camera: {name} cannot be read as a film.").format(name=choice.address)
    if sys.platform != "linux":
        text = translate(
            "capture",
            "Camera “{name}” cannot be opened: another program uses it, or the system's privacy settings do not let "
            "this program use cameras.",
        )
        return text.format(name=name)
    if node.exists() and not os.access(node, os.R_OK | os.W_OK):
        text = translate("capture", "No permission to use camera “{name}” ({node}): {command}, then log in again.")
        return text.format(name=name, node=node, command="sudo usermod -aG video $USER")
    if not node.exists():
        return _not_connected(choice)
    return translate("capture", "Camera “{name}” is in use by another program, or gives no pictures.").format(name=name)


def _why_no_stream(url: str) -> str:
    """Ask the server itself."""
    if not url.lower().startswith(("http://", "https://")):
        return translate("capture", "it cannot be opened")
    # Without a proxy: a camera is near.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT):
            return translate("capture", "what the server sends is no video")
    except urllib.error.HTTPError as error:
        with error:
            return translate("capture", "the server answers {code}").format(code=f"{error.code} {error.reason}")
    except urllib.error.URLError as error:
        reason = error.reason
        return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
