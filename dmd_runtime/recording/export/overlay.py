"""The sheet of an annotated film: the picture with what was read beside it, as the program shows it live.

A :class:`Sheet` is one picture of 1280 x 720 that is brought up to date from one time to the next: cards are drawn
again only where a reading, a word or a figure of the clock has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import numpy as np

from dmd_runtime.messages import UInt8
from dmd_runtime.modality import EDGES, MODALITIES, Edge, Graph, Modality
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export.canvas import (
    BACKGROUND,
    CARD,
    DIM,
    EMOTIONS,
    INK,
    LINE,
    MODALITY,
    TRACK,
    WARNING,
    WARNING_INK,
    Box,
    Canvas,
    emotion_colour,
    mixed,
)
from dmd_runtime.recording.export.overlay_graph import GraphState, draw_graph
from dmd_runtime.recording.export.overlay_picture import Stage
from dmd_runtime.recording.export.overlay_ribbon import Ribbon
from dmd_runtime.recording.export.overlay_words import Transcript
from dmd_runtime.recording.export.typeface import Type
from dmd_runtime.recording.reader import Readings, RecordedSession

WIDTH, HEIGHT = 1280, 720
_EDGE, _GAP, _TOP, _LOW = 20, 12, 52, 616
_LEFT, _RIGHT = 668, 560
_WORDS_LEAST: Final = 110
_RADIUS: Final = 12
_TITLE, _SMALL, _PLAIN, _PLAIN_BOLD = Type(11, "SemiBold"), Type(12), Type(14), Type(14, "SemiBold")
_LARGE, _BESIDE, _MIDDLE = Type(28, "Bold"), Type(21), Type(16, "SemiBold")
_SUBDUED: Final = 0.45
_GRAPHS: Final = {Graph.HOMOGENEOUS: ("HomoGD", "shared space"), Graph.HETEROGENEOUS: ("HeteroGD", "own space")}
_NONE: Final = "–"


class Sheet:
    """The picture of one moment after the other. For one thread.

    Parameters
    ----------
    session : RecordedSession
    annotations : Annotations
    size : (width, height) or None
        Of the film's picture; None where there is none.
    end : float
        Seconds that the film is long.

    Attributes
    ----------
    pixels : uint8 (720, 1280, 3), RGB
        The sheet as it is; :meth:`at` changes it.
    stage : Box
        Where the picture goes, already scaled.
    """

    def __init__(
        self, session: RecordedSession, annotations: Annotations, *, size: tuple[int, int] | None, end: float
    ) -> None:
        self._session, self._readings, self._end = session, session.readings, end
        self._labels = _in_order(self._readings.labels)
        self._untrained = "UNTRAINED" in session.marks
        aspect = 16 / 9 if size is None else size[0] / size[1]
        tall = round(min(max(_LEFT / aspect, 376), _LOW - _TOP - _GAP - _WORDS_LEAST))
        stage = Box(_EDGE, _TOP, _LEFT, tall)
        self._words_box = Box(_EDGE, stage.bottom + _GAP, _LEFT, _LOW - stage.bottom - _GAP)
        self._emotion_box = Box(_EDGE + _LEFT + _GAP, _TOP, WIDTH - 2 * _EDGE - _LEFT - _GAP, 268)
        top, half = self._emotion_box.bottom + _GAP, (self._emotion_box.width - _GAP) // 2
        self._graph_boxes = {
            graph: Box(self._emotion_box.x + number * (half + _GAP), top, half, _LOW - top)
            for number, graph in enumerate(_GRAPHS)
        }
        self._ribbon_box = Box(_EDGE, _LOW + _GAP, WIDTH - 2 * _EDGE, HEIGHT - _LOW - _GAP - 16)
        self.pixels: UInt8 = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
        self._canvas = Canvas(self.pixels)
        self._drawn: dict[Box, Hashable] = {}
        self._draw_ground()
        self._transcript = Transcript(session.words, self._words_box.inside(18, 0))
        self._ribbon = Ribbon(self._canvas, self._ribbon_box, session, annotations, self._labels, end=end)
        self._ground = self.pixels.copy()
        self._stage = Stage(self._canvas, stage, session, annotations, size)
        self.stage = self._stage.picture

    def at(self, t: float, image: UInt8 | None) -> UInt8:
        """The sheet at ``t`` s; ``image`` is uint8 of the size of :attr:`stage`; None: no new picture."""
        row = self._readings.at(t)
        self._again(self._emotion_box, row, lambda: self._draw_emotion(row))
        for graph, box in self._graph_boxes.items():
            self._again(box, row, lambda graph=graph, box=box: self._draw_graph(graph, box, row))  # type: ignore[misc]
        self._again(self._words_box, self._transcript.state(t), lambda: self._transcript.draw(self._canvas, t))
        self._again(_CLOCK, int(t * 10 + 1e-6), lambda: self._draw_clock(t))
        self._again(self._ribbon.box, self._ribbon.state(t), lambda: self._ribbon.draw(self._canvas, t))
        self._stage.draw(t, image)
        return self.pixels

    def _again(self, box: Box, state: Hashable, draw: Callable[[], object]) -> None:
        """Draw a part anew on its ground, if its state has changed."""
        if self._drawn.get(box, ()) != state:
            self.pixels[box.slices] = self._ground[box.slices]
            draw()
            self._drawn[box] = state

    # ------------------------------------------------------------- what stays

    def _draw_ground(self) -> None:
        canvas = self._canvas
        self.pixels[:] = BACKGROUND
        x = _EDGE + canvas.text(_EDGE, 33, "DMD Live", _MIDDLE, INK) + 14
        x += canvas.text(x, 33, _SMALL.fitting(_title(self._session), 520), _SMALL, DIM) + 16
        for mark in self._session.marks:
            width = _TITLE.width(mark) + 20
            canvas.card(Box(x, 19, width, 20), WARNING, 10)
            canvas.text(x + 10, 33, mark, _TITLE, WARNING_INK)
            x += width + 8
        for box in (self._words_box, self._emotion_box, *self._graph_boxes.values(), self._ribbon_box):
            canvas.card(box, LINE, _RADIUS)
            canvas.card(box.inside(1, 1), CARD, _RADIUS - 1)
        canvas.text(self._words_box.x + 18, self._words_box.y + 24, "WORDS", _TITLE, DIM)
        canvas.text(self._emotion_box.x + 18, self._emotion_box.y + 24, "EXPRESSED NOW", _TITLE, DIM)
        for graph, box in self._graph_boxes.items():
            title, where = _GRAPHS[graph]
            canvas.text(box.x + 16, box.y + 25, title, _PLAIN_BOLD, INK)
            canvas.text(box.right - 16, box.y + 25, where, _SMALL, DIM, align="right")
            foot = "arrow: teacher → student · width relative to 1/6"
            canvas.text(box.middle[0], box.bottom - 12, foot, Type(10), DIM, align="middle")

    def _draw_clock(self, t: float) -> None:
        width = self._canvas.text(WIDTH - _EDGE, 33, f"/ {clock(self._end)}", _PLAIN, DIM, align="right")
        self._canvas.text(
            WIDTH - _EDGE - width - 7, 33, f"{clock(t)}.{int(t * 10 + 1e-6) % 10}", _MIDDLE, INK, align="right"
        )

    # ------------------------------------------------------------- a reading

    def _draw_emotion(self, row: int | None) -> None:
        canvas, box, r = self._canvas, self._emotion_box.inside(18, 0), self._readings
        valid = row is not None and bool(r.valid[row])
        shares = r.emotion[row] if row is not None and valid and len(r.labels) else None
        said = row is not None and shares is not None and not np.isnan(shares).any()
        ink = DIM if self._untrained or not valid else INK
        if row is not None:
            cover = " ".join(f"{m.value} {v:.2f}" for m, v in zip(MODALITIES, r.coverage[row], strict=True))
            canvas.text(box.right, box.y + 24, f"valid · {cover}" if valid else cover, _SMALL, DIM, align="right")
        base = box.y + 62
        best = ""
        if said and row is not None and shares is not None:
            best = r.labels[int(np.argmax(shares))]
            x = box.x + canvas.text(box.x, base, best.capitalize(), _LARGE, ink) + 9
            canvas.text(x, base, f"{shares.max():.2f}", _BESIDE, DIM)
            self._draw_key(r, row, box.right, base)
        else:
            text = "Waiting for the first window" if row is None else "Not valid" if not valid else "Sentiment only"
            x = box.x + canvas.text(box.x, base, text, _LARGE, DIM) + 12
            if row is not None and not valid:
                canvas.text(x, base, _PLAIN.fitting(r.reason[row], box.right - x), _PLAIN, DIM)
        column = 118
        for number, label in enumerate(self._labels):
            line = Box(box.x, box.y + 80 + number * 25, box.width - column - 26, 25)
            self._draw_row(line, label, row if said else None, bold=label == best)
        self._draw_sentiment(Box(box.right - column, box.y + 84, column, 150), row if valid else None, ink)

    def _draw_row(self, line: Box, label: str, row: int | None, *, bold: bool) -> None:
        canvas, r = self._canvas, self._readings
        kind, base = (_PLAIN_BOLD if bold else _PLAIN), line.y + 18
        ink = INK if bold and not self._untrained else DIM
        canvas.text(line.x, base, label, kind, ink)
        track = Box(line.x + 84, line.y + 7, line.width - 84 - 40, 13)
        canvas.card(track, TRACK, 7)
        column = r.labels.index(label)
        share = float(r.emotion[row, column]) if row is not None else 0.0
        canvas.text(line.right, base, f"{share:.2f}" if row is not None else _NONE, kind, ink, align="right")
        if row is None:
            return
        fill = emotion_colour(label)
        bar = Box(track.x, track.y, max(5, round(share * track.width)), track.height)
        canvas.card(bar, mixed(fill, CARD, _SUBDUED) if self._untrained else fill, 7)
        for m, alone in reversed(list(zip(MODALITIES, r.unimodal[Graph.HOMOGENEOUS][row, :, column], strict=True))):
            if not np.isnan(alone):
                draw_opinion(canvas, m, track.x + float(alone) * track.width, track.y - 0.5)

    def _draw_key(self, r: Readings, row: int, right: float, base: float) -> None:
        """Which mark is whose."""
        here = [m for m, s in zip(MODALITIES, r.unimodal[Graph.HOMOGENEOUS][row], strict=True) if not np.isnan(s).any()]
        for m in reversed(here):
            right -= self._canvas.text(right, base, m.value, _SMALL, DIM, align="right") + 10
            draw_opinion(self._canvas, m, right, base - 1)
            right -= 14
        if here:
            self._canvas.text(right, base, "alone:", _SMALL, DIM, align="right")

    def _draw_sentiment(self, box: Box, row: int | None, ink: tuple[int, int, int]) -> None:
        canvas = self._canvas
        value = float("nan") if row is None else float(self._readings.sentiment[row])
        canvas.text(box.x, box.y + 14, "Sentiment", _TITLE, DIM)
        track = Box(box.x, box.y + 84, box.width, 7)
        text = (
            _NONE
            if np.isnan(value)
            else f"{value:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")
        )
        canvas.text(box.middle[0], track.y - 22, text, Type(24, "Bold"), ink, align="middle")
        canvas.card(track, TRACK, 4)
        zero = round(track.middle[0])
        if not np.isnan(value):
            x = zero + value / 3 * (track.width / 2 - 8)
            canvas.card(Box(round(min(x, zero)), track.y, round(abs(x - zero)), 7), mixed(DIM, CARD, 0.55), 0)
        canvas.card(Box(zero, track.y - 2, 1, 11), DIM, 0)
        if not np.isnan(value):
            canvas.disc((x, track.middle[1]), 9.5, CARD)
            canvas.disc((x, track.middle[1]), 7.5, ink)
        canvas.text(track.x, track.bottom + 18, "−3", _SMALL, DIM)
        canvas.text(track.right, track.bottom + 18, "+3", _SMALL, DIM, align="right")

    def _draw_graph(self, graph: Graph, box: Box, row: int | None) -> None:
        r = self._readings
        weights = None if row is None else r.edges[graph][row]
        there = weights is not None and not np.isnan(weights).any()
        edges: dict[Edge, float] | None = (
            dict(zip(EDGES, map(float, weights), strict=True)) if weights is not None and there else None
        )
        coverage = {} if row is None else dict(zip(MODALITIES, map(float, r.coverage[row]), strict=True))
        room = Box(box.x + 16, box.y + 42, box.width - 32, box.height - 42 - 46)
        draw_graph(self._canvas, room, GraphState(edges=edges, coverage=coverage, present=_present(r, row, edges)))
        if row is not None and edges is None:
            self._canvas.text(box.middle[0], room.middle[1] + 24, "no graph", _SMALL, DIM, align="middle")


_CLOCK: Final = Box(WIDTH - 240, 10, 240, 36)


def _title(session: RecordedSession) -> str:
    """Whose session it is, and what read it."""
    manifest = session.manifest
    analysis, checkpoint = manifest.get("analysis"), (manifest.get("provenance") or {}).get("checkpoint") or {}
    parts = [manifest.get("participant"), session.folder.name, manifest.get("task"), checkpoint.get("name")]
    return " · ".join(str(part) for part in (*parts, f"re-analysis {analysis}" if analysis else "") if part)


def _present(r: Readings, row: int | None, edges: dict[Edge, float] | None) -> frozenset[Modality]:
    """Who took part: those with an opinion; of a checkpoint without emotions, those that teach."""
    if row is None:
        return frozenset()
    opinions = r.unimodal[Graph.HOMOGENEOUS][row]
    if opinions.shape[1] and not np.isnan(opinions).all():
        return frozenset(m for m, said in zip(MODALITIES, opinions, strict=True) if not np.isnan(said).any())
    if edges is not None:
        return frozenset(m for e, w in edges.items() if w > 0 for m in e)
    return frozenset(m for m, share in zip(MODALITIES, r.coverage[row], strict=True) if share > 0)


def draw_opinion(canvas: Canvas, m: Modality, x: float, y: float) -> None:
    """A modality's mark standing on a line: L a full triangle, V an open one, A a full one that points up."""
    size, high = 4.6, 5.8
    down = np.array([[x - size, y - high], [x + size, y - high], [x, y]])
    if m is Modality.VISUAL:
        for ink, width in ((CARD, 4), (MODALITY[m], 2)):
            canvas.line(down[[0, 2, 1]] + 0.5, ink, width)
        return
    shape = down if m is Modality.LANGUAGE else np.array([[x - size, y], [x + size, y], [x, y - high]])
    middle = shape.mean(axis=0)
    canvas.polygon(middle + (shape - middle) * 1.5, CARD)
    canvas.polygon(shape, MODALITY[m])


def clock(t: float) -> str:
    """``0:03:27``."""
    whole = int(t + 1e-6)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _in_order(labels: Sequence[str]) -> tuple[str, ...]:
    return (*(e for e in EMOTIONS if e in labels), *(e for e in labels if e not in EMOTIONS))
