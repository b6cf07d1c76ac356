"""Figures of the machine: right, bounded, and not told too often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from desktop.models.health import HealthModel, Losses, Severity, percentile, severity
from tests.desktop.left_states import health, healthy


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_percentiles_are_those_of_numpy(values: list[float], share: float) -> None:
    assert percentile(values, share) == np.percentile(values, 100 * share, method="inverted_cdf")


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 0.95) is None


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (None, Severity.GOOD),
        (0.0, Severity.GOOD),
        (1.0, Severity.GOOD),
        (1.01, Severity.AMBER),
        (5.0, Severity.AMBER),
        (5.01, Severity.RED),
        (100.0, Severity.RED),
    ],
)
def test_thresholds(percent: float | None, expected: Severity) -> None:
    assert severity(percent) is expected


@pytest.mark.parametrize(
    ("drops", "expected"), [(0, Severity.GOOD), (9, Severity.GOOD), (24, Severity.AMBER), (80, Severity.RED)]
)
def test_dropped_pictures_are_a_share_of_those_that_were_due(drops: int, expected: Severity) -> None:
    dropped = healthy(drops=drops).figures().dropped_percent
    assert dropped == pytest.approx(100 * drops / (900 + drops))
    assert severity(dropped) is expected


def test_lost_sound_is_a_share_of_the_sound() -> None:
    assert healthy(lost=12_000).figures().audio_lost_percent == pytest.approx(100 * 12_000 / 960_000)


def test_what_was_lost_over_a_minute_ago_is_forgiven() -> None:
    model = HealthModel()
    model.take(health(1.0, drops=15))
    assert model.figures().dropped_percent == pytest.approx(50.0)
    for second in range(2, 63):
        model.take(health(float(second), drops=15))
    assert model.figures().dropped_percent == 0.0


def test_a_new_session_begins_anew() -> None:
    losses = Losses()
    losses.take(50.0, {"lost": 100.0, "kept": 900.0})
    losses.take(1.0, {"lost": 0.0, "kept": 15.0})
    assert losses.percent("lost", "kept") == 0.0


def test_figures_are_those_of_the_messages() -> None:
    figures = healthy().figures()
    assert figures.face_rate == 15.0
    assert figures.drawn_p95_ms == pytest.approx(212.0)
    assert figures.preview_fps == pytest.approx(29.97)
    assert (figures.cpu_percent, figures.rss_mb, figures.speech_lag) == (38.0, 812.0, 1.4)
    assert [(s.name, s.depth) for s in figures.stages] == [("visual", 1), ("sound", 0), ("words", 12), ("reading", 0)]


def test_nothing_measured_is_nothing_and_not_zero() -> None:
    figures = HealthModel().figures()
    assert figures.dropped_percent is None
    assert figures.drawn_p95_ms is None
    assert figures.stages == ()


def test_memory_is_bounded() -> None:
    model = HealthModel()
    for i in range(5000):
        model.note_drawn(i * 1.0)
        model.note_frame_age(i * 1.0)
    assert len(model._latencies) <= 240
    assert len(model._ages) <= 900
    assert model.figures().drawn_p50_ms == pytest.approx((4760 + 119) * 1e3)


def test_latencies_without_end_do_not_count() -> None:
    model = HealthModel()
    model.note_drawn(float("inf"))
    model.note_drawn(0.1)
    assert model.figures().drawn_p95_ms == pytest.approx(100.0)


def test_changes_are_told_at_most_twice_a_second(qtbot: QtBot) -> None:
    model = HealthModel()
    told: list[int] = []
    model.changed.connect(lambda: told.append(1))
    for i in range(100):
        model.note_frame_age(0.01 * i)
    assert len(told) == 1
    assert model._timer.interval() == 500
    for _ in range(2):  # half a second passes, and another one in which nothing comes
        model._timer.stop()
        model._timer.timeout.emit()
        assert len(told) == 2


def test_what_runs_survives_a_reset() -> None:
    model = healthy()
    model.reset()
    assert (model.checkpoint_name, model.device) == ("starter 1.0", "cpu")
    assert model.figures().drawn_p95_ms is None
