"""What is expressed now: the label, every emotion's share, what each modality alone says, and the sentiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from desktop import theme
from desktop.models.emotion import EmotionModel, EmotionState
from desktop.models.words import coverage_text, emotion_word, mark_words, modality_word, signed
from desktop.widgets.glide import Floats, Glide
from desktop.widgets.painted import (
    BOLD,
    CENTRE,
    LEFT,
    RIGHT,
    SEMI_BOLD,
    LinkButton,
    PaintedCard,
    advance,
    draw_chip,
    draw_text,
    fitting,
    title_font,
)
from dmd_runtime import MODALITIES, Modality

_RANGE: Final = 3.0
_SUBDUED: Final = 0.45
_NONE: Final = "–"


@dataclass(frozen=True)
class Frame:
    """Where things stand at one size: the header, the large words, the rows and the sentiment."""

    header: QRectF
    words: QRectF
    rows: tuple[QRectF, ...]
    names: float
    """Width of the column of names."""
    values: float
    """Width of the column of numbers."""
    sentiment: QRectF
    bar: float
    """Height of a bar."""


class EmotionPanel(PaintedCard):
    """The reading in large, with a bar per emotion in a fixed order.

    The marks on a bar are what the modalities say alone; each has its own colour and shape: L a full triangle, V an
    open one, A a full one that points up. A reading that is not valid is grey and says why; an untrained model's is
    subdued.

    Signals
    -------
    why_requested : the user asks why; ``EmotionModel.explanation()`` has the words.
    """

    why_requested = Signal()

    def __init__(self, model: EmotionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._frame: Frame | None = None
        self.glide = Glide(self, self._target())
        self.why = LinkButton(self.tr("Why? ▸"), self)
        self.why.setAccessibleName(self.tr("Why does it say so?"))
        self.why.clicked.connect(self.why_requested)
        self.setAccessibleName(self.tr("Expressed now"))
        model.changed.connect(self._take)
        self._take()

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """The size of the drawing."""
        return QSize(572, 236)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The least at which nothing touches."""
        return QSize(340, 196) * max(1.0, theme.scale())

    def frame(self) -> Frame:
        """Where everything stands at the present size."""
        if self._frame is None:
            self._frame = self._arrange()
        return self._frame

    # What is on screen -------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """Header, large words, bars, sentiment."""
        frame = self.frame()
        self._paint_header(painter, frame.header)
        self._paint_words(painter, frame.words)
        for i, (label, row) in enumerate(zip(self._model.labels, frame.rows, strict=False)):
            self._paint_row(painter, row, label, float(self.glide.at[i + 1]))
        if not self._model.labels:
            row = QRectF(frame.words.left(), frame.sentiment.top(), frame.sentiment.left() - 40, 20 * theme.scale())
            text = fitting(theme.font(13), row.width(), self._model.reason)
            draw_text(painter, row, LEFT, text, theme.font(13), theme.theme().dim)
        self._paint_sentiment(painter, frame.sentiment)

    def restyle(self) -> None:
        """Measure anew."""
        self._frame = None
        self._place_why()

    def _paint_header(self, painter: QPainter, line: QRectF) -> None:
        look, small = theme.theme(), theme.font(11)
        title = self.tr("EXPRESSED NOW")
        draw_text(painter, line, LEFT, title, title_font(), look.dim)
        left = line.left() + advance(title_font(), title) + 10
        for mark in self._model.marks:
            left = draw_chip(painter, left, line.center().y(), mark) + 6
        right = QRectF(left + 6, line.top(), line.right() - left - 6, line.height())
        if self._model.state is EmotionState.NOT_VALID:  # the reason stands beside the large words
            text = fitting(small, right.width(), coverage_text(dict(self._model.coverage)), "")
        else:
            text = fitting(small, right.width(), self._model.validity, self._model.validity.partition(" · ")[0], "")
        draw_text(painter, right, RIGHT, text, small, look.dim)

    def _paint_words(self, painter: QPainter, line: QRectF) -> None:
        look = theme.theme()
        plain = self._model.state is EmotionState.EMOTION and not self._subdued()
        large, beside = theme.font(26, weight=BOLD), theme.font(20)
        base = line.bottom() - QFontMetricsF(large).descent()
        painter.setFont(large)
        painter.setPen(look.ink if plain else look.dim)
        painter.drawText(QPointF(line.left(), round(base)), self._model.title)
        x = line.left() + advance(large, self._model.title) + 7
        probability = self._model.probability
        if probability is not None:
            painter.setFont(beside)
            painter.setPen(look.dim)
            text = f"{probability:.2f}"
            painter.drawText(QPointF(round(x), round(base)), text)
            x += advance(beside, text) + 16
            self._paint_key(painter, QRectF(x, line.top(), line.right() - x, line.height()), base)
        elif self._model.labels:
            font = theme.font(14)
            painter.setFont(font)
            painter.setPen(look.dim)
            painter.drawText(
                QPointF(round(x + 3), round(base)), fitting(font, line.right() - x - 3, self._model.reason)
            )

    def _paint_key(self, painter: QPainter, room: QRectF, base: float) -> None:
        """Which mark is whose, where there is room to say it."""
        look, font = theme.theme(), theme.font(11)
        here = [m for m in MODALITIES if any(m in said for said in self._model.opinions.values())]
        words = self.tr("alone:")
        size = 4.6 * theme.scale()
        gap, letter = 12 * theme.scale(), size + 4
        width = advance(font, words) + sum(gap + 2 * size + 4 + advance(font, m.value) for m in here)
        if not here or width > room.width():
            return
        x = room.right() - width
        painter.setFont(font)
        painter.setPen(look.dim)
        painter.drawText(QPointF(round(x), round(base)), words)
        x += advance(font, words)
        for m in here:
            x += gap + size
            draw_opinion(painter, m, QPointF(round(x), round(base) - 1), size, look.card)
            painter.setFont(font)
            painter.setPen(look.dim)
            painter.drawText(QPointF(round(x + letter), round(base)), m.value)
            x += letter + advance(font, m.value)

    def _paint_row(self, painter: QPainter, row: QRectF, label: str, share: float) -> None:
        look, frame, valid = theme.theme(), self.frame(), self._model.valid
        leading = label == self._model.label
        ink = look.ink if leading and not self._subdued() else look.dim
        font = theme.font(
            min(13, max(11, round(row.height() * 0.58))), weight=SEMI_BOLD if leading else QFont.Weight.Normal
        )
        track = self._track(row)
        row = QRectF(row.left(), track.center().y() - row.height() / 2, row.width(), row.height())
        name = QRectF(row.left(), row.top(), frame.names, row.height())
        draw_text(painter, name, LEFT, fitting(font, frame.names - 6, emotion_word(label)), font, ink)
        text = f"{self._model.shown[label]:.2f}" if valid and label in self._model.shown else _NONE
        draw_text(painter, row, RIGHT, text, font, ink)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.track)
        radius = track.height() / 2
        painter.drawRoundedRect(track, radius, radius)
        if share > 0:
            bar = QRectF(track.left(), track.top(), max(share * track.width(), min(4.0, radius)), track.height())
            end = min(radius, bar.width() / 2)
            colour = theme.emotion_colour(label)
            painter.setBrush(theme.with_alpha(colour, _SUBDUED) if self._subdued() else colour)
            painter.drawRoundedRect(bar, end, end if bar.width() < 2 * radius else radius)
        size = min(5.4, max(3.8, (row.height() - track.height()) * 0.55))
        said = self._model.opinions.get(label, {})
        for m in reversed(MODALITIES):
            if m in said:
                at = QPointF(track.left() + said[m] * track.width(), track.top() - 0.5)
                draw_opinion(painter, m, at, size, look.card)

    def _paint_sentiment(self, painter: QPainter, box: QRectF) -> None:
        look, s = theme.theme(), theme.scale()
        value = self._model.sentiment
        draw_text(
            painter,
            QRectF(box.left(), box.top(), box.width(), 16 * s),
            LEFT,
            self.tr("Sentiment"),
            theme.font(11, weight=SEMI_BOLD),
            look.dim,
        )
        track = self._scale(box)
        large, thick = theme.font(22, weight=BOLD), track.height()
        line = QRectF(box.left(), track.top() - 36 * s, box.width(), 28 * s)
        ink = look.ink if value is not None and not self._subdued() else look.dim
        draw_text(painter, line, CENTRE, signed(value) if value is not None else _NONE, large, ink)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.track)
        painter.drawRoundedRect(track, thick / 2, thick / 2)
        zero = track.center().x()
        if value is not None:
            knob = 7.5 * s
            reach = track.width() / 2 - knob
            x = zero + float(self.glide.at[0]) / _RANGE * reach
            painter.setBrush(theme.with_alpha(look.dim, 0.55))
            painter.drawRect(QRectF(min(x, zero), track.top(), abs(x - zero), thick))
            self._paint_zero(painter, zero, track, look.dim)
            painter.setPen(QPen(look.card, 2.0))
            painter.setBrush(ink)
            painter.drawEllipse(QPointF(x, track.center().y()), knob, knob)
        else:
            self._paint_zero(painter, zero, track, look.dim)
        foot = QRectF(track.left(), track.bottom() + 5 * s, track.width(), 14 * s)
        draw_text(painter, foot, LEFT, "−3", theme.font(11), look.dim)
        draw_text(painter, foot, RIGHT, "+3", theme.font(11), look.dim)

    @staticmethod
    def _paint_zero(painter: QPainter, x: float, track: QRectF, colour: QColor) -> None:
        painter.setPen(QPen(colour, 1.0))
        painter.drawLine(QPointF(x, track.top() - 2), QPointF(x, track.bottom() + 2))

    # Measures ----------------------------------------------------------------------------------------------------

    def _arrange(self) -> Frame:
        s = theme.scale()
        inside = QRectF(self.rect()).adjusted(18, 12, -18, -14)
        tall = inside.height() >= 190 * s
        header = QRectF(inside.left(), inside.top(), inside.width(), 18 * s)
        words = QRectF(inside.left(), header.bottom() + (2 if tall else 0), inside.width(), 34 * s)
        top = words.bottom() + (8 if tall else 2) * s
        labels = max(1, len(self._model.labels))
        pitch = min(36 * s, (inside.bottom() - top) / labels)
        column = max(76.0, min(150.0, inside.width() * 0.22)) * max(1.0, s * 0.9)
        wide = inside.width() - column - (28 if inside.width() > 420 else 18)
        metrics = QFontMetricsF(theme.font(13, weight=SEMI_BOLD))
        names = max((metrics.horizontalAdvance(emotion_word(label)) for label in self._model.labels), default=0.0)
        return Frame(
            header=header,
            words=words,
            rows=tuple(QRectF(inside.left(), top + i * pitch, wide, pitch) for i in range(labels)),
            names=min(names + 16, wide * 0.42),
            values=metrics.horizontalAdvance("0.00") + 9,
            sentiment=QRectF(inside.right() - column, top, column, min(inside.bottom() - top, 230 * s)),
            bar=max(6.0, min(17.0, pitch * 0.6)),
        )

    def _track(self, row: QRectF) -> QRectF:
        frame = self.frame()
        height = round(frame.bar)
        top = round(row.center().y() - height / 2 + min(1.5, (row.height() - height) / 4))
        return QRectF(row.left() + frame.names, top, row.width() - frame.names - frame.values, height)

    @staticmethod
    def _scale(box: QRectF) -> QRectF:
        """The track from -3 to +3, a little below the middle of what the title and the link leave."""
        s = theme.scale()
        middle = (box.top() + 16 * s + box.bottom() - 26 * s) / 2
        return QRectF(box.left(), middle + 6 * s, box.width(), 7 * s)

    def _subdued(self) -> bool:
        return "UNTRAINED" in self._model.marks

    def _target(self) -> Floats:
        """Sentiment, then the shares to draw; float64 (1 + labels,)."""
        shares = [self._model.shown.get(label, 0.0) for label in self._model.labels]
        return np.array([self._model.sentiment or 0.0, *shares])

    def _place_why(self) -> None:
        self.why.fit()
        box = self.frame().sentiment
        self.why.move(round(box.left()) - 6, round(box.bottom() - self.why.height() + 4))

    # Events ------------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        if self._frame is not None and len(self._frame.rows) != max(1, len(self._model.labels)):
            self._frame = None
        self.glide.to(self._target(), jump=not self._model.valid)
        self.setAccessibleDescription(self._words())

    def _words(self) -> str:
        """The panel for who does not see it."""
        model = self._model
        parts = [model.title if model.probability is None else f"{model.title} {model.probability:.2f}"]
        if model.reason:
            parts.append(model.reason)
        parts += [f"{emotion_word(label)} {p:.2f}" for label, p in model.shown.items()]
        if model.sentiment is not None:
            parts.append(self.tr("sentiment {value}").format(value=signed(model.sentiment)))
        return ", ".join([*parts, *model.marks])

    def event(self, event: QEvent) -> bool:
        """Tool tips of rows, of the marks above them and of the header."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.hint_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def hint_at(self, point: QPointF) -> str:
        """The tool tip at ``point``."""
        for label, row in zip(self._model.labels, self.frame().rows, strict=False):
            if row.contains(point):
                return self._row_hint(label)
        if self.frame().header.contains(point):
            return "\n".join([self._model.validity, *(f"{mark}: {mark_words(mark)}" for mark in self._model.marks)])
        if self.frame().sentiment.contains(point):
            return self.tr("Expressed sentiment, from −3 (negative) to +3 (positive)")
        return self.tr("What is expressed in the last window, never what is felt")

    def _row_hint(self, label: str) -> str:
        if label not in self._model.raw:
            return f"{emotion_word(label)}: {self._model.reason or _NONE}"
        lines = [
            self.tr("{emotion}: {shown:.2f} shown, {raw:.2f} in this window").format(
                emotion=emotion_word(label), shown=self._model.shown[label], raw=self._model.raw[label]
            )
        ]
        said: Mapping[Modality, float] = self._model.opinions.get(label, {})
        lines += [
            self.tr("{letter} {modality} alone: {p:.2f}").format(letter=m.value, modality=modality_word(m), p=p)
            for m, p in said.items()
        ]
        return "\n".join(lines)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Measure anew."""
        self._frame = None
        self._place_why()
        super().resizeEvent(event)


def draw_opinion(painter: QPainter, m: Modality, foot: QPointF, size: float, ground: QColor) -> None:
    """A modality's mark, standing on ``foot``: L a full triangle, V an open one, A a full one that points up."""
    x, y, high = foot.x(), foot.y(), 1.25 * size
    round_join = (Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    if m is Modality.VISUAL:
        open_ = [QPointF(x - size * 0.8, y - high + 0.8), QPointF(x, y - 1.0), QPointF(x + size * 0.8, y - high + 0.8)]
        for pen in (QPen(ground, 3.4, *round_join), QPen(theme.MODALITY[m], 1.8, *round_join)):
            painter.setPen(pen)
            painter.drawPolyline(open_)
        return
    tip, base = (y, y - high) if m is Modality.LANGUAGE else (y - high, y)
    shape = [QPointF(x - size, base), QPointF(x + size, base), QPointF(x, tip)]
    painter.setPen(QPen(ground, 2.0, *round_join))
    painter.setBrush(ground)
    painter.drawPolygon(shape)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.MODALITY[m])
    painter.drawPolygon(shape)
