"""Reports: they are JSON, complete, the same for the same seed, and hold where there is little to report."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.evaluation.report import brief, emotion_report, plain, sentiment_report

NAMES = ("joy", "anger", "fear")


def predicted(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    z = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[label]
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), label


def through_json(report: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(report, allow_nan=False))


def test_an_emotion_report_says_everything() -> None:
    p, label = predicted()
    found = emotion_report(p, label, NAMES, n_excluded=3, n_not_found=2)
    assert through_json(found) == found
    assert (found["n"], found["n_excluded"], found["n_not_found"]) == (400, 3, 2)
    assert found["chance"] == np.bincount(label).max() / 400
    assert found["uar_chance"] == 1 / 3
    assert {"accuracy": found["accuracy"], "uar": found["uar"]} == brief(p, label)
    assert 0 < found["ece"] < 0.1 < found["brier"] < found["chance"]
    assert np.sum(found["confusion"]) == sum(of["n"] for of in found["per_class"].values()) == 400
    assert sum(found["class_balance"].values()) == pytest.approx(1.0)
    assert found["uar"] == pytest.approx(np.mean([of["recall"] for of in found["per_class"].values()]))
    for name in ("accuracy", "uar", "macro_f1"):
        low, high = found["intervals"][name]
        assert found[name] - 0.07 < low < found[name] < high < found[name] + 0.07


def test_the_seed_decides_the_intervals_alone() -> None:
    first, again, other = (emotion_report(*predicted(), NAMES, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.pop("intervals") != other.pop("intervals")
    assert first == other


def test_groups_change_the_intervals_alone() -> None:
    p, label = predicted()
    alone = emotion_report(p, label, NAMES)
    right = p.argmax(axis=1) == label  # some speakers are always understood, the others never
    grouped = emotion_report(p, label, NAMES, groups=[f"{r} {i % 4}" for i, r in enumerate(right)])
    unknown = emotion_report(p, label, NAMES, groups=[""] * 400)
    low, high = (np.array(grouped.pop("intervals")["accuracy"]) - alone["intervals"]["accuracy"]).tolist()
    assert low < 0 < high
    assert unknown.pop("intervals")["uar"] == pytest.approx(alone.pop("intervals")["uar"], abs=0.02)
    assert grouped == alone == unknown


def test_a_class_that_does_not_occur_has_no_recall_and_lowers_nothing() -> None:
    found = emotion_report(np.eye(3)[[0, 0, 1]], np.array([0, 0, 1]), NAMES)
    assert found["per_class"]["fear"] == {"n": 0, "precision": None, "recall": None, "f1": None}
    assert (found["uar"], found["macro_f1"], found["uar_chance"]) == (1.0, 1.0, 0.5)


def test_no_sample_is_a_report_too() -> None:
    found = through_json(emotion_report(np.empty((0, 3)), np.empty(0, dtype=int), NAMES, n_not_found=5))
    assert (found["n"], found["n_not_found"], found["accuracy"], found["ece"]) == (0, 5, None, None)
    assert found["intervals"]["uar"] == [None, None]
    assert math.isnan(brief(np.empty((0, 3)), np.empty(0, dtype=int))["uar"])


def test_names_and_groups_must_fit() -> None:
    p, label = predicted(10)
    with pytest.raises(ModelError, match="expected 3 label names"):
        emotion_report(p, label, NAMES[:2])
    with pytest.raises(ConfigError, match="each of 10 samples, got 2"):
        emotion_report(p, label, NAMES, groups=["a", "b"])
    with pytest.raises(ConfigError, match="each of 2 samples, got 1"):
        sentiment_report([0.0, 1.0], [0.0, 1.0], groups=["a"])


def test_a_sentiment_report_says_everything() -> None:
    rng = np.random.default_rng(0)
    true = np.round(rng.uniform(-3, 3, 300), 1)
    true[:20], true[20:30] = 0.0, np.nan
    said = np.clip(np.nan_to_num(true) + rng.normal(0, 1, 300), -3, 3)
    groups = [f"{i % 30}" for i in range(300)]
    found, grouped = sentiment_report(said, true), sentiment_report(said, true, groups=groups)
    assert through_json(found) == found
    assert (found["n"], found["n_unlabelled"]) == (290, 10)
    assert found["class_balance"]["zero"] >= 20 / 290
    assert sum(found["class_balance"].values()) == pytest.approx(1.0)
    for name, (low, high) in found.pop("intervals").items():
        assert low < found[name] < high
    assert grouped.pop("intervals")["mae"] != [None, None]
    assert grouped == found


def test_a_sentiment_report_of_nothing() -> None:
    found = through_json(sentiment_report([], []))
    assert (found["n"], found["mae"], found["intervals"]["corr"]) == (0, None, [None, None])


def test_numbers_become_plain() -> None:
    found = plain({"a": np.float32(0.5), "b": (np.int64(2), np.nan), "c": {1: np.array([[1.0, np.inf]])}, "d": "x"})
    assert found == {"a": 0.5, "b": [2, None], "c": {"1": [[1.0, None]]}, "d": "x"}
    assert [type(value) for value in (found["a"], found["b"][0])] == [float, int]
