"""What all dialogs share, and the list of keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QLabel
from pytestqt.qtbot import QtBot

from desktop.actions import Actions
from desktop.dialogs import KeysDialog, TitledDialog
from desktop.keys import page_keys
from desktop.models.live import LiveModel
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.signs import Sign


def test_buttons_have_no_icons_of_the_style(qtbot: QtBot) -> None:
    dialog = TitledDialog("Title", None)
    qtbot.addWidget(dialog)
    box = dialog.add_buttons(QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel)
    assert [button.icon().isNull() for button in box.buttons()] == [True, True]


def test_the_keys_of_the_window_and_of_every_page_are_listed(qtbot: QtBot) -> None:
    dialog = KeysDialog([("Record…", "Ctrl+R")])
    qtbot.addWidget(dialog)
    texts = {label.text() for label in dialog.findChildren(QLabel)}
    assert {"Record…", "Ctrl+R"} <= texts
    for heading, keys in page_keys():
        assert {heading, *(what for what, _ in keys), *(key for _, key in keys)} <= texts


def test_no_key_of_the_window_is_there_twice(qapp: QApplication) -> None:
    owner = QObject()
    keys = [key for _, key in Actions(owner).listed()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("good", [True, False])
def test_what_was_done_has_no_sign_of_warning(qtbot: QtBot, good: bool) -> None:
    live = LiveModel()
    bar = NoticeBar(live)
    qtbot.addWidget(bar)
    live.notice("exported", "a session was exported", action="Close", good=good)
    assert bool(bar.findChildren(Sign)) is not good
