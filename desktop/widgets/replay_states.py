"""A replay that is not there yet: nothing chosen, being opened, or not to be opened."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.widgets.centred_page import CentredPage
from desktop.widgets.labels import Label
from desktop.widgets.signs import Sign


class ReplayStates(CentredPage):
    """What is missing, why, and the button that helps."""

    def __init__(self, model: ReplayModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.sign = Sign(Severity.RED, 26)
        self.headline = Label(pixels=22, weight=QFont.Weight.Bold, wraps=True)
        self.text = Label(pixels=16, wraps=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setAccessibleName(self.tr("Opening"))
        self.choose = QPushButton(self.tr("Choose a session"))
        self.choose.setProperty("kind", "primary")
        self.retry = QPushButton(self.tr("Try again"))
        for button in (self.choose, self.retry):
            button.setAccessibleName(button.text())
            button.setMinimumHeight(36)
        row = QHBoxLayout()
        row.setSpacing(theme.GAP)
        row.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.headline, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GAP)
        buttons.addWidget(self.choose)
        buttons.addWidget(self.retry)
        buttons.addStretch(1)
        self.column.addLayout(row)
        self.column.addWidget(self.text)
        self.column.addWidget(self.busy)
        self.column.addSpacing(4)
        self.column.addLayout(buttons)
        self.choose.clicked.connect(model.choose_requested)
        self.retry.clicked.connect(model.retry_requested)
        model.live.phase_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        live = self._model.live
        failed, loading = live.phase is Phase.FAILED, live.phase is Phase.LOADING
        if failed:
            headline, text = self.tr("This session cannot be opened."), live.message
        elif loading:
            headline, text = live.message, str(self._model.folder or "")
        else:
            headline = self.tr("No session is open.")
            text = self.tr("Choose a recorded session to watch it again: its picture, words, readings and notes.")
        self.headline.setText(headline)
        self.text.setText(text)
        self.sign.setVisible(failed)
        self.busy.setVisible(loading)
        self.choose.setVisible(not loading)
        self.retry.setVisible(failed)
        self.setAccessibleName(headline)
