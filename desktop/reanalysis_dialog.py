"""With which models a session is read once more, and what the new analysis is called."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QComboBox, QDialogButtonBox, QFileDialog, QFormLayout, QLineEdit, QSizePolicy, QWidget

from desktop.checkpoint_choice import DEFAULT, SUFFIX, shipped, show_chosen
from desktop.dialogs import TitledDialog
from desktop.theme import GAP, INSIDE
from desktop.widgets.labels import Label
from dmd_runtime import NO_SPEECH, Assets, DMDError, Presence, speech_models

logger = logging.getLogger(__name__)

_WIDTH: Final = 520
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")  # as the folder of an analysis may be called


def speech_models_here() -> tuple[str, ...]:
    """Names of the speech models that are on this machine, whole; hashes what is new, so off the window's thread."""
    try:
        found = speech_models(Assets(offline=True))
    except DMDError as error:
        logger.warning("no speech model is offered: %s", error)
        return ()
    return tuple(status.model.name for status in found if status.presence is Presence.HERE)


def _tr(text: str) -> str:
    return QCoreApplication.translate("ReanalysisDialog", text)


class ReanalysisDialog(TitledDialog):
    """Asks for the models and the name; :attr:`checkpoint`, :attr:`speech_model` and :attr:`name` have the answer.

    Parameters
    ----------
    session : str
        What the session is called.
    checkpoint : str
        A name or a file that is chosen at first; empty for the one that ships.
    recorded_speech : str
        The speech model of the recording.
    analyses : sequence of str
        Names that are taken.
    problem : str
        Why the session cannot be read again; nothing can be started then.
    """

    def __init__(
        self,
        session: str,
        *,
        checkpoint: str = "",
        recorded_speech: str = "",
        analyses: Sequence[str] = (),
        problem: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(_tr("Analyse anew"), parent)
        self._taken = {name.casefold() for name in analyses}
        self._problem = problem
        about = _tr(
            "The film of {0} is read once more, with the models chosen here. What was recorded stays; the new readings "
            "stand beside it. It takes about as long as the film lasts on a small machine, and can be cancelled."
        )
        self.column.addWidget(Label(about.format(session), pixels=13, dim=True, wraps=True))
        self._checkpoints = QComboBox()
        self._speech = QComboBox()
        self._name = QLineEdit()
        self._build_checkpoints(checkpoint)
        self._build_speech(recorded_speech)
        self._name.setMaxLength(64)
        self._lay_out()
        self.note = Label(pixels=12, dim=True, wraps=True)
        self.column.addWidget(self.note)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
        self.start = box.button(QDialogButtonBox.StandardButton.Ok)
        self.start.setText(_tr("Analyse"))
        self.start.setProperty("kind", "primary")
        self.start.style().unpolish(self.start)  # it was styled when it was put into the box
        self.start.style().polish(self.start)
        self.start.setDefault(True)
        self._name.textChanged.connect(self._judge)
        self._judge()
        self.resize(_WIDTH, self.sizeHint().height())
        self._checkpoints.setFocus()

    # ---------------------------------------------------------------- answer

    @property
    def checkpoint(self) -> str | None:
        """A name or a file; None for the one that ships."""
        return self._checkpoint or None

    @property
    def speech_model(self) -> str:
        """A name, ``none`` for going without; empty for that of the recording."""
        return str(self._speech.currentData())

    @property
    def name(self) -> str | None:
        """Of the analysis; None where the checkpoint's is to be taken."""
        return self._name.text().strip() or None

    # ---------------------------------------------------------------- layout

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setVerticalSpacing(GAP)
        form.setHorizontalSpacing(INSIDE)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows = {
            _tr("Emotion model"): self._checkpoints,
            _tr("Speech model"): self._speech,
            _tr("Name"): self._name,
        }
        for text, widget in rows.items():
            widget.setAccessibleName(text)
            widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            form.addRow(text, widget)
        self.column.addLayout(form)

    def _build_checkpoints(self, chosen: str) -> None:
        names = shipped()
        default = _tr("default ({0})").format(DEFAULT if DEFAULT in names else _tr("untrained"))
        for name, text in {"": default, **{name: name for name in names if name != DEFAULT}}.items():
            self._checkpoints.addItem(text, name)
        self._checkpoints.addItem(_tr("A file…"), None)
        self._checkpoints.activated.connect(self._choose)
        self._show_checkpoint("" if chosen == DEFAULT else chosen)

    def _build_speech(self, recorded: str) -> None:
        as_recorded = _tr("as recorded ({0})").format(_tr("none") if recorded == NO_SPEECH else recorded)
        self._speech.addItem(as_recorded if recorded else _tr("as recorded"), "")
        self._speech.addItem(_tr("none"), NO_SPEECH)
        self._speech.setToolTip(_tr("Speech models that are on this machine; the live page can fetch others."))

    def offer_speech(self, names: Sequence[str]) -> None:
        """Offer speech models that are here, as soon as that is known; the choice stays."""
        for name in names:
            if self._speech.findData(name) < 0:
                self._speech.addItem(name, name)

    def _show_checkpoint(self, chosen: str) -> None:
        show_chosen(self._checkpoints, chosen)
        self._checkpoint = chosen
        self._name.setPlaceholderText(Path(chosen).stem if chosen else DEFAULT)

    def _choose(self) -> None:
        chosen = self._checkpoints.currentData()
        if chosen is None:
            folder = str(Path(self._checkpoint).parent) if self._checkpoint.endswith(SUFFIX) else ""
            filters = f"{_tr('Checkpoints')} (*{SUFFIX})"
            chosen, _ = QFileDialog.getOpenFileName(self, _tr("Choose a checkpoint"), folder, filters)
            chosen = chosen or self._checkpoint
        self._show_checkpoint(chosen)

    def _judge(self) -> None:
        """Say what is in the way."""
        name = self.name or ""
        note = _tr("Without a name it is called as its model is.")
        wrong = self._problem
        if not wrong and name and not _NAME.fullmatch(name):
            wrong = _tr(
                "A name is made of letters from A to Z, digits, dots, - and _, and begins with a letter or digit."
            )
        if not wrong and name and name.casefold() in self._taken:
            wrong = _tr("There is an analysis of this name already: it stays, so choose another one.")
        self.note.setText(wrong or note)
        self.note.setAccessibleName(wrong or note)
        self.start.setEnabled(not wrong)
