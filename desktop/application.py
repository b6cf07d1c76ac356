"""The one QApplication: how it is made, and how the process is left when it is over."""

from __future__ import annotations

import logging
import os
import sys

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from desktop import theme
from desktop.capture.thread import left_behind

logger = logging.getLogger(__name__)


def make_application() -> QApplication:
    """The one QApplication, named, with the bundled fonts, and Qt's own messages in the log."""
    application = QApplication(sys.argv[:1])
    qInstallMessageHandler(_log_qt)
    application.setApplicationName("dmd")
    application.setApplicationDisplayName("DMD Live")
    application.setDesktopFileName("dmd-live")
    theme.load_fonts()
    return application


def tell(problem: object) -> None:
    """One line on standard error, for who started the program there."""
    print(f"dmd-desktop: {problem}", file=sys.stderr)  # noqa: T201 - the one place that does


def leave(code: int) -> int:
    """Return ``code``; where a device's thread hangs, end here: Qt aborts when such a thread is destroyed."""
    if left_behind():
        logger.error("device threads that would not end: %s", [thread.objectName() for thread in left_behind()])
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _log_qt(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Qt's own messages go to the log, not to the terminal."""
    level = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}.get(kind, logging.WARNING)
    logging.getLogger("qt").log(level, "%s: %s", context.category, text)
