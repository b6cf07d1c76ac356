"""ELAN, Praat and BIDS, read back with pympi, praatio and csv, and compared with the session to 1 ms."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid
from pympi import Elan

from dmd_runtime.recording.annotations import read_annotations
from dmd_runtime.recording.comparing import model_tier
from dmd_runtime.recording.export import export
from dmd_runtime.recording.export.strips import Stretch, lanes
from dmd_runtime.recording.reader import open_session
from tests.recording.export.sessions import ANNOTATED, HOSTILE, ODD, reading, write_session

Rows = list[tuple[int, int, str]]
MODEL = "expressed emotion (model)"


def eaf(folder: Path) -> dict[str, Rows]:
    (path,) = export(folder, ["eaf"])
    read = Elan.Eaf(str(path))
    return {name: sorted(row[:3] for row in read.get_annotation_data_for_tier(name)) for name in read.get_tier_names()}


def grid(folder: Path) -> dict[str, Rows]:
    (path,) = export(folder, ["textgrid"])
    read = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    found = {}
    for tier in read.tiers:
        rows = [(*entry[:-1], *entry[:1], entry[-1]) if len(entry) == 2 else tuple(entry) for entry in tier.entries]
        found[tier.name] = [(round(a * 1000), round(b * 1000), text) for a, b, text in rows]
    return found


def events(folder: Path) -> list[dict[str, str]]:
    path, _ = export(folder, ["events"])
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows_of(found: list[dict[str, str]], kind: str, tier: str = "") -> Rows:
    return [
        (start := round(float(row["onset"]) * 1000), start + round(float(row["duration"]) * 1000), row["value"])
        for row in found
        if row["trial_type"] == kind and tier in ("", row["tier"])
    ]


def ms(t: float) -> int:
    return round(t * 1000)


@pytest.mark.parametrize("read", [eaf, grid])
def test_words_utterances_and_emotion_come_back(tmp_path: Path, read: object) -> None:
    folder = write_session(tmp_path)
    found = eaf(folder) if read is eaf else grid(folder)
    session = open_session(folder)
    assert found["words"] == [(ms(w.span.start), ms(w.span.end), w.text) for w in session.words]
    assert found["utterances"] == [(500, 2000, "Well, that is all."), (5250, 5900, "Right?")]
    model = [(ms(item.t0), ms(item.end), item.label) for item in model_tier(session.readings).items]
    assert [row[2] for row in model] == ["happiness", "surprise"]
    assert found[MODEL] == model


def test_events_come_back(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ANNOTATED)
    found, session = events(folder), open_session(folder)
    assert rows_of(found, "word") == [(ms(w.span.start), ms(w.span.end), w.text) for w in session.words]
    assert rows_of(found, "expressed emotion") == [
        (ms(item.t0), ms(item.end), item.label) for item in model_tier(session.readings).items
    ]
    for tier in read_annotations(folder).tiers:
        if tier.name != "valence":
            assert rows_of(found, "annotation", tier.name) == [(ms(i.t0), ms(i.end), i.label) for i in tier.items]
    onsets = [float(row["onset"]) for row in found]
    assert onsets == sorted(onsets)
    assert all(cell for row in found for cell in row.values())
    assert {row["note"] for row in found} == {"n/a", "question: asked twice"}


def test_the_sidecar_describes_every_column(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ODD["marked"])
    found = events(folder)
    about = json.loads((folder / "derived" / "events.json").read_text(encoding="utf-8"))
    assert all("Description" in about[column] for column in found[0])
    assert set(about["trial_type"]["Levels"]) >= {row["trial_type"] for row in found}
    assert about["Provenance"]["marks"] == ["UNTRAINED", "SYNTHETIC"]


def test_every_tier_is_in_elan(tmp_path: Path) -> None:
    found = eaf(write_session(tmp_path, **ANNOTATED))
    assert found["marker (ada)"] == [(1000, 1001, "question: asked\ntwice"), (7250, 7251, "question")]
    assert found["talk (ada)"] == [(2000, 3500, "pause")]
    assert found["talk (ada) / 2"] == [(3000, 4000, "laugh")]  # they overlap, which a tier may not
    assert found["emotion (ada)"] == [(1000, 2000, "happiness"), (2000, 6500, "sadness")]
    trace = found["valence (ada)"]
    assert [row[:2] for row in trace[:2]] == [(0, 250), (250, 500)]
    assert float(trace[4][2]) == pytest.approx(0.841, abs=1e-3)
    assert len(trace) == 40


def test_every_tier_is_in_praat(tmp_path: Path) -> None:
    found = grid(write_session(tmp_path, **ANNOTATED))
    assert found["marker (ada)"] == [(1000, 1000, "question: asked twice"), (7250, 7250, "question")]
    assert found["talk (ada)"] == [(2000, 3500, "pause")]
    assert found["talk (ada) / 2"] == [(3000, 4000, "laugh")]
    assert len(found["valence (ada)"]) == 40
    assert "checkpoint: starter sha256:abc" in found["about"][0][2]


@pytest.mark.parametrize("odd", list(ODD))
def test_praat_tiers_are_without_gaps_or_overlaps(tmp_path: Path, odd: str) -> None:
    (path,) = export(write_session(tmp_path, **ODD[odd]), ["textgrid"])
    read = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    for tier in read.tiers:
        if isinstance(tier, textgrid.IntervalTier):
            starts, ends = [e.start for e in tier.entries], [e.end for e in tier.entries]
            assert [starts[0], *ends] == [0, *starts[1:], read.maxTimestamp], tier.name


def test_nothing_stands_where_no_reading_was_valid(tmp_path: Path) -> None:
    lines = [reading(t / 2, valid=not 10 <= t <= 30) for t in range(4, 40)]
    stretches = eaf(write_session(tmp_path, readings=lines, end=20.0))[MODEL]
    middle_of_gap = 1000 * (10 / 2 - 4 + 30 / 2) / 2
    assert not any(start < middle_of_gap < end for start, end, _ in stretches)
    assert len(stretches) >= 2


def test_elan_is_linked_to_the_medium_and_says_what_made_it(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ODD["marked"], name="sub-p1/ses-with a blank")
    (folder / "media.mkv").write_bytes(b"")
    (path,) = export(folder, ["eaf"])
    read = Elan.Eaf(str(path))
    (link,) = read.media_descriptors
    assert (path.parent / link["RELATIVE_MEDIA_URL"]).resolve() == (folder / "media.mkv").resolve()
    assert link["MIME_TYPE"] == "video/x-matroska"
    assert dict(read.properties)["checkpoint"] == "starter sha256:abc"
    assert "expressed emotion (model UNTRAINED SYNTHETIC)" in read.get_tier_names()
    (folder / "derived" / "film.mp4").write_bytes(b"")
    export(folder, ["eaf"])
    assert Elan.Eaf(str(path)).media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./film.mp4"


def test_no_medium_is_no_link(tmp_path: Path) -> None:
    (path,) = export(write_session(tmp_path), ["eaf"])
    assert not Elan.Eaf(str(path)).media_descriptors


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ODD["hostile names"])
    found = eaf(folder)
    assert found[f"{HOSTILE} (ada)"] == [(1000, 1001, f"{HOSTILE}: {HOSTILE}\n\n--> 2")]
    assert grid(folder)[f"{HOSTILE} (ada)"][0][:2] == (1000, 1000)
    assert [row["value"] for row in events(folder) if row["tier"] == HOSTILE] == [HOSTILE]
    words = eaf(write_session(tmp_path / "b", **ODD["hostile words"]))["words"]
    assert [text for *_, text in words][:3] == [HOSTILE, "a\ufffdb\ufffd\ufffd\ufffd", "--> ]]> <!--"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30))
def test_lanes_keep_everything_and_never_overlap(pairs: list[tuple[int, int]]) -> None:
    given_stretches = [Stretch(a, a + length, str(i), "") for i, (a, length) in enumerate(pairs)]
    found = lanes(given_stretches)
    assert sorted(s.text for lane in found for s in lane) == sorted(s.text for s in given_stretches)
    for lane in found:
        assert all(a.end <= b.start for a, b in pairwise(lane))
        assert all(s.end > s.start for s in lane)
    if all(a.end <= b.start and a.end > a.start for a, b in pairwise([*given_stretches, Stretch(999, 999, "", "")])):
        assert len(found) == bool(given_stretches)
