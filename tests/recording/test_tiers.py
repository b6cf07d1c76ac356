from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.tiers import Annotations, Item, Label, Tier, TierKind
from tests.recording.annotating import CATEGORY, SPANS, TRACE, edits, empty, spans


def category(*items: tuple[str, float, float]) -> Annotations:
    annotations = empty()
    for name, t0, t1 in items:
        annotations = annotations.add_item(CATEGORY, Item(id=name, t0=t0, t1=t1, label=name))
    return annotations


def shown(annotations: Annotations) -> list[tuple[str, float, float]]:
    return [(item.label, item.t0, item.end) for item in annotations.tier(CATEGORY).items]


@given(st.data())
def test_whatever_is_edited_stays_in_order_and_a_category_never_overlaps(data: st.DataObject) -> None:
    annotations = empty()
    for _ in range(data.draw(st.integers(1, 12))):
        annotations = data.draw(edits(annotations))
        for tier in annotations.tiers:
            assert list(tier.items) == sorted(tier.items, key=lambda item: (item.t0, item.end, item.id))
            rebuilt = Tier(name=tier.name, kind=tier.kind, by=tier.by, labels=tier.labels, items=tier.items)
            assert rebuilt == tier  # every rule holds
        kept = annotations.tier(CATEGORY).items
        assert all(a.end <= b.t0 for a, b in pairwise(kept))
        assert all(item.end > item.t0 for item in kept)


@given(st.lists(spans(), min_size=1, max_size=8), st.floats(-1, 30))
def test_in_a_category_the_last_word_wins_everywhere(said: list[tuple[float, float]], t: float) -> None:
    annotations = category(*((f"w{i}", t0, t1) for i, (t0, t1) in enumerate(said)))
    expected = next((f"w{i}" for i, (t0, t1) in reversed(list(enumerate(said))) if t0 <= t < t1), None)
    found = annotations.tier(CATEGORY).at(t)
    assert (found.label if found else None) == expected


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ((2.0, 4.0), [("a", 0.0, 2.0), ("new", 2.0, 4.0), ("a", 4.0, 6.0), ("b", 6.0, 9.0)]),
        ((5.0, 7.0), [("a", 0.0, 5.0), ("new", 5.0, 7.0), ("b", 7.0, 9.0)]),
        ((0.0, 6.0), [("new", 0.0, 6.0), ("b", 6.0, 9.0)]),
        ((-1.0, 20.0), [("new", -1.0, 20.0)]),
        ((9.0, 10.0), [("a", 0.0, 6.0), ("b", 6.0, 9.0), ("new", 9.0, 10.0)]),
    ],
)
def test_what_is_covered_is_cut_away(added: tuple[float, float], expected: list[tuple[str, float, float]]) -> None:
    before = category(("a", 0.0, 6.0), ("b", 6.0, 9.0))
    after = before.add_item(CATEGORY, Item(id="new", t0=added[0], t1=added[1], label="new"))
    assert shown(after) == expected
    assert shown(before) == [("a", 0.0, 6.0), ("b", 6.0, 9.0)]


def test_changing_an_item_of_a_category_cuts_its_neighbours_not_itself() -> None:
    before = category(("a", 0.0, 4.0), ("b", 4.0, 8.0))
    after = before.change_item(CATEGORY, replace(before.tier(CATEGORY).item("a"), t0=1.0, t1=6.0))
    assert shown(after) == [("a", 1.0, 6.0), ("b", 6.0, 8.0)]


