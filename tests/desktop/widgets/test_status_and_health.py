"""The status line and the panel of figures."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.health import HealthModel, Severity
from desktop.widgets.health_panel import HealthPanel
from desktop.widgets.signs import severity_colour
from desktop.widgets.status_line import StatusLine
from tests.desktop import left_states as states
from tests.desktop.left_states import healthy


def line_of(model: HealthModel, qtbot: QtBot, width: int = 1280) -> StatusLine:
    """A line of a width."""
    line = StatusLine(model)
    qtbot.addWidget(line)
    line.resize(width, 38)
    return line


def left(line: StatusLine) -> str:
    """What is shown at the left."""
    return " · ".join(segment.text for segment in line.shown()[0])


def test_the_line_reads_as_drawn(qtbot: QtBot) -> None:
    line = line_of(healthy(), qtbot)
    expected = "window → drawn 212 ms p95 · dropped 0.0 % · speech lag 1.4 s · CPU 38 % · disk 11 h left"
    assert left(line) == expected
    assert line.shown()[1:] == ("starter 1.0 · card", "cpu · local only")
    assert line.accessibleDescription() == f"{expected} · starter 1.0 · card · cpu · local only"


def test_nothing_measured_says_nothing(qtbot: QtBot) -> None:
    line = line_of(HealthModel(), qtbot)
    assert left(line) == ""
    assert line.shown()[1:] == ("", "local only")
    assert not line.card.isVisibleTo(line)


@pytest.mark.parametrize("state", states.HEALTH)
@pytest.mark.parametrize("width", [200, 260, 420, 700, 1024, 1280])
def test_it_never_runs_over(qtbot: QtBot, state: str, width: int) -> None:
    line = line_of(states.HEALTH[state](), qtbot, width)
    segments, link, right = line.shown()
    room = width - 40
    taken = line._width(segments) + line.width_of(link, right)
    assert taken <= room + 1
    assert line.grab().width() == width
    assert line.card.isVisibleTo(line) == bool(link)
    if link:
        name = line.card.geometry()
        assert name.left() > 20 + line._width(segments)
        assert name.right() < width - 20 - line._metrics().horizontalAdvance(right)


def test_at_700_pixels_the_least_important_goes_first(qtbot: QtBot) -> None:
    line = line_of(healthy(), qtbot, 700)
    assert left(line) == "window → drawn 212 ms p95 · dropped 0.0 % · speech lag 1.4 s · CPU 38 %"
    line.resize(420, 38)
    assert left(line) == "window → drawn 212 ms p95 · dropped 0.0 %"
    assert line.shown()[1:] == ("", "cpu · local only")
    assert "disk 11 h left" in line.toolTip()


def test_a_bad_figure_stays_longest(qtbot: QtBot) -> None:
    line = line_of(healthy(drops=80), qtbot, 420)
    assert left(line) == "dropped 8.2 %"


def test_a_long_name_is_elided_in_its_middle(qtbot: QtBot) -> None:
    _, link, right = line_of(states.HEALTH["long name"](), qtbot, 700).shown()
    assert "…" in link
    assert link.startswith("sub-17")
    assert link.endswith(" · card")
    assert right == "cpu · local only"


def test_the_models_name_asks_for_its_card(qtbot: QtBot) -> None:
    line = line_of(healthy(), qtbot)
    assert line.card.accessibleName() == "Model card of starter 1.0"
    with qtbot.waitSignal(line.card_requested):
        qtbot.mouseClick(line.card, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(line.card_requested):
        qtbot.keyClick(line.card, Qt.Key.Key_Space)


@pytest.mark.parametrize(("drops", "expected"), [(0, Severity.GOOD), (24, Severity.AMBER), (80, Severity.RED)])
def test_drops_are_coloured_and_signed(qtbot: QtBot, drops: int, expected: Severity) -> None:
    line = line_of(healthy(drops=drops), qtbot)
    (dropped,) = (s for s in line.shown()[0] if s.text.startswith("dropped"))
    assert dropped.severity is expected
    picture = line.grab().toImage()
    wanted = severity_colour(expected)
    colours = {picture.pixelColor(x, y).rgb() for x in range(picture.width()) for y in range(10, 28)}
    assert wanted.rgb() in colours
    words = {Severity.GOOD: "dropped 0.0 % ·", Severity.AMBER: "% (high)", Severity.RED: "% (too high)"}
    assert words[expected] in line.accessibleDescription()


def test_lost_sound_is_said(qtbot: QtBot) -> None:
    assert "sound lost 1.2 %" in left(line_of(healthy(lost=12_000), qtbot))
    assert "sound" not in left(line_of(healthy(), qtbot))


def test_a_change_of_theme_repaints_the_line(qtbot: QtBot, qapp: QApplication) -> None:
    line = line_of(healthy(), qtbot)
    theme.apply_theme(qapp, "light")
    picture = line.grab().toImage()
    colours = {picture.pixelColor(x, y).rgb() for x in range(300) for y in range(10, 28)}
    assert theme.LIGHT.dim.rgb() in colours
    assert theme.DARK.dim.rgb() not in colours


def panel_of(model: HealthModel, qtbot: QtBot) -> HealthPanel:
    """A shown panel."""
    panel = HealthPanel(model)
    qtbot.addWidget(panel)
    panel.resize(420, 360)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def test_the_panel_shows_every_stage(qtbot: QtBot) -> None:
    panel = panel_of(healthy(drops=24), qtbot)
    table = panel.table.model()
    rows = [[table.index(r, c).data() for c in range(table.columnCount())] for r in range(table.rowCount())]
    assert rows[0] == ["face", "15.0", "21.4", "33.9", "▲ 24", "1"]
    assert rows[2] == ["words", "1.7", "402.8", "911.5", "0", "12"]
    assert [table.headerData(c, Qt.Orientation.Horizontal) for c in range(6)] == [
        "stage",
        "per s",
        "p50 ms",
        "p95 ms",
        "drops",
        "waiting",
    ]


def test_the_panel_shows_the_whole(qtbot: QtBot) -> None:
    panel = panel_of(healthy(drops=80), qtbot)
    names = {figure.accessibleName() for figure in panel._figures.values()}
    assert {"preview: 30 fps", "drawn p50 / p95: 171 / 212 ms", "dropped: 8.2 %", "memory: 812 MB"} <= names


def test_the_panel_follows(qtbot: QtBot) -> None:
    model = HealthModel()
    panel = panel_of(model, qtbot)
    assert panel.table.model().rowCount() == 0
    model.take(states.health(1.0))
    model._timer.stop()
    model.take(states.health(2.0, rate=9.5))
    assert panel.table.model().rowCount() == 4
    assert panel.table.model().index(0, 1).data() == "9.5"
    model._timer.stop()
    model.reset()
    assert panel.table.model().rowCount() == 0


def test_the_table_fits_a_narrow_dock(qtbot: QtBot) -> None:
    panel = panel_of(healthy(), qtbot)
    header = panel.table.horizontalHeader()
    assert header.length() <= panel.table.viewport().width()
    assert panel.minimumSizeHint().width() <= 420
