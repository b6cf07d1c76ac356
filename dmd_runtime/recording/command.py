"""``dmd sessions …``: what the command line does with session folders.

Every subcommand is a function of the parsed options that returns an exit status; it is added in :func:`add`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add ``sessions`` and its subcommands to the parsers of :mod:`dmd_runtime.cli`."""
    sessions = commands.add_parser("sessions", help="recorded sessions: list, recover, export, …")
    what = sessions.add_subparsers(title="what", required=True, metavar="WHAT", parser_class=type(sessions))

    listing = what.add_parser("list", help="one line for each session folder below ROOT")
    listing.add_argument("root", metavar="ROOT", type=Path)
    listing.set_defaults(command=_list)


def _list(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.library import list_sessions  # noqa: PLC0415

    for line in list_sessions(options.root):
        sys.stdout.write(f"{line}\n")
    return 0
