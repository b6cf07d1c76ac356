"""Cameras and microphones by the names that people know them by.

A choice is a *wish*: it names a device that may be absent at the moment, and it is never replaced by another. The name
is looked up anew each time the device is opened, because numbers change when something is plugged in. Making a choice
out of text (:func:`camera_choice`, :func:`microphone_choice`) touches nothing and is quick; listing and finding ask the
system, may take a second, and belong off the window's thread.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from PySide6.QtCore import QCoreApplication

from desktop.capture import portaudio
from desktop.capture.names import distinct, match_name

logger = logging.getLogger(__name__)
translate = QCoreApplication.translate

CameraKind: TypeAlias = Literal["any", "name", "index", "path", "url"]
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LOGIN = re.compile(r"//[^/?#]*@")  # of an address; to be seen and stored nowhere
_BACKENDS = {"linux": "CAP_V4L2", "win32": "CAP_DSHOW", "darwin": "CAP_AVFOUNDATION"}


@dataclass(frozen=True, kw_only=True)
class CameraChoice:
    """A camera that somebody chose.

    Attributes
    ----------
    name : str
        For people.
    kind : CameraKind
        What :attr:`address` is: the first camera there is (``any``), a listed name, a number, a path (a device, or a
        film that stands in for one), or the address of an MJPEG stream.
    address : str
    index : int or None
        Its number when it was listed; another after the next plug.
    missing : bool
        It was not there when it was looked up.
    """

    name: str
    kind: CameraKind
    address: str = ""
    index: int | None = None
    missing: bool = False

    @property
    def text(self) -> str:
        """What :func:`camera_choice` makes this choice of again; fit to be remembered."""
        if self.kind == "any":
            return "camera"
        again = camera_choice(self.address)
        unclear = again is None or (again.kind, again.address) != (self.kind, self.address)
        return f"camera:{self.address}" if unclear or self.kind == "index" else self.address


@dataclass(frozen=True, kw_only=True)
class MicrophoneChoice:
    """A microphone that somebody chose: the system's default, or one by name; ``missing`` as for cameras."""

    name: str
    kind: Literal["default", "name"] = "name"
    missing: bool = False

    @property
    def text(self) -> str:
        """What :func:`microphone_choice` makes this choice of again; fit to be remembered."""
        return "default" if self.kind == "default" else self.name


Choice = TypeVar("Choice", CameraChoice, MicrophoneChoice)


def camera_choice(text: str) -> CameraChoice | None:
    """Read a wish: ``""`` or ``camera`` (the first), ``0`` or ``camera:0``, a name, a path, a URL, ``none`` (None).

    Asks no device and never fails; a name may be a part of one.
    """
    text = text.strip()
    if text.lower() == "none":
        return None
    rest = text.partition(":")[2].strip() if text.lower().startswith("camera:") else text
    if not rest or text.lower() in ("camera", "default"):
        return CameraChoice(name=translate("capture", "first camera"), kind="any")
    if rest.isdecimal():
        return CameraChoice(name=_numbered(int(rest)), kind="index", address=str(int(rest)))
    if _URL.match(rest):
        return CameraChoice(name=_LOGIN.sub("//", rest), kind="url", address=rest)
    if _is_path(rest):
        path = str(_absolute(rest))
        return CameraChoice(name=path if path.startswith("/dev/") else Path(path).name, kind="path", address=path)
    return CameraChoice(name=rest, kind="name", address=rest)


def microphone_choice(text: str) -> MicrophoneChoice | None:
    """Read a wish: ``""`` or ``default``, a name or a part of one, ``none`` (None). Asks no device and never fails."""
    text = text.strip()
    if text.lower() == "none":
        return None
    if text.lower() in ("", "default"):
        return MicrophoneChoice(name=translate("capture", "default microphone"), kind="default")
    return MicrophoneChoice(name=text)


def list_cameras() -> tuple[CameraChoice, ...]:
    """Cameras that are plugged in, by name, in the system's order; two of one name are told apart by a number."""
    found = sorted(_enumerate_cameras(), key=lambda camera: camera[0])
    names = distinct(name for _, name in found)
    return tuple(
        CameraChoice(name=name, kind="name", address=name, index=index)
        for (index, _), name in zip(found, names, strict=True)
    )


