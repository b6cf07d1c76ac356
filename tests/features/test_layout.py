from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.features.layout import with_window_rows


@given(rows=st.integers(0, 12), seed=st.integers(0, 99))
def test_a_row_is_real_where_both_halves_are_and_0_elsewhere(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(8) < 0.6
    values = rng.uniform(1, 2, (8, 3)).astype(np.float32)
    own = rng.uniform(1, 2, (rows, 2)).astype(np.float32)
    joined, both = with_window_rows(values, mask, own)
    assert joined.shape == (8, 5)
    assert joined.dtype == np.float32
    for slot in range(8):
        row = rows - 8 + slot  # right-aligned
        assert both[slot] == (mask[slot] and row >= 0)
        expected = [*values[slot], *own[row]] if both[slot] else [0.0] * 5
        assert joined[slot].tolist() == [float(x) for x in expected]
