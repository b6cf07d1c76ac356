"""Words and numbers of a replay's timeline: at the play head beside each row, and at the moment under the mouse."""

from __future__ import annotations

from typing import Final

import numpy as np
from PySide6.QtCore import QCoreApplication, QRectF
from PySide6.QtGui import QColor, QFont, QPainter

from desktop import theme
from desktop.models.track import Series, TrackModel
from desktop.models.words import edge_arrow, emotion_word, graph_name, signed
from desktop.widgets.painted import LEFT, SEMI_BOLD, advance, draw_text, fitting
from desktop.widgets.timeline_painting import Readout
from desktop.widgets.track_layout import Kind, Row, TrackLayout
from desktop.widgets.track_painting import clock_text
from desktop.widgets.track_tiers import Hit, colour_of
from dmd_runtime import MODALITIES, TierKind

translate = QCoreApplication.translate
_READ: Final = 3
"""Emotions in the readout."""
_NONE: Final = "–"


def row_at(series: Series | None, t: float) -> int | None:
    """Number of the reading whose window ended last before ``t``."""
    if series is None:
        return None
    row = int(np.searchsorted(series.detail.times, t + 1e-9, side="right")) - 1
    return row if row >= 0 else None


def _values_font() -> QFont:
    return theme.font(11, weight=SEMI_BOLD)


def values_width() -> float:
    """What the widest word beside a row takes, in pixels."""
    words = [*map(emotion_word, theme.EMOTION), translate("track", "not valid")]
    return max(advance(_values_font(), word) for word in words)


def draw_values(painter: QPainter, layout: TrackLayout, model: TrackModel) -> None:
    """What each row says at the play head, right of it."""
    look, s = theme.theme(), theme.scale()
    number = row_at(model.series, model.position)
    bold = _values_font()
    for row in layout.rows:
        text, colour = _value(row, model, number)
        if text and row.box.height() >= 9 * s:
            line = QRectF(layout.values.left(), row.box.center().y() - 8 * s, layout.values.width(), 16 * s)
            draw_text(painter, line, LEFT, fitting(bold, line.width() + 2, text), bold, colour or look.ink)


def _value(row: Row, model: TrackModel, number: int | None) -> tuple[str, QColor | None]:
    look, series = theme.theme(), model.series
    if row.kind is Kind.TIER:
        item = model.tiers[row.number].tier.at(model.position)
        text = "" if item is None else item.label or item.note
        return (signed(item.value, 2) if item is not None and item.value is not None else text), None
    if series is None or number is None or row.kind in (Kind.COVERAGE, Kind.WORDS):
        return "", None
    if row.kind is Kind.EMOTION:
        values = series.emotions[number]
        if not len(values) or np.isnan(values).any():
            return (translate("track", "not valid") if not series.valid[number] else _NONE), look.dim
        return emotion_word(series.labels[int(np.argmax(values))]), None
    if row.kind is Kind.SENTIMENT:
        value = float(series.sentiment[number])
        text = signed(value)
    else:
        value = float(series.edge(model.lanes[row.number])[number])
        text = f"{value:.3f}"
    return (_NONE, look.dim) if np.isnan(value) else (text, None)


def readout_at(model: TrackModel, t: float, hit: Hit | None) -> Readout:
    """What was at ``t``: the strongest emotions, the edges that have a row, coverage, the word, annotations."""
    lines: list[tuple[QColor | None, str]] = []
    series = model.series
    number = row_at(series, t)
    if model.hides_model:
        pass
    elif series is None or number is None:
        lines.append((None, translate("track", "no reading yet")))
    else:
        values = series.emotions[number]
        if not len(values) or np.isnan(values).any():
            lines.append((None, translate("track", "no emotion here")))
        else:
            for i in np.argsort(-values, kind="stable")[:_READ]:
                label = series.labels[int(i)]
                lines.append((theme.emotion_colour(label), f"{emotion_word(label)} {values[i]:.2f}"))
        if not np.isnan(series.sentiment[number]):
            text = translate("track", "sentiment {0}").format(signed(float(series.sentiment[number])))
            lines.append((None, text))
        for lane in model.lanes:
            weight = series.edge(lane)[number]
            shown = _NONE if np.isnan(weight) else f"{weight:.3f}"
            lines.append((theme.MODALITY[lane[1].teacher], f"{edge_arrow(lane[1])} {graph_name(lane[0])} {shown}"))
        shares = zip(MODALITIES, series.coverage[number], strict=True)
        lines.append((None, " ".join(f"{m.value} {share:.2f}" for m, share in shares)))
    word = _word(model, t)
    if word:
        lines.append((None, f"“{word}”"))
    if hit is not None:
        tier = next(row.tier for row in model.tiers if row.tier.key == hit.key)
        text = " · ".join(part for part in (hit.item.label, hit.item.note) if part) or tier.name
        lines.append((colour_of(tier, hit.item.label), text if len(text) < 60 else text[:59] + "…"))
    return Readout(clock_text(t, 2), lines)


def _word(model: TrackModel, t: float) -> str:
    spoken = model.spoken
    i = int(np.searchsorted(spoken.starts, t, side="right")) - 1
    return spoken.texts[i] if i >= 0 and t < spoken.ends[i] else ""


def spoken_description(model: TrackModel) -> str:
    """What there is, for who does not see it."""
    readings = 0 if model.series is None else len(model.series)
    moments = sum(len(row.starts) for row in model.tiers if row.tier.kind is not TierKind.TRACE)
    text = translate("track", "{0} long, {1} readings, {2} words, {3} annotations")
    return text.format(clock_text(model.end, 0), readings, len(model.spoken.texts), moments)
