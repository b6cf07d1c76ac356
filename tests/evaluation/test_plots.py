"""Pictures are drawn, say what they show, and leave pyplot alone. What they look like a person must judge."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from dmd_runtime.errors import SourceError
from dmd_runtime.evaluation import plots
from dmd_runtime.modality import EDGES, UNIFORM, Graph


def log(epochs: int) -> list[dict[str, float]]:
    edges = {f"{graph.value} {edge}": UNIFORM * (1 + k / 10) for graph in Graph for k, edge in enumerate(EDGES)}
    terms = {"train total": 3.0, "train task": 1.0, "train margin": 0.5, "train unused": 0.0, "valid loss": 1.2}
    return [{"epoch": e, "lr": 1e-4, **{k: v / e for k, v in terms.items()}, **edges} for e in range(1, epochs + 1)]


def texts(file: Path) -> set[str]:
    """What an SVG says: matplotlib writes each text as a comment beside its outlines."""
    return {text.strip() for text in re.findall(r"<!--(.*?)-->", file.read_text(), flags=re.DOTALL)}


P = np.random.default_rng(0).dirichlet(np.ones(3), 1234)
LABEL = np.arange(1234) % 3
DRAW: dict[str, Callable[[Path], None]] = {
    "losses": lambda file: plots.losses(log(20), file, best_epoch=7),
    "edges": lambda file: plots.edges_by_epoch(log(20), file, prior={g: dict.fromkeys(EDGES, 0.2) for g in Graph}),
    "confusion": lambda file: plots.confusion_matrix(np.diag([3, 1230, 0]), ["joy", "fear", "anger"], file),
    "calibration": lambda file: plots.reliability_diagram(P, LABEL, file),
    "equal mass": lambda file: plots.reliability_diagram(P, LABEL, file, equal_mass=True),
}


@pytest.mark.parametrize("what", DRAW)
def test_a_png_has_a_picture(what: str, tmp_path: Path) -> None:
    DRAW[what](tmp_path / "picture.png")
    picture = cv2.imread(str(tmp_path / "picture.png"))
    assert min(picture.shape[:2]) > 400
    assert 0.5 < (picture == 255).all(axis=2).mean() < 0.99 or what == "confusion"
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("losses", {"Losses (n = 20 epochs)", "total", "margin", "valid loss", "best epoch (7)", "epoch"}),
        ("edges", {"L → V", "A → L", "prior", "uniform", "epoch", "mean weight ÷ (1/6)"}),
        ("confusion", {"Confusion (n = 1,233)", "joy", "predicted", "true (samples)", "1,230", "% of the true class"}),
        ("calibration", {"Calibration (n = 1,234)", "probability of the most probable label", "% of samples"}),
    ],
)
def test_axes_and_counts_are_named(what: str, said: set[str], tmp_path: Path) -> None:
    DRAW[what](tmp_path / "picture.svg")
    assert said <= texts(tmp_path / "picture.svg")


def test_terms_that_were_never_there_are_not_drawn(tmp_path: Path) -> None:
    DRAW["losses"](tmp_path / "picture.svg")
    assert "unused" not in texts(tmp_path / "picture.svg")


def test_the_calibration_error_is_in_the_picture(tmp_path: Path) -> None:
    plots.reliability_diagram(np.eye(3), np.arange(3), tmp_path / "picture.svg")
    assert "ECE 0.000" in texts(tmp_path / "picture.svg")


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_short_run_is_drawn(epochs: int, tmp_path: Path) -> None:
    plots.losses(log(epochs), tmp_path / "losses.png")
    plots.edges_by_epoch(log(epochs), tmp_path / "edges.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    for draw in (plots.losses, plots.edges_by_epoch):
        with pytest.raises(SourceError, match="at least one epoch"):
            draw([], file)
    with pytest.raises(SourceError, match="got epoch, lr"):
        plots.losses([{"epoch": 1, "lr": 1}], file)
    with pytest.raises(SourceError, match="homo V>L"):
        plots.edges_by_epoch([{"epoch": 1}], file)
    assert not file.exists()


def test_pyplot_is_not_touched(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    DRAW["losses"](tmp_path / "picture.png")
    assert ("matplotlib.pyplot" in sys.modules) == before
    if before:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_nothing_is_drawn_as_nothing(tmp_path: Path) -> None:
    plots.confusion_matrix(np.zeros((2, 2), dtype=int), ["joy", "fear"], tmp_path / "confusion.svg")
    plots.reliability_diagram(np.empty((0, 2)), np.empty(0, dtype=int), tmp_path / "calibration.svg")
    assert "Confusion (n = 0)" in texts(tmp_path / "confusion.svg")
    assert "Calibration (n = 0)" in texts(tmp_path / "calibration.svg")
