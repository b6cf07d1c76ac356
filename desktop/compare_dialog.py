"""The dialog in which two raters, or a rater and the model, are compared."""

from __future__ import annotations

from functools import partial
from typing import Final

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QDialogButtonBox, QHBoxLayout, QPushButton, QWidget

from desktop.dialogs import TitledDialog
from desktop.models.comparing import Side, sides
from desktop.models.worker import Worker
from desktop.theme import GAP
from desktop.widgets.compare_view import CompareView
from desktop.widgets.labels import Label
from dmd_runtime import Agreement, Annotations, DMDError, Readings, compare_tiers

_WAIT: Final = 8.0


def _tr(text: str) -> str:
    return QCoreApplication.translate("CompareDialog", text)


class CompareDialog(TitledDialog):
    """Compares what is chosen, beside the window; the figures can be copied as text.

    Parameters
    ----------
    annotations : Annotations
    readings : Readings or None
        Of the model, those that are shown.
    analysis : str
        Their name; empty: as recorded.
    """

    _compared = Signal(object, object, str)

    def __init__(
        self,
        annotations: Annotations,
        readings: Readings | None = None,
        *,
        analysis: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(_tr("Compare"), parent)
        self._sides = sides(annotations, readings, analysis)
        self._worker = Worker("dmd-comparing")
        self._asked: object = None
        self.first, self.second = QComboBox(), QComboBox()
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for name, choice in ((_tr("First"), self.first), (_tr("Second"), self.second)):
            choice.setAccessibleName(name)
            row.addWidget(Label(name, dim=True))
            row.addWidget(choice, 1)
        self.column.addLayout(row)
        self.view = CompareView()
        self.column.addWidget(self.view, 1)
        self.remark = Label(pixels=12, dim=True, wraps=True)
        self.column.addWidget(self.remark)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Close)
        self.copy = QPushButton(_tr("Copy as text"))
        self.copy.setAutoDefault(False)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.view.text))
        box.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        self._compared.connect(self._show)
        self.finished.connect(lambda _: self._worker.close(_WAIT))
        for side in self._sides:
            self.first.addItem(side.title, side)
        self.first.currentIndexChanged.connect(self._offer)
        self.second.currentIndexChanged.connect(self._compare)
        self._choose_first()
        self._offer()
        room = self.screen().availableGeometry().size()
        self.resize(min(880, room.width() - 2 * GAP), min(640, room.height() - 4 * GAP))

    def _others(self, side: Side) -> list[Side]:
        return [other for other in self._sides if other is not side and other.kind is side.kind]

    def _choose_first(self) -> None:
        """The first that there is another of its kind for."""
        for number, side in enumerate(self._sides):
            if self._others(side):
                self.first.setCurrentIndex(number)
                return

    def _offer(self) -> None:
        """Only what is of the first's kind can be the second."""
        side: Side | None = self.first.currentData()
        self.second.blockSignals(True)
        self.second.clear()
        for other in self._others(side) if side is not None else []:
            self.second.addItem(other.title, other)
        self.second.blockSignals(False)
        self._compare()

    def _compare(self) -> None:
        first: Side | None = self.first.currentData()
        second: Side | None = self.second.currentData()
        self.copy.setEnabled(False)
        if first is None or second is None:
            self._asked = None
            self.view.show_remark(
                _tr(
                    "There is nothing to compare: it takes two tiers of emotion labels, or two traces, "
                    "or one of them and readings of the model."
                )
            )
            return
        self._asked = (first, second)
        self.view.show_remark(_tr("Comparing …"))
        about = _tr(
            "Intervals draw blocks of 10 s: neighbouring moments are not independent. "
            "Krippendorff's alpha pools what both said."
        )
        if (first.is_model or second.is_model) and first.kind.value == "trace":
            about = _tr("The model's sentiment over three is close to expressed valence, and not the same. ") + about
        self.remark.setText(about)
        self._worker.clear()
        self._worker.submit(partial(self._work, (first, second)))

    def _work(self, asked: tuple[Side, Side]) -> None:
        """On the worker's thread."""
        found, problem = None, ""
        try:
            found = compare_tiers(asked[0].tier(), asked[1].tier())
        except DMDError as error:
            problem = str(error)
        self._compared.emit(asked, found, problem)

    def _show(self, asked: tuple[Side, Side], found: Agreement | None, problem: str) -> None:
        if asked is not self._asked and asked != self._asked:
            return
        if found is None:
            self.view.show_remark(problem)
        else:
            self.view.show_agreement(found, asked[0].title, asked[1].title)
        self.copy.setEnabled(True)
