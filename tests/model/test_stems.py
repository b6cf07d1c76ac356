"""Stems: what a masked row holds and how much padding there is does not matter; loops over rows say the same."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.benchmark.plain_stem import PlainStem
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model.checkpoint import load, untrained
from dmd_runtime.model.config import STRIDES, DMDConfig, StemConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.stems import ConvStem
from tests.model.model_factory import blanked, make_config, make_features, make_mask, make_model

L, V, A = MODALITIES
WIDTH = 3


def make_stem(seed: int = 0, **changes) -> ConvStem:
    torch.manual_seed(seed)
    sizes = {"channels": 6, "stride": 2, "blocks": 2, "kernel": 3, "instance_norm": True, "dropout": 0.2}
    stem = ConvStem(WIDTH, StemConfig(**{**sizes, **changes})).eval()
    with torch.no_grad():
        for parameter in stem.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return stem


def window(rows: int, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, rows, WIDTH, generator=torch.Generator().manual_seed(seed))


@st.composite
def stems_and_masks(draw):
    stride = draw(st.sampled_from(STRIDES))
    stem = make_stem(
        draw(st.integers(0, 99)),
        channels=draw(st.integers(1, 6)),
        stride=stride,
        blocks=draw(st.integers(0, 2)),
        kernel=draw(st.sampled_from([3, 5, 7])),
        instance_norm=draw(st.booleans()),
    )
    rows = stride * draw(st.integers(1, 5))
    mask = draw(st.lists(st.lists(st.booleans(), min_size=rows, max_size=rows), min_size=2, max_size=2))
    return stem, stride, torch.tensor(mask)


@settings(max_examples=60, deadline=None)
@given(stems_and_masks(), st.sampled_from([1e30, math.inf, math.nan]))
def test_any_mask(case, garbage):
    stem, stride, mask = case
    x = window(mask.shape[1])
    with torch.no_grad():
        out, real = stem(x, mask)
        spoilt, _ = stem(x.masked_fill(~mask[..., None], garbage), mask)
    assert out.shape == (2, mask.shape[1] // stride, stem.norm.bias.shape[0])
    assert torch.equal(real, mask.unflatten(1, (-1, stride)).any(dim=2))
    assert torch.equal(out, spoilt)
    assert torch.equal(out.any(dim=2) | ~real, torch.ones_like(real))
    assert not out[~real].any()


@settings(max_examples=40, deadline=None)
@given(stems_and_masks(), st.booleans())
def test_loops_over_rows_say_the_same(case, masked):
    stem, stride, mask = case
    blocks, halvings = len(stem.blocks), len(stem.halvings)
    kernel = next((m.weight.shape[2] for m in stem.modules() if isinstance(m, torch.nn.Conv1d)), 3)
    config = StemConfig(
        channels=len(stem.norm.bias),
        stride=stride,
        blocks=blocks,
        kernel=kernel,
        instance_norm=stem.instance_norm,
        dropout=0.0,
    )
    assert 2**halvings == stride
    x = window(mask.shape[1]).double()
    with torch.no_grad():
        ours, real = stem.double()(x, mask if masked else None)
        plain, there = PlainStem(config, stem.state_dict())(x, mask if masked else None)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-9)
    assert (real is None and there is None) if not masked else torch.equal(real, there)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("instance_norm", [False, True])
def test_how_much_padding_there_is_does_not_matter(stride, instance_norm):
    stem, x = make_stem(stride=stride, instance_norm=instance_norm), window(24)
    with torch.no_grad():
        short, _ = stem(x[:, 8:])
        for mask in (torch.arange(24) >= 8, (torch.arange(24) >= 8) & (torch.arange(24) != 15)):
            padded, real = stem(x, mask.expand(2, -1))
            steps = 8 // stride
            assert not padded[:, :steps].any()
            assert not real[:, :steps].any()
            alone, _ = stem(x[:, 8:], mask[8:].expand(2, -1))
            torch.testing.assert_close(padded[:, steps:], alone, rtol=0, atol=1e-6)
    assert not torch.allclose(alone, short)  # a hole does matter


def test_a_full_mask_is_no_mask():
    stem, x = make_stem(stride=4), window(16)
    with torch.no_grad():
        full, real = stem(x, torch.ones(2, 16, dtype=torch.bool))
        torch.testing.assert_close(full, stem(x)[0], rtol=0, atol=1e-6)
    assert real.all()
    assert stem(x)[1] is None


@pytest.mark.parametrize("stride", STRIDES)
def test_every_real_row_counts(stride):
    """Also with the smallest kernel, and where it is the only real row of its step."""
    stem, x = make_stem(stride=stride, blocks=0, instance_norm=False), window(8, batch=1)
    mask = torch.zeros(1, 8, dtype=torch.bool)
    for row in range(8):
        mask[:], mask[0, row] = False, True
        changed = x.clone()
        changed[0, row] += torch.tensor([1.0, -2.0, 0.5])
        with torch.no_grad():
            assert not torch.allclose(stem(x, mask)[0], stem(changed, mask)[0]), row


def test_instance_norm_takes_out_what_is_constant_and_keeps_it_beside():
    plain, normed = make_stem(instance_norm=False), make_stem()
    assert (plain.embed.in_features, normed.embed.in_features) == (WIDTH, 2 * WIDTH)
    x, mask = window(8), torch.arange(8).expand(2, -1) >= 3
    with torch.no_grad():
        normed.embed.weight[:, :WIDTH] = 0  # what is left sees only the normalised half
        torch.testing.assert_close(normed(x, mask)[0], normed(x + 5, mask)[0], rtol=0, atol=1e-4)
        assert not torch.allclose(plain(x, mask)[0], plain(x + 5, mask)[0])


@pytest.mark.parametrize("real", [0, 1, 8])
def test_gradients_are_finite(real):
    stem, x = make_stem(stride=4), window(8).requires_grad_()
    mask = (torch.arange(8) >= 8 - real).expand(2, -1)
    stem(x, mask)[0].square().sum().backward()
    for parameter in (x, *stem.parameters()):
        assert torch.isfinite(parameter.grad).all()
    assert torch.equal(x.grad.any(dim=2), mask)


STEM = StemConfig(channels=5, stride=2, blocks=1, instance_norm=True, dropout=0.1)
STEMMED = make_config(
    lengths=(8, 24, 20),
    kernels=(3, 1, 5),
    labels=("a", "b"),
    edge_form="interaction",
    temperature=1.0,
    stems={V: StemConfig(channels=8, stride=4, blocks=1, kernel=3, instance_norm=True, dropout=0.1), A: STEM},
)


def test_sizes_behind_a_stem():
    assert (STEMMED.inner_dims, STEMMED.inner_lengths) == ({L: 7, V: 8, A: 5}, {L: 8, V: 6, A: 10})
    assert STEMMED.steps == {L: 6, V: 6, A: 6}
    assert STEMMED.dims[V] == 4
    names = [name for name in DMD(STEMMED).state_dict() if name.startswith("stems.")]
    assert {name.split(".")[1] for name in names} == {"V", "A"}


def test_without_stems_there_is_nothing_more():
    config = make_config()
    assert (config.inner_dims, config.inner_lengths) == (config.dims, config.lengths)
    assert not any(name.startswith("stems") for name in DMD(config).state_dict())
    assert {"stems", "edge_form"}.isdisjoint(config.to_json())


@pytest.mark.parametrize("present", [{L, V, A}, {V, A}, {L}, set()], ids=str)
def test_the_model_reads_through_its_stems(present):
    model, features, mask = make_model(STEMMED), make_features(STEMMED, 2), make_mask(STEMMED, present, 2)
    with torch.no_grad():
        out = model(features, mask)
        other = model({m: x.masked_fill(~mask[m][..., None], torch.nan) for m, x in features.items()}, mask)
    assert torch.equal(out.logits, other.logits)
    for m in MODALITIES:
        mine = [out.memory[m], *out.decoupled[m], *(out.node_logits[g][m] for g in Graph)]
        assert all(bool(x.any()) == (m in present) for x in mine), m
    for weights in out.edges.values():
        torch.testing.assert_close(weights.sum(dim=1), torch.full((2,), float(len(present) > 1)))


def test_a_full_mask_is_reference_mode():
    model, features = make_model(STEMMED), make_features(STEMMED, 2)
    mask = {m: torch.ones(2, n, dtype=torch.bool) for m, n in STEMMED.lengths.items()}
    with torch.no_grad():
        torch.testing.assert_close(model(features, mask).logits, model(features).logits, rtol=0, atol=1e-5)


def test_stems_learn_from_the_prediction_but_not_from_the_edges():
    model, features = make_model(STEMMED), make_features(STEMMED, 3)
    out = model(blanked(features, make_mask(STEMMED, MODALITIES, 3)))
    (out.edges[Graph.HOMOGENEOUS] * torch.arange(6.0)).sum().backward(retain_graph=True)
    assert not any(p.grad is not None and p.grad.any() for p in model.stems.parameters())
    out.logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.stems.parameters())
    assert all(p.grad.any() for p in model.stems.parameters())


def test_no_device_is_hidden_in_the_forward():
    with torch.device("meta"):
        model = DMD(STEMMED).eval()
        features = {m: torch.empty(2, n, STEMMED.dims[m]) for m, n in STEMMED.lengths.items()}
        mask = {m: torch.ones(2, n, dtype=torch.bool) for m, n in STEMMED.lengths.items()}
    assert model(features, mask).edges[Graph.HOMOGENEOUS].device.type == "meta"


def test_a_checkpoint_brings_them_back(tmp_path):
    kept = untrained(STEMMED, {"id": "some recipe"})
    kept.save(tmp_path / "model.safetensors")
    read = load(tmp_path / "model.safetensors")
    assert read.config == STEMMED == DMDConfig.from_json(STEMMED.to_json())
    features = make_features(STEMMED)
    with torch.no_grad():
        assert torch.equal(read.model(features).logits, kept.model(features).logits)
