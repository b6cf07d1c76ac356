"""A made-up MOSI file of the published shapes: trained, killed, resumed, evaluated and converted by the commands."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from dmd_runtime.cli import main
from dmd_runtime.model.checkpoint import load
from dmd_runtime.training.logbook import Logbook
from tests.model.test_convert import published
from tests.training.mmsa_factory import make_mmsa

SIZES = {"train": 16, "valid": 8, "test": 8}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mmsa(tmp_path_factory.mktemp("mosi") / "aligned_50.pkl", n=SIZES)


def trained(fake: Path, out: Path, *more: str) -> int:
    told = ["--config", "mosi_aligned", "--text-encoder", "none", "--device", "cpu", "--epochs", "2"]
    return main(["train", *told, "--data", str(fake), "--out", str(out), *more])


def test_it_trains_resumes_evaluates_and_converts(
    fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert trained(fake, whole) == 0

    add = Logbook.add
    monkeypatch.setattr(Logbook, "add", lambda self, row: (_ for _ in ()).throw(KeyboardInterrupt))
    assert trained(fake, killed) == 130  # in the middle of the first epoch's end: its state is kept
    monkeypatch.setattr(Logbook, "add", add)
    assert [path.name for path in killed.iterdir()] == ["seed-1"]
    capsys.readouterr()
    assert trained(fake, killed) == 2
    assert "seed-1: expected a new folder, or --resume" in capsys.readouterr().err
    assert trained(fake, killed, "--resume") == 0
    assert [p.name for p in sorted((killed / "seed-1").iterdir())] == [
        "checkpoint.safetensors",
        "log.csv",
        "plots",
        "result.json",
    ]
    for name in ("seed-1/checkpoint.safetensors", "seed-1/log.csv", "seed-1/result.json", "summary.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name

    checkpoint = whole / "seed-1" / "checkpoint.safetensors"
    made = load(checkpoint)
    record = made.training
    assert record is not None
    assert record["data"]["splits"] == SIZES
    assert (record["seed"], record["epochs"], record["version"]) == (1, 2, "0.1.0")
    assert made.marks == ()
    with (whole / "seed-1" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train total", "train edges homo", "valid loss", "valid mae", "lr", "homo L>V", "hetero A>L"} <= set(
        rows[0]
    )
    assert {path.name for path in (whole / "seed-1" / "plots").iterdir()} >= {"losses.png", "edges.png"}

    capsys.readouterr()
    assert main(["evaluate", "--checkpoint", str(checkpoint), "--data", str(fake), "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    result = json.loads((whole / "seed-1" / "result.json").read_text())
    assert said["n"] == result["test"]["n"] == 8
    assert said["metrics"] == pytest.approx(result["test"]["metrics"], abs=1e-5)
    assert said["metrics"] == pytest.approx(record["metrics"]["test"], abs=1e-5)

    torch.save(published(made.model), tmp_path / "ref.pth")
    out = tmp_path / "converted.safetensors"
    assert main(["convert", str(tmp_path / "ref.pth"), "--out", str(out), "--config", "mosi_aligned"]) == 0
    assert "no distillation graph in this checkpoint" in capsys.readouterr().out
    assert main(["evaluate", "--checkpoint", str(out), "--data", str(fake), "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert not said["checkpoint"]["graphs"]
    assert "mean_edges" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--config", "mosi_unaligned"), "expected visual of rows 500, as the recipe says, got 50"),
        (("--config", "nothing"), "recipe nothing: expected a TOML file or one of"),
        (("--reference",), "expected at least 145 samples, got 16"),
        (("--reference", "--modalities", "L,V"), "reference: expected all modalities"),
        (("--device", "mps"), "device: expected one of auto, cpu"),
        (("--data", "nothing.pkl"), "nothing.pkl"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], says: str, fake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "mps" in arguments and torch.backends.mps.is_available():
        pytest.skip("this machine has an MPS device")
    out = tmp_path / "runs"
    assert trained(fake, out, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("dmd: ")
    assert says in error
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments", [("--seeds", "1,1"), ("--seeds", "x"), ("--modalities", "L,X"), ("--epochs", "0")]
)
def test_wrong_usage_exits_64(arguments: tuple[str, ...], fake: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        trained(fake, tmp_path / "runs", *arguments)
    assert end.value.code == 64
