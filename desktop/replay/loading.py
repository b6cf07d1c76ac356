"""Reading a session folder, off the window's thread: first what is quick, last what nothing waits for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal

import dmd_runtime
from desktop.models.replay_text import RecordedText
from desktop.models.track import Series, Spoken
from dmd_runtime import Annotations, DMDError, Readings, RecordedSession, open_session, read_annotations

logger = logging.getLogger(__name__)

Analyses = Callable[[Path], tuple[str, ...]]
"""Names of the analyses in a session folder, beside what was recorded."""
OpenAnalysis = Callable[[Path, str], RecordedSession]
"""A session with the tables of an analysis."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """The words of a session, for the text and for the timeline."""

    text: RecordedText
    spoken: Spoken


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The readings of a session or of one of its analyses, and what made them."""

    analysis: str
    readings: Readings
    series: Series
    provenance: Mapping[str, Any]


class SessionLoader(QThread):
    """Reads one session, with ``analysis`` the tables of that; ``only_tables`` where all else is known.

    Signals
    -------
    begun(RecordedSession, Medium or None, names of analyses)
    found(Words | Table | Annotations | RecordedFaces)
        In this order, words first.
    problem(str key, str text)
        Something could not be read; the rest goes on.
    failed(str)
        It is no session.
    """

    begun = Signal(object, object, object)
    found = Signal(object)
    problem = Signal(str, str)
    failed = Signal(str)

    def __init__(
        self,
        folder: Path,
        *,
        analysis: str = "",
        only_tables: bool = False,
        analyses: Analyses,
        open_analysis: OpenAnalysis,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("replay-loader")
        self.folder, self.analysis = folder, analysis
        self._only_tables = only_tables
        self._analyses, self._open_analysis = analyses, open_analysis
        self._unwanted = threading.Event()

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self._unwanted.set()

    def run(self) -> None:
        """Qt's entry of the thread."""
        try:
            self._read()
        except DMDError as error:
            self.failed.emit(str(error))
        except Exception as error:  # a session that breaks the reader must not break the window
            logger.exception("%s", self.folder)
            self.failed.emit(f"{self.folder}: {error}")

    def _read(self) -> None:
        session = open_session(self.folder)
        if not self._only_tables:
            self.begun.emit(session, dmd_runtime.medium_of(session), self._names())
        if self.analysis:
            session = self._open_analysis(self.folder, self.analysis)
        for step in (self._words, self._table, self._annotations, self._faces):
            if self._unwanted.is_set() or (self._only_tables and step == self._annotations):
                continue
            try:
                self.found.emit(step(session))
            except DMDError as error:
                self.problem.emit(step.__name__.strip("_"), str(error))
        if session.problems:
            self.problem.emit("tables", "; ".join(dict.fromkeys(session.problems)))
        session.keep()

    def _names(self) -> tuple[str, ...]:
        try:
            return self._analyses(self.folder)
        except DMDError as error:
            self.problem.emit("analyses", str(error))
            return ()

    def _words(self, session: RecordedSession) -> Words:
        words = session.words
        rows = tuple((w.span.start, w.span.end, w.text, w.p, w.speaker_visible) for w in words)
        times = np.array([row[:2] for row in rows], dtype=np.float64).reshape(-1, 2)
        return Words(text=RecordedText.of(rows), spoken=Spoken(times[:, 0], times[:, 1], tuple(r[2] for r in rows)))

    def _table(self, session: RecordedSession) -> Table:
        provenance = session.manifest.get("provenance")
        return Table(
            analysis=self.analysis,
            readings=session.readings,
            series=Series.of(session.readings),
            provenance=provenance if isinstance(provenance, dict) else {},
        )

    def _annotations(self, session: RecordedSession) -> Annotations:
        return read_annotations(session.folder)

    @staticmethod
    def _faces(session: RecordedSession) -> object:
        return session.faces
