"""Whole sessions with the real models on real recordings."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import FaceObservation, Health, Reading, Word
from dmd_runtime.modality import Graph
from dmd_runtime.sources.file import FileSource
from dmd_runtime.streaming.session import Session
from dmd_runtime.streaming.toolbox import Toolbox
from tests.features.speech_assets import errors, plain
from tests.messages_factory import A, L, V
from tests.shared_data import shared
from tests.streaming.test_session import Heard

# Open speech is decoded seldom enough that a busy machine can keep up too.
PATIENT = SessionConfig.load(window={"latency_budget": 60.0}, speech={"partial_every": 1.5})


def run(toolbox: Toolbox, path: Path, *, paced: bool = False, config: SessionConfig = PATIENT) -> tuple[Session, Heard]:
    made = Session(FileSource(path, paced=paced), toolbox, config, exact=not paced)
    heard = Heard()
    made.subscribe(heard)
    made.run()
    return made, heard


def spoken(folder: str, name: str) -> list[str]:
    with shared("clips", folder, "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return next(plain(row["text"]) for row in rows if row["file"] == name)


@pytest.fixture(scope="module")
def talker(toolbox: Toolbox) -> Heard:
    return run(toolbox, shared("clips", "talkers", "talker_a.mp4"))[1]


def test_a_talker_gives_a_reading_at_every_step_from_all_three_modalities(talker: Heard) -> None:
    readings: list[Reading] = talker.of(Reading)
    assert [r.span.end for r in readings] == [2.0 + k / 2 for k in range(13)]
    for reading in readings:
        assert reading.valid
        assert reading.reason == ""
        assert all(reading.coverage[m] > 0.2 for m in (L, V, A))
        for graph in Graph:
            edges = reading.edges[graph]
            assert edges is not None
            assert sum(edges.values()) == pytest.approx(1.0, abs=1e-6)
            assert min(edges.values()) > 0


def test_at_least_four_of_five_words_are_right(talker: Heard) -> None:
    expected = spoken("talkers", "talker_a.mp4")
    words = [w for word in talker.of(Word) for w in plain(word.text)]
    assert errors(expected, words) <= 0.2 * len(expected)
    assert all(word.speaker_visible for word in talker.of(Word))


def test_an_exact_run_gives_the_same_twice(toolbox: Toolbox, talker: Heard) -> None:
    again = run(toolbox, shared("clips", "talkers", "talker_a.mp4"))[1]
    for kind in (Reading, Word):
        first, second = ([_timeless(m) for m in heard.of(kind)] for heard in (talker, again))
        assert first == second


def test_a_paced_run_that_waited_for_everything_equals_the_exact_one(toolbox: Toolbox, talker: Heard) -> None:
    made, paced = run(toolbox, shared("clips", "talkers", "talker_a.mp4"), paced=True)
    assert all(all(r.settled.values()) for r in paced.of(Reading))
    if made.counts.frames_dropped:
        pytest.skip(f"the machine was too busy: {made.counts.frames_dropped} pictures were dropped")
    if coalesced := made.words.figures()["coalesced"]:
        pytest.skip(f"the machine was too busy: {coalesced:g} decodings of open speech were left out")
    figures = paced.of(Health)[-1].stages["words"]
    assert {"cadence_s", "rtf", "depth", "lag_s", "committed_mean_s", "committed_p95_s"} <= set(figures)
    assert [_timeless(w) for w in paced.of(Word)] == [_timeless(w) for w in talker.of(Word)]
    assert [_timeless(r) for r in paced.of(Reading)] == [_timeless(r) for r in talker.of(Reading)]


def test_a_face_that_leaves_is_missing_and_not_neutral(toolbox: Toolbox) -> None:
    heard = run(toolbox, shared("clips", "faces", "face_noface.mov"))[1]
    readings: list[Reading] = heard.of(Reading)
    assert readings[0].coverage[V] == 1.0
    assert readings[0].emotion is not None
    last = readings[-1]
    assert last.coverage[V] < 0.25
    assert last.emotion is None
    assert not last.valid
    assert "no face for" in last.reason
    assert all(last.unimodal[graph][V] is None for graph in Graph)
    assert heard.of(FaceObservation)


def test_silence_is_missing_and_not_neutral(toolbox: Toolbox) -> None:
    heard = run(toolbox, shared("clips", "faces", "face_noface.mov"))[1]
    assert heard.of(Word) == []
    for reading in heard.of(Reading):
        assert all(reading.unimodal[graph][A] is None for graph in Graph)
        assert reading.edges == dict.fromkeys(Graph)


def _timeless(message: Reading | Word) -> Reading | Word:
    return replace(message, made_at=0.0) if isinstance(message, Reading) else message
