"""A small network that reads a face patch together with its coefficients and landmarks; a checkpoint brings it.

Trained on labelled faces (:mod:`dmd_runtime.training`), it gives each picture one embedding that joins the row of
visual features. Residual blocks: He et al., CVPR 2016, https://arxiv.org/abs/1512.03385.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.errors import ConfigError

_LEAST_CONTRAST = 4.0  # of 255; flatter patches are not blown up further


@dataclass(frozen=True, kw_only=True)
class FaceEncoderConfig:
    """Sizes of a face encoder: ``row`` columns D of the visual row, first ``channels``, ``embedding`` columns E."""

    row: int
    channels: int = 32
    embedding: int = 64

    def __post_init__(self) -> None:
        for name, size in self.to_json().items():
            if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= 4096:
                raise ConfigError(f"face encoder: {name} must be a whole number from 1 to 4096, got {size!r}")

    def to_json(self) -> dict[str, int]:
        """What :meth:`from_json` reads."""
        return {"row": self.row, "channels": self.channels, "embedding": self.embedding}

    @classmethod
    def from_json(cls, body: Any) -> FaceEncoderConfig:
        """Read it.

        Raises
        ------
        ConfigError
            Something is missing, unknown or no size.
        """
        if not isinstance(body, Mapping) or set(body) != {"row", "channels", "embedding"}:
            raise ConfigError(f"face encoder: expected row, channels and embedding, got {str(body)[:80]}")
        return cls(**body)


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; ``stride`` 2 halves the picture."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(out)
        self.stride = stride
        self.shortcut = nn.Conv2d(channels, out, 1, bias=False) if (channels, stride) != (out, 1) else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        side = F.avg_pool2d(x, self.stride) if self.stride > 1 else x
        return F.relu(y + (side if self.shortcut is None else self.shortcut(side)))


class FaceEncoder(nn.Module):
    """Patches and rows to embeddings.

    Parameters
    ----------
    config : FaceEncoderConfig
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: FaceEncoderConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.begin = nn.Conv2d(1, c, 3, 1, 1, bias=False)
        self.begin_norm = nn.BatchNorm2d(c)
        sizes = ((c, c, 2), (c, 2 * c, 1), (2 * c, 2 * c, 2), (2 * c, 4 * c, 1), (4 * c, 4 * c, 2), (4 * c, 4 * c, 1))
        self.blocks = nn.Sequential(*(_Block(*size) for size in sizes))
        self.register_buffer("mean", torch.zeros(config.row))
        self.register_buffer("scale", torch.ones(config.row))
        self.row = nn.Sequential(nn.Linear(config.row, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 128), nn.ReLU())
        self.embed = nn.Sequential(nn.Dropout(0.4), nn.Linear(8 * c + 128, config.embedding))

    def forward(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Embed ``patches`` (n, S, S) of any number type, 0-255, with their raw ``rows`` (n, D): (n, E)."""
        return self.embed_standardised(patches, (rows - self.mean) / self.scale)

    def embed_standardised(self, patches: Tensor, rows: Tensor) -> Tensor:
        """The same for rows already standardised."""
        x = patches.reshape(-1, 1, *patches.shape[-2:]).float()
        contrast = x.std(dim=(1, 2, 3), keepdim=True) + _LEAST_CONTRAST
        x = (x - x.mean(dim=(1, 2, 3), keepdim=True)) / contrast
        x = self.blocks(F.relu(self.begin_norm(self.begin(x.contiguous(memory_format=torch.channels_last))))).float()
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), self.row(rows)], dim=1)  # (n, 8c + 128)
        embedded: Tensor = self.embed(pooled)
        return embedded
