"""The words as they are spoken: committed ones in ink, tentative ones in dim italics."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import pairwise

from PySide6.QtCore import QEvent, QMargins, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QLinearGradient,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QTextEdit, QToolTip, QWidget

from desktop import theme
from desktop.models.transcript import TranscriptModel, gap_between
from desktop.widgets.labels import RESTYLING, Label, set_text_size
from desktop.widgets.titled_card import TitledCard
from dmd_runtime import Word

_PIXELS, _LINE = 16, 26
_KEYS = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
_FADE = 16  # px over which the line that leaves at the top fades


class WordsEdit(QTextEdit):
    """Read-only text of the model's words: selectable, copyable, scrollable by keyboard; stays at the newest word.

    It follows the newest word until the user scrolls up, and again from when the user is back at the bottom.
    """

    def __init__(self, model: TranscriptModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._starts: deque[int] = deque()  # of each committed word, in characters since the first word of all
        self._cut = 0  # characters taken away at the front
        self._end = 0  # of the committed text, in characters since the first word of all
        self._follows = True
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabChangesFocus(True)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.setAccessibleName(self.tr("Words"))
        self.verticalScrollBar().rangeChanged.connect(self._stay)
        self.verticalScrollBar().valueChanged.connect(self._note_scroll)
        model.committed.connect(self._append)
        model.trimmed.connect(self._trim)
        model.attributed.connect(self._mark)
        model.tentative_changed.connect(self._replace_tentative)
        model.cleared.connect(self.rebuild)
        self.rebuild()

    @property
    def committed_text(self) -> str:
        """What stands there in ink."""
        return self.toPlainText()[: self._end - self._cut]

    @property
    def tentative_text(self) -> str:
        """What stands there in italics."""
        return self.toPlainText()[self._end - self._cut :].strip()

    def restyle(self) -> None:
        """Write everything anew if colours or sizes are others now."""
        if self._look != (theme.theme(), theme.scale()):
            self.rebuild()
            self._set_margins()

    def rebuild(self) -> None:
        """Write everything anew, in the colours and sizes in force."""
        self.clear()
        self._look = theme.theme(), theme.scale()
        set_text_size(self, theme.font(_PIXELS))
        self._starts.clear()
        self._cut = self._end = 0
        spacing = QTextBlockFormat()
        spacing.setLineHeight(round(_LINE * theme.scale()), QTextBlockFormat.LineHeightTypes.FixedHeight.value)
        cursor = QTextCursor(self.document())
        cursor.setBlockFormat(spacing)
        self._append(self._model.first, self._model.end)
        self._replace_tentative()

    # --------------------------------------------------------------- changes

    def _append(self, first: int, end: int) -> None:
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._end - self._cut)
        for number in range(first, end):
            word = self._model.word(number)
            before = self._model.word(number - 1).text if number > self._model.first else ""
            gap = gap_between(before, word.text) if self._starts else ""
            cursor.insertText(gap, QTextCharFormat())
            self._starts.append(self._end + len(gap))
            cursor.insertText(word.text, _format(word))
            self._end += len(gap) + len(word.text)

    def _trim(self, first: int) -> None:
        number = self._model.end - len(self._starts)  # of the oldest word that is written
        for _ in range(number, first):
            self._starts.popleft()
        start = self._starts[0] if self._starts else self._end
        tall, at = self.document().size().height(), self.verticalScrollBar().value()
        cursor = QTextCursor(self.document())
        cursor.setPosition(start - self._cut, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        self._cut = start
        if not self._follows:
            self.verticalScrollBar().setValue(round(at - tall + self.document().size().height()))

    def _mark(self, number: int) -> None:
        index = number - self._model.first
        if 0 <= index < len(self._starts):
            word = self._model.word(number)
            cursor = QTextCursor(self.document())
            cursor.setPosition(self._starts[index] - self._cut)
            cursor.setPosition(self._starts[index] - self._cut + len(word.text), QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(_format(word))

    def _replace_tentative(self) -> None:
        texts = [word.text for word in self._model.tentative]
        if self._starts:
            texts.insert(0, self._model.word(self._model.end - 1).text)
        pieces = [gap_between(a, b) + b for a, b in pairwise(texts)]
        text = "".join(pieces if self._starts else [*texts[:1], *pieces])
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._end - self._cut)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        style = QTextCharFormat()
        style.setForeground(theme.theme().dim)
        style.setFontItalic(True)
        cursor.insertText(text, style)

    # ---------------------------------------------------------------- moving

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Show whole lines only, and leave the scroll bar its place before it is needed."""
        self._set_margins()
        super().resizeEvent(event)
        self._stay()

    def _set_margins(self) -> None:
        bar = self.verticalScrollBar()
        aside = 0 if bar.maximum() > bar.minimum() else bar.sizeHint().width()
        line = round(_LINE * theme.scale())
        below = self.height() % line if self.height() > line else 0
        margins = QMargins(0, 0, aside, below)
        if margins != self.viewportMargins():
            self.setViewportMargins(margins)

    def _stay(self) -> None:
        self._set_margins()
        if self._follows:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _note_scroll(self, value: int) -> None:
        self._follows = value >= self.verticalScrollBar().maximum() - 2

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move by keyboard, to whole lines."""
        super().keyPressEvent(event)
        line = round(_LINE * theme.scale())
        self.verticalScrollBar().setValue(round(self.verticalScrollBar().value() / line) * line)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the text; a line that has half left at the top fades instead of being cut."""
        super().paintEvent(event)
        if self.verticalScrollBar().value() % round(_LINE * theme.scale()):
            ground = theme.theme().card
            fade = QLinearGradient(0, 0, 0, _FADE)
            fade.setColorAt(0, ground)
            fade.setColorAt(1, theme.with_alpha(ground, 0.0))
            painter = QPainter(self.viewport())
            painter.fillRect(0, 0, self.viewport().width(), _FADE, fade)
            painter.end()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tell of the word under the mouse when it was said."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_about(event.pos()), self)
            return True
        return super().viewportEvent(event)

    def text_about(self, at: QPoint) -> str:
        """When the word at a point of the viewport was said, and how sure that is; empty where there is none."""
        index = bisect_right(self._starts, self.cursorForPosition(at).position() + self._cut) - 1
        if not 0 <= index < len(self._starts):
            return ""
        word = self._model.word(self._model.first + index)
        minutes, seconds = divmod(word.span.start, 60)
        parts = [self.tr("said at {0}").format(f"{int(minutes)}:{seconds:04.1f}"), self.tr("p {0:.2f}").format(word.p)]
        if word.speaker_visible is False:
            parts.append(self.tr("no face was in view"))
        return " · ".join(parts)


