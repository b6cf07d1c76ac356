"""What cameras and microphones there are, asked off the window's thread; and the boxes to choose them in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from desktop.capture.devices import list_cameras, list_microphones
from desktop.widgets.choice_box import ChoiceBox
from dmd_runtime import DeviceError

logger = logging.getLogger(__name__)
NONE = "none"


class DeviceLists(QObject):
    """Lists devices in the background; touched by the window's thread.

    Signals
    -------
    listed(cameras, microphones, problem)
        Pairs of (what to remember, name); ``problem`` says why there are no microphones, or is empty.
    """

    listed = Signal(object, object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None

    def refresh(self) -> None:
        """Ask the system anew; the answer comes as a signal. Does nothing while an answer is awaited."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._ask, name="dmd-devices", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for an answer that is under way (at most 5 s)."""
        if self._thread is not None:
            self._thread.join(5)

    def _ask(self) -> None:
        problem = ""
        cameras = [(camera.text, camera.name) for camera in list_cameras()]
        try:
            microphones = [(microphone.text, microphone.name) for microphone in list_microphones()]
        except DeviceError as error:
            microphones, problem = [], str(error)
        try:
            self.listed.emit(cameras, microphones, problem)
        except RuntimeError:  # the window went while the system was thinking
            logger.debug("nobody waits for the list of devices any more")


class DeviceBox(ChoiceBox):
    """Devices by name; what was remembered and is gone stays listed, as missing.

    Signals
    -------
    chosen(str)
        What to remember of the device that the user picked.
    opened()
        The list is about to be shown: a good moment to ask for devices anew.
    """

    chosen = Signal(str)
    opened = Signal()

    def __init__(self, kind: str, none: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind, self._none = kind, none
        self._wanted = ""
        self._devices: Sequence[tuple[str, str]] = ()
        self.setAccessibleName(kind)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.activated.connect(lambda _: self._pick())

    @property
    def wanted(self) -> str:
        """What is chosen, as it is remembered."""
        return self._wanted

    def set_wanted(self, wanted: str) -> None:
        """Show ``wanted`` as chosen, whether it is there or not."""
        self._wanted = wanted
        self._fill()

    def set_devices(self, devices: Sequence[tuple[str, str]]) -> None:
        """Show what there is; the same as before changes nothing, so that an open list keeps its place."""
        if self.count() and list(devices) == list(self._devices):
            return
        self._devices = devices
        self._fill()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Qt's call to open the list."""
        self.opened.emit()
        super().showPopup()

    def _fill(self) -> None:
        with QSignalBlocker(self):
            self.clear()
            for value, name in self._devices:
                self.addItem(f"{self._kind} · {name}", value)
            self.addItem(f"{self._kind} · {self._none}", NONE)
            at = 0 if self._takes_any and self._devices else self.findData(self._wanted)
            if at < 0:
                at = self._add_wanted()
            self.setCurrentIndex(at)

    @property
    def _takes_any(self) -> bool:
        return self._wanted in ("", "default", "camera")

    def _add_wanted(self) -> int:
        wanted, tip = self._wanted, ""
        if self._takes_any:
            name = self.tr("none found")
        elif "/" in wanted or wanted.rpartition(":")[2].isdecimal():  # an address, a path, a number: never listed
            name = wanted.rpartition("//")[2]
        else:
            name, tip = self.tr("%1 (missing)").replace("%1", wanted), self.tr("It is not plugged in.")
        self.insertItem(0, f"{self._kind} · {name}", wanted)
        self.setItemData(0, tip, Qt.ItemDataRole.ToolTipRole)
        return 0

    def _pick(self) -> None:
        value = str(self.currentData())
        if value != self._wanted:
            self._wanted = value
            self.chosen.emit(value)
