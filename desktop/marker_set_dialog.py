"""The dialog in which marker sets are edited: names, colours, keys, points and spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QColorDialog,
    QComboBox,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.dialogs import TitledDialog
from desktop.models.health import Severity
from desktop.widgets.labels import Label as Text
from desktop.widgets.signs import Sign
from dmd_runtime import Label, MarkerSet, MarkerSetStore

COLOURS: Final = ("#7A8CA3", "#C9695B", "#B58A5A", "#A678A8", "#5B93A8", "#6C9A72", "#8A7FB0", "#9AA15C")
"""Of new labels, one after the other."""
_KEY_WIDTH, _KIND_WIDTH = 44, 140


def _tr(text: str) -> str:
    return QCoreApplication.translate("MarkerSetDialog", text)


class Swatch(QAbstractButton):
    """A colour; pressed, it asks for another.

    Signals
    -------
    chosen : the colour is another one.
    """

    chosen = Signal()

    def __init__(self, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.colour = colour
        self.setAccessibleName(_tr("Colour"))
        self.setToolTip(_tr("Colour"))
        self.setFixedSize(QSize(30, 30))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._ask)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint the colour, or an empty frame where there is none."""
        look, good = theme.theme(), QColor(self.colour)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.accent if self.hasFocus() else look.line, 2.0 if self.hasFocus() else 1.0))
        painter.setBrush(good if self.colour and good.isValid() else look.card)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(4, 4, -4, -4), 6, 6)
        painter.end()

    def _ask(self) -> None:
        found = QColorDialog.getColor(QColor(self.colour or COLOURS[0]), self, _tr("Colour"))
        if found.isValid():
            self.colour = found.name()
            self.update()
            self.chosen.emit()


