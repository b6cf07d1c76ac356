"""Stems: small learned front ends between a standardised window and the model's first convolution.

Not part of the published model, which reads features that others have made. A modality whose rows are little more than
measurements (blend shapes, landmarks, a spectrum) gets a few convolutions over time that learn, along with the model,
what in them is worth passing on, and that shorten the window by ``stride``.

What a masked row holds never counts: inputs of every convolution are 0 where nothing is real, just as beyond the ends
of the window. A result therefore does not depend either on how much padding stands left of it, as long as the rows
still fall on the same grid of ``stride`` (which is counted from the right: a window's last row is its newest).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.config import DMDConfig, StemConfig

INSTANCE_EPSILON = 1e-3
"""Added to a variance within a window: a channel that hardly moves there is not blown up to one that does."""

ByModality = Mapping[Modality, Tensor]


class Halving(nn.Module):
    """Halves the time: the mean of two rows, plus what a strided convolution makes of them and their neighbours."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.convolve = nn.Conv1d(channels, channels, kernel, stride=2, padding=kernel // 2)
        self.mix = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Shorten ``x`` (B, T, c) and ``real`` bool (B, T) to T / 2; a step is real if one of its two rows is."""
        convolved = F.gelu(_over_time(self.convolve, _only(self.norm(x), real)))  # (B, T / 2, c)
        update = self.dropout(self.mix(convolved))
        pairs = _only(x, real).reshape(x.shape[0], -1, 2, x.shape[2])  # (B, T / 2, 2, c)
        if real is None:
            return pairs.mean(dim=2) + update, None
        real_pairs = real.reshape(x.shape[0], -1, 2)  # (B, T / 2, 2)
        count = real_pairs.sum(dim=2).clamp(min=1)
        return pairs.sum(dim=2) / count[..., None] + update, real_pairs.any(dim=2)


class Block(nn.Module):
    """x + contract(GELU(expand(depthwise convolution over time of norm(x))))."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.contract = nn.Linear(2 * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Refine ``x`` (B, T, c) where ``real`` bool (B, T); None: everywhere."""
        seen = _over_time(self.depthwise, _only(self.norm(x), real))
        refined: Tensor = x + self.dropout(self.contract(F.gelu(self.expand(seen))))
        return refined


class ConvStem(nn.Module):
    """One modality's front end.

    Parameters
    ----------
    width : int
        D, of an input row.
    config : StemConfig
    """

    def __init__(self, width: int, config: StemConfig) -> None:
        super().__init__()
        sizes = (config.channels, config.kernel, config.dropout)
        self.instance_norm = config.instance_norm
        self.embed = nn.Linear(width * (2 if config.instance_norm else 1), config.channels)
        self.halvings = nn.ModuleList(Halving(*sizes) for _ in range(config.halvings))
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Read ``x`` (B, T, D) where ``mask`` bool (B, T) is True; None: every row is real.

        T is a multiple of the stride. Returns (B, T / stride, c), exactly 0 at steps that are not real, and which are:
        bool (B, T / stride), or None for None.
        """
        if mask is not None:
            x = x.masked_fill(~mask[..., None], 0.0)
        if self.instance_norm:
            x = torch.cat([x, _instance_normed(x, mask)], dim=2)  # (B, T, 2D): beside itself, so that nothing is lost
        x, real = self.embed(x), mask
        for halving in self.halvings:
            x, real = halving(x, real)
        for block in self.blocks:
            x = block(x, real)
        return _only(self.norm(x), real), real


class Stems(nn.ModuleDict):
    """The stems of a model, by the letter of their modality; the others' features pass as they are."""

    def __init__(self, config: DMDConfig) -> None:
        super().__init__({m.value: ConvStem(config.dims[m], config.stems[m]) for m in MODALITIES if m in config.stems})

    def forward(self, features: ByModality, mask: ByModality | None = None) -> tuple[ByModality, ByModality | None]:
        """What the rest of the model reads: features {m: (B, T_m, D_m)}, and mask {m: bool (B, T_m)} or None."""
        read = {Modality(m): stem(features[Modality(m)], mask and mask[Modality(m)]) for m, stem in self.items()}
        features = {**features, **{m: x for m, (x, _) in read.items()}}
        return features, mask and {**mask, **{m: real for m, (_, real) in read.items()}}


def _over_time(convolution: nn.Module, x: Tensor) -> Tensor:
    """A convolution over the time of ``x`` (B, T, c)."""
    along: Tensor = convolution(x.transpose(1, 2)).transpose(1, 2)
    return along


def _only(x: Tensor, real: Tensor | None) -> Tensor:
    """``x`` (B, T, c) with zeros where ``real`` (B, T) is False."""
    return x if real is None else x * real[..., None]


def _instance_normed(x: Tensor, real: Tensor | None) -> Tensor:
    """``x`` (B, T, D) minus the mean of its sample and channel over real rows, over its deviation; 0 elsewhere.

    ``x`` holds 0 where ``real`` bool (B, T) is False.
    """
    rows = x.shape[1] if real is None else real.sum(dim=1).clamp(min=1)[:, None, None]
    centred = _only(x - x.sum(dim=1, keepdim=True) / rows, real)
    variance = centred.square().sum(dim=1, keepdim=True) / rows  # (B, 1, D)
    return centred * torch.rsqrt(variance + INSTANCE_EPSILON)
