"""The card with a session's tiers: one is chosen, and more are made, renamed, removed, compared."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QWidget

from desktop.models.editing import EditingModel
from desktop.models.track import TierKey
from desktop.widgets.titled_card import TitledCard
from dmd_runtime import Tier, TierKind

_KEY: Final = Qt.ItemDataRole.UserRole
_STYLE: Final = """
QListWidget { background: transparent; }
QListWidget::item { padding: 4px 6px; border-radius: 6px; }
QListWidget::item:selected { background: palette(alternate-base); color: palette(text); }
"""


class TierEditor(TitledCard):
    """Lists the tiers of an :class:`EditingModel`; the owner asks for what has to be asked.

    Signals
    -------
    item_wanted, tier_wanted, rename_wanted, compare_wanted
        A button was pressed.
    """

    item_wanted = Signal()
    tier_wanted = Signal()
    rename_wanted = Signal()
    compare_wanted = Signal()

    def __init__(self, model: EditingModel, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._model = model
        self._shown: tuple[tuple[TierKey, str], ...] | None = None
        self.title.setText(self.tr("TIERS"))
        self.setAccessibleName(self.tr("Tiers"))
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Tiers"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setFrameShape(QListWidget.Shape.NoFrame)
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click keys still go to the timeline
        self.list.setStyleSheet(_STYLE)
        self.list.currentItemChanged.connect(self._choose)
        self.list.itemDoubleClicked.connect(lambda _: self.rename_wanted.emit())
        self.body.addWidget(self.list, 1)
        self.item = self._button(self.tr("Add item…"), self.tr("Over the selection, or at the play head  (Ins)"))
        self.new = self._button(self.tr("New tier…"), self.tr("A tier of your own"))
        self.rename = self._button(self.tr("Rename…"), self.tr("Another name, or another rater"))
        self.remove = self._button(
            self.tr("Remove"), self.tr("Remove the tier with all that is in it; Undo brings it back")
        )
        self.compare = self._button(
            self.tr("Compare…"), self.tr("How far two raters, or a rater and the model, agree  (K)")
        )
        self.hide_model = QCheckBox(self.tr("Hide the model"))
        self.hide_model.setToolTip(self.tr("Nothing that the model says is shown, so that it does not influence you"))
        for buttons in ((self.item, self.new), (self.rename, self.remove), (self.hide_model, self.compare)):
            row = QHBoxLayout()
            row.setSpacing(0)
            for button in buttons:
                row.addWidget(button)
            row.addStretch(1)
            self.body.addLayout(row)
        self.item.clicked.connect(self.item_wanted)
        self.new.clicked.connect(self.tier_wanted)
        self.rename.clicked.connect(self.rename_wanted)
        self.remove.clicked.connect(model.remove_tier)
        self.compare.clicked.connect(self.compare_wanted)
        self.hide_model.toggled.connect(model.track.hide_model)
        model.changed.connect(self._follow)
        self._follow()

    @staticmethod
    def _button(text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setProperty("kind", "quiet")
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _follow(self) -> None:
        tiers = self._model.annotations.tiers if self._model.store is not None else ()
        shown = tuple((tier.key, self._words(tier)) for tier in tiers)
        self.list.blockSignals(True)
        if shown != self._shown:
            self._shown = shown
            self.list.clear()
            for key, text in shown:
                line = QListWidgetItem(text)
                line.setData(_KEY, key)
                line.setToolTip(text)
                self.list.addItem(line)
        keys = [key for key, _ in shown]
        self.list.setCurrentRow(keys.index(self._model.tier) if self._model.tier in keys else -1)
        self.list.blockSignals(False)
        kind = self._model.kind
        self.item.setEnabled(kind not in (None, TierKind.TRACE))
        for button in (self.rename, self.remove):
            button.setEnabled(kind is not None)
        self.remark.setText(self.tr("none yet") if not shown else "")

    def _words(self, tier: Tier) -> str:
        forms = {
            TierKind.POINT: self.tr("moments: {0}"),
            TierKind.SPAN: self.tr("items: {0}"),
            TierKind.CATEGORY: self.tr("labels: {0}"),
            TierKind.TEXT: self.tr("notes: {0}"),
            TierKind.TRACE: self.tr("samples: {0}"),
        }
        return f"{tier.name} · {tier.by}   {forms[tier.kind].format(len(tier.items))}"

    def _choose(self, line: QListWidgetItem | None) -> None:
        key = None if line is None else line.data(_KEY)
        self._model.choose_tier(None if key is None else (str(key[0]), str(key[1])))
