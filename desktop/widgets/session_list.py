"""Sessions and hits of a search as calm rows: painted by a delegate, so that thousands scroll as a few do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen, QTextLayout, QTextOption
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.library import LibraryModel
from desktop.models.recording import clock_text
from desktop.widgets.painted import LEFT, SEMI_BOLD, advance, draw_chip, draw_text, fitting
from desktop.widgets.session_text import emotions_text, facts_text, state_of, title_text, when_text, whole_text
from desktop.widgets.signs import paint_sign, severity_colour
from dmd_runtime import Hit, SessionSummary

Index = QModelIndex | QPersistentModelIndex
ITEM: Final = Qt.ItemDataRole.UserRole
_GAP: Final = 8  # px between rows
_PICTURE: Final = QSize(128, 72)
_EMOTIONS: Final = 236  # px for the emotions at the right
_NONE: Final = QModelIndex()


def _tr(text: str) -> str:
    return QCoreApplication.translate("Sessions", text)


class Rows(QAbstractListModel):
    """Sessions or hits; :data:`ITEM` is the thing itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.items: Sequence[SessionSummary | Hit] = ()
        self.titles: Mapping[Path, SessionSummary] = {}

    def set_items(self, items: Sequence[SessionSummary | Hit], titles: Mapping[Path, SessionSummary]) -> None:
        """Show others."""
        self.beginResetModel()
        self.items, self.titles = items, titles
        self.endResetModel()

    def rowCount(self, parent: Index = _NONE) -> int:  # noqa: N802 - Qt's name
        """Number of rows."""
        return 0 if parent.isValid() else len(self.items)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The thing itself, or what is said of it."""
        if not index.isValid() or index.row() >= len(self.items):
            return None
        item = self.items[index.row()]
        if role == ITEM:
            return item
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        if isinstance(item, SessionSummary):
            return whole_text(item)
        session = self.titles.get(item.folder)
        return "; ".join([item.snippet, clock_text(item.t), title_text(session) if session else item.folder.name])


class RowDelegate(QStyledItemDelegate):
    """Paints a row; the pictures come when they are there."""

    def __init__(self, model: LibraryModel, parent: QListView) -> None:
        super().__init__(parent)
        self._model = model
        self._view = parent

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802, ARG002 - Qt's
        """One height for all rows of a kind."""
        high = (_PICTURE.height() + 16 if isinstance(index.data(ITEM), SessionSummary) else 58) * _large()
        return QSize(200, round(high) + _GAP)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint the card, then what is on it."""
        item, state = index.data(ITEM), option.state
        look = theme.theme()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area = QRectF(option.rect).adjusted(0, 0, -_GAP, -_GAP)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        over = bool(state & QStyle.StateFlag.State_MouseOver)
        focused = chosen and self._view.hasFocus()
        edge = look.accent if chosen else look.dim if over else look.line
        wide = 2.0 if focused else 1.0
        painter.setPen(Qt.PenStyle.NoPen)
        for inset, colour in ((0.0, edge), (wide, look.card)):
            painter.setBrush(colour)
            painter.drawRoundedRect(
                area.adjusted(inset, inset, -inset, -inset), theme.RADIUS - inset, theme.RADIUS - inset
            )
        if isinstance(item, SessionSummary):
            self._paint_session(painter, area.adjusted(8, 8, -theme.INSIDE, -8), item)
        elif isinstance(item, Hit):
            self._paint_hit(painter, area.adjusted(theme.INSIDE, 0, -theme.INSIDE, 0), item)
        painter.restore()

    def _paint_session(self, painter: QPainter, area: QRectF, session: SessionSummary) -> None:
        high = area.height()
        place = QRectF(area.left(), area.top(), high * _PICTURE.width() / _PICTURE.height(), high)
        paint_picture(painter, place, self._model.picture(session.folder), sound=session.state != "unreadable")
        left, right, look = place.right() + theme.INSIDE, area.right(), theme.theme()
        if right - left > _EMOTIONS * 1.7:
            column = QRectF(right - _EMOTIONS * _large(), area.top(), _EMOTIONS * _large(), high)
            bar = QRectF(column.left(), area.center().y() - 8, column.width(), 6)
            if session.emotions:
                paint_shares(painter, bar, session.emotions)
            if session.readings:
                small = theme.font(11)
                most = [emotions_text(session, n) for n in (3, 2, 1)]
                line = QRectF(column.left(), bar.bottom() + 4, column.width(), 18)
                draw_text(painter, line, LEFT, fitting(small, line.width(), *most), small, look.dim)
            right = column.left() - theme.INSIDE
        third, width = high / 3, right - left
        big, small = theme.font(15, weight=SEMI_BOLD), theme.font(12)
        title = fitting(big, width, title_text(session))
        draw_text(painter, QRectF(left, area.top(), width, third), LEFT, title, big, look.ink)
        facts = facts_text(session)
        facts = fitting(small, width, facts, " · ".join(facts.split(" · ")[:2]))
        draw_text(painter, QRectF(left, area.top() + third, width, third), LEFT, facts, small, look.dim)
        middle = area.top() + 2.5 * third
        x = paint_state(painter, QPointF(left, middle), session, width)
        for mark in session.marks:
            if x + 12 + advance(theme.font(10, weight=QFont.Weight.Bold), mark) + 14 <= right:
                x = draw_chip(painter, x + 12, middle, mark)

    def _paint_hit(self, painter: QPainter, area: QRectF, hit: Hit) -> None:
        look, clock = theme.theme(), theme.font(12, weight=SEMI_BOLD)
        session = self._model.session(hit.folder)
        whole = hit.kind in ("participant", "session", "task", "note")
        column = 56 * _large()
        half = area.height() / 2
        if not whole:
            draw_text(
                painter, QRectF(area.left(), area.top() + 6, column, half - 4), LEFT, clock_text(hit.t), clock, look.ink
            )
        words = QRectF(area.left() + column, area.top() + 6, area.width() - column, half - 4)
        paint_marked(painter, words, hit)
        kind = {
            "word": _tr("words"),
            "marker": _tr("marker"),
            "note": _tr("notes"),
            "participant": _tr("participant"),
            "session": _tr("session"),
            "task": _tr("task"),
        }[hit.kind]
        below = [kind, *([title_text(session), when_text(session.started)] if session else [hit.folder.name])]
        small = theme.font(11)
        line = QRectF(words.left(), area.top() + half, words.width(), half - 6)
        draw_text(painter, line, LEFT, fitting(small, line.width(), " · ".join(below)), small, look.dim)


