from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording import annotations as module
from dmd_runtime.recording.annotations import (
    NAME,
    Annotations,
    AnnotationStore,
    Item,
    Tier,
    TierKind,
    read_annotations,
    write_annotations,
)
from dmd_runtime.recording.reader import open_session
from tests.recording.annotating import CATEGORY, SPANS, TRACE, edits, empty, make_session

ANY_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def marker(t0: float, t1: float | None = None, **others: Any) -> dict[str, Any]:
    return {"t0": t0, "t1": t1, "tier": "marker", "label": "smile", "note": "", "by": "anna", **others}


def store_of(tmp_path: Path, **options: Any) -> AnnotationStore:
    folder = make_session(tmp_path)
    write_annotations(folder, empty())
    return AnnotationStore(folder, **options)


@ANY_FOLDER
@given(st.data())
def test_undo_and_redo_walk_through_every_state(tmp_path: Path, data: st.DataObject) -> None:
    store = store_of(tmp_path, autosave=False)
    states = [store.annotations]
    for number in range(data.draw(st.integers(1, 8))):
        edited = data.draw(edits(store.annotations))
        if edited is store.annotations:
            continue
        states.append(store.apply(lambda _, edited=edited: edited, f"edit {number}"))
    for state in reversed(states[:-1]):
        store.undo()
        assert store.annotations == state
    assert not store.can_undo
    for state in states[1:]:
        store.redo()
        assert store.annotations == state
    assert not store.can_redo


@ANY_FOLDER
@given(st.data())
def test_what_is_saved_is_read_back_the_same(tmp_path: Path, data: st.DataObject) -> None:
    folder = make_session(tmp_path)
    annotations = empty()
    for _ in range(data.draw(st.integers(0, 6))):
        annotations = data.draw(edits(annotations))
    write_annotations(folder, annotations)
    assert read_annotations(folder) == annotations
    assert not list(folder.glob(".*"))


def test_a_new_edit_forgets_what_was_undone(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.apply(lambda a: a.add_item(SPANS, Item(id="a", t0=1.0)), "add a")
    assert (store.undo_text, store.undo()) == ("add a", "add a")
    assert (store.redo_text, store.can_redo) == ("add a", True)
    store.apply(lambda a: a.add_item(SPANS, Item(id="b", t0=1.0)), "add b")
    assert (store.can_redo, store.redo(), store.undo_text) == (False, "", "add b")


def test_a_stroke_is_one_step(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    for t in range(5):
        store.apply(lambda a, t=t: a.set_trace(TRACE, [t], [0.1 * t]), "draw", merge="stroke 1")
    for t in range(5, 7):
        store.apply(lambda a, t=t: a.set_trace(TRACE, [t], [0.1 * t]), "draw", merge="stroke 2")
    store.undo()
    assert len(store.annotations.tier(TRACE).items) == 5
    store.undo()
    assert store.annotations == empty()
    assert not store.can_undo


def test_an_edit_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with pytest.raises(RecordingError, match="got none"):
        store.apply(lambda a: a.remove_item(SPANS, "gone"), "remove")
    store.apply(lambda a: a, "nothing")
    assert (store.can_undo, store.annotations) == (False, empty())


def test_the_oldest_steps_go_where_memory_ends(tmp_path: Path) -> None:
    store = store_of(tmp_path, autosave=False, undo_bytes=10_000)
    for t in range(300):
        store.apply(lambda a, t=t: a.add_item(SPANS, Item(id=str(t), t0=t)), f"add {t}")
    undone = 0
    while store.undo():
        undone += 1
    assert 2 <= undone <= 10_000 // (64 + 8 * 290)


def test_every_edit_is_on_disk_and_what_was_recorded_stays(tmp_path: Path) -> None:
    folder = make_session(
        tmp_path, markers=[marker(1.0)], traces=[{"t": 1.0, "tier": "valence", "value": 0.5, "by": "b"}]
    )
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = AnnotationStore(folder)
    store.save()
    assert not (folder / NAME).exists()
    store.apply(lambda a: a.add_item(("marker", "anna"), Item(id="x", t0=3.0)), "add")
    assert read_annotations(folder) == store.annotations
    store.undo()
    assert read_annotations(folder) == store.annotations
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert AnnotationStore(folder).annotations == store.annotations


def test_without_autosave_saving_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path, autosave=False)
    store.apply(lambda a: a.add_item(SPANS, Item(id="a", t0=1.0)), "add")
    assert (store.is_saved, read_annotations(tmp_path)) == (False, empty())
    store.save()
    assert (store.is_saved, read_annotations(tmp_path)) == (True, store.annotations)
    monkeypatch.setattr(module, "write_annotations", lambda *_: pytest.fail("nothing is new"))
    store.save()


def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path, autosave=False)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store.apply(lambda a: a.add_item(SPANS, Item(id="a", t0=1.0)), "add")
    monkeypatch.setattr("dmd_runtime.whole_file.os.fsync", full)
    with pytest.raises(RecordingError, match=r"annotations\.json: cannot be written: No space"):
        store.save()
    assert (store.is_saved, read_annotations(tmp_path)) == (False, empty())


