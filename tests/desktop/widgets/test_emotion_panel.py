from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.emotion import EmotionModel
from desktop.widgets import emotion_panel
from desktop.widgets.emotion_panel import EmotionPanel
from dmd_runtime import MODALITIES, Graph, Modality, Reading
from tests.desktop.looking import contrast, count, look, picture
from tests.desktop.readings import A, L, V, nothing, trained, without

DRAWN = QSize(572, 236)
SIZES = [QSize(340, 196), QSize(380, 200), DRAWN, QSize(900, 360)]
Show = Callable[..., EmotionPanel]


@pytest.fixture
def show(qtbot: QtBot, qapp: QApplication) -> Show:
    look(qapp, "dark")

    def make(*readings: Reading, smoothing: float = 0.0, size: QSize = DRAWN) -> EmotionPanel:
        model = EmotionModel(smoothing=smoothing)
        for reading in readings:
            model.take(reading)
        panel = EmotionPanel(model)
        qtbot.addWidget(panel)
        panel.resize(size)
        return panel

    return make


def marked(*marks: str) -> Reading:
    reading = trained()
    return replace(reading, provenance=replace(reading.provenance, marks=marks))


def texts(panel: EmotionPanel, monkeypatch: pytest.MonkeyPatch) -> list[tuple[QRectF, str]]:
    """What a repaint writes by ``draw_text``, and in which room."""
    written: list[tuple[QRectF, str]] = []
    with monkeypatch.context() as patch:
        patch.setattr(emotion_panel, "draw_text", lambda _p, box, _a, text, *_: written.append((QRectF(box), text)))
        picture(panel)
    return written


def test_bars_are_as_long_as_the_shares(show: Show, colours: theme.Theme) -> None:
    panel = show(trained())
    pixels = picture(panel)
    for label, row in zip(panel._model.labels, panel.frame().rows, strict=True):
        track = panel._track(row)
        line = pixels[round(track.center().y())]
        own = np.abs(line - np.array(theme.emotion_colour(label).getRgb()[:3])).max(axis=1) < 8
        expected = max(4.0, panel._model.shown[label] * track.width())
        assert own.sum() == pytest.approx(expected, abs=4), label


