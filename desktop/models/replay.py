"""A recorded session that is looked at again: what is shown at the play head, and what can be asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from PySide6.QtCore import QObject, Signal

from desktop.models.emotion import EmotionModel
from desktop.models.graph import GraphModel
from desktop.models.live import LiveModel, Phase
from desktop.models.recorded import recorded_face, recorded_reading
from desktop.models.replay_text import ReplayTextModel
from desktop.models.session_facts import SessionFacts, facts_of
from desktop.models.track import Series, TrackModel
from dmd_runtime import (
    Annotations,
    Graph,
    Provenance,
    Reading,
    Readings,
    RecordedFaces,
    RecordedSession,
    VideoFrame,
)

SPEEDS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
_PAST = 60.0  # s of readings that the graphs show the history of
_RESTING = 0.1
"""Seconds between two looks at readings and words while the play head is dragged; the picture goes before them."""


class Transport(Protocol):
    """What plays; :class:`desktop.replay.player.Player` is one. Seconds of session time."""

    playing: bool
    end: float
    loop: tuple[float, float] | None

    @property
    def position(self) -> float:
        """Where it is."""
        ...

    @property
    def speed(self) -> float:
        """Seconds of the session a second."""
        ...

    @property
    def muted(self) -> bool:
        """Whether the sound is off."""
        ...

    def toggle(self) -> None:
        """Play or pause."""

    def pause(self) -> None:
        """Stand."""

    def seek(self, t: float) -> None:
        """Go to ``t``."""

    def scrub(self, t: float) -> None:
        """Show ``t`` while the play head is dragged; :meth:`seek` ends that."""

    def step(self, by: int) -> None:
        """Go ``by`` pictures on."""

    def set_speed(self, speed: float) -> None:
        """From 0.25 to 4."""

    def set_loop(self, loop: tuple[float, float] | None) -> None:
        """Repeat a span."""

    def set_mute(self, mute: bool) -> None:
        """Turn the sound off, or on."""


class ReplayModel(QObject):
    """One session under the play head; on the window's thread. Made alive by a controller that sets :attr:`transport`.

    Attributes
    ----------
    live : LiveModel
        Phase (EMPTY, LOADING, RUNNING, FAILED) and message, picture and face, marks, notices, what is absent.
    emotion : EmotionModel
        Raw: nothing is smoothed.
    graphs : {Graph: GraphModel}
    track : TrackModel
    words : ReplayTextModel
    folder : Path or None
    title : str
    facts : SessionFacts
    position : float
    frame_number : int
        Of the picture that is shown; -1 without one.
    analyses : tuple of str
        Names of other readings of the session; "" is what was recorded.
    analysis : str
        The one that is shown.
    no_film : str
        Why there is nothing that could be read once more; empty where there is a film.
    is_dragged : bool
        The play head is dragged, until it rests: the picture follows at once, readings and words ten times a second.
    machine : () -> float
        Seconds of the machine's clock.
    is_edited : bool
        Whether the annotations on the track are those of who edits them.

    Signals
    -------
    moved : the play head.
    drag_changed : :attr:`is_dragged`.
    state_changed : playing, speed, loop, mute.
    session_changed : folder, title, analyses.
    leaving : another session is opened, or none; this one is still here.
    analysis_requested(str)
    reanalysis_requested : the session is to be read once more.
    choose_requested : another session is wanted.
    retry_requested
    """

    moved = Signal()
    drag_changed = Signal()
    state_changed = Signal()
    session_changed = Signal()
    leaving = Signal()
    analysis_requested = Signal(str)
    reanalysis_requested = Signal()
    choose_requested = Signal()
    retry_requested = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.live = LiveModel(self)
        self.emotion = EmotionModel(smoothing=0.0, parent=self)
        self.graphs = {graph: GraphModel(graph, seconds=_PAST, parent=self) for graph in Graph}
        self.track = TrackModel(self)
        self.words = ReplayTextModel(self)
        self.transport: Transport | None = None
        self.machine = time.monotonic
        self.is_dragged = False
        self._looked = -_RESTING
        self.folder: Path | None = None
        self.title = ""
        self.analyses: tuple[str, ...] = ("",)
        self.analysis = ""
        self._forget()

    def _forget(self) -> None:
        self.position = 0.0
        self.frame_number = -1
        self.facts = SessionFacts()
        self.no_film = ""
        self._readings: Readings | None = None
        self._made_by: Mapping[str, Any] = {}
        self._faces: RecordedFaces | None = None
        self.is_edited = False
        self._row: int | None = None

    # --------------------------------------------------------------- session

    def reset(self) -> None:
        """Nothing is open."""
        self._forget()
        self.transport, self.folder, self.title = None, None, ""
        self.analyses, self.analysis = ("",), ""
        self.live.reset()
        self.emotion.reset()
        for graph in self.graphs.values():
            graph.reset()
        self.track.reset()
        self.words.set_text(type(self.words.text)())
        self.session_changed.emit()
        self.state_changed.emit()

    def begin(self, folder: Path) -> None:
        """A session is being opened."""
        self.reset()
        self.folder, self.title = folder, folder.name
        self.live.set_phase(Phase.LOADING, self.tr("Opening {0} …").format(folder.name))
        self.session_changed.emit()

    def set_session(self, session: RecordedSession, analyses: tuple[str, ...]) -> None:
        """The session is there; its tables and medium follow."""
        self.facts, self.analyses = facts_of(session), analyses
        self.title = self.facts.title
        self.live.set_source(self.title, mirrored=False, marks=session.marks)
        self.live.set_phase(Phase.RUNNING)
        self.session_changed.emit()

    def set_analyses(self, analyses: tuple[str, ...]) -> None:
        """There are other analyses now."""
        self.analyses = analyses
        self.session_changed.emit()

    def fail(self, problem: str) -> None:
        """It cannot be opened."""
        self.live.set_phase(Phase.FAILED, problem)

    def set_readings(self, readings: Readings, series: Series, provenance: Mapping[str, Any], analysis: str) -> None:
        """Show these readings, with what made them."""
        self._readings, self._made_by, self._row, self.analysis = readings, provenance, None, analysis
        recorded_reading.cache_clear()
        self.live.set_marks((*self.live.marks, *readings.marks))
        self.track.set_series(series)
        self._show_row(fill=True)
        self.session_changed.emit()

    def set_faces(self, faces: RecordedFaces) -> None:
        """Show these faces."""
        self._faces = faces
        if self.live.frame is not None:
            self._show_face(self.live.frame.t)

    def set_annotations(self, annotations: Annotations) -> None:
        """Show what was read, unless somebody has gone on from there."""
        if not self.is_edited:
            self.track.set_annotations(annotations)

    @property
    def readings(self) -> Readings | None:
        """Those that are shown."""
        return self._readings

    def set_end(self, end: float) -> None:
        """Where the session ends."""
        self.track.set_end(end)

    # ------------------------------------------------------------- play head

    def move(self, t: float) -> None:
        """The play head is at ``t``."""
        self.position = t
        playing = self.transport is not None and self.transport.playing
        self.track.move(t, follow=playing)
        now = self.machine()
        if not self.is_dragged or now - self._looked >= _RESTING:
            self._looked = now
            self.words.move(t)
            self._show_row(fill=playing)
        self.moved.emit()

    def settle(self) -> None:
        """The play head has come to rest: the graphs' history is filled in."""
        self._drag(False)
        self._row = None
        self.words.move(self.position)
        self._show_row(fill=True)

    def take_frame(self, frame: VideoFrame) -> None:
        """Show a picture."""
        self.frame_number = frame.seq
        self.live.take_frame(frame)
        self._show_face(frame.t)
        self.moved.emit()

    @property
    def reading(self) -> Reading | None:
        """The reading whose window ended last before the play head."""
        return self.emotion.reading

    def _show_face(self, t: float) -> None:
        row = None if self._faces is None else self._faces.at(t)
        if self._faces is not None and row is not None:
            self.live.take_face(recorded_face(self._faces, row))

    def _show_row(self, *, fill: bool) -> None:
        readings = self._readings
        row = None if readings is None else readings.at(self.position)
        if row == self._row and (row is not None or self.emotion.reading is None):
            return
        follows = row is not None and self._row is not None and row == self._row + 1
        self._row = row
        if readings is None or row is None:
            self.emotion.reset()
            for graph in self.graphs.values():
                graph.reset()
            return
        first = row
        if not follows and fill:
            first = int(np.searchsorted(readings.t1, readings.t1[row] - _PAST))
        past = [recorded_reading(readings, self._provenance, i) for i in range(first, row + 1)]
        self._show_reading(past, anew=not follows)

    def _show_reading(self, past: list[Reading], *, anew: bool) -> None:
        """Show the last of these; the emotion by itself, as if it were the first: no earlier one may show through."""
        self.emotion.blockSignals(True)
        self.emotion.reset()
        self.emotion.blockSignals(False)
        self.emotion.take(past[-1])
        for graph in self.graphs.values():
            graph.blockSignals(True)
            if anew:
                graph.reset()
            for reading in past[:-1]:
                graph.take(reading)
            graph.blockSignals(False)
            graph.take(past[-1])

    @property
    def _provenance(self) -> Provenance:
        found = self._made_by.get("checkpoint")
        checkpoint: Mapping[str, Any] = found if isinstance(found, dict) else {}
        return Provenance(
            checkpoint=str(checkpoint.get("digest", "")),
            checkpoint_name=str(checkpoint.get("name", "")),
            recipe=str(checkpoint.get("recipe", "")),
            device=str(self._made_by.get("device", "")),
            app_version=str(self._made_by.get("app", "")),
            marks=self.live.marks,
        )

    # -------------------------------------------------------------- commands

    def toggle(self) -> None:
        """Play or pause."""
        if self.transport is not None:
            self.transport.toggle()

    def seek(self, t: float) -> None:
        """Go to ``t``; the view follows."""
        if self.transport is not None:
            self.transport.seek(t)
            self.track.move(self.transport.position, follow=True)
            self.settle()

    def scrub(self, t: float) -> None:
        """Drag the play head to ``t``."""
        if self.transport is not None:
            self._drag(True)
            self.transport.scrub(t)

    def _drag(self, is_dragged: bool) -> None:
        if is_dragged != self.is_dragged:
            self.is_dragged = is_dragged
            self.drag_changed.emit()

    def jump(self, by: float) -> None:
        """Go ``by`` seconds on."""
        self.seek(self.position + by)

    def step(self, by: int) -> None:
        """Stand, ``by`` pictures on."""
        if self.transport is not None:
            self.transport.step(by)
            self.track.move(self.transport.position, follow=True)

    def go_to_marker(self, by: int) -> None:
        """Go to the next annotation, or with -1 to the one before."""
        moments = self.track.moments()
        after = self.position + (1e-3 if by > 0 else -1e-3)
        i = int(np.searchsorted(moments, after, side="right" if by > 0 else "left")) - (by < 0)
        if 0 <= i < len(moments):
            self.seek(float(moments[i]))

    def change_speed(self, by: int) -> None:
        """One step faster or slower."""
        if self.transport is not None:
            near = int(np.argmin(np.abs(np.array(SPEEDS) - self.transport.speed)))
            self.transport.set_speed(SPEEDS[min(len(SPEEDS) - 1, max(0, near + by))])

    def set_speed(self, speed: float) -> None:
        """From 0.25 to 4."""
        if self.transport is not None:
            self.transport.set_speed(speed)

    def toggle_loop(self) -> None:
        """Repeat what is selected (all, where nothing is), or play on."""
        if self.transport is not None:
            wanted = self.track.selection or (0.0, self.track.end)
            self.transport.set_loop(None if self.transport.loop is not None else wanted)

    def toggle_mute(self) -> None:
        """Turn the sound off, or on."""
        if self.transport is not None:
            self.transport.set_mute(not self.transport.muted)

    def note_selection(self) -> None:
        """A loop repeats what is selected now."""
        if self.transport is not None and self.transport.loop is not None and self.track.selection is not None:
            self.transport.set_loop(self.track.selection)
