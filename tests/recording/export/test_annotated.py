from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
import pytest

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import UInt8
from dmd_runtime.modality import EDGES, MODALITIES, Modality
from dmd_runtime.recording.annotations import Annotations, Item, Label, Tier, TierKind
from dmd_runtime.recording.export import ExportCancelledError, ExportOptions
from dmd_runtime.recording.export.annotated import write_annotated
from dmd_runtime.recording.export.canvas import CARD, MODALITY, Box, Canvas, emotion_colour, mixed
from dmd_runtime.recording.export.overlay import HEIGHT, WIDTH, Sheet, clock
from dmd_runtime.recording.export.overlay_graph import GraphState, draw_graph, opacity, stroke
from dmd_runtime.recording.export.typeface import Type
from dmd_runtime.recording.playback import Medium, media_timeline
from dmd_runtime.recording.reader import RecordedSession
from tests.factories import make_clip
from tests.messages_factory import LABELS
from tests.recording.export.films import beeps, film_session, flash_and_beep, reading

SIZE = (160, 120)
NONE = Annotations()
EMOTION = Box(718, 130, 380, 190)  # where the bars are


def sheet_of(session: RecordedSession, annotations: Annotations = NONE, size: tuple[int, int] | None = SIZE) -> Sheet:
    return Sheet(session, annotations, size=size, end=10.0)


def at(sheet: Sheet, t: float, image: UInt8 | None = None) -> UInt8:
    return sheet.at(t, image).copy()


def count(pixels: UInt8, colour: tuple[int, int, int], tolerance: int = 6) -> int:
    return int((np.abs(pixels.astype(int) - colour) <= tolerance).all(axis=-1).sum())


def words(*texts: str) -> list[dict[str, Any]]:
    return [{"t0": i + 1.0, "t1": i + 1.5, "text": text, "p": 0.9} for i, text in enumerate(texts)]


# ------------------------------------------------------------------ the sheet


def test_a_bar_is_as_long_as_its_share(tmp_path: Path) -> None:
    lines = [reading(2.0, 0.2), reading(4.0, 0.8)]
    sheet = sheet_of(film_session(tmp_path, readings=[{**line, "unimodal": {}} for line in lines]))
    fill = mixed(emotion_colour(LABELS[0]), CARD, 0.45)  # of an untrained model: subdued
    areas = [count(at(sheet, t)[EMOTION.slices], fill) for t in (1.0, 3.0, 5.0)]
    assert areas[0] == 0
    assert areas[2] / areas[1] == pytest.approx(4.0, rel=0.15)


def test_nothing_of_a_reading_is_shown_before_its_window_has_ended(tmp_path: Path) -> None:
    sheet = sheet_of(film_session(tmp_path, readings=[reading(2.0), reading(4.0, 0.9)]))
    before = at(sheet, 1.9)[EMOTION.slices]
    assert np.array_equal(before, at(sheet, 0.0)[EMOTION.slices])
    assert not np.array_equal(before, at(sheet, 2.0)[EMOTION.slices])


def test_a_reading_that_is_not_valid_leaves_no_bar(tmp_path: Path) -> None:
    sheet = sheet_of(film_session(tmp_path, readings=[reading(2.0), reading(4.0, valid=False)]))
    full = at(sheet, 2.0)
    empty = at(sheet, 4.0)[EMOTION.slices]
    for label in LABELS:
        ink = mixed(emotion_colour(label), CARD, 0.45)
        assert count(full[EMOTION.slices], ink) > count(empty, ink)
    arrow = mixed(MODALITY[Modality.LANGUAGE], CARD, opacity(0.27))
    assert count(full[332:600, 700:1260], arrow) > 200
    assert count(at(sheet, 4.0)[332:600, 700:1260], arrow) < 50  # the rings stay


