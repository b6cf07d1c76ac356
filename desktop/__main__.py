"""``dmd-desktop``, also ``python -m desktop``."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence

from desktop.options import EXIT_INPUT, parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the desktop program; returns its exit status."""
    multiprocessing.freeze_support()
    _keep_standard_error()
    options = parse(arguments)
    if options.selftest:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if _no_display():
        print(  # noqa: T201 - the one line that says why there is no window
            "dmd-desktop: expected a display (DISPLAY or WAYLAND_DISPLAY), got none; "
            "QT_QPA_PLATFORM=offscreen runs without one, for example with --demo --quit-after 20 --screenshot demo.png",
            file=sys.stderr,
        )
        return EXIT_INPUT
    from desktop.log import start_logging  # noqa: PLC0415 - Qt only when there is a window to show

    start_logging(verbose=options.verbose)
    if options.selftest:
        from desktop.selftest import run_selftest  # noqa: PLC0415

        return run_selftest(options)
    from desktop.program import start  # noqa: PLC0415

    return start(options)


def _keep_standard_error() -> None:
    """Give what this program says a descriptor of its own.

    WORKAROUND: python-sounddevice sends descriptor 2 to nowhere while PortAudio starts, whoever writes there.
    """
    if sys.__stderr__ is not None and sys.stderr is sys.__stderr__:
        own = os.dup(sys.__stderr__.fileno())
        sys.stderr = open(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _no_display() -> bool:
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
