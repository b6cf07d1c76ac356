"""Attention for inference: all things as columns, exponentials to the base 2, blocks that skip the future.

Heads of DMD are 5 to 10 channels wide, so that the cost lies in the S x T weights and not in the products. Five things
make each weight cheap, and none changes the result:

* queries are taken in blocks, and a block reads only the keys that its last query may look at;
* queries are the columns of the weights, so that neither product has to turn them over;
* the scale and log2(e) are part of the query weights, so that softmax is 2^scores over its sum;
* values carry one more channel that is 1, whose mixture is that sum, so that it costs no pass over the weights; and a
  key that holds nothing has values of 0 in all of them, so that hiding it costs none either;
* softmax needs no maximum where the weights themselves bound every score (:func:`largest_score`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK_ROWS = 32
"""Fewest queries per block."""
BLOCK_WEIGHTS = 16384
"""Weights of one head that a block may hold above that: so many that they stay in a core's own cache."""
NOT_ALLOWED = -1e30
"""Added to the score of a key that must not be looked at; 2 to this power is 0."""
SAFE_SCORE = 100.0
"""Scores within ±100 (to the base 2) can neither overflow nor vanish in float32, whatever is summed."""


class Block(NamedTuple):
    """Queries ``start`` to ``start + size``, which look at keys before ``seen``, and all at those before ``free``.

    In the first block, ``free`` is 0: it would save too little.
    """

    start: int
    size: int
    seen: int
    free: int
    future: Tensor
    """Of the keys from ``free`` on, ``NOT_ALLOWED`` or 0: (seen - free, size)."""


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
        allowed = torch.ones(keys, rows, dtype=torch.bool).triu(diagonal=-ahead)
        future = torch.zeros(keys, rows).masked_fill(~allowed, NOT_ALLOWED).to(like)
        size = max(BLOCK_ROWS, BLOCK_WEIGHTS // keys)
        self.blocks: list[Block] = []
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            seen, free = min(keys, stop + ahead), min(keys, start + ahead + 1) if start else 0
            self.blocks.append(Block(start, stop - start, seen, free, future[free:seen, start:stop].clone()))


def attend(q: Tensor, k: Tensor, v: Tensor, sight: Sight | None, real: Tensor | None, *, bounded: bool) -> Tensor:
    """softmax(q^T k) v^T, transposed: (N, d_h, T). N counts groups, heads and samples.

    Parameters
    ----------
    q : (N, d_h, T)
        Scaled by log2(e) / sqrt(d_h).
    k : (N, d_h, S or more)
    v : (N, d_h + 1, S or more)
        Its last channel is 1.
    sight : Sight or None
        None: there is one query, which may look at every key given.
    real : (N, 1, S) or None
        1 where a key holds something, else 0. A query that may look at nothing gets zeros.
    bounded : bool
        Every score is known to lie within ±``SAFE_SCORE``.
    """
    if real is not None:
        v = v.narrow(2, 0, real.shape[2]) * real
    if sight is None:
        scores = torch.bmm(q.view(q.shape[0], 1, q.shape[1]), k).mT  # as a row, which is faster than as a column
        sums = _mix(scores, v, real, bounded=bounded)
    else:
        mixed = []
        for block in sight.blocks:
            keys, values = k.narrow(2, 0, block.seen), v.narrow(2, 0, block.seen)
            scores = torch.bmm(keys.mT, q if len(sight.blocks) == 1 else q.narrow(2, block.start, block.size))
            if len(block.future):
                (scores if block.free == 0 else scores.narrow(1, block.free, len(block.future))).add_(block.future)
            mixed.append(_mix(scores, values, real, bounded=bounded))
        sums = mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=2)
    total = sums.narrow(1, -1, 1)
    if real is not None:
        total = total.clamp_min(torch.finfo(total.dtype).tiny)
    return sums[:, :-1] / total


def _mix(scores: Tensor, values: Tensor, real: Tensor | None, *, bounded: bool) -> Tensor:
    """Values weighed with 2^scores, and below them the sums of the weights: (N, d_h + 1, t).

    ``scores`` (N, seen, t) are overwritten.
    """
    if not bounded:
        if real is not None:  # a key that holds nothing must not be the largest
            scores += (1 - real.narrow(2, 0, scores.shape[1]).mT) * NOT_ALLOWED
        scores -= scores.amax(dim=1, keepdim=True).clamp_min_(NOT_ALLOWED / 2)
    return torch.bmm(values, scores.exp2_())


def largest_score(query: Tensor, query_bias: Tensor, key: Tensor) -> float:
    """A bound of |score| that holds for all inputs, because rows of length at most 1 are what the weights see.

    ``query`` and ``key`` (..., d_h, d), ``query_bias`` (..., d_h): ||Wq^T Wk||_2 + ||Wk^T b||, over all heads.
    """
    product = torch.linalg.qr(query.mT).R @ torch.linalg.qr(key.mT).R.mT  # has the singular values of Wq^T Wk
    fixed = (key.mT @ query_bias[..., None]).squeeze(-1)
    bound = torch.linalg.matrix_norm(product, ord=2) + torch.linalg.vector_norm(fixed, dim=-1)
    return float(bound.max())
