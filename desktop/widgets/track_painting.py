"""How the rows of a replay's timeline are drawn. Functions of numbers; no state."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from PySide6.QtCore import QCoreApplication, QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from desktop import theme
from desktop.models.level_of_detail import Detail, Floats, Means, share_covered
from desktop.models.track import Series, Spoken, TierRow, TrackModel
from desktop.models.words import edge_arrow
from desktop.widgets.lanes import lane_top
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, advance, draw_text, fitting
from desktop.widgets.timeline_painting import muted
from desktop.widgets.track_layout import Kind, Row, TimeAxis
from desktop.widgets.track_raster import bar_picture, hatch_picture, line_picture, stack_picture, strip_picture
from dmd_runtime import MODALITIES, UNIFORM, Graph

translate = QCoreApplication.translate

SENTIMENT: Final = 3.0
"""Sentiment is in [-3, 3]."""
_READABLE: Final = 34.0
"""Pixels a second from which words are written out."""
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_SHORT: Final = {Graph.HOMOGENEOUS: "homo", Graph.HETEROGENEOUS: "hetero"}


def clock_text(t: float, decimals: int = 1) -> str:
    """E.g. ``4:05.2`` or ``1:04:05.2``."""
    units = 10**decimals
    ticks = int(max(0.0, t) * units + 1e-6)
    seconds, part = divmod(ticks, units)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{seconds:02d}" + (f".{part:0{decimals}d}" if decimals else "")


def draw_axis(painter: QPainter, box: QRectF, body: QRectF, axis: TimeAxis) -> None:
    """Times along the top, and faint lines down from them."""
    look, font = theme.theme(), theme.font(11)
    step = next((s for s in _STEPS if s * axis.pixels >= 76 * theme.scale()), _STEPS[-1])
    decimals = 1 if step < 1 else 0
    for k in range(int(np.ceil(axis.start / step - 1e-9)), int(axis.end / step + 1e-9) + 1):
        x = round(axis.x(k * step))
        painter.fillRect(QRectF(x, box.bottom() - 4, 1, 4), look.dim)
        painter.fillRect(QRectF(x, body.top(), 1, body.height()), theme.with_alpha(look.line, 0.55))
        room = QRectF(x - 40, box.top(), 80, box.height() - 7)
        align = CENTRE
        if room.left() < box.left() - 20:
            room, align = QRectF(x, room.top(), 80, room.height()), LEFT
        elif room.right() > box.right() + 20:
            room, align = QRectF(x - 80, room.top(), 80, room.height()), RIGHT
        draw_text(painter, room, align, clock_text(k * step, decimals), font, look.dim)


def draw_series(painter: QPainter, row: Row, axis: TimeAxis, model: TrackModel) -> None:
    """Emotions, sentiment, an edge, or the coverage of a modality."""
    look, box, series = theme.theme(), row.box, model.series
    if row.kind in (Kind.EMOTION, Kind.COVERAGE):
        painter.fillRect(box, look.track)
    elif row.kind is Kind.SENTIMENT:
        _rule(painter, box, 0.5)
    else:
        weights = np.empty(0) if series is None else series.edge(model.lanes[row.number])
        _rule(painter, box, UNIFORM / lane_top(weights))
    if series is None or not len(series):
        return
    height = axis.rows(box)
    if row.kind is Kind.EMOTION and series.labels:
        paint(painter, box, _hatched(series, axis, height))
        paint(painter, box, emotions(series, axis, height))
    elif row.kind is Kind.EMOTION:
        paint(painter, box, _hatched(series, axis, height))
    elif row.kind is Kind.COVERAGE:
        share = series.mean_coverage.over(series.detail.cells(axis.edges()))[:, row.number]
        paint(painter, box, strip_picture(np.where(share > 0, share, np.nan), theme.MODALITY[MODALITIES[row.number]]))
    elif row.kind is Kind.SENTIMENT:
        line = Line(series.sentiment, series.mean_sentiment, 2 * SENTIMENT, 0.5)
        _draw_line(painter, box, axis, series.detail, line, look.ink)
    else:
        lane = model.lanes[row.number]
        weights = series.edge(lane)
        line = Line(weights, series.mean_edge(lane), lane_top(weights), 0.0)
        _draw_line(painter, box, axis, series.detail, line, theme.MODALITY[lane[1].teacher])


class Line(NamedTuple):
    """A curve, its means, and the axis on which it is drawn: ``values / top + foot`` is a share of the height."""

    values: Floats
    means: Means
    top: float
    foot: float


def _draw_line(  # noqa: PLR0917 - a painter, where, and what
    painter: QPainter, box: QRectF, axis: TimeAxis, detail: Detail, line: Line, colour: QColor
) -> None:
    """The mean of each column, over a veil from its least to its greatest, so that a peak of one reading is seen."""
    cells, height = detail.cells(axis.edges()), axis.rows(box)
    low, high = (ends / line.top + line.foot for ends in detail.extent(line.values, cells))
    if (cells.stop - cells.first).max(initial=0) > 1:
        paint(painter, box, line_picture(low, high, height, theme.with_alpha(colour, 0.32), axis.ratio))
        low = high = line.means.over(cells)[:, 0] / line.top + line.foot
    paint(painter, box, line_picture(low, high, height, colour, axis.ratio))


def emotions(series: Series, axis: TimeAxis, height: int) -> QImage:
    """The stack of emotions."""
    shares = series.mean_emotions.over(series.detail.cells(axis.edges()))
    return stack_picture(shares, height, [muted(theme.emotion_colour(label)) for label in series.labels])


def _hatched(series: Series, axis: TimeAxis, height: int) -> QImage:
    cells = series.detail.cells(axis.edges())
    low, _ = series.detail.extent(series.valid.astype(np.float64), cells)
    return hatch_picture(low == 0.0, height, theme.with_alpha(theme.theme().dim, 0.5), axis.ratio)


def draw_words(painter: QPainter, box: QRectF, axis: TimeAxis, spoken: Spoken) -> None:
    """How dense the words are; from near enough the words themselves."""
    look = theme.theme()
    if axis.pixels < _READABLE:
        share = share_covered(spoken.starts, spoken.ends, axis.edges())
        paint(painter, box, bar_picture(share, axis.rows(box), theme.with_alpha(look.dim, 0.8)))
        return
    font = theme.font(11)
    first = int(np.searchsorted(spoken.ends, axis.start))
    stop = int(np.searchsorted(spoken.starts, axis.end))
    for i in range(first, stop):
        left, right = axis.x(spoken.starts[i]), axis.x(spoken.ends[i])
        after = axis.x(spoken.starts[i + 1]) if i + 1 < len(spoken.texts) else right + 40
        painter.fillRect(QRectF(left, box.bottom() - 2, max(1.0, right - left - 1), 2), theme.with_alpha(look.dim, 0.6))
        text = fitting(font, max(right, after) - left - 3, spoken.texts[i])
        if len(text) > 1 or text == spoken.texts[i]:
            draw_text(painter, QRectF(left, box.top() - 1, 400, box.height() - 1), LEFT, text, font, look.ink)


def draw_trace(painter: QPainter, box: QRectF, axis: TimeAxis, row: TierRow) -> None:
    """A curve in [-1, 1]."""
    detail = Detail(row.starts)
    low, high = detail.extent(row.values / 2 + 0.5, detail.cells(axis.edges()))
    _rule(painter, box, 0.5)
    paint(painter, box, line_picture(low, high, axis.rows(box), theme.theme().accent, axis.ratio))


def draw_name(painter: QPainter, row: Row, column: QRectF, model: TrackModel) -> None:
    """What a row is, left of it."""
    look, s = theme.theme(), theme.scale()
    line = QRectF(column.left(), row.box.center().y() - 8 * s, column.width(), 16 * s)
    font, small = theme.font(12), theme.font(11)
    if row.kind is Kind.EDGE:
        graph, edge = model.lanes[row.number]
        draw_text(painter, line, LEFT, edge_arrow(edge), font, look.ink)
        beside = line.adjusted(advance(font, edge_arrow(edge)) + 6, 0, 0, 0)
        draw_text(painter, beside, LEFT, _SHORT[graph], small, look.dim)
    elif row.kind is Kind.COVERAGE:
        bold = theme.font(10, weight=SEMI_BOLD)
        if row.box.height() >= 10 * s:
            draw_text(painter, line, RIGHT, MODALITIES[row.number].value, bold, look.dim)
        elif row.number == 1:
            draw_text(painter, line, RIGHT, " ".join(m.value for m in MODALITIES), bold, look.dim)
        if row.number == 1:
            draw_text(painter, line, LEFT, translate("track", "coverage"), font, look.dim)
    elif row.kind is Kind.TIER:
        tier = model.tiers[row.number].tier
        whole = f"{tier.name} · {tier.by}" if tier.by else tier.name
        draw_text(painter, line, LEFT, fitting(font, line.width(), whole, tier.name), font, look.ink)
    else:
        names = {
            Kind.EMOTION: translate("track", "emotion"),
            Kind.SENTIMENT: translate("track", "sentiment"),
            Kind.WORDS: translate("track", "words"),
        }
        draw_text(painter, line, LEFT, names[row.kind], font, look.dim)


def draw_overview(painter: QPainter, box: QRectF, model: TrackModel, ratio: float) -> None:
    """The whole session, small."""
    painter.fillRect(box, theme.theme().track)
    series, whole = model.series, TimeAxis(box.left(), box.right(), 0.0, max(model.end, 1e-3), ratio)
    if series is not None and len(series) and series.labels:
        painter.setOpacity(0.75)
        paint(painter, box, emotions(series, whole, whole.rows(box)))
        painter.setOpacity(1.0)
    painter.setPen(QPen(theme.theme().ink, 1.0))
    for row in model.tiers:
        if np.isnan(row.values).all() and len(row.starts):
            xs = np.unique(np.round(whole.xs(row.starts))) + 0.5
            painter.drawLines([QLineF(x, box.top(), x, box.top() + 5) for x in xs.tolist()])


def draw_window(painter: QPainter, box: QRectF, left: float, right: float) -> None:
    """Which part of the overview is in view: the rest is veiled."""
    look = theme.theme()
    veil = theme.with_alpha(look.card, 0.66)
    painter.fillRect(QRectF(box.left(), box.top(), left - box.left(), box.height()), veil)
    painter.fillRect(QRectF(right, box.top(), box.right() - right, box.height()), veil)
    painter.setPen(QPen(look.accent, 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(left, box.top(), max(3.0, right - left), box.height()).adjusted(0, 0, 0, 0), 3, 3)


def draw_head(painter: QPainter, x: float, axis: QRectF, bottom: float) -> None:
    """The play head: a line, and a handle on the axis."""
    look = theme.theme()
    x, top = round(x), axis.bottom() - 8
    painter.fillRect(QRectF(x - 1, top + 4, 2, bottom - top - 4), look.ink)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.ink)
    painter.drawPolygon(QPolygonF([QPointF(x - 6.5, top), QPointF(x + 6.5, top), QPointF(x, top + 9)]))


def draw_selection(painter: QPainter, body: QRectF, left: float, right: float, *, loops: bool) -> None:
    """A span that is selected; a line on top where it is repeated."""
    look = theme.theme()
    painter.fillRect(QRectF(left, body.top(), right - left, body.height()), theme.with_alpha(look.accent, 0.16))
    for x in (left, right):
        painter.fillRect(QRectF(round(x) - 0.5, body.top(), 1, body.height()), look.accent)
    if loops:
        painter.fillRect(QRectF(left, body.top() - 3, right - left, 3), look.accent)


def draw_scroll(painter: QPainter, body: QRectF, x: float, scrolled: float, hidden: float) -> None:
    """How far the rows are scrolled, where not all fit."""
    share = body.height() / (body.height() + hidden)
    top = body.top() + scrolled / (body.height() + hidden) * body.height()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.theme().line)
    painter.drawRoundedRect(QRectF(x, top, 4, max(12.0, share * body.height())), 2, 2)


def paint(painter: QPainter, box: QRectF, picture: QImage) -> None:
    """A picture of device pixels into its box."""
    painter.drawImage(box, picture, QRectF(picture.rect()))


def _rule(painter: QPainter, box: QRectF, share: float) -> None:
    y = round(box.bottom() - share * box.height())
    painter.fillRect(QRectF(box.left(), y, box.width(), 1), theme.with_alpha(theme.theme().dim, 0.35))
