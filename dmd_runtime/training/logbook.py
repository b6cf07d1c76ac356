"""The log of a run: ``log.csv``, one line for each epoch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dmd_runtime.training.progress import Row
from dmd_runtime.training.run_state import write_whole

LOG = "log.csv"


class Logbook:
    """Writes ``log.csv`` whole after each epoch, so that a resumed run leaves no line twice.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Take an epoch's figures; all rows have the names of the first."""
        self._rows.append(row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(self._rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self._path, text.getvalue().encode())
