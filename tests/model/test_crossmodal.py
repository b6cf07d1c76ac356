"""Transformers: positions, who may look at what, and where keys and values come from."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.model.crossmodal import MultiheadAttention, SinusoidalPositions, Transformer, last_step

WIDTH, HEADS = 8, 2
OTHER = torch.arange(WIDTH).cos() * 4
"""What a step may hold instead; not the same in every channel, which a norm would take out."""


def make(layers: int = 2, length: int = 20, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    made = Transformer(WIDTH, HEADS, layers, length, dropout=0.0, embedding_dropout=0.0).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def sequence(steps: int, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, steps, WIDTH, generator=torch.Generator().manual_seed(seed))


class TestPositions:
    def test_start_at_one(self):
        added = SinusoidalPositions(WIDTH, 5)(torch.zeros(1, 5, WIDTH), torch.ones(1, 5, dtype=torch.bool))[0]
        half = WIDTH // 2
        for t in range(5):
            for i in range(half):
                angle = (t + 1) * 10000 ** (-i / (half - 1))
                assert added[t, i] == pytest.approx(math.sin(angle), abs=1e-6)
                assert added[t, half + i] == pytest.approx(math.cos(angle), abs=1e-6)

    def test_steps_that_hold_nothing_get_none(self):
        real = torch.tensor([[False, True, True]])
        added = SinusoidalPositions(WIDTH, 3)(torch.zeros(1, 3, WIDTH), real)[0]
        assert [bool(row.any()) for row in added] == [False, True, True]

    def test_reference_mode_takes_a_first_channel_of_zero_for_padding(self):
        x = torch.ones(1, 3, WIDTH)
        x[0, 1, 0] = 0
        added = SinusoidalPositions(WIDTH, 3)(x, None)[0] - x[0]
        assert [bool(row.any()) for row in added] == [True, False, True]

    def test_bfloat16_keeps_late_positions_apart(self):
        positions = SinusoidalPositions(WIDTH, 600).to(torch.float32)
        x = torch.zeros(1, 600, WIDTH, dtype=torch.bfloat16)
        added = positions(x, torch.ones(1, 600, dtype=torch.bool))[0]
        assert added.dtype == torch.bfloat16
        assert not torch.equal(added[511], added[512])

    def test_width_of_two(self):
        assert torch.isfinite(SinusoidalPositions(2, 4).table).all()


class TestAttention:
    def test_is_scaled_dot_product_attention(self):
        torch.manual_seed(0)
        module, x, y = MultiheadAttention(WIDTH, HEADS, 0.0), sequence(5), sequence(7, seed=2)
        allowed = torch.rand(5, 7) > 0.3
        allowed[:, 0] = True
        w, b = module.in_proj.weight.chunk(3), module.in_proj.bias.chunk(3)
        q, k, v = (F.linear(t, w[i], b[i]).unflatten(-1, (HEADS, -1)).transpose(1, 2) for i, t in enumerate((x, y, y)))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        expected = module.out_proj(mixed.transpose(1, 2).flatten(2))
        torch.testing.assert_close(module(x, y, allowed), expected, rtol=1e-5, atol=1e-6)

    def test_a_step_that_may_look_at_nothing_takes_nothing(self):
        module, x = MultiheadAttention(WIDTH, HEADS, 0.0), sequence(3)
        allowed = torch.tensor([[True] * 3, [False] * 3, [True] * 3])
        out = module(x, x, allowed)
        torch.testing.assert_close(out[:, 1], module.out_proj.bias.expand(2, -1))
        assert torch.isfinite(out).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_nobody_looks_further_ahead_than_the_difference_in_length(steps, keys, data):
    """Step t of the target sees step s of the source exactly where s <= t + abs(T - S)."""
    at = data.draw(st.integers(0, keys - 1))
    transformer, x, y = make(layers=1), sequence(steps), sequence(keys, seed=2)
    changed = y.clone()
    changed[:, at] = OTHER
    with torch.no_grad():
        moved = (transformer(x, changed) - transformer(x, y)).abs().amax(dim=(0, 2)) > 1e-7
    assert moved.tolist() == [at <= t + abs(steps - keys) for t in range(steps)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=9, max_size=9), st.booleans())
def test_hidden_keys_have_no_effect(real, crossmodal):
    transformer, x, y = make(), sequence(6 if crossmodal else 9), sequence(9, seed=2)
    mask = torch.tensor([real] * 2)
    changed = torch.where(mask[..., None], y, OTHER)
    everything = torch.ones(2, 6, dtype=torch.bool)
    with torch.no_grad():
        if crossmodal:
            one, other = (transformer(x, s, target_real=everything, source_real=mask) for s in (y, changed))
            assert torch.equal(one, other)
        else:  # a hidden step is its own target still: only real ones must not notice
            one, other = (transformer(s, target_real=mask) for s in (y, changed))
            assert torch.equal(one[mask], other[mask])
    assert torch.isfinite(one).all()


def test_keys_and_values_are_the_input_at_every_layer():
    """Normed with the layer's first norm; only the target changes from layer to layer."""
    transformer, x, y = make(layers=3), sequence(5), sequence(5, seed=2)
    future = torch.ones(5, 5, dtype=torch.bool).tril()
    with torch.no_grad():
        embedded = transformer._embed(y, None)
        out = transformer._embed(x, None)
        for layer in transformer.layers:
            out = out + layer.attention(layer.attention_norm(out), layer.attention_norm(embedded), future)
            out = out + layer.contract(F.relu(layer.expand(layer.feed_forward_norm(out))))
        torch.testing.assert_close(transformer(x, y), transformer.norm(out))


def test_inputs_are_scaled_before_positions_are_added():
    transformer, x = make(layers=1), sequence(4)
    real = torch.ones(2, 4, dtype=torch.bool)
    expected = math.sqrt(WIDTH) * x + transformer.positions.table[:4]
    torch.testing.assert_close(transformer._embed(x, real), expected)


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    transformer, x = Transformer(WIDTH, HEADS, 1, 6, dropout=0.5, embedding_dropout=0.5), sequence(6)
    assert not torch.equal(transformer(x), transformer(x))
    transformer.eval()
    assert torch.equal(transformer(x), transformer(x))


def test_last_step_without_a_mask():
    x = sequence(4)
    assert torch.equal(last_step(x, None), x[:, 3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_last_step_that_holds_something(real):
    x = sequence(5, batch=len(real))
    got = last_step(x, torch.tensor(real))
    for row, sample, steps in zip(got, x, real, strict=True):
        last = max((t for t in range(5) if steps[t]), default=None)
        assert torch.equal(row, torch.zeros(WIDTH) if last is None else sample[last])
