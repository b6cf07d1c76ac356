from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.recording.killing import EARLIEST, LATEST, Killed, figures, kill
from tests.shared_data import shared

KINDS = ("still", "talker", "noise")
UNPLAYABLE = 1.0  # s that a kill may cost


def of(kind: str) -> str:
    return str(shared("clips", "talkers", "talker_d.mp4")) if kind == "talker" else kind


def check(killed: Killed) -> None:
    assert killed.session.state == "recovered"
    assert killed.missing() == {}
    assert killed.told["marker"]
    assert killed.lost_s <= UNPLAYABLE
    handed = {round(float(t), 3) for t in killed.told["frame"]}
    assert {round(t, 3) for t in killed.frames[:-1]} <= handed | {max(handed) + 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_costs_a_second_of_media_and_no_record(kind: str, tmp_path: Path) -> None:
    check(kill(of(kind), tmp_path, random.uniform(EARLIEST, LATEST)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_kills_cost_a_second_of_media_each_and_no_record(kind: str) -> None:
    killed, line = figures(of(kind), 10, seed=1)
    assert max(one.lost_s for one in killed) <= UNPLAYABLE, line
