"""The preferences dialog: appearance at once, words at the next pause, other models at the next start of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QWidget,
)

from desktop.checkpoint_choice import DEFAULT, SUFFIX, shipped, show_chosen
from desktop.models.speech_choice import SpeechChoice
from desktop.settings import Settings
from desktop.theme import GAP, INSIDE, THEMES
from desktop.widgets.labels import Label
from desktop.widgets.speech_choice import SpeechModelBox, SpeechModelCard

LANGUAGES = ("auto", "en", "de", "fr", "es", "it", "pt", "nl", "pl", "ja", "zh", "ko")
LIMITS = {"font_scale": (0.8, 2.0), "smoothing": (0.0, 10.0)}
DEVICES = ("auto", "cpu", "cuda", "mps")


class PreferencesDialog(QDialog):
    """Shows settings; whatever is changed is told at once.

    Parameters
    ----------
    settings : Settings
    parent : QWidget, optional
    speech : SpeechChoice, optional
        The choice of speech model, which outlives the dialog and tells by itself what is taken; by default one of the
        dialog's own.

    Signals
    -------
    changed(dict)
        Names and new values of settings.
    """

    changed = Signal(dict)

    def __init__(
        self, settings: Settings, parent: QWidget | None = None, *, speech: SpeechChoice | None = None
    ) -> None:
        super().__init__(parent)
        self._speech = speech if speech is not None else SpeechChoice(parent=self)
        self.setWindowTitle(self.tr("Preferences"))
        form = QFormLayout(self)
        form.setContentsMargins(INSIDE + 4, INSIDE + 4, INSIDE + 4, INSIDE)
        form.setSizeConstraint(QFormLayout.SizeConstraint.SetMinimumSize)  # grows with what is said of a model
        form.setVerticalSpacing(GAP)
        form.setHorizontalSpacing(INSIDE)
        words = {"system": self.tr("as the system"), "dark": self.tr("dark"), "light": self.tr("light")}
        self._choice(form, self.tr("Theme"), "theme", settings.theme, {name: words[name] for name in THEMES})
        self._number(form, self.tr("Text size"), "font_scale", settings.font_scale, "×")
        self._number(form, self.tr("Smoothing of the display"), "smoothing", settings.smoothing, " s")
        self._tick(form, self.tr("Show the camera as a mirror"), "mirror", settings.mirror)
        self._tick(form, self.tr("No small motion"), "reduced_motion", settings.reduced_motion)
        self._add_checkpoints(form, settings.checkpoint)
        self._speech.set_chosen(settings.speech_model)
        if speech is None:
            self._speech.taken.connect(lambda name: self._tell("speech_model", name))
        self._add(form, self.tr("Speech model"), "speech_model", SpeechModelBox(self._speech))
        form.addRow("", SpeechModelCard(self._speech))
        self._add_languages(form, settings.language)
        self._choice(form, self.tr("Device"), "device", settings.device, {n: n for n in DEVICES})
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        box.rejected.connect(self.reject)
        form.addRow(box)

    def _choice(self, form: QFormLayout, label: str, name: str, now: str, options: dict[str, str]) -> None:
        box = QComboBox()
        for value, text in {**options, **({} if now in options else {now: now})}.items():
            box.addItem(text, value)
        box.setCurrentIndex(box.findData(now))
        box.currentIndexChanged.connect(lambda: self._tell(name, box.currentData()))
        self._add(form, label, name, box)

    def _add_checkpoints(self, form: QFormLayout, now: str) -> None:
        """Those that ship, and any file; what is said of the choice stands below."""
        names = shipped()
        default = self.tr("default (%1)").replace("%1", DEFAULT if DEFAULT in names else self.tr("untrained"))
        self._checkpoints = QComboBox()
        for name, text in {"": default, **{name: name for name in names if name != DEFAULT}}.items():
            self._checkpoints.addItem(text, name)
        self._checkpoints.addItem(self.tr("A file…"), None)
        self._checkpoints.activated.connect(self._choose_checkpoint)
        self._told = Label(pixels=12, dim=True, wraps=True)
        self._add(form, self.tr("Emotion model"), "checkpoint", self._checkpoints)
        form.addRow("", self._told)
        self.show_checkpoint(now)

    def show_checkpoint(self, chosen: str, text: str = "") -> None:
        """Show which checkpoint is chosen, and what there is to say of it."""
        show_chosen(self._checkpoints, chosen)
        self._chosen = chosen
        self._told.setText(text)
        self._told.setAccessibleName(text)
        self._told.setVisible(bool(text))

    def _choose_checkpoint(self) -> None:
        chosen = self._checkpoints.currentData()
        if chosen is None:
            folder = str(Path(self._chosen).parent) if self._chosen else ""
            filters = f"{self.tr('Checkpoints')} (*{SUFFIX})"
            chosen, _ = QFileDialog.getOpenFileName(self, self.tr("Choose a checkpoint"), folder, filters)
        if chosen == self._chosen or (not chosen and self._checkpoints.currentData() is None):
            self.show_checkpoint(self._chosen)
            return
        self._tell("checkpoint", chosen)

    def _add_languages(self, form: QFormLayout, now: str) -> None:
        """Those that the speech model in force does not hear cannot be chosen."""
        names = {code: f"{QLocale(code).nativeLanguageName()} ({code})" for code in LANGUAGES[1:]}
        self._choice(form, self.tr("Language"), "language", now, {"auto": self.tr("as it is heard"), **names})
        self._heard = Label(pixels=12, dim=True, wraps=True)
        form.addRow("", self._heard)
        self._speech.changed.connect(self._follow_speech)
        self._follow_speech()

    def _follow_speech(self) -> None:
        box = self.findChild(QComboBox, "language")
        assert isinstance(box, QComboBox)
        items = box.model()
        assert isinstance(items, QStandardItemModel)
        english = self._speech.english_only
        for at in range(box.count()):
            items.item(at).setEnabled(not english or box.itemData(at) in ("auto", "en"))
        if english and box.currentData() not in ("auto", "en"):
            box.setCurrentIndex(box.findData("auto"))
        heard = QLocale(self._speech.heard).nativeLanguageName() if self._speech.heard else ""
        text = self.tr("The last words were heard as %1.").replace("%1", heard) if heard and not english else ""
        self._heard.setText(text)
        self._heard.setVisible(bool(text))

    def _number(self, form: QFormLayout, label: str, name: str, now: float, unit: str) -> None:
        low, high = LIMITS[name]
        box = QDoubleSpinBox()
        box.setRange(low, high)
        box.setSingleStep(0.1)
        box.setDecimals(1)
        box.lineEdit().setTextMargins(8, 0, 0, 0)
        box.setSuffix(unit)
        box.setValue(now)
        box.valueChanged.connect(lambda value: self._tell(name, round(value, 2)))
        self._add(form, label, name, box)

    def _tick(self, form: QFormLayout, label: str, name: str, now: bool) -> None:
        box = QCheckBox()
        box.setChecked(now)
        box.toggled.connect(lambda on: self._tell(name, on))
        self._add(form, label, name, box)

    def _add(self, form: QFormLayout, label: str, name: str, box: QWidget) -> None:
        box.setObjectName(name)
        box.setAccessibleName(label)
        form.addRow(label, box)

    def _tell(self, name: str, value: Any) -> None:
        self.changed.emit({name: value})
