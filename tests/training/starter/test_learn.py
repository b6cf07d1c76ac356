"""The starter's training on pools whose labels can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.training.starter import learn as learning
from dmd_runtime.training.starter.learn import Lesson, Schedule, learn
from tests.training.starter.starter_factory import DIM, ROWS, L, V, make_mixture, make_pools

CONFIG = DMDConfig(
    dims=dict.fromkeys(MODALITIES, DIM),
    lengths=ROWS,
    kernels=dict.fromkeys(MODALITIES, 3),
    width=8,
    heads=2,
    layers=1,
    labels=("a", "b", "c"),
    edge_form="interaction",
    temperature=1.0,
)
POOLS = make_pools()
SCHEDULE = Schedule(steps=30, alone=8, triples=24, lr=1.2e-2)


def taught(schedule: Schedule = SCHEDULE, seed: int = 0) -> tuple[DMD, list[Mapping[str, float]]]:
    told: list[Mapping[str, float]] = []
    everything = {m: np.arange(len(POOLS[m])) for m in MODALITIES}
    lesson = Lesson(mixture=make_mixture(POOLS), train=everything, schedule=schedule, seed=seed)
    with torch.random.fork_rng(devices=[]):
        model = learn(CONFIG, lesson, lambda step, figures: told.append({"step": step, **figures}))
    return model, told


@pytest.fixture(scope="module")
def lesson() -> tuple[DMD, list[Mapping[str, float]]]:
    return taught()


def test_every_step_is_logged_and_the_losses_fall(lesson) -> None:
    _, told = lesson
    assert [figures["step"] for figures in told] == list(range(30))
    for name in ("L", "V", "A", "triples"):
        first, last = (np.mean([f[f"{name} task fused"] for f in part]) for part in (told[:5], told[-5:]))
        assert np.isfinite([f[f"{name} total"] for f in told]).all()
        assert last < 0.75 * first, name


def test_what_comes_back_is_the_mean_of_the_weights_in_eval_mode(lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = lesson
    assert isinstance(model, DMD)
    assert not any(module.training for module in model.modules())
    trained: list[DMD] = []
    average = learning.average
    monkeypatch.setattr(learning, "average", lambda mean, now, keep: trained.append(now) or average(mean, now, keep))
    mean, _ = taught(replace(SCHEDULE, steps=2))
    assert trained[-1].training
    pairs = list(zip(mean.parameters(), trained[-1].parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in pairs)
    newest, _ = taught(replace(SCHEDULE, steps=2, average=0.0))
    for a, b in zip(newest.parameters(), trained[-1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_seed_decides() -> None:
    short = replace(SCHEDULE, steps=2)
    (a, told), (b, again), (c, _) = (taught(short, seed) for seed in (1, 1, 2))
    assert told == again
    weights = [torch.cat([p.flatten() for p in model.parameters()]) for model in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_unseen_samples_are_told_and_the_teacher_that_knows_gets_the_larger_edge(lesson) -> None:
    model, _ = lesson
    batch = make_mixture(make_pools(seed=9)).triples(96, np.random.default_rng(0), augment=False)
    wrong = make_mixture(make_pools(seed=9)).triples(96, np.random.default_rng(0), augment=False, corrupt=1.0)
    with torch.inference_mode():
        sound, spoilt = (model(dict(b.features), dict(b.mask)) for b in (batch, wrong))
    assert (sound.logits[:, :3].argmax(dim=1) == batch.emotion.argmax(dim=1)).float().mean() > 0.8  # chance: a third
    gains = []
    for graph in Graph:
        for k, m in enumerate(MODALITIES):
            taught_by = [i for i, edge in enumerate(EDGES) if edge.teacher is m]
            edges = spoilt.edges[graph][:, taught_by].sum(dim=1)
            gains.append(float(edges[wrong.corrupted != k].mean() - edges[wrong.corrupted == k].mean()))
    assert min(gains) > 0.2, gains  # without the supervision of edges: below .05


def test_of_triples_without_labels_only_teachers_are_learned_from() -> None:
    told: list[Mapping[str, float]] = []
    everything = {m: np.arange(len(POOLS[m])) for m in MODALITIES}
    mixture = make_mixture(POOLS)
    lesson = Lesson(mixture=mixture, train=everything, schedule=replace(SCHEDULE, steps=2), seed=0, unlabelled=mixture)
    with torch.random.fork_rng(devices=[]):
        learn(CONFIG, lesson, lambda _, figures: told.append(figures))
    for figures in told:
        said = {name: value for name, value in figures.items() if name.startswith("unlabelled task")}
        assert said
        assert set(said.values()) == {0.0}
        assert figures["unlabelled margin"] == 0.0
        for graph in Graph:
            assert figures[f"unlabelled logit {graph.value}"] > 0
            assert figures[f"unlabelled edges {graph.value}"] == 0.0


def test_rare_labels_weigh_more_and_the_mean_weight_is_one() -> None:
    emotion = np.eye(3, dtype=np.float32)[[0] * 8 + [1] * 4 + [2] * 4]
    share = torch.tensor([0.5, 0.25, 0.25])
    for power, ratio in ((0.0, 1.0), (0.5, 2**0.5), (1.0, 2.0)):
        weights = learning.class_weights(emotion.mean(axis=0), power)
        assert (weights * share).sum() == pytest.approx(1)
        assert weights[1] / weights[0] == pytest.approx(ratio)
    assert torch.isfinite(learning.class_weights(emotion[:8].mean(axis=0), 1.0)).all()


def test_all_samples_come_before_one_comes_again() -> None:
    deck = learning._deck(np.arange(10, 22), 4, np.random.default_rng(0))
    for _ in range(3):
        assert sorted(np.concatenate([next(deck) for _ in range(3)])) == list(range(10, 22))


def test_alone_means_that_the_others_are_absent() -> None:
    assert learning._absent("triples") == []
    assert learning._absent("L") == [V, MODALITIES[2]]
    assert L not in learning._absent("L")


def test_the_rate_rises_and_falls() -> None:
    rates = np.array([learning._cycle(k / 100) for k in range(101)])
    assert rates[0] == 0
    assert rates.max() == pytest.approx(1)
    assert rates.argmax() == 8
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_too_few_samples_of_a_modality_are_refused() -> None:
    few = {m: np.arange(4) for m in MODALITIES}
    lesson = Lesson(mixture=make_mixture(POOLS), train=few, schedule=SCHEDULE, seed=0)
    with pytest.raises(ConfigError, match="at least 8 training samples of each modality, got 4"):
        learn(CONFIG, lesson, lambda *_: None)
