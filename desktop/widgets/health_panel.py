"""All figures of the machine, for a dock: the whole above, every stage below."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QAbstractItemView, QGridLayout, QHeaderView, QTableView, QWidget

from desktop import theme
from desktop.models.health import Figures, HealthModel, Severity, StageFigures, severity
from desktop.widgets.labels import RESTYLING, Label
from desktop.widgets.signs import Sign, severity_colour
from desktop.widgets.titled_card import TitledCard

_ROW = 30
_NUMBERS_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NAMES_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class StageTable(QAbstractTableModel):
    """One row a stage: name, rate, p50, p95, drops, waiting."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stages: tuple[StageFigures, ...] = ()

    def show(self, stages: tuple[StageFigures, ...]) -> None:
        """Show these stages."""
        if [s.name for s in stages] != [s.name for s in self._stages]:
            self.beginResetModel()
            self._stages = stages
            self.endResetModel()
        elif stages != self._stages:
            self._stages = stages
            self.dataChanged.emit(self.index(0, 0), self.index(len(stages) - 1, self.columnCount() - 1))

    def names(self) -> dict[str, str]:
        """What the runtime's stages are called here."""
        return {
            "visual": self.tr("face"),
            "sound": self.tr("voice"),
            "words": self.tr("words"),
            "reading": self.tr("reading"),
        }

    def titles(self) -> tuple[str, ...]:
        """The columns."""
        return (
            self.tr("stage"),
            self.tr("per s"),
            self.tr("p50 ms"),
            self.tr("p95 ms"),
            self.tr("drops"),
            self.tr("waiting"),
        )

    def rowCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Number of stages."""
        return 0 if parent.isValid() else len(self._stages)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Six."""
        return 0 if parent.isValid() else len(self.titles())

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Titles, aligned as what is below them."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.titles()[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _NUMBERS_RIGHT if section else _NAMES_LEFT
        return theme.font(11) if role == Qt.ItemDataRole.FontRole else None

    def data(self, index: Index, role: int = 0) -> Any:
        """Texts; drops stand out."""
        stage, column = self._stages[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                self.names().get(stage.name, stage.name),
                f"{stage.rate:.1f}",
                f"{stage.p50_ms:.1f}",
                f"{stage.p95_ms:.1f}",
                str(stage.drops) if not stage.drops else f"▲ {stage.drops}",
                str(stage.depth),
            )[column]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _NUMBERS_RIGHT if column else _NAMES_LEFT
        if role == Qt.ItemDataRole.ForegroundRole and column == 4 and stage.drops:
            return severity_colour(Severity.AMBER)
        return theme.font(12) if role == Qt.ItemDataRole.FontRole else None


