"""Asks before a session is deleted: what goes, how large it is, that it cannot be undone, and what stays."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QDialogButtonBox, QPushButton, QWidget

from desktop.dialogs import TitledDialog
from desktop.widgets.labels import Label
from desktop.widgets.loading_page import megabytes
from desktop.widgets.session_text import facts_text, title_text
from dmd_runtime import DMDError, SessionSummary, open_session

_WIDTH = 520


def _tr(text: str) -> str:
    return QCoreApplication.translate("DeleteSessionDialog", text)


class DeleteSessionDialog(TitledDialog):
    """Accepted only by its button; Enter and Escape keep the session."""

    def __init__(self, session: SessionSummary, parent: QWidget | None = None) -> None:
        super().__init__(_tr("Delete this session?"), parent)
        self._add(f"{title_text(session)} · {facts_text(session)}")
        files = [path for path in session.folder.rglob("*") if path.is_symlink() or path.is_file()]
        size = sum(path.lstat().st_size for path in files)
        what = _tr("1 file, {1}") if len(files) == 1 else _tr("{0} files, {1}")
        self._add(
            _tr("The whole folder goes, {0}: {1}.").format(
                what.format(len(files), megabytes(size)), ", ".join(_contents(session.folder, files))
            )
        )
        self._add(str(session.folder), dim=True)
        outside = _outside(session.folder)
        kept = _tr("Not touched: {0}, from which it was made, and every other session.").format(outside)
        self._add(kept if outside else _tr("Not touched: every other session, and whatever was copied elsewhere."))
        self._add(_tr("It cannot be undone."), strong=True)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Cancel)
        self.delete = QPushButton(_tr("Delete it for good"))
        self.delete.setAutoDefault(False)
        box.addButton(self.delete, QDialogButtonBox.ButtonRole.AcceptRole)
        self.keep = box.button(QDialogButtonBox.StandardButton.Cancel)
        self.keep.setText(_tr("Keep it"))
        self.keep.setDefault(True)
        self.keep.setFocus()

    def _add(self, text: str, *, dim: bool = False, strong: bool = False) -> None:
        weight = QFont.Weight.Bold if strong else QFont.Weight.Normal
        label = Label(text, pixels=12 if dim else 13, weight=weight, dim=dim, wraps=True)
        label.setMinimumWidth(_WIDTH)  # else it asks for the height it would have if it were narrow
        self.column.addWidget(label)


def _contents(folder: Path, files: list[Path]) -> list[str]:
    """In words, what is in the folder."""
    names = {path.relative_to(folder).parts[0] for path in files}
    kinds = {
        _tr("picture and sound"): any(name.startswith("media.") for name in names),
        _tr("readings"): "readings.jsonl" in names,
        _tr("words"): "words.jsonl" in names,
        _tr("markers and annotations"): bool({"markers.jsonl", "annotations.json", "traces.jsonl"} & names),
        _tr("consent and notes"): "session.json" in names,
        _tr("exports and analyses"): "derived" in names,
    }
    return [kind for kind, there in kinds.items() if there] or [_tr("nothing that is known")]


def _outside(folder: Path) -> str:
    """The medium that lies elsewhere, if one does."""
    try:
        medium = open_session(folder).media
    except DMDError:
        return ""
    return str(medium) if medium is not None and medium.parent != folder else ""
