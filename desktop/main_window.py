"""The window: menus and header above, the page in the middle, the timeline and the health of the machine in docks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QByteArray, QEvent, QObject, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QLabel,
    QMainWindow,
    QMenuBar,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.actions import Actions
from desktop.annotator import AnnotatingPanel
from desktop.device_lists import DeviceBox
from desktop.header import Header
from desktop.live_page import EDGE_SPACE, LivePage
from desktop.models.recording import RecordState
from desktop.view_models import ViewModels
from desktop.widgets.health_panel import HealthPanel
from desktop.widgets.mark_banner import MarkBanner
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.record_button import RecordButton
from desktop.widgets.state_page import PHASES, StatePage
from desktop.widgets.status_line import StatusLine
from desktop.widgets.timeline_view import TimelineView
from dmd_runtime import Reading

DEFAULT_SIZE: Final = QSize(1280, 800)
SMALLEST: Final = QSize(1024, 640)


class Grip(QWidget):
    """A slim handle by which a dock is moved."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(theme.GAP)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setToolTip(self.tr("Drag to move, double-click to float"))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name and arguments
        """Paint a short bar while the pointer is here."""
        if not self.underMouse():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.theme().line)
        painter.drawRoundedRect(self.width() // 2 - 24, self.height() // 2 - 2, 48, 4, 2, 2)
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Show and hide the bar as the pointer comes and goes."""
        if event.type() in (QEvent.Type.Enter, QEvent.Type.Leave):
            self.update()
        return super().event(event)


class Dock(QDockWidget):
    """A card that can be moved, floated, hidden and restored."""

    def __init__(self, title: str, name: str, content: QWidget, parent: QWidget, *, beside: bool = False) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        self.setTitleBarWidget(Grip(self))
        holder = QWidget()
        inside = QVBoxLayout(holder)
        inside.setContentsMargins(0 if beside else EDGE_SPACE, theme.GAP if beside else 0, EDGE_SPACE, 0)
        inside.addWidget(content)
        self.setWidget(holder)


class WhyPopup(QFrame):
    """What a reading rests on, in plain words, beside the button that asked."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setMargin(theme.INSIDE)
        self._text.setFont(theme.font(13))
        self._text.setMinimumWidth(380)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self._text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.addWidget(scroll)
        self.setFrameShape(QFrame.Shape.StyledPanel)

    def show_text(self, text: str, at: QPoint) -> None:
        """Show ``text`` with the top right corner at ``at`` (of the screen)."""
        self._text.setText(text)
        width = 420
        self.resize(width, min(460, self._text.heightForWidth(width - 24) + 8))
        self.move(at.x() - width, at.y())
        self.show()


class MainWindow(QMainWindow):
    """Puts view-models, actions and widgets together; decides nothing about sessions.

    Signals
    -------
    shown()
        Once, when the window is on screen.
    close_requested()
        The user wants to leave; whoever listens ends what runs and calls :meth:`close_now`.
    drawn(Reading)
        A reading has been painted, and is still the one that is shown.
    """

    shown = Signal()
    close_requested = Signal()
    drawn = Signal(object)

    def __init__(self, models: ViewModels) -> None:
        super().__init__()
        self.models = models
        self.actions_ = Actions(self)
        self.camera = DeviceBox(self.tr("Camera"), self.tr("none"))
        self.microphone = DeviceBox(self.tr("Mic"), self.tr("none"))
        self.page = LivePage(models)
        self.states = StatePage(models.live)
        self.notices = NoticeBar(models.live)
        self.timeline = TimelineView(models.timeline)
        self.annotating = AnnotatingPanel(models.annotating)
        self.status = StatusLine(models.health)
        self.setMinimumSize(SMALLEST)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.resize(DEFAULT_SIZE)
        self.setDockOptions(QMainWindow.DockOption.AnimatedDocks | QMainWindow.DockOption.AllowNestedDocks)
        self._closing = False
        self._was_shown = False
        self._timeline_wanted = True
        self._beside: list[Dock] | None = None  # docks that were shown when another place was gone to
        self._drawn: Reading | None = None
        self._why = WhyPopup(self)
        self._build_middle()
        self._docks = self._build_docks()
        self._build_top()
        self._build_bottom()
        self._first_layout = self.saveState()
        self.page.emotion.installEventFilter(self)
        models.live.phase_changed.connect(self._follow_phase)
        self.page.why_requested.connect(self.show_why)
        self.actions_.why.triggered.connect(self.show_why)
        self.status.card_requested.connect(self.actions_.card.trigger)
        self.page.edge_selected.connect(models.timeline.toggle_lane)
        self.actions_.reset_layout.triggered.connect(self.restore_first_layout)
        models.recording.state_changed.connect(self._follow_recording)
        self._follow_phase()
        self._follow_recording()

    # --------------------------------------------------------------- layout

    def _build_top(self) -> None:
        bar = QMenuBar()
        self.actions_.fill(bar, [dock.toggleViewAction() for dock in self._docks])
        a = self.actions_
        top = QWidget()
        column = QVBoxLayout(top)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (
            Header(
                bar,
                self.camera,
                self.microphone,
                start=a.start,
                stop=a.stop,
                marker=a.marker,
                places=(a.live, a.sessions),
                record=RecordButton(self.models.recording, a.record),
            ),
            MarkBanner(self.models.live),
            self.notices,
        ):
            column.addWidget(widget)
        self._top = column
        self.setMenuWidget(top)
        self.addActions(self.actions_.findChildren(type(a.start)))  # keys work in full screen too

    def _build_middle(self) -> None:
        self._stack = QStackedWidget()
        self._stack.addWidget(self.states)
        self._stack.addWidget(self.page)
        self._places = QStackedWidget()  # the live page, then whatever else there is
        self._places.addWidget(self._stack)
        self.setCentralWidget(self._places)

    def add_progress(self, widget: QWidget) -> None:
        """Show how far something is, above the page; it hides itself when nothing is made."""
        self._top.addWidget(widget)

    def go_to(self, place: QWidget | None = None) -> None:
        """Show another place than the live page, or, None, the live page; its docks go and come with it."""
        if place is not None and self._places.indexOf(place) < 0:
            self._places.addWidget(place)
        self._places.setCurrentWidget(self._stack if place is None else place)
        if place is not None and self._beside is None:
            self._beside = [dock for dock in self._docks[1:] if not dock.isHidden()]
            for dock in self._beside:
                dock.hide()
        elif place is None and self._beside is not None:
            for dock in self._beside:
                dock.show()
            self._beside = None
        self._want_timeline(self._timeline_wanted)

    @property
    def is_live(self) -> bool:
        """Whether the live page is what is shown."""
        return self._places.currentWidget() is self._stack

    def _build_docks(self) -> tuple[Dock, Dock, Dock]:
        timeline = Dock(self.tr("Timeline"), "timeline", self.timeline, self)
        health = Dock(self.tr("Health of the machine"), "health", HealthPanel(self.models.health), self, beside=True)
        annotating = Dock(self.tr("Markers and own labels"), "annotating", self.annotating, self, beside=True)
        annotating.toggleViewAction().setShortcut("Ctrl+B")
        timeline.toggleViewAction().setShortcut("Ctrl+T")
        health.toggleViewAction().setShortcut("Ctrl+I")
        timeline.toggleViewAction().triggered.connect(self._want_timeline)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, timeline)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, health)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, annotating)
        health.hide()
        annotating.hide()
        return timeline, health, annotating

    def _build_bottom(self) -> None:
        status = self.statusBar()
        status.setSizeGripEnabled(False)
        status.setContentsMargins(EDGE_SPACE - 22, 0, EDGE_SPACE - 22, 0)
        status.addWidget(self.status, 1)

    def restore_first_layout(self) -> None:
        """Put the docks where they were at first."""
        self.restoreState(self._first_layout)
        self._want_timeline(True)

    def layout_text(self) -> tuple[str, str]:
        """Window and docks, to be remembered."""
        self.go_to(None)
        self._docks[0].setVisible(self._timeline_wanted)
        return _text(self.saveGeometry()), _text(self.saveState())

    def restore(self, geometry: str, layout: str) -> None:
        """Put window and docks where they were; nonsense is ignored."""
        self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
        self.restoreState(QByteArray.fromBase64(layout.encode()))
        self._want_timeline(not self._docks[0].isHidden())

    # ----------------------------------------------------------------- life

    def _follow_recording(self) -> None:
        """Say in the title whether what runs is being kept, and what the action would do now."""
        on = self.models.recording.state is RecordState.RECORDING
        self.setWindowTitle(self.tr("● recording – DMD Live") if on else "DMD Live")
        self.actions_.record.setText(self.tr("Stop recording") if on else self.tr("Record…"))
        self.actions_.record.setEnabled(self.models.recording.state is not RecordState.SAVING)

    def show_why(self) -> None:
        """Say what the reading on screen rests on."""
        panel = self.page.emotion
        corner = panel.mapToGlobal(QPoint(panel.width() - 8, 36))
        self._why.show_text(self.models.emotion.explanation(), corner)

    def close_now(self) -> None:
        """Close without asking anybody."""
        self._closing = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Let whoever runs sessions end them first."""
        if self._closing:
            event.accept()
            return
        event.ignore()
        _soon(self, self.close_requested.emit)  # Qt ignores a close within a close

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Tell that the window is there."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            QTimer.singleShot(0, self.shown.emit)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tell when a reading has been painted, once."""
        reading = self.models.emotion.reading
        if watched is self.page.emotion and event.type() is QEvent.Type.Paint and reading is not self._drawn:
            self._drawn = reading
            if reading is not None:
                _soon(self, lambda: self._tell_drawn(reading))
        return super().eventFilter(watched, event)

    def _tell_drawn(self, reading: Reading) -> None:
        """Tell, unless the next one has come since: what is on screen would not be this one's."""
        if reading is self.models.emotion.reading:
            self.drawn.emit(reading)

    def _follow_phase(self) -> None:
        phase = self.models.live.phase
        page = self.states if phase in PHASES else self.page
        if page is not self._stack.currentWidget():
            self._stack.setCurrentWidget(page)
            self.setFocus()  # else Qt moves it on to some card, as if it had been asked for
        self._want_timeline(self._timeline_wanted)

    def _want_timeline(self, wanted: bool) -> None:
        """Show the timeline if it is wanted and there is anything for it to show."""
        self._timeline_wanted = wanted
        self._docks[0].setVisible(wanted and self.is_live and self._stack.currentWidget() is self.page)


def _soon(context: QObject, call: Callable[[], None]) -> None:
    """After the event that is being handled now."""
    QTimer.singleShot(0, context, call)


def _text(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode()
