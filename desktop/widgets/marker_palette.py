"""The card to mark with: a chip for each label of the chosen set, own emotion labels, a line for notes."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.models.annotating import EMOTION_LABELS, AnnotatingModel
from desktop.models.words import emotion_word
from desktop.widgets.choice_box import ChoiceBox
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.label_chip import LabelChip
from desktop.widgets.labels import Label as TextLabel
from desktop.widgets.titled_card import TitledCard
from dmd_runtime import KnownTier, Label

NOTE_KEY: Final = "N"
UNDO_KEY: Final = "Ctrl+Z"
_TICK: Final = 250  # ms between looks at what runs


class NoteLine(QLineEdit):
    """A note; Enter keeps it, with the time when its typing began; Escape drops it. Both give the keys back."""

    def __init__(self, model: AnnotatingModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setPlaceholderText(self.tr("Note (N): Enter keeps it, with the time when you began to type"))
        self.setAccessibleName(self.tr("Note"))
        self.textEdited.connect(self._follow)
        self.returnPressed.connect(self._keep)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Escape drops what was typed."""
        if event.key() == Qt.Key.Key_Escape:
            self._model.drop_note()
            self.clear()
            self.clearFocus()
            return
        super().keyPressEvent(event)

    def _follow(self, text: str) -> None:
        if text:
            self._model.begin_note()
        else:
            self._model.drop_note()

    def _keep(self) -> None:
        if not self.text().strip() or self._model.note(self.text()):  # what could not be kept stays to be copied
            self.clear()
            self.clearFocus()


