"""The benchmark measures what it says; how fast anything is, is not tested."""

from __future__ import annotations

import json

import pytest
import torch

from dmd_runtime.benchmark import dmd
from dmd_runtime.cli import main


@pytest.fixture(scope="module")
def figures():
    return dmd.run(repeats=1)


def test_is_json(figures):
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.parametrize("case", ["aligned", "unaligned", "live"])
def test_sides_agree(figures, case):
    assert 0 <= figures["cases"][case]["max_abs_output"] <= 1e-5
    assert 0 <= figures["cases"][case]["max_abs_edges"] <= 1e-5


@pytest.mark.parametrize("case", ["aligned", "unaligned", "live"])
def test_times_are_ordered(figures, case):
    for side in ("fast", "plain", "module"):
        times = figures["cases"][case][side]
        assert 0 < times["p50_ms"] <= times["p95_ms"]
        assert times["cold_p50_ms"] > 0


@pytest.mark.parametrize("case", ["aligned", "unaligned", "live"])
def test_ratio_is_of_the_medians(figures, case):
    sides = figures["cases"][case]
    assert sides["ratio"] == pytest.approx(sides["plain"]["p50_ms"] / sides["fast"]["p50_ms"])
    assert sides["ratio_cold"] == pytest.approx(sides["plain"]["cold_p50_ms"] / sides["fast"]["cold_p50_ms"])


@pytest.mark.parametrize("repeats", [1, dmd.ROUND, 2 * dmd.ROUND + 3])
def test_every_side_is_timed_as_often_as_asked(repeats):
    made = {"a": 0, "b": 0}

    def call(name):
        made[name] += 1
        return float(made[name])

    times = dmd._warm({name: lambda name=name: call(name) for name in made}, repeats)
    rounds = -(-repeats // dmd.ROUND)
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": repeats, "b": repeats}
    assert made == dict.fromkeys(made, repeats + rounds * dmd.WARM_UP)


def test_says_where_it_ran(figures):
    assert figures["threads"] == 1
    assert figures["torch"] == torch.__version__
    assert figures["device"]
    assert (figures["cuda"] is None) == (not torch.cuda.is_available())


def test_only_the_live_case_is_masked(figures):
    assert {name: case["masked"] for name, case in figures["cases"].items()} == {
        "aligned": False,
        "unaligned": False,
        "live": True,
    }


def test_leaves_threads_and_random_numbers_as_they_were(monkeypatch):
    monkeypatch.setattr(dmd, "CASES", {"live": dmd.CASES["live"]})
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    dmd.run(repeats=1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("repeats", [0, -1])
def test_refuses_no_repeats(repeats):
    with pytest.raises(ValueError, match="repeats"):
        dmd.run(repeats=repeats)


def test_command_prints_one_json_object(monkeypatch, capsys):
    monkeypatch.setattr(dmd, "CASES", {"live": dmd.CASES["live"]})
    assert main(["bench", "dmd", "--json", "--repeats", "1"]) == 0
    assert set(json.loads(capsys.readouterr().out)["cases"]) == {"live"}
