"""The bar at the top: the name, the places, the menus, the devices, start and stop, record, a marker."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QFont, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenuBar, QPushButton, QSizePolicy, QToolButton, QWidget

from desktop import theme
from desktop.device_lists import DeviceBox

HEIGHT = 48
_ROOMY = 1120  # pixels from which there is room for everything


class Wordmark(QWidget):
    """The program's name, set as it is meant to be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("DMD Live")
        self.setFixedSize(QSize(round(84 * theme.scale()), HEIGHT - 8))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint it."""
        painter = QPainter(self)
        painter.setPen(theme.theme().ink)
        bold = theme.font(17, weight=QFont.Weight.Bold)
        painter.setFont(bold)
        area = self.rect()
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(area, flags, "DMD")
        area.setLeft(painter.fontMetrics().horizontalAdvance("DMD") + 4)
        painter.setFont(theme.font(15))
        painter.drawText(area, flags, "Live")
        painter.end()


class ActionButton(QPushButton):
    """A button that is an action: its text, whether it is enabled, its tooltip with the key."""

    def __init__(self, action: QAction, kind: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._fits = True
        self.setProperty("kind", kind)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def set_fits(self, on: bool) -> None:
        """Say whether there is room for it."""
        if on is not self._fits:
            self._fits = on
            self._follow()

    def _follow(self) -> None:
        text = self._action.iconText()
        key = self._action.shortcut().toString()
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(f"{self._action.toolTip()} ({key})" if key else self._action.toolTip())
        self.setEnabled(self._action.isEnabled())
        self.setVisible(self._fits and self._action.isVisible())


class PlaceButton(QToolButton):
    """Where one is, and a way to go elsewhere: an action that can be checked, underlined when it is."""

    def __init__(self, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDefaultAction(action)
        self.setProperty("kind", "quiet")
        self.setAccessibleName(action.text())
        self.setToolTip(f"{action.text()} ({action.shortcut().toString()})")


class Header(QWidget):
    """The name, the places and the menus; camera, microphone, start or stop, record, marker."""

    def __init__(
        self,
        menus: QMenuBar,
        camera: DeviceBox,
        microphone: DeviceBox,
        *,
        start: QAction,
        stop: QAction,
        marker: QAction,
        places: Sequence[QAction],
        record: QWidget,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 0, 20, 0)
        row.setSpacing(theme.GAP)
        row.addWidget(Wordmark())
        pair = QHBoxLayout()
        pair.setSpacing(2)
        for place in places:
            pair.addWidget(PlaceButton(place))
        row.addLayout(pair)
        menus.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        menus.setMinimumWidth(menus.sizeHint().width())  # else the last menus hide before the device boxes shrink
        row.addWidget(menus)
        row.addStretch(1)
        for box, width in ((camera, 230), (microphone, 220)):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.setMaximumWidth(width)
            row.addWidget(box, 2)
        for action, kind in ((start, "primary"), (stop, ""), (marker, "")):
            button = ActionButton(action, kind)
            button.setMinimumWidth(76)
            row.addWidget(button)
        row.insertWidget(row.count() - 1, record)
        self._marker = button  # the last one

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Leave the marker to its key and its menu where there is little room."""
        super().resizeEvent(event)
        self._marker.set_fits(self.width() >= _ROOMY * theme.scale())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint the hairline below."""
        painter = QPainter(self)
        painter.setPen(QPen(theme.theme().line, 1))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)
        painter.end()
