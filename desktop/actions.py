"""Everything the window can do, as actions: one place for texts, keys, menus and buttons."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from desktop.theme import THEMES


def _tr(text: str) -> str:
    return QCoreApplication.translate("Actions", text)


class Actions(QObject):
    """The actions; the window connects them. Each has a text and, where it is used often, a key."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._all: list[QAction] = []
        self.start = self._make(_tr("Start camera and microphone"), "F5", short=_tr("Start"))
        self.stop = self._make(_tr("Stop"), "Ctrl+.", short=_tr("Stop"))
        self.record = self._make(_tr("Record…"), "Ctrl+R")
        self.open = self._make(_tr("Open a file…"), "Ctrl+O")
        self.demo = self._make(_tr("Watch the demo"), "Ctrl+D")
        self.synthetic = self._make(_tr("Show test signals"))
        self.picture = self._make(_tr("Save a picture of the window…"), "Ctrl+Shift+S")
        self.quit = self._make(_tr("Quit"), "Ctrl+Q")
        self.quit.setMenuRole(QAction.MenuRole.QuitRole)
        self.marker = self._make(_tr("Set a marker now"), "M", short=_tr("Marker"))
        self.why = self._make(_tr("Why this reading?"), "W")
        self.reanalyse = self._make(_tr("Analyse the session anew…"), "Ctrl+Shift+A")
        self.reanalyse.setEnabled(False)  # until one is replayed
        self.refresh = self._make(_tr("Look for devices again"), "F6")
        self.mirror = self._make(_tr("Mirror the camera"), checkable=True)
        self.live = self._make(_tr("Live"), "Ctrl+1", checkable=True)
        self.sessions = self._make(_tr("Sessions"), "Ctrl+2", checkable=True)
        self.places = QActionGroup(self)
        for place in (self.live, self.sessions):
            self.places.addAction(place)
        self.live.setChecked(True)
        self.full_screen = self._make(_tr("Full screen"), "F11", checkable=True)
        self.larger = self._make(_tr("Larger text"), "Ctrl++")
        self.smaller = self._make(_tr("Smaller text"), "Ctrl+-")
        self.reset_layout = self._make(_tr("Restore the layout"))
        self.preferences = self._make(_tr("Preferences…"), "Ctrl+,")
        self.preferences.setMenuRole(QAction.MenuRole.PreferencesRole)
        self.keys = self._make(_tr("Keys"), "F1")
        self.card = self._make(_tr("Model card…"), "Ctrl+K")
        self.limits = self._make(_tr("What it can and cannot tell"))
        self.log = self._make(_tr("Open the log"))
        self.about = self._make(_tr("About DMD Live"))
        self.about.setMenuRole(QAction.MenuRole.AboutRole)
        self.themes = QActionGroup(self)
        words = {"system": _tr("As the system"), "dark": _tr("Dark"), "light": _tr("Light")}
        for name in THEMES:
            action = self._make(words[name], checkable=True)
            action.setData(name)
            self.themes.addAction(action)

    def fill(self, bar: QMenuBar, docks: list[QAction]) -> None:
        """Make the menus; ``docks`` show and hide the docks."""
        self._menu(bar, _tr("&File"), [self.open, self.demo, self.synthetic, None, self.picture, None, self.quit])
        session = [self.start, self.stop, self.record, None, self.marker, self.why, self.reanalyse]
        session += [None, self.refresh, self.mirror]
        self._menu(bar, _tr("&Session"), session)
        view = self._menu(bar, _tr("&View"), [self.live, self.sessions, None, *docks, self.reset_layout, None])
        appearance = view.addMenu(_tr("Theme"))
        appearance.addActions(self.themes.actions())
        view.addActions([self.larger, self.smaller])
        view.addSeparator()
        view.addActions([self.full_screen, self.preferences])
        self._menu(bar, _tr("&Help"), [self.card, self.limits, self.keys, self.log, None, self.about])
        self._all += docks

    def listed(self) -> Iterator[tuple[str, str]]:
        """(text, key) of every action with a key."""
        for action in self._all:
            if not action.shortcut().isEmpty():
                yield action.text(), action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)

    def _make(self, text: str, key: str = "", *, short: str = "", checkable: bool = False) -> QAction:
        action = QAction(text, self)
        action.setIconText(short or text)
        action.setToolTip(text)
        action.setCheckable(checkable)
        if key:
            action.setShortcut(QKeySequence(key))
        self._all.append(action)
        return action

    @staticmethod
    def _menu(bar: QMenuBar, title: str, actions: list[QAction | None] | list[QAction]) -> QMenu:
        menu = bar.addMenu(title)
        for action in actions:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)
        return menu
