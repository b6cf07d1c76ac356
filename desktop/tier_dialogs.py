"""Small dialogs beside a replay's timeline: one annotation, and one tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QCoreApplication, QPoint
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QDoubleSpinBox,
    QGridLayout,
    QLineEdit,
    QWidget,
)

from desktop import theme
from desktop.dialogs import TitledDialog
from desktop.models.words import emotion_word
from desktop.widgets.labels import Label
from dmd_runtime import Item, Tier, TierKind

_WIDTH: Final = 340


def _tr(text: str) -> str:
    return QCoreApplication.translate("TierDialogs", text)


KINDS: Final = {
    TierKind.POINT: "moments",
    TierKind.SPAN: "spans",
    TierKind.CATEGORY: "one label at a time",
    TierKind.TEXT: "notes",
    TierKind.TRACE: "trace",
}


def kind_words(kind: TierKind) -> str:
    """What a tier holds, in words."""
    return _tr(KINDS[kind])


class ItemDialog(TitledDialog):
    """Asks for label, time and note of one annotation; :attr:`item` has the answer when it was accepted.

    Parameters
    ----------
    tier : Tier
    item : Item
    end : float
        Of the session, s.
    is_new : bool
    """

    def __init__(
        self, tier: Tier, item: Item, *, end: float, is_new: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(_tr("Add to “{0}”").format(tier.name) if is_new else tier.name, parent)
        self.item = item
        self.label = QComboBox()
        self.label.setEditable(True)
        self.label.setAccessibleName(_tr("Label"))
        known = dict.fromkeys((*(one.name for one in tier.labels), *(one.label for one in tier.items), item.label))
        for name in filter(None, known):
            self.label.addItem(emotion_word(name), name)
        self.label.setCurrentText(emotion_word(item.label))
        self.start, self.stop = _seconds(_tr("From"), item.t0, end), _seconds(_tr("To"), item.end, end)
        self.lasts = QCheckBox(_tr("To"))
        self.lasts.setChecked(item.t1 is not None)
        self.lasts.setEnabled(tier.kind in (TierKind.SPAN, TierKind.TEXT))
        self.lasts.toggled.connect(self.stop.setEnabled)
        self.stop.setEnabled(item.t1 is not None)
        self.note = QLineEdit(item.note)
        self.note.setAccessibleName(_tr("Note"))
        self.lasts.setVisible(tier.kind is not TierKind.POINT)
        self.stop.setVisible(tier.kind is not TierKind.POINT)
        self._must_last = tier.kind is TierKind.CATEGORY
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.GAP)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(1, _WIDTH - 80)
        left: tuple[QWidget, ...] = (Label(_tr("Label")), Label(_tr("From")), self.lasts, Label(_tr("Note")))
        right: tuple[QWidget, ...] = (self.label, self.start, self.stop, self.note)
        for row, widgets in enumerate(zip(left, right, strict=True)):
            for column, widget in enumerate(widgets):
                grid.addWidget(widget, row, column)
        self.column.addLayout(grid)
        self.problem = Label(pixels=12, wraps=True)
        self.problem.hide()
        self.column.addWidget(self.problem)
        _name_buttons(self, _tr("Add") if is_new else _tr("Keep"))
        (self.note if tier.kind is TierKind.TEXT else self.label).setFocus()
        edit = self.label.lineEdit()
        if edit is not None:
            edit.selectAll()

    def accept(self) -> None:
        """Take what was entered, if it can be."""
        t0, lasts = self._near(self.start, self.item.t0), self.lasts.isChecked()
        t1 = self._near(self.stop, self.item.end) if lasts else None
        if t1 is not None and (t1 < t0 or (self._must_last and t1 == t0)):
            self.problem.setText(_tr("It has to end after it began."))
            self.problem.show()
            return
        text = self.label.currentText().strip()
        at = self.label.findText(text)
        label = str(self.label.itemData(at) or text) if at >= 0 else text
        self.item = replace(self.item, label=label, t0=t0, t1=t1, note=self.note.text().strip())
        super().accept()

    @staticmethod
    def _near(box: QDoubleSpinBox, before: float) -> float:
        """What the box says; the time before, exactly, where it was not touched."""
        return before if abs(box.value() - before) < 0.5 * 10 ** -box.decimals() else box.value()

    def stand_above(self, place: QPoint) -> None:
        """Stand over a point of the screen, or under it where there is no room."""
        self.adjustSize()
        room = self.screen().availableGeometry()
        x = min(max(room.left(), place.x() - 40), room.right() - self.width())
        y = place.y() - self.height() - 12
        self.move(x, y if y >= room.top() else min(place.y() + 24, room.bottom() - self.height()))


class TierDialog(TitledDialog):
    """Asks for the name of a tier, who makes it, and, of a new one, what it holds.

    Parameters
    ----------
    tier : Tier, optional
        That is renamed; without, a new one is made.
    raters : sequence of str
        The first is suggested.
    """

    def __init__(
        self,
        tier: Tier | None = None,
        *,
        raters: Sequence[str] = (),
        kind: TierKind = TierKind.SPAN,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(_tr("New tier") if tier is None else _tr("Rename “{0}”").format(tier.name), parent)
        self.name = QLineEdit("" if tier is None else tier.name)
        self.name.setAccessibleName(_tr("Name"))
        self.by = QComboBox()
        self.by.setEditable(True)
        self.by.setAccessibleName(_tr("Rater"))
        self.by.addItems(list(dict.fromkeys(raters)))
        self.by.setCurrentText(tier.by if tier is not None else self.by.currentText())
        self.kind = QComboBox()
        self.kind.setAccessibleName(_tr("What it holds"))
        for one in KINDS:
            self.kind.addItem(kind_words(one), one)
        self.kind.setCurrentIndex(self.kind.findData(tier.kind if tier is not None else kind))
        self.kind.setEnabled(tier is None)
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.GAP)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(1, _WIDTH - 80)
        words = (_tr("Name"), _tr("Rater"), _tr("Holds"))
        for row, (text, widget) in enumerate(zip(words, (self.name, self.by, self.kind), strict=True)):
            grid.addWidget(Label(text), row, 0)
            grid.addWidget(widget, row, 1)
        self.column.addLayout(grid)
        self.keep = _name_buttons(self, _tr("Add") if tier is None else _tr("Rename"))
        self.name.textChanged.connect(self._judge)
        self.by.editTextChanged.connect(self._judge)
        self.name.setFocus()
        self.name.selectAll()
        self._judge()

    def _judge(self) -> None:
        self.keep.setEnabled(bool(self.name.text().strip() and self.by.currentText().strip()))


def _name_buttons(dialog: TitledDialog, keep: str) -> QWidget:
    box = dialog.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
    button = box.button(QDialogButtonBox.StandardButton.Ok)
    button.setText(keep)
    button.setDefault(True)
    return button


def _seconds(name: str, value: float, end: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setAccessibleName(name)
    box.setDecimals(3)
    box.lineEdit().setTextMargins(8, 0, 0, 0)
    box.setRange(0.0, max(end, value))
    box.setSingleStep(0.1)
    box.setSuffix(_tr(" s"))
    box.setValue(value)
    return box
