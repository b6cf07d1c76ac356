"""What went wrong: what was expected, what came, and a button that helps."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import LiveModel, Remedy
from desktop.widgets.centred_page import CentredPage
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import Label
from desktop.widgets.signs import Sign

_MOST_LINES = 12  # of details before they scroll


class FailedPage(CentredPage):
    """The model's message, its first line large, the others as details.

    Signals
    -------
    retry_requested, choose_requested
    """

    retry_requested = Signal()
    choose_requested = Signal()

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setAccessibleName(self.tr("Failed"))
        row = QHBoxLayout()
        row.setSpacing(theme.GAP)
        row.addWidget(Sign(Severity.RED, 26), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(Label(self.tr("That did not work."), pixels=22, weight=QFont.Weight.Bold, wraps=True), 1)
        self.what = Label(pixels=16, wraps=True)
        self.what.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setAccessibleName(self.tr("Details"))
        self.details.document().setDocumentMargin(0)
        self.retry = QPushButton(self.tr("Try again"))
        self.choose = QPushButton(self.tr("Choose another source"))
        self.copy = QPushButton(self.tr("Copy details"))
        self.retry.clicked.connect(self.retry_requested)
        self.choose.clicked.connect(self.choose_requested)
        self.copy.clicked.connect(self._copy)
        self._buttons = FlowLayout(spacing=theme.GAP, centred=False)
        for button in (self.retry, self.choose, self.copy):
            button.setAccessibleName(button.text())
            button.setMinimumHeight(36)
            self._buttons.addWidget(button)
        self.column.addLayout(row)
        self.column.addWidget(self.what)
        self.column.addWidget(self.details)
        self.column.addSpacing(4)
        self.column.addLayout(self._buttons)
        model.phase_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        first, _, rest = self._model.message.partition("\n")
        self.what.setText(first)
        self.details.setPlainText(rest.strip("\n"))
        self.details.setVisible(bool(rest.strip()))
        lines = min(_MOST_LINES, 1 + sum(1 + len(line) // 80 for line in rest.strip().splitlines()))
        self.details.setFixedHeight(lines * self.details.fontMetrics().lineSpacing() + 16)
        self.copy.setText(self.tr("Copy details"))
        for button in (self.retry, self.choose):
            button.setProperty("kind", "primary" if button is self.first else "")
            button.style().unpolish(button)
            button.style().polish(button)

    @property
    def first(self) -> QPushButton:
        """The button that helps most."""
        return self.choose if self._model.remedy is Remedy.CHOOSE else self.retry

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._model.message)
        self.copy.setText(self.tr("Copied"))
