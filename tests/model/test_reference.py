"""Names of the published code: all of them are known, each to one of our parameters, in every configuration."""

from __future__ import annotations

import json
import re

import pytest
import torch

from dmd_runtime.errors import CheckpointError
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import reference
from dmd_runtime.model.dmd import DMD
from tests.golden.make import CONFIG, SEED, UNIT_NAMES, published_names, weights
from tests.model.model_factory import make_config, recorded

L, V, A = MODALITIES
PUBLISHED = {  # configuration: lengths L, V, A; heads
    "mosi_aligned": ((50, 50, 50), 10),
    "mosi_unaligned": ((50, 500, 375), 10),
    "mosei_aligned": ((50, 50, 50), 6),
    "mosei_unaligned": ((50, 500, 500), 6),
}


def small() -> tuple[dict[str, torch.Tensor], dict[Graph, dict[str, torch.Tensor]]]:
    """A tiny published model and its units, as such files would hold them."""
    _, state = weights(CONFIG, SEED)
    model = {n: state[ours] for n in published_names(CONFIG.layers) if (ours := reference.model_name(n)) is not None}
    units = {g: {n: state[reference.unit_name(g, n)] for n in UNIT_NAMES} for g in Graph}
    return model, units


def config_of_small(model, units, *, lengths=CONFIG.lengths, heads=CONFIG.heads):
    return reference.config_of(model, units, lengths=lengths, heads=heads)


def test_702_names_of_which_24_are_buffers():
    names = published_names(4)
    assert len(set(names)) == len(names) == 702
    buffers = [name for name in names if reference.model_name(name) is None]
    assert len(buffers) == 24
    assert {re.sub(r"^.*?\.", "", name) for name in buffers} == {"version", "embed_positions._float_tensor"}


@pytest.mark.parametrize("layers", [1, 2, 4, 5])
def test_names_and_our_parameters_match_one_to_one(layers):
    with torch.device("meta"):
        ours = {name for name, _ in DMD(make_config(layers=layers)).named_parameters()}
    theirs = [reference.model_name(name) for name in published_names(layers)]
    theirs += [reference.unit_name(graph, name) for graph in Graph for name in UNIT_NAMES]
    assert sorted(name for name in theirs if name is not None) == sorted(ours)


@pytest.mark.parametrize("which", PUBLISHED)
def test_recorded_names_and_shapes_fit(which):
    keys = json.loads(recorded("reference_state_dict_keys.json").read_text(encoding="utf-8"))[which]
    assert set(keys["dmd"]) == set(published_names(4))
    with torch.device("meta"):
        model = {name: torch.empty(shape) for name, shape in keys["dmd"].items()}
        units = {g: {name: torch.empty(shape) for name, shape in keys[f"{g.value}_kernel"].items()} for g in Graph}
        lengths, heads = PUBLISHED[which]
        config = reference.config_of(model, units, lengths=dict(zip(MODALITIES, lengths, strict=True)), heads=heads)
        ours = {name: tensor.shape for name, tensor in DMD(config).state_dict().items()}
    assert {name: tensor.shape for name, tensor in reference.convert(model, units).items()} == ours
    parameters = sum(shape.numel() for name, shape in ours.items() if not name.startswith("graphs."))
    assert parameters == keys["dmd_params"]


def test_a_published_model_is_read_whole():
    model, units = small()
    config = config_of_small(model, units)
    assert config == CONFIG
    DMD(config).load_state_dict(reference.convert(model, units))  # strict


def test_buffers_and_text_models_are_left_out():
    model, units = small()
    kept = reference.convert(model, units)
    model |= {
        "trans_l_mem.version": torch.zeros(1),
        "trans_l_mem.embed_positions._float_tensor": torch.zeros(1),
        "text_model.model.embeddings.word_embeddings.weight": torch.zeros(2, 2),
        "bertmodel.pooler.dense.bias": torch.zeros(2),
    }
    assert reference.convert(model, units).keys() == kept.keys()


@pytest.mark.parametrize(
    "name", ["proj_x.weight", "head.weight", "trans_l_mem2.layer_norm.weight", "proj1_l.weight", ""]
)
def test_other_names_are_refused(name):
    with pytest.raises(CheckpointError, match="expected a parameter of the published DMD model"):
        reference.model_name(name)


def test_other_names_of_a_unit_are_refused():
    with pytest.raises(CheckpointError, match=r"W_bias\.weight: expected W_logit, W_repr or W_edge"):
        reference.unit_name(Graph.HOMOGENEOUS, "W_bias.weight")


def test_without_units_there_is_a_model_and_no_graph():
    model, _ = small()
    config = config_of_small(model, {})
    assert config.graph_width == {Graph.HOMOGENEOUS: 64, Graph.HETEROGENEOUS: 32}
    absent = DMD(config).load_state_dict(reference.convert(model, {}), strict=False).missing_keys
    assert absent
    assert all(name.startswith("graphs.") for name in absent)


def test_lengths_that_do_not_fit_are_named():
    model, units = small()
    wrong = {**CONFIG.lengths, V: CONFIG.lengths[V] + 1}
    with pytest.raises(CheckpointError, match="visual: 12 rows need layers of 40 inputs, these have 36"):
        config_of_small(model, units, lengths=wrong)


@pytest.mark.parametrize("name", ["proj_a.weight", "align_c_v.weight", "out_layer.weight"])
def test_what_is_missing_is_named(name):
    model, units = small()
    del model[name]
    with pytest.raises(CheckpointError, match=f"parameter {name}, and it is missing"):
        config_of_small(model, units)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"proj_l.weight": torch.zeros(4, 7)}, "shaped as in the published model"),
        ({"align_c_l.weight": torch.zeros(4)}, "shaped as in the published model"),
        ({"out_layer.weight": torch.zeros(())}, "shaped as in the published model"),
        ({"out_layer.weight": torch.zeros(7, 36)}, "one output .* got 7"),
    ],
)
def test_what_has_another_shape_is_refused(changes, says):
    model, units = small()
    with pytest.raises(CheckpointError, match=says):
        config_of_small(model | changes, units)


def test_a_model_without_transformers_is_refused():
    model, units = small()
    with pytest.raises(CheckpointError, match="shaped as in the published model"):
        config_of_small({n: x for n, x in model.items() if not n.startswith("trans_")}, units)