def test_every_share_is_written(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = show(trained())
    written = [text for _, text in texts(panel, monkeypatch)]
    for label, share in panel._model.shown.items():
        assert label in written
        assert f"{share:.2f}" in written


@pytest.mark.parametrize("m", MODALITIES)
def test_each_modality_has_its_mark(show: Show, colours: theme.Theme, m: Modality) -> None:
    opinion = {m: {"happiness": 0.9, "neutral": 0.1}}
    reading = trained(
        emotion={"happiness": 0.1, "neutral": 0.9},
        unimodal={g: {**dict.fromkeys(MODALITIES), **opinion} for g in Graph},
    )
    panel = show(reading)
    pixels = picture(panel)
    track = panel._track(panel.frame().rows[0])
    x, y = round(track.left() + 0.9 * track.width()), round(track.top())
    assert count(pixels[y - 8 : y + 1, x - 7 : x + 8], theme.MODALITY[m], 40) >= 6
    assert count(pixels[y - 8 : y + 1, x - 60 : x - 20], theme.MODALITY[m], 40) == 0


def test_marks_differ_in_shape_too(show: Show) -> None:
    shapes = []
    for m in MODALITIES:
        opinion = {m: {"happiness": 0.5, "neutral": 0.5}}
        panel = show(
            trained(unimodal={g: {**dict.fromkeys(MODALITIES), **opinion} for g in Graph}, emotion={"neutral": 1.0})
        )
        panel._model.opinions = {"neutral": {m: 0.5}}
        track = panel._track(panel.frame().rows[0])
        x, y = round(track.left() + 0.5 * track.width()), round(track.top())
        part = picture(panel)[y - 8 : y, x - 7 : x + 8]
        shapes.append(np.abs(part - np.array(theme.MODALITY[m].getRgb()[:3])).max(axis=-1) < 60)
    for i in range(3):
        assert (shapes[i] != shapes[i - 1]).sum() >= 10


def test_not_valid_is_grey_and_says_why(show: Show, colours: theme.Theme, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = show(trained(0), nothing(1, reason="too dark"))
    assert panel._model.title == "Not valid"
    pixels = picture(panel)
    words = panel.frame().words.toRect()
    large = pixels[words.top() : words.bottom(), words.left() : words.right()]
    assert count(large, colours.ink, 30) == 0
    assert count(large, colours.dim, 20) > 100
    for colour in theme.EMOTION.values():
        assert count(pixels[round(panel.frame().rows[0].top()) :], colour, 2) == 0
    assert [text for _, text in texts(panel, monkeypatch)].count("–") == 8  # seven labels and the sentiment
    assert panel.accessibleDescription() == "Not valid, too dark"


def test_a_valid_reading_stands_in_ink(show: Show, colours: theme.Theme) -> None:
    panel = show(trained())
    words = panel.frame().words.toRect()
    assert count(picture(panel)[words.top() : words.bottom(), 18:170], colours.ink, 30) > 200


def test_untrained_is_subdued_under_a_clear_mark(show: Show, colours: theme.Theme) -> None:
    panel = show(marked("UNTRAINED"))
    pixels = picture(panel)
    words = panel.frame().words.toRect()
    assert count(pixels[words.top() : words.bottom(), 18:170], colours.ink, 30) == 0
    assert count(pixels[:40], theme.WARNING, 3) > 500
    assert count(pixels, theme.EMOTION["happiness"], 2) == 0
    assert "UNTRAINED" in panel.accessibleDescription()
    assert "random" in panel.hint_at(panel.frame().header.center())


@pytest.mark.parametrize("marks", [("DEMO",), ("SYNTHETIC",), ("UNTRAINED", "DEMO", "SYNTHETIC")], ids=str)
def test_every_mark_has_its_chip(show: Show, marks: tuple[str, ...]) -> None:
    chips = count(picture(show(marked(*marks)))[:40], theme.WARNING, 3)
    assert chips > 400 * len(marks)
    assert count(picture(show(trained()))[:40], theme.WARNING, 3) == 0


def test_the_knob_stands_where_the_sentiment_is(show: Show) -> None:
    middles = []
    for value in (-3.0, 0.0, 3.0):
        panel = show(trained(sentiment=value))
        track = panel._scale(panel.frame().sentiment)
        line = picture(panel)[round(track.center().y()), round(track.left()) : round(track.right())]
        ink = np.abs(line - np.array(theme.DARK.ink.getRgb()[:3])).max(axis=-1) < 20
        middles.append(np.flatnonzero(ink).mean() / len(line))
    assert middles[0] < 0.12
    assert middles[1] == pytest.approx(0.5, abs=0.08)
    assert middles[2] > 0.88


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s.width()}x{s.height()}")
@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_nothing_overlaps(
    show: Show, qapp: QApplication, monkeypatch: pytest.MonkeyPatch, size: QSize, scale: float
) -> None:
    qapp.setProperty("dmd_font_scale", scale)
    try:
        panel = show(trained(), size=size * scale)
        frame = panel.frame()
        rows = [QRectF(r) for r in frame.rows]
        inside = QRectF(panel.rect())
        assert all(a.bottom() <= b.top() + 0.01 for a, b in pairwise(rows))
        for box in (frame.header, frame.words, *rows, frame.sentiment):
            assert inside.contains(box)
        assert not any(row.intersects(frame.sentiment) or row.intersects(frame.words) for row in rows)
        assert rows[0].height() >= 13 * scale
        assert panel._track(rows[0]).width() > 60
        assert not panel.why.geometry().toRectF().intersects(QRectF(rows[0].united(rows[-1])))
        picture(panel)
    finally:
        qapp.setProperty("dmd_font_scale", None)


def test_why_can_be_asked_by_mouse_and_keys(show: Show, qtbot: QtBot) -> None:
    panel = show(trained())
    panel.show()
    assert panel.why.accessibleName() == "Why does it say so?"
    with qtbot.waitSignal(panel.why_requested, timeout=0):
        qtbot.mouseClick(panel.why, Qt.MouseButton.LeftButton)
    panel.why.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(panel.why_requested, timeout=0):
        qtbot.keyClick(panel.why, Qt.Key.Key_Space)
    assert panel.rect().contains(panel.why.geometry())


def test_hints_name_the_modalities(show: Show) -> None:
    panel = show(trained())
    hint = panel.hint_at(panel.frame().rows[0].center())
    assert "happiness: 0.46 shown, 0.46 in this window" in hint
    for line in ("L language alone: 0.44", "V vision alone: 0.42", "A audio alone: 0.46"):
        assert line in hint
    panel._model.take(without(V, 1))
    assert "vision alone" not in panel.hint_at(panel.frame().rows[0].center())
    assert "−3" in panel.hint_at(panel.frame().sentiment.center())
    assert "never what is felt" in panel.hint_at(QPointF(1, 1))


def test_words_for_who_does_not_see_it(show: Show) -> None:
    panel = show(trained())
    assert panel.accessibleName() == "Expressed now"
    text = panel.accessibleDescription()
    assert text.startswith("Happiness 0.46, happiness 0.46, neutral 0.27")
    assert "sentiment +1.2" in text


def test_other_labels_get_their_rows(show: Show) -> None:
    panel = show(trained())
    picture(panel)
    panel._model.take(trained(1, emotion={"calm": 0.6, "anger": 0.4}))
    assert len(panel.frame().rows) == 2
    picture(panel)
    panel._model.take(trained(2, emotion=None))
    picture(panel)
    panel._model.reset()
    assert len(panel.frame().rows) == 7
    picture(panel)


def test_a_change_of_theme_repaints(show: Show, qapp: QApplication) -> None:
    panel = show(trained())
    assert tuple(picture(panel)[5, 300]) == theme.DARK.card.getRgb()[:3]
    look(qapp, "light")
    QApplication.sendEvent(panel, QEvent(QEvent.Type.PaletteChange))
    assert tuple(picture(panel)[5, 300]) == theme.LIGHT.card.getRgb()[:3]


def test_bars_glide_and_numbers_do_not(show: Show, qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = show(trained(0, emotion={"happiness": 0.2, "neutral": 0.8}))
    panel.show()
    qapp.setProperty("dmd_reduced_motion", False)
    panel._model.take(trained(1, emotion={"happiness": 0.7, "neutral": 0.3}))
    assert panel.glide.at[1] == 0.2
    assert "0.70" in [text for _, text in texts(panel, monkeypatch)]
    panel.glide.motion.setCurrentTime(panel.glide.motion.duration())
    assert panel.glide.at[1] == 0.7


def test_text_can_be_read(colours: theme.Theme) -> None:
    for ink in (colours.ink, colours.dim, colours.accent):
        assert contrast(ink, colours.card) >= 4.5
        assert contrast(ink, colours.background) >= 4.5
    assert contrast(theme.WARNING_INK, theme.WARNING) >= 4.5


def test_modalities_are_the_drawn_ones() -> None:
    assert [m.value for m in (L, V, A)] == ["L", "V", "A"]
