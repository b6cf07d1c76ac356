"""Figures on corpora and on triples: what is counted, that they mean what they say, and that they are JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.corpora.corpus import Labelled
from dmd_runtime.corpora.windows import Placed, Windows
from dmd_runtime.errors import SourceError
from dmd_runtime.evaluation.command import read_sets
from dmd_runtime.evaluation.on_corpora import NEUTRAL_BAND, Tools, on_corpus, on_triples
from dmd_runtime.evaluation.predictor import Predictions
from dmd_runtime.evaluation.report import plain
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality
from tests.corpora.corpus_factory import make_all, make_emodb, make_ferplus, make_goemotions, make_meld, make_ravdess
from tests.messages_factory import A, L, V

NEVER = np.full(2, 100.0, dtype=np.float32)  # noise around it is no label


def extract(samples: Sequence[Labelled]) -> Iterator[Windows]:
    """A window whose row says the label; a face is not found where its grey is 30."""
    for sample in samples:
        lost = getattr(sample, "image", np.zeros(1)).flat[0] == 30
        yield () if lost else (Placed(np.full((1, 2), sample.label, dtype=np.float32), np.array([0])),)


def predict(samples: Mapping[Modality, Sequence[Windows]]) -> Predictions:
    """Reads labels off the windows.

    A modality alone is right by turns (words .5, faces .7, voices .4 of the time); three follow their majority, and so
    do the edges: all weight to teachers that share its label.
    """
    said = {m: np.array([round(float(w[0].rows[0, 0])) % 7 for w in of]) for m, of in samples.items()}
    n = len(next(iter(said.values())))
    good = {L: 5, V: 7, A: 4}
    vertex = {m: np.where(np.arange(n) % 10 < good[m], k, (k + 1) % 7) for m, k in said.items()}
    votes = sum(np.eye(7)[k] for k in said.values())
    fused = np.eye(7)[votes.argmax(axis=1)] if len(said) == 3 else np.eye(7)[next(iter(vertex.values()))]
    agrees = {m: (k == votes.argmax(axis=1)) for m, k in said.items()}
    weights = np.stack([1.0 * agrees.get(e.teacher, np.zeros(n)) * (e.student in said) for e in EDGES], axis=1)
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return Predictions(
        emotion=fused,
        sentiment=np.resize([2.0, -2.0, 0.2], n),
        vertices={g: {m: np.eye(7)[k] for m, k in said.items()} for g in Graph},
        edges=dict.fromkeys(Graph, weights),
    )


TOOLS = Tools(
    predict=predict,
    extract=extract,
    standardizer=Standardizer(
        mean=dict.fromkeys(MODALITIES, NEVER), scale=dict.fromkeys(MODALITIES, np.ones(2, dtype=np.float32))
    ),
)


def figures(corpus: str, path: Path, n: int | None = None, tools: Tools = TOOLS, seed: int = 0) -> dict:
    sets = read_sets(corpus, path)
    found = on_triples(sets, tools, n or 210, seed) if corpus == "paired" else on_corpus(*sets.values(), tools, n, seed)
    return json.loads(json.dumps(plain(found), allow_nan=False))


@pytest.mark.parametrize(
    ("corpus", "make", "expected"),
    [
        ("ravdess", make_ravdess, (8, 0, 0, "A")),
        ("emodb", make_emodb, (2, 1, 0, "A")),
        ("ferplus", make_ferplus, (6, 0, 1, "V")),
        ("goemotions", make_goemotions, (7, 1, 0, "L")),
        ("meld", make_meld, (3, 1, 0, "L")),
    ],
)
def test_every_corpus_is_counted(corpus: str, make: Callable[[Path], Path], expected: tuple, tmp_path: Path) -> None:
    found = figures(corpus, make(tmp_path / corpus))
    assert (found["n"], found["n_excluded"], found["n_not_found"], found["modality"]) == expected
    assert {"chance", "accuracy", "uar", "macro_f1", "ece", "per_class", "intervals"} <= found.keys()
    assert ("sentiment" in found) == (corpus == "meld")


def test_some_samples_of_a_corpus(tmp_path: Path) -> None:
    folder = make_goemotions(tmp_path / "g")
    assert figures("goemotions", folder, n=3)["n"] == 3
    assert figures("goemotions", folder, n=300)["n"] == 7


def test_polarity_is_the_side_of_the_score(tmp_path: Path) -> None:
    assert NEUTRAL_BAND > 0.2
    assert figures("meld", make_meld(tmp_path / "m"))["sentiment"] == {"n": 3, "accuracy": 1.0, "uar": 1.0}


def test_a_corpus_of_which_nothing_is_found_is_an_error(tmp_path: Path) -> None:
    corpus = read_sets("ferplus", make_ferplus(tmp_path / "f", ["fear"]))[V]
    tools = Tools(predict=predict, extract=lambda some: [() for _ in some], standardizer=TOOLS.standardizer)
    with pytest.raises(SourceError, match="found none in 1"):
        on_corpus(corpus, tools, None, 0)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return figures("paired", make_all(tmp_path_factory.mktemp("sets")))


def test_triples_are_balanced_over_the_three_sets(paired: dict) -> None:
    assert paired["n"] == 210
    assert set(paired["sets"]) == {"ravdess", "ferplus", "goemotions"}
    assert paired["sets"]["ravdess"]["source"].endswith("ravdess/labels.csv")
    assert paired["sets"]["ferplus"]["n_not_found"] == paired["n_not_found"] == 1
    assert paired["n_excluded"] == 1
    assert paired["chance"] == pytest.approx(1 / 7)


def test_the_gain_is_over_the_best_single_modality(paired: dict) -> None:
    single = {m: of["accuracy"] for m, of in paired["single"].items()}
    assert set(single) == {"L", "V", "A"}
    assert paired["accuracy"] == 1.0
    assert max(single.values()) < 1.0
    assert paired["gain_points"] == pytest.approx(100 * (1 - max(single.values())))


def test_edges_that_leave_a_swapped_or_noisy_teacher_fall_to_nothing(paired: dict) -> None:
    for graph in ("homo", "hetero"):
        assert paired["edge_reaction"][graph] == dict.fromkeys("LVA", 1.0)
        assert all(fall > 0.8 for fall in paired["edge_reaction_noise"][graph].values())


def test_the_auc_is_of_right_and_wrong_teachers(paired: dict) -> None:
    for graph in ("homo", "hetero"):
        assert paired["edge_auc"][graph] == 1.0
        assert paired["edge_auc_clean"][graph] is None  # all teachers are right


def test_what_is_missing_teaches_nothing(paired: dict) -> None:
    assert paired["removed"] == {"homo": 0.0, "hetero": 0.0}


def test_the_same_seed_gives_the_same_figures(paired: dict, tmp_path: Path) -> None:
    root = make_all(tmp_path / "sets")
    again, other = (figures("paired", root, seed=seed) for seed in (0, 1))
    for of in (paired, again, other):
        del of["sets"]
    assert again == paired
    assert other != paired


def test_a_checkpoint_without_graphs_has_no_figures_of_edges(tmp_path: Path) -> None:
    tools = Tools(predict=predict, extract=extract, standardizer=TOOLS.standardizer, graphs=False)
    found = figures("paired", make_all(tmp_path / "sets"), n=21, tools=tools)
    assert found["gain_points"] > 0
    assert {found[name] for name in ("edge_reaction", "edge_reaction_noise", "edge_auc", "removed")} == {None}


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    make_goemotions(tmp_path / "goemotions")
    with pytest.raises(SourceError, match="expected ferplus"):
        read_sets("paired", tmp_path)
