"""Feature decoupling (section 3.2 of the paper): what all modalities share, and what each has to itself.

Every modality's features are split into a *homogeneous* part, by one encoder that all share, and a *heterogeneous*
part, by an encoder of its own. A decoder puts the input together again from both (self-regression), and encoding its
output once more must give the heterogeneous part back (cycle). Li, Wang and Cui, CVPR 2023,
https://arxiv.org/abs/2303.13802.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.config import DMDConfig


class Decoupled(NamedTuple):
    """One modality, split; each (B, d, T)."""

    projected: Tensor
    """The input after the first convolution."""
    exclusive: Tensor
    """Heterogeneous part s, modality-exclusive."""
    common: Tensor
    """Homogeneous part c, modality-irrelevant."""
    reconstructed: Tensor
    """The decoder's output from [s, c]."""
    cycle: Tensor
    """Exclusive part of the reconstruction."""


class Decoupling(nn.Module):
    """Projects three modalities to one width and splits each.

    The first convolution has no padding: T_m rows, behind a stem where there is one, become T_m - k_m + 1 steps.
    Deviates: the reference leaves the convolution out where D_m equals d, and its sizes then no longer fit; here it is
    always there.
    """

    def __init__(self, config: DMDConfig) -> None:
        super().__init__()
        d = config.width
        self.kernels = dict(config.kernels)
        self.text_dropout = nn.Dropout(config.dropout.text)
        self.project = nn.ModuleDict(
            {m.value: nn.Conv1d(config.inner_dims[m], d, config.kernels[m], bias=False) for m in MODALITIES}
        )
        self.exclusive = nn.ModuleDict({m.value: nn.Conv1d(d, d, 1, bias=False) for m in MODALITIES})
        self.common = nn.Conv1d(d, d, 1, bias=False)
        self.decode = nn.ModuleDict({m.value: nn.Conv1d(2 * d, d, 1, bias=False) for m in MODALITIES})

    def forward(self, modality: Modality, features: Tensor, mask: Tensor | None = None) -> Decoupled:
        """Split ``features`` (B, T_m, D_m) of one modality.

        Rows where ``mask`` bool (B, T_m) is False count as 0, whatever they hold. There are no biases here, so that a
        step which has seen no real row comes out as 0 in every part.
        """
        if mask is not None:
            features = features.masked_fill(~mask[..., None], 0.0)
        if modality is Modality.LANGUAGE:
            features = self.text_dropout(features)
        m = modality.value
        projected = self.project[m](features.transpose(1, 2))  # (B, d, T)
        exclusive, common = self.exclusive[m](projected), self.common(projected)
        reconstructed = self.decode[m](torch.cat([exclusive, common], dim=1))  # (B, 2d, T) -> (B, d, T)
        return Decoupled(projected, exclusive, common, reconstructed, self.exclusive[m](reconstructed))

    def steps(self, modality: Modality, mask: Tensor | None) -> Tensor | None:
        """Which steps have seen at least one real row: ``mask`` bool (B, T_m) -> (B, T_m - k_m + 1)."""
        if mask is None:
            return None
        return mask.unfold(1, self.kernels[modality], 1).any(dim=-1)
