"""One banner that says what the figures on this page are not."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import LiveModel
from desktop.widgets.signs import Sign

_STRIPE = 14  # px
_STRIPED = 56  # px of the banner at its left


class MarkBanner(QWidget):
    """Across the whole width while the model has marks, else hidden; touched by the window's thread only."""

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.RichText)
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 7, 20, 7)
        row.setSpacing(10)
        row.addWidget(Sign(Severity.AMBER, 16, on_warning=True), 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        model.source_changed.connect(self._refresh)
        self._style()
        self._refresh()

    def texts(self) -> dict[str, str]:
        """Every known mark and its sentence."""
        return {
            "UNTRAINED": self.tr("The model has not been trained: emotions and edges mean nothing yet."),
            "DEMO": self.tr("A warped portrait and a synthetic voice, not a person."),
            "SYNTHETIC": self.tr("Test signals, not a person."),
        }

    def _refresh(self) -> None:
        known = self.texts()
        marks = sorted(self._model.marks, key=lambda mark: list(known).index(mark) if mark in known else len(known))
        parts = [f"<b>{escape(mark)}</b>&nbsp; {escape(known.get(mark, ''))}" for mark in marks]
        self._text.setText(" &nbsp;&nbsp;&nbsp; ".join(parts))
        plain = " ".join(f"{mark}: {known.get(mark, '')}" for mark in marks)
        self.setAccessibleName(self.tr("Warning"))
        self.setAccessibleDescription(plain)
        self._text.setAccessibleName(plain)
        self.setVisible(bool(marks))

    def _style(self) -> None:
        palette = self._text.palette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.WARNING_INK)
        self._text.setPalette(palette)
        self._text.setFont(theme.font(13))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint the ground and the stripes at both ends."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.WARNING)
        painter.end()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the font scale."""
        if event.type() is QEvent.Type.ApplicationFontChange:
            self._style()
        super().changeEvent(event)
