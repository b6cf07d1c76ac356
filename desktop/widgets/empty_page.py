"""The first page: what this is, three ways to begin, and that nothing leaves the machine."""

from __future__ import annotations

from math import hypot

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QWidget

from desktop import theme
from desktop.widgets.centred_page import CentredPage
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import Label
from dmd_runtime import EDGES, Modality

_RING = 17.0
_PLACES = {
    Modality.LANGUAGE: QPointF(0.5, 0.20),
    Modality.VISUAL: QPointF(0.17, 0.80),
    Modality.ACOUSTIC: QPointF(0.83, 0.80),
}


class Emblem(QWidget):
    """The triangle of language, vision and acoustics, each teaching the others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Fixed."""
        return QSize(172, 128)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint arrows, then rings."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at = {m: QPointF(p.x() * self.width(), p.y() * self.height()) for m, p in _PLACES.items()}
        for edge in EDGES:
            _paint_arrow(painter, at[edge.teacher], at[edge.student], theme.MODALITY[edge.teacher])
        painter.setFont(theme.font(13, weight=QFont.Weight.Bold))
        for modality, centre in at.items():
            painter.setPen(QPen(theme.MODALITY[modality], 2.4))
            painter.setBrush(theme.theme().background)
            painter.drawEllipse(centre, _RING, _RING)
            painter.setPen(theme.theme().ink)
            area = QRectF(centre.x() - _RING, centre.y() - _RING, 2 * _RING, 2 * _RING)
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, modality.value)
        painter.end()


class EmptyPage(CentredPage):
    """Three buttons; see :class:`~desktop.widgets.state_page.StatePage` for the signals."""

    start_requested = Signal()
    open_requested = Signal()
    demo_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Start"))
        middle = Qt.AlignmentFlag.AlignHCenter
        headline = Label(
            self.tr("See what a face, a voice and words express — and which teaches which."),
            pixels=26,
            weight=QFont.Weight.Bold,
            wraps=True,
        )
        headline.setAlignment(middle)
        headline.setContentsMargins(24, 0, 24, 0)  # so narrow that it breaks after the dash
        self.start = QPushButton(self.tr("Start camera and microphone"))
        self.start.setProperty("kind", "primary")
        self.open = QPushButton(self.tr("Open a file…"))
        self.demo = QPushButton(self.tr("Watch the demo"))
        self.start.clicked.connect(self.start_requested)
        self.open.clicked.connect(self.open_requested)
        self.demo.clicked.connect(self.demo_requested)
        buttons = FlowLayout(spacing=theme.GAP)
        for button in (self.start, self.open, self.demo):
            button.setAccessibleName(button.text())
            button.setMinimumHeight(40)
            buttons.addWidget(button)
        private = Label(self.tr("Nothing leaves this machine."), dim=True)
        private.setAlignment(middle)
        self.column.addWidget(Emblem(), 0, middle)
        self.column.addSpacing(12)
        self.column.addWidget(headline)
        self.column.addSpacing(12)
        self.column.addLayout(buttons)
        self.column.addSpacing(8)
        self.column.addWidget(private)

    @property
    def first(self) -> QPushButton:
        """What most people want."""
        return self.start


def _paint_arrow(painter: QPainter, teacher: QPointF, student: QPointF, colour: QColor) -> None:
    """Paint one of the two arrows between two rings, on the right of the way it goes."""
    way = student - teacher
    length = hypot(way.x(), way.y())
    along, aside = way / length, QPointF(-way.y(), way.x()) / length * 4.0
    start, tip = teacher + along * (_RING + 5) + aside, student - along * (_RING + 5) + aside
    painter.setPen(QPen(theme.with_alpha(colour, 0.75), 1.8))
    painter.drawLine(start, tip - along * 5)
    head = QPainterPath(tip)
    head.lineTo(tip - along * 7 + QPointF(-along.y(), along.x()) * 3.5)
    head.lineTo(tip - along * 7 - QPointF(-along.y(), along.x()) * 3.5)
    head.closeSubpath()
    painter.fillPath(head, theme.with_alpha(colour, 0.9))
