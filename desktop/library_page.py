"""The place where sessions are: listed, searched, opened, deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QKeyEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.delete_session_dialog import DeleteSessionDialog
from desktop.models.library import LibraryModel, LibraryState, Order, Show
from desktop.widgets.labels import ElidedLabel, Label
from desktop.widgets.library_states import Bar, MessagePage
from desktop.widgets.session_card import SessionCard
from desktop.widgets.session_list import SessionList
from dmd_runtime import Hit, SessionSummary

EDGE: Final = 20
"""Pixels left and right, as on the live page."""
_CARD = 320
_LOOK_MS = 5_000  # between two looks at the disk while the page is shown
_TYPING_MS = 120


class LibraryPage(QWidget):
    """All sessions of a folder; touched by the window's thread only.

    Parameters
    ----------
    model : LibraryModel

    Signals
    -------
    open_requested(Path, float) : show a session from this moment on.
    export_requested(Path), report_requested(Path)
    recover_requested(list of Path) : sessions that were cut off.
    record_requested()
    root_chosen(Path) : sessions are in another folder from now on; the model knows already.
    """

    open_requested = Signal(object, float)
    export_requested = Signal(object)
    report_requested = Signal(object)
    recover_requested = Signal(object)
    record_requested = Signal()
    root_chosen = Signal(object)

    def __init__(self, model: LibraryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.setAccessibleName(self.tr("Sessions"))
        self._make_actions()
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search words, markers, notes, people"))
        self.search.setAccessibleName(self.tr("Search in all sessions"))
        self.search.setToolTip(self.tr('Beginnings of words, or "a phrase" (Ctrl+F); Escape shows all sessions again'))
        self.search.installEventFilter(self)
        self.order, self.show_only = self._order_box(), self._show_box()
        self.folder = QPushButton(self.tr("Another folder…"))
        self.folder.setProperty("kind", "quiet")
        self.folder.clicked.connect(self.choose_root)
        self.list = SessionList(model, self.tr("List of sessions"))
        self.hits = SessionList(model, self.tr("What was found"))
        self.nothing = MessagePage("", "", "")
        self.card = SessionCard(model, self.open_action, self._quiet)
        self.card.setFixedWidth(_CARD)
        self.count = Label(pixels=12, dim=True)
        self.where = ElidedLabel(pixels=12, dim=True)
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.unfinished = Bar(self.tr("Recover"))
        self.trouble = Bar(self.tr("Close"))
        self.empty, self.loading, self.failed = self._states()
        self._lay_out()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_MS)
        self._connect()
        self._refresh()

    # ---------------------------------------------------------------- making

    def _make_actions(self) -> None:
        def action(text: str, tip: str, key: str, slot: Callable[[], None]) -> QAction:
            made = QAction(text, self)
            made.setToolTip(tip)
            made.setShortcut(QKeySequence(key))
            made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.triggered.connect(slot)
            return made

        self.open_action = action(self.tr("Open"), self.tr("Open the session"), "", self.open)
        self.report_action = action(
            self.tr("Report"), self.tr("Make the report of the session"), "Ctrl+P", self._ask(self.report_requested)
        )
        self.export_action = action(
            self.tr("Export…"), self.tr("Export the session"), "Ctrl+E", self._ask(self.export_requested)
        )
        self.show_action = action(
            self.tr("Show folder"), self.tr("Show the folder of the session"), "Ctrl+Shift+F", self.show_folder
        )
        self.delete_action = action(self.tr("Delete…"), self.tr("Delete the session whole"), "Del", self.delete)
        self._quiet = (self.report_action, self.export_action, self.show_action, self.delete_action)
        self._actions = (self.open_action, *self._quiet)

    def _ask(self, signal: object) -> Callable[[], None]:
        def emit() -> None:
            session = self.session
            if session is not None:
                signal.emit(session.folder)  # type: ignore[attr-defined]  # a bound signal

        return emit

    def _order_box(self) -> QComboBox:
        words = {
            Order.NEWEST: self.tr("Newest first"),
            Order.OLDEST: self.tr("Oldest first"),
            Order.PARTICIPANT: self.tr("By participant"),
            Order.LONGEST: self.tr("Longest first"),
        }
        box = _box(self.tr("Order"), words)
        box.activated.connect(lambda _: self.model.set_order(box.currentData()))
        return box

    def _show_box(self) -> QComboBox:
        words = {
            Show.ALL: self.tr("All sessions"),
            Show.COMPLETE: self.tr("Complete"),
            Show.RECOVERED: self.tr("Recovered"),
            Show.UNFINISHED: self.tr("Not finished"),
            Show.UNREADABLE: self.tr("Cannot be read"),
        }
        box = _box(self.tr("Show"), words)
        box.activated.connect(lambda _: self.model.set_show(box.currentData()))
        return box

    def _states(self) -> tuple[MessagePage, MessagePage, MessagePage]:
        empty = MessagePage(
            self.tr("No sessions yet"),
            self.tr("What you record is kept here: picture, sound, words and every reading, on this machine only."),
            self.tr("Record a session…"),
        )
        loading = MessagePage(self.tr("Looking for sessions…"), "", "", busy=True)
        failed = MessagePage(self.tr("The sessions cannot be listed"), "", self.tr("Choose another folder…"))
        empty.pressed.connect(self.record_requested)
        failed.pressed.connect(self.choose_root)
        return empty, loading, failed

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(theme.GAP)
        bar.addWidget(self.search, 1)
        for widget in (self.order, self.show_only):
            bar.addWidget(widget)
        self._middle = QStackedWidget()
        for place in (self.list, self.hits, self.nothing):
            self._middle.addWidget(place)
        row = QHBoxLayout()
        row.setSpacing(theme.GAP)
        row.addWidget(self._middle, 1)
        row.addWidget(self.card)
        foot = QHBoxLayout()
        foot.setSpacing(theme.GAP)
        foot.addWidget(self.count)
        foot.addWidget(self.where, 1)
        foot.addWidget(self.folder)
        self._listing = QWidget()
        column = QVBoxLayout(self._listing)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GAP)
        column.addLayout(bar)
        column.addLayout(row, 1)
        self._stack = QStackedWidget()
        for page in (self._listing, self.empty, self.loading, self.failed):
            self._stack.addWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(EDGE, theme.INSIDE, EDGE, 4)
        whole.setSpacing(theme.GAP)
        whole.addWidget(self.unfinished)
        whole.addWidget(self.trouble)
        whole.addWidget(self._stack, 1)
        whole.addLayout(foot)

    def _connect(self) -> None:
        model = self.model
        model.changed.connect(self._refresh)
        model.progress_changed.connect(self._show_count)
        model.hits_changed.connect(self._show_hits)
        model.failed.connect(self._show_trouble)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self._typing.timeout.connect(lambda: model.search(self.search.text()))
        self.search.returnPressed.connect(self._go_to_list)
        self._look.timeout.connect(model.refresh)
        self.unfinished.pressed.connect(lambda: self.recover_requested.emit(model.unfinished))
        self.trouble.pressed.connect(lambda: self.trouble.show_text(""))
        self.nothing.pressed.connect(self._widen)
        find = QShortcut(QKeySequence.StandardKey.Find, self)
        find.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self._find)
        for view in (self.list, self.hits):
            view.chosen.connect(lambda _: self._show_chosen())
            view.opened.connect(lambda _: self.open())
            view.addActions(self._actions)
        self.addActions([self.report_action, self.export_action, self.show_action])  # Del belongs to the lists alone

    # ----------------------------------------------------------------- doing

    @property
    def session(self) -> SessionSummary | None:
        """The chosen session, or that of the chosen hit."""
        chosen = self._chosen
        return self.model.session(chosen.folder) if isinstance(chosen, Hit) else chosen

    @property
    def _chosen(self) -> SessionSummary | Hit | None:
        page = self._middle.currentWidget()
        return page.current if isinstance(page, SessionList) else None

    def open(self) -> None:
        """Open what is chosen, a hit at its moment."""
        session, chosen = self.session, self._chosen
        if session is not None and self.open_action.isEnabled():
            self.open_requested.emit(session.folder, chosen.t if isinstance(chosen, Hit) else 0.0)

    def show_folder(self) -> None:
        """Show the folder of what is chosen in the system's file manager."""
        session = self.session
        if session is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(session.folder)))

    def delete(self) -> None:
        """Ask, then delete what is chosen."""
        session = self.session
        if session is None or not self.delete_action.isEnabled():
            return
        dialog = DeleteSessionDialog(session, self)
        agreed = bool(dialog.exec())
        dialog.deleteLater()
        if agreed:
            self.model.delete(session.folder)

    def choose_root(self) -> None:
        """Ask for the folder of the sessions."""
        name = QFileDialog.getExistingDirectory(self, self.tr("Folder of the sessions"), str(self.model.root))
        if name:
            self.model.set_root(Path(name))
            self.root_chosen.emit(Path(name))

    def select(self, folder: Path) -> None:
        """Choose a session, for instance one that has just been recorded."""
        self.search.clear()
        self.list.choose(folder)

    def _find(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _widen(self) -> None:
        """Look at everything again."""
        self.search.clear()
        self.show_only.setCurrentIndex(0)
        self.model.set_show(Show.ALL)
        self.model.search("")

    def _go_to_list(self) -> None:
        page = self._middle.currentWidget()
        if isinstance(page, SessionList):
            page.setFocus(Qt.FocusReason.TabFocusReason)

    # --------------------------------------------------------------- showing

    def _refresh(self) -> None:
        model = self.model
        listing = self._listing if model.sessions else self.empty
        page = {LibraryState.LOADING: self.loading, LibraryState.FAILED: self.failed}.get(model.state, listing)
        self.failed.set_text(model.problem)
        if page is not self._stack.currentWidget():
            self._stack.setCurrentWidget(page)
            self._focus()
        cut = len(model.unfinished)
        one = self.tr("1 session was cut off. Nothing in it is lost: it can be recovered.")
        many = self.tr("{0} sessions were cut off. Nothing in them is lost: they can be recovered.").format(cut)
        self.unfinished.show_text("" if not cut else one if cut == 1 else many)
        by_folder = {session.folder: session for session in model.sessions}
        self.list.set_items(model.rows, by_folder)
        self._show_hits()

    def _focus(self) -> None:
        """Put the keyboard where it is of most use, if this is the place that is shown."""
        page = self._stack.currentWidget()
        wanted = page.button if isinstance(page, MessagePage) else self.list
        self.setFocusProxy(wanted)
        if self.isVisible():
            wanted.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_hits(self) -> None:
        model = self.model
        by_folder = {session.folder: session for session in model.sessions}
        self.hits.set_items(model.hits, by_folder)
        if model.query:
            self._middle.setCurrentWidget(self.hits if model.hits else self.nothing)
            self.nothing.show_words(
                self.tr("Nothing found"),
                self.tr("No session has “{0}”.").format(model.query),
                self.tr("Show all sessions"),
            )
        else:
            self._middle.setCurrentWidget(self.list if model.rows else self.nothing)
            self.nothing.show_words(
                self.tr("None of them"), self.tr("No session is in this state."), self.tr("Show all sessions")
            )
        for box in (self.order, self.show_only):
            box.setEnabled(not model.query)
        self._show_chosen()
        self._show_count()

    def _show_chosen(self) -> None:
        session, chosen = self.session, self._chosen
        self.card.show_item(session, chosen if isinstance(chosen, Hit) else None)
        readable = session is not None and session.state != "unreadable"
        for action in (self.open_action, self.report_action, self.export_action):
            action.setEnabled(readable and session is not None and not session.held)
        self.show_action.setEnabled(session is not None)
        self.delete_action.setEnabled(session is not None and not session.held)
        self.card.setVisible(session is not None)

    def _show_count(self) -> None:
        model, (done, of) = self.model, self.model.progress
        if of:
            text = self.tr("reading {0} of {1} sessions").format(done, of)
        elif model.state is not LibraryState.READY or not model.sessions:
            text = ""
        elif model.query:
            text = self.tr("{0} hits").format(f"{len(model.hits):,}") if len(model.hits) != 1 else self.tr("1 hit")
        else:
            n = len(model.rows)
            text = self.tr("{0} sessions").format(f"{n:,}") if n != 1 else self.tr("1 session")
        self.count.setText(text)
        self.where.set_whole(str(model.root))

    def _show_trouble(self, text: str) -> None:
        self.trouble.show_text(text)

    # ---------------------------------------------------------------- events

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Look at the disk now, and now and then while it is shown."""
        super().showEvent(event)
        self.model.refresh()
        self._look.start()
        self._focus()

    def hideEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Stop looking."""
        super().hideEvent(event)  # type: ignore[arg-type]
        self._look.stop()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """In the search field, Down goes to the list; Escape empties the field, then goes there as well."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Down:
                self._go_to_list()
                return True
            if event.key() == Qt.Key.Key_Escape:
                if self.search.text():
                    self.search.clear()
                else:
                    self._go_to_list()
                return True
        return super().eventFilter(watched, event)


def _box(name: str, words: dict[Order, str] | dict[Show, str]) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    for value, text in words.items():
        box.addItem(text, value)
    return box
