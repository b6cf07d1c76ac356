"""``dmd sessions …``: what the command line does with session folders.

Every subcommand is a function of the parsed options that returns an exit status; it is added in :func:`add`.
"""

from __future__ import annotations

from typing import Any

from dmd_runtime.recording import integrity_command, library_command, reanalysis_command, recovery_command
from dmd_runtime.recording.export import command as export_command


def add(commands: Any) -> None:
    """Add ``sessions`` and its subcommands to the parsers of :mod:`dmd_runtime.cli`."""
    sessions = commands.add_parser("sessions", help="recorded sessions: list, recover, export, …")
    what = sessions.add_subparsers(title="what", required=True, metavar="WHAT", parser_class=type(sessions))

    library_command.add(what)
    recovery_command.add(what)
    integrity_command.add(what)
    export_command.add(what)
    reanalysis_command.add(what)
