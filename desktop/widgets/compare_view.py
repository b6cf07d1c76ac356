"""A comparison drawn: each figure with its interval on its scale, and who said what when the other said what."""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.models.comparing import (
    SCALES,
    agreement_text,
    amount_text,
    figure_name,
    figure_text,
    interval_text,
    reason_text,
)
from desktop.models.words import emotion_word
from desktop.widgets.painted import CENTRE, LEFT, RIGHT, SEMI_BOLD, PaintedCard, advance, draw_text, fitting, title_font
from dmd_runtime import Agreement

_LINE: Final = 42.0
_FIGURES: Final = 330.0
"""Width of the figures beside a matrix."""
_CELL: Final = 46.0
_WRAPPED: Final = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)


class CompareView(PaintedCard):
    """Shows an agreement between two who have names; a reader hears it as text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: Agreement | None = None
        self._names = ("", "")
        self._remark = ""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(self.tr("Comparison"))

    @property
    def text(self) -> str:
        """What is shown, to be copied."""
        return self._remark if self._found is None else agreement_text(self._found, *self._names)

    def show_agreement(self, found: Agreement, first: str, second: str) -> None:
        """Show figures, or why there are none."""
        self._found, self._names, self._remark = found, (first, second), ""
        self._refresh()

    def show_remark(self, text: str) -> None:
        """Show a sentence instead."""
        self._found, self._remark = None, text
        self._refresh()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for seven labels."""
        return QSize(820, 470) * max(1.0, theme.scale())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As low as 1024 × 640 needs."""
        return QSize(640, 360)

    def paint(self, painter: QPainter) -> None:
        """Figures at the left, the matrix at the right."""
        look, s = theme.theme(), theme.scale()
        inside = QRectF(self.rect()).adjusted(theme.INSIDE, 12, -theme.INSIDE, -12)
        found = self._found
        sentence = self._remark if found is None else reason_text(found)
        if found is None or sentence:
            painter.setFont(theme.font(13))
            painter.setPen(look.ink)
            painter.drawText(inside.adjusted(0, 8, 0, 0), _WRAPPED, sentence)
            return
        painter.setFont(theme.font(12))
        painter.setPen(look.dim)
        foot = QRectF(inside.left(), inside.bottom() - 34 * s, inside.width(), 34 * s)
        painter.drawText(foot, _WRAPPED, amount_text(found))
        area = inside.adjusted(0, 0, 0, -42 * s)
        wide = area.width() if not found.labels else min(_FIGURES * s, 0.46 * area.width())
        self._paint_figures(painter, QRectF(area.left(), area.top(), wide, area.height()), found)
        if found.labels:
            self._paint_matrix(painter, area.adjusted(wide + 2 * theme.GAP, 0, 0, 0), found)

    def _paint_figures(self, painter: QPainter, area: QRectF, found: Agreement) -> None:
        look, s = theme.theme(), theme.scale()
        draw_text(
            painter,
            QRectF(area.left(), area.top(), area.width(), 18 * s),
            LEFT,
            self.tr("95 % INTERVALS"),
            title_font(),
            look.dim,
        )
        bold, small = theme.font(13, weight=SEMI_BOLD), theme.font(11)
        y = area.top() + 26 * s
        for name, (value, low, high) in found.figures.items():
            line = QRectF(area.left(), y, area.width(), 18 * s)
            draw_text(painter, line, LEFT, figure_name(name), theme.font(13), look.ink)
            draw_text(painter, line, RIGHT, figure_text(name, value), bold, look.ink)
            under = line.translated(0, 18 * s)
            interval = interval_text(name, low, high)
            draw_text(painter, under, RIGHT, interval, small, look.dim)
            if name in SCALES:
                rail = QRectF(area.left(), under.center().y() - 2, area.width() - 130 * s, 4)
                self._paint_scale(
                    painter, rail, SCALES[name], (value, low, high), found.chance if name == "agreement" else 0.0
                )
            y += (_LINE + 8) * s
        if found.labels:
            text = self.tr("| by chance: {0}").format(figure_text("agreement", found.chance))
            draw_text(painter, QRectF(area.left(), y, area.width(), 18 * s), LEFT, text, small, look.dim)

    @staticmethod
    def _paint_scale(
        painter: QPainter, rail: QRectF, least: float, values: tuple[float, float, float], chance: float
    ) -> None:
        """From ``least`` to 1: the interval as a bar, the figure as a dot, chance as a tick."""
        look = theme.theme()

        def x(value: float) -> float:
            return rail.left() + (min(1.0, max(least, value)) - least) / (1 - least) * rail.width()

        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.track)
        painter.drawRoundedRect(rail, 2, 2)
        painter.fillRect(QRectF(x(chance) - 0.5, rail.top() - 4, 1.5, rail.height() + 8), look.dim)
        value, low, high = values
        if not (math.isnan(low) or math.isnan(high)):
            painter.setBrush(theme.with_alpha(look.accent, 0.5))
            painter.drawRoundedRect(QRectF(x(low), rail.top() - 1, max(3.0, x(high) - x(low)), rail.height() + 2), 3, 3)
        if not math.isnan(value):
            painter.setBrush(look.accent)
            painter.setPen(QPen(look.card, 1.5))
            painter.drawEllipse(QPointF(x(value), rail.center().y()), 5, 5)

    def _paint_matrix(self, painter: QPainter, area: QRectF, found: Agreement) -> None:
        """Rows the first's labels, columns the second's; the darker, the more of the row."""
        look, s = theme.theme(), theme.scale()
        words, font = [emotion_word(label) for label in found.labels], theme.font(11)
        longest = min(110 * s, max(advance(font, word) for word in words) + 10)
        title = self.tr("ROWS: {0}   COLUMNS: {1}").format(*self._names)
        head = QRectF(area.left(), area.top(), area.width(), 18 * s)
        draw_text(painter, head, LEFT, fitting(title_font(), head.width(), title), title_font(), look.dim)
        room = area.adjusted(longest, 26 * s + longest, 0, 0)
        side = min(_CELL * s, room.width() / len(words), room.height() / len(words))
        totals = found.confusion.sum(axis=1)
        for i, word in enumerate(words):
            y, x = room.top() + i * side, room.left() + i * side
            name = fitting(font, longest - 8, word)
            draw_text(painter, QRectF(area.left(), y, longest - 8, side), RIGHT, name, font, look.ink)
            painter.save()
            painter.translate(x + side / 2, room.top() - 6)
            painter.rotate(-90)
            draw_text(painter, QRectF(0, -8 * s, longest, 16 * s), LEFT, name, font, look.ink)
            painter.restore()
            for j in range(len(words)):
                count = int(found.confusion[i, j])
                cell = QRectF(room.left() + j * side, y, side, side).adjusted(1, 1, -1, -1)
                share = count / totals[i] if totals[i] else 0.0
                painter.setPen(QPen(look.ink, 1.2) if i == j else Qt.PenStyle.NoPen)
                painter.setBrush(theme.with_alpha(look.accent, 0.75 * share) if count else look.track)
                painter.drawRoundedRect(cell, 4, 4)
                if count:
                    draw_text(painter, cell, CENTRE, str(count), font, look.ink)

    def _refresh(self) -> None:
        self.setAccessibleDescription(self.text)
        self.update()
