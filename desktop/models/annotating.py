"""Marking what happens, as it happens: labels of a marker set, own emotion labels, notes, traces. No widgets.

The model says *what* is marked and *when*; a sink keeps it: a recording while a session runs, a store of annotations
(:class:`~desktop.models.store_sink.StoreSink`) in a replay.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from PySide6.QtCore import QObject, Signal

from desktop.models.timeline import Marker
from desktop.models.words import EMOTIONS, emotion_word, translate
from dmd_runtime import DMDError, KnownTier, Label, MarkerSet

EMOTION_LABELS: Final = tuple(Label(name=name, key=str(k), span=True) for k, name in enumerate(EMOTIONS, 1))
"""Own emotion labels, with their keys."""
TRAIL: Final = 10.0
"""Seconds of a trace that are shown."""
_REMEMBERED: Final = 1000  # marks that can be taken back and are on the timeline

Clock = Callable[[], float | None]
"""Session time now, None where there is none."""


class MarkSink(Protocol):
    """Where marks are kept, as ``Recording`` does; ``void`` takes back what has the same id."""

    def mark(
        self,
        t0: float,
        label: str,
        *,
        t1: float | None = None,
        tier: str = "marker",
        note: str = "",
        by: str = "user",
        id: str = "",  # noqa: A002 - the name of the field
        open: bool = False,  # noqa: A002
        void: bool = False,
    ) -> None:
        """Keep a mark, in place of the one with the same ``id``."""

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        """Keep a sample of a curve in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What was marked. ``t1`` None: a moment, or a span that runs (``open``)."""

    id: str
    t0: float
    t1: float | None = None
    label: str = ""
    tier: str = KnownTier.MARKER.value
    note: str = ""
    colour: str = ""
    open: bool = False


class Sample(NamedTuple):
    """A point of a trace; ``arousal`` is None where only valence is drawn."""

    t: float
    valence: float
    arousal: float | None


class AnnotatingModel(QObject):
    """What can be marked, what runs, what was marked. On the window's thread.

    Attributes
    ----------
    by : str
        Who marks.
    sets : tuple of MarkerSet
    chosen : MarkerSet
        Whose labels can be pressed.
    running : {(tier, label): Mark}
        Spans that have begun.
    counts : {(tier, label): int}
        How often each was marked in this session.
    trail : deque of Sample
        What was drawn in the last seconds.
    ended : str
        Why nothing can be marked any more although the session goes on; else empty.

    Signals
    -------
    changed : anything of the above but the trail.
    traced : the trail.
    lifted : a stroke of a trace has ended.
    failed(str) : something could not be kept, and why.
    """

    changed = Signal()
    traced = Signal()
    lifted = Signal()
    failed = Signal(str)

    def __init__(self, sets: Sequence[MarkerSet], *, by: str = "user", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.by = by
        self.sets: tuple[MarkerSet, ...] = ()
        self.chosen = MarkerSet(name="")
        self.running: dict[tuple[str, str], Mark] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.trail: deque[Sample] = deque()
        self.ended = ""
        self._marks: deque[Mark] = deque(maxlen=_REMEMBERED)
        self._now: Clock = lambda: None
        self._sink: MarkSink | None = None
        self._note_began: float | None = None
        self.set_sets(sets)

    # ------------------------------------------------------------------ life

    def attach(self, now: Clock, sink: MarkSink | None) -> None:
        """Begin anew: times come from ``now``; marks are kept by ``sink``, or only shown where that is None."""
        self.running.clear()
        self.counts.clear()
        self._marks.clear()
        self.trail.clear()
        self._note_began = None
        self.ended = ""
        self._now, self._sink = now, sink
        self.changed.emit()
        self.traced.emit()

    def keep_in(self, sink: MarkSink | None) -> None:
        """From now on keep marks in ``sink``: a recording begins, or ends, while the session goes on.

        Spans that run end where they were kept so far, and are in ``sink`` from their own beginning.
        """
        t = self._now()
        for mark in self.running.values():
            if t is not None and t > mark.t0:
                self._keep(replace(mark, t1=t, open=False))
        self._sink = sink
        for mark in self.running.values():
            self._keep(mark)
        self.changed.emit()

    def end(self, reason: str) -> None:
        """The recording has ended by itself: nothing can be marked, and ``reason`` says why, until :meth:`attach`.

        Spans that run last until there in what was kept.
        """
        if self._sink is None or self.ended:
            return
        self.running.clear()
        self.ended = reason
        self.lift()
        self.finish()

    def finish(self, end: float | None = None) -> None:
        """End what runs, now or at ``end`` if that was before; nothing is kept after that."""
        now = self._now()
        t = now if now is None or end is None else min(now, end)
        for key in tuple(self.running):
            self._end(key, t)
        self._sink = None
        self._now = lambda: None
        self.changed.emit()

    @property
    def is_ready(self) -> bool:
        """Whether there is a time to mark."""
        return self._now() is not None

    @property
    def is_kept(self) -> bool:
        """Whether marks go anywhere but the screen."""
        return self._sink is not None

    # ------------------------------------------------------------------ sets

    def set_sets(self, sets: Sequence[MarkerSet]) -> None:
        """Choose from others; the chosen one stays chosen if one of its name is there."""
        self.sets = tuple(sets)
        self.choose(self.chosen.name)

    def choose(self, name: str) -> None:
        """Take the labels of another set; what runs of the old one ends."""
        found = next((s for s in self.sets if s.name == name), self.sets[0] if self.sets else MarkerSet(name=""))
        if found != self.chosen:
            kept = {label.name for label in found.labels} if found.name == self.chosen.name else set[str]()
            for key in [k for k in self.running if k[0] == self.chosen.name and k[1] not in kept]:
                self._end(key)
            self.chosen = found
        self.changed.emit()

    # ----------------------------------------------------------------- marks

    def press(self, label: Label) -> None:
        """Set a point, or begin or end a span, of the chosen set."""
        self._press(self.chosen.name, label)

    def press_emotion(self, name: str) -> None:
        """Begin an own emotion label, which ends the one that runs; the one that runs, pressed again, just ends."""
        tier, t = KnownTier.EMOTION.value, self._now()
        if t is None:
            return
        others = [key for key in self.running if key[0] == tier and key[1] != name]
        for key in others:
            self._end(key, t)
        self._press(tier, Label(name=name, span=True), t)

    def moment(self, label: str = "") -> None:
        """Set a marker without a set; without a label it is numbered."""
        tier = KnownTier.MARKER.value
        number = sum(n for key, n in self.counts.items() if key[0] == tier) + 1
        words = label or translate("annotating", "marker %1").replace("%1", str(number))
        self._press(tier, Label(name=words))

    def begin_note(self) -> None:
        """Remember when somebody began to type."""
        if self._note_began is None:
            self._note_began = self._now()

    def drop_note(self) -> None:
        """Forget it: what was typed is gone."""
        self._note_began = None

    def note(self, text: str) -> bool:
        """Keep a note at the time when its typing began; whether there was anything to keep."""
        began, self._note_began = self._note_began, None
        t = began if began is not None else self._now()
        if t is None or not text.strip():
            return False
        return self._add(Mark(id=_new_id(), t0=t, tier=KnownTier.NOTE.value, note=text.strip()))

    @property
    def can_undo(self) -> bool:
        """Whether there is a mark to take back."""
        return bool(self._marks) and not self.ended

    @property
    def undo_text(self) -> str:
        """What :meth:`undo` takes back."""
        return _words(self._marks[-1]) if self._marks else ""

    def undo(self) -> None:
        """Take back the last mark, whole; a span that runs stops."""
        if not self.can_undo:
            return
        mark = self._marks[-1]
        if not self._keep(mark, void=True):
            return
        self._marks.pop()
        key = (mark.tier, mark.label)
        if self.running.get(key) == mark:
            del self.running[key]
        self.counts[key] -= 1
        self.changed.emit()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """In the order in which they were set."""
        return tuple(self._marks)

    @property
    def markers(self) -> tuple[Marker, ...]:
        """The same for the timeline: where each begins."""
        return tuple(Marker(t=m.t0, label=m.note or _words(m), colour=m.colour) for m in self._marks)

    def elapsed(self, tier: str, label: str) -> float | None:
        """Seconds since a span began; None where it does not run."""
        mark, t = self.running.get((tier, label)), self._now()
        return None if mark is None or t is None else abs(t - mark.t0)

    # ---------------------------------------------------------------- traces

    def trace(self, valence: float, arousal: float | None = None) -> None:
        """A sample now, each value in [-1, 1]."""
        t = self._now()
        if t is None:
            return
        if self.trail and t <= self.trail[-1].t:
            if t == self.trail[-1].t:  # a replay that stands still has one value for a time
                self.trail.pop()
            else:
                self.trail.clear()
        self.trail.append(Sample(t, valence, arousal))
        while self.trail[0].t < t - TRAIL:
            self.trail.popleft()
        if self._sink is not None:
            try:
                self._sink.trace(t, KnownTier.VALENCE.value, valence, self.by)
                if arousal is not None:
                    self._sink.trace(t, KnownTier.AROUSAL.value, arousal, self.by)
            except DMDError as error:
                self.failed.emit(str(error))
                self.trail.pop()
        self.traced.emit()

    def lift(self) -> None:
        """End the stroke."""
        self.lifted.emit()

    # --------------------------------------------------------------- private

    def _press(self, tier: str, label: Label, t: float | None = None) -> None:
        t = self._now() if t is None else t
        if t is None:
            return
        key = (tier, label.name)
        if key in self.running:
            self._end(key, t)
            return
        mark = Mark(id=_new_id(), t0=t, label=label.name, tier=tier, colour=label.color, open=label.span)
        if self._add(mark) and label.span:
            self.running[key] = mark
            self.changed.emit()

    def _add(self, mark: Mark) -> bool:
        if not self._keep(mark):
            return False
        self._marks.append(mark)
        self.counts[mark.tier, mark.label] += 1
        self.changed.emit()
        return True

    def _end(self, key: tuple[str, str], t: float | None = None) -> None:
        t = self._now() if t is None else t
        begun = self.running.pop(key)
        if t is None:  # nobody knows when: it stays open, and whoever reads it ends it with the session
            self.changed.emit()
            return
        t0, t1 = sorted((begun.t0, t))  # in a replay one may have gone back
        ended = replace(begun, t0=t0, t1=t1, open=False)
        self._keep(ended, void=t1 <= t0)
        for i, mark in enumerate(self._marks):
            if mark is begun:
                self._marks[i] = ended
        if t1 <= t0:
            self._marks = deque((m for m in self._marks if m is not ended), maxlen=_REMEMBERED)
            self.counts[key] -= 1
        self.changed.emit()

    def _keep(self, mark: Mark, *, void: bool = False) -> bool:
        if self._sink is None:
            return True
        try:
            self._sink.mark(
                mark.t0,
                mark.label,
                t1=mark.t1,
                tier=mark.tier,
                note=mark.note,
                by=self.by,
                id=mark.id,
                open=mark.open,
                void=void,
            )
        except DMDError as error:
            self.failed.emit(str(error))
            return False
        return True


def _new_id() -> str:
    return secrets.token_hex(6)


def _words(mark: Mark) -> str:
    return emotion_word(mark.label) if mark.tier == KnownTier.EMOTION else mark.label or mark.note
