"""Recipes: those that ship are the published hyper-parameters, and wrong settings are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.convert import HEADS, PUBLISHED
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.losses import PUBLISHED_PRIOR, LossWeights
from dmd_runtime.training.run_config import load_run_config, recipe_names
from dmd_runtime.training.samples import Samples
from tests.training.training_factory import make_samples

PARAMETERS = {
    "mosi_aligned": 4_743_658,
    "mosi_unaligned": 12_571_158,
    "mosei_aligned": 1_792_778,
    "mosei_unaligned": 5_086_778,
}
"""Of the published models, without BERT and graph units."""


def published_samples(name: str, n: int = 1) -> Samples:
    sizes = PUBLISHED[name]
    return make_samples(n, lengths=sizes.lengths, dims=sizes.dims)


def test_what_ships() -> None:
    assert recipe_names() == ["features", *sorted(PUBLISHED)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_makes_the_published_model(name: str) -> None:
    import torch

    config = load_run_config(name, reference=True)
    with torch.device("meta"):
        model = DMD(config.model_config_for(published_samples(name)))
    numbers = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("graphs."))
    assert numbers == PARAMETERS[name]
    units = sum(p.numel() for n, p in model.named_parameters() if n.startswith("graphs."))
    assert units == (3649 + 3425 if "mosi" in name else units)
    assert model.config.heads == HEADS[model.config.width]
    assert config.text.encoder == "bert-base-uncased"
    optimiser = config.optimiser
    assert (optimiser.lr, optimiser.batch_size, optimiser.accumulate, optimiser.clip) == (1e-4, 16, 10, 0.6)
    assert (optimiser.patience, optimiser.factor, optimiser.early_stop, optimiser.weight_decay) == (5, 0.5, 10, 0.0)


def test_reference_restores_everything_that_we_changed(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('base = "mosi_aligned"\n[robustness]\nmodality_dropout = 0.5\n[optimiser]\nweight_decay = 0.1\n')
    ours, theirs = load_run_config(str(file)), load_run_config(str(file), reference=True)
    made = theirs.model_config_for(published_samples("mosi_aligned"))
    assert (made.edge_form, made.temperature, dict(made.prior)) == ("published", 8.0, dict(PUBLISHED_PRIOR))
    assert theirs.loss_weights == LossWeights.reference()
    assert (theirs.robustness.modality_dropout, theirs.optimiser.weight_decay, theirs.standardise) == (0, 0, False)
    assert (ours.robustness.modality_dropout, ours.optimiser.weight_decay, ours.standardise) == (0.5, 0.1, True)
    made = ours.model_config_for(published_samples("mosi_aligned"))
    assert (made.edge_form, dict(made.prior)) == ("interaction", {})
    assert ours.loss_weights == LossWeights()


def test_a_file_stands_over_its_base_table_by_table(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('base = "mosei_aligned"\n[optimiser]\nlr = 0.5\n[losses]\northogonality = "over_batch"\n')
    config = load_run_config(str(file), text={"encoder": "none"})
    assert (config.optimiser.lr, config.optimiser.batch_size, config.model.width) == (0.5, 16, 30)
    assert config.loss_weights.over_batch
    assert not config.tuned_text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[optimiser]\nlr = -1\n", r"setting optimiser\.lr: Input should be greater than 0, got -1"),
        ("[optimiser]\nlearning_rate = 1\n", r"setting optimiser\.learning_rate: Extra inputs"),
        ("[model]\nedge_form = 'round'\n", r"setting model\.edge_form: .*got 'round'"),
        ("[model]\nkernels = { X = 1 }\n", r"setting model\.kernels\.X"),
        ("lr = ", "expected TOML"),
        ("base = 'nobody'", r"base: expected one of features, .*got 'nobody'"),
        ("base = 3", "base: expected one of"),
        ("model = 3", r"setting model: .*got 3"),
    ],
)
def test_wrong_settings_are_named(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text if "base" in text else f'base = "features"\n{text}')
    with pytest.raises(ConfigError, match=says):
        load_run_config(str(file))


def test_a_recipe_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="recipe mosi: expected a TOML file or one of features, mosei_aligned"):
        load_run_config("mosi")


def test_samples_that_a_recipe_is_not_for_are_refused() -> None:
    config = load_run_config("mosi_aligned")
    with pytest.raises(ConfigError, match="expected language of rows 50, as the recipe says, got 8"):
        config.model_config_for(make_samples(2))
    other = make_samples(2, lengths=(50, 50, 50), dims=(300, 20, 5))
    with pytest.raises(ConfigError, match="expected language of width 768, as the recipe says, got 300"):
        config.model_config_for(other)


def test_labels_come_from_the_samples() -> None:
    config = load_run_config("features")
    both = make_samples(4, labels=("a", "b", "c"))
    made = config.model_config_for(both)
    assert (made.labels, made.sentiment) == (("a", "b", "c"), True)
    unsaid = make_samples(4, labels=("a", "b", "c"))
    unsaid.emotion[:] = np.nan
    assert config.model_config_for(unsaid).labels == ()
    assert {m: made.lengths[m] for m in MODALITIES} == {
        m: both.features[m].shape[1] for m in (Modality.LANGUAGE, Modality.VISUAL, Modality.ACOUSTIC)
    }
