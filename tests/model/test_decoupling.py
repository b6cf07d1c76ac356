"""Decoupling: equations 1 to 3, sizes, and which steps have seen something."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.modality import MODALITIES
from dmd_runtime.model.config import Dropout
from dmd_runtime.model.decoupling import Decoupling
from tests.model.model_factory import UNALIGNED, make_config, make_features

L, V, A = MODALITIES


def make(config=UNALIGNED, seed=0) -> Decoupling:
    torch.manual_seed(seed)
    return Decoupling(config).eval()


@pytest.mark.parametrize("m", MODALITIES, ids=lambda m: m.value)
def test_follows_the_equations(m):
    module, x = make(), make_features(UNALIGNED, 2)[m]
    out = module(m, x)
    kernel, steps = UNALIGNED.kernels[m], UNALIGNED.steps[m]
    weight = module.project[m.value].weight  # (d, D, k)
    windows = x.unfold(1, kernel, 1)  # (B, T', D, k)
    torch.testing.assert_close(out.projected, torch.einsum("btik,oik->bot", windows, weight), rtol=1e-5, atol=1e-5)

    def pointwise(conv, part):
        return torch.einsum("bit,oi->bot", part, conv.weight[:, :, 0])

    s, c = pointwise(module.exclusive[m.value], out.projected), pointwise(module.common, out.projected)
    recon = pointwise(module.decode[m.value], torch.cat([s, c], dim=1))
    again = pointwise(module.exclusive[m.value], recon)
    for got, expected in zip(out[1:], (s, c, recon, again), strict=True):
        assert got.shape == (2, UNALIGNED.width, steps)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_one_common_encoder_and_three_exclusive():
    config = make_config(dims=(5, 5, 5), lengths=(8, 8, 8), kernels=(2, 2, 2))
    module = make(config)
    for m in (V, A):
        module.project[m.value].load_state_dict(module.project[L.value].state_dict())
    x = torch.randn(1, 8, 5)
    parts = {m: module(m, x) for m in MODALITIES}
    assert all(torch.equal(parts[m].common, parts[L].common) for m in MODALITIES)
    assert not torch.allclose(parts[V].exclusive, parts[L].exclusive)
    assert not torch.allclose(parts[A].exclusive, parts[V].exclusive)


def test_rows_as_wide_as_the_model_are_projected_too():
    config = make_config(dims=(12, 12, 12), width=12)
    assert make(config)(A, make_features(config)[A]).projected.shape == (1, 12, config.steps[A])


def test_only_language_is_dropped_out_at_the_input():
    module = make(make_config(dropout=Dropout(text=0.9))).train()
    features = make_features(UNALIGNED)
    changed = {
        m: not torch.equal(module(m, features[m]).projected, module(m, features[m]).projected) for m in MODALITIES
    }
    assert changed == {L: True, V: False, A: False}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=21, max_size=21))
def test_a_step_is_real_if_any_row_below_it_is(rows):
    module, kernel = make(), UNALIGNED.kernels[A]
    real = module.steps(A, torch.tensor([rows]))
    assert real.tolist() == [[any(rows[t : t + kernel]) for t in range(21 - kernel + 1)]]


def test_no_mask_no_steps():
    assert make().steps(A, None) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=21, max_size=21), st.sampled_from([5.0, torch.inf, torch.nan]))
def test_masked_rows_count_as_nothing(rows, garbage):
    module, x, mask = make(), make_features(UNALIGNED)[A], torch.tensor([rows])
    out = module(A, x.masked_fill(~mask[..., None], garbage), mask)
    plain = module(A, x * mask[..., None])
    real = module.steps(A, mask)
    for part, expected in zip(out, plain, strict=True):
        assert torch.equal(part, expected)
        assert not part.transpose(1, 2)[~real].any()


def test_inputs_are_left_alone():
    x = make_features(UNALIGNED)[A]
    kept = x.clone()
    make()(A, x, torch.zeros(1, 21, dtype=torch.bool))
    assert torch.equal(x, kept)
