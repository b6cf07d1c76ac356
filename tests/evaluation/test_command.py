"""``dmd evaluate --corpus`` as a command: one JSON object, one line where it cannot be, and the real corpora."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmd_runtime.assets import Assets
from dmd_runtime.cli import _CorpusAndPath, main
from dmd_runtime.config import SessionConfig
from dmd_runtime.evaluation.command import CORPORA
from dmd_runtime.model.checkpoint import untrained
from dmd_runtime.streaming.extractors import live_config, live_recipe
from tests.corpora.corpus_factory import make_ravdess
from tests.features.face_assets import face_model
from tests.features.speech_assets import model_folder
from tests.shared_data import shared


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model for the live recipe."""
    path = tmp_path_factory.mktemp("checkpoint") / "untrained.safetensors"
    recipe = live_recipe(SessionConfig.load(), Assets(offline=True))
    untrained(live_config(recipe), recipe.to_json()).save(path)
    return path


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    ("corpus", "n", "excluded"), [("ravdess", 6, 0), ("ferplus", 6, 207), ("goemotions", 6, 480), ("meld", 6, 0)]
)
def test_a_real_corpus_gives_one_json_object(
    corpus: str, n: int, excluded: int, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    usage = ["--usage", "PublicTest"] if corpus == "ferplus" else []
    common = ("--checkpoint", checkpoint, "--device", "cpu", "--offline", "--n", n)
    code, out, error = evaluate(capsys, *common, "--corpus", corpus, shared("data", corpus), *usage)
    assert (code, error, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    assert found["n"] + found["n_not_found"] == n
    assert found["n_excluded"] == excluded
    assert found["corpus"] == corpus
    assert found["checkpoint"]["digest"].startswith("sha256:")
    assert {"chance", "accuracy", "uar", "macro_f1", "ece", "per_class", "intervals"} <= found.keys()


def test_real_triples_give_one_json_object(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    common = ("--checkpoint", checkpoint, "--device", "cpu", "--offline", "--n", 7, "--usage", "PublicTest")
    code, out, error = evaluate(capsys, *common, "--corpus", "paired", shared("data"))
    assert (code, error) == (0, "")
    found = json.loads(out)
    assert found["n"] == 7
    assert set(found["single"]) == {"L", "V", "A"}
    assert {graph: set(of) for graph, of in found["edge_reaction"].items()} == {g: {*"LVA"} for g in ("homo", "hetero")}
    assert set(found["edge_auc"]) == {"homo", "hetero"}
    assert found["removed"] == {"homo": 0.0, "hetero": 0.0}


def test_bad_input_is_told_before_a_model_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_ravdess(tmp_path / "r")
    for corpus, path, said in (
        ("ravdess", tmp_path / "none", "there is no such file or folder"),
        ("ferplus", folder, "expected ferplus"),
        ("paired", folder, "expected goemotions"),
    ):
        code, out, error = evaluate(capsys, "--checkpoint", "none", "--corpus", corpus, path)
        assert (code, out, error.count("\n")) == (2, "", 1)
        assert said in error
        assert str(path) in error


def test_an_unknown_checkpoint_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = evaluate(capsys, "--checkpoint", "nobody", "--corpus", "ravdess", make_ravdess(tmp_path / "r"))
    assert (code, error.count("\n")) == (2, 1)
    assert "checkpoint nobody: expected a .safetensors file or a name" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--checkpoint", "x"),
        ("--checkpoint", "x", "--corpus", "ravdess"),
        ("--checkpoint", "x", "--corpus", "iemocap", "."),
        ("--checkpoint", "x", "--corpus", "meld", ".", "--n", "0"),
        ("--corpus", "meld", "."),
    ],
)
def test_wrong_usage_exits_64(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *arguments])
    assert end.value.code == 64


def test_the_command_line_knows_every_corpus() -> None:
    assert _CorpusAndPath.names == CORPORA
