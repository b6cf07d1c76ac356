"""The model card: its figures are those of the record."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dmd_runtime.evaluation.report import emotion_report
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.training.starter.card import card

NAMES = ("L", "V", "A", "label-paired triples")


def record(labels: int = 7) -> dict[str, Any]:
    """Of made predictions: each set has other figures."""
    rng = np.random.default_rng(0)
    metrics = {}
    for k, name in enumerate(NAMES):
        label = rng.integers(labels, size=90 + k)
        p = rng.dirichlet(np.ones(7) / 3, 90 + k)
        p[: 20 * k] = np.eye(7)[label[: 20 * k]]
        metrics[name] = emotion_report(p, label, LABELS)
    return {"metrics": {"test": metrics}, "date": "2031-02-03", "app_version": "9.8.7", "seed": 41}


def tables(text: str) -> dict[str, list[list[str]]]:
    """Rows of figures, by the head of their table."""
    found: dict[str, list[list[str]]] = {}
    head = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            head = ""
        elif not head:
            head = cells[0]
            found[head] = []
        elif not cells[0].startswith("---"):
            found[head].append(cells)
    return found


def test_every_figure_of_the_tables_is_from_the_record() -> None:
    training = record()
    read = tables(card(training))
    for row, name in zip(read["what"], NAMES, strict=True):
        said = training["metrics"]["test"][name]
        assert row[1:] == [
            str(said["n"]),
            f"{said['chance']:.2f}",
            *(f"{said[key]:.3f}" for key in ("accuracy", "uar", "macro_f1", "ece")),
        ]
    for row, name in zip(read["recall"], NAMES, strict=True):
        classes = training["metrics"]["test"][name]["per_class"]
        assert row[1:] == [f"{classes[label]['recall']:.2f}" for label in LABELS]
    assert [row[0].split(":")[0] for row in read["what"]] == [row[0] for row in read["recall"]]


def test_it_says_when_with_what_and_leaves_no_field_open() -> None:
    text = card(record())
    assert "Made on 2031-02-03 with version 9.8.7, seed 41." in text
    assert not re.search(r"[{}]", text)
    for word in (
        "label-paired",
        "CC BY-NC-SA",
        "RAVDESS",
        "FERPlus",
        "GoEmotions",
        "MELD",
        "not know what anybody feels",
    ):
        assert word in text


def test_another_record_gives_other_figures_and_a_label_that_never_occurs_has_no_recall() -> None:
    rare = record(labels=5)  # no fear, no disgust
    rows = tables(card(rare))["recall"]
    assert all(row[-2:] == ["-", "-"] for row in rows)
    assert tables(card(rare))["what"] != tables(card(record()))["what"]
