"""Dialogs: about, what went wrong, the notice before a camera is opened, the list of keys."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

from PySide6.QtCore import QCoreApplication, QSize, Qt, QUrl, qVersion
from PySide6.QtGui import QDesktopServices, QFont, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from desktop.keys import page_keys
from desktop.log import log_path
from desktop.theme import GAP, INSIDE, font
from dmd_runtime import Assets, __version__

_MOST_DETAILS = 9  # further errors whose details are kept in a dialog; all are in the log
_PACKAGES = (
    ("torch", "BSD-3-Clause"),
    ("PySide6-Essentials", "LGPL-3.0"),
    ("mediapipe", "Apache-2.0"),
    ("faster-whisper", "MIT"),
    ("ctranslate2", "MIT"),
    ("transformers", "Apache-2.0"),
    ("onnxruntime", "MIT"),
    ("av", "BSD-3-Clause"),
    ("sounddevice", "MIT"),
    ("numpy", "BSD-3-Clause"),
)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Dialogs", text)


class TitledDialog(QDialog):
    """A title in the one family, a body, buttons."""

    def __init__(self, title: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(INSIDE + 4, INSIDE + 4, INSIDE + 4, INSIDE)
        self.column.setSpacing(GAP)
        heading = QLabel(title)
        heading.setFont(font(20, weight=QFont.Weight.Bold))
        self.column.addWidget(heading)

    def add_text(self, text: str) -> QLabel:
        """A paragraph."""
        label = QLabel(text)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        label.setOpenExternalLinks(True)
        self.column.addWidget(label)
        return label

    def add_buttons(self, *buttons: QDialogButtonBox.StandardButton) -> QDialogButtonBox:
        """The row of buttons at the end."""
        box = QDialogButtonBox()
        for button in buttons:
            box.addButton(button).setIcon(QIcon())  # some styles put a cross beside what only closes
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.column.addWidget(box)
        return box


class ErrorDialog(TitledDialog):
    """What went wrong in one line, with details that can be copied and the log that can be opened.

    What goes wrong while it is open is counted, and the first few are added to the details.
    """

    def __init__(self, summary: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(_tr("Something went wrong"), parent)
        self._details = (
            f"DMD Live {__version__}, {platform.platform()}, Python {platform.python_version()}\n\n{details}"
        )
        self.add_text(summary)
        self.add_text(_tr("The program goes on. Nothing was sent anywhere."))
        self._more = 0
        self._more_text = self.add_text("")
        self._more_text.hide()
        self._shown = QPlainTextEdit(self._details)
        self._shown.setReadOnly(True)
        self._shown.setAccessibleName(_tr("Details"))
        self._shown.setMinimumSize(560, 200)
        self.column.addWidget(self._shown)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Close)
        copy = QPushButton(_tr("Copy details"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._details))
        box.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        log = QPushButton(_tr("Open log"))
        log.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_path()))))
        box.addButton(log, QDialogButtonBox.ButtonRole.ActionRole)

    def add(self, summary: str, details: str) -> None:
        """Something else went wrong."""
        self._more += 1
        self._more_text.setText(_tr("And %1 more, the last: %2").replace("%1", str(self._more)).replace("%2", summary))
        self._more_text.show()
        if self._more <= _MOST_DETAILS:
            self._details += f"\n\n{details}"
            self._shown.appendPlainText(f"\n{details}")


class AboutDialog(TitledDialog):
    """Versions, where the model runs, licences of packages and model files."""

    def __init__(self, *, model: str, device: str, parent: QWidget | None = None) -> None:
        super().__init__(_tr("DMD Live"), parent)
        self.add_text(
            _tr(
                "Live multimodal emotion recognition that you can see into: Decoupled Multimodal Distilling "
                '(Li, Wang and Cui, <a href="https://arxiv.org/abs/2303.13802">CVPR 2023</a>).'
            )
        )
        self.add_text(_tr("It reads <i>expressed</i> emotion. It does not know what anybody feels."))
        text = QTextBrowser()
        text.setOpenExternalLinks(True)
        text.setAccessibleName(_tr("Versions and licences"))
        text.setHtml(about_html(model=model, device=device))
        text.setMinimumSize(560, 320)
        self.column.addWidget(text)
        self.add_buttons(QDialogButtonBox.StandardButton.Close)


def about_html(*, model: str, device: str) -> str:
    """Versions and licences as a table."""
    facts = [
        ("DMD Live", f"{__version__} · Apache-2.0"),
        (_tr("checkpoint"), model),
        (_tr("device"), device),
        ("Python", platform.python_version()),
        ("Qt", str(qVersion())),
        (_tr("system"), platform.platform()),
        *((name, f"{_version(name)} · {licence}") for name, licence in _PACKAGES),
        ("Inter", "SIL OFL 1.1"),
    ]
    models = [(asset.name, f"{asset.title} · {asset.licence}") for asset in Assets(offline=True).manifest.values()]
    return _table(facts) + f"<p><b>{_tr('Model files')}</b></p>" + _table(models)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return _tr("bundled")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{name}&nbsp;&nbsp;</td><td>{value}</td></tr>" for name, value in rows)
    return f"<table cellspacing='4'>{cells}</table>"


class CaptureNotice(TitledDialog):
    """Read and agreed to before a camera or microphone is opened for the first time.

    Attributes
    ----------
    remember : bool
        Whether it need not be shown again.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_tr("Before the camera and microphone open"), parent)
        for paragraph in (
            _tr("DMD Live looks at the face, listens to the voice and reads the words of whoever is in view."),
            _tr("<b>Nothing leaves this machine</b>, and nothing is kept unless you record."),
            _tr(
                "Everybody in view or in earshot must know and agree. In many places emotion recognition is regulated; "
                "in the EU it is forbidden at work and in education, with few exceptions."
            ),
            _tr("It shows <i>expressed</i> emotion, as a model reads it. It is no evidence of what anybody feels."),
        ):
            self.add_text(paragraph).setMinimumWidth(520)
        self._again = QCheckBox(_tr("I know this; do not show it again"))
        self.column.addWidget(self._again)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
        box.button(QDialogButtonBox.StandardButton.Ok).setText(_tr("Open camera and microphone"))

    @property
    def remember(self) -> bool:
        """The box at the bottom."""
        return self._again.isChecked()