class SessionList(QListView):
    """A list of rows.

    Signals
    -------
    chosen(object) : the row the keyboard or the mouse is on; None without one.
    opened(object) : Enter or a double click.
    """

    chosen = Signal(object)
    opened = Signal(object)

    def __init__(self, model: LibraryModel, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = Rows(self)
        self._wanted: Path | None = None
        self.setModel(self._rows)
        self.setItemDelegate(RowDelegate(model, self))
        self.setAccessibleName(name)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.viewport().setAutoFillBackground(False)
        self.setStyleSheet("QListView { background: transparent; }")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.verticalScrollBar().setSingleStep(32)
        self.selectionModel().currentChanged.connect(lambda *_: self.chosen.emit(self.current))
        self.activated.connect(lambda index: self.opened.emit(index.data(ITEM)))
        model.picture_changed.connect(self._show_picture)

    @property
    def current(self) -> SessionSummary | Hit | None:
        """What the keyboard is on."""
        found: SessionSummary | Hit | None = self.currentIndex().data(ITEM)
        return found

    def set_items(self, items: Sequence[SessionSummary | Hit], sessions: Mapping[Path, SessionSummary]) -> None:
        """Show others; what was chosen stays so if it is still there, else what has come in its place."""
        before, row = self.current, self.currentIndex().row()
        same = [self._key(before)] if before is not None else []
        self._rows.set_items(items, sessions)
        at = next((i for i, item in enumerate(items) if self._key(item) in same), min(max(row, 0), len(items) - 1))
        if at >= 0:
            self.setCurrentIndex(self._rows.index(at))
        else:
            self.chosen.emit(None)
        if self._wanted is not None:
            self.choose(self._wanted)

    def choose(self, folder: Path) -> None:
        """Put the keyboard on the row of a session, now or as soon as it is listed."""
        row = next((row for row, item in enumerate(self._rows.items) if item.folder == folder), None)
        self._wanted = folder if row is None else None
        if row is not None:
            self.setCurrentIndex(self._rows.index(row))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.scheduleDelayedItemsLayout()

    @staticmethod
    def _key(item: SessionSummary | Hit) -> tuple[object, ...]:
        return (item.folder,) if isinstance(item, SessionSummary) else (item.folder, item.t, item.kind)

    def _show_picture(self, folder: Path) -> None:
        for row in range(self._rows.rowCount()):
            if self._rows.items[row].folder == folder:
                self.update(self._rows.index(row))


def paint_state(painter: QPainter, at: QPointF, session: SessionSummary, most: float) -> float:
    """The state in words with its sign, from ``at`` (left, middle) on; returns the right edge."""
    font, left, middle = theme.font(12), at.x(), at.y()
    text, severity = state_of(session)
    look, size = theme.theme(), 12 * _large()
    colour = look.dim if severity is Severity.GOOD else severity_colour(severity)
    start = left
    if severity is not Severity.GOOD:
        paint_sign(painter, QPointF(left + size / 2, middle), size, severity, ground=colour, ink=look.card)
        start += size + 6
    elif session.held:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.RECORDING)
        painter.drawEllipse(QPointF(left + size / 2, middle), 4.5, 4.5)
        start, colour = start + size + 6, look.ink
    text = fitting(font, most - (start - left), text)
    width = advance(font, text)
    draw_text(painter, QRectF(start, middle - 10, width + 4, 20), LEFT, text, font, colour)
    return start + width


