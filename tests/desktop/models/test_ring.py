from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.models.ring import TimeRing


@settings(deadline=None)
@given(st.integers(1, 9), st.lists(st.floats(0.1, 3.0), max_size=60))
def test_it_keeps_the_latest_rows_in_order(capacity: int, steps: list[float]) -> None:
    ring = TimeRing(capacity, 1)
    times = np.cumsum(steps)
    for i, t in enumerate(times):
        ring.append(float(t), [i])
    np.testing.assert_array_equal(ring.rows[:, 0], times[-capacity:])
    np.testing.assert_array_equal(ring.rows[:, 1], np.arange(len(times))[-capacity:])
    assert len(ring) == min(capacity, len(times))


@settings(deadline=None)
@given(st.lists(st.floats(0, 20), min_size=1, max_size=80))
def test_a_rewind_voids_what_came_after(times: list[float]) -> None:
    ring = TimeRing(7, 1)
    expected: list[float] = []
    for t in times:
        ring.append(t, [t])
        expected = [*(e for e in expected if e < t), t][-7:]
        np.testing.assert_array_equal(ring.rows[:, 0], expected)


def test_forgetting_drops_what_is_earlier() -> None:
    ring = TimeRing(10, 1)
    for t in range(8):
        ring.append(float(t), [t])
    ring.forget(4.0)
    assert ring.rows[:, 0].tolist() == [4, 5, 6, 7]
    ring.clear()
    assert len(ring) == 0
    ring.append(1.0, [1])
    assert ring.rows.tolist() == [[1, 1]]


def test_rows_cannot_be_written() -> None:
    ring = TimeRing(3, 1)
    ring.append(1.0, [2])
    with pytest.raises(ValueError, match="read-only"):
        ring.rows[0, 0] = 5
