"""``dmd sessions verify``: whether the files of sessions are what they were when these were finished."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(what: Any) -> None:
    """Add the subcommand to those of ``dmd sessions``."""
    verifying = what.add_parser("verify", help="compare the files of sessions with the hashes in their manifests")
    verifying.add_argument("place", metavar="SESSION|ROOT", type=Path)
    verifying.add_argument("--add", action="store_true", help="keep the hashes of sessions that have none")
    verifying.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.integrity import verify_all  # noqa: PLC0415

    is_whole = True
    for good, line in verify_all(options.place, add=options.add):
        is_whole &= good
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0 if is_whole else 1
