"""What DMD is compared with: parts taken out, and plainer ways to fuse."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmd_runtime.modality import MODALITIES
from dmd_runtime.model.dmd import DMD
from dmd_runtime.training.starter import rivals
from dmd_runtime.training.starter.learn import Lesson, Schedule, fit
from dmd_runtime.training.starter.predictions import predict, without
from tests.training.starter.starter_factory import L, V, make_mixture, make_pools
from tests.training.starter.test_learn import CONFIG

MIXTURE = make_mixture(make_pools())
RIVALS = (rivals.LateFusion, rivals.CrossmodalFusion)


def triples(n: int = 12, seed: int = 0):
    return MIXTURE.triples(n, np.random.default_rng(seed), augment=False)


def changed(batch, m):
    return replace(batch, features={**batch.features, m: batch.features[m] + 1})


def test_without_decoupling_both_parts_are_the_projection() -> None:
    model, batch = rivals.without_decoupling(DMD(CONFIG)).eval(), triples()
    parts = model(batch.features, batch.mask).decoupled
    for part in parts.values():
        torch.testing.assert_close(part.common, part.projected, rtol=0, atol=0)
        torch.testing.assert_close(part.exclusive, part.projected, rtol=0, atol=0)


@pytest.mark.parametrize("cut", [False, True], ids=["DMD", "no crossmodal attention"])
def test_without_crossmodal_attention_words_do_not_see_the_face(cut: bool) -> None:
    model = DMD(CONFIG).eval()
    model = rivals.without_crossmodal(model) if cut else model
    batch = triples()
    memory = [model(b.features, b.mask).memory[L] for b in (batch, changed(batch, V))]
    assert torch.equal(*memory) == cut


@pytest.mark.parametrize("make", RIVALS)
def test_what_a_missing_modality_holds_does_not_count(make) -> None:
    model, batch = make(CONFIG).eval(), without(triples(), [V])
    torch.testing.assert_close(
        torch.from_numpy(predict(model, changed(batch, V)).logits), torch.from_numpy(predict(model, batch).logits)
    )


def test_late_fusion_is_the_mean_of_those_that_are_there() -> None:
    model, batch = rivals.LateFusion(CONFIG).eval(), without(triples(), [V])
    out = model(batch.features, batch.mask)
    expected = (out.own[MODALITIES[0]] + out.own[MODALITIES[2]]) / 2
    torch.testing.assert_close(out.logits, expected)


@pytest.mark.parametrize("make", RIVALS)
def test_a_rival_learns_what_can_be_seen(make) -> None:
    torch.manual_seed(0)
    schedule = Schedule(steps=25, alone=8, triples=16, lr=1e-2, corrupt=0.0)
    everything = {m: np.arange(len(MIXTURE.pools[m])) for m in MODALITIES}
    lesson = Lesson(mixture=MIXTURE, train=everything, schedule=schedule, seed=0)
    model = fit(make(CONFIG), functools.partial(rivals.rival_loss, schedule=schedule), lesson, lambda *_: None)
    batch = triples(60, seed=1)
    right = predict(model, batch).logits.argmax(axis=1) == batch.emotion.numpy().argmax(axis=1)
    assert right.mean() > 0.8
