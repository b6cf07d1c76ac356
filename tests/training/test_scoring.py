"""What a log and a result say of predictions, and what many seeds say together."""

from __future__ import annotations

import numpy as np
import pytest

from dmd_runtime.evaluation.report import plain
from dmd_runtime.evaluation.sentiment_metrics import sentiment_figures
from dmd_runtime.modality import Graph
from dmd_runtime.training.outcome import summary
from dmd_runtime.training.scoring import log_figures, one_label, report
from dmd_runtime.training.trainer import Predicted, task_loss
from tests.training.training_factory import make_samples

LABELS = ("sad", "neutral", "happy")


def predicted(samples, *, emotion: bool = True) -> Predicted:
    """Right in all but the first sample; half of the samples have a graph."""
    edges = np.full((len(samples), 6), 1 / 6)
    edges[: len(samples) // 2] = 0
    p = np.full((len(samples), 3), 0.1)
    p[np.arange(len(samples)), np.nan_to_num(samples.emotion).argmax(axis=1)] = 0.8
    p[0] = np.roll(p[0], 1)
    return Predicted(
        labels=LABELS if emotion else (),
        emotion=p if emotion else None,
        sentiment=samples.sentiment.astype(np.float64) + 0.25,
        edges=dict.fromkeys(Graph, edges),
    )


def test_sentiment_and_emotion_stand_side_by_side() -> None:
    samples = make_samples(20, labels=LABELS)
    samples.emotion[3] = np.nan  # nobody said
    samples.emotion[4] = [0.5, 0.5, 0.0]  # a tie
    found = report(predicted(samples), samples, seed=1)
    assert found["n"] == 20
    assert (found["emotion"]["n"], found["emotion"]["n_excluded"]) == (18, 2)
    assert found["metrics"]["accuracy"] == 17 / 18
    assert found["metrics"]["mae"] == pytest.approx(0.25)
    assert found["metrics"]["corr"] == pytest.approx(1.0)
    assert {"acc7", "acc5", "acc3", "acc2", "f1", "acc2_non_negative", "uar", "macro_f1", "ece"} < set(found["metrics"])
    low, high = found["sentiment"]["intervals"]["acc7"]
    assert low < found["metrics"]["acc7"] < high
    assert found["mean_edges"]["hetero L>A"] == pytest.approx(1 / 6)  # over the samples that have a graph
    rows, label = one_label(samples)
    assert (3 in rows, 4 in rows) == (False, False)
    assert label.tolist() == samples.emotion[rows].argmax(axis=1).tolist()


def test_a_log_has_the_same_numbers() -> None:
    samples = make_samples(20, labels=LABELS)
    said = predicted(samples, emotion=False)
    assert log_figures(said, samples) == sentiment_figures(said.sentiment, samples.sentiment)
    both = predicted(samples)
    full = report(both, samples, seed=1)["metrics"]
    assert log_figures(both, samples) == {name: full[name] for name in log_figures(both, samples)}


def test_the_loss_that_decides_is_of_what_is_known() -> None:
    samples = make_samples(20, labels=LABELS)
    samples.sentiment[:10] = np.nan
    samples.emotion[10:] = np.nan
    expected = 0.25 - (9 * np.log(0.8) + np.log(0.1)) / 10
    assert task_loss(predicted(make_samples(20, labels=LABELS)), samples) == pytest.approx(expected)


def test_seeds_are_summed_up() -> None:
    results = [
        {"seed": seed, "test": {"metrics": {"mae": x, "corr": None if seed == 2 else x}}}
        for seed, x in ((1, 0.5), (2, 0.7), (3, 0.9))
    ]
    found = summary(results)
    assert found["seeds"] == [1, 2, 3]
    assert set(found["test"]) == {"mae"}
    assert found["test"]["mae"]["mean"] == pytest.approx(0.7)
    assert found["test"]["mae"]["sd"] == pytest.approx(0.2)
    assert summary(results[:1])["test"]["mae"]["sd"] is None


def test_what_is_no_number_is_none_in_json() -> None:
    assert plain({"a": [float("nan"), np.float32(1)], "b": (np.inf, np.arange(2))}) == {
        "a": [None, 1.0],
        "b": [None, [0, 1]],
    }
