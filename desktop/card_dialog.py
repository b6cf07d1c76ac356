"""The model card: what the model is, what it learned from, how well it does, and what it must not be used for."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import (
    QFont,
    QImage,
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextTable,
)
from PySide6.QtWidgets import QDialogButtonBox, QGridLayout, QTextBrowser, QWidget

from desktop import theme
from desktop.dialogs import TitledDialog
from desktop.models.card import ModelCard
from desktop.widgets.labels import RESTYLING, ElidedLabel, Label

_FEATURES: Final = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_HEADINGS: Final = (18, 15, 13)
"""Pixels of the first, the second and every further level."""
_LEADING: Final = 140.0  # per cent of the height of a line


class CardBrowser(QTextBrowser):
    """Shows Markdown of a file that nobody vouches for: no HTML, nothing is loaded, and a link opens nothing."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = text
        self._look = ""
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.document().setDocumentMargin(theme.INSIDE - 4)
        self._fill()

    def loadResource(self, type: int, name: QUrl | str) -> QImage:  # noqa: A002, ARG002, N802 - Qt's names
        """Give an empty picture for any picture or file that the card names: for nothing, Qt would read the file."""
        nothing = QImage(1, 1, QImage.Format.Format_ARGB32)
        nothing.fill(0)
        return nothing

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme: colours of links and lines are part of the document."""
        super().changeEvent(event)
        if event.type() in RESTYLING and self._look not in ("", self._current()):
            at = self.verticalScrollBar().value()
            self._fill()
            self.verticalScrollBar().setValue(at)

    def _current(self) -> str:
        return f"{theme.theme().name} {theme.scale()}"

    def _fill(self) -> None:
        self._look = self._current()
        document = self.document()
        document.setDefaultFont(theme.font(13))
        document.setMarkdown(self._text, _FEATURES)
        block = document.begin()
        while block.isValid():
            _set_type(block)
            block = block.next()
        for frame in document.rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                _set_lines(frame)
        self.moveCursor(QTextCursor.MoveOperation.Start)


class CardDialog(TitledDialog):
    """The card with the provenance of the checkpoint below it; Escape closes."""

    def __init__(self, card: ModelCard | None, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Model card"), parent)
        if card is None:
            text = self.tr("No model is loaded yet. It is loaded behind the window, or when a source is started.")
            self.column.addWidget(Label(text, wraps=True))
        else:
            self._add_card(card)
        self.add_buttons(QDialogButtonBox.StandardButton.Close)

    def _add_card(self, card: ModelCard) -> None:
        if card.summary:
            self.column.addWidget(Label(card.summary, wraps=True))
        if card.text:
            browser = CardBrowser(card.text)
            browser.setAccessibleName(self.tr("Model card of %1").replace("%1", card.name))
            browser.setMinimumSize(480, 200)
            self._address = ElidedLabel(pixels=12, dim=True)
            for signal in (browser.highlighted, browser.anchorClicked):
                signal.connect(self._show_address)
            self._show_address(QUrl())
            self._address.setVisible("://" in card.text)
            self.column.addWidget(browser, 1)
            self.column.addWidget(self._address)
            browser.setFocus()
            self.resize(780, 640)
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.INSIDE)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        for row, (what, value) in enumerate(card.facts):
            grid.addWidget(Label(what, pixels=12, dim=True), row, 0, Qt.AlignmentFlag.AlignTop)
            shown = Label(value, pixels=12, wraps=True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            shown.setAccessibleName(f"{what}: {value}")
            grid.addWidget(shown, row, 1)
        self.column.addLayout(grid)

    def _show_address(self, url: QUrl) -> None:
        """Show where a link leads; opening it is left to whoever reads it."""
        self._address.set_whole(url.toString() or self.tr("Links open nothing here: point at one to read its address."))


def _set_type(block: QTextBlock) -> None:
    """Headings in the sizes of the design, text with some air between its lines."""
    cursor, form = QTextCursor(block), QTextBlockFormat(block.blockFormat())
    level = form.headingLevel()
    form.setLineHeight(_LEADING, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
    if level:
        form.setTopMargin(4 if level == 1 else 14)
        form.setBottomMargin(4)
    elif cursor.currentTable() is None and block.textList() is None:
        form.setBottomMargin(8)
    cursor.setBlockFormat(form)
    if level:
        cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
        style = cursor.charFormat()
        style.clearProperty(QTextFormat.Property.FontSizeAdjustment.value)
        style.setFont(theme.font(_HEADINGS[min(level, len(_HEADINGS)) - 1], weight=QFont.Weight.Bold))
        cursor.setCharFormat(style)


def _set_lines(table: QTextTable) -> None:
    """Hairlines instead of boxes within boxes."""
    form = table.format()
    form.setBorderCollapse(True)
    form.setBorder(1)
    form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    form.setBorderBrush(theme.theme().line)
    form.setCellPadding(5)
    form.setCellSpacing(0)
    form.setTopMargin(4)
    form.setBottomMargin(8)
    table.setFormat(form)
