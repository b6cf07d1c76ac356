"""Attention for inference: all things as columns, exponentials to the base 2, blocks that skip the future.

Heads of DMD are 5 to 10 channels wide, so that the cost lies in the T x S weights and not in the products. Four things
make each weight cheap, and none changes the result:

* rows of queries are taken in blocks, and a block reads only the keys that its last row may look at;
* the scale and log2(e) are part of the query weights, so that softmax is 2^scores over its sum;
* values carry one more channel that is 1, whose mixture is that sum, so that it costs no pass over the weights;
* softmax needs no maximum where the weights themselves bound every score (:func:`largest_score`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK_ROWS = 64
"""Fewest queries per block."""
BLOCK_WEIGHTS = 32768
"""Weights of one head that a block may hold above that: so many that they stay in a core's own cache."""
NOT_ALLOWED = -1e30
"""Added to the score of a key that must not be looked at; 2 to this power is 0."""
SAFE_SCORE = 100.0
"""Scores within ±100 (to the base 2) can neither overflow nor vanish in float32, whatever is summed."""


class Block(NamedTuple):
    """Queries ``start`` to ``start + size``, which look at keys before ``seen``, and all at those before ``free``."""

    start: int
    size: int
    seen: int
    free: int
    future: Tensor
    """``NOT_ALLOWED`` or 0, (size, seen)."""
    near: Tensor
    """Its columns from ``free`` on."""


class Sight:
    """Which keys a query may look at: not those more than |T - S| steps ahead.

    Parameters
    ----------
    steps, keys : int
        T and S.
    rows : int
        Queries given, at least T; what those beyond T get is finite and means nothing.
    like : tensor
        Gives dtype and device.
    """

    def __init__(self, steps: int, keys: int, rows: int, like: Tensor) -> None:
        ahead = abs(steps - keys)
        allowed = torch.ones(rows, keys, dtype=torch.bool).tril(diagonal=ahead)
        future = torch.zeros(rows, keys).masked_fill(~allowed, NOT_ALLOWED).to(like)
        size = max(BLOCK_ROWS, BLOCK_WEIGHTS // keys)
        self.blocks: list[Block] = []
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            seen, free = min(keys, stop + ahead), min(keys, start + ahead + 1)
            part = future[start:stop, :seen].clone()
            self.blocks.append(Block(start, stop - start, seen, free, part, part[:, free:].clone()))


def attend(q: Tensor, k: Tensor, v: Tensor, sight: Sight | None, hidden: Tensor | None, *, bounded: bool) -> Tensor:
    """softmax(q^T k) v^T, transposed: (N, d_h, T). N counts groups, heads and samples.

    Parameters
    ----------
    q : (N, d_h, T)
        Scaled by log2(e) / sqrt(d_h).
    k : (N, d_h, S or more)
    v : (N, d_h + 1, S or more)
        Its last channel is 1.
    sight : Sight or None
        None: every query may look at every key given.
    hidden : (N, 1, S) or None
        ``NOT_ALLOWED`` where a key holds nothing, else 0. A query that may look at nothing gets zeros.
    bounded : bool
        Every score is known to lie within ±``SAFE_SCORE``.
    """
    if sight is None:
        rows = q.transpose(1, 2)
        scores = torch.bmm(rows, k) if hidden is None else torch.baddbmm(hidden, rows, k)
        sums = _mix(scores, v, bounded=bounded)
    else:
        mixed = []
        for block in sight.blocks:
            keys, values = k.narrow(2, 0, block.seen), v.narrow(2, 0, block.seen)
            rows = (q if len(sight.blocks) == 1 else q.narrow(2, block.start, block.size)).transpose(1, 2)
            mixed.append(_mix(_scores(rows, keys, block, hidden), values, bounded=bounded))
        sums = mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=2)
    total = sums.narrow(1, -1, 1)
    if hidden is not None:
        total = total.clamp_min(torch.finfo(total.dtype).tiny)
    return sums[:, :-1] / total


def _scores(rows: Tensor, keys: Tensor, block: Block, hidden: Tensor | None) -> Tensor:
    """``rows`` (N, t, d_h) times ``keys`` (N, d_h, seen), with what must not be looked at pushed down: (N, t, seen)."""
    if hidden is not None:
        scores = torch.baddbmm(hidden.narrow(2, 0, block.seen), rows, keys)
        if block.free < block.seen:
            scores.narrow(2, block.free, block.seen - block.free).add_(block.near)
        return scores
    return torch.baddbmm(block.future, rows, keys) if block.free < block.seen else torch.bmm(rows, keys)


def _mix(scores: Tensor, values: Tensor, *, bounded: bool) -> Tensor:
    """Values weighed with 2^scores, and below them the sums of the weights: (N, d_h + 1, t). Overwrites ``scores``."""
    if not bounded:
        scores -= scores.amax(dim=2, keepdim=True).clamp_min_(NOT_ALLOWED / 2)
    return torch.bmm(values, scores.exp2_().transpose(1, 2))


def largest_score(query: Tensor, query_bias: Tensor, key: Tensor) -> float:
    """A bound of |score| that holds for all inputs, because rows of length at most 1 are what the weights see.

    ``query`` and ``key`` (..., d_h, d), ``query_bias`` (..., d_h): ||Wq^T Wk||_2 + ||Wk^T b||, over all heads.
    """
    product = torch.linalg.qr(query.mT).R @ torch.linalg.qr(key.mT).R.mT  # has the singular values of Wq^T Wk
    fixed = (key.mT @ query_bias[..., None]).squeeze(-1)
    bound = torch.linalg.matrix_norm(product, ord=2) + torch.linalg.vector_norm(fixed, dim=-1)
    return float(bound.max())