class TranscriptView(TitledCard):
    """The card of the words; touched by the window's thread only.

    Signals
    -------
    help_requested : the user wants to know how to get the speech model.
    """

    help_requested = Signal()

    def __init__(self, model: TranscriptModel, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.title.setText(self.tr("WORDS"))
        self.setAccessibleName(self.tr("Words"))
        self._model = model
        self._by_keys = False
        self.edit = WordsEdit(model)
        self.edit.installEventFilter(self)
        self.hint = Label(dim=True, pixels=_PIXELS, wraps=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.hint.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.help = QPushButton(self.tr("How to get it"))
        self.help.setAccessibleName(self.tr("How to get the speech model"))
        self.help.clicked.connect(self.help_requested)
        self._empty = QWidget()
        row = QHBoxLayout(self._empty)
        row.setSpacing(theme.GAP)
        row.addWidget(self.hint, 1)
        row.addWidget(self.help, 0, Qt.AlignmentFlag.AlignTop)
        self.body.setContentsMargins(theme.INSIDE, theme.GAP, 6, 8)  # two lines fit into 92 pixels
        self.header.setContentsMargins(0, 0, theme.INSIDE - 6, 0)
        row.setContentsMargins(0, 4, theme.INSIDE - 6, 0)
        self.body.addWidget(self.edit, 1)
        self.body.addWidget(self._empty, 1)
        self.setMinimumHeight(92)
        for signal in (model.committed, model.tentative_changed, model.absent_changed, model.cleared):
            signal.connect(self._choose)
        model.lag_changed.connect(self._show_lag)
        self._choose()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As drawn."""
        return QSize(652, 92)

    def _choose(self) -> None:
        empty = self._model.is_empty
        reason = self._model.absent
        self.hint.setText(reason[:1].upper() + reason[1:] or self.tr("Words appear here as they are spoken."))
        self.help.setVisible(self._model.model_is_missing)
        self.edit.setVisible(not empty)
        self._empty.setVisible(empty)
        self._show_lag()

    def _show_lag(self) -> None:
        if self._model.is_empty:
            text = ""
        elif self._model.absent:
            text = self._model.absent
        elif self._model.lag is None:
            text = self.tr("all committed")
        else:
            text = self.tr("committed {0:.1f} s behind").format(self._model.lag)
        if text != self.remark.text():
            self.remark.setText(text)

    @property
    def is_focused(self) -> bool:
        """Whether the text has the keyboard, and got it by the keyboard."""
        return self._by_keys and self.edit.hasFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Show where the keyboard is."""
        if isinstance(event, QFocusEvent):
            self._by_keys = event.reason() in _KEYS
            self.update()
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme and the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING and hasattr(self, "edit"):
            self.edit.restyle()


def _format(word: Word) -> QTextCharFormat:
    style = QTextCharFormat()
    if word.speaker_visible is False:
        style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)
        style.setUnderlineColor(QColor(theme.theme().dim))
    return style
