"""Pages for what is not running, the banner and the notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.live import LiveModel, Phase
from desktop.models.loading import StepState
from desktop.widgets.loading_page import megabytes, short_source
from desktop.widgets.mark_banner import MarkBanner
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.state_page import PHASES, StatePage
from tests.desktop import left_states as states

ALIVE: list[QWidget] = []


def page_of(model: LiveModel, qtbot: QtBot, width: int = 1240, height: int = 700) -> StatePage:
    """A page within a window."""
    window_with(page := StatePage(model), qtbot, width, height)
    return page


def window_with(widget: QWidget, qtbot: QtBot, width: int = 1280, height: int = 300) -> QWidget:
    """A shown window around a widget that hides itself at times; it lives as long as the test."""
    window = QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(widget)
    window.resize(width, height)
    with qtbot.waitExposed(window):
        window.show()
    QApplication.processEvents()
    ALIVE.append(window)
    return window


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Let the windows of a test go after it."""
    yield
    ALIVE.clear()


def texts(widget: QWidget) -> str:
    """Everything that can be read on a widget."""
    labels = [w.text() for w in widget.findChildren(QLabel) if w.isVisible()]
    return "\n".join(labels + [b.text() for b in widget.findChildren(QPushButton) if b.isVisible()])


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_shows_its_page_or_none(qtbot: QtBot, phase: Phase) -> None:
    model = LiveModel()
    page = page_of(model, qtbot)
    model.set_phase(phase)
    expected = {Phase.EMPTY: page.empty, Phase.LOADING: page.loading, Phase.FAILED: page.failed}.get(phase)
    assert page.page is expected
    assert page.isVisible() is (phase in PHASES) is (expected is not None)
    for other in (page.empty, page.loading, page.failed):
        assert other.isVisible() is (other is expected)


@pytest.mark.parametrize(
    ("button", "signal"), [("start", "start_requested"), ("open", "open_requested"), ("demo", "demo_requested")]
)
def test_the_first_page_begins(qtbot: QtBot, button: str, signal: str) -> None:
    page = page_of(LiveModel(), qtbot)
    with qtbot.waitSignal(getattr(page, signal)):
        qtbot.mouseClick(getattr(page.empty, button), Qt.MouseButton.LeftButton)
    assert "Nothing leaves this machine." in texts(page)
    assert "See what a face, a voice and words express — and which teaches which." in texts(page)


def test_loading_shows_each_model(qtbot: QtBot) -> None:
    page = page_of(states.fetching(), qtbot)
    shown = texts(page)
    for text in (
        "Fetching model 2 of 3",
        "Whisper tiny.en (CTranslate2)",
        "41.2 MB of 78.1 MB",
        "from models.example.org",
        "✓ here and checked",
        "45.0 MB of 173 MB",
        "Models are fetched once (173 MB) and checked by hash.",
    ):
        assert text in shown
    with qtbot.waitSignal(page.cancel_requested):
        qtbot.mouseClick(page.loading.cancel, Qt.MouseButton.LeftButton)


def test_loading_follows(qtbot: QtBot) -> None:
    model = states.fetching()
    page = page_of(model, qtbot)
    model.set_step("whisper-tiny.en", StepState.FAILED, "no room on the disk")
    assert "no room on the disk" in texts(page)
    model.cancel_loading()
    assert "Stopping…" in texts(page)
    assert not page.loading.cancel.isEnabled()
    model.plan_loading([])
    assert "already" in texts(page)
    assert page.loading.busy.isVisible()
    assert page.loading.cancel.isEnabled()


def test_waiting_stands_still_where_motion_is_not_wanted(qtbot: QtBot, qapp: QApplication) -> None:
    qapp.setProperty("dmd_reduced_motion", True)
    try:
        assert page_of(states.loading(), qtbot).loading.busy.maximum() == 1
    finally:
        qapp.setProperty("dmd_reduced_motion", None)
    assert page_of(states.loading(), qtbot).loading.busy.maximum() == 0


