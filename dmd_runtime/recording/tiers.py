"""What people say of a session, as tiers of items: moments, spans, own emotion labels, traces, notes. Pure.

Everything here is immutable: an edit is a method that returns others and shares what it did not touch.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import Float64, freeze

TierKey: TypeAlias = tuple[str, str]
"""Name of a tier and who made it; two raters may use the same name."""


class KnownTier(StrEnum):
    """Names of tiers that the program itself writes; by them, recorded markers become tiers of the right kind."""

    MARKER = "marker"
    """Moments without a marker set."""
    NOTE = "note"
    """Free text."""
    EMOTION = "emotion"
    """A rater's own emotion labels, one at a time: a category."""
    VALENCE = "valence"
    AROUSAL = "arousal"


class TierKind(StrEnum):
    """What the items of a tier are."""

    POINT = "point"
    """Moments: ``t1`` is None."""
    SPAN = "span"
    """Spans, which may overlap; one without ``t1`` is a moment among them."""
    CATEGORY = "category"
    """A label for every moment that has one: spans that never overlap. An item that is added or changed wins: what it
    covers of the others is cut away from them."""
    TRACE = "trace"
    """Samples of a curve in [-1, 1]: ``value`` at ``t0``, one at a time; they have no id and no label."""
    TEXT = "text"
    """Notes, at a moment or over a span."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """One that items of a tier can have: ``color`` is ``#rrggbb`` or empty, ``key`` the key that sets it or empty."""

    name: str
    color: str = ""
    key: str = ""
    span: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing said, at ``t0`` or from ``t0`` to ``t1`` (s); what else it may have, :class:`TierKind` tells.

    Raises
    ------
    RecordingError
        A time is no number, the end lies before the start, or ``value`` is not in [-1, 1].
    """

    id: str = ""
    t0: float
    t1: float | None = None
    label: str = ""
    value: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        end = self.t0 if self.t1 is None else self.t1
        if not (math.isfinite(self.t0) and math.isfinite(end) and end >= self.t0):
            raise RecordingError(
                f"item {self.id!r}: expected times that are numbers, t1 >= t0, got {self.t0}, {self.t1}"
            )
        if self.value is not None and not -1 <= self.value <= 1:
            raise RecordingError(f"item {self.id!r}: expected a value in [-1, 1], got {self.value}")

    @property
    def end(self) -> float:
        """``t1``, or ``t0`` of a moment."""
        return self.t0 if self.t1 is None else self.t1


def new_id() -> str:
    """An id that no other item has."""
    return secrets.token_hex(6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """Items of one kind by one rater.

    Attributes
    ----------
    name, by : str
        Together they are the :attr:`key`.
    kind : TierKind
    labels : tuple of Label
        What can be chosen; items may have others.
    items : tuple of Item
        In the order of time, whatever order they are given in.

    Raises
    ------
    RecordingError
        An item is not of this kind, two have the same id, or two of a category overlap.
    """

    name: str
    kind: TierKind
    by: str = "user"
    labels: tuple[Label, ...] = ()
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(sorted(self.items, key=_order)))
        if not self.name:
            raise RecordingError("tier: expected a name, got none")
        wrong = next((item for item in self.items if not _fits(item, self.kind)), None)
        if wrong is not None:
            raise RecordingError(f"tier {self.name!r}: expected items of kind {self.kind}, got {wrong}")
        if self.kind is not TierKind.TRACE and len({item.id for item in self.items}) < len(self.items):
            raise RecordingError(f"tier {self.name!r}: expected ids that differ, got one twice")
        if self.kind in (TierKind.CATEGORY, TierKind.TRACE):
            reach = self.kind is TierKind.CATEGORY
            for a, b in pairwise(self.items):
                if (a.end > b.t0) if reach else (a.t0 == b.t0):
                    raise RecordingError(f"tier {self.name!r}: expected no overlap, got {a.t0}–{a.end} and {b.t0}")

    @property
    def key(self) -> TierKey:
        """See :data:`TierKey`."""
        return self.name, self.by

    @property
    def samples(self) -> tuple[Float64, Float64]:
        """Of a trace: times and values, float64 (n,) each."""
        table = np.array([(item.t0, item.value) for item in self.items], dtype=np.float64).reshape(-1, 2)
        return freeze(table[:, 0].copy()), freeze(table[:, 1].copy())

    def at(self, t: float) -> Item | None:
        """The last item that covers ``t``; of a trace the last sample at or before it."""
        begun = reversed(self.items[: bisect_right(self.items, t, key=_start)])
        return next((i for i in begun if self.kind is TierKind.TRACE or t < i.end or i.t0 == t), None)

    def item(self, id: str) -> Item:  # noqa: A002 - the field's name
        """The item with an id.

        Raises
        ------
        RecordingError
            There is none.
        """
        for item in self.items:
            if item.id == id and id:
                return item
        raise RecordingError(f"tier {self.name!r}: expected an item with the id {id!r}, got none")

    def placing(self, item: Item) -> Tier:
        """With ``item``, in the place of the one with its id, if there is one; in a category it wins."""
        others: Iterable[Item] = (other for other in self.items if other.id != item.id)
        if self.kind is TierKind.TRACE:
            others = (other for other in self.items if other.t0 != item.t0)
        if self.kind is TierKind.CATEGORY:
            taken = {other.id for other in self.items} | {item.id}
            others = [part for other in others for part in _left_of(other, item, taken)]
        return replace(self, items=(*others, item))


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """All tiers of a session, in the order in which they are shown; every method returns other annotations.

    Raises
    ------
    RecordingError
        Two tiers have the same key; of a method: there is no such tier or item, or what it is given does not fit.
    """

    tiers: tuple[Tier, ...] = ()

    def __post_init__(self) -> None:
        keys = [tier.key for tier in self.tiers]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise RecordingError(
                f"annotations: expected one tier of a name by a rater, got two: {twice[0]!r} by {twice[1]!r}"
            )

    def __contains__(self, key: TierKey) -> bool:
        return any(tier.key == key for tier in self.tiers)

    def tier(self, key: TierKey) -> Tier:
        """The tier with a key."""
        for tier in self.tiers:
            if tier.key == key:
                return tier
        raise RecordingError(f"annotations: expected a tier {key[0]!r} by {key[1]!r}, got none")

    def add_tier(self, tier: Tier) -> Annotations:
        """With one more tier, at the end."""
        return Annotations(tiers=(*self.tiers, tier))

    def remove_tier(self, key: TierKey) -> Annotations:
        """Without a tier."""
        gone = self.tier(key)
        return Annotations(tiers=tuple(tier for tier in self.tiers if tier is not gone))

    def rename_tier(self, key: TierKey, name: str, by: str | None = None) -> Annotations:
        """With another name, or by somebody else."""
        old = self.tier(key)
        return self._with(old, replace(old, name=name, by=old.by if by is None else by))

    def set_labels(self, key: TierKey, labels: Sequence[Label]) -> Annotations:
        """With others to choose from; items keep theirs."""
        old = self.tier(key)
        return self._with(old, replace(old, labels=tuple(labels)))

    def add_item(self, key: TierKey, item: Item) -> Annotations:
        """With one more item; in a category it wins over what it overlaps."""
        old = self.tier(key)
        if any(other.id == item.id for other in old.items) and old.kind is not TierKind.TRACE:
            raise RecordingError(f"tier {old.name!r}: expected an id that is not there, got {item.id!r}")
        return self._with(old, old.placing(item))

    def change_item(self, key: TierKey, item: Item) -> Annotations:
        """With ``item`` in the place of the one with its id; in a category it wins over what it overlaps."""
        old = self.tier(key)
        old.item(item.id)
        return self._with(old, old.placing(item))

    def remove_item(self, key: TierKey, id: str) -> Annotations:  # noqa: A002 - the field's name
        """Without an item."""
        old = self.tier(key)
        gone = old.item(id)
        return self._with(old, replace(old, items=tuple(item for item in old.items if item is not gone)))

    def set_trace(
        self,
        key: TierKey,
        times: npt.ArrayLike,
        values: npt.ArrayLike,
        *,
        start: float | None = None,
        stop: float | None = None,
    ) -> Annotations:
        """With the samples ``times`` and ``values`` (n,) in place of all from ``start`` to ``stop``, both included.

        Without ``start`` and ``stop``: from the first of the new samples to the last. Of samples at one time the last
        counts. Without samples, a stretch is erased.
        """
        old = self.tier(key)
        t, v = np.atleast_1d(np.asarray(times, dtype=np.float64)), np.atleast_1d(np.asarray(values, dtype=np.float64))
        if old.kind is not TierKind.TRACE or t.ndim != 1 or t.shape != v.shape:
            raise RecordingError(
                f"tier {old.name!r}: expected a trace and as many values as times, "
                f"got a {old.kind}, {t.shape} and {v.shape}"
            )
        first = min(*t, math.inf if start is None else start, math.inf)
        last = max(*t, -math.inf if stop is None else stop, -math.inf)
        found = {float(a): float(b) for a, b in zip(t, v, strict=True)}
        new = (Item(t0=a, value=found[a]) for a in sorted(found))
        begin = bisect_left(old.items, first, key=_start)
        end = max(begin, bisect_right(old.items, last, key=_start))
        return self._with(old, _with_samples(old, (*old.items[:begin], *new, *old.items[end:])))

    def _with(self, old: Tier, new: Tier) -> Annotations:
        return Annotations(tiers=tuple(new if tier is old else tier for tier in self.tiers))


def _with_samples(trace: Tier, items: tuple[Item, ...]) -> Tier:
    """``trace`` with items that are known to be samples in order: no look at a hundred thousand that did not change."""
    new = object.__new__(Tier)
    for name in ("name", "kind", "by", "labels"):
        object.__setattr__(new, name, getattr(trace, name))
    object.__setattr__(new, "items", items)
    return new


def _start(item: Item) -> float:
    return item.t0


def _order(item: Item) -> tuple[Any, ...]:
    return item.t0, item.end, item.id


def _fits(item: Item, kind: TierKind) -> bool:
    if kind is TierKind.TRACE:
        return item.value is not None and item.t1 is None and not item.id
    if kind is TierKind.POINT and item.t1 is not None:
        return False
    return bool(item.id) and (kind is not TierKind.CATEGORY or (item.t1 is not None and item.t1 > item.t0))


def _left_of(other: Item, winner: Item, taken: set[str]) -> Iterable[Item]:
    """What a category's item keeps beside ``winner``: itself, a part, two parts or nothing."""
    if other.end <= winner.t0 or winner.end <= other.t0:
        yield other
        return
    before = other.t0 < winner.t0
    if before:
        yield replace(other, t1=winner.t0)
    if winner.end < other.end:
        name = other.id
        while before and name in taken:
            name += "+"
        taken.add(name)
        yield replace(other, id=name, t0=winner.end)
