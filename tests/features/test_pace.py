from __future__ import annotations

import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.pace import Pace, PaceConfig


def paced(took: float, times: int = 30) -> Pace:
    pace = Pace(PaceConfig(cadence=0.4, load=0.5, greedy_above=1.0))
    for k in range(times):
        pace.note(k * pace.cadence, took=took)
    return pace


def test_as_often_as_wished_where_the_machine_can() -> None:
    pace = paced(0.1)
    assert pace.cadence == 0.4
    assert pace.due(0.0)  # every piece, whenever it comes
    assert not pace.is_greedy
    assert pace.rtf == pytest.approx(0.25, rel=1e-3)


def test_slower_where_it_cannot_and_then_greedy() -> None:
    slow = paced(0.4)
    assert slow.cadence == pytest.approx(0.8)
    last = 29 * slow.cadence
    assert not slow.due(last + 0.5)
    assert slow.due(last + 0.8)
    assert not slow.is_greedy
    assert paced(0.8).is_greedy
    assert paced(60.0).cadence == 4.0  # even then something is shown


def test_it_recovers() -> None:
    pace = paced(2.0)
    for k in range(30):
        pace.note(200.0 + k, took=0.05)
    assert pace.cadence == 0.4


@pytest.mark.parametrize("wrong", [{"cadence": 0.0}, {"cadence": 9.0}, {"load": 0.0}, {"load": 2.0}])
def test_a_config_outside_its_rules_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        PaceConfig(**wrong)