def test_failing_says_what_was_expected_and_what_came(qtbot: QtBot) -> None:
    page = page_of(states.failed(), qtbot)
    assert page.failed.what.text().endswith("expected a camera that opens, got: it is used by another program")
    assert not page.failed.details.isVisible()
    with qtbot.waitSignal(page.retry_requested):
        qtbot.mouseClick(page.failed.retry, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(page.choose_requested):
        qtbot.mouseClick(page.failed.choose, Qt.MouseButton.LeftButton)


def test_one_button_helps_most(qtbot: QtBot) -> None:
    page = page_of(states.failed(), qtbot)
    assert (page.failed.retry.property("kind"), page.failed.choose.property("kind")) == ("primary", "")
    page = page_of(states.failed_with_details(), qtbot)
    assert (page.failed.retry.property("kind"), page.failed.choose.property("kind")) == ("", "primary")
    assert page.failed.details.isVisible()
    assert "working offline" in page.failed.details.toPlainText()


def test_details_can_be_copied(qtbot: QtBot) -> None:
    model = states.failed_with_details()
    page = page_of(model, qtbot)
    qtbot.mouseClick(page.failed.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == model.message
    assert page.failed.copy.text() == "Copied"
    model.set_phase(Phase.FAILED, "another")
    assert page.failed.copy.text() == "Copy details"


def test_a_new_page_takes_the_keyboard_to_what_helps(qtbot: QtBot) -> None:
    model = LiveModel()
    page = page_of(model, qtbot)
    page.window().activateWindow()
    model.set_phase(Phase.FAILED, "expected a, got b")
    assert page.window().focusWidget() is page.failed.retry


@pytest.mark.parametrize("state", states.STATE)
@pytest.mark.parametrize("size", [(1240, 700), (984, 480), (400, 380)])
def test_nothing_is_cut_off_sideways(qtbot: QtBot, state: str, size: tuple[int, int]) -> None:
    page = page_of(states.STATE[state](), qtbot, *size)
    shown = page.page
    assert shown is not None
    assert shown.widget().width() <= shown.viewport().width()
    for button in shown.findChildren(QPushButton):
        if button.isVisible():
            assert button.width() >= button.sizeHint().width()


@pytest.mark.parametrize(
    ("count", "text"),
    [(512, "1 kB"), (2_317, "2 kB"), (3_758_596, "3.8 MB"), (75_537_502, "75.5 MB"), (173_000_000, "173 MB")],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert megabytes(count) == text


def test_sources_for_people() -> None:
    assert short_source("https://models.example.org/a/b.bin") == "models.example.org"
    assert short_source("package==1.0") == "package==1.0"


@pytest.mark.parametrize("mark", ["UNTRAINED", "DEMO", "SYNTHETIC"])
def test_the_banner_is_there_for_each_mark(qtbot: QtBot, mark: str) -> None:
    model = LiveModel()
    banner = MarkBanner(model)
    window_with(banner, qtbot)
    assert not banner.isVisible()
    model.set_marks([mark])
    assert banner.isVisible()
    assert banner.texts()[mark] in texts(banner)
    assert mark in banner.accessibleDescription()
    assert banner.grab().toImage().pixelColor(3, 3).rgb() == theme.WARNING.rgb()
    model.set_marks([])
    assert not banner.isVisible()


def test_all_marks_stand_in_one_banner(qtbot: QtBot) -> None:
    model = states.running("SYNTHETIC", "DEMO", "UNTRAINED", "ODD")
    banner = MarkBanner(model)
    qtbot.addWidget(banner)
    order = [banner.accessibleDescription().index(mark) for mark in ("UNTRAINED", "DEMO", "SYNTHETIC", "ODD")]
    assert order == sorted(order)
    layout = banner.layout()
    assert layout is not None
    assert layout.heightForWidth(1280) < layout.heightForWidth(640) < layout.heightForWidth(320)


def test_notices_are_stacked_and_go_when_resolved(qtbot: QtBot) -> None:
    model = LiveModel()
    bar = NoticeBar(model)
    window_with(bar, qtbot)
    assert not bar.isVisible()
    model.notice("camera", "camera: unplugged, trying again")
    model.notice("speech", "speech model missing", action="How to get it")
    QApplication.processEvents()  # what is new on a layout is shown by the next turn
    assert bar.isVisible()
    assert list(bar._lines) == ["camera", "speech"]
    assert not bar._lines["camera"].button.isVisible()
    with qtbot.waitSignal(bar.action_requested) as asked:
        qtbot.mouseClick(bar._lines["speech"].button, Qt.MouseButton.LeftButton)
    assert asked.args == ["speech"]
    model.notice("camera", "camera: still unplugged")
    QApplication.processEvents()
    assert "camera: still unplugged" in texts(bar)
    model.notice("camera", None)
    model.notice("speech", None)
    assert not bar.isVisible()


def test_a_changed_notice_keeps_its_place(qtbot: QtBot) -> None:
    model = LiveModel()
    bar = NoticeBar(model)
    qtbot.addWidget(bar)
    for key in ("a", "b", "c"):
        model.notice(key, f"{key} is wrong")
    model.notice("b", "b is worse")
    shown = [bar._stack.itemAt(i).widget().accessibleName() for i in range(bar._stack.count())]
    assert shown == ["a is wrong", "b is worse", "c is wrong"]
