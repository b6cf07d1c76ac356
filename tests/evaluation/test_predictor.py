"""Batched predictions: the live model's numbers, averaged over a sample's windows, calibrated by what is present."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmd_runtime.corpora.windows import lay_out
from dmd_runtime.errors import CheckpointError
from dmd_runtime.evaluation.predictor import BATCH, Predictions, Predictor
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Span, Window
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.checkpoint import untrained
from dmd_runtime.model.fast import FastDMD
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.streaming.inference import Interpreter
from tests.evaluation.window_factory import samples
from tests.messages_factory import A, L, V, reading, recipe
from tests.session_factory import tiny_checkpoint

CHECKPOINT = tiny_checkpoint()
FIGURES = Standardizer(
    mean={m: np.array([0.5, -0.5], dtype=np.float32) for m in MODALITIES},
    scale={m: np.array([2.0, 0.5], dtype=np.float32) for m in MODALITIES},
).to_json()


def predictor(**changes) -> Predictor:
    return Predictor(replace(CHECKPOINT, **changes), recipe(), torch.device("cpu"))


def same(one: Predictions, other: Predictions) -> None:
    np.testing.assert_allclose(one.emotion, other.emotion, atol=1e-6)
    for graph in Graph:
        np.testing.assert_allclose(one.edges[graph], other.edges[graph], atol=1e-6)
        assert one.vertices[graph].keys() == other.vertices[graph].keys()
        for m, vertex in one.vertices[graph].items():
            np.testing.assert_allclose(vertex, other.vertices[graph][m], atol=1e-6)


def test_it_says_what_the_live_model_says() -> None:
    checkpoint = replace(CHECKPOINT, calibration={"LVA": 1.7}, normalisation=FIGURES)
    interpreter = Interpreter(
        checkpoint,
        FastDMD(checkpoint.model, trace=False),
        Standardizer.from_json(FIGURES, recipe()),
        device=torch.device("cpu"),
        clock=SimpleNamespace(now=lambda: 4.5),  # type: ignore[arg-type]
        provenance=reading().provenance,
    )
    whole = {m: samples(m, [1], seed=k) for k, m in enumerate(MODALITIES)}
    laid = {m: lay_out([of[0][0]], recipe().specs[m]) for m, of in whole.items()}
    live = interpreter(
        Window(
            index=0,
            span=Span(0.0, 4.0),
            features={m: values[0] for m, (values, _) in laid.items()},
            mask={m: mask[0] for m, (_, mask) in laid.items()},
            coverage=dict.fromkeys(MODALITIES, 1.0),
            speech=1.0,
            settled=dict.fromkeys(MODALITIES, True),
            present=dict.fromkeys(MODALITIES, True),
            reason="",
        )
    )
    said = predictor(calibration={"LVA": 1.7}, normalisation=FIGURES)(whole)
    assert live.emotion is not None
    assert dict(zip(LABELS, said.emotion[0], strict=True)) == pytest.approx(dict(live.emotion), abs=1e-5)
    assert said.sentiment is not None
    assert said.sentiment[0] == pytest.approx(live.sentiment, abs=1e-5)
    for graph in Graph:
        edges, vertices = live.edges[graph], live.unimodal[graph]
        assert edges is not None
        assert dict(zip(EDGES, said.edges[graph][0], strict=True)) == pytest.approx(dict(edges), abs=1e-5)
        for m in MODALITIES:
            expected = [dict(vertices[m] or {})[label] for label in LABELS]
            np.testing.assert_allclose(said.vertices[graph][m][0], expected, atol=1e-5)


def test_the_batch_a_sample_is_in_changes_nothing() -> None:
    many = samples(V, [1] * (BATCH + 3))
    said = predictor()({V: many})
    same(said.take(np.array([BATCH + 2])), predictor()({V: many[-1:]}))
    assert len(said.emotion) == BATCH + 3


def test_the_windows_of_a_sample_are_averaged() -> None:
    voice, face = samples(A, [3, 1, 2]), samples(V, [1, 1, 1])
    said = predictor()({V: face, A: voice})
    for k, windows in enumerate(voice):
        alone = predictor()({V: [face[k]] * len(windows), A: [(window,) for window in windows]})
        np.testing.assert_allclose(said.emotion[k], alone.emotion.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(said.edges[Graph.HOMOGENEOUS][k], alone.edges[Graph.HOMOGENEOUS].mean(axis=0))


def test_probabilities_sum_to_one_and_a_missing_modality_teaches_nothing() -> None:
    said = predictor()({L: samples(L, [1, 1]), A: samples(A, [1, 2])})
    np.testing.assert_allclose(said.emotion.sum(axis=1), 1)
    for graph in Graph:
        absent = [V in edge for edge in EDGES]
        assert said.edges[graph][:, absent].max() == 0
        np.testing.assert_allclose(said.edges[graph].sum(axis=1), 1, atol=1e-6)
        assert set(said.vertices[graph]) == {L, A}


def test_another_recipe_is_refused() -> None:
    with pytest.raises(CheckpointError, match="expected the feature recipe"):
        Predictor(CHECKPOINT, recipe(duration=2.0), torch.device("cpu"))


def test_other_labels_are_refused() -> None:
    few = untrained(replace(CHECKPOINT.config, labels=("anger", "bliss")), recipe().to_json())
    with pytest.raises(CheckpointError, match=r"expected a model of happiness, .* got one of anger, bliss"):
        Predictor(few, recipe(), torch.device("cpu"))
