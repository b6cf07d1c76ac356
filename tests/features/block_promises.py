"""What every stream of feature blocks promises, whatever is in it (`FeatureBlock` in ``dmd_runtime/messages.py``)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from dmd_runtime.messages import FOREVER, FeatureBlock, Float32, Float64


class Stream(NamedTuple):
    """The blocks of a stream, joined."""

    times: Float64
    ends: Float64
    values: Float32
    confidence: Float32
    due: Float64


def joined(messages: Iterable[object], dim: int) -> Stream:
    """Join the feature blocks among ``messages``, checking block by block what must hold."""
    blocks = [m for m in messages if isinstance(m, FeatureBlock)]
    settled = -math.inf
    for block in blocks:
        _check_shapes(block, dim)
        for times in (block.times, block.due):
            assert (np.diff(times) > 0).all()
            assert (times >= settled).all(), "a row came for a time that was settled"
            assert (times < block.settled_until).all(), "a row lies where nothing is settled yet"
        assert block.settled_until >= settled
        assert np.isin(block.times, block.due).all(), "a row came that was not due"
        settled = block.settled_until
    assert settled == FOREVER
    rows = [b for b in blocks if len(b.times)]
    return Stream(
        np.concatenate([b.times for b in blocks]),
        np.concatenate([b.ends for b in blocks]),
        np.concatenate([np.empty((0, dim), np.float32), *(b.values for b in rows)]),
        np.concatenate([b.confidence for b in blocks]),
        np.concatenate([b.due for b in blocks]),
    )


def _check_shapes(block: FeatureBlock, dim: int) -> None:
    n = len(block.times)
    assert block.ends.shape == block.confidence.shape == (n,)
    assert block.values.shape[0] == n
    assert block.values.shape[1] == dim or not n
    assert block.values.dtype == block.confidence.dtype == np.float32
    assert block.times.dtype == block.ends.dtype == block.due.dtype == np.float64
    for array in (block.times, block.ends, block.values, block.confidence, block.due):
        assert not array.flags.writeable
        assert np.isfinite(array).all()
    assert (block.ends >= block.times).all()
    assert ((block.confidence >= 0) & (block.confidence <= 1)).all()
