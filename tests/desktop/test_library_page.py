"""The page of sessions: seen, searched, opened and deleted, all by the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from desktop import library_page as page_module
from desktop import theme
from desktop.delete_session_dialog import DeleteSessionDialog
from desktop.library_page import LibraryPage
from desktop.models.library import LibraryModel, LibraryState
from dmd_runtime import Hit
from dmd_runtime.recording.library import summarise
from tests.desktop import looking
from tests.recording.library_factory import make_session, reading, words

Made = Callable[[Path], LibraryPage]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    make_session(
        root,
        "sub-a/ses-1",
        participant="Anna",
        task="interview",
        said=words("asking for help", start=2.0),
        readings=[reading(2.0, happiness=0.9, neutral=0.1), reading(2.5, happiness=0.1, neutral=0.9)],
        markers=[{"t0": 7.0, "label": "smile"}],
        made_at={"started": "2026-03-01T00:00:00+00:00"},
    )
    make_session(root, "sub-b/ses-2", participant="Ben", made_at={"started": "2026-01-01T00:00:00+00:00"})
    return root


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Made]:
    pages: list[LibraryPage] = []

    def made(root: Path) -> LibraryPage:
        page = LibraryPage(LibraryModel(root, tmp_path / "cache"))
        qtbot.addWidget(page)
        pages.append(page)
        page.resize(1024, 560)
        page.show()
        page.activateWindow()
        qtbot.waitUntil(lambda: page.model.state is not LibraryState.LOADING and not page.model._refreshing)
        return page

    yield made
    for page in pages:
        page.hide()
        assert page.model.close()


def search(qtbot: QtBot, page: LibraryPage, text: str) -> None:
    qtbot.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(page.search.hasFocus)
    with qtbot.waitSignal(page.model.hits_changed):
        qtbot.keyClicks(page.search, text)
    qtbot.waitUntil(lambda: page.model.query == text and page._middle.currentWidget() is not page.list)


def words_on(widget: QWidget) -> str:
    labels = [label for label in widget.findChildren(QLabel) if not label.isHidden()]
    return " ".join(label.accessibleName() or label.text() for label in labels)  # the name is never elided


def test_the_latest_session_is_chosen_and_told(make: Made, root: Path) -> None:
    page = make(root)
    assert page.session is not None
    assert page.session.participant == "Anna"
    told = words_on(page.card)
    assert all(part in told for part in ("Anna · interview", "1:00", "✓ complete", "3 words · 1 marker · 2 readings"))
    assert page.count.text() == "2 sessions"
    row = page.list.model().index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert row.startswith("Anna · interview; 1 Mar 2026")
    assert "happiness 50% · neutral 50%" in row


def test_the_rows_are_a_sound_model(make: Made, root: Path) -> None:
    page = make(root)
    QAbstractItemModelTester(page.list.model(), QAbstractItemModelTester.FailureReportingMode.Fatal)
    make_session(root, "sub-c/ses-3")
    page.model.set_show(page_module.Show.COMPLETE)


def test_enter_opens_and_arrows_choose(make: Made, root: Path, qtbot: QtBot) -> None:
    page = make(root)
    qtbot.keyClick(page.list, Qt.Key.Key_Down)
    with qtbot.waitSignal(page.open_requested) as told:
        qtbot.keyClick(page.list, Qt.Key.Key_Return)
    assert told.args == [root / "sub-b" / "ses-2", 0.0]


def test_a_hit_opens_at_its_moment(make: Made, root: Path, qtbot: QtBot) -> None:
    page = make(root)
    search(qtbot, page, "help")
    assert page.count.text() == "1 hit"
    assert isinstance(page.hits.current, Hit)
    qtbot.waitUntil(lambda: "Opens at 0:02" in words_on(page.card))
    qtbot.keyClick(page.search, Qt.Key.Key_Down)
    assert page.hits.hasFocus()
    with qtbot.waitSignal(page.open_requested) as told:
        qtbot.keyClick(page.hits, Qt.Key.Key_Return)
    assert told.args == [root / "sub-a" / "ses-1", pytest.approx(2.8)]
    with qtbot.waitSignal(page.model.hits_changed):
        qtbot.keyClick(page.search, Qt.Key.Key_Escape)
    assert page._middle.currentWidget() is page.list


def test_nothing_found_says_so_and_helps(make: Made, root: Path, qtbot: QtBot) -> None:
    page = make(root)
    search(qtbot, page, "zzz")
    assert page._middle.currentWidget() is page.nothing
    assert "No session has “zzz”." in words_on(page.nothing)
    assert page.session is None
    assert not page.card.isVisible()
    page.nothing.button.click()
    qtbot.waitUntil(lambda: page._middle.currentWidget() is page.list)


@pytest.mark.parametrize("key", [(Qt.Key.Key_E, "export_requested"), (Qt.Key.Key_P, "report_requested")])
def test_export_and_report_are_asked_for(make: Made, root: Path, qtbot: QtBot, key: tuple[Qt.Key, str]) -> None:
    page = make(root)
    with qtbot.waitSignal(getattr(page, key[1])) as told:
        qtbot.keyClick(page.list, key[0], Qt.KeyboardModifier.ControlModifier)
    assert told.args == [root / "sub-a" / "ses-1"]


def test_del_asks_and_deletes(make: Made, root: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    page, answers = make(root), [False, True]
    asked: list[str] = []

    def answer(dialog: DeleteSessionDialog) -> bool:
        asked.append(words_on(dialog))
        return answers.pop(0)

    monkeypatch.setattr(DeleteSessionDialog, "exec", answer)
    assert page.list.hasFocus()
    qtbot.keyClick(page.list, Qt.Key.Key_Delete)
    assert (root / "sub-a" / "ses-1").is_dir()
    with qtbot.waitSignal(page.model.deleted):
        qtbot.keyClick(page.list, Qt.Key.Key_Delete)
    assert not (root / "sub-a" / "ses-1").exists()
    assert page.session is not None
    assert page.session.participant == "Ben"  # what has come in its place
    assert all("Anna · interview" in text and "It cannot be undone." in text for text in asked)
    monkeypatch.setattr(DeleteSessionDialog, "exec", lambda _: True)
    (root / "sub-b" / "ses-2").rename(root / "sub-b" / "moved")
    with qtbot.waitSignal(page.model.failed):
        page.delete()
    assert "expected a session folder" in page.trouble.text
    page.trouble.button.click()
    assert not page.trouble.isVisible()


def test_del_in_the_search_field_deletes_a_letter_only(
    make: Made, root: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = make(root)
    monkeypatch.setattr(DeleteSessionDialog, "exec", lambda _: pytest.fail("asked"))
    page.search.setText("ab")
    page.search.setCursorPosition(0)
    qtbot.keyClick(page.search, Qt.Key.Key_Delete)
    assert page.search.text() == "b"


def test_the_dialog_says_what_goes_and_what_stays(root: Path, tmp_path: Path, qtbot: QtBot, make: Made) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    folder = make_session(root, "sub-c/ses-3", media={"path": str(film)}, participant="Cem")
    (folder / "derived").mkdir()
    (folder / "derived" / "words.vtt").write_bytes(b"x" * 300_000)
    session = make(root).model.session(folder)
    assert session is not None
    dialog = DeleteSessionDialog(session)
    qtbot.addWidget(dialog)
    text = words_on(dialog)
    assert "7 files, 0.3 MB: readings, words, markers and annotations, consent and notes, exports and analyses." in text
    assert str(folder) in text
    assert f"Not touched: {film}, from which it was made" in text
    assert dialog.keep.isDefault()
    assert not dialog.delete.isDefault()
    with qtbot.waitSignal(dialog.accepted):
        dialog.delete.click()


def test_cut_off_sessions_are_offered_for_recovery(make: Made, root: Path, qtbot: QtBot) -> None:
    page = make(root)
    assert not page.unfinished.isVisible()
    folder = make_session(root, "sub-c/ses-3", state="recording")
    with qtbot.waitSignal(page.model.changed):
        page.model.refresh()
    assert page.unfinished.text.startswith("1 session was cut off")
    with qtbot.waitSignal(page.recover_requested) as told:
        page.unfinished.button.click()
    assert told.args == [[folder]]


def test_a_session_that_cannot_be_read_can_only_be_shown_and_deleted(make: Made, root: Path, qtbot: QtBot) -> None:
    page = make(root)
    (root / "sub-a" / "ses-1" / "session.json").write_text("{")
    with qtbot.waitSignal(page.model.changed):
        page.model.refresh()
    page.select(root / "sub-a" / "ses-1")
    assert "session.json: expected a session manifest" in words_on(page.card)
    able = [action for action in page._actions if action.isEnabled()]
    assert able == [page.show_action, page.delete_action]
    page.open()  # does nothing


def test_without_sessions_there_is_one_button(make: Made, tmp_path: Path, qtbot: QtBot) -> None:
    page = make(tmp_path / "none")
    assert page._stack.currentWidget() is page.empty
    assert [b.text() for b in page.empty.findChildren(QPushButton) if b.isVisible()] == ["Record a session…"]
    with qtbot.waitSignal(page.record_requested):
        page.empty.button.click()


def test_a_folder_that_cannot_be_listed_and_another(
    make: Made, root: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parent / "file").touch()
    page = make(root.parent / "file")
    assert page._stack.currentWidget() is page.failed
    assert "got a file" in words_on(page.failed)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(root))
    with qtbot.waitSignal(page.root_chosen) as told:
        page.failed.button.click()
    assert told.args == [root]
    qtbot.waitUntil(lambda: len(page.model.sessions) == 2)


def test_every_control_has_a_name(make: Made, root: Path) -> None:
    page = make(root)
    controls = [page.search, page.order, page.show_only, page.list, page.hits, *page.findChildren(QPushButton)]
    controls = [control for control in controls if not control.isHidden()]
    assert len(controls) > 10
    assert [c for c in controls if not (c.accessibleName() or getattr(c, "text", str)())] == []


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("size", [QSize(1240, 700), QSize(984, 540)], ids=["large", "small"])
def test_it_is_painted_in_both_themes(make: Made, root: Path, name: str, size: QSize, qapp: object) -> None:
    colours = looking.look(qapp, name)  # type: ignore[arg-type]
    page = make(root)
    pixels = looking.picture(page, size)
    assert looking.count(pixels, theme.emotion_colour("happiness")) > 100
    assert looking.count(pixels, colours.card) > 50_000
    assert looking.count(pixels, colours.accent) > 500  # the chosen row and the button
    looking.look(qapp, "dark")  # type: ignore[arg-type]


def test_a_thousand_sessions_are_painted_only_where_they_are_seen(
    make: Made, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = make(tmp_path / "none")
    one = make_session(tmp_path / "root")
    summary = summarise(one)[0]
    asked: set[Path] = set()
    monkeypatch.setattr(page.model, "picture", asked.add)

    page.model._take([replace(summary, folder=one / str(i)) for i in range(1000)], None, page.model._cancel)
    page.grab()
    assert page.list.model().rowCount() == 1000
    assert 1 <= len(asked) <= 12
