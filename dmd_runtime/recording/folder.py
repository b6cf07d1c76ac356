"""Names of session folders: BIDS-like, never overwritten."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from dmd_runtime.errors import RecordingError


def label(text: str) -> str:
    """``text`` as a BIDS label: letters and digits only (``talker_a`` becomes ``talkera``); may be empty."""
    return re.sub(r"[^0-9A-Za-z]", "", text)


def new_session_folder(
    root: Path, *, participant: str = "", session: str = "", task: str = "", now: datetime | None = None
) -> Path:
    """Create and return ``<root>/sub-…/ses-…[_task-…]``; a name that exists gets ``_02``, ``_03`` and so on.

    Raises
    ------
    RecordingError
        The folder cannot be made; names it and says why.
    """
    stamp = (now or datetime.now()).strftime("%Y%m%dT%H%M%S")
    name = f"ses-{label(session) or stamp}" + (f"_task-{label(task)}" if label(task) else "")
    parent = root / f"sub-{label(participant) or 'anon'}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 10_000):
            folder = parent / (name if attempt == 1 else f"{name}_{attempt:02d}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise RecordingError(
            f"{parent}: expected a folder that can be written to, got {error.strerror or error}"
        ) from None
    raise RecordingError(f"{parent}: more than 9,999 sessions are called {name}")
