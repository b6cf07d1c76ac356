"""How the program looks: theme, text size and motion, and the menu that shows which theme is chosen."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QActionGroup, QGuiApplication
from PySide6.QtWidgets import QApplication

from desktop import theme
from desktop.settings import Settings


class Appearance(QObject):
    """Gives the application its looks, anew only where they change; touched by the window's thread only.

    Parameters
    ----------
    application : QApplication
    menu : QActionGroup
        An action for each theme, with its name as data.
    for_now : str or None
        The theme of this run whatever the settings say, until one is chosen (:meth:`choose`).
    """

    def __init__(
        self, application: QApplication, menu: QActionGroup, for_now: str | None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._application = application
        self._menu = menu
        self._for_now = for_now
        self._choice = "system"
        self._worn: tuple[theme.Theme, float] | None = None
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._wear)

    def choose(self, settings: Settings) -> None:
        """A theme was chosen by hand: from now on the settings say which."""
        self._for_now = None
        self.show(settings)

    def show(self, settings: Settings) -> None:
        """Look as ``settings`` say."""
        self._choice = self._for_now or settings.theme
        self._application.setProperty("dmd_reduced_motion", settings.reduced_motion)
        self._application.setProperty("dmd_font_scale", settings.font_scale)
        for action in self._menu.actions():
            action.setChecked(action.data() == self._choice)
        self._wear()

    def _wear(self) -> None:
        wanted = theme.chosen_by(self._choice), theme.scale()
        if wanted != self._worn:
            self._worn = wanted
            theme.apply_theme(self._application, self._choice)
