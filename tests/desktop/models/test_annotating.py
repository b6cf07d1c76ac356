from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.models.annotating import EMOTION_LABELS, TRAIL, AnnotatingModel
from desktop.models.store_sink import StoreSink
from desktop.models.words import EMOTIONS
from dmd_runtime import AnnotationStore, DMDError, Label, MarkerSet, MarkerSetStore, TierKind
from dmd_runtime.recording.annotations import read_annotations
from dmd_runtime.recording.marker_sets import RESERVED_KEYS
from tests.recording.annotating import make_session

SMILE = Label(name="smile", key="S", color="#5b93a8")
TASK = Label(name="task", key="T", span=True)
SET = MarkerSet(name="lab", labels=(SMILE, TASK))
OTHER = MarkerSet(name="other", labels=(SMILE,))


class Time:
    """A clock that says what it is told."""

    def __init__(self) -> None:
        self.now: float | None = 0.0

    def __call__(self) -> float | None:
        return self.now


class FileSink:
    """Writes the lines that a recording writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = False

    def mark(self, t0: float, label: str, **others: Any) -> None:
        self._write("markers", {"t0": t0, "label": label, **others})

    def trace(self, t: float, tier: str, value: float, by: str) -> None:
        self._write("traces", {"t": t, "tier": tier, "value": value, "by": by})

    def _write(self, table: str, line: dict[str, Any]) -> None:
        if self.broken:
            raise DMDError("the disk is full")
        with (self.folder / f"{table}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def said(self, tier: str) -> list[tuple[float, float | None, str]]:
        """What a reader makes of it."""
        tiers = [t for t in read_annotations(self.folder).tiers if t.name == tier]
        return [(item.t0, item.t1, item.label or item.note) for t in tiers for item in t.items]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sink(tmp_path: Path) -> FileSink:
    return FileSink(make_session(tmp_path, end=99.0))


@pytest.fixture
def model(qapp: object, time: Time, sink: FileSink) -> AnnotatingModel:
    model = AnnotatingModel([SET, OTHER], by="anna")
    model.attach(time, sink)
    return model


def play(time: Time, *steps: tuple[float, Callable[[], object]]) -> None:
    for t, step in steps:
        time.now = t
        step()


def test_points_and_spans_are_written_at_once(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(time, (1.0, lambda: model.press(SMILE)), (2.0, lambda: model.press(TASK)))
    assert sink.said("lab") == [(1.0, None, "smile"), (2.0, 99.0, "task")]  # open: to the end of the session
    assert set(model.running) == {("lab", "task")}
    time.now = 4.5
    assert model.elapsed("lab", "task") == 2.5
    assert model.elapsed("lab", "smile") is None
    model.press(TASK)
    assert sink.said("lab") == [(1.0, None, "smile"), (2.0, 4.5, "task")]
    assert (model.running, model.counts["lab", "task"]) == ({}, 1)
    assert read_annotations(sink.folder).tiers[0].by == "anna"


def test_own_emotion_labels_follow_each_other(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(
        time,
        (1.0, lambda: model.press_emotion("happiness")),
        (3.0, lambda: model.press_emotion("fear")),
        (5.0, lambda: model.press_emotion("fear")),
        (7.0, lambda: model.press_emotion("anger")),
        (8.0, model.finish),
    )
    assert sink.said("emotion") == [(1.0, 3.0, "happiness"), (3.0, 5.0, "fear"), (7.0, 8.0, "anger")]
    assert read_annotations(sink.folder).tiers[0].kind is TierKind.CATEGORY
    assert not model.is_ready
    model.press(SMILE)
    assert sink.said("lab") == []


def test_a_note_has_the_time_when_its_typing_began(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(time, (1.0, model.begin_note), (4.0, model.begin_note), (9.0, lambda: model.note("  leans back ")))
    play(time, (10.0, lambda: model.note("   ")), (11.0, lambda: model.note("looks up")))
    play(time, (12.0, model.begin_note), (13.0, model.drop_note), (14.0, lambda: model.note("at once")))
    assert sink.said("note") == [(1.0, None, "leans back"), (11.0, None, "looks up"), (14.0, None, "at once")]


def test_the_last_mark_is_taken_back_whole(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(
        time,
        (1.0, lambda: model.press(SMILE)),
        (2.0, lambda: model.press(TASK)),
        (3.0, lambda: model.press(TASK)),
        (4.0, lambda: model.press(TASK)),
    )
    assert model.undo_text == "task"
    model.undo()
    assert (model.running, sink.said("lab")) == ({}, [(1.0, None, "smile"), (2.0, 3.0, "task")])
    model.undo()
    assert sink.said("lab") == [(1.0, None, "smile")]
    model.undo()
    assert (sink.said("lab"), model.can_undo, model.counts.total(), model.undo_text) == ([], False, 0, "")
    model.undo()


def test_what_cannot_be_kept_is_said_and_not_shown(
    model: AnnotatingModel, time: Time, sink: FileSink, qtbot: QtBot
) -> None:
    sink.broken = True
    for step in (lambda: model.press(TASK), lambda: model.trace(0.5)):
        with qtbot.waitSignal(model.failed, timeout=0) as said:
            step()
        assert said.args == ["the disk is full"]
    assert (model.running, model.marks) == ({}, ())


def test_a_span_that_begins_and_ends_at_one_time_is_none(model: AnnotatingModel, sink: FileSink) -> None:
    model.press(TASK)
    model.press(TASK)
    assert (sink.said("lab"), model.marks, model.counts.total()) == ([], (), 0)


def test_without_a_sink_marks_are_only_shown(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    model.attach(time, None)
    play(time, (1.0, lambda: model.press(SMILE)), (2.0, lambda: model.press(TASK)))
    assert (model.is_kept, sink.said("lab")) == (False, [])
    assert [(m.t, m.label, m.colour) for m in model.markers] == [(1.0, "smile", "#5b93a8"), (2.0, "task", "")]
    model.keep_in(sink)  # a recording begins: what runs is in it from its own beginning
    play(time, (6.0, lambda: model.press(TASK)))
    assert sink.said("lab") == [(2.0, 6.0, "task")]


def test_a_recording_that_ends_ends_what_runs_in_it(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(time, (1.0, lambda: model.press(TASK)), (4.0, lambda: model.keep_in(None)), (9.0, lambda: model.press(TASK)))
    assert sink.said("lab") == [(1.0, 4.0, "task")]
    assert [(mark.t0, mark.t1) for mark in model.marks] == [(1.0, 9.0)]


def test_without_a_time_nothing_is_marked(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    model.press(TASK)
    time.now = None
    for step in (
        lambda: model.press(SMILE),
        lambda: model.press_emotion("fear"),
        lambda: model.note("x"),
        lambda: model.trace(1.0),
    ):
        step()
    assert (sink.said("emotion"), sink.said("note"), len(model.marks), len(model.trail)) == ([], [], 1, 0)
    model.finish()
    assert sink.said("lab") == [(0.0, 99.0, "task")]  # nobody knows when it ended: with the session


def test_another_set_ends_what_runs_of_the_old(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    model.press(TASK)
    time.now = 2.0
    model.set_sets([MarkerSet(name="lab", labels=(TASK,)), OTHER])
    assert ("lab", "task") in model.running
    model.choose("other")
    assert sink.said("lab") == [(0.0, 2.0, "task")]
    assert model.chosen == OTHER
    model.choose("no such")
    assert model.chosen.name == "lab"
    model.set_sets([])
    assert model.chosen == MarkerSet(name="")


def test_moments_without_a_set_are_numbered(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(time, (1.0, model.moment), (2.0, model.moment), (3.0, lambda: model.moment("here")))
    assert [label for _, _, label in sink.said("marker")] == ["marker 1", "marker 2", "here"]


def test_a_trace_is_kept_and_its_trail_shown(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    for t in np.arange(0, 30, 0.5):
        time.now = float(t)
        model.trace(0.5, -1.0)
    tiers = {tier.name: tier for tier in read_annotations(sink.folder).tiers}
    assert len(tiers["valence"].items) == 60
    assert {item.value for item in tiers["arousal"].items} == {-1.0}
    assert model.trail[0].t >= 29.5 - TRAIL
    time.now = 3.0
    model.trace(0.1)
    assert [tuple(sample) for sample in model.trail] == [(3.0, 0.1, None)]


# ---------------------------------------------------------------- in a replay


def test_in_a_replay_marks_are_edits(qapp: object, time: Time, tmp_path: Path) -> None:
    store = AnnotationStore(make_session(tmp_path))
    model = AnnotatingModel([SET], by="ben")
    model.attach(time, StoreSink(store, {"lab": SET.labels}))
    play(
        time,
        (1.0, lambda: model.press(SMILE)),
        (5.0, lambda: model.press(TASK)),
        (3.0, lambda: model.press(TASK)),  # gone back in the meantime
        (6.0, lambda: model.press_emotion("fear")),
        (8.0, lambda: model.press_emotion("anger")),
        (7.0, lambda: model.press_emotion("anger")),
        (9.0, lambda: model.note("so")),
    )
    tiers = {tier.name: tier for tier in store.annotations.tiers}
    assert [(i.label, i.t0, i.t1) for i in tiers["lab"].items] == [("smile", 1.0, None), ("task", 3.0, 5.0)]
    assert [(i.label, i.t0, i.t1) for i in tiers["emotion"].items] == [("fear", 6.0, 7.0), ("anger", 7.0, 8.0)]
    assert {name: (tier.kind, tier.by) for name, tier in tiers.items()} == {
        "lab": (TierKind.SPAN, "ben"),
        "emotion": (TierKind.CATEGORY, "ben"),
        "note": (TierKind.TEXT, "ben"),
    }
    assert tiers["lab"].labels == SET.labels
    assert store.undo_text == "mark “so”"
    model.undo()
    assert store.undo_text == "take back “so”"
    assert store.annotations.tier(("note", "ben")).items == ()
    while store.can_undo:
        store.undo()
    assert store.annotations.tiers == ()


def test_in_a_replay_a_stroke_draws_over_and_is_one_step(qapp: object, time: Time, tmp_path: Path) -> None:
    store = AnnotationStore(make_session(tmp_path), autosave=False)
    sink, model = StoreSink(store), AnnotatingModel([SET], by="ben")
    model.attach(time, sink)
    model.lifted.connect(sink.lift)

    def stroke(times: list[float], value: float) -> None:
        for t in times:
            time.now = t
            model.trace(value, -value)
        model.lift()

    stroke([0.0, 1.0, 2.0, 3.0, 4.0], 0.5)
    stroke([0.9, 2.5], 0.1)
    t, v = store.annotations.tier(("valence", "ben")).samples
    np.testing.assert_array_equal(t, [0.0, 0.9, 2.5, 3.0, 4.0])
    np.testing.assert_array_equal(v, [0.5, 0.1, 0.1, 0.5, 0.5])
    store.undo()
    assert len(store.annotations.tier(("arousal", "ben")).items) == 5
    store.undo()
    assert store.annotations.tiers == ()


def test_a_mark_that_goes_wrong_in_a_store_is_said(qapp: object, time: Time, tmp_path: Path, qtbot: QtBot) -> None:
    store = AnnotationStore(make_session(tmp_path))
    model = AnnotatingModel([SET])
    model.attach(time, StoreSink(store))
    time.now = float("nan")
    with qtbot.waitSignal(model.failed, timeout=0):
        model.press(SMILE)


def test_keys_of_emotions_are_reserved() -> None:
    assert tuple(label.name for label in EMOTION_LABELS) == EMOTIONS
    assert {label.key for label in EMOTION_LABELS} <= RESERVED_KEYS
    for marker_set in MarkerSetStore(Path("none.toml")).sets:
        assert not {label.key for label in marker_set.labels} & RESERVED_KEYS


def test_a_recording_that_ends_by_itself_ends_marking_too(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    play(time, (1.0, lambda: model.press(SMILE)), (2.0, lambda: model.press(TASK)), (3.0, lambda: model.trace(0.5)))
    before = (sink.folder / "markers.jsonl").read_bytes()
    model.end("the disk is full")
    assert (model.ended, model.is_ready, model.is_kept, model.can_undo) == ("the disk is full", False, False, False)
    play(time, (4.0, lambda: model.press(TASK)), (5.0, model.undo), (6.0, lambda: model.trace(0.1)))
    assert not model.note("nobody will read this")
    assert (sink.folder / "markers.jsonl").read_bytes() == before
    assert [mark.label for mark in model.marks] == ["smile", "task"], "what was kept is still shown"
    assert sink.said("lab")[1] == (2.0, 99.0, "task"), "to the end of what was recorded"
    model.attach(time, sink)
    assert (model.ended, model.is_ready) == ("", True)


def test_a_sample_that_is_not_kept_is_not_drawn(model: AnnotatingModel, time: Time, sink: FileSink) -> None:
    failures: list[str] = []
    model.failed.connect(failures.append)
    play(time, (1.0, lambda: model.trace(0.5)))
    sink.broken = True
    play(time, (2.0, lambda: model.trace(0.6)))
    assert (failures, [sample.t for sample in model.trail]) == (["the disk is full"], [1.0])
