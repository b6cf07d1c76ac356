"""The program with its window, from the first object to the exit status."""

from __future__ import annotations

from desktop.app import App
from desktop.application import leave, make_application, tell
from desktop.garbage import GarbageCollector
from desktop.options import EXIT_INPUT, Options
from desktop.settings import SettingsStore
from dmd_runtime import DMDError


def start(options: Options) -> int:
    """Run the program to its end and return its exit status."""
    application = make_application()
    try:
        app = App(application, options, SettingsStore())
    except DMDError as error:
        tell(error)
        return EXIT_INPUT
    GarbageCollector(app.sessions.loaded, app)
    app.show()
    code = application.exec()
    app.shut_down()
    return leave(app.exit_code or code)