def test_going_back_shows_what_was_there(tmp_path: Path) -> None:
    session = film_session(tmp_path, readings=[reading(2.0), reading(4.0, 0.9)], words=words("yes", "no", "perhaps"))
    sheet = sheet_of(session)
    picture = np.zeros((sheet.stage.height, sheet.stage.width, 3), np.uint8)
    first = at(sheet, 2.2, picture)
    at(sheet, 9.0, picture + 200)
    assert np.array_equal(at(sheet, 2.2, picture), first)


def test_words_come_when_they_are_said(tmp_path: Path) -> None:
    sheet = sheet_of(film_session(tmp_path, words=words("yes", "no")))
    ink = [int((at(sheet, t)[532:612, 30:680].astype(int).sum(axis=-1) > 400).sum()) for t in (0.9, 1.1, 2.1)]
    assert ink[0] < ink[1] < ink[2]


def test_a_marker_is_a_chip_while_it_lasts(tmp_path: Path) -> None:
    label = Label(name="smile", color="#FF00FF")
    tier = Tier(name="set", kind=TierKind.SPAN, labels=(label,), items=(Item(id="a", t0=2, t1=6, label="smile"),))
    sheet = sheet_of(film_session(tmp_path), Annotations(tiers=(tier,)))
    seen = [count(at(sheet, t)[52:520, 20:688], (255, 0, 255)) > 20 for t in (1.9, 2.0, 5.9, 6.1)]
    assert seen == [False, True, True, False]


def test_the_face_is_outlined_where_it_is(tmp_path: Path) -> None:
    faces = [{"t": 1.0, "box": [0.5, 0.25, 0.25, 0.5], "confidence": 0.9, "id": 1}]
    sheet = sheet_of(film_session(tmp_path, faces=faces))
    grey = np.full((sheet.stage.height, sheet.stage.width, 3), 90, np.uint8)
    there = np.abs(at(sheet, 1.1, grey)[sheet.stage.slices].astype(int) - 90).max(axis=-1) > 60
    there[:60, :200] = False  # the chip
    rows, columns = np.nonzero(there)
    height, width = there.shape
    spans = [columns.min() / width, columns.max() / width, rows.min() / height, rows.max() / height]
    assert spans == pytest.approx([0.5, 0.75, 0.25, 0.75], abs=0.02)
    assert np.abs(at(sheet, 2.0, grey)[sheet.stage.slices][60:-20, 20:-20].astype(int) - 90).max() == 0


@pytest.mark.parametrize("marks", [[], ["UNTRAINED"], ["UNTRAINED", "DEMO", "SYNTHETIC"]])
def test_marks_cannot_be_overlooked(tmp_path: Path, marks: list[str]) -> None:
    session = film_session(tmp_path)
    session.manifest["marks"][:] = marks
    yellow = count(at(sheet_of(session), 0.0)[:52], (232, 185, 49))
    assert (yellow > 800 * len(marks)) if marks else (yellow == 0)


@pytest.mark.parametrize(
    "line",
    [
        {**reading(1.0), "emotion": None, "unimodal": None},
        {**reading(1.0), "edges": {"homo": None, "hetero": None}},
        {**reading(1.0), "sentiment": None, "coverage": {}},
        reading(1.0, valid=False),
    ],
)
@pytest.mark.parametrize("size", [None, SIZE, (90, 160), (1920, 300)])
def test_odd_sessions_can_be_drawn(tmp_path: Path, line: dict[str, Any], size: tuple[int, int] | None) -> None:
    sheet = sheet_of(film_session(tmp_path, readings=[line]), size=size)
    stage = sheet.stage
    assert 20 <= stage.x < stage.right <= 688
    assert 52 <= stage.y < stage.bottom <= 620
    assert at(sheet, 2.0).shape == (HEIGHT, WIDTH, 3)


