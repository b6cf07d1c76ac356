"""What edges know, measured on triples of which one modality is corrupted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.dmd import DMD
from dmd_runtime.training.starter.edge_figures import edge_figures
from tests.training.starter.starter_factory import make_mixture, make_pools
from tests.training.starter.test_learn import CONFIG

POOLS = make_pools()


def test_edges_that_never_move_know_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = DMD(CONFIG).eval()
    for graph in Graph:
        unit = model.graphs[graph.value]
        torch.nn.init.zeros_(unit.edge.weight)
    found = edge_figures(model, make_mixture(POOLS), 30, 0)
    for graph in Graph:
        assert found["auc"][graph.value] == pytest.approx(0.5)
        for m in MODALITIES:
            assert found["swap"][graph.value][m.value] == pytest.approx(0.0, abs=1e-6)


def test_the_same_seed_gives_the_same_figures() -> None:
    model = DMD(CONFIG).eval()
    torch.manual_seed(0)
    first = edge_figures(model, make_mixture(POOLS), 30, 3)
    torch.manual_seed(1)
    second = edge_figures(model, make_mixture(POOLS), 30, 3)
    assert first["auc"] == second["auc"]
    assert first["swap"] == second["swap"]
    assert set(first["swap"]["homo"]) == {m.value for m in MODALITIES}
    assert len({edge.teacher for edge in EDGES}) == len(first["noise"]["hetero"])
    assert all(np.isfinite(v) for of in first["noise"].values() for v in of.values())
