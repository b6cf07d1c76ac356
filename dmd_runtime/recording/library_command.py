"""``dmd sessions list|search|delete``: the library of sessions on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from dmd_runtime.errors import RecordingError


def add(what: Any) -> None:
    """Add the subcommands to those of ``dmd sessions``."""
    listing = what.add_parser("list", help="one line for each session folder below ROOT")
    listing.add_argument("root", metavar="ROOT", type=Path)
    listing.add_argument("--json", action="store_true", help="all that is known of each, as one JSON array")
    listing.set_defaults(command=_list)

    search = what.add_parser("search", help="find words, markers, notes, participants and tasks below ROOT")
    search.add_argument("root", metavar="ROOT", type=Path)
    search.add_argument("text", metavar="TEXT", help='beginnings of words, or "a phrase" in double quotes')
    search.add_argument("--json", action="store_true", help="all that is known of each hit, as one JSON array")
    search.set_defaults(command=_search)

    deleting = what.add_parser("delete", help="delete one session folder whole")
    deleting.add_argument("session", metavar="SESSION", type=Path)
    deleting.add_argument("--yes", action="store_true", help="do not ask")
    deleting.set_defaults(command=_delete)


def _list(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.index import SessionIndex  # noqa: PLC0415
    from dmd_runtime.recording.library import find_sessions, session_line  # noqa: PLC0415

    find_sessions(options.root)  # a root that is no folder is said
    with SessionIndex(options.root) as index:
        index.refresh()
        summaries = index.sessions()
    if options.json:
        return _print_json([asdict(summary) for summary in summaries])
    for summary in sorted(summaries, key=lambda summary: summary.folder):
        sys.stdout.write(f"{session_line(summary, options.root.absolute())}\n")
    return 0


def _search(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.index import SessionIndex  # noqa: PLC0415
    from dmd_runtime.recording.library import find_sessions  # noqa: PLC0415

    find_sessions(options.root)
    with SessionIndex(options.root) as index:
        index.refresh()
        hits = index.search(options.text)
    if options.json:
        return _print_json([asdict(hit) for hit in hits])
    for hit in hits:
        name = hit.folder.relative_to(options.root.absolute()).as_posix()
        sys.stdout.write(f"{name}\t{hit.t:.3f} s\t{hit.kind}\t{hit.snippet}\n")
    return 0


def _delete(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.index import SessionIndex  # noqa: PLC0415
    from dmd_runtime.recording.library import check_session, folder_size  # noqa: PLC0415

    folder = options.session.absolute()
    root = folder.parent.parent
    check_session(root, folder)
    if not options.yes:
        if not sys.stdin.isatty():
            raise RecordingError("expected --yes, or a terminal to ask on, got neither; nothing was deleted")
        sys.stdout.write(f"{folder}: {folder_size(folder) / 1e6:.1f} MB. It cannot be brought back. Delete it? [y/N] ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.stdout.write("nothing was deleted\n")
            return 1
    with SessionIndex(root) as index:
        index.delete(folder)
    sys.stdout.write(f"{folder} deleted\n")
    return 0


def _print_json(rows: list[dict[str, Any]]) -> int:
    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1, default=plain) + "\n")
    return 0
