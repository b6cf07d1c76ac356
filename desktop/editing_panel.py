"""The panel in which a replay is annotated: rater, undo, palette, pad, tiers, and the dialogs these need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from desktop import theme
from desktop.models.track import TierKey
from desktop.replay.editing import UNSAVED, ReplayEditing
from desktop.tier_dialogs import ItemDialog, TierDialog
from desktop.widgets.labels import Label
from desktop.widgets.marker_palette import MarkerPalette
from desktop.widgets.replay_controls import SignButton
from desktop.widgets.replay_timeline import ReplayTimeline
from desktop.widgets.tier_editor import TierEditor
from desktop.widgets.trace_pad import TracePad
from desktop.widgets.track_layout import Kind
from dmd_runtime import Item, TierKind

if TYPE_CHECKING:
    from desktop.dialogs import TitledDialog


class EditingPanel(QWidget):
    """Everything a :class:`ReplayEditing` offers; on ``timeline`` items can be dragged while it edits.

    Attributes
    ----------
    dialog : TitledDialog or None
        The one that asks now.
    """

    def __init__(self, editing: ReplayEditing, timeline: ReplayTimeline, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.editing, self.edits = editing, editing.edits
        self.dialog: TitledDialog | None = None
        self._timeline = timeline
        self.setAccessibleName(self.tr("Annotating"))
        self.palette_ = MarkerPalette(self.edits.marks, undo_key=False)
        self.palette_.undo.hide()  # its own would be one more way back, in another order
        self.palette_.edit.hide()
        self.pad = TracePad(self.edits.marks)
        self.tiers = TierEditor(self.edits)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.tiers)
        self._pages.addWidget(self.pad)
        columns = QHBoxLayout()
        columns.setSpacing(theme.GAP)
        columns.addWidget(self.palette_, 6)
        columns.addWidget(self._pages, 7)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(self._build_header())
        column.addLayout(columns, 1)
        self._connect()
        self._follow()

    def _build_header(self) -> QHBoxLayout:
        self.rater = QComboBox()
        self.rater.setEditable(True)
        self.rater.setAccessibleName(self.tr("Rater"))
        self.rater.setToolTip(self.tr("Who annotates: marks go to tiers of this name"))
        self.rater.setMinimumContentsLength(8)
        self.rater.setMaximumWidth(200)
        self.undo = SignButton("undo", self.tr("Undo"))
        self.redo = SignButton("redo", self.tr("Redo"))
        self.state = Label(pixels=12, dim=True)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(Label(self.tr("Rater"), dim=True))
        for widget in (self.rater, self.undo, self.redo, self.state):
            row.addWidget(widget)
        row.addStretch(1)
        self._choice = QButtonGroup(self)
        for number, text in enumerate((self.tr("Tiers"), self.tr("Trace"))):
            button = QPushButton(text)
            button.setProperty("kind", "quiet")
            button.setCheckable(True)
            button.setChecked(number == 0)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._choice.addButton(button, number)
            row.addWidget(button)
        return row

    def _connect(self) -> None:
        edits, timeline = self.edits, self._timeline
        self._choice.idClicked.connect(self._pages.setCurrentIndex)
        self.undo.clicked.connect(edits.undo)
        self.redo.clicked.connect(edits.redo)
        line = self.rater.lineEdit()
        assert line is not None
        line.editingFinished.connect(self._take_rater)
        line.returnPressed.connect(lambda: timeline.setFocus(Qt.FocusReason.OtherFocusReason))
        self.rater.activated.connect(lambda _: self._take_rater())
        edits.changed.connect(self._follow)
        self.editing.changed.connect(self._turn)
        self.editing.saved.connect(self._follow_state)
        self.editing.model.live.notices_changed.connect(self._follow_state)
        self.tiers.item_wanted.connect(self.ask_new_item)
        self.tiers.tier_wanted.connect(self.ask_new_tier)
        self.tiers.rename_wanted.connect(self.ask_tier_name)
        timeline.item_dragged.connect(edits.drag)
        timeline.item_activated.connect(self._activate)

    # --------------------------------------------------------------- dialogs

    def ask_item(self) -> None:
        """Edit label, time and note of the chosen item."""
        chosen = self.edits.selected
        if chosen is not None:
            key, item = chosen
            dialog = ItemDialog(self.edits.annotations.tier(key), item, end=self.edits.track.end, parent=self.window())
            dialog.accepted.connect(lambda: dialog.item != item and self.edits.change_item(key, dialog.item))
            self._ask(dialog, item)

    def ask_new_item(self) -> None:
        """Add one to the chosen tier, over what is selected or at the play head."""
        item, key = self.edits.new_item(), self.edits.tier
        if item is not None and key is not None:
            tier, end = self.edits.annotations.tier(key), self.edits.track.end
            dialog = ItemDialog(tier, item, end=end, is_new=True, parent=self.window())
            dialog.accepted.connect(lambda: self.edits.add_item(dialog.item))
            self._ask(dialog, item)

    def ask_new_tier(self) -> None:
        """Make a tier."""
        dialog = TierDialog(raters=self.edits.raters, parent=self.window())

        def add() -> None:
            self.edits.set_rater(dialog.by.currentText())
            self.edits.add_tier(dialog.name.text(), TierKind(dialog.kind.currentData()))

        dialog.accepted.connect(add)
        self._ask(dialog)

    def ask_tier_name(self) -> None:
        """Rename the chosen tier."""
        key = self.edits.tier
        if key is not None:
            dialog = TierDialog(self.edits.annotations.tier(key), raters=self.edits.raters, parent=self.window())
            dialog.accepted.connect(lambda: self.edits.rename_tier(dialog.name.text(), dialog.by.currentText()))
            self._ask(dialog)

    def _ask(self, dialog: TitledDialog, item: Item | None = None) -> None:
        self.dialog = dialog
        dialog.finished.connect(self._forget)
        if isinstance(dialog, ItemDialog) and item is not None:
            timeline, axis = self._timeline, self._timeline.axis()
            rows = timeline.arrangement().rows
            names = [row.tier.key for row in timeline.model.tiers]
            number = names.index(self.edits.tier) if self.edits.tier in names else 0
            top = next((r.box.top() for r in rows if r.kind is Kind.TIER and r.number == number), 0.0)
            x = min(axis.right, max(axis.left, axis.x(item.t0)))
            dialog.stand_above(timeline.mapToGlobal(QPointF(x, top)).toPoint())
        dialog.open()

    def _forget(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None
            self._timeline.setFocus(Qt.FocusReason.OtherFocusReason)

    # ------------------------------------------------------------- following

    def _activate(self, key: TierKey, id: str) -> None:  # noqa: A002 - the field's name
        if self.editing.is_on:
            self.edits.track.select_item(key, id)
            self.ask_item()

    def _take_rater(self) -> None:
        self.edits.set_rater(self.rater.currentText())

    def _turn(self) -> None:
        self._timeline.editable = self.editing.is_on
        self.edits.track.lead_with_tiers(self.editing.is_on)
        if not self.editing.is_on:
            self.tiers.hide_model.setChecked(False)
            if self.dialog is not None:
                self.dialog.reject()
        self._follow()

    def _follow(self) -> None:
        undo, redo = self.edits.undo_text, self.edits.redo_text
        self.undo.setEnabled(bool(undo))
        self.redo.setEnabled(bool(redo))
        self.undo.describe((self.tr("Undo: {0}").format(undo) if undo else self.tr("Undo")) + "  (Ctrl+Z)")
        self.redo.describe((self.tr("Redo: {0}").format(redo) if redo else self.tr("Redo")) + "  (Ctrl+Shift+Z)")
        if list(self.edits.raters) != [self.rater.itemText(i) for i in range(self.rater.count())]:
            self.rater.clear()
            self.rater.addItems(list(self.edits.raters))
        if not self.rater.hasFocus() or self.rater.currentText().strip() == self.edits.rater:
            self.rater.setCurrentText(self.edits.rater)
        self._follow_state()

    def _follow_state(self) -> None:
        failed = UNSAVED in self.editing.model.live.notices
        words = self.tr("not saved") if failed else self.tr("saving …")
        self.state.setText(self.tr("saved") if self.editing.is_saved else words)
