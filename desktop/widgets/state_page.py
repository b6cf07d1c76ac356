"""What stands where the live page will be: nothing chosen, loading, failed."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from desktop.models.live import LiveModel, Phase
from desktop.widgets.empty_page import EmptyPage
from desktop.widgets.failed_page import FailedPage
from desktop.widgets.loading_page import LoadingPage

PHASES: Final = (Phase.EMPTY, Phase.LOADING, Phase.FAILED)
"""Phases that have a page here; the live page itself shows the others."""


class StatePage(QWidget):
    """Shows the page of the model's phase and hides itself in all others; touched by the window's thread only.

    Signals
    -------
    start_requested : start camera and microphone.
    open_requested : choose a file.
    demo_requested : show the demo.
    cancel_requested : stop loading.
    retry_requested : try the same again.
    choose_requested : choose another source.
    """

    start_requested = Signal()
    open_requested = Signal()
    demo_requested = Signal()
    cancel_requested = Signal()
    retry_requested = Signal()
    choose_requested = Signal()

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.empty, self.loading, self.failed = EmptyPage(), LoadingPage(model), FailedPage(model)
        self._pages: dict[Phase, EmptyPage | LoadingPage | FailedPage] = {
            Phase.EMPTY: self.empty,
            Phase.LOADING: self.loading,
            Phase.FAILED: self.failed,
        }
        self._stack = QStackedWidget()
        for page in self._pages.values():
            self._stack.addWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)
        self.empty.start_requested.connect(self.start_requested)
        self.empty.open_requested.connect(self.open_requested)
        self.empty.demo_requested.connect(self.demo_requested)
        self.loading.cancel_requested.connect(self.cancel_requested)
        self.failed.retry_requested.connect(self.retry_requested)
        self.failed.choose_requested.connect(self.choose_requested)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        model.phase_changed.connect(self._refresh)
        self._refresh()

    @property
    def page(self) -> EmptyPage | LoadingPage | FailedPage | None:
        """The page that is shown, if one is."""
        return self._pages.get(self._model.phase)

    def _refresh(self) -> None:
        page = self.page
        self.setVisible(page is not None)
        if page is not None and page is not self._stack.currentWidget():
            self._stack.setCurrentWidget(page)
            page.first.setFocus(Qt.FocusReason.OtherFocusReason)
