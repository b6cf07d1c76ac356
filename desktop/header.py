"""The bar at the top: the name, the menus, the devices, start and stop, a marker."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QMenuBar, QPushButton, QSizePolicy, QWidget

from desktop import theme
from desktop.device_lists import DeviceBox

HEIGHT = 48


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
        self.setProperty("kind", kind)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        text = self._action.iconText()
        key = self._action.shortcut().toString()
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(f"{self._action.toolTip()} ({key})" if key else self._action.toolTip())
        self.setEnabled(self._action.isEnabled())
        self.setVisible(self._action.isVisible())


class Header(QWidget):
    """The name and the menus; camera, microphone, start or stop, marker."""

    def __init__(
        self,
        menus: QMenuBar,
        camera: DeviceBox,
        microphone: DeviceBox,
        *,
        start: QAction,
        stop: QAction,
        marker: QAction,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 0, 20, 0)
        row.setSpacing(theme.GAP)
        row.addWidget(Wordmark())
        menus.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        row.addWidget(menus)
        row.addStretch(1)
        for box, width in ((camera, 230), (microphone, 220)):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.setMaximumWidth(width)
            row.addWidget(box, 2)
        for action, kind in ((start, "primary"), (stop, ""), (marker, "")):
            button = ActionButton(action, kind)
            button.setMinimumWidth(84)
            row.addWidget(button)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint the hairline below."""
        painter = QPainter(self)
        painter.setPen(QPen(theme.theme().line, 1))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)
        painter.end()
