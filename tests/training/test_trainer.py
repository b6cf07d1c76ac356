"""The training engine: that it learns, that a seed and a resumed run give the same numbers, and the published mode."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.errors import ConfigError, ModelError, SourceError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.losses import PUBLISHED_PRIOR
from dmd_runtime.training.progress import adam
from dmd_runtime.training.run_state import STATE, RunState
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.trainer import Trainer, task_loss
from tests.training.training_factory import error, make_run, make_samples, make_trainer

TRAIN, VALID = make_samples(40, seed=1), make_samples(16, seed=2)
DROPPED = {"text": 0.1, "embedding": 0.1, "output": 0.3, "attention": {"L": 0.1, "V": 0.1, "A": 0.1}}


def weights(fitted) -> dict[str, torch.Tensor]:
    return fitted.learner.state_dict()


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


def test_it_learns_and_keeps_the_best_epoch_by_validation() -> None:
    trainer = make_trainer(make_run(optimiser={"epochs": 10, "lr": 5e-3}))
    fitted = trainer.fit(TRAIN, VALID, seed=1, scores=error)
    losses = [row["valid loss"] for row in fitted.rows]
    assert losses[fitted.best_epoch - 1] == min(losses) < 0.75 * losses[0]
    assert task_loss(trainer.predict(fitted.learner, fitted.standardizer, VALID), VALID) == pytest.approx(min(losses))


def test_a_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    config = make_run(model={"dropout": DROPPED}, robustness={"modality_dropout": 0.5, "segment_dropout": 0.5})
    a, b, c = (make_trainer(config).fit(TRAIN, VALID, seed=s, scores=error) for s in (1, 1, 2))
    assert a.rows == b.rows
    assert same(a, b)
    assert not same(a, c)


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    config = make_run(
        model={"dropout": DROPPED}, robustness={"modality_dropout": 0.5}, optimiser={"epochs": 3, "patience": 0}
    )
    whole = make_trainer(config).fit(TRAIN, VALID, seed=3, scores=error)

    def die(row) -> None:
        if row["epoch"] == 2:
            raise KilledError

    with pytest.raises(KilledError):
        make_trainer(config).fit(TRAIN, VALID, seed=3, scores=error, folder=tmp_path, on_epoch=die)
    heard = []
    again = make_trainer(config).fit(
        TRAIN, VALID, seed=3, scores=error, folder=tmp_path, on_epoch=lambda row: heard.append(row["epoch"])
    )
    assert heard == [1, 2, 3]
    assert again.rows == whole.rows
    assert again.best_epoch == whole.best_epoch
    assert same(again, whole)


def test_what_is_killed_while_it_writes_leaves_the_state_before(tmp_path: Path, monkeypatch) -> None:
    state = RunState(tmp_path)
    state.write({"best_epoch": 1, "rows": [1.0]}, {"w": torch.ones(2)})
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        state.write({"best_epoch": 2, "rows": [1.0, 2.0]}, {"w": torch.zeros(2)})
    assert state.read()["rows"] == [1.0]
    assert torch.equal(state.best(1)["w"], torch.ones(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-0001.pt", STATE]


def test_a_state_of_another_run_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    make_trainer(make_run(optimiser={"epochs": 1})).fit(TRAIN, VALID, seed=3, scores=error, folder=tmp_path)
    for config, seed, data in ((make_run(optimiser={"lr": 0.1}), 3, ""), (make_run(), 4, ""), (make_run(), 3, "other")):
        with pytest.raises(ConfigError, match="expected a run of the same data, settings and seed"):
            make_trainer(config).fit(TRAIN, VALID, seed=seed, scores=error, folder=tmp_path, data=data)
    (tmp_path / STATE).write_bytes(b"PK nothing")
    with pytest.raises(SourceError, match=r"state\.pt: expected the state of a training run"):
        make_trainer(make_run()).fit(TRAIN, VALID, seed=3, scores=error, folder=tmp_path)


def test_it_stops_early_and_slows_down_on_validation_only(monkeypatch) -> None:
    losses = iter([3.0, 2.0, 2.0, 2.1, 2.0 - 1e-7, 2.0, 9.9])
    monkeypatch.setattr("dmd_runtime.training.trainer.task_loss", lambda *_: next(losses))
    settings = {"epochs": 30, "lr": 1e-3, "early_stop": 4, "patience": 1, "factor": 0.5}
    fitted = make_trainer(make_run(optimiser=settings)).fit(TRAIN, VALID, seed=1, scores=error)
    assert fitted.best_epoch == 2
    assert [row["lr"] for row in fitted.rows] == [1e-3] * 4 + [5e-4] * 2  # epochs 3 and 4 gained nothing


@pytest.mark.parametrize("reference", [False, True])
def test_accumulation_is_averaged_with_its_last_part_or_summed_without(reference: bool, monkeypatch) -> None:
    steps: list[float] = []
    original = torch.optim.Adam.step

    def step(self, *arguments, **named):
        head = next(p for p in self.param_groups[0]["params"] if p.grad is not None)
        steps.append(float(head.grad.norm()))
        return original(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    n = 20  # batches of 4: two steps of two batches, and one batch that is left
    samples = make_samples(n, seed=5, missing=0.0)
    for accumulate in (1, 2):
        config = make_run(reference=reference, optimiser={"batch_size": 4, "accumulate": accumulate, "epochs": 1})
        make_trainer(config).fit(samples, VALID, seed=1, scores=error)
        assert len(steps) == {1: 5, 2: 2 if reference else 3}[accumulate]
        steps.clear()


def gradient(samples: Samples, **optimiser) -> dict[str, torch.Tensor]:
    """What one epoch of one step leaves in the gradients of a model of seed 1."""
    trainer = make_trainer(
        make_run(
            losses={"separation": 0.0}, optimiser={"clip": 1e6, "lr": 1e-12, "epochs": 1, "batch_size": 4, **optimiser}
        )
    )
    found = trainer.fit(samples, samples, seed=1, scores=error).learner
    return {name: p.grad for name, p in found.model.named_parameters() if p.grad is not None}


def test_two_batches_averaged_are_one_of_double_the_size() -> None:
    samples = make_samples(8, seed=6, missing=0.0)
    for m in MODALITIES:
        samples.mask[m][:] = True
        np.nan_to_num(samples.features[m], copy=False)
    parted = gradient(samples, accumulate=2)
    whole = gradient(samples, batch_size=8)
    assert parted.keys() == whole.keys()
    for name, x in whole.items():
        torch.testing.assert_close(parted[name], x, rtol=1e-4, atol=1e-6)


def test_reference_needs_enough_samples_to_make_one_step_and_all_modalities() -> None:
    config = make_run(reference=True, optimiser={"accumulate": 10})
    with pytest.raises(ConfigError, match="expected at least 73 samples, got 40"):
        make_trainer(config).fit(TRAIN, VALID, seed=1, scores=error)
    with pytest.raises(ConfigError, match="expected all modalities"):
        make_trainer(config, [Modality.LANGUAGE])


def test_reference_is_the_published_model_and_loss() -> None:
    fitted = make_trainer(make_run(reference=True)).fit(TRAIN, VALID, seed=1, scores=error)
    made = fitted.learner.model.config
    assert (made.edge_form, made.temperature, dict(made.prior)) == ("published", 8.0, dict(PUBLISHED_PRIOR))
    assert fitted.standardizer is None
    assert not fitted.learner.masked
    assert fitted.learner.weights.over_batch


def test_weight_decay_is_used_when_it_is_set() -> None:
    learner = make_trainer(make_run())._new(TRAIN, 1)
    moved = []
    for decay in (0.0, 0.5):
        optimiser = adam(learner, make_run(optimiser={"lr": 1e-2, "weight_decay": decay}))
        before = learner.model.gate["L"].weight.detach().clone()
        for parameter in learner.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
        moved.append(learner.model.gate["L"].weight.detach() / before)
    assert torch.equal(moved[0], torch.ones_like(moved[0]))
    torch.testing.assert_close(moved[1], torch.full_like(moved[1], 0.995))


def test_gradients_are_cut_value_by_value(monkeypatch) -> None:
    largest: list[float] = []
    original = torch.optim.Adam.step

    def step(self, *arguments, **named):
        largest.append(max(float(p.grad.abs().max()) for p in self.param_groups[0]["params"] if p.grad is not None))
        return original(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    make_trainer(make_run(optimiser={"clip": 0.01, "epochs": 1})).fit(TRAIN, VALID, seed=1, scores=error)
    assert largest == pytest.approx([0.01] * 5)


def test_what_is_masked_and_what_is_left_out_changes_nothing() -> None:
    seen = [Modality.LANGUAGE, Modality.ACOUSTIC]
    base = make_trainer(make_run(), seen).fit(TRAIN, VALID, seed=1, scores=error)
    other = make_samples(40, seed=1)
    other.features[Modality.VISUAL][:] = 7.0
    for m in MODALITIES:
        other.features[m][~other.mask[m]] = -99.0
    again = make_trainer(make_run(), seen).fit(other, VALID, seed=1, scores=error)
    assert same(base, again)
    edges = make_trainer(make_run(), seen).predict(base.learner, base.standardizer, VALID).mean_edges()
    assert edges["homo L>V"] == edges["homo V>A"] == 0
    assert edges["homo L>A"] == pytest.approx(0.5)


def test_emotion_alone_is_learned_too() -> None:
    train, valid = (make_samples(n, seed=n, labels=("sad", "neutral", "happy"), sentiment=False) for n in (40, 16))
    trainer = make_trainer(make_run())
    fitted = trainer.fit(train, valid, seed=1, scores=lambda p, s: {})
    predicted = trainer.predict(fitted.learner, fitted.standardizer, valid)
    assert predicted.sentiment is None
    assert predicted.emotion is not None
    np.testing.assert_allclose(predicted.emotion.sum(axis=1), 1)
    assert set(predicted.edges) == set(Graph)


def test_samples_without_any_label_and_of_other_sizes_are_refused() -> None:
    unlabelled = make_samples(16, sentiment=False)
    trainer = make_trainer(make_run())
    with pytest.raises(ConfigError, match=r"valid: expected labels of emotion or sentiment, got none"):
        trainer.fit(TRAIN, unlabelled, seed=1, scores=error)
    with pytest.raises(ConfigError, match=r"data: expected labels of emotion or sentiment"):
        trainer.fit(unlabelled, VALID, seed=1, scores=error)
    with pytest.raises(ConfigError, match=r"valid: expected visual of rows and width \(10, 5\).*got \(10, 9\)"):
        trainer.fit(TRAIN, make_samples(16, dims=(6, 9, 4)), seed=1, scores=error)


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    spoilt = make_samples(40, seed=1)
    spoilt.features[Modality.LANGUAGE][:] = math.inf
    with pytest.raises(ModelError, match="expected finite losses"):
        make_trainer(make_run(standardise=False)).fit(spoilt, VALID, seed=1, scores=error)


def test_half_precision_learns_and_its_losses_are_whole() -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    engine = Accelerator(cpu=True, mixed_precision="bf16")
    trainer = Trainer(make_run(optimiser={"epochs": 2, "lr": 5e-3}), engine)
    fitted = trainer.fit(TRAIN, VALID, seed=1, scores=error)
    assert fitted.rows[-1]["valid loss"] < 0.95 * fitted.rows[0]["valid loss"]
    assert {x.dtype for x in weights(fitted).values()} == {torch.float32}
    exact = make_trainer(make_run(optimiser={"epochs": 1, "lr": 5e-3})).fit(TRAIN, VALID, seed=1, scores=error)
    assert fitted.rows[0]["train total"] == pytest.approx(exact.rows[0]["train total"], rel=0.02)
    assert fitted.rows[0]["train total"] != exact.rows[0]["train total"]