def test_a_trace_is_replaced_between_its_first_and_last_new_sample() -> None:
    first = empty().set_trace(TRACE, np.arange(10.0), np.zeros(10))
    again = first.set_trace(TRACE, [4.5, 2.5, 3.0, 3.0], [0.5, 0.3, -1.0, 0.4])
    t, v = again.tier(TRACE).samples
    np.testing.assert_array_equal(t, [0, 1, 2, 2.5, 3, 4.5, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(v, [0, 0, 0, 0.3, 0.4, 0.5, 0, 0, 0, 0, 0])
    erased = again.set_trace(TRACE, [], [], start=1.0, stop=8.0)
    assert [item.t0 for item in erased.tier(TRACE).items] == [0, 9]
    assert erased.set_trace(TRACE, [], []) == erased
    at = again.tier(TRACE).at
    assert at(-0.1) is None
    assert [at(t).value for t in (2.9, 3.0, 99.0)] == [0.3, 0.4, 0.0]  # type: ignore[union-attr]


def test_tiers_are_known_by_name_and_rater() -> None:
    both = empty().add_tier(Tier(name="emotion", by="ben", kind=TierKind.CATEGORY))
    assert ("emotion", "ben") in both
    assert ("emotion", "cleo") not in both
    assert ("emotion", "cleo") in both.rename_tier(("emotion", "ben"), "emotion", by="cleo")
    assert both.remove_tier(("emotion", "ben")) == empty()
    relabelled = both.set_labels(SPANS, [Label(name="smile")])
    assert relabelled.tier(SPANS).labels == (Label(name="smile"),)
    for wrong in (
        lambda: both.add_tier(Tier(name="emotion", by="ben", kind=TierKind.POINT)),
        lambda: both.rename_tier(("emotion", "ben"), "emotion", by="anna"),
        lambda: both.remove_tier(("emotion", "cleo")),
    ):
        with pytest.raises(RecordingError, match="expected"):
            wrong()


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (TierKind.POINT, [Item(id="a", t0=1.0, t1=2.0)]),
        (TierKind.CATEGORY, [Item(id="a", t0=1.0)]),
        (TierKind.CATEGORY, [Item(id="a", t0=1.0, t1=1.0)]),
        (TierKind.CATEGORY, [Item(id="a", t0=1.0, t1=3.0), Item(id="b", t0=2.0, t1=4.0)]),
        (TierKind.SPAN, [Item(id="a", t0=1.0), Item(id="a", t0=2.0)]),
        (TierKind.SPAN, [Item(t0=1.0)]),
        (TierKind.TRACE, [Item(id="a", t0=1.0, value=0.0)]),
        (TierKind.TRACE, [Item(t0=1.0)]),
        (TierKind.TRACE, [Item(t0=1.0, value=0.0), Item(t0=1.0, value=0.5)]),
    ],
)
def test_items_that_are_not_of_the_kind_are_refused(kind: TierKind, items: list[Item]) -> None:
    with pytest.raises(RecordingError, match="tier 'x': expected"):
        Tier(name="x", kind=kind, items=tuple(items))


@pytest.mark.parametrize(
    ("t0", "t1", "value"),
    [
        (float("nan"), None, None),
        (2.0, 1.0, None),
        (0.0, float("inf"), None),
        (0.0, None, 1.1),
        (0.0, None, float("nan")),
    ],
)
def test_times_and_values_that_are_none_are_refused(t0: float, t1: float | None, value: float | None) -> None:
    with pytest.raises(RecordingError, match="expected"):
        Item(id="a", t0=t0, t1=t1, value=value)


def test_an_edit_of_what_is_not_there_is_refused() -> None:
    one = empty().add_item(SPANS, Item(id="a", t0=1.0))
    for wrong in (
        lambda: one.add_item(SPANS, Item(id="a", t0=2.0)),
        lambda: one.change_item(SPANS, Item(id="b", t0=2.0)),
        lambda: one.remove_item(SPANS, "b"),
        lambda: one.add_item(("other", "anna"), Item(id="b", t0=2.0)),
        lambda: one.set_trace(SPANS, [1.0], [0.0]),
        lambda: one.set_trace(TRACE, [1.0, 2.0], [0.0]),
    ):
        with pytest.raises(RecordingError, match="expected"):
            wrong()
