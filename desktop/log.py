"""The log file, and what happens to exceptions that nobody caught: they are logged and shown, never lost."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TextIO

from platformdirs import user_log_path

_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
_BYTES, _KEPT = 1_000_000, 3
logger = logging.getLogger(__name__)
_crash_file: TextIO | None = None


def log_path() -> Path:
    """Where the log is written."""
    return user_log_path("dmd", appauthor=False) / "desktop.log"


def start_logging(*, verbose: bool) -> None:
    """Write warnings (``verbose``: everything of this program's) to the log file; ``verbose`` also to standard error.

    A log that cannot be written is no reason not to start. Crashes of native code leave their stacks beside it.
    """
    global _crash_file  # noqa: PLW0603 - faulthandler needs a file that stays open
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for name in ("desktop", "dmd_runtime"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if verbose else []
    try:
        log_path().parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(log_path(), maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8"))
        _crash_file = log_path().with_suffix(".crash").open("a", encoding="utf-8")
        faulthandler.enable(_crash_file)
    except OSError as error:
        print(f"dmd-desktop: no log is written: {error}", file=sys.stderr)  # noqa: T201 - there is no other place
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)


def catch_exceptions(show: Callable[[str, str], None]) -> None:
    """From now on log what nobody caught and call ``show(summary, details)``, on whichever thread it happened."""

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        logger.critical("not caught", exc_info=(kind, error, trace))
        details = logging.Formatter().formatException((kind, error, trace))
        show(f"{kind.__name__}: {error}", details)

    sys.excepthook = caught
    threading.excepthook = lambda args: caught(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
