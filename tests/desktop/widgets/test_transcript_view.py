"""The words on their card."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.transcript import TranscriptModel, gap_between
from desktop.widgets.transcript_view import TranscriptView, WordsEdit
from dmd_runtime import Word
from tests.desktop import left_states as states
from tests.desktop.left_states import utterance, words
from tests.desktop.models.test_transcript import Message, _take, streams


def view_of(model: TranscriptModel, qtbot: QtBot, width: int = 652, height: int = 92) -> TranscriptView:
    """A shown view."""
    view = TranscriptView(model)
    qtbot.addWidget(view)
    view.resize(width, height)
    with qtbot.waitExposed(view):
        view.show()
    return view


def written(said: list[Word] | tuple[Word, ...]) -> str:
    """Words as they are to be read."""
    text = ""
    for i, word in enumerate(said):
        text += (gap_between(said[i - 1].text, word.text) if i else "") + word.text
    return text


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams())
def test_what_is_written_is_what_the_model_has(qapp: QApplication, stream: tuple[list[Message], list[Word]]) -> None:
    model = TranscriptModel(kept=5)
    edit = WordsEdit(model)
    for message in stream[0]:
        _take(model, message)
        assert edit.committed_text == written(tuple(model.words))
        assert edit.tentative_text == written(model.tentative)
    before = edit.toPlainText()
    edit.rebuild()
    assert edit.toPlainText() == before


def test_committed_is_ink_and_tentative_is_dim_italic(qtbot: QtBot) -> None:
    view = view_of(states.talk(), qtbot)
    edit = view.edit
    cursor = QTextCursor(edit.document())
    cursor.setPosition(3)
    assert not cursor.charFormat().fontItalic()
    cursor.movePosition(QTextCursor.MoveOperation.End)
    assert cursor.charFormat().fontItalic()
    assert cursor.charFormat().foreground().color() == theme.DARK.dim
    assert edit.tentative_text == "if we start tomorrow"


def test_words_of_an_unseen_speaker_are_marked(qtbot: QtBot) -> None:
    model = TranscriptModel()
    said = words("now I turn away")
    model.take_utterance(utterance(0, said, final=True))
    view = view_of(model, qtbot)
    edit = view.edit
    model.take_word(replace(said[2], speaker_visible=False))
    text = edit.toPlainText()
    cursor = QTextCursor(edit.document())
    underlined = []
    for i in range(len(text)):
        cursor.setPosition(i + 1)
        if cursor.charFormat().underlineStyle() is QTextCharFormat.UnderlineStyle.DotLine:
            underlined.append(text[i])
    assert "".join(underlined) == "turn"
    cursor.setPosition(text.index("turn") + 1)
    assert edit.text_about(edit.cursorRect(cursor).center()) == "said at 0:00.6 · p 0.93 · no face was in view"


def test_it_keeps_to_the_newest_word_until_the_user_scrolls_up(qtbot: QtBot) -> None:
    model = states.talk(states.LONG)
    view = view_of(model, qtbot)
    bar = view.edit.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    model.take_utterance(utterance(2, words("and one more sentence that goes on over the line " * 2, 99.0), final=True))
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    model.take_utterance(utterance(3, words("and again one that takes another line " * 3, 199.0), final=True))
    assert bar.value() == 0
    bar.setValue(bar.maximum())
    model.take_utterance(utterance(4, words("at the bottom it goes on as before " * 3, 299.0), final=True))
    assert bar.value() == bar.maximum()


def test_whole_lines_are_shown(qtbot: QtBot) -> None:
    for height in (92, 101, 140, 200):
        view = view_of(states.talk(states.LONG * 3), qtbot, height=height)
        assert view.edit.viewport().height() % 26 == 0
        assert view.edit.verticalScrollBar().value() % 26 == 0
    view = view_of(states.talk(), qtbot)
    assert view.edit.viewport().height() == 52  # two lines, as drawn


def test_it_scrolls_by_keyboard(qtbot: QtBot) -> None:
    view = view_of(states.talk(states.LONG * 3), qtbot)
    view.edit.setFocus()
    bar = view.edit.verticalScrollBar()
    qtbot.keyClick(view.edit, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    assert bar.value() == 0
    qtbot.keyClick(view.edit, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    assert bar.value() == bar.maximum()


def test_the_card_shows_that_the_keyboard_is_there(qtbot: QtBot) -> None:
    view = view_of(states.talk(), qtbot)
    edge = (326, 1)
    view.edit.clearFocus()  # it had it as the only one in the window
    plain = view.grab().toImage().pixelColor(*edge)
    view.edit.setFocus(Qt.FocusReason.TabFocusReason)
    assert view.is_focused
    assert view.grab().toImage().pixelColor(*edge) == theme.DARK.accent != plain
    view.edit.clearFocus()
    assert view.grab().toImage().pixelColor(*edge) == plain
    view.edit.setFocus(Qt.FocusReason.MouseFocusReason)
    assert not view.is_focused


def test_text_can_be_selected_and_copied_but_not_changed(qtbot: QtBot) -> None:
    view = view_of(states.talk(), qtbot)
    view.edit.setFocus()
    qtbot.keyClick(view.edit, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(view.edit, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == f"{states.SAID} if we start tomorrow"
    qtbot.keyClicks(view.edit, "x")
    assert view.edit.committed_text == states.SAID


def test_a_selection_survives_new_words(qtbot: QtBot) -> None:
    model = states.talk()
    view = view_of(model, qtbot)
    edit = view.edit
    cursor = edit.textCursor()
    cursor.setPosition(2)
    cursor.setPosition(7, QTextCursor.MoveMode.KeepAnchor)
    edit.setTextCursor(cursor)
    model.take_utterance(utterance(1, words("if we start now", 99.0), final=True))
    assert edit.textCursor().selectedText() == "would"


@pytest.mark.parametrize(
    ("reason", "text", "can_help"),
    [
        ("", "Words appear here as they are spoken.", False),
        ("speech recognition is off", "Speech recognition is off", False),
        ("speech model missing (dmd models fetch)", "Speech model missing (dmd models fetch)", True),
    ],
)
def test_empty_states(qtbot: QtBot, reason: str, text: str, can_help: bool) -> None:
    view = view_of(states.wordless(reason), qtbot)
    assert view.hint.text() == text
    assert view.hint.isVisible()
    assert not view.edit.isVisible()
    assert view.help.isVisible() is can_help
    if can_help:
        with qtbot.waitSignal(view.help_requested):
            qtbot.mouseClick(view.help, Qt.MouseButton.LeftButton)


def test_the_first_word_replaces_the_hint(qtbot: QtBot) -> None:
    model = states.wordless()
    view = view_of(model, qtbot)
    model.take_utterance(utterance(0, words("we", committed=False), final=False))
    assert view.edit.isVisible()
    model.reset()
    assert view.hint.isVisible()


def test_the_lag_stands_beside_the_title(qtbot: QtBot) -> None:
    assert view_of(states.talk(), qtbot).remark.text() == "committed 1.4 s behind"
    assert view_of(states.talk(tentative="", lag=None), qtbot).remark.text() == "all committed"
    assert view_of(states.wordless(), qtbot).remark.text() == ""


def test_a_change_of_theme_writes_in_new_ink(qtbot: QtBot, qapp: QApplication) -> None:
    view = view_of(states.talk(), qtbot)
    edit = view.edit
    theme.apply_theme(qapp, "light")
    qapp.processEvents()
    cursor = QTextCursor(edit.document())
    cursor.movePosition(QTextCursor.MoveOperation.End)
    assert cursor.charFormat().foreground().color() == theme.LIGHT.dim