def test_tiers_are_made_of_what_was_recorded(tmp_path: Path) -> None:
    folder = make_session(
        tmp_path,
        markers=[
            marker(5.0, tier="emotion", label="neutral", t1=None, open=True, id="n"),
            marker(2.0, 3.0, tier="emotion", label="happiness", id="h"),
            marker(2.0, tier="emotion", label="happiness", id="h", open=True, by="ben"),
            marker(2.0, 7.0, tier="emotion", label="happiness", id="h", by="ben"),
            marker(4.0),
            marker(1.0, label="frown"),
            marker(9.0, tier="question", label="q1", t1=12.0),
            marker(10.0, tier="question", label="q1"),
            marker(3.5, tier="note", label="", note="leans back"),
            marker(6.0, id="gone"),
            {"id": "gone", "void": True, "t0": 6.0},
            marker(8.0, 7.0),
            '{"t0": 9, "torn',
            marker("soon"),  # type: ignore[arg-type]
        ],
        traces=[
            {"t": 0.1, "tier": "valence", "value": 0.5, "by": "anna"},
            {"t": 0.2, "tier": "valence", "value": 0.6, "by": "anna"},
            {"t": 0.2, "tier": "valence", "value": 0.7, "by": "anna"},
            {"t": 0.3, "tier": "valence", "value": 7, "by": "anna"},
            {"t": 0.1, "tier": "arousal", "value": -1, "by": "anna"},
        ],
    )
    annotations = read_annotations(folder)
    kinds = {tier.key: tier.kind for tier in annotations.tiers}
    assert kinds == {
        ("emotion", "anna"): TierKind.CATEGORY,
        ("emotion", "ben"): TierKind.CATEGORY,
        ("marker", "anna"): TierKind.POINT,
        ("question", "anna"): TierKind.SPAN,
        ("note", "anna"): TierKind.TEXT,
        ("valence", "anna"): TierKind.TRACE,
        ("arousal", "anna"): TierKind.TRACE,
    }

    def said(key: tuple[str, str]) -> list[tuple[float, float | None, str]]:
        return [(item.t0, item.t1, item.label or item.note) for item in annotations.tier(key).items]

    assert said(("emotion", "ben")) == [(2.0, 7.0, "happiness")]
    assert said(("marker", "anna")) == [(1.0, None, "frown"), (4.0, None, "smile")]
    assert said(("question", "anna")) == [(9.0, 12.0, "q1"), (10.0, None, "q1")]
    assert said(("note", "anna")) == [(3.5, None, "leans back")]
    np.testing.assert_array_equal(annotations.tier(TRACE).samples, [[0.1, 0.2], [0.5, 0.7]])
    assert [label.name for label in annotations.tier(("marker", "anna")).labels] == ["frown", "smile"]


