"""Problems that are not yet resolved, and what was done, one slim line each."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import LiveModel, Notice
from desktop.widgets.labels import Label
from desktop.widgets.painted import draw_striped_card
from desktop.widgets.signs import Sign

_EDGE = 20  # pixels left and right, as of the pages


class _Line(QWidget):
    """One notice."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self.notice = notice
        self.setAccessibleName(notice.text)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.INSIDE, 5, 8, 5)
        row.setSpacing(10)
        if not notice.good:
            row.addWidget(Sign(Severity.AMBER, 14))
        text = Label(notice.text, wraps=True)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row.addWidget(text, 1)
        self.button = QPushButton(notice.action)
        self.button.setVisible(bool(notice.action))
        self.button.setAccessibleDescription(notice.text)
        row.addWidget(self.button)
        self.setMinimumHeight(36)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint a card with a stripe at its left."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_striped_card(painter, QRectF(self.rect()), warns=not self.notice.good)
        painter.end()


class NoticeBar(QWidget):
    """The model's notices, oldest first; hidden without any; touched by the window's thread only.

    Signals
    -------
    action_requested : the key of the notice whose button was pressed.
    """

    action_requested = Signal(str)

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._lines: dict[str, _Line] = {}
        self._stack = QVBoxLayout(self)
        self._stack.setContentsMargins(_EDGE, theme.GAP, _EDGE, 0)
        self._stack.setSpacing(6)
        self.setAccessibleName(self.tr("Notices"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        model.notices_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        notices = self._model.notices
        for key, line in list(self._lines.items()):
            if notices.get(key) != line.notice:
                self._stack.removeWidget(self._lines.pop(key))
                line.hide()
                line.deleteLater()
        for place, (key, notice) in enumerate(notices.items()):
            if key not in self._lines:
                line = self._lines[key] = _Line(notice)
                line.button.clicked.connect(lambda _=False, key=key: self.action_requested.emit(key))
                self._stack.insertWidget(place, line)
        self.setVisible(bool(notices))
