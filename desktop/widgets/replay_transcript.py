"""The words of a recorded session: they follow the play head, a click goes there, and they can be searched."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QMargins, QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import QFrame, QLineEdit, QPlainTextEdit, QSizePolicy, QTextEdit, QToolTip, QWidget

from desktop import theme
from desktop.models.replay_text import ReplayTextModel
from desktop.widgets.labels import RESTYLING, Label, set_text_size
from desktop.widgets.titled_card import TitledCard
from desktop.widgets.track_painting import clock_text

_PIXELS: Final = 16
_MOST_HITS: Final = 2000
"""Places that are marked at once."""
_MOVED: Final = 4
"""Pixels beyond which a press and release selects text instead of going there."""


class RecordedWords(QPlainTextEdit):
    """Read-only text; the word that is said is marked, and what was searched for.

    Signals
    -------
    seek_requested(float)
    """

    seek_requested = Signal(float)

    def __init__(self, model: ReplayTextModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._pressed = QPoint()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUndoRedoEnabled(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(0)
        self.setAccessibleName(self.tr("Words of the session"))
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        model.text_changed.connect(self._write)
        model.word_changed.connect(self._follow)
        model.hits_changed.connect(self._show_hits)
        self.restyle()
        self._write()

    def restyle(self) -> None:
        """Follow theme and font scale."""
        set_text_size(self, theme.font(_PIXELS))
        rule = "RecordedWords { background: transparent; border: 0; padding: 0; %s }"
        self.setStyleSheet(rule % f"font-size: {theme.font(_PIXELS).pixelSize()}px;")
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Text, theme.theme().ink)
        self.setPalette(palette)
        self._mark()

    def word_under(self, at: QPoint) -> int | None:
        """Number of the word at a point of the viewport."""
        cursor = self.cursorForPosition(at)
        box = self.cursorRect(cursor)
        if not box.adjusted(-40, -4, 40, 4).contains(at):
            return None
        return self._model.text.word_at_place(cursor.position())

    # --------------------------------------------------------------- changes

    def _write(self) -> None:
        self.setPlainText(self._model.text.text)
        self._mark()

    def _follow(self) -> None:
        self._mark()
        word = self._model.word
        if word is not None and not self.textCursor().hasSelection() and not self.viewport().underMouse():
            self._show(self._model.text.places[word])

    def _show_hits(self) -> None:
        self._mark()
        if self._model.hit >= 0:
            self._show(self._model.hits[self._model.hit][0])

    def _show(self, place: int) -> None:
        """Scroll there, to the middle, if it is not on screen or only just; the text cursor goes there too."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(min(place, max(0, self.document().characterCount() - 1)))
        self.setTextCursor(cursor)
        box = self.cursorRect()
        if box.top() < 0 or box.bottom() > self.viewport().height() - self.fontMetrics().lineSpacing() // 3:
            self.centerCursor()

    def _mark(self) -> None:
        model, look = self._model, theme.theme()
        marks = [
            self._marked(place, length, theme.with_alpha(theme.WARNING, 0.75 if i == model.hit else 0.3), None)
            for i, (place, length) in enumerate(model.hits[:_MOST_HITS])
        ]
        if model.word is not None:
            place, length = model.text.places[model.word], model.text.lengths[model.word]
            marks.append(self._marked(place, length, theme.with_alpha(look.accent, 0.34), look.ink))
        self.setExtraSelections(marks)

    def _marked(self, place: int, length: int, ground: QColor, ink: QColor | None) -> QTextEdit.ExtraSelection:
        mark = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.document())
        cursor.setPosition(place)
        cursor.setPosition(place + length, QTextCursor.MoveMode.KeepAnchor)
        style = QTextCharFormat()
        style.setBackground(ground)
        if ink is not None:
            style.setForeground(ink)
        mark.cursor, mark.format = cursor, style
        return mark

    # ---------------------------------------------------------------- events

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Remember where."""
        self._pressed = event.position().toPoint()
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the word that was clicked."""
        super().mouseReleaseEvent(event)
        at = event.position().toPoint()
        word = self.word_under(at)
        still = (at - self._pressed).manhattanLength() <= _MOVED
        if event.button() is Qt.MouseButton.LeftButton and word is not None and still:
            self.seek_requested.emit(self._model.text.starts[word])

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter goes to the word at the cursor."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            word = self._model.text.word_at_place(self.textCursor().position())
            if word is not None:
                self.seek_requested.emit(self._model.text.starts[word])
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the text; what hangs down from the line that has just left is covered."""
        super().paintEvent(event)
        if self.verticalScrollBar().value():
            painter = QPainter(self.viewport())
            painter.fillRect(0, 0, self.viewport().width(), 2, theme.theme().card)
            painter.end()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tell when the word under the mouse was said, and how sure that is."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_about(event.pos()), self)
            return True
        return super().viewportEvent(event)

    def text_about(self, at: QPoint) -> str:
        """What the tool tip says; empty where there is no word."""
        word, text = self.word_under(at), self._model.text
        if word is None:
            return ""
        parts = [self.tr("said at {0}").format(clock_text(text.starts[word], 2))]
        parts += [self.tr("p {0:.2f}").format(text.certainty[word])] if text.certainty[word] >= 0 else []
        parts += [self.tr("no face was in view")] if word in text.unseen else []
        return " · ".join(parts)


class ReplayTranscript(TitledCard):
    """The card of the words, with a field to search them.

    Signals
    -------
    seek_requested(float)
    """

    seek_requested = Signal(float)

    def __init__(self, model: ReplayTextModel, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._model = model
        self.title.setText(self.tr("WORDS"))
        self.setAccessibleName(self.tr("Words"))
        self.edit = RecordedWords(model)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search  Ctrl+F"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(self.tr("Search the words"))
        self.search.setFixedWidth(round(190 * theme.scale()))
        self.search.setFixedHeight(round(26 * theme.scale()))
        self.search.setStyleSheet("QLineEdit { padding: 1px 8px; }")
        self.empty = Label(dim=True, pixels=_PIXELS, wraps=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.empty.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.header.addWidget(self.search)
        self.body.setContentsMargins(QMargins(theme.INSIDE, 8, 8, 8))
        self.body.addWidget(self.edit, 1)
        self.body.addWidget(self.empty, 1)
        self.setMinimumHeight(92)
        self.edit.seek_requested.connect(self.seek_requested)
        self.search.textChanged.connect(model.search)
        self.search.returnPressed.connect(self._next)
        model.text_changed.connect(self._refresh)
        model.hits_changed.connect(self._count)
        self._refresh()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As the live card."""
        return QSize(652, 120)

    def begin_search(self) -> None:
        """Put the keyboard into the field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """In the field, arrows go from place to place, Escape clears."""
        if self.search.hasFocus():
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self._next(-1 if event.key() == Qt.Key.Key_Up else 1)
                return
            if event.key() == Qt.Key.Key_Escape:
                self.search.clear()
                self.edit.setFocus()
                return
        super().keyPressEvent(event)

    def _next(self, by: int = 1) -> None:
        t = self._model.next_hit(by)
        if t is not None:
            self.seek_requested.emit(t)

    def _refresh(self) -> None:
        there = len(self._model.text) > 0
        self.edit.setVisible(there)
        self.empty.setVisible(not there)
        self.search.setVisible(there)
        reason = self._model.absent or self.tr("reading the words …")
        self.empty.setText(reason[:1].upper() + reason[1:])
        self._count()

    def _count(self) -> None:
        model = self._model
        if not model.wanted.strip():
            count = len(model.text)
            text = self.tr("{0} words").format(count) if count else ""
        elif not model.hits:
            text = self.tr("not found")
        elif model.hit >= 0:
            text = self.tr("{0} of {1}").format(model.hit + 1, len(model.hits))
        else:
            text = self.tr("{0} found").format(len(model.hits))
        self.remark.setText(text)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme and the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING and hasattr(self, "edit") and self._look != (theme.theme(), theme.scale()):
            self._look = theme.theme(), theme.scale()
            self.edit.restyle()

    _look: tuple[object, float] = (None, 0.0)
