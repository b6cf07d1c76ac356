"""Which speech model: a list, what the chosen one is good for, whether it is here, and a button that gets it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop.models.health import Severity
from desktop.models.speech_choice import DEFAULT, SpeechChoice, SpeechState, names
from desktop.theme import GAP
from desktop.widgets.labels import Label
from desktop.widgets.signs import Sign
from dmd_runtime import NO_SPEECH, speech_model

_WIDTH = 360
_FINE = 1000  # steps of the bar
_WORKING = (SpeechState.FETCHING, SpeechState.STOPPING)
_GETTING = (SpeechState.ABSENT, SpeechState.PART, SpeechState.FAILED)


class SpeechModelBox(QComboBox):
    """The list of models; a folder of one's own is among them, and can be chosen."""

    def __init__(self, model: SpeechChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setObjectName("speech_model")
        self.addItem(self.tr("default (%1)").replace("%1", DEFAULT), "")
        for name in names():
            if name != DEFAULT:
                self.addItem(name, name)
        self.addItem(self.tr("none: no words"), NO_SPEECH)
        self.addItem(self.tr("A folder…"), None)
        self.activated.connect(self._choose)
        model.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the model shows, and which model does best here."""
        for at in range(self.count()):
            name = self.itemData(at)
            if name and name == self._model.best and not self.itemText(at).endswith(")"):
                self.setItemText(at, self.tr("%1 (best on this machine)").replace("%1", name))
        shown = self._model.shown
        at = self.findData("" if shown == DEFAULT else shown)
        if at < 0:
            at = self.count() - 1
            self.insertItem(at, Path(shown).name or shown, shown)
            self.setItemData(at, shown, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(at)

    def _choose(self) -> None:
        chosen = self.currentData()
        if chosen is None:
            title = self.tr("Choose the folder of a speech model (CTranslate2)")
            chosen = QFileDialog.getExistingDirectory(self, title)
        if chosen or self.currentData() == "":
            self._model.show(chosen)
        else:
            self.refresh()


class SpeechModelCard(QWidget):
    """What there is to say of the model that is shown, and what can be done about it."""

    def __init__(self, model: SpeechChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(_WIDTH)
        self._model = model
        self.purpose = Label(pixels=12, dim=True, wraps=True)
        self.sign = Sign(Severity.AMBER, 14)
        self.told = Label(pixels=12, wraps=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _FINE)
        self.bar.setAccessibleName(self.tr("Download of the speech model"))
        self.button = QPushButton()
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._press)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.told, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP // 2)
        column.addWidget(self.purpose)
        column.addLayout(line)
        column.addWidget(self.bar)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        model.changed.connect(self._refresh)
        self._refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the texts the room that they need at this width."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """A form's row does not ask how tall its texts get when they wrap."""
        for label, beside in ((self.purpose, 0), (self.told, 0 if self.sign.isHidden() else self.sign.width() + 8)):
            label.setMinimumHeight(label.heightForWidth(max(1, self.width() - beside)))

    def _press(self) -> None:
        if self._model.state in _WORKING:
            self._model.cancel()
        else:
            self._model.fetch()

    def _refresh(self) -> None:
        model, state = self._model, self._model.state
        self._say(self.purpose, self._purpose())
        self._say(self.told, self._told(state))
        self.sign.setVisible(state in (SpeechState.FAILED, SpeechState.UNKNOWN))
        working, waiting = state in _WORKING, bool(model.fetching) and model.name != model.fetching
        self.button.setVisible(working or (state in _GETTING and not waiting))
        self.button.setEnabled(state is not SpeechState.STOPPING)
        size = megabytes(model.total_bytes)
        if model.done_bytes:
            verb = self.tr("Go on: %1 of %2").replace("%1", f"{model.done_bytes / 1e6:.0f}").replace("%2", size)
        else:
            verb = self.tr("Download (%1)").replace("%1", size)
        self.button.setText(self.tr("Cancel") if working else verb)
        what = self.tr("Cancel the download of %1") if working else self.tr("Download the speech model %1")
        self.button.setAccessibleName(what.replace("%1", model.name))
        self.bar.setVisible(working or (state in (SpeechState.PART, SpeechState.FAILED) and model.done_bytes > 0))
        share = model.done_bytes / model.total_bytes if model.total_bytes else 0.0
        self.bar.setValue(round(min(1.0, share) * _FINE))
        self._make_room()

    def _purpose(self) -> str:
        found = speech_model(self._model.name)
        if found is None:
            return ""
        purpose = QCoreApplication.translate("speech models", found.purpose)
        many, english = self.tr("It hears many languages."), self.tr("Other languages than English are not heard.")
        memory = self.tr("About %1 of memory.").replace("%1", megabytes(found.memory))
        return f"{purpose}. {many if found.multilingual else english} {memory}"

    def _told(self, state: SpeechState) -> str:
        model = self._model
        size = (
            megabytes(model.total_bytes)
            if model.is_exact
            else self.tr("about %1").replace("%1", megabytes(model.total_bytes))
        )
        text = {
            SpeechState.LOOKING: self.tr("Looking for it…"),
            SpeechState.HERE: self.tr("✓ Here (%1)"),
            SpeechState.ABSENT: self.tr("Not here (%1)"),
            SpeechState.PART: self.tr("Half there"),
            SpeechState.FETCHING: self.tr("%2 of %1 (%3 %)"),
            SpeechState.STOPPING: self.tr("Stopping…"),
            SpeechState.FAILED: model.problem,
            SpeechState.OFF: self.tr("The program runs on face and voice."),
            SpeechState.FOLDER: self.tr("✓ Your own folder; its files are not checked"),
            SpeechState.UNKNOWN: self.tr("Neither a folder nor a model that is offered"),
        }[state]
        if state is SpeechState.FETCHING and not model.is_exact:
            text = self.tr("Asking for its files…")
        share = 100 * model.done_bytes // model.total_bytes if model.total_bytes else 0
        if state is not SpeechState.FAILED:
            text = text.replace("%1", size).replace("%2", f"{model.done_bytes / 1e6:.0f}").replace("%3", str(share))
        if state in (*_GETTING, *_WORKING) and not model.is_taken:
            stays = self.tr("%1 stays in use until it is here.").replace("%1", model.chosen or DEFAULT)
            text = f"{text}. {stays}" if not text.endswith(("…", ".")) else f"{text} {stays}"
        if model.fetching and model.fetching != model.name:
            text += " " + self.tr("(%1 is being downloaded.)").replace("%1", model.fetching)
        return text

    @staticmethod
    def _say(label: Label, text: str) -> None:
        label.setText(text)
        label.setAccessibleName(text)
        label.setVisible(bool(text))


def megabytes(count: int) -> str:
    """A number of bytes for people, in whole decimal megabytes."""
    return QCoreApplication.translate("bytes", "{0:.0f} MB").format(count / 1e6)