def list_microphones() -> tuple[MicrophoneChoice, ...]:
    """Microphones that are plugged in, the system's default first where there is one.

    Raises
    ------
    DeviceError
        The PortAudio library is missing; the text says how to get it.
    """
    listing = portaudio.inputs()
    default: tuple[MicrophoneChoice, ...] = ()
    if listing.default is not None:
        name = translate("capture", "default microphone")
        if listing.default:
            name = translate("capture", "default microphone ({name})").format(name=listing.default)
        default = (MicrophoneChoice(name=name, kind="default"),)
    return (*default, *(MicrophoneChoice(name=name) for name in distinct(listing.names)))


def find_camera(text: str, cameras: Sequence[CameraChoice] | None = None) -> CameraChoice | None:
    """Look up what ``text`` wishes for among ``cameras`` (default: those plugged in now); None for ``none``.

    One that is not there comes back with ``missing`` set.

    Raises
    ------
    DeviceError
        ``text`` is a part of several names.
    """
    wish = camera_choice(text)
    if wish is None or wish.kind == "url":
        return wish
    if wish.kind == "path":
        return replace(wish, missing=not Path(wish.address).exists())
    cameras = list_cameras() if cameras is None else cameras
    if wish.kind == "any":
        return replace(wish, missing=not cameras)
    if wish.kind == "index":
        known = [camera for camera in cameras if str(camera.index) == wish.address]
        return replace(wish, index=int(wish.address), name=known[0].name if known else wish.name, missing=not known)
    return _by_name(wish, cameras, [camera.name for camera in cameras])


def find_microphone(text: str, microphones: Sequence[MicrophoneChoice] | None = None) -> MicrophoneChoice | None:
    """Look up what ``text`` wishes for among ``microphones`` (default: those plugged in now); None for ``none``.

    One that is not there comes back with ``missing`` set.

    Raises
    ------
    DeviceError
        ``text`` is a part of several names, or PortAudio is missing.
    """
    wish = microphone_choice(text)
    if wish is None:
        return None
    microphones = list_microphones() if microphones is None else microphones
    if wish.kind == "default":
        defaults = [microphone for microphone in microphones if microphone.kind == "default"]
        return defaults[0] if defaults else replace(wish, missing=True)
    named = [microphone for microphone in microphones if microphone.kind == "name"]
    return _by_name(wish, named, [microphone.name for microphone in named])


def camera_backend() -> int:
    """The OpenCV interface through which this system's cameras are listed and opened."""
    import cv2  # noqa: PLC0415 - slow, and many starts need no camera

    return int(getattr(cv2, _BACKENDS.get(sys.platform, "CAP_ANY")))


def _by_name(wish: Choice, devices: Sequence[Choice], names: Sequence[str]) -> Choice:
    which = match_name(wish.name, names)
    return replace(wish, missing=True) if which is None else devices[which]


def _enumerate_cameras() -> list[tuple[int, str]]:
    """(number, name) of each camera."""
    try:
        import cv2_enumerate_cameras  # noqa: PLC0415

        cameras: Iterable[Any] = cv2_enumerate_cameras.enumerate_cameras(camera_backend())
        return [(int(camera.index), camera.name or _numbered(camera.index)) for camera in cameras]
    except (ImportError, OSError, NotImplementedError, RuntimeError) as error:
        logger.warning("cameras are listed without their names: %s", error)
        return _numbered_cameras()


def _numbered_cameras() -> list[tuple[int, str]]:
    """What the file system shows of cameras, where it shows any; elsewhere the first may or may not be there."""
    if sys.platform != "linux":
        return [(0, _numbered(0))]
    nodes = [path for path in Path("/dev").glob("video*") if path.name[5:].isdecimal()]
    return [(int(path.name[5:]), _kernel_name(path)) for path in nodes]


def _kernel_name(node: Path) -> str:
    try:
        return (Path("/sys/class/video4linux") / node.name / "name").read_text(encoding="utf-8").strip()
    except OSError:
        return _numbered(int(node.name[5:]))


def _numbered(index: int) -> str:
    return translate("capture", "camera {number}").format(number=index)


def _absolute(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, ValueError):  # no such user, no such name
        return Path(text).absolute()


def _is_path(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~")) or bool(re.match(r"^[A-Za-z]:[\\/]", text)) or Path(text).is_file()