class LabelRow(QWidget):
    """One label: colour, name, key, kind.

    Signals
    -------
    changed, removed, raised : the last asks to be one place further up.
    """

    changed = Signal()
    removed = Signal()
    raised = Signal()

    def __init__(self, label: Label, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.colour = Swatch(label.color)
        self.name = QLineEdit(label.name)
        self.name.setAccessibleName(_tr("Name of the label"))
        self.name.setPlaceholderText(_tr("name"))
        self.key = QLineEdit(label.key)
        self.key.setMaxLength(1)
        self.key.setFixedWidth(_KEY_WIDTH)
        self.key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.key.setAccessibleName(_tr("Key"))
        self.kind = QComboBox()
        self.kind.addItems([_tr("point"), _tr("start and stop")])
        self.kind.setCurrentIndex(int(label.span))
        self.kind.setFixedWidth(_KIND_WIDTH)
        self.kind.setAccessibleName(_tr("Point or span"))
        self.up = _quiet("↑", _tr("Move up"))
        self.remove = _quiet("×", _tr("Remove this label"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget, stretch in (
            (self.colour, 0),
            (self.name, 1),
            (self.key, 0),
            (self.kind, 0),
            (self.up, 0),
            (self.remove, 0),
        ):
            row.addWidget(widget, stretch)
        self.colour.chosen.connect(self.changed)
        self.name.textChanged.connect(self.changed)
        self.key.textChanged.connect(self._capital)
        self.kind.currentIndexChanged.connect(self.changed)
        self.remove.clicked.connect(self.removed)
        self.up.clicked.connect(self.raised)

    @property
    def label(self) -> Label:
        """As it stands."""
        return Label(
            name=self.name.text().strip(),
            color=self.colour.colour,
            key=self.key.text().strip(),
            span=self.kind.currentIndex() == 1,
        )

    def _capital(self, text: str) -> None:
        if text != text.upper():
            self.key.setText(text.upper())  # comes back here
        else:
            self.changed.emit()


class MarkerSetDialog(TitledDialog):
    """Edits copies; :attr:`sets` has them when it was accepted, which needs them to be without a problem."""

    def __init__(self, sets: Sequence[MarkerSet], chosen: str = "", parent: QWidget | None = None) -> None:
        super().__init__(_tr("Marker sets"), parent)
        self._sets = list(sets)
        self._rows: list[LabelRow] = []
        self._at = 0
        self._build_choice()
        self._build_rows()
        self._build_end()
        names = [marker_set.name for marker_set in self._sets]
        self._show_sets(names.index(chosen) if chosen in names else 0)
        self.resize(620, 560)

    @property
    def sets(self) -> tuple[MarkerSet, ...]:
        """As they stand."""
        return tuple(self._sets)

    @property
    def chosen(self) -> str:
        """The name of the set that is shown."""
        return self._sets[self._at].name if self._sets else ""

    # ---------------------------------------------------------------- layout

    def _build_choice(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.choice = QComboBox()
        self.choice.setAccessibleName(_tr("Marker set"))
        self.choice.activated.connect(self._show)
        self.add_set, self.copy_set = QPushButton(_tr("New")), QPushButton(_tr("Duplicate"))
        self.remove_set = QPushButton(_tr("Delete"))
        row.addWidget(self.choice, 1)
        for button, call in (
            (self.add_set, self._add_set),
            (self.copy_set, self._copy_set),
            (self.remove_set, self._remove_set),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(call)
            row.addWidget(button)
        self.column.addLayout(row)
        self.name = QLineEdit()
        self.name.setAccessibleName(_tr("Name of the set"))
        self.name.setPlaceholderText(_tr("name of the set"))
        self.name.textEdited.connect(self._take)
        self.column.addWidget(self.name)

    def _build_rows(self) -> None:
        heads = QHBoxLayout()
        heads.setSpacing(8)
        heads.setContentsMargins(38, 0, 92, 0)
        heads.addWidget(Text(_tr("Label"), pixels=11, dim=True), 1)
        for text, width in ((_tr("Key"), _KEY_WIDTH), (_tr("Kind"), _KIND_WIDTH)):
            head = Text(text, pixels=11, dim=True)
            head.setFixedWidth(width)
            heads.addWidget(head)
        self.column.addLayout(heads)
        inside = QWidget()
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(0, 0, 8, 0)
        self._list.setSpacing(6)
        self.add_label = QPushButton(_tr("Add a label"))
        self.add_label.setAutoDefault(False)
        self.add_label.clicked.connect(self._add_label)
        self._list.addWidget(self.add_label, 0, Qt.AlignmentFlag.AlignLeft)
        self._list.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidget(inside)
        self._scroll.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        self.column.addWidget(self._scroll, 1)

    def _build_end(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(10)
        self._sign = Sign(Severity.AMBER, 14)
        self.problem = Text(pixels=12, wraps=True)
        line.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.problem, 1)
        self.column.addLayout(line)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Save, QDialogButtonBox.StandardButton.Cancel)
        self.save = box.button(QDialogButtonBox.StandardButton.Save)
        self.restore = QPushButton(_tr("Restore those that came with it"))
        self.restore.setAutoDefault(False)
        self.restore.clicked.connect(self._restore)
        box.addButton(self.restore, QDialogButtonBox.ButtonRole.ResetRole)

    # --------------------------------------------------------------- editing

    def _show_sets(self, at: int) -> None:
        self.choice.clear()
        self.choice.addItems([marker_set.name for marker_set in self._sets])
        self._show(at)

    def _show(self, at: int) -> None:
        self._at = min(max(at, 0), max(0, len(self._sets) - 1))
        self.choice.setCurrentIndex(self._at if self._sets else -1)
        shown = self._sets[self._at] if self._sets else MarkerSet(name="")
        self.name.setText(shown.name)
        for widget in (self.name, self.copy_set, self.remove_set, self.add_label):
            widget.setEnabled(bool(self._sets))
        for row in self._rows:
            row.hide()
            self._list.removeWidget(row)
            row.deleteLater()
        self._rows = []
        for label in shown.labels:
            self._add_row(label)
        self._judge()

    def _add_row(self, label: Label) -> LabelRow:
        row = LabelRow(label)
        row.changed.connect(self._take)
        row.removed.connect(lambda: self._move(row, None))
        row.raised.connect(lambda: self._move(row, -1))
        self._list.insertWidget(len(self._rows), row)
        self._rows.append(row)
        return row

    def _move(self, row: LabelRow, by: int | None) -> None:
        """Move a row, or take it away."""
        labels, at = [r.label for r in self._rows], self._rows.index(row)
        label = labels.pop(at)
        if by is not None:
            labels.insert(max(0, at + by), label)
        self._sets[self._at] = replace(self._sets[self._at], labels=tuple(labels))
        self._show(self._at)
        if by is not None:
            self._rows[max(0, at + by)].up.setFocus()

    def _take(self) -> None:
        """Take over what stands in the fields."""
        if self._sets:
            name = self.name.text().strip()
            self._sets[self._at] = MarkerSet(name=name, labels=tuple(row.label for row in self._rows))
            self.choice.setItemText(self._at, name)
            self._judge()

    def _judge(self) -> None:
        wrong = MarkerSetStore.problems(self._sets)
        self.problem.setText(wrong[0] if wrong else "")
        self.problem.setVisible(bool(wrong))
        self._sign.setVisible(bool(wrong))
        self.save.setEnabled(not wrong)

    def _add_label(self) -> None:
        row = self._add_row(Label(name="", color=COLOURS[len(self._rows) % len(COLOURS)]))
        self._take()
        row.name.setFocus()
        self._scroll.ensureWidgetVisible(row)

    def _add_set(self) -> None:
        self._sets.append(MarkerSet(name=self._free(_tr("new set"))))
        self._show_sets(len(self._sets) - 1)
        self.name.setFocus()
        self.name.selectAll()

    def _copy_set(self) -> None:
        shown = self._sets[self._at]
        self._sets.append(replace(shown, name=self._free(shown.name)))
        self._show_sets(len(self._sets) - 1)

    def _remove_set(self) -> None:
        del self._sets[self._at]
        self._show_sets(self._at)

    def _restore(self) -> None:
        """Bring back those that came with the program, as they were; others stay."""
        came = MarkerSetStore.defaults()
        names = {marker_set.name for marker_set in came}
        self._sets = [*came, *(own for own in self._sets if own.name not in names)]
        self._show_sets(0)

    def _free(self, name: str) -> str:
        taken = {marker_set.name for marker_set in self._sets}
        return next(n for n in (name, *(f"{name} {k}" for k in range(2, len(taken) + 3))) if n not in taken)


def _quiet(text: str, what: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("kind", "quiet")
    button.setAccessibleName(what)
    button.setToolTip(what)
    button.setAutoDefault(False)
    button.setFixedWidth(34)
    return button
