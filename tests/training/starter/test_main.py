"""The whole build on tiny corpora, and what the command says."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmd_runtime.assets import Assets
from dmd_runtime.modality import MODALITIES
from dmd_runtime.model.calibration import SUBSETS
from dmd_runtime.model.checkpoint import load
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.training.starter import build, command, stages
from dmd_runtime.training.starter.faces import FaceSchedule
from dmd_runtime.training.starter.learn import Schedule
from dmd_runtime.training.starter.text import TextSchedule
from tests.training.starter.starter_factory import MadeExtractors, MadeVisual, make_corpora, make_text_encoder


def run(*arguments: Any) -> int:
    return command.main([str(argument) for argument in arguments])


def test_help_names_every_option_and_what_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    for word in ("DATA", "--out FILE", "--cache DIR", "--seed N", "words,pictures,model", ".md", "Exit status: 0, 2"):
        assert word in said


@pytest.mark.parametrize("arguments", [(), ("data",), ("data", "--out", "x", "--cache", "y", "--only", "all")])
def test_wrong_usage_exits_64(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 64
    assert "usage: starter" in capsys.readouterr().err


@pytest.mark.parametrize("only", [(), ("--only", "words"), ("--only", "model")])
def test_missing_data_is_one_line(only: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none", "--out", tmp_path / "x.safetensors", "--cache", tmp_path / "cache", *only) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("starter: ")
    assert "none" in line
    assert not (tmp_path / "x.safetensors").exists()


def test_the_parts_are_found_by_processes_that_start_anew(tmp_path: Path) -> None:
    """A cache that cannot be written makes each part fail by itself, and not because it was not found."""
    data = make_corpora(tmp_path / "data")
    (tmp_path / "file").write_text("", encoding="utf-8")
    called = [sys.executable, "-m", "dmd_runtime.training.starter", data]
    called += ["--out", tmp_path / "s.safetensors", "--cache", tmp_path / "file" / "no folder"]
    done = subprocess.run(list(map(str, called)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Can't get attribute" not in done.stderr
    assert "the part words ended with status 1" in done.stderr


@pytest.mark.slow
def test_four_sets_become_a_checkpoint_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, text, out = (
        make_corpora(tmp_path / "data"),
        make_text_encoder(tmp_path / "text"),
        tmp_path / "made" / "s.safetensors",
    )
    monkeypatch.setattr(Assets, "fetch", lambda *_: text)
    monkeypatch.setattr(stages, "VisualExtractor", MadeVisual)
    monkeypatch.setattr(command, "Extractors", MadeExtractors)
    for module in (command, build):
        monkeypatch.setattr(module, "TextSchedule", partial(TextSchedule, epochs=1, batch=8, rank=2))
        monkeypatch.setattr(module, "FaceSchedule", partial(FaceSchedule, epochs=1, batch=4, channels=2, embedding=3))
    monkeypatch.setattr(build, "Schedule", partial(Schedule, steps=2, alone=4, triples=7))
    monkeypatch.setattr(build, "_PAIRED", 28)
    with torch.random.fork_rng(devices=[]):
        for part in ("words", "pictures", "model"):
            assert run(data, "--out", out, "--cache", tmp_path / "cache", "--only", part) == 0
        capsys.readouterr()
        first = load(out)
        assert run(data, "--out", out, "--cache", tmp_path / "cache", "--only", "model") == 0
    assert {line.split()[1] for line in capsys.readouterr().err.splitlines()} == {"model"}  # all else was in the cache
    checkpoint = load(out)
    for one, same in zip(checkpoint.model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(one, same)

    assert checkpoint.marks == ()
    assert checkpoint.config.labels == LABELS
    assert {*checkpoint.encoders} == {"text", "face"}
    assert checkpoint.calibration is not None
    assert {*checkpoint.calibration} == {*SUBSETS}
    assert out.with_suffix(".md").read_text(encoding="utf-8") == checkpoint.card
    training = checkpoint.training
    assert training is not None
    assert training["samples"]["train"] == {"L": 13, "V": 7, "A": 32}
    assert training["samples"]["valid"] == {"L": 7, "V": 7, "A": 16}
    assert training["samples"]["test"] == {"L": 8, "V": 7, "A": 16}
    assert {*training["sources"]} == {
        *("goemotions train", "goemotions dev", "meld train", "meld dev", "ferplus", "ravdess")
    }
    figures = training["metrics"]["test"]
    assert [figures[name]["n"] for name in ("L", "V", "A", "label-paired triples")] == [7, 7, 16, 28]
    assert f"| {figures['A']['n']} | {figures['A']['chance']:.2f} | {figures['A']['accuracy']:.3f} |" in checkpoint.card
    batch = {m: torch.zeros(1, checkpoint.config.lengths[m], checkpoint.config.dims[m]) for m in MODALITIES}
    with torch.inference_mode():
        assert np.isfinite(checkpoint.model(batch).logits.numpy()).all()
