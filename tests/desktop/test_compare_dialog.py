"""Comparing raters and the model: who can be compared, the figures, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.compare_dialog import CompareDialog
from desktop.models.comparing import sides
from dmd_runtime import Annotations, Item, Tier, TierKind, compare_tiers, open_session
from tests.desktop.looking import count, look, picture
from tests.recording.replayable import write_session

ANNA = ("happiness", "anger", "anger", "fear", "fear", "happiness")
BEN = ("happiness", "anger", "fear", "fear", "fear", "happiness")


def labels(by: str, names: tuple[str, ...], length: float = 5.0) -> Tier:
    items = [Item(id=str(i), t0=length * i, t1=length * (i + 1), label=name) for i, name in enumerate(names)]
    return Tier(name="emotion", by=by, kind=TierKind.CATEGORY, items=tuple(items))


def trace(by: str, shift: float) -> Tier:
    items = (Item(t0=float(t), value=float(np.sin(t)) / 2 + shift) for t in np.arange(0, 30, 0.25))
    return Tier(name="valence", by=by, kind=TierKind.TRACE, items=tuple(items))


def dialog(bot: QtBot, *tiers: Tier, folder: Path | None = None) -> CompareDialog:
    readings = None if folder is None else open_session(folder).readings
    shown = CompareDialog(Annotations(tiers=tiers), readings)
    bot.addWidget(shown)
    shown.show()
    return shown


def done(shown: CompareDialog, bot: QtBot) -> list[str]:
    bot.waitUntil(shown.copy.isEnabled)
    return shown.view.text.splitlines()


def test_two_raters_labels_with_their_confusion(qtbot: QtBot, qapp: QApplication) -> None:
    colours = look(qapp, "dark")
    first, second = labels("anna", ANNA), labels("ben", BEN)
    shown = dialog(qtbot, Tier(name="event", kind=TierKind.POINT), first, second)
    assert [shown.first.itemText(i) for i in range(shown.first.count())] == ["emotion · anna", "emotion · ben"]
    lines = done(shown, qtbot)
    found = compare_tiers(first, second)
    kappa = found.figures["kappa"]
    assert f"Cohen's kappa\t{kappa.value:.3f}\t{kappa.low:.3f} to {kappa.high:.3f}" in lines
    assert "Agreement\t83.3 %" in lines[3]
    assert "n = 60 cells of 0.5 s in which both said something; the first in 60, the second in 60" in lines
    assert f"by chance\t{100 * found.chance:.1f} %" in lines
    assert lines[-3:] == ["anger\t10\t10\t0", "fear\t0\t20\t0", "happiness\t0\t0\t20"]
    assert count(picture(shown.view), colours.accent, within=12) > 100
    shown.copy.click()
    assert QGuiApplication.clipboard().text() == shown.view.text
    shown.reject()


def test_traces_are_compared_with_traces_only(qtbot: QtBot) -> None:
    first, second = trace("anna", 0.0), trace("ben", 0.2)
    shown = dialog(qtbot, labels("anna", ANNA), first, second)
    assert shown.first.currentText() == "valence · anna"  # there is nothing beside the labels
    assert [shown.second.itemText(i) for i in range(shown.second.count())] == ["valence · ben"]
    lines = done(shown, qtbot)
    found = compare_tiers(first, second).figures
    assert [line.split("\t")[:2] for line in lines[3:]] == [
        ["CCC", f"{found['ccc'].value:.3f}"],
        ["Pearson's r", "1.000"],
        ["RMSE", "0.200"],
        ["Krippendorff's alpha", f"{found['alpha'].value:.3f}"],
    ]
    shown.reject()


def test_a_rater_and_the_model(qtbot: QtBot, tmp_path: Path) -> None:
    folder = write_session(tmp_path / "ses-a", seconds=30.0, media=False)
    shown = dialog(qtbot, labels("anna", ANNA), trace("anna", 0.0), folder=folder)
    assert [shown.second.itemText(i) for i in range(shown.second.count())] == ["emotion · the model"]
    assert "Cohen's kappa" in "".join(done(shown, qtbot))
    shown.first.setCurrentIndex(1)
    assert shown.second.currentText() == "sentiment / 3 · the model"
    lines = done(shown, qtbot)
    assert "CCC" in lines[3]
    assert "not the same" in shown.remark.text()
    shown.reject()
    with_name = sides(Annotations(), open_session(folder).readings, "starter_02")
    assert [side.title for side in with_name] == [
        "emotion · the model (starter_02)",
        "sentiment / 3 · the model (starter_02)",
    ]


def test_too_little_in_common_is_said(qtbot: QtBot) -> None:
    shown = dialog(qtbot, labels("anna", ANNA, length=0.5), labels("ben", BEN))
    lines = done(shown, qtbot)
    assert "Too little in common" in lines[-1]
    assert "5 s that both have labelled, got 3 s" in lines[-1]
    shown.reject()


@pytest.mark.parametrize("tiers", [(), (labels("anna", ANNA),)])
def test_nobody_to_compare_with_is_said(qtbot: QtBot, tiers: tuple[Tier, ...]) -> None:
    shown = dialog(qtbot, *tiers)
    assert "nothing to compare" in shown.view.text
    assert not shown.copy.isEnabled()
    shown.reject()
