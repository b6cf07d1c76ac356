from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Reading, Span, Window
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.fast import FastDMD
from dmd_runtime.streaming.inference import Interpreter
from tests.messages_factory import A, L, V, reading, recipe
from tests.session_factory import tiny_checkpoint

CHECKPOINT = tiny_checkpoint()


def window(present: Collection[Modality]) -> Window:
    rng = np.random.default_rng(0)
    specs = recipe().specs
    return Window(
        index=0,
        span=Span(0.0, 4.0),
        features={m: rng.standard_normal((specs[m].rows, specs[m].dim)).astype(np.float32) for m in MODALITIES},
        mask={m: np.ones(specs[m].rows, dtype=np.bool_) for m in MODALITIES},
        coverage=dict.fromkeys(MODALITIES, 1.0),
        speech=1.0,
        settled=dict.fromkeys(MODALITIES, True),
        present={m: m in present for m in MODALITIES},
        reason="",
    )


def read(calibration: Mapping[str, float] | None, present: Collection[Modality]) -> Reading:
    checkpoint = replace(CHECKPOINT, calibration=calibration)
    interpreter = Interpreter(
        checkpoint,
        FastDMD(checkpoint.model, trace=False),
        Standardizer.identity(recipe()),
        device=torch.device("cpu"),
        clock=SimpleNamespace(now=lambda: 4.5),  # type: ignore[arg-type]
        provenance=reading().provenance,
    )
    return interpreter(window(present))


def logits(made: Reading) -> np.ndarray:
    """What the probabilities say of the logits: equal but for a shift."""
    assert made.emotion is not None
    log = np.log(list(made.emotion.values()))
    return np.asarray(log - log.mean())


def test_the_temperature_of_what_is_present_divides_the_fused_emotion_logits() -> None:
    figures = {"LVA": 2.0, "V": 0.5}
    assert logits(read(figures, (L, V, A))) == pytest.approx(logits(read(None, (L, V, A))) / 2.0)
    assert logits(read(figures, (V,))) == pytest.approx(logits(read(None, (V,))) / 0.5)
    assert logits(read(figures, (L, A))) == pytest.approx(logits(read(None, (L, A))))


def test_nothing_else_is_calibrated() -> None:
    plain, calibrated = read(None, (L, V, A)), read({"LVA": 3.0}, (L, V, A))
    assert plain.sentiment == calibrated.sentiment
    assert {g: plain.unimodal[g] for g in Graph} == {g: calibrated.unimodal[g] for g in Graph}
    assert plain.edges == calibrated.edges


def test_latency_is_counted_from_the_end_of_the_window() -> None:
    assert read(None, (V,)).latency == pytest.approx(0.5)