def test_a_label_left_open_holds_until_the_next_or_the_end(tmp_path: Path) -> None:
    lines = [marker(t, tier="emotion", label=name, id=name, open=True) for t, name in ((1.0, "fear"), (4.0, "neutral"))]
    items = read_annotations(make_session(tmp_path, markers=lines, end=30.0)).tier(CATEGORY).items
    assert [(item.label, item.t0, item.t1) for item in items] == [("fear", 1.0, 4.0), ("neutral", 4.0, 30.0)]


def test_a_marker_taken_back_is_no_marker(tmp_path: Path) -> None:
    folder = make_session(tmp_path, markers=[marker(1.0, id="a"), marker(2.0, id="b"), marker(1.0, id="a", void=True)])
    assert [m.id for m in open_session(folder).markers] == ["b"]


GOOD: dict[str, Any] = {"name": "x", "kind": "span", "by": "a", "labels": [], "items": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected annotations"),
        ("[]", "expected format 1, got list"),
        ('{"format": 2, "tiers": []}', "expected format 1, got 2"),
        ('{"format": 1}', "expected a key 'tiers'"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "kind": "song"}]}), "'song' is not a valid TierKind"),
        (json.dumps({"format": 1, "tiers": [GOOD, GOOD]}), "one tier of a name"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "items": [{"id": "a"}]}]}), "expected a key 't0'"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "items": [{"id": "a", "t0": 2, "t1": 1}]}]}), "t1 >= t0"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "kind": "trace", "samples": [[1, 2, 3]]}]}), "too many values"),
        (json.dumps({"format": 1, "tiers": [[]]}), "list"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "items": [{"id": "a", "t0": 10**400}]}]}), "too large"),
        (json.dumps({"format": 1, "tiers": [{**GOOD, "kind": "trace", "samples": [[1, float("nan")]]}]}), "in .-1, 1."),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_kept(tmp_path: Path, text: str, said: str) -> None:
    folder = make_session(tmp_path)
    (folder / NAME).write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=said) as error:
        AnnotationStore(folder)
    assert str(folder / NAME) in str(error.value)
    assert (folder / NAME).read_text(encoding="utf-8") == text


def test_no_session_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"session\.json"):
        read_annotations(tmp_path)


def test_a_long_trace_is_drawn_on_without_looking_at_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20_000
    long = Annotations(tiers=(Tier(name="valence", by="anna", kind=TierKind.TRACE),))
    long = long.set_trace(TRACE, np.arange(n) / 20, np.zeros(n))
    monkeypatch.setattr(Tier, "__post_init__", lambda _: pytest.fail("checked all of it"))
    drawn = long.set_trace(TRACE, [5.01], [1.0])
    assert len(drawn.tier(TRACE).items) == n + 1


values = st.none() | st.booleans() | st.floats() | st.integers(-9, 99) | st.sampled_from(["", "#1", "emotion", "x"])
keys = st.sampled_from(["t0", "t1", "t", "value", "tier", "label", "note", "by", "id", "open", "void"])
lines = st.lists(st.dictionaries(keys, values | st.lists(values, max_size=2)), max_size=8)


@ANY_FOLDER
@given(lines, lines)
def test_whatever_lines_there_are_something_is_made_of_them(
    tmp_path: Path, markers: list[dict[str, Any]], traces: list[dict[str, Any]]
) -> None:
    folder = make_session(tmp_path, markers=markers, traces=traces)
    for tier in read_annotations(folder).tiers:
        assert tier.items


@ANY_FOLDER
@given(st.data())
def test_a_file_that_was_cut_is_refused_at_any_byte(tmp_path: Path, data: st.DataObject) -> None:
    folder = make_session(tmp_path)
    write_annotations(folder, data.draw(edits(data.draw(edits(empty())))))
    whole = (folder / NAME).read_bytes()
    for cut in {0, 1, *data.draw(st.lists(st.integers(0, len(whole) - 2), max_size=20))}:
        (folder / NAME).write_bytes(whole[:cut])
        with pytest.raises(RecordingError, match=NAME):
            read_annotations(folder)
    (folder / NAME).unlink()
