"""A replayed session's annotations while somebody edits them: marked, moved, renamed, undone. No widgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.models.annotating import EMOTION_LABELS, AnnotatingModel, Clock
from desktop.models.store_sink import StoreSink
from desktop.models.track import TierKey, TrackModel
from desktop.models.words import emotion_word
from dmd_runtime import Annotations, AnnotationStore, DMDError, Item, KnownTier, Tier, TierKind, new_id

LEAST: Final = 0.02
"""Seconds; a span that is dragged shorter is not."""
_STROKE_MS: Final = 800  # between looks at a trace while it is drawn: two hours take 0.1 s to be made a row


class EditingModel(QObject):
    """Edits a store of annotations and shows on the track at once what it holds. On the window's thread.

    Attributes
    ----------
    track : TrackModel
    marks : AnnotatingModel
        Marks by key and mouse at the play head, into the same store.
    store : AnnotationStore or None
        None: nothing can be edited.
    rater : str
        Who annotates now; new items go to their tiers.
    tier : TierKey or None
        The one that is chosen.

    Signals
    -------
    changed : annotations, what can be undone, the chosen tier, the rater.
    edited : the store holds something else.
    refused(str) : an edit does not fit, and why.
    """

    changed = Signal()
    edited = Signal()
    refused = Signal(str)

    def __init__(self, track: TrackModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.track = track
        self.marks = AnnotatingModel((), parent=self)
        self.store: AnnotationStore | None = None
        self.rater = "user"
        self.tier: TierKey | None = None
        self._now: Clock | None = None
        self._sink: StoreSink | None = None
        self._stroke = QTimer(self)
        self._stroke.setSingleShot(True)
        self._stroke.setInterval(_STROKE_MS)
        self._stroke.timeout.connect(self._follow)
        self.marks.changed.connect(self._follow)  # before any widget's: chips show the counts that are made here
        self.marks.traced.connect(self._follow_stroke)
        self.marks.lifted.connect(self._end_stroke)
        self.marks.failed.connect(self.refused)
        track.item_selected.connect(self._choose_tier_of)

    # ------------------------------------------------------------------ life

    def begin(self, store: AnnotationStore) -> None:
        """Edit what ``store`` holds."""
        self.store = store
        self._show(store.annotations)
        self.changed.emit()

    def end(self) -> None:
        """Edit nothing any more."""
        self.stop_marking()
        self.store, self.tier = None, None
        self.changed.emit()

    def start_marking(self, now: Clock) -> None:
        """Let marks be made at ``now``."""
        if self.store is None:
            return
        self._now = now
        self.marks.by = self.rater
        labels = {one.name: one.labels for one in self.marks.sets} | {KnownTier.EMOTION.value: EMOTION_LABELS}
        sink = self._sink = StoreSink(self.store, labels)
        self.marks.attach(now, sink)

    def stop_marking(self) -> None:
        """End what runs, at the play head."""
        self.marks.lift()
        self.marks.finish()
        self._now = self._sink = None

    def set_rater(self, rater: str) -> None:
        """Somebody else annotates; what runs is the one's before."""
        rater = rater.strip() or "user"
        if rater == self.rater:
            return
        now = self._now
        self.stop_marking()
        self.rater = rater
        if now is not None:
            self.start_marking(now)
        self.changed.emit()

    @property
    def raters(self) -> tuple[str, ...]:
        """Who has tiers here, and who annotates now."""
        return tuple(dict.fromkeys((self.rater, *(tier.by for tier in self.annotations.tiers))))

    @property
    def annotations(self) -> Annotations:
        """As they are now."""
        return self.track.annotations if self.store is None else self.store.annotations

    # ------------------------------------------------------------------ undo

    @property
    def undo_text(self) -> str:
        """What :meth:`undo` takes back; empty: nothing."""
        return "" if self.store is None else self.store.undo_text

    @property
    def redo_text(self) -> str:
        """What :meth:`redo` does again; empty: nothing."""
        return "" if self.store is None else self.store.redo_text

    def undo(self) -> None:
        """Take the last edit back."""
        if self.store is not None and self.store.undo():
            self.marks.changed.emit()

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.store is not None and self.store.redo():
            self.marks.changed.emit()

    # ----------------------------------------------------------------- items

    def apply(self, change: Callable[[Annotations], Annotations], text: str, *, merge: str = "") -> bool:
        """Do an edit; whether it could be done."""
        if self.store is None:
            return False
        try:
            self.store.apply(change, text, merge=merge)
        except DMDError as error:
            self.refused.emit(str(error))
            self._show(self.store.annotations)
            return False
        self.marks.changed.emit()
        return True

    @property
    def selected(self) -> tuple[TierKey, Item] | None:
        """The item that is chosen, with its tier."""
        if self.store is None or self.track.selected is None:
            return None
        key, name = self.track.selected
        found = self.track.item(key, name)
        return None if found is None else (key, found)

    def select(self, by: int) -> None:
        """Choose the next item of the chosen tier, or with -1 the one before."""
        key = self.tier
        tier = None if key is None or key not in self.annotations else self.annotations.tier(key)
        if tier is None or tier.kind is TierKind.TRACE or not tier.items:
            return
        at = self.track.position
        chosen = self.selected
        names = [item.id for item in tier.items]
        if chosen is not None and chosen[0] == key:
            place = names.index(chosen[1].id) + by
        else:
            later = [i for i, item in enumerate(tier.items) if item.t0 >= at]
            place = (later[0] if later else len(names)) - (by < 0)
        self.track.select_item(key, names[min(len(names) - 1, max(0, place))])

    def drag(self, key: TierKey, id: str, t0: float, t1: float, done: bool) -> None:  # noqa: A002 - a slot
        """Show an item from ``t0`` to ``t1``; when ``done``, keep it there."""
        if self.store is None:
            return
        old = next((item for item in self.store.annotations.tier(key).items if item.id == id), None)
        if old is None or (old.t1 is not None and t1 - t0 < LEAST):
            self._show(self.store.annotations)
            return
        new = replace(old, t0=t0, t1=None if old.t1 is None else t1)
        if done:
            self.apply(lambda a: a.change_item(key, new), self.tr("move “{0}”").format(said(old)))
        else:
            self._show(self.store.annotations.change_item(key, new))

    def change_item(self, key: TierKey, item: Item) -> bool:
        """Keep ``item`` in the place of the one with its id."""
        return self.apply(lambda a: a.change_item(key, item), self.tr("edit “{0}”").format(said(item)))

    def remove_selected(self) -> None:
        """Remove the chosen item; without one, the selected stretch of the chosen trace."""
        chosen, stretch = self.selected, self.track.selection
        if chosen is not None:
            key, item = chosen
            self.apply(lambda a: a.remove_item(key, item.id), self.tr("delete “{0}”").format(said(item)))
        elif self.tier is not None and stretch is not None and self.kind is TierKind.TRACE:
            trace, (start, stop) = self.tier, stretch
            text = self.tr("erase a stretch of “{0}”").format(trace[0])
            self.apply(lambda a: a.set_trace(trace, [], [], start=start, stop=stop), text)

    def new_item(self) -> Item | None:
        """One that could be added to the chosen tier: over what is selected, else at the play head."""
        kind, track = self.kind, self.track
        if kind in (None, TierKind.TRACE):
            return None
        t0, t1 = track.selection or (track.position, min(track.end, track.position + 1.0))
        moment = kind is TierKind.POINT or (kind is TierKind.TEXT and track.selection is None)
        if not moment and t1 - t0 < LEAST:
            t0 = max(0.0, t1 - 1.0)
        return Item(id=new_id(), t0=t0, t1=None if moment else t1)

    def add_item(self, item: Item) -> bool:
        """Add one to the chosen tier, and choose it."""
        key = self.tier
        if key is None or not self.apply(
            lambda a: a.add_item(key, item), self.tr("add “{0}” to “{1}”").format(said(item), key[0])
        ):
            return False
        self.track.select_item(key, item.id)
        return True

    # ----------------------------------------------------------------- tiers

    @property
    def kind(self) -> TierKind | None:
        """Of the chosen tier."""
        return (
            self.annotations.tier(self.tier).kind if self.tier is not None and self.tier in self.annotations else None
        )

    def choose_tier(self, key: TierKey | None) -> None:
        """Choose a tier; an item of another is not chosen any more."""
        if key != self.tier:
            self.tier = key
            if self.track.selected is not None and self.track.selected[0] != key:
                self.track.select_item(None)
            self.changed.emit()

    def add_tier(self, name: str, kind: TierKind) -> bool:
        """A new one of the rater's, which is chosen then."""
        labels = EMOTION_LABELS if kind is TierKind.CATEGORY and name == KnownTier.EMOTION else ()
        tier = Tier(name=name.strip() or kind.value, by=self.rater, kind=kind, labels=labels)
        if not self.apply(lambda a: a.add_tier(tier), self.tr("add the tier “{0}”").format(tier.name)):
            return False
        self.choose_tier(tier.key)
        return True

    def rename_tier(self, name: str, by: str) -> bool:
        """Give the chosen tier another name, or another rater."""
        key, new = self.tier, (name.strip(), by.strip())
        if key is None or new == key:
            return key is not None
        if not all(new):
            self.refused.emit(self.tr("A tier needs a name and a rater."))
            return False
        text = self.tr("rename the tier “{0}” to “{1}”").format(key[0], new[0])
        if self.apply(lambda a: a.rename_tier(key, *new), text):
            self.choose_tier(new)
            return True
        return False

    def remove_tier(self) -> None:
        """Remove the chosen tier with all that is in it."""
        key = self.tier
        if key is not None:
            self.apply(lambda a: a.remove_tier(key), self.tr("remove the tier “{0}”").format(key[0]))

    # --------------------------------------------------------------- private

    def _follow(self) -> None:
        """Show what the store holds, and count it."""
        if self.store is None:
            return
        self._stroke.stop()
        now = self.store.annotations
        if now is not self.track.annotations:
            self._show(now)
            self.edited.emit()
        self._count(now)
        self.changed.emit()

    def _follow_stroke(self) -> None:
        if self.store is not None and not self._stroke.isActive():
            self._stroke.start()

    def _end_stroke(self) -> None:
        if self._sink is not None:
            self._sink.lift()
        self._follow()

    def _show(self, annotations: Annotations) -> None:
        self.track.set_annotations(annotations)
        if self.tier is not None and self.tier not in annotations:
            self.tier = None

    def _count(self, annotations: Annotations) -> None:
        """How often each label is in the rater's tiers: marks may have been undone, moved, or made before."""
        counts: Counter[tuple[str, str]] = Counter(self.marks.running)
        for tier in annotations.tiers:
            if tier.by == self.rater and tier.kind is not TierKind.TRACE:
                counts.update((tier.name, item.label) for item in tier.items)
        self.marks.counts = counts

    def _choose_tier_of(self, key: TierKey | None, _: str) -> None:
        if key is not None and self.store is not None and key != self.tier:
            self.tier = key
            self.changed.emit()


def said(item: Item) -> str:
    """An item in a word or a few."""
    text = emotion_word(item.label) or item.note
    return text if len(text) <= 32 else text[:31] + "…"