class _Figure(QWidget):
    """A name with its value below."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._value = Label("–", pixels=16, weight=QFont.Weight.DemiBold)
        self._sign = Sign(Severity.GOOD, 13)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(2)
        grid.addWidget(Label(name, pixels=11, dim=True), 0, 0, 1, 2)
        grid.addWidget(self._value, 1, 0)
        grid.addWidget(self._sign, 1, 1, Qt.AlignmentFlag.AlignLeft)
        grid.setColumnStretch(1, 1)
        self._sign.hide()

    def show_value(self, text: str, severity: Severity = Severity.GOOD) -> None:
        self._value.setText(text)
        self._sign.set_severity(severity)
        self._sign.setVisible(severity is not Severity.GOOD)
        self.setAccessibleName(f"{self._name}: {text}")


class HealthPanel(TitledCard):
    """Figures of the whole and a table of all stages; touched by the window's thread only."""

    def __init__(self, model: HealthModel, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.title.setText(self.tr("HEALTH"))
        self.setAccessibleName(self.tr("Health"))
        self._model = model
        self._figures = {key: _Figure(name) for key, name in self._names().items()}
        grid = QGridLayout()
        grid.setContentsMargins(0, 8, 0, 12)
        grid.setHorizontalSpacing(theme.INSIDE)
        grid.setVerticalSpacing(theme.GAP)
        self._figures["drawn"].setToolTip(self.tr("From the end of a window to its reading on screen"))
        self._figures["age"].setToolTip(self.tr("From a picture's capture to the screen"))
        self._figures["dropped"].setToolTip(self.tr("Pictures skipped within the last minute, of those due"))
        self._figures["cpu"].setToolTip(self.tr("100 % is one core"))
        self._figures["words"].setToolTip(self.tr("From the end of a word to its commitment"))
        self._figures["first"].setToolTip(self.tr("From the beginning of speech to its first word, tentative or not"))
        self._figures["work"].setToolTip(self.tr("Recognition keeps up below 1; above, it decodes less often"))
        for i, figure in enumerate(self._figures.values()):
            grid.addWidget(figure, i // 3, i % 3)
        for column in range(3):
            grid.setColumnStretch(column, 1)
        self.body.addLayout(grid)
        self.table = QTableView()
        self._stages = StageTable(self)
        self.table.setModel(self._stages)
        self._prepare_table()
        self.body.addWidget(self.table, 1)
        model.changed.connect(self._refresh)
        self._refresh()

    def _names(self) -> dict[str, str]:
        return {
            "preview": self.tr("preview"),
            "faces": self.tr("faces searched"),
            "dropped": self.tr("dropped"),
            "drawn": self.tr("drawn p50 / p95"),
            "age": self.tr("picture age p95"),
            "sound": self.tr("sound lost"),
            "lag": self.tr("speech lag"),
            "cpu": self.tr("CPU"),
            "memory": self.tr("memory"),
            "words": self.tr("words mean / p95"),
            "first": self.tr("first word p50"),
            "work": self.tr("speech work"),
        }

    def _prepare_table(self) -> None:
        table = self.table
        table.setAccessibleName(self.tr("Stages"))
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(round(_ROW * theme.scale()))
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(40)
        table.setMinimumHeight(round(_ROW * theme.scale() * 3))

    def _refresh(self) -> None:
        f = self._model.figures()
        show = {key: figure.show_value for key, figure in self._figures.items()}
        show["preview"](_unit(f.preview_fps, self.tr("{0:.0f} fps")))
        show["faces"](_unit(f.face_rate, self.tr("{0:.1f} / s")))
        show["dropped"](_unit(f.dropped_percent, self.tr("{0:.1f} %")), severity(f.dropped_percent))
        show["drawn"](self._drawn(f))
        show["age"](_unit(f.frame_age_p95_ms, self.tr("{0:.0f} ms")))
        show["sound"](_unit(f.audio_lost_percent, self.tr("{0:.1f} %")), severity(f.audio_lost_percent))
        show["lag"](_unit(f.speech_lag, self.tr("{0:.1f} s")))
        show["cpu"](_unit(f.cpu_percent, self.tr("{0:.0f} %")))
        show["memory"](_unit(f.rss_mb, self.tr("{0:.0f} MB")))
        if f.word_mean is not None and f.word_p95 is not None:
            show["words"](self.tr("{0:.1f} / {1:.1f} s").format(f.word_mean, f.word_p95))
        else:
            show["words"]("–")
        show["first"](_unit(f.first_word_p50, self.tr("{0:.1f} s")))
        late = Severity.AMBER if f.speech_load is not None and f.speech_load >= 1 else Severity.GOOD
        show["work"](_unit(f.speech_load, self.tr("{0:.2f} × real time")), late)
        self._stages.show(f.stages)

    def _drawn(self, f: Figures) -> str:
        if f.drawn_p50_ms is None or f.drawn_p95_ms is None:
            return "–"
        return self.tr("{0:.0f} / {1:.0f} ms").format(f.drawn_p50_ms, f.drawn_p95_ms)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING and hasattr(self, "table"):
            self.table.verticalHeader().setDefaultSectionSize(round(_ROW * theme.scale()))


def _unit(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
