"""One banner that says what the figures on this page are not."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import LiveModel
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import RESTYLING, Label
from desktop.widgets.signs import Sign


class MarkBanner(QWidget):
    """Across the whole width while the model has marks, else hidden; touched by the window's thread only."""

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._flow = FlowLayout(spacing=8, centred=False)
        self._marks: dict[str, _Mark] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 6, 20, 6)
        row.setSpacing(10)
        row.addWidget(Sign(Severity.AMBER, 17, on_warning=True), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(self._flow, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setAccessibleName(self.tr("Warning"))
        model.source_changed.connect(self._refresh)
        self._refresh()

    def texts(self) -> dict[str, str]:
        """Every known mark and its sentence."""
        return {
            "UNTRAINED": self.tr("Not trained yet: emotions and edges mean nothing."),
            "DEMO": self.tr("A warped portrait and a synthetic voice, not a person."),
            "SYNTHETIC": self.tr("Test signals, not a person."),
        }

    def _refresh(self) -> None:
        known = self.texts()
        marks = [m for m in known if m in self._model.marks] + [m for m in self._model.marks if m not in known]
        if marks != list(self._marks):
            for old in self._marks.values():
                self._flow.removeWidget(old)
                old.hide()
                old.deleteLater()
            self._marks = {mark: _Mark(mark, known.get(mark, "")) for mark in marks}
            for new in self._marks.values():
                self._flow.addWidget(new)
        self.setAccessibleDescription(" ".join(mark.accessibleName() for mark in self._marks.values()))
        self.setVisible(bool(marks))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint the ground."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.WARNING)
        painter.end()


class _Mark(QWidget):
    """A mark on a dark chip and its sentence."""

    def __init__(self, mark: str, sentence: str) -> None:
        super().__init__()
        self.setAccessibleName(f"{mark}: {sentence}")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 16, 0)
        row.setSpacing(8)
        self._sentence = _Sentence(sentence)
        row.addWidget(_Chip(mark), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._sentence, 1)


class _Chip(QWidget):
    """The mark itself, in the banner's colour on dark ink."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Around the text."""
        metrics = QFontMetrics(self._font())
        return QSize(metrics.horizontalAdvance(self._text) + 16, metrics.height() + 6)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint chip and text."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.WARNING_INK))
        painter.drawRoundedRect(self.rect(), 5, 5)
        painter.setFont(self._font())
        painter.setPen(theme.WARNING)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)
        painter.end()

    @staticmethod
    def _font() -> QFont:
        font = theme.font(11, weight=QFont.Weight.Bold)
        font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
        return font


class _Sentence(Label):
    """Dark text that is as wide as it is long, and wraps where there is less room."""

    def __init__(self, text: str) -> None:
        super().__init__(text, wraps=True)
        self.setMinimumHeight(QFontMetrics(_Chip._font()).height() + 6)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._ink()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """In one line."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 4, max(metrics.height(), self.minimumHeight()))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Some words in a line."""
        return QSize(min(120, self.sizeHint().width()), self.minimumHeight())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Stay dark in every theme."""
        super().changeEvent(event)
        if event.type() in RESTYLING and self.palette().color(QPalette.ColorRole.WindowText) != theme.WARNING_INK:
            self._ink()

    def _ink(self) -> None:
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.WARNING_INK)
        self.setPalette(palette)
