"""Fast inference, the model and a plain reading of the equations give the same numbers."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.benchmark.plain import PlainDMD
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import fast, fast_attention, fast_transformer
from dmd_runtime.model.config import EDGE_FORMS, STRIDES, StemConfig
from dmd_runtime.model.fast import FastDMD, FastOutput
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
    recorded,
)
from tests.parity import load

TOLERANCE = 1e-5


@torch.inference_mode()
def worst(a, b) -> float:
    """Largest difference over all that a reading uses; NaN counts as infinite."""
    pairs = [(a.logits, b.logits)]
    for graph in Graph:
        pairs += [(a.edges[graph], b.edges[graph])]
        pairs += [(a.node_logits[graph][m], b.node_logits[graph][m]) for m in MODALITIES]
    return max(float(torch.nan_to_num((x - y).abs(), nan=torch.inf).max()) for x, y in pairs)


def tensors(out: FastOutput) -> list[torch.Tensor]:
    return [out.logits, *out.edges.values(), *(x for nodes in out.node_logits.values() for x in nodes.values())]


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_fast_equals_model(config, masked):
    model, features = make_model(config), make_features(config)
    mask = make_mask(config, MODALITIES) if masked else None
    with torch.inference_mode():
        assert worst(FastDMD(model)(features, mask), model(features, mask)) <= TOLERANCE


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_plain_equals_model(config, masked):
    model, features = make_model(config), make_features(config, batch=2)
    mask = make_mask(config, MODALITIES, batch=2) if masked else None
    with torch.inference_mode():
        plain, whole = PlainDMD(config, model.state_dict())(features, mask), model(features, mask)
    assert worst(plain, whole) <= TOLERANCE


def test_plain_equals_model_in_what_serves_training():
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, batch=2)
    with torch.inference_mode():
        plain, whole = PlainDMD(UNALIGNED, model.state_dict())(features), model(features)
    torch.testing.assert_close(plain.common_logits, whole.common_logits, rtol=0, atol=TOLERANCE)
    for m in MODALITIES:
        torch.testing.assert_close(plain.reconstructed[m], whole.decoupled[m].reconstructed, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(plain.cycle[m], whole.decoupled[m].cycle, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(plain.common_aligned[m], whole.common_aligned[m], rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(plain.exclusive_aligned[m], whole.exclusive_aligned[m], rtol=0, atol=TOLERANCE)


@st.composite
def cases(draw):
    kernels = draw(st.tuples(*[st.integers(1, 5)] * 3))
    if draw(st.booleans()):  # equally many steps after the convolutions
        steps = draw(st.integers(1, 40))
        lengths = tuple(steps + k - 1 for k in kernels)
    else:
        lengths = tuple(draw(st.integers(k, 45)) for k in kernels)
    stems = draw(st.just({}) | st.dictionaries(st.sampled_from(MODALITIES), stem_configs()))
    heads = draw(st.integers(1, 4))
    form = draw(st.sampled_from(EDGE_FORMS))
    config = make_config(
        lengths=tuple(n * (stems[m].stride if m in stems else 1) for m, n in zip(MODALITIES, lengths, strict=True)),
        kernels=kernels,
        dims=draw(st.tuples(*[st.integers(1, 9)] * 3)),
        width=heads * 2 * draw(st.integers(1, 3)),
        heads=heads,
        layers=draw(st.integers(1, 4)),
        labels=draw(st.sampled_from([(), ("a", "b")])),
        edge_form=form,
        temperature=1.0 if form == "interaction" else 8.0,
        stems=stems,
    )
    return config, draw(st.integers(1, 3)), draw(st.sampled_from([None, *SUBSETS])), draw(st.integers(0, 99))


def stem_configs():
    return st.builds(
        StemConfig,
        channels=st.integers(4, 8),
        stride=st.sampled_from(STRIDES),
        blocks=st.integers(0, 2),
        kernel=st.sampled_from([3, 5]),
        instance_norm=st.booleans(),
        dropout=st.just(0.1),
    )


@settings(max_examples=40, deadline=None)
@given(cases())
def test_any_size_any_mask(case):
    config, batch, present, seed = case
    model, features = make_model(config, seed), make_features(config, batch, seed)
    mask = None if present is None else make_mask(config, present, batch, seed=seed)
    if mask is not None:
        features = blanked(features, mask)
    with torch.inference_mode():
        whole = model(features, mask)
        assert worst(FastDMD(model, trace=False)(features, mask), whole) <= TOLERANCE
        assert worst(PlainDMD(config, model.state_dict())(features, mask), whole) <= TOLERANCE


STEM = StemConfig(channels=8, stride=2, blocks=1, instance_norm=True, dropout=0.1)


@pytest.mark.parametrize("form", EDGE_FORMS)
@pytest.mark.parametrize("stems", [{}, {MODALITIES[1]: STEM, MODALITIES[2]: STEM}], ids=["no stems", "stems"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_traces_of_other_forms(form, stems, batch, masked, caplog):
    config = make_config(lengths=(9, 30, 20), labels=("a", "b"), edge_form=form, temperature=1.0, stems=stems)
    model = make_model(config)
    frozen = FastDMD(model)
    with torch.inference_mode():
        for seed in range(2):  # the second replays the trace of the first
            features = make_features(config, batch, seed)
            mask = make_mask(config, MODALITIES[seed:], batch, seed) if masked else None
            expected = model(features, mask)
            assert worst(frozen(features, mask), expected) <= TOLERANCE
        for parameter in model.parameters():
            parameter.fill_(0.5)
        assert worst(frozen(features, mask), expected) <= TOLERANCE  # a frozen copy
    assert "untraced" not in caplog.text


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("present", SUBSETS, ids=letters)
def test_never_nan(config, present):
    mask = make_mask(config, present)
    out = FastDMD(make_model(config), trace=False)(blanked(make_features(config), mask), mask)
    assert all(torch.isfinite(x).all() for x in tensors(out))


@pytest.mark.parametrize("present", SUBSETS, ids=letters)
def test_edges_exist_between_what_is_there(present):
    mask = make_mask(UNALIGNED, present)
    out = FastDMD(make_model(UNALIGNED), trace=False)(blanked(make_features(UNALIGNED), mask), mask)
    counts = {graph: int((weights > 0).sum()) for graph, weights in out.edges.items()}
    assert set(counts.values()) == {len(present) * (len(present) - 1)}


def test_samples_of_a_batch_may_lack_different_things():
    masks = [make_mask(UNALIGNED, subset, seed=i) for i, subset in enumerate(SUBSETS)]
    mask = {m: torch.cat([one[m] for one in masks]) for m in MODALITIES}
    model, features = make_model(UNALIGNED), blanked(make_features(UNALIGNED, batch=len(SUBSETS)), mask)
    with torch.inference_mode():
        assert worst(FastDMD(model)(features, mask), model(features, mask)) <= TOLERANCE


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("garbage", [1e30, torch.inf, torch.nan])
def test_what_masked_rows_hold_does_not_matter(config, garbage):
    model, mask = make_model(config), make_mask(config, MODALITIES, batch=2)
    features = make_features(config, batch=2)
    spoilt = {m: x.masked_fill(~mask[m][..., None], garbage) for m, x in features.items()}
    frozen, plain = FastDMD(model), PlainDMD(config, model.state_dict())
    with torch.inference_mode():
        expected = model(blanked(features, mask), mask)
        for side in (frozen, plain, model):
            assert worst(side(spoilt, mask), expected) <= TOLERANCE


@pytest.mark.parametrize("present", SUBSETS, ids=letters)
def test_a_missing_vertex_has_no_opinion(present):
    model, mask = make_model(UNALIGNED), make_mask(UNALIGNED, present)
    features = make_features(UNALIGNED)
    for out in (FastDMD(model, trace=False)(features, mask), PlainDMD(UNALIGNED, model.state_dict())(features, mask)):
        for nodes in out.node_logits.values():
            assert {m for m in MODALITIES if nodes[m].any()} == present


def test_one_trace_serves_other_masks():
    model = make_model(UNALIGNED)
    frozen = FastDMD(model)
    with torch.inference_mode():
        for seed, subset in enumerate(SUBSETS):
            mask = make_mask(UNALIGNED, subset, seed=seed)
            features = blanked(make_features(UNALIGNED, seed=seed), mask)
            assert worst(frozen(features, mask), model(features, mask)) <= TOLERANCE, subset


def test_empty_rows_in_reference_mode_get_no_position():
    """A step whose first channel is exactly 0 counts as padding, as in the published code."""
    model, features = make_model(UNALIGNED), make_features(UNALIGNED)
    for x in features.values():
        x[:, :6] = 0
    with torch.inference_mode():
        assert worst(FastDMD(model)(features), model(features)) <= TOLERANCE


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("masked", [False, True], ids=["reference mode", "masked"])
def test_attention_in_many_blocks(masked, bounded, monkeypatch):
    monkeypatch.setattr(fast_attention, "BLOCK_ROWS", 5)
    monkeypatch.setattr(fast_attention, "BLOCK_WEIGHTS", 1)
    if not bounded:
        monkeypatch.setattr(fast_transformer, "SAFE_SCORE", 0.0)
    model, features = make_model(UNALIGNED), make_features(UNALIGNED, 2)
    mask = make_mask(UNALIGNED, MODALITIES, 2) if masked else None
    frozen = FastDMD(model, trace=False)
    assert all(len(sight.blocks) > 2 for group in frozen._groups for sight in group.sights)
    assert {group.memory.bounded for group in frozen._groups} == {bounded}
    with torch.inference_mode():
        assert worst(frozen(features, mask), model(features, mask)) <= TOLERANCE


def test_scores_that_would_overflow_take_the_maximum_first():
    model, features = make_model(UNALIGNED), make_features(UNALIGNED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("in_proj.weight"):
                parameter.mul_(30)
    frozen = FastDMD(model, trace=False)
    assert not any(group.cross.bounded for group in frozen._groups)
    mask = make_mask(UNALIGNED, MODALITIES)
    with torch.inference_mode():
        for given_mask in (None, mask):
            # Such weights amplify rounding: what is compared is the double-precision model.
            exact = model.double()({m: x.double() for m, x in features.items()}, given_mask)
            assert worst(frozen(features, given_mask), exact) <= 1e-3
            assert all(torch.isfinite(x).all() for x in tensors(frozen(features, given_mask)))


def test_ordinary_weights_need_no_maximum():
    assert all(group.cross.bounded and group.memory.bounded for group in FastDMD(make_model(UNALIGNED))._groups)


def test_double_precision_agrees_far_below_the_tolerance():
    model, features = make_model(UNALIGNED).double(), make_features(UNALIGNED)
    features = {m: x.double() for m, x in features.items()}
    with torch.inference_mode():
        assert worst(FastDMD(model)(features), model(features)) <= 1e-12


@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
def test_later_changes_of_the_module_do_not_reach_it(config):
    model, features = make_model(config), make_features(config)
    frozen = FastDMD(model)
    with torch.inference_mode():
        before = model(features)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    with torch.inference_mode():
        assert worst(frozen(features), before) <= TOLERANCE


def test_calls_leave_no_trace():
    frozen, features = FastDMD(make_model(UNALIGNED)), make_features(UNALIGNED)
    kept = {m: x.clone() for m, x in features.items()}
    first = frozen(features)
    frozen(make_features(UNALIGNED, seed=9))
    assert worst(frozen(features), first) == 0
    assert all(torch.equal(features[m], kept[m]) for m in MODALITIES)


def test_no_gradients():
    assert not any(x.requires_grad for x in tensors(FastDMD(make_model(ALIGNED))(make_features(ALIGNED))))


def test_prepare_makes_the_trace():
    frozen = FastDMD(make_model(UNALIGNED))
    frozen.prepare()
    assert list(frozen._runs) == [(1, True)]


def test_runs_untraced_where_tracing_fails(monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("no tracing today")

    monkeypatch.setattr(fast.torch.jit, "trace", fail)
    model, features = make_model(ALIGNED), make_features(ALIGNED)
    with caplog.at_level(logging.WARNING, logger=fast.__name__), torch.inference_mode():
        assert worst(FastDMD(model)(features), model(features)) <= TOLERANCE
    assert "no tracing today" in caplog.text


@pytest.mark.parametrize("name", ["golden_mosi_aligned", "golden_mosi_unaligned_short"])
def test_recorded_numbers_of_the_published_code(name):
    golden = load(recorded(f"{name}.npz"))
    out = FastDMD(golden.model)(golden.features)
    expected = {"output_logit": out.logits}
    for graph in Graph:
        expected |= {f"logits_{m.value.lower()}_{graph.value}": out.node_logits[graph][m] for m in MODALITIES}
    for key, ours in expected.items():
        torch.testing.assert_close(ours, torch.from_numpy(golden.outputs[key]), rtol=0, atol=TOLERANCE)
    for graph in Graph:
        edges = torch.from_numpy(golden.edges[f"edges_{graph.value}"])
        torch.testing.assert_close(out.edges[graph].T, edges, rtol=0, atol=TOLERANCE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED], ids=["aligned", "unaligned"])
def test_on_cuda(config):
    model, features, mask = make_model(config), make_features(config), make_mask(config, MODALITIES)
    with torch.inference_mode():
        expected = model(features, mask)
        model.cuda()
        there = [{m: x.cuda() for m, x in part.items()} for part in (features, mask)]
        out = FastDMD(model)(*there)
    moved = FastOutput(
        out.logits.cpu(),
        {g: {m: x.cpu() for m, x in nodes.items()} for g, nodes in out.node_logits.items()},
        {g: x.cpu() for g, x in out.edges.items()},
    )
    assert worst(moved, expected) <= 1e-4
