"""What is shown of a recording."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from desktop.models.recording import RecordFigures, RecordingModel, RecordState, clock_text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (7.9, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_time_as_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_figures_begin_anew_with_a_recording_and_stay_while_it_is_saved(qtbot: QtBot) -> None:
    model = RecordingModel()
    with qtbot.waitSignals([model.state_changed, model.changed]):
        model.set_state(RecordState.RECORDING)
    model.update(elapsed=5.0, frames=150)
    model.set_state(RecordState.SAVING)
    assert (model.figures.elapsed, model.figures.frames) == (5.0, 150)
    model.set_state(RecordState.RECORDING)
    assert model.figures == RecordFigures(state=RecordState.RECORDING)


def test_what_does_not_change_is_not_told(qtbot: QtBot) -> None:
    model = RecordingModel()
    model.update(elapsed=1.0)
    with qtbot.assertNotEmitted(model.changed), qtbot.assertNotEmitted(model.state_changed):
        model.update(elapsed=1.0)
        model.set_state(RecordState.IDLE)


def test_one_that_ended_by_itself_keeps_its_figures_and_says_why() -> None:
    model = RecordingModel()
    model.set_state(RecordState.RECORDING)
    model.update(elapsed=5.0, ended="The disk is full.")
    model.set_state(RecordState.ENDED)
    assert (model.figures.elapsed, model.figures.ended) == (5.0, "The disk is full.")
    model.set_state(RecordState.IDLE)
    assert model.figures == RecordFigures()
