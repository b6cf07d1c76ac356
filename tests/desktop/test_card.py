"""The model card: one click away, honest about what is not known, and it opens nothing by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QTextDocument, QTextTable
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from desktop import card_dialog, theme
from desktop.card_dialog import CardBrowser, CardDialog
from desktop.models.card import ModelCard, card_of
from desktop.models.live import Phase
from dmd_runtime import Graph
from tests.desktop.app_fixtures import make, running, shown
from tests.desktop.looking import contrast, look
from tests.desktop.readings import NO_GRAPH
from tests.desktop.session_fixtures import Loader, loader
from tests.desktop.trained import CARD, LICENCE, TrainedToolbox, checkpoint

__all__ = ["loader", "make"]


def card(**changes: object) -> ModelCard:
    return replace(card_of(TrainedToolbox()), **changes)  # type: ignore[arg-type]


def dialog_of(shown_card: ModelCard | None, qtbot: QtBot) -> CardDialog:
    dialog = CardDialog(shown_card)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


def texts(dialog: QWidget) -> str:
    return "\n".join(label.text() for label in dialog.findChildren(QLabel) if label.isVisible())


def test_the_card_says_what_its_checkpoint_says() -> None:
    toolbox = TrainedToolbox()
    found = card_of(toolbox)
    assert found.text == CARD
    assert found.summary == ""
    assert dict(found.facts) == {
        "checkpoint": "starter",
        "file": toolbox.checkpoint.digest,
        "features": toolbox.recipe.id,
        "device": "cpu",
        "trained on": "2026-11-25",
        "probabilities": "temperatures fitted on validation data",
        "licence": LICENCE,
    }


def test_what_is_not_known_is_said_plainly(qtbot: QtBot) -> None:
    cardless = card(text="", date="", licence="", is_calibrated=False)
    assert dict(cardless.facts)["licence"] == dict(cardless.facts)["trained on"] == "not stated in the checkpoint"
    assert "brings no model card" in texts(dialog_of(cardless, qtbot))
    untrained = texts(dialog_of(card(text="", is_trained=False), qtbot))
    assert "UNTRAINED: the weights are random" in untrained
    assert "never" in untrained.splitlines()
    assert "no distillation graph in this checkpoint" in texts(dialog_of(card(has_graphs=False), qtbot))
    assert "No model is loaded yet" in texts(dialog_of(None, qtbot))


def test_a_files_words_stay_on_one_line() -> None:
    record = {"date": "2026\n\n<b>", "licence": ["x"] * 500}
    found = card_of(TrainedToolbox(checkpoint=replace(checkpoint(), training=record)))
    assert found.date == "2026 <b>"
    assert len(found.licence) == 200


def test_a_card_opens_nothing_and_loads_nothing(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pytest.fail(f"{url} was opened"))
    picture = tmp_path / "seen.png"
    image = QImage(64, 64, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(picture))
    text = f"[paper](https://example.org/paper)\n\n![x](file://{picture})\n\n<h1>html</h1><img src='{picture}'>"
    dialog = dialog_of(card(text=text), qtbot)
    browser = dialog.findChild(CardBrowser)
    assert browser is not None
    kind = QTextDocument.ResourceType.ImageResource.value
    assert browser.loadResource(kind, QUrl.fromLocalFile(str(picture))).size() == QSize(1, 1)
    assert "<img" in browser.toPlainText()  # as text
    before = browser.toPlainText()
    browser.anchorClicked.emit(QUrl("https://example.org/paper"))
    browser.highlighted.emit(QUrl("https://example.org/paper"))
    assert "https://example.org/paper" in texts(dialog)
    assert browser.toPlainText() == before
    red = browser.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    assert not any(red.pixel(x, y) == 0xFFFF0000 for x in range(0, red.width(), 4) for y in range(0, red.height(), 4))


def test_the_keyboard_reads_and_closes_it(qtbot: QtBot) -> None:
    dialog = dialog_of(card(text=CARD + "\n\nmore\n" * 200), qtbot)
    browser = dialog.findChild(CardBrowser)
    assert browser is not None
    assert browser.accessibleName() == "Model card of starter"
    qtbot.keyClick(browser, Qt.Key.Key_PageDown)
    assert browser.verticalScrollBar().value() > 0
    qtbot.keyClick(browser, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_it_follows_the_theme(qtbot: QtBot, qapp: QApplication) -> None:
    look(qapp, "dark")
    dialog = dialog_of(card(), qtbot)
    browser = dialog.findChild(CardBrowser)
    assert browser is not None

    def colours() -> tuple[str, str]:
        (table,) = [f for f in browser.document().rootFrame().childFrames() if isinstance(f, QTextTable)]
        link = browser.document().find("paper").charFormat()
        assert link.isAnchor()
        assert contrast(link.foreground().color(), theme.theme().card) >= 4.5
        return table.format().borderBrush().color().name(), link.foreground().color().name()

    dark = colours()
    look(qapp, "light")
    qapp.processEvents()
    assert set(colours()).isdisjoint(dark)
    look(qapp, "dark")


def test_one_click_from_the_live_page(make, loader: Loader, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.toolbox = TrainedToolbox
    opened: list[ModelCard | None] = []

    class Opened(card_dialog.CardDialog):
        def exec(self) -> int:
            opened.append(app.models.card.card)
            self.deleteLater()
            return 0

    monkeypatch.setattr("desktop.app.CardDialog", Opened)
    app = shown(make(), qtbot)
    app.window.actions_.card.trigger()
    qtbot.waitUntil(app.window.status.card.isVisible, timeout=30_000)  # loaded ahead: nothing runs yet
    assert app.models.live.phase is Phase.EMPTY
    assert app.window.status.card.text() == "starter · card"
    qtbot.mouseClick(app.window.status.card, Qt.MouseButton.LeftButton)
    assert opened[-1] is not None
    assert opened[-1].text == CARD
    assert len(opened) == 2


def test_nothing_says_untrained_when_a_trained_model_runs(make, loader: Loader, qtbot: QtBot) -> None:
    loader.toolbox = TrainedToolbox
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app), timeout=30_000)
    assert app.models.live.marks == ("SYNTHETIC",)
    window = app.window
    everything = [window.models.emotion.explanation(), window.page.emotion.accessibleDescription()]
    everything += [
        text
        for widget in window.findChildren(QWidget)
        if widget.isVisible()
        for text in (widget.toolTip(), widget.accessibleName(), widget.accessibleDescription())
    ]
    assert any("starter" in text for text in everything)
    assert not any("UNTRAINED" in text or "random" in text for text in everything)


def test_a_published_checkpoint_runs_without_graphs_and_says_so(make, loader: Loader, qtbot: QtBot) -> None:
    loader.toolbox = lambda: TrainedToolbox(checkpoint=replace(checkpoint(), graphs=False))
    app = shown(make(source="synthetic:600"), qtbot)
    qtbot.waitUntil(lambda: running(app) and len(app.models.graphs[Graph.HOMOGENEOUS].present) > 1, timeout=30_000)
    for graph, view in app.window.page.graphs.items():
        assert app.models.graphs[graph].reason == NO_GRAPH
        assert view.drawn_edges() == {}
        assert NO_GRAPH in view.accessibleDescription()
    assert NO_GRAPH in app.models.emotion.reading.reason
