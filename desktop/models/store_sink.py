"""Marks and traces that are made in a replay, kept in a store of annotations. No widgets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from desktop.models.words import translate
from dmd_runtime import Annotations, AnnotationStore, Item, KnownTier, Label, Tier, TierKind

_KINDS: Final = {KnownTier.EMOTION.value: TierKind.CATEGORY, KnownTier.NOTE.value: TierKind.TEXT}


class StoreSink:
    """Keeps marks in a store of annotations, each as one step that can be undone; an open span when it ends.

    Parameters
    ----------
    store : AnnotationStore
    labels : {tier: labels}, optional
        What can be chosen in a tier that is not there yet.

    Connect ``AnnotatingModel.lifted`` to :meth:`lift`, so that a stroke of a trace is one step.
    """

    def __init__(self, store: AnnotationStore, labels: Mapping[str, Sequence[Label]] | None = None) -> None:
        self._store = store
        self._labels = dict(labels or {})
        self._last: dict[str, tuple[float, float]] = {}
        self._strokes = 0

    def mark(
        self,
        t0: float,
        label: str,
        *,
        t1: float | None = None,
        tier: str = "marker",
        note: str = "",
        by: str = "user",
        id: str = "",  # noqa: A002
        open: bool = False,  # noqa: A002
        void: bool = False,
    ) -> None:
        """As ``MarkSink``."""
        key = (tier, by)
        known = key in self._store.annotations and any(i.id == id for i in self._store.annotations.tier(key).items)
        words = note or label
        if void:
            if known:
                text = translate("annotating", "take back “%1”").replace("%1", words)
                self._store.apply(lambda a: a.remove_item(key, id), text)
            return
        if open:
            return
        item = Item(id=id or secrets.token_hex(6), t0=t0, t1=t1, label=label, note=note)
        text = translate("annotating", "mark “%1”").replace("%1", words)
        kind = {KnownTier.EMOTION.value: TierKind.CATEGORY, KnownTier.NOTE.value: TierKind.TEXT}.get(
            tier, TierKind.SPAN
        )
        empty = Tier(name=tier, by=by, kind=kind, labels=tuple(self._labels.get(tier, ())))
        if key not in self._store.annotations:
            self._store.apply(lambda a: a.add_tier(empty).add_item(key, item), text)
        elif known:
            self._store.apply(lambda a: _with_room(a, key, item).change_item(key, item), text)
        else:
            self._store.apply(lambda a: _with_room(a, key, item).add_item(key, item), text)

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        """As ``MarkSink``; what was there between two samples of a stroke is drawn over."""
        key = (tier, by)
        before = self._last.get(tier)
        self._last[tier] = (t, value)
        times, values = zip(
            *([before, (t, value)] if before is not None and before[0] < t else [(t, value)]), strict=True
        )
        empty = Tier(name=tier, by=by, kind=TierKind.TRACE)
        text = translate("annotating", "draw %1").replace("%1", tier)
        self._store.apply(
            lambda a: (a if key in a else a.add_tier(empty)).set_trace(key, times, values),
            text,
            merge=f"stroke {self._strokes}",
        )

    def lift(self) -> None:
        """The stroke has ended; the next is another step."""
        self._strokes += 1
        self._last.clear()


def _with_room(annotations: Annotations, key: tuple[str, str], item: Item) -> Annotations:
    """With a tier that can hold ``item``: of a set of which only points were marked so far, there are points only."""
    tier = annotations.tier(key)
    if tier.kind is not TierKind.POINT or item.t1 is None:
        return annotations
    wider = replace(tier, kind=TierKind.SPAN)
    return Annotations(tiers=tuple(wider if one is tier else one for one in annotations.tiers))
