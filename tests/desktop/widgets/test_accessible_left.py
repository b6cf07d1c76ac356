"""Names for screen readers, a sane tab order, and text that can be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontInfo
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.widgets.labels import Label
from desktop.widgets.transcript_view import TranscriptView
from tests.desktop import left_states as states
from tests.desktop.gallery_left import MAKERS

CASES = [(kind, state) for kind, (makers, _) in MAKERS.items() for state in makers]


def shown(make: Callable[[], QWidget], qtbot: QtBot) -> QWidget:
    """A widget on screen."""
    widget = make()
    qtbot.addWidget(widget)
    widget.resize(900, 600)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def stops(widget: QWidget) -> list[QWidget]:
    """Where the tabulator stops, in order."""
    out, at = [], widget.nextInFocusChain()
    while at is not widget:
        if at.focusPolicy() & Qt.FocusPolicy.TabFocus and at.isVisible() and at.isEnabled() and widget.isAncestorOf(at):
            out.append(at)
        at = at.nextInFocusChain()
    return out


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_everything_has_a_name_and_a_place(qtbot: QtBot, kind: str, state: str) -> None:
    widget = shown(MAKERS[kind][0][state], qtbot)
    assert widget.accessibleName() or kind == "state"
    inner = [w for w in stops(widget) if not isinstance(w.parent(), QAbstractScrollArea)]
    for stop in inner:
        assert stop.accessibleName() or (isinstance(stop, QPushButton) and stop.text()), stop
    places = [(stop.mapTo(widget, stop.rect().topLeft())) for stop in inner]
    rows = [(round(p.y() / 20), p.x()) for p in places]
    assert rows == sorted(rows)


def test_the_tab_order_of_the_first_page(qtbot: QtBot) -> None:
    widget = shown(MAKERS["state"][0]["empty"], qtbot)
    names = [w.accessibleName() for w in stops(widget)]
    assert names == ["Start camera and microphone", "Open a file…", "Watch the demo"]


def contrast(a: QColor, b: QColor) -> float:
    """WCAG's ratio."""

    def luminance(colour: QColor) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("look", [theme.DARK, theme.LIGHT], ids=lambda t: t.name)
def test_inks_can_be_read(look: theme.Theme) -> None:
    pairs = [
        (ink, ground)
        for ink in (look.ink, look.dim, look.caution, look.alarm)
        for ground in (look.card, look.background)
    ]
    pairs += [(look.on_accent, look.accent), (theme.WARNING_INK, theme.WARNING), (look.ink, look.button)]
    for ink, ground in pairs:
        assert contrast(ink, ground) >= 4.5, (ink.name(), ground.name())


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_both_themes_differ_and_come_back(qtbot: QtBot, qapp: QApplication, kind: str, state: str) -> None:
    widget = shown(MAKERS[kind][0][state], qtbot)
    for child in widget.findChildren(QWidget):
        if child.hasFocus():
            child.clearFocus()  # a caret blinks
    dark = widget.grab().toImage()
    theme.apply_theme(qapp, "light")
    qapp.processEvents()
    light = widget.grab().toImage()
    theme.apply_theme(qapp, "dark")
    qapp.processEvents()
    same_in_both = {("banner", "untrained"), ("banner", "demo"), ("banner", "all")}
    full_picture = kind == "video" and states.LIVE[state]().frame is not None
    if (kind, state) not in same_in_both and not full_picture:
        assert light != dark
    if kind not in ("state",):  # a bar without end moves
        assert widget.grab().toImage() == dark


def test_text_grows_with_the_font_scale(qtbot: QtBot, qapp: QApplication) -> None:
    words, status = (shown(MAKERS[kind][0][state], qtbot) for kind, state in (("words", "talk"), ("status", "good")))
    assert isinstance(words, TranscriptView)

    def heights() -> list[float]:
        return [
            words.edit.fontMetrics().height(),
            words.title.fontMetrics().height(),
            words.edit.document().firstBlock().layout().lineAt(0).height(),
            status.sizeHint().height(),
        ]

    before = heights()
    qapp.setProperty("dmd_font_scale", 1.5)
    try:
        theme.apply_theme(qapp, "dark")
        qapp.processEvents()
        grown = heights()
    finally:
        qapp.setProperty("dmd_font_scale", None)
        theme.apply_theme(qapp, "dark")
    qapp.processEvents()
    assert all(1.3 < a / b < 1.7 for a, b in zip(grown, before, strict=True)), (before, grown)
    assert heights() == before


def test_sizes_are_as_designed_whatever_the_style_sheet_says(qtbot: QtBot) -> None:
    headline = shown(lambda: Label("Happiness", pixels=26, weight=QFont.Weight.Bold), qtbot)
    info = QFontInfo(headline.font())
    assert (info.pixelSize(), info.bold(), info.family()) == (26, True, "Inter")
    metrics = headline.fontMetrics()
    assert len({metrics.horizontalAdvance(figure) for figure in "0123456789"}) == 1
