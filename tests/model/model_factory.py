"""Small models, inputs and masks for tests of the model, and where recorded numbers of the published code are found.

Recorded numbers: :mod:`tests.shared_data`.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import torch

from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD
from tests.shared_data import shared

SUBSETS = [frozenset(s) for n in range(4) for s in itertools.combinations(MODALITIES, n)]
"""Which modalities may be present."""


def letters(present) -> str:
    """Name of a subset in a test's id."""
    return "".join(m.value for m in MODALITIES if m in present) or "nothing"


def recorded(name: str) -> Path:
    """A file of recorded numbers of the published code."""
    return shared("golden", name)


def make_config(
    *, lengths=(9, 30, 21), kernels=(3, 1, 5), dims=(7, 4, 3), width=12, heads=3, layers=2, **more
) -> DMDConfig:
    by_modality = {
        name: dict(zip(MODALITIES, values, strict=True))
        for name, values in (("lengths", lengths), ("kernels", kernels), ("dims", dims))
    }
    return DMDConfig(**by_modality, width=width, heads=heads, layers=layers, **more)


ALIGNED = make_config(lengths=(20, 20, 20), kernels=(3, 3, 3))
UNALIGNED = make_config(labels=("a", "b", "c"))


def make_model(config: DMDConfig, seed: int = 0, norms: float = 0.3) -> DMD:
    """A model whose norms and biases are not at their first values, so that folding them wrongly shows."""
    torch.manual_seed(seed)
    model = DMD(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(norms * torch.randn_like(parameter))
    return model


def make_features(config: DMDConfig, batch: int = 1, seed: int = 1) -> dict[Modality, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(batch, config.lengths[m], config.dims[m], generator=generator) for m in MODALITIES}


def make_mask(config: DMDConfig, present, batch: int = 1, seed: int = 2) -> dict[Modality, torch.Tensor]:
    """Left-padded, with a few holes; at least the last row of what is present is real."""
    generator = torch.Generator().manual_seed(seed)
    mask = {}
    for m in MODALITIES:
        length = config.lengths[m]
        first = (torch.rand(batch, 1, generator=generator) * 0.4 * length).long()
        real = (torch.arange(length) >= first) & (torch.rand(batch, length, generator=generator) > 0.1)
        real[:, -1] = True
        mask[m] = real & (m in present)
    return mask


def blanked(features, mask):
    return {m: x * mask[m][..., None] for m, x in features.items()}
