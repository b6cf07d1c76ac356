"""Which formats a session is exported to, what is masked in films, and of which analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.dialogs import TitledDialog
from desktop.theme import GAP, INSIDE
from desktop.widgets.labels import Label
from desktop.widgets.titled_card import TitledCard
from dmd_runtime import FORMATS, ExportOptions, Format

_WIDTH, _HEIGHT = 720, 640
_BOX_WIDTH = 148
TITLES: Final[Mapping[str, str]] = {
    "csv": "CSV",
    "parquet": "Parquet",
    "vtt": "WebVTT",
    "srt": "SRT",
    "eaf": "EAF",
    "textgrid": "TextGrid",
    "events": "Events",
    "report": "Report",
    "mp4": "Film",
    "annotated": "Annotated film",
}
"""How formats are called here; another by its own name."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("ExportDialog", text)


class _Words(Label):
    """What is said beside a box; a click on it is one on the box."""

    def __init__(self, box: QCheckBox, text: str) -> None:
        super().__init__(text, pixels=12, dim=True, wraps=True)
        self._box = box
        box.setAccessibleDescription(text)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Tick the box, or clear it."""
        if event.button() is Qt.MouseButton.LeftButton and self._box.isEnabled():
            self._box.setFocus()
            self._box.toggle()


class ExportDialog(TitledDialog):
    """Asks what to export; :attr:`formats` and :attr:`options` have the answer when it was accepted.

    Parameters
    ----------
    chosen : sequence of str
        Formats that are ticked at first.
    formats : {name: Format}
    analyses : sequence of str
        Names of the session's re-analyses; without any, nothing is asked.
    analysis : str, optional
        Of those, the one that is chosen at first.
    sessions : int
        How many are exported.
    no_film : str
        Why there is no medium to make a film of; films cannot be chosen then.
    every : bool
        Offer that every recording is exported like this when it has ended.
    """

    def __init__(
        self,
        chosen: Sequence[str] = (),
        *,
        formats: Mapping[str, Format] = FORMATS,
        analyses: Sequence[str] = (),
        analysis: str | None = None,
        sessions: int = 1,
        no_film: str = "",
        every: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        title = _tr("Export a session") if sessions == 1 else _tr("Export {0} sessions").format(sessions)
        super().__init__(title, parent)
        self._formats = formats
        self._no_film = no_film
        self.boxes: dict[str, QCheckBox] = {}
        self._body = QVBoxLayout()
        self._body.setContentsMargins(0, 0, 8, 0)
        self._body.setSpacing(GAP)
        self.analysis = QComboBox()
        self._build_analysis(analyses, analysis)
        self._build_texts(chosen)
        self._build_films(chosen)
        self._scroll = self._scrolled()
        self.column.addWidget(self._scroll, 1)
        self.every = QCheckBox(_tr("Do this with every recording when it has ended"))
        self.every.setVisible(every)
        self.column.addWidget(self.every)
        self.note = Label(pixels=12, dim=True, wraps=True)
        self.column.addWidget(self.note)
        box = self.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
        self.start = box.button(QDialogButtonBox.StandardButton.Ok)
        self.start.setText(_tr("Export"))
        self.start.setProperty("kind", "primary")
        self.start.style().unpolish(self.start)  # it was styled when it was put into the box
        self.start.style().polish(self.start)
        self.start.setDefault(True)
        for ticked in (*self.boxes.values(), self.blur_faces, self.mask_voice):
            ticked.toggled.connect(self._judge)
        self._judge()
        self._fit()
        next((b for b in self.boxes.values() if b.isChecked()), next(iter(self.boxes.values()))).setFocus()

    # ---------------------------------------------------------------- answer

    @property
    def formats(self) -> tuple[str, ...]:
        """Which are ticked and can be made, in the order of the list."""
        return tuple(name for name, box in self.boxes.items() if box.isChecked() and box.isEnabled())

    @property
    def options(self) -> ExportOptions:
        """What is masked, where there is a film to mask, and of which analysis."""
        films = self._has_film
        return ExportOptions(
            blur_faces=films and self.blur_faces.isChecked(),
            mask_voice=films and self.mask_voice.isChecked(),
            analysis=self.analysis.currentData(),
        )

    @property
    def for_every_recording(self) -> tuple[str, ...] | None:
        """What every recording is to be exported to from now on; None where nothing is to change.

        Never with something masked: that is not remembered, and the next film would be made without.
        """
        return self.formats if self.every.isChecked() and self.every.isEnabled() else None

    @property
    def _has_film(self) -> bool:
        return any(self._formats[name].media for name in self.formats)

    # ---------------------------------------------------------------- layout

    def _build_analysis(self, analyses: Sequence[str], chosen: str | None) -> None:
        self.analysis.setAccessibleName(_tr("Whose readings"))
        self.analysis.addItem(_tr("As recorded"), None)
        for name in analyses:
            self.analysis.addItem(_tr("Analysis {0}").format(name), name)
        self.analysis.setCurrentIndex(max(0, self.analysis.findData(chosen) if chosen is not None else 0))
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(Label(_tr("Readings and words")))
        row.addWidget(self.analysis, 1)
        holder.setVisible(bool(analyses))
        self._body.addWidget(holder)

    def _build_texts(self, chosen: Sequence[str]) -> None:
        card = TitledCard(_tr("TABLES AND TEXT"))
        self._add_formats(card, chosen, media=False)
        self._body.addWidget(card)

    def _build_films(self, chosen: Sequence[str]) -> None:
        card = TitledCard(_tr("FILMS"))
        self._add_formats(card, chosen, media=True)
        self.blur_faces, self.mask_voice = QCheckBox(_tr("Blur faces")), QCheckBox(_tr("Mask the voice"))
        blurred = _tr(
            "Heads become soft blocks. A face that is too small, turned away or hidden for the detector stays visible, "
            "and so do body, clothes and room: look at the film before you pass it on. Takes about as long as it lasts."
        )
        masked = _tr(
            "An artificial voice says the same and stays intelligible. Words, accent and rhythm may still give "
            "somebody away, and names that were said are heard and read. It hides who speaks from people, not from "
            "an attacker."
        )
        grid = self._grid(card, left=INSIDE)
        self._add_row(grid, self.blur_faces, blurred)
        self._add_row(grid, self.mask_voice, masked)
        self._body.addWidget(card)
        self._body.addStretch(1)

    def _add_formats(self, card: TitledCard, chosen: Sequence[str], *, media: bool) -> None:
        grid = self._grid(card)
        for name, what in self._formats.items():
            if what.media is not media:
                continue
            box = QCheckBox(TITLES.get(name, name))
            box.setToolTip(", ".join(what.files))
            box.setChecked(name in chosen)
            self.boxes[name] = box
            self._add_row(grid, box, _tr(what.text))
        if media and self._no_film:
            for name in (name for name, what in self._formats.items() if what.media):
                self.boxes[name].setEnabled(False)
            card.body.addWidget(Label(self._no_film, pixels=12, wraps=True))

    @staticmethod
    def _grid(card: TitledCard, *, left: int = 0) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(left, 6, 0, 0)
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(5)
        grid.setColumnMinimumWidth(0, _BOX_WIDTH - left)
        grid.setColumnStretch(1, 1)
        card.body.addLayout(grid)
        return grid

    @staticmethod
    def _add_row(grid: QGridLayout, box: QCheckBox, text: str) -> None:
        row = grid.rowCount()
        grid.addWidget(box, row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(_Words(box, text), row, 1)

    def _scrolled(self) -> QScrollArea:
        inside = QWidget()
        inside.setLayout(self._body)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        scroll.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        return scroll

    def _fit(self) -> None:
        """As large as needed, and no larger than the screen."""
        room = self.screen().availableGeometry().size()
        self.resize(min(_WIDTH, room.width()), min(_HEIGHT, room.height() - 2 * INSIDE))

    def _judge(self) -> None:
        """Say what is missing, or what is easily overlooked."""
        films = self._has_film
        for box in (self.blur_faces, self.mask_voice):
            box.setEnabled(films)
        masks = films and (self.blur_faces.isChecked() or self.mask_voice.isChecked())
        self.every.setEnabled(bool(self.formats) and not masks)
        self.start.setEnabled(bool(self.formats))
        note = _tr("Files go to the folder “derived” of the session; those of the same name are replaced.")
        if not self.formats:
            note = _tr("Choose at least one format.")
        elif masks:
            note = _tr("Only films are masked: tables, subtitles and the report hold every word as it was said.")
        self.note.setText(note)
