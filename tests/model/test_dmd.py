"""What a forward pass promises: every output, what a mask means, and nothing hidden (order, device, state)."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.dmd import DMD, DMDOutput
from tests.model.model_factory import (
    ALIGNED,
    SUBSETS,
    UNALIGNED,
    blanked,
    letters,
    make_config,
    make_features,
    make_mask,
    make_model,
)

L, V, A = MODALITIES
SMALL = make_config(lengths=(4, 7, 6), kernels=(2, 1, 3), dims=(3, 2, 2), width=4, heads=2, layers=1)


def tensors(out) -> dict[str, torch.Tensor]:
    """Every tensor of an output by where it stands."""
    if isinstance(out, torch.Tensor):
        return {"": out}
    if isinstance(out, DMDOutput):
        parts = {field.name: getattr(out, field.name) for field in fields(out)}
    else:
        parts = out if isinstance(out, dict) else out._asdict()
    return {f"{name}.{inner}": x for name, part in parts.items() for inner, x in tensors(part).items()}


def close(a, b, tolerance=1e-5) -> None:
    left, right = tensors(a), tensors(b)
    assert left.keys() == right.keys()
    for name, x in left.items():
        torch.testing.assert_close(x, right[name], rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@torch.no_grad()
def run(model, features, mask=None) -> DMDOutput:
    return model(features, mask)


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_shape_of_every_output(config, masked):
    b, c, d, steps = 3, config.outputs, config.width, config.steps
    mask = make_mask(config, MODALITIES, b) if masked else None
    out = run(make_model(config), make_features(config, b), mask)
    shapes = {name: tuple(x.shape) for name, x in tensors(out).items()}
    expected = {"logits.": (b, c), "common_logits.": (b, c)}
    for graph, width in ((Graph.HOMOGENEOUS, d), (Graph.HETEROGENEOUS, 2 * d)):
        expected |= {f"graphs.{graph}.{part}.": (b, len(EDGES)) for part in ("weights", "scores")}
        expected |= {f"node_logits.{graph}.{m}.": (b, c) for m in MODALITIES}
        expected |= {f"node_representations.{graph}.{m}.": (b, width) for m in MODALITIES}
    for m in MODALITIES:
        parts = ("projected", "exclusive", "common", "reconstructed", "cycle")
        expected |= {f"decoupled.{m}.{part}.": (b, d, steps[m]) for part in parts}
        expected |= {f"{side}_aligned.{m}.": (b, d) for side in ("common", "exclusive")}
        expected[f"memory.{m}."] = (b, 2 * d)
    assert shapes == expected


def test_one_number_only_where_there_are_no_labels():
    out = run(make_model(ALIGNED), make_features(ALIGNED))
    assert out.logits.shape == (1, 1)


@pytest.mark.parametrize("present", SUBSETS, ids=letters)
def test_what_is_missing_is_zero(present):
    mask = make_mask(UNALIGNED, present, batch=2)
    out = run(make_model(UNALIGNED), make_features(UNALIGNED, 2), mask)
    for m in MODALITIES:
        mine = [out.memory[m], *out.decoupled[m]]
        mine += [nodes[g][m] for nodes in (out.node_logits, out.node_representations) for g in Graph]
        assert all(bool(x.any()) == (m in present) for x in mine), m
    for weights in out.edges.values():
        existing = torch.tensor([edge.teacher in present and edge.student in present for edge in EDGES])
        assert torch.equal(weights > 0, existing.expand(2, -1))
        torch.testing.assert_close(weights.sum(dim=1), torch.full((2,), float(len(present) > 1)))


def test_without_a_mask_all_edges_exist_and_sum_to_one():
    for weights in run(make_model(UNALIGNED), make_features(UNALIGNED, 4)).edges.values():
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))


@st.composite
def masks(draw):
    """Any rows of any modality, two samples."""
    return {
        m: torch.tensor(draw(st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=2, max_size=2)))
        for m, n in SMALL.lengths.items()
    }


MODEL = make_model(SMALL)


@settings(max_examples=60, deadline=None)
@given(masks(), st.sampled_from([-3.0, 1e30, torch.inf, torch.nan]))
def test_what_masked_rows_hold_does_not_matter(mask, garbage):
    features = make_features(SMALL, 2)
    spoilt = {m: x.masked_fill(~mask[m][..., None], garbage) for m, x in features.items()}
    one, other = tensors(run(MODEL, features, mask)), tensors(run(MODEL, spoilt, mask))
    assert [name for name, x in one.items() if not torch.isfinite(x).all()] == []
    assert [name for name, x in one.items() if not torch.equal(x, other[name])] == []


@settings(max_examples=40, deadline=None)
@given(masks())
def test_edges_of_any_mask(mask):
    here = torch.stack([mask[m].any(dim=1) for m in MODALITIES], dim=1)  # (2, 3)
    for weights in run(MODEL, make_features(SMALL, 2), mask).edges.values():
        torch.testing.assert_close(weights.sum(dim=1), (here.sum(dim=1) >= 2).float())
        for i, edge in enumerate(EDGES):
            exists = here[:, MODALITIES.index(edge.teacher)] & here[:, MODALITIES.index(edge.student)]
            assert torch.equal(weights[:, i] > 0, exists), edge


def test_a_real_row_does_matter():
    mask, features = make_mask(UNALIGNED, MODALITIES), make_features(UNALIGNED)
    model = make_model(UNALIGNED)
    before = run(model, features, mask)
    for m in MODALITIES:
        changed = {**features, m: features[m].clone()}
        changed[m][:, -1] += 1
        assert not torch.allclose(run(model, changed, mask).logits, before.logits), m


def test_a_full_mask_is_reference_mode():
    mask = {m: torch.ones(2, n, dtype=torch.bool) for m, n in UNALIGNED.lengths.items()}
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, 2)
    close(run(model, features, mask), run(model, features))


@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_a_sample_does_not_see_its_batch(masked):
    subsets = SUBSETS if masked else [frozenset(MODALITIES)] * 3
    parts = [make_mask(UNALIGNED, subset, seed=i) for i, subset in enumerate(subsets)]
    mask = {m: torch.cat([part[m] for part in parts]) for m in MODALITIES}
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, len(subsets))
    together = tensors(run(model, features, mask if masked else None))
    for i in range(len(subsets)):
        alone = {m: x[i : i + 1] for m, x in features.items()}
        own = {m: x[i : i + 1] for m, x in mask.items()} if masked else None
        for name, x in tensors(run(model, alone, own)).items():
            torch.testing.assert_close(x[0], together[name][i], rtol=0, atol=1e-5, msg=lambda t, n=name: f"{n}: {t}")


def test_no_order_is_hidden_in_the_mappings():
    mask, features = make_mask(UNALIGNED, MODALITIES), make_features(UNALIGNED)
    turned = [{m: part[m] for m in (A, L, V)} for part in (features, mask)]
    model = make_model(UNALIGNED)
    close(run(model, *turned), run(model, features, mask), 0)


def test_eval_repeats_itself_and_training_drops_out():
    model, features = make_model(UNALIGNED), make_features(UNALIGNED)
    first = run(model, features)
    close(run(model, features), first, 0)
    model.train()
    assert not torch.equal(run(model, features).logits, first.logits)


def test_double_precision_agrees():
    mask, features = make_mask(UNALIGNED, MODALITIES), make_features(UNALIGNED)
    single = tensors(run(make_model(UNALIGNED), features, mask))
    double = tensors(run(make_model(UNALIGNED).double(), {m: x.double() for m, x in features.items()}, mask))
    assert {x.dtype for x in double.values()} == {torch.float64}
    for name, x in double.items():
        torch.testing.assert_close(x.float(), single[name], rtol=1e-4, atol=1e-4)


def test_weights_travel_in_a_state_dict():
    model, other, features = make_model(UNALIGNED, seed=0), make_model(UNALIGNED, seed=1), make_features(UNALIGNED)
    assert not torch.equal(run(other, features).logits, run(model, features).logits)
    other.load_state_dict(model.state_dict())
    close(run(other, features), run(model, features), 0)


def test_a_state_dict_holds_parameters_only():
    model = make_model(UNALIGNED)
    assert list(model.state_dict()) == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("graph", Graph, ids=lambda g: g.value)
def test_edges_teach_their_unit_and_the_vertices(graph):
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, 3)
    (model(features).graphs[graph].weights * torch.arange(6.0)).sum().backward()
    unit = model.graphs[graph.value]
    for name in ("logit.weight", "representation.weight", "edge.weight"):
        assert unit.get_parameter(name).grad.abs().max() > 1e-6, name
    # A bias that all six scores share falls out of their softmax.
    assert unit.edge.bias.grad.abs().max() < 1e-6
    vertices = model.homogeneous if graph is Graph.HOMOGENEOUS else model.heterogeneous
    assert all(vertices[m.value].narrow.weight.grad.abs().max() > 0 for m in MODALITIES)


@pytest.mark.parametrize("present", SUBSETS, ids=letters)
def test_gradients_are_finite_whatever_is_missing(present):
    model, mask = make_model(UNALIGNED), make_mask(UNALIGNED, present, batch=2)
    out = model(make_features(UNALIGNED, 2), mask)
    sum(x.square().sum() for x in tensors(out).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("present", [[m] for m in MODALITIES], ids=lambda ms: ms[0].value)
def test_saying_that_nobody_has_a_modality_changes_no_number(present):
    model, mask = make_model(UNALIGNED), make_mask(UNALIGNED, present, batch=2)
    features, absent = make_features(UNALIGNED, 2), [m for m in MODALITIES if m not in present]
    expected, found = tensors(model(features, mask)), tensors(model(features, mask, absent=absent))
    for name, x in expected.items():
        torch.testing.assert_close(found[name], x, rtol=0, atol=0, msg=name)


def test_every_parameter_serves_some_output():
    model = make_model(UNALIGNED)
    sum(x.square().sum() for x in tensors(model(make_features(UNALIGNED, 2))).values()).backward()
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.any()] == []


@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_no_device_is_hidden_in_the_forward(masked):
    """A tensor made on a fixed device would meet those on "meta", and torch refuses that."""
    with torch.device("meta"):
        model = DMD(UNALIGNED).eval()
        features = {m: torch.empty(2, n, UNALIGNED.dims[m]) for m, n in UNALIGNED.lengths.items()}
        mask = {m: torch.ones(2, n, dtype=torch.bool) for m, n in UNALIGNED.lengths.items()}
    out = run(model, features, mask if masked else None)
    assert {x.device.type for x in tensors(out).values()} == {"meta"}


def test_the_forward_fits_one_screen():
    assert len(inspect.getsource(DMD.forward).splitlines()) <= 52


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_on_cuda(masked):
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, 2)
    mask = make_mask(UNALIGNED, MODALITIES, 2) if masked else None
    expected = tensors(run(model, features, mask))
    there = [None if part is None else {m: x.cuda() for m, x in part.items()} for part in (features, mask)]
    with torch.backends.cudnn.flags(allow_tf32=False):
        out = run(model.cuda(), *there)
    for name, x in tensors(out).items():
        assert x.is_cuda
        torch.testing.assert_close(x.cpu(), expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs Apple's GPU")
def test_on_mps():
    model, features = make_model(UNALIGNED), make_features(UNALIGNED)
    mask = make_mask(UNALIGNED, (L, V))
    expected = tensors(run(model, blanked(features, mask), mask))
    out = run(model.to("mps"), *[{m: x.to("mps") for m, x in part.items()} for part in (features, mask)])
    for name, x in tensors(out).items():
        torch.testing.assert_close(x.cpu(), expected[name], rtol=1e-3, atol=1e-3)