def test_an_arrow_is_the_wider_the_more_it_weighs() -> None:
    def ink(weight: float) -> int:
        pixels = np.full((300, 300, 3), CARD, np.uint8)
        edges = dict.fromkeys(EDGES, 0.0) | {EDGES[0]: weight}
        state = GraphState(edges=edges, coverage=dict.fromkeys(MODALITIES, 1.0), present=frozenset(MODALITIES))
        draw_graph(Canvas(pixels), Box(0, 0, 300, 300), state)
        return count(pixels, mixed(MODALITY[EDGES[0].teacher], CARD, opacity(weight)), 2)

    assert ink(0.1) < ink(0.2) < ink(0.5) < ink(0.9)
    weights = np.linspace(0, 1, 101)
    assert (np.diff([stroke(w) for w in weights]) > 0).all()
    assert (np.diff([opacity(w) for w in weights]) > 0).all()


def test_type_keeps_its_figures_in_columns() -> None:
    kind = Type(14)
    assert len({kind.width(f"0.{n}{n}") for n in range(10)}) == 1
    assert kind.fitting("a long sentence", 50).endswith("…")
    assert clock(3727.999) == "1:02:07"


# ------------------------------------------------------------------ the film


def film_of(session: RecordedSession, options: ExportOptions | None = None, **rest: Any) -> Path:
    (path,) = write_annotated(session, NONE, session.folder, options or ExportOptions(), **rest)
    return path


def times(path: Path) -> np.ndarray:
    return media_timeline(Medium(path=path, origin=Fraction(0))).times


def test_every_picture_keeps_its_time(tmp_path: Path) -> None:
    uneven = (0.03, 0.07, 0.101, 0.25, 0.33, 0.4, 0.433)
    make_clip(tmp_path / "media.mkv", frame_times=uneven, seconds=0.5)
    film = film_of(film_session(tmp_path))
    assert times(film)[: len(uneven)] == pytest.approx(uneven, abs=0.001)
    with av.open(str(film)) as container:
        assert [(s.type, s.codec_context.name) for s in container.streams] == [("video", "h264"), ("audio", "aac")]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (WIDTH, HEIGHT)


def test_the_sheet_goes_on_where_pictures_stop(tmp_path: Path) -> None:
    make_clip(tmp_path / "media.mkv", frame_times=(0.0, 0.04, 1.5), seconds=2.0)
    film = times(film_of(film_session(tmp_path)))
    assert np.diff(film).max() < 0.2
    assert set(np.round([0.0, 0.04, 1.5], 3)) <= set(np.round(film, 3))
    assert film[-1] > 1.8


def test_sound_alone_gets_a_sheet(tmp_path: Path) -> None:
    make_clip(tmp_path / "media.mkv", video_codec=None, seconds=1.0)
    film = film_of(film_session(tmp_path, readings=[reading(0.5)]))
    assert np.diff(times(film)) == pytest.approx(0.1, abs=0.001)
    with av.open(str(film)) as container:
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.1)


def test_sound_and_picture_stay_together(tmp_path: Path) -> None:
    flash_and_beep(tmp_path / "media.mkv", (0.5, 1.5), 2.0)
    film = film_of(film_session(tmp_path))
    with av.open(str(film)) as container:  # the picture lies in the left part of the sheet
        light = [
            (f.time, f.to_ndarray(format="gray")[100:400, 150:550].mean() > 128) for f in container.decode(video=0)
        ]
    flashes = [t for (t, now), (_, before) in zip(light[1:], light, strict=False) if now and not before]
    assert flashes == pytest.approx([0.5, 1.5], abs=0.001)
    assert beeps(film) == pytest.approx(flashes, abs=0.002)


def test_a_stopped_export_leaves_nothing(tmp_path: Path) -> None:
    make_clip(tmp_path / "media.mkv", seconds=1.0)
    session, stop, told = film_session(tmp_path), Event(), []

    def progress(share: float) -> None:
        told.append(share)
        if share > 0.4:
            stop.set()

    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportCancelledError):
        film_of(session, progress=progress, cancel=stop)
    assert sorted(tmp_path.iterdir()) == before
    assert told == sorted(told)


def test_a_session_without_medium_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="expected a medium"):
        film_of(film_session(tmp_path))
