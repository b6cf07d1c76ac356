"""What is being fetched: each model with its size, how far it is and where it comes from."""

from __future__ import annotations

from urllib.parse import urlsplit

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QGridLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop import theme
from desktop.models.live import LiveModel
from desktop.models.loading import Loading, LoadingStep, StepState
from desktop.widgets.centred_page import CentredPage
from desktop.widgets.labels import ElidedLabel, Label
from desktop.widgets.titled_card import TitledCard

_FINE = 1000  # steps of a bar


class LoadingPage(CentredPage):
    """One row an asset, a total, a way to stop.

    Signals
    -------
    cancel_requested
    """

    cancel_requested = Signal()

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._rows: dict[str, _StepRow] = {}
        self.setAccessibleName(self.tr("Loading"))
        self.headline = Label(pixels=22, weight=QFont.Weight.Bold, wraps=True)
        self.card = TitledCard(self.tr("MODELS"))
        self._list = QVBoxLayout()
        self._list.setContentsMargins(0, 8, 0, 4)
        self._list.setSpacing(theme.INSIDE)
        self.card.body.addLayout(self._list)
        self.busy = _bar()
        self.note = Label(dim=True, pixels=12, wraps=True)
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAccessibleName(self.tr("Cancel loading"))
        self.cancel.clicked.connect(self.cancel_requested)
        self.column.addWidget(self.headline)
        self.column.addWidget(self.busy)
        self.column.addWidget(self.card)
        self.column.addWidget(self.note)
        self.column.addSpacing(4)
        self.column.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignLeft)
        model.loading_changed.connect(self._refresh)
        model.phase_changed.connect(self._refresh)
        self._refresh()

    @property
    def first(self) -> QPushButton:
        """The only button."""
        return self.cancel

    def _refresh(self) -> None:
        loading = self._model.loading
        if [step.key for step in loading.steps] != list(self._rows):
            self._rebuild(loading)
        for step in loading.steps:
            self._rows[step.key].show_step(step)
        fetching = loading.current < len(loading.steps) and not loading.cancelled
        self.headline.setText(self._headline(loading, fetching=fetching))
        self.card.setVisible(bool(loading.steps))
        self.card.remark.setText(self._total(loading))
        self.busy.setVisible(not fetching and not loading.cancelled)
        self.busy.setRange(0, 0 if theme.moves() else 1)
        self.note.setText(
            self.tr("Models are fetched once ({0}) and checked by hash.").format(megabytes(loading.total_bytes))
            if loading.total_bytes
            else self.tr("The models are on this machine already; they are being loaded.")
        )
        self.cancel.setEnabled(not loading.cancelled)

    def _headline(self, loading: Loading, *, fetching: bool) -> str:
        if loading.cancelled:
            return self.tr("Stopping…")
        if fetching:
            return self.tr("Fetching model {0} of {1}").format(loading.current + 1, len(loading.steps))
        return self._model.message or self.tr("Loading the models…")

    def _total(self, loading: Loading) -> str:
        if not loading.total_bytes:
            return ""
        return self.tr("{0} of {1}").format(megabytes(loading.done_bytes), megabytes(loading.total_bytes))

    def _rebuild(self, loading: Loading) -> None:
        for row in self._rows.values():
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows = {step.key: _StepRow(step.title) for step in loading.steps}
        for row in self._rows.values():
            self._list.addWidget(row)


class _StepRow(QWidget):
    """Title and size above, bar in the middle, source or state below."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._size = Label(pixels=12, dim=True)
        self._bar = _bar()
        self._state = ElidedLabel(pixels=11, dim=True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(5)
        name = ElidedLabel(title)
        grid.addWidget(name, 0, 0)
        grid.addWidget(self._size, 0, 1)
        grid.addWidget(self._bar, 1, 0, 1, 2)
        grid.addWidget(self._state, 2, 0, 1, 2)
        grid.setColumnStretch(0, 1)

    def show_step(self, step: LoadingStep) -> None:
        there, whole = megabytes(step.done_bytes), megabytes(step.total_bytes)
        working = step.state is StepState.FETCHING
        self._size.setText(self.tr("{0} of {1}").format(there, whole) if working and step.total_bytes else whole)
        self._bar.setRange(0, _FINE if step.share is not None else 0)
        self._bar.setValue(round((step.share or 0.0) * _FINE))
        self._bar.setAccessibleName(self._title)
        self._state.set_whole(self._text(step))

    def _text(self, step: LoadingStep) -> str:
        if step.problem:
            return step.problem
        if step.state is StepState.FETCHING:
            return self.tr("from {0}").format(short_source(step.source))
        return {
            StepState.WAITING: self.tr("waiting"),
            StepState.DONE: self.tr("✓ here and checked"),
            StepState.CANCELLED: self.tr("stopped; goes on from here next time")
            if step.files
            else self.tr("not begun"),
            StepState.FAILED: self.tr("could not be fetched"),
        }[step.state]


def megabytes(count: int) -> str:
    """A number of bytes for people, in decimal units."""
    if count >= 100_000_000:
        return QCoreApplication.translate("bytes", "{0:.0f} MB").format(count / 1e6)
    if count >= 100_000:
        return QCoreApplication.translate("bytes", "{0:.1f} MB").format(count / 1e6)
    return QCoreApplication.translate("bytes", "{0:.0f} kB").format(count / 1e3)


def short_source(source: str) -> str:
    """Where something comes from: an address's host, or a package's name."""
    return urlsplit(source).netloc or source


def _bar() -> QProgressBar:
    bar = QProgressBar()
    bar.setTextVisible(False)
    return bar