def paint_shares(painter: QPainter, bar: QRectF, shares: Mapping[str, float]) -> None:
    """A thin bar divided by ``shares``, which sum to 1; always with words beside it."""
    shape = QPainterPath()
    shape.addRoundedRect(bar, bar.height() / 2, bar.height() / 2)
    painter.save()
    painter.setClipPath(shape)
    painter.fillRect(bar, theme.theme().track)
    x = bar.left()
    for label, share in shares.items():
        wide = bar.width() * share
        painter.fillRect(
            QRectF(x, bar.top(), max(0.0, wide - 1.0) if share < 1 else wide, bar.height()), theme.emotion_colour(label)
        )
        x += wide
    painter.restore()


def paint_picture(painter: QPainter, place: QRectF, image: QImage | None, *, sound: bool = True) -> None:
    """A small picture with round corners; a quiet wave where there is none."""
    shape = QPainterPath()
    shape.addRoundedRect(place, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
    if image is not None:
        painter.save()
        painter.setClipPath(shape)
        painter.drawImage(place, image)
        painter.restore()
        return
    look = theme.theme()
    painter.fillPath(shape, look.track)
    if sound:
        pen = QPen(theme.with_alpha(look.dim, 0.55), 2.5)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        centre, unit = place.center(), place.height() / 72
        for i, high in enumerate((5, 11, 17, 8, 13, 6, 3)):
            x = centre.x() + (i - 3) * 7 * unit
            painter.drawLine(QPointF(x, centre.y() - high * unit), QPointF(x, centre.y() + high * unit))


def paint_marked(painter: QPainter, place: QRectF, hit: Hit) -> None:
    """The snippet in one line, what was found in bold ink, scrolled so that it is to be seen."""
    look, font = theme.theme(), theme.font(14)
    metrics = QFontMetricsF(font)
    first = hit.marked[0] if hit.marked else (0, 0)
    cut = 0
    while cut < first[0] and metrics.horizontalAdvance(hit.snippet[cut : first[1]]) > place.width() * 0.6:
        cut = hit.snippet.find(" ", cut + 1) + 1 or first[0]
    text = ("… " if cut and not hit.snippet.startswith("…", cut) else "") + hit.snippet[cut:]
    shift = len(text) - len(hit.snippet)
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, place.width() * 0.98)
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.NoWrap)
    layout.setTextOption(option)
    found = [(max(0, a + shift), min(b + shift, len(text))) for a, b in hit.marked if a + shift < len(text)]
    layout.setFormats(
        [_range(text, 0, len(text), font, look.dim), *(_range(text, a, b, _bold(font), look.ink) for a, b in found)]
    )
    layout.beginLayout()
    line = layout.createLine()
    layout.endLayout()
    layout.draw(painter, QPointF(place.left(), round(place.top() + (place.height() - line.height()) / 2)))


def _range(text: str, start: int, end: int, font: QFont, colour: QColor) -> QTextLayout.FormatRange:
    made = QTextLayout.FormatRange()
    made.start, stop = (len(text[:at].encode("utf-16-le")) // 2 for at in (start, end))  # as Qt counts
    made.length = stop - made.start
    made.format.setFont(font)
    made.format.setForeground(colour)
    return made


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setWeight(SEMI_BOLD)
    return bold


def _large() -> float:
    return max(1.0, theme.scale())