class KeysDialog(TitledDialog):
    """All keys: (what it does, key) of the window beside those of its pages."""

    def __init__(self, keys: Iterable[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(_tr("Keys"), parent)
        inside = QWidget()
        columns = QHBoxLayout(inside)
        columns.setContentsMargins(0, 0, GAP, 0)
        columns.setSpacing(INSIDE * 2)
        for groups in (((_tr("Everywhere"), keys),), page_keys()):
            grid = QGridLayout()
            grid.setHorizontalSpacing(INSIDE)
            grid.setVerticalSpacing(5)
            for heading, listed in groups:
                self._add_group(grid, heading, listed)
            grid.setRowStretch(grid.rowCount(), 1)
            columns.addLayout(grid)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(inside)
        scroll.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        self.column.addWidget(scroll, 1)
        self.add_buttons(QDialogButtonBox.StandardButton.Close)
        room = self.screen().availableGeometry().size()
        wanted = inside.sizeHint() + QSize(3 * INSIDE + GAP, 6 * INSIDE + GAP)
        self.resize(wanted.boundedTo(QSize(room.width(), room.height() - 3 * INSIDE)))

    @staticmethod
    def _add_group(grid: QGridLayout, heading: str, keys: Iterable[tuple[str, str]]) -> None:
        above = QLabel(heading)
        above.setFont(font(12, weight=QFont.Weight.DemiBold))
        above.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        above.setContentsMargins(0, GAP if grid.count() else 0, 0, 2)
        grid.addWidget(above, grid.rowCount(), 0, 1, 2)
        for what, key in keys:
            row = grid.rowCount()
            grid.addWidget(QLabel(what), row, 0)
            shown = QLabel(key)
            shown.setFont(font(13, weight=QFont.Weight.DemiBold))
            grid.addWidget(shown, row, 1)
