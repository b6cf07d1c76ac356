"""The whole session along the bottom of an annotated film: emotions, coverage, markers, and where the film is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from dmd_runtime.modality import MODALITIES
from dmd_runtime.recording.annotations import Annotations, TierKind
from dmd_runtime.recording.export.canvas import (
    CARD,
    DIM,
    INK,
    MODALITY,
    TRACK,
    WHITE,
    Box,
    Canvas,
    emotion_colour,
    mixed,
)
from dmd_runtime.recording.export.typeface import Type
from dmd_runtime.recording.reader import Readings, RecordedSession

_TITLE, _TINY = Type(11, "SemiBold"), Type(10)
_LONGEST: Final = 1.5  # times the usual step: a longer one between readings is a hole


class Ribbon:
    """Drawn once onto ``canvas``; :meth:`draw` adds where the film is."""

    def __init__(
        self,
        canvas: Canvas,
        box: Box,
        session: RecordedSession,
        annotations: Annotations,
        labels: Sequence[str],
        *,
        end: float,
    ) -> None:
        self.box = box
        self._end = max(end, 1e-3)
        self._plot = Box(box.x + 92, box.y + 8, box.width - 92 - 14, box.height - 16)
        shares = Box(self._plot.x, self._plot.y, self._plot.width, self._plot.height - 17)
        canvas.text(box.x + 18, shares.middle[1] + 4, "EMOTION", _TITLE, DIM)
        canvas.text(box.x + 18, self._plot.bottom - 2, "COVERAGE", _TITLE, DIM)
        canvas.card(shares, TRACK, 3)
        self._draw_shares(canvas, shares, session.readings, labels)
        self._draw_coverage(canvas, session.readings)
        self._draw_markers(canvas, annotations)

    def state(self, t: float) -> Hashable:
        """The pixel at which the film is."""
        return round(self._x(t))

    def draw(self, canvas: Canvas, t: float) -> None:
        """A line at ``t`` s."""
        x = round(self._x(t))
        canvas.card(Box(x - 2, self._plot.y - 3, 4, self._plot.height + 6), CARD, 2, 0.8)
        canvas.card(Box(x - 1, self._plot.y - 3, 2, self._plot.height + 6), WHITE, 1)

    def _x(self, t: float) -> float:
        return self._plot.x + self._plot.width * min(1.0, max(0.0, t / self._end))

    def _columns(self, r: Readings) -> tuple[np.ndarray, np.ndarray]:
        """For every pixel of the plot, the row of the reading that covers it; and whether there is one."""
        t = (np.arange(self._plot.width) + 0.5) / self._plot.width * self._end
        step = float(np.median(np.diff(r.t1))) if len(r) > 1 else 1.0
        rows = np.searchsorted(r.t1, t)  # a reading stands for the time before its end
        inside = rows < len(r)
        rows = np.minimum(rows, max(0, len(r) - 1))
        near = inside & ((r.t1[rows] - t <= _LONGEST * step) | (rows == 0)) if len(r) else inside
        return rows, near

    def _draw_shares(self, canvas: Canvas, box: Box, r: Readings, labels: Sequence[str]) -> None:
        if not len(r) or not labels:
            return
        rows, near = self._columns(r)
        shares = r.emotion[rows][:, [r.labels.index(label) for label in labels]].astype(np.float64)  # (width, C)
        said = near & r.valid[rows] & ~np.isnan(shares).any(axis=1)
        tops = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(np.nan_to_num(shares), axis=1)], axis=1) * box.height
        y = np.arange(box.height)[:, None]
        part = canvas.pixels[box.slices]
        for number, label in enumerate(labels):
            cover = np.clip(np.minimum(y + 1, tops[:, number + 1]) - np.maximum(y, tops[:, number]), 0, 1) * said
            ink = np.array(mixed(emotion_colour(label), CARD, 0.8), dtype=np.float64)
            part[:] = np.rint(part + cover[..., None] * (ink - part)).astype(np.uint8)

    def _draw_coverage(self, canvas: Canvas, r: Readings) -> None:
        if not len(r):
            return
        rows, near = self._columns(r)
        for number, m in enumerate(MODALITIES):
            top = self._plot.bottom - 12 + number * 4
            share = np.clip(r.coverage[rows, number], 0, 1)[None, :, None] * near[None, :, None]
            ink, ground = np.array(MODALITY[m], dtype=np.float64), np.array(TRACK, dtype=np.float64)
            line = canvas.pixels[top : top + 3, self._plot.x : self._plot.right]
            line[:] = np.rint(ground + share * (ink - ground)).astype(np.uint8)

    def _draw_markers(self, canvas: Canvas, annotations: Annotations) -> None:
        free = float(self._plot.x)
        kinds = (TierKind.POINT, TierKind.SPAN)
        items = sorted((i.t0, i.label) for tier in annotations.tiers if tier.kind in kinds for i in tier.items)
        for t, _ in items:
            for top in range(self._plot.y, self._plot.bottom - 14, 4):
                canvas.card(Box(round(self._x(t)), top, 1, 2), INK, 0)
        for t, label in items:
            x, text = round(self._x(t)), _TINY.fitting(label, 110)
            width = _TINY.width(text)
            if text and x >= free and x + width + 8 <= self._plot.right:
                canvas.card(Box(x + 2, self._plot.y, width + 6, 14), CARD, 3, 0.85)
                canvas.text(x + 5, self._plot.y + 11, text, _TINY, INK)
                free = x + width + 14
