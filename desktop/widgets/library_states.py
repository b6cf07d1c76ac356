"""What stands where the list of sessions will be, and the slim lines above it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.widgets.centred_page import CentredPage
from desktop.widgets.labels import Label
from desktop.widgets.painted import draw_striped_card
from desktop.widgets.signs import Sign


class MessagePage(CentredPage):
    """A headline, a sentence, one button that helps; each may be empty.

    Signals
    -------
    pressed : the button.
    """

    pressed = Signal()

    def __init__(
        self, headline: str, text: str, button: str, *, busy: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        middle = Qt.AlignmentFlag.AlignHCenter
        self._headline = Label(pixels=22, weight=QFont.Weight.Bold, wraps=True)
        self._text = Label(dim=True, wraps=True)
        self.button = QPushButton()
        self.button.setProperty("kind", "primary")
        self.button.setMinimumHeight(40)
        self.button.clicked.connect(self.pressed)
        for label in (self._headline, self._text):
            label.setAlignment(middle)
            self.column.addWidget(label)
        self.column.addSpacing(8)
        if busy:
            bar = QProgressBar()
            bar.setTextVisible(False)
            bar.setRange(0, 0 if theme.moves() else 1)
            bar.setFixedWidth(240)
            bar.setAccessibleName(headline)
            self.column.addWidget(bar, 0, middle)
        self.column.addWidget(self.button, 0, middle)
        self.show_words(headline, text, button)

    def show_words(self, headline: str, text: str, button: str) -> None:
        """Say something else."""
        self.setAccessibleName(headline)
        self._headline.setText(headline)
        self.set_text(text)
        self.button.setText(button)
        self.button.setAccessibleName(button)
        self.button.setVisible(bool(button))

    def set_text(self, text: str) -> None:
        """Say another sentence."""
        self._text.setText(text)
        self._text.setVisible(bool(text))


class Bar(QWidget):
    """A slim line that says what must not be overlooked, with one button; hidden without words.

    Signals
    -------
    pressed : the button.
    """

    pressed = Signal()

    def __init__(self, button: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.INSIDE, 5, 8, 5)
        row.setSpacing(10)
        row.addWidget(Sign(Severity.AMBER, 14))
        self._text = Label(wraps=True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row.addWidget(self._text, 1)
        self.button = QPushButton(button)
        self.button.setAccessibleName(button)
        self.button.clicked.connect(self.pressed)
        row.addWidget(self.button)
        self.setMinimumHeight(40)
        self.show_text("")

    def show_text(self, text: str) -> None:
        """Say ``text``; an empty one takes the line away."""
        self._text.setText(text)
        self.setAccessibleName(text)
        self.button.setAccessibleDescription(text)
        self.setVisible(bool(text))

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint a card with a stripe at its left."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_striped_card(painter, QRectF(self.rect()))
        painter.end()
