"""``dmd sessions recover``: what a crash left, made sessions again on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(what: Any) -> None:
    """Add the subcommand to those of ``dmd sessions``."""
    recovering = what.add_parser("recover", help="make sessions of what a crash left below ROOT; deletes nothing")
    recovering.add_argument("root", metavar="ROOT", type=Path)
    recovering.add_argument("--dry-run", action="store_true", help="only say which sessions are unfinished")
    recovering.set_defaults(command=_recover)


def _recover(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.recovery import recover_all  # noqa: PLC0415

    for line in recover_all(options.root, dry_run=options.dry_run):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0
