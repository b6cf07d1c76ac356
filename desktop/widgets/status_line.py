"""The truth about the machine in one line at the bottom."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.models.health import Figures, HealthModel, Severity, severity
from desktop.widgets.labels import RESTYLING
from desktop.widgets.painted import LinkButton
from desktop.widgets.signs import paint_sign, severity_colour

_DOT = " · "
_SIGN = 12.0
_BETWEEN = 24.0  # px at least between left and right
_SIDE = 20


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One figure of the line."""

    text: str
    severity: Severity = Severity.GOOD


class StatusLine(QWidget):
    """Figures at the left, what runs at the right; touched by the window's thread only.

    Where it is narrow, the least important figures are left out, never one that is bad, and then texts are elided. The
    tool tip and the accessible description always have all of them. The model's name is a button.

    Signals
    -------
    card_requested : the user asks what the model is.
    """

    card_requested = Signal()

    def __init__(self, model: HealthModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._segments: list[Segment] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(200)
        self.setAccessibleName(self.tr("Status"))
        self.card = LinkButton("", self)
        self.card.clicked.connect(self.card_requested)
        model.changed.connect(self._refresh)
        self._refresh()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As drawn."""
        return QSize(1240, round(38 * theme.scale()))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """One line high."""
        return QSize(200, round(30 * theme.scale()))

    # ------------------------------------------------------------------ text

    def segments(self, figures: Figures) -> list[Segment]:
        """All figures that have been measured, the most important first."""
        f, out = figures, []
        if f.drawn_p95_ms is not None:
            out.append(Segment(text=self.tr("window → drawn {0:.0f} ms p95").format(f.drawn_p95_ms)))
        if f.dropped_percent is not None:
            text = self.tr("dropped {0:.1f} %").format(f.dropped_percent)
            out.append(Segment(text=text, severity=severity(f.dropped_percent)))
        if f.audio_lost_percent:
            text = self.tr("sound lost {0:.1f} %").format(f.audio_lost_percent)
            out.append(Segment(text=text, severity=severity(f.audio_lost_percent)))
        if f.speech_lag is not None:
            out.append(Segment(text=self.tr("speech lag {0:.1f} s").format(f.speech_lag)))
        if f.cpu_percent is not None:
            out.append(Segment(text=self.tr("CPU {0:.0f} %").format(f.cpu_percent)))
        if f.disk_left is not None:
            out.append(Segment(text=self._disk(f.disk_left)))
        return out

    def provenance(self, *, room: float) -> tuple[str, str]:
        """The model, elided or empty where there is no room for its name, and that it runs here."""
        local = self.tr("local only")
        rest = _DOT.join(part for part in (self._model.device, local) if part)
        name = self._model.checkpoint_name
        if not name:
            return "", rest
        metrics, link = self._metrics(), self._metrics(bold=True)
        card = _DOT + self.tr("card")
        for_name = room - metrics.horizontalAdvance(_DOT + rest) - link.horizontalAdvance(card)
        if for_name < link.horizontalAdvance("nnnnnn…"):
            return "", metrics.elidedText(rest, Qt.TextElideMode.ElideLeft, room)
        return link.elidedText(name, Qt.TextElideMode.ElideMiddle, for_name) + card, rest

    def fitted(self, room: float) -> list[Segment]:
        """As many figures as fit into ``room`` pixels; bad ones before all others."""
        order = sorted(range(len(self._segments)), key=lambda i: (self._segments[i].severity is Severity.GOOD, i))
        keep: list[int] = []
        for i in order:
            if self._width([self._segments[k] for k in sorted((*keep, i))]) > room:
                break
            keep.append(i)
        return [self._segments[i] for i in sorted(keep)]

    def shown(self) -> tuple[list[Segment], str, str]:
        """What is on screen at the width in force: figures, the model's button, and where it runs."""
        room = self.width() - 2.0 * _SIDE
        link, right = self.provenance(room=max(room * 0.42, room - self._width(self._segments) - _BETWEEN))
        left = room - self.width_of(link, right) - _BETWEEN
        segments = self.fitted(left)
        if not segments and self._segments:
            first = min(self._segments, key=lambda s: s.severity is Severity.GOOD)
            sign = _SIGN + 6.0 if first.severity is not Severity.GOOD else 0.0
            text = self._metrics().elidedText(first.text, Qt.TextElideMode.ElideRight, left - sign)
            segments = [Segment(text=text, severity=first.severity)] if text else []
        return segments, link, right

    def width_of(self, link: str, right: str) -> float:
        """Pixels that what runs takes up."""
        if not link:
            return self._metrics().horizontalAdvance(right)
        return self._metrics(bold=True).horizontalAdvance(link) + self._metrics().horizontalAdvance(_DOT + right)

    def _disk(self, seconds: float) -> str:
        if seconds >= 5400:
            return self.tr("disk {0} h left").format(round(seconds / 3600))
        return self.tr("disk {0} min left").format(round(seconds / 60))

    # -------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint both sides; the button paints itself."""
        segments, link, right = self.shown()
        right = _DOT + right if link else right
        painter = QPainter(self)
        colours = theme.theme()
        metrics = self._metrics()
        height = float(self.height())
        x = float(_SIDE)
        for i, segment in enumerate(segments):
            painter.setFont(self._font())
            if i:
                painter.setPen(colours.dim)
                x += self._text(painter, x, _DOT)
            if segment.severity is not Severity.GOOD:
                ground = severity_colour(segment.severity)
                paint_sign(painter, QPointF(x + _SIGN / 2, height / 2), _SIGN, segment.severity, ground=ground)
                x += _SIGN + 6.0
                painter.setFont(self._font(bold=True))
            painter.setPen(severity_colour(segment.severity))
            x += self._text(painter, x, segment.text)
        painter.setFont(self._font())
        painter.setPen(colours.dim)
        self._text(painter, self.width() - _SIDE - metrics.horizontalAdvance(right), right)
        painter.end()

    def _text(self, painter: QPainter, x: float, text: str) -> float:
        width = QFontMetricsF(painter.font()).horizontalAdvance(text)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(x, 0, width + 2, self.height()), flags, text)
        return width

    def _width(self, segments: list[Segment]) -> float:
        plain, bold = self._metrics(), self._metrics(bold=True)
        width = plain.horizontalAdvance(_DOT) * max(0, len(segments) - 1)
        for segment in segments:
            good = segment.severity is Severity.GOOD
            width += plain.horizontalAdvance(segment.text) if good else bold.horizontalAdvance(segment.text) + 18.0
        return width

    def _font(self, *, bold: bool = False) -> QFont:
        return theme.font(12, weight=QFont.Weight.DemiBold if bold else QFont.Weight.Normal)

    def _metrics(self, *, bold: bool = False) -> QFontMetricsF:
        return QFontMetricsF(self._font(bold=bold))

    # --------------------------------------------------------------- changes

    def _refresh(self) -> None:
        self._segments = self.segments(self._model.figures())
        words = {Severity.GOOD: "", Severity.AMBER: self.tr(" (high)"), Severity.RED: self.tr(" (too high)")}
        left = _DOT.join(s.text + words[s.severity] for s in self._segments)
        whole = _DOT.join(part for part in (left, *self.provenance(room=10_000)) if part)
        if whole != self.accessibleDescription():
            self.setAccessibleDescription(whole)
            self.setToolTip(whole)
        self._place()
        self.update()

    def _place(self) -> None:
        """Put the button where the name stands."""
        _, link, right = self.shown()
        name = self._model.checkpoint_name
        self.card.setVisible(bool(link))
        self.card.setText(link)
        self.card.setAccessibleName(self.tr("Model card of %1").replace("%1", name))
        self.card.setToolTip(
            self.tr("%1: what it learned from, how well it does, what it is not for").replace("%1", name)
        )
        self.card.fit()
        left = self.width() - _SIDE - self.width_of(link, right)
        self.card.move(round(left) - 6, (self.height() - self.card.height()) // 2)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Place the button anew."""
        super().resizeEvent(event)
        self._place()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme and the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING:
            self.updateGeometry()
            self._place()
            self.update()