class MarkerPalette(TitledCard):
    """Chips, keys and notes for an :class:`AnnotatingModel`. Its keys work while it is on screen.

    Parameters
    ----------
    model : AnnotatingModel
    undo_key : bool
        Whether Ctrl+Z takes back the last mark; False where something else has that key.

    Signals
    -------
    edit_requested : the sets are to be edited.
    set_chosen(str) : by name, by the user.
    """

    edit_requested = Signal()
    set_chosen = Signal(str)

    def __init__(self, model: AnnotatingModel, *, undo_key: bool = True, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._model = model
        self.title.setText(self.tr("MARKERS"))
        self.setAccessibleName(self.tr("Markers"))
        self._shortcuts: list[QShortcut] = []
        self._chips: dict[tuple[str, str], LabelChip] = {}
        self._shown: object = None
        self._build_header()
        self.body.setSpacing(theme.GAP - 4)
        holder = QWidget()
        inside = QVBoxLayout(holder)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(theme.GAP - 4)
        self._rows = {name: QWidget() for name in ("set", "emotion")}
        for row in self._rows.values():
            FlowLayout(row, spacing=8, centred=False)
            policy = row.sizePolicy()
            policy.setHeightForWidth(True)
            row.setSizePolicy(policy)
            inside.addWidget(row)
        inside.addStretch(1)
        self.body.addWidget(_scrolled(holder), 1)
        self.ended = TextLabel(pixels=12, wraps=True)
        self.body.addWidget(self.ended)
        self.note = NoteLine(model)
        self.body.addWidget(self.note)
        QShortcut(QKeySequence(NOTE_KEY), self, self.note.setFocus).setAutoRepeat(False)
        if undo_key:
            QShortcut(QKeySequence(UNDO_KEY), self, model.undo).setAutoRepeat(False)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._timer.timeout.connect(self._show_states)
        model.changed.connect(self._follow)
        self._follow()

    @property
    def chips(self) -> tuple[LabelChip, ...]:
        """All of them, in order."""
        return tuple(self._chips.values())

    @property
    def shows_emotions(self) -> bool:
        """Whether own emotion labels can be set."""
        return self.emotions.isChecked()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Follow what runs."""
        super().showEvent(event)
        self._show_states()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing to follow."""
        super().hideEvent(event)
        self._timer.stop()

    def _build_header(self) -> None:
        self.choice = ChoiceBox()
        self.choice.setAccessibleName(self.tr("Marker set"))
        self.choice.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.choice.activated.connect(self._choose)
        self.emotions = self._button(self.tr("Emotions"))
        self.emotions.setCheckable(True)
        self.emotions.setToolTip(self.tr("Your own label of the emotion that is expressed, beside the model's (1–7)"))
        self.emotions.toggled.connect(self._rebuild)
        self.undo = self._button(self.tr("Undo"))
        self.undo.clicked.connect(self._model.undo)
        self.edit = self._button(self.tr("Edit…"))
        self.edit.setToolTip(self.tr("Edit the marker sets"))
        self.edit.clicked.connect(self.edit_requested)
        self.choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.choice.setMinimumContentsLength(6)
        self.choice.setMaximumWidth(220)
        tools = QHBoxLayout()
        tools.setSpacing(2)
        tools.addWidget(self.choice, 1)
        tools.addWidget(self.emotions)
        tools.addStretch(0)
        tools.addWidget(self.undo)
        tools.addWidget(self.edit)
        self.body.addLayout(tools)

    @staticmethod
    def _button(text: str) -> QPushButton:
        button = QPushButton(text)
        button.setProperty("kind", "quiet")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _choose(self) -> None:
        name = self.choice.currentText()
        self._model.choose(name)
        self.set_chosen.emit(name)

    # ------------------------------------------------------------- following

    def _follow(self) -> None:
        if self._shown != (self._model.sets, self._model.chosen):
            self._rebuild()
        ready, kept = self._model.is_ready, self._model.is_kept
        for chip in self._chips.values():
            chip.setEnabled(ready)
        self.note.setEnabled(ready)
        self.undo.setEnabled(self._model.can_undo)
        said = self._model.undo_text
        self.undo.setToolTip(
            self.tr("Take back “%1”").replace("%1", said) if said else self.tr("Take back the last mark")
        )
        ended = self._model.ended
        shown = self.tr("shown only, not recorded") if ready else self.tr("nothing runs")
        self.remark.setText(self.tr("not kept any more") if ended else "" if kept else shown)
        self.ended.setText(ended)
        self.ended.setVisible(bool(ended))
        self._show_states()

    def _rebuild(self) -> None:
        chosen = self._model.chosen
        self._shown = (self._model.sets, chosen)
        self.choice.clear()
        self.choice.addItems([marker_set.name for marker_set in self._model.sets])
        self.choice.setCurrentText(chosen.name)
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        for chip in self._chips.values():
            chip.hide()
            chip.deleteLater()
        self._shortcuts, self._chips = [], {}
        for label in chosen.labels:
            colour = QColor(label.color) if label.color else None
            self._add("set", chosen.name, LabelChip(label, label.name, colour))
        if self.shows_emotions:
            for label in EMOTION_LABELS:
                chip = LabelChip(label, emotion_word(label.name), theme.emotion_colour(label.name))
                self._add("emotion", KnownTier.EMOTION.value, chip)
        self._rows["set"].setVisible(bool(chosen.labels))
        self._rows["emotion"].setVisible(self.shows_emotions)
        self._show_states()

    def _add(self, row: str, tier: str, chip: LabelChip) -> None:
        label = chip.label
        chip.setEnabled(self._model.is_ready)
        chip.clicked.connect(lambda: self._press(row, label))
        layout = self._rows[row].layout()
        assert layout is not None
        layout.addWidget(chip)
        self._chips[tier, label.name] = chip
        if label.key:
            shortcut = QShortcut(QKeySequence(label.key), self, lambda: self._press(row, label))
            shortcut.setAutoRepeat(False)
            self._shortcuts.append(shortcut)

    def _press(self, row: str, label: Label) -> None:
        if row == "emotion":
            self._model.press_emotion(label.name)
        else:
            self._model.press(label)

    def _show_states(self) -> None:
        for (tier, name), chip in self._chips.items():
            chip.show_state(self._model.counts[tier, name], self._model.elapsed(tier, name))
        runs = self.isVisible() and bool(self._model.running)
        if runs and not self._timer.isActive():
            self._timer.start()
        elif not runs:
            self._timer.stop()


def _scrolled(content: QWidget) -> QScrollArea:
    """``content`` as wide as there is room, and scrolled where it is higher."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
    area.setWidget(content)
    content.setAutoFillBackground(False)
    return area
