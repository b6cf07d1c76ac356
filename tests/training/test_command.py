"""``dmd train`` and ``dmd evaluate --data`` on small files: seeds, resuming, a tuned encoder, emotions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.cli import main
from dmd_runtime.errors import ConfigError
from dmd_runtime.model.checkpoint import load
from dmd_runtime.training.command import TrainOptions, train
from dmd_runtime.training.data_file import DataFile, read_data
from dmd_runtime.training.feature_file import write_dataset
from dmd_runtime.training.run_state import STATE, RunState
from dmd_runtime.training.samples import Dataset
from tests.training.mmsa_factory import make_mmsa
from tests.training.training_factory import WORDS, make_encoder, make_samples

SMALL = """
base = "features"
[model]
width = 8
heads = 2
layers = 1
[optimiser]
batch_size = 8
epochs = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(SMALL)
    return str(tmp_path / "small.toml")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_mmsa(tmp_path / "data.pkl", dims=(6, 4, 5), lengths=(8, 12, 10), words=WORDS)


def trained(recipe: str, data: Path, out: Path, *more: str) -> int:
    return main(["train", "--config", recipe, "--data", str(data), "--out", str(out), "--device", "cpu", *more])


def evaluated(capsys: pytest.CaptureFixture[str], checkpoint: Path, data: Path, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    told = ["--checkpoint", str(checkpoint), "--data", str(data), "--device", "cpu"]
    assert main(["evaluate", *told, *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_several_seeds_are_summed_up_and_finished_ones_left(
    recipe: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert trained(recipe, data, out, "--seeds", "1,2") == 0
    said = capsys.readouterr().out
    assert "seed 2 epoch 2: loss" in said
    assert "test mae: " in said
    found = json.loads((out / "summary.json").read_text())
    values = found["test"]["mae"]["values"]
    assert found["seeds"] == [1, 2]
    assert found["test"]["mae"]["mean"] == pytest.approx(np.mean(values))
    assert found["test"]["mae"]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert values[0] != values[1]

    before = (out / "seed-1" / "result.json").stat().st_mtime_ns
    assert trained(recipe, data, out, "--seeds", "1,3", "--resume") == 0
    assert "seed 1: finished before" in capsys.readouterr().out
    assert (out / "seed-1" / "result.json").stat().st_mtime_ns == before
    assert json.loads((out / "summary.json").read_text())["seeds"] == [1, 3]

    assert trained(recipe, data, out, "--resume", "--modalities", "L,A") == 2
    assert "expected a run of the same data, settings and seed" in capsys.readouterr().err
    (out / "seed-1" / "result.json").write_text("{}")
    assert trained(recipe, data, out, "--resume") == 2
    assert "expected the result of a run" in capsys.readouterr().err


def test_the_test_split_is_scored_once_and_never_while_training(
    recipe: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmd_runtime.training.trainer import Trainer

    seen: list[str] = []
    predict = Trainer.predict

    def spy(self: Trainer, learner: Any, standardizer: Any, samples: Any) -> Any:
        seen.append("test" if samples.ids == whole["test"].ids else "valid")
        return predict(self, learner, standardizer, samples)

    whole = read_data(data).dataset
    monkeypatch.setattr(Trainer, "predict", spy)
    assert trained(recipe, data, tmp_path / "runs") == 0
    assert seen == ["valid"] * 3 + ["test"]


def test_a_tuned_encoder_stands_beside_the_checkpoint(
    recipe: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder, out = make_encoder(tmp_path / "bert"), tmp_path / "runs"
    assert trained(recipe, data, out, "--text-encoder", str(encoder)) == 0
    folder = out / "seed-1"
    made = load(folder / "checkpoint.safetensors")
    assert made.training is not None
    assert made.training["text_encoder"]["file"] == "text_encoder/model.safetensors"
    assert made.training["settings"]["text"]["encoder"] == "bert"  # and not where it lay
    assert str(tmp_path) not in json.dumps(made.training)
    result = json.loads((folder / "result.json").read_text())
    said = evaluated(capsys, folder / "checkpoint.safetensors", data)
    assert said["metrics"] == pytest.approx(result["test"]["metrics"], abs=1e-5)
    weights = folder / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x01")
    assert main(["evaluate", "--checkpoint", str(folder / "checkpoint.safetensors"), "--data", str(data)]) == 2
    assert "expected the text encoder with sha256" in capsys.readouterr().err


def feature_file(path: Path) -> Path:
    labels = ("sad", "neutral", "happy")
    sizes = {"train": 40, "valid": 16, "test": 24}
    splits = {name: make_samples(n, seed=n, labels=labels, sentiment=False) for name, n in sizes.items()}
    write_dataset(Dataset(splits=splits, recipe={"id": "live"}, source="made up", repaired={}), path)
    return path


def test_a_feature_file_with_emotions_keeps_the_recipe_of_its_extractors(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = feature_file(tmp_path / "clips.safetensors"), tmp_path / "runs"
    assert trained(recipe, data, out, "--epochs", "3") == 0
    checkpoint = out / "seed-1" / "checkpoint.safetensors"
    made = load(checkpoint)
    assert made.recipe == {"id": "live"}
    assert (made.config.labels, made.config.sentiment) == (("sad", "neutral", "happy"), False)
    plots = {path.name for path in (out / "seed-1" / "plots").iterdir()}
    assert plots == {"losses.png", "edges.png", "confusion-emotion.png", "calibration.png"}
    whole = evaluated(capsys, checkpoint, data)
    assert {"accuracy", "uar", "macro_f1", "ece"} == set(whole["metrics"])
    assert set(whole["emotion"]["intervals"]) >= {"accuracy", "uar"}
    alone = evaluated(capsys, checkpoint, data, "--split", "valid", "--modalities", "A")
    assert (alone["n"], alone["modalities"]) == (16, ["A"])
    assert set(alone["mean_edges"].values()) == {0}
    other = make_mmsa(tmp_path / "other.pkl", dims=(6, 4, 7), lengths=(8, 12, 10))
    for file, split, says in ((other, "test", "expected visual of rows and width"), (data, "dev", "expected a split")):
        arguments = ["--checkpoint", str(checkpoint), "--data", str(file), "--split", split]
        assert main(["evaluate", *arguments]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"test": make_samples(5, dims=(6, 5, 9))}, "test: expected acoustic (12, 4) as in train, got (12, 9)"),
        ({"test": make_samples(5, sentiment=False)}, "test: expected labels of emotion or sentiment, got none"),
        ({"test": make_samples(0)}, "test: expected at least one sample, got none"),
        ({"test": None}, "expected a split 'test', it has train, valid"),
    ],
)
def test_splits_that_do_not_belong_together_are_told_before_training(
    changed: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits: dict[str, Any] = {"train": make_samples(20), "valid": make_samples(8), "test": make_samples(8), **changed}
    whole = {name: samples for name, samples in splits.items() if samples is not None}
    dataset = Dataset(splits=whole, recipe=None, source="made up", repaired={})
    found = DataFile(dataset=dataset, name="made up", sha256="0")
    monkeypatch.setattr("dmd_runtime.training.command.read_data", lambda _: found)
    options = TrainOptions(config="features", data=tmp_path, out=tmp_path / "runs", device="cpu")
    with pytest.raises(ConfigError, match=re.escape(says)):
        train(options, say=pytest.fail)
    assert not (tmp_path / "runs").exists()


def test_what_was_trained_without_masks_is_not_read_with_less(
    recipe: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(recipe).write_text(f"{SMALL}accumulate = 3\n")
    assert trained(recipe, data, tmp_path / "runs", "--reference") == 0
    checkpoint = tmp_path / "runs" / "seed-1" / "checkpoint.safetensors"
    said = evaluated(capsys, checkpoint, data)
    result = json.loads((checkpoint.parent / "result.json").read_text())
    assert said["metrics"] == pytest.approx(result["test"]["metrics"], abs=1e-5)
    assert not said["masked"]
    arguments = ["evaluate", "--checkpoint", str(checkpoint), "--data", str(data), "--modalities", "L"]
    assert main(arguments) == 2
    assert "expected all modalities" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_told_before_training(
    recipe: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert trained(recipe, data, tmp_path / "file" / "runs") == 2
    said = capsys.readouterr()
    assert "expected a folder that can be written to" in said.err
    assert "epoch" not in said.out


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_that_was_killed_for_good_goes_on_to_the_same_end(recipe: str, data: Path, tmp_path: Path) -> None:
    Path(recipe).write_text(f"{SMALL}early_stop = 1000\n")
    out, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = ["train", "--config", recipe, "--data", str(data), "--out", str(out), "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-m", "dmd_runtime", *arguments, "--epochs", "1000"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).resolve().parents[2],
    ) as run:
        assert run.stdout is not None
        assert "seed 1 epoch 1: " in run.stdout.readline()
        assert "seed 1 epoch 2: " in run.stdout.readline()
        run.kill()
    assert (out / "seed-1" / STATE).is_file()
    assert not (out / "seed-1" / "result.json").exists()
    kept = len(RunState(out / "seed-1").read()["rows"])
    assert trained(recipe, data, out, "--resume", "--epochs", str(kept + 1)) == 0
    assert trained(recipe, data, whole, "--epochs", str(kept + 1)) == 0
    for name in ("checkpoint.safetensors", "log.csv", "result.json"):
        assert (out / "seed-1" / name).read_bytes() == (whole / "seed-1" / name).read_bytes()
