"""What must be known before anything is recorded: who, what for, and that they agreed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from desktop.dialogs import TitledDialog
from desktop.models.health import Severity
from desktop.session_job import KeepChoice
from desktop.theme import GAP, INSIDE
from desktop.widgets.labels import Label
from desktop.widgets.signs import Sign
from dmd_runtime import Consent

_WIDTH = 560


def _tr(text: str) -> str:
    return QCoreApplication.translate("RecordDialog", text)


def default_consent() -> str:
    """The statement that stands in the dialog until it is changed; it is stored as it stands."""
    return _tr(
        "I agree to being recorded (picture, sound, words and what a model reads of my expression) for the purpose "
        "that was explained to me. I know who will see the recording, that it stays on this machine, and that I can "
        "stop at any time and have it deleted."
    )


@dataclass(frozen=True, kw_only=True)
class RecordDefaults:
    """What stands in the fields at first; an empty ``consent`` is :func:`default_consent`."""

    root: Path
    participant: str = ""
    session: str = ""
    task: str = ""
    consent: str = ""
    recorded_by: str = ""


class RecordDialog(TitledDialog):
    """Participant, session, task, notes, consent; where it is kept.

    Parameters
    ----------
    defaults : RecordDefaults
    needs_consent : bool
        A person's devices are recorded: the statement must be there, given by somebody, and confirmed. Files and test
        signals need none.
    """

    def __init__(self, defaults: RecordDefaults, *, needs_consent: bool, parent: QWidget | None = None) -> None:
        super().__init__(_tr("Record a session"), parent)
        self._needs_consent = needs_consent
        self._root = defaults.root
        form = QFormLayout()
        form.setHorizontalSpacing(INSIDE)
        form.setVerticalSpacing(GAP - 4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.participant = self._line(form, _tr("Participant"), defaults.participant, _tr("a code, not a name"))
        self.session = self._line(form, _tr("Session"), defaults.session, _tr("date and time"))
        self.task = self._line(form, _tr("Task"), defaults.task, _tr("none"))
        self.notes = self._text(form, _tr("Notes"), "", 54)
        self.consent = self._text(form, _tr("Consent"), defaults.consent or default_consent(), 96)
        self.given_by = self._line(form, _tr("Given by"), "", _tr("whoever agreed: participant, guardian …"))
        self.recorded_by = self._line(form, _tr("Recorded by"), defaults.recorded_by, _tr("you"))
        self.agreed = QCheckBox(_tr("They agree, and everybody in view or earshot knows."))
        self.agreed.setAccessibleDescription(_tr("Nothing is recorded before they have read or heard the consent."))
        form.addRow("", self.agreed)
        form.addRow(_tr("Kept in"), self._folder_row())
        self.column.addLayout(form)
        self.column.addWidget(self._missing_row())
        box = self.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
        self.start = box.button(QDialogButtonBox.StandardButton.Ok)
        self.start.setText(_tr("Start recording"))
        self.start.setProperty("kind", "recording")
        self.start.style().unpolish(self.start)  # styled before it was known what it is
        self.start.style().polish(self.start)
        for field in (self.consent, self.given_by):
            field.textChanged.connect(self._check)
        self.agreed.toggled.connect(self._check)
        for widget in (self.consent, self.given_by, self.agreed):
            form.setRowVisible(widget, needs_consent)
        self.setMinimumWidth(_WIDTH)
        self._check()
        self.participant.setFocus()

    @property
    def choice(self) -> KeepChoice:
        """What is recorded under which names, with the consent as it stands."""
        consent = None
        if self._needs_consent:
            consent = Consent(
                text=self.consent.toPlainText().strip(),
                given_by=self.given_by.text().strip(),
                recorded_by=self.recorded_by.text().strip(),
            )
        return KeepChoice(
            root=self._root,
            participant=self.participant.text().strip(),
            session=self.session.text().strip(),
            task=self.task.text().strip(),
            notes=self.notes.toPlainText().strip(),
            consent=consent,
        )

    def _check(self) -> None:
        """Say what is missing; without it nothing starts."""
        missing = ""
        if self._needs_consent:
            if not self.consent.toPlainText().strip():
                missing = _tr("The consent needs a text.")
            elif not self.given_by.text().strip():
                missing = _tr("Say who gave the consent.")
            elif not self.agreed.isChecked():
                missing = _tr("Nothing is recorded before they have agreed.")
        self._missing.setText(missing)
        self._sign.setVisible(bool(missing))
        self.start.setEnabled(not missing)
        self.start.setAccessibleDescription(missing)

    def _line(self, form: QFormLayout, label: str, text: str, hint: str) -> QLineEdit:
        field = QLineEdit(text)
        field.setPlaceholderText(hint)
        field.setAccessibleName(label)
        form.addRow(label, field)
        name = form.labelForField(field)
        name.setFixedHeight(field.sizeHint().height())  # in the middle of its line
        return field

    def _text(self, form: QFormLayout, label: str, text: str, height: int) -> QPlainTextEdit:
        field = QPlainTextEdit(text)
        field.setTabChangesFocus(True)
        field.setFixedHeight(height)
        field.setAccessibleName(label)
        form.addRow(label, field)
        return field

    def _missing_row(self) -> QWidget:
        """What is missing, with its sign; it keeps its room, so that nothing moves when all is there."""
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self._sign = Sign(Severity.AMBER, 14)
        self._missing = Label(pixels=12, wraps=True)
        row.addWidget(self._sign)
        row.addWidget(self._missing, 1)
        holder.setFixedHeight(self._sign.height() + 4)
        holder.setVisible(self._needs_consent)
        return holder

    def _folder_row(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        self._where = Label(pixels=12, wraps=True)
        other = QPushButton(_tr("Another folder…"))
        other.setAccessibleDescription(_tr("Where sessions are kept"))
        other.clicked.connect(self._choose_folder)
        row.addWidget(self._where, 1)
        row.addWidget(other)
        self._show_folder()
        return holder

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, _tr("Keep sessions in"), str(self._root))
        if name:
            self._root = Path(name)
            self._show_folder()

    def _show_folder(self) -> None:
        self._where.setText(_tr("{0} ({1} free)").format(self._root, free_text(self._root)))


def free_text(folder: Path) -> str:
    """Free space where ``folder`` is or will be, in words."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path.home())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        return _tr("unknown space")
    return f"{free / 1e9:.0f} GB" if free >= 1e10 else f"{free / 1e9:.1f} GB"
