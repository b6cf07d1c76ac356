"""What the starter's three trainings share: weights of classes, and a running mean of a network's weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


def class_weights(share: npt.NDArray[np.floating], power: float) -> Tensor:
    """Weights float32 (C,) of classes by their ``share`` (C,): a power of its inverse, 1 on the average sample."""
    share = np.maximum(share, 1e-3)
    weights = (1 / len(share) / share) ** power
    return torch.from_numpy((weights / (weights * share).sum()).astype(np.float32))


@torch.no_grad()
def average(kept: nn.Module, net: nn.Module, keep: float) -> None:
    """Move ``kept`` towards ``net``: ``keep`` of what it has stays; counts are taken over."""
    for a, b in zip(kept.state_dict().values(), net.state_dict().values(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)
