"""The report: one file, nothing fetched, nothing run, whatever people typed; figures that are the session's."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.modality import EDGES
from dmd_runtime.recording import report_figures as draw
from dmd_runtime.recording.annotations import read_annotations
from dmd_runtime.recording.reader import open_session
from dmd_runtime.recording.report import MOST_ITEMS, report, write_report
from tests.recording.export.sessions import ANNOTATED, HOSTILE, ODD, marker, reading, write_session

VOID = {"meta", "br", "link", "img", "input", "hr"}
ALIVE = {"script", "iframe", "object", "embed", "link", "img", "form", "base", "foreignobject", "image", "use", "a"}


class Page(HTMLParser):
    """What a page consists of; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += f" {data}"


def page_of(folder: Path) -> tuple[str, Page]:
    text = report(open_session(folder), read_annotations(folder))
    return text, Page(text)


@pytest.mark.parametrize("odd", list(ODD))
def test_nothing_is_fetched_or_run(tmp_path: Path, odd: str) -> None:
    text, page = page_of(write_session(tmp_path, **ODD[odd]))
    assert not ALIVE & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "xlink:href", "action")]
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text
    assert "nan" not in [value.lower() for value in re.split(r"[^A-Za-z]+", text)]


def test_whatever_people_typed_is_text(tmp_path: Path) -> None:
    odd = {**ODD["hostile names"], **ODD["hostile words"]}
    odd["readings"] = [reading(2.0) | {"emotion": {HOSTILE: 0.75, "x": 0.25}, "reason": HOSTILE}]
    odd["manifest"] = {
        **dict.fromkeys(("participant", "session", "task", "notes", "error"), HOSTILE),
        "marks": [HOSTILE],
        "devices": [{"kind": HOSTILE, "name": HOSTILE}],
        "consent": dict.fromkeys(("text", "given_by", "recorded_by", "given_at"), HOSTILE),
        "source": {"kind": HOSTILE, "name": HOSTILE},
        "absent": {HOSTILE: HOSTILE},
        "provenance": {"checkpoint": {"name": HOSTILE, "digest": HOSTILE}, "packages": {HOSTILE: HOSTILE}},
        "recovery": {"at": HOSTILE, "problems": [HOSTILE]},
    }
    text, page = page_of(write_session(tmp_path, **odd))
    assert not ALIVE & set(page.tags)
    assert HOSTILE not in text
    assert page.text.count("alert(1)") >= 20


def test_colours_of_labels_cannot_carry_anything_else(tmp_path: Path) -> None:
    from dmd_runtime.recording.annotations import Annotations, Item, Label, Tier, TierKind

    labels = (
        Label(name="a", color="red;background:url(x)"),
        Label(name="b", color='"><b>'),
        Label(name="c", color="#12aBcF"),
    )
    items = tuple(Item(id=name, t0=k, t1=k + 1, label=name) for k, name in enumerate("abc"))
    tier = Tier(name="mine", kind=TierKind.SPAN, labels=labels, items=items)
    text = report(open_session(write_session(tmp_path)), Annotations(tiers=(tier,)))
    assert "url(" not in text
    assert "fill:#12aBcF" in text


def test_it_says_what_was_recorded(tmp_path: Path) -> None:
    manifest = {
        "notes": "Room 2",
        "consent": {
            "text": "I agree",
            "given_by": "P1",
            "recorded_by": "A. Meyer",
            "given_at": "2026-11-25T07:01:00+00:00",
        },
        "devices": [{"kind": "camera", "name": "Studio Cam"}],
        "absent": {"A": "no sound"},
    }
    _, page = page_of(write_session(tmp_path, manifest=manifest, **ANNOTATED))
    told = """p1 · talk|Room 2|I agree|A. Meyer|2026-11-25 07:01 UTC|camera: Studio Cam|A: no sound|0:10.0|complete
        |question|sha256:abc|00c97ac1b4f2|17 of 17|windows valid|Well, that is all.|asked\ntwice|valence (by ada)
        |Expressed, not felt.|prefers none gives each 1/6"""
    expected = re.sub(r"\n +", "", told).split("|")
    assert [text for text in expected if text not in page.text] == []


def test_its_figures_are_the_sessions(tmp_path: Path) -> None:
    lines = [reading(t / 2, valid=t % 4 != 0) for t in range(4, 20)]
    _, page = page_of(folder := write_session(tmp_path, readings=lines))
    r = open_session(folder).readings
    top = r.emotion[r.valid].argmax(axis=1)
    assert "12 of 16" in page.text
    assert f"{100 * np.mean(top == 0):.0f} %" in page.text
    for k in range(len(EDGES)):
        mean = next(iter(r.edges.values()))[r.valid, k].mean() * 6
        assert f"{mean:.2f}×" in page.text


def test_marks_are_loud(tmp_path: Path) -> None:
    _, page = page_of(write_session(tmp_path, **ODD["marked"]))
    assert "its emotions and edges mean nothing" in page.text
    assert "a test signal, not a person" in page.text


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    _, page = page_of(write_session(tmp_path, **ODD["no valid reading"]))
    assert "Most often: no face for 3 s, words only." in page.text
    assert page.text.count("No window had this graph.") == 2
    folder = write_session(tmp_path, words=(), manifest={"absent": {"L": "no speech model"}}, name="sub-p1/ses-two")
    assert "No words were heard: no speech model." in page_of(folder)[1].text
    (folder / "words.jsonl").write_text('{"t0": 1')
    assert "words.jsonl: 1 lines are no whole record" in page_of(folder)[1].text


def test_long_tiers_are_cut_and_it_is_said(tmp_path: Path) -> None:
    markers = [marker(t / 100, f"m{t}", id=str(t)) for t in range(MOST_ITEMS + 7)]
    _, page = page_of(write_session(tmp_path, markers=markers))
    assert "and 7 more, which the CSV export has" in page.text


def test_two_hours_are_one_small_file(tmp_path: Path) -> None:
    end = 7200.0
    folder = write_session(tmp_path, readings=[reading(t / 2, end=end) for t in range(4, 14401)], faces=0, end=end)
    write_report(open_session(folder), read_annotations(folder), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 1_000_000


def test_points_are_means_of_their_windows_and_gaps_stay() -> None:
    n = 4 * draw.POINTS
    t = (np.arange(n) + 0.5) * 0.5
    values = np.arange(n, dtype=np.float64)
    values[8:12] = np.nan  # a whole point
    values[1] = np.nan  # a part of one
    at = draw.scale(t, n * 0.5)
    assert len(at) == draw.POINTS
    mean = at.mean(values)
    assert mean[0] == pytest.approx((0 + 2 + 3) / 3)
    assert np.flatnonzero(np.isnan(mean)).tolist() == [2]
    assert draw.area(at, values, color="--V", high=n, title="x").count("Z") == 2


@pytest.mark.parametrize(("end", "last"), [(0.001, "0:00"), (8.0, "0:07"), (61.0, "1:00"), (7200.0, "1:45:00")])
def test_ticks_are_few_and_round(end: float, last: str) -> None:
    found = draw.ticks(end)
    assert 1 <= len(found) <= 9
    assert found[0][0] == "0.00"
    assert found[-1][1] == last
    assert all(0 <= float(share) <= 100 for share, _ in found)


@pytest.mark.parametrize(
    ("seconds", "text", "exact"), [(0, "0:00", "0:00.0"), (59.96, "0:59", "1:00.0"), (3725.04, "1:02:05", "1:02:05.0")]
)
def test_clock(seconds: float, text: str, exact: str) -> None:
    assert draw.clock(seconds) == text
    assert draw.clock(seconds, tenths=True) == exact
