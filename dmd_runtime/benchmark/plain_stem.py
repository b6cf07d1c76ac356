"""A stem read plainly, one row of one window after another: what :mod:`dmd_runtime.model.stems` is checked against.

It takes parameters by name and shares no code with the model. A window is a list of rows, None where nothing is real.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from dmd_runtime.model.config import StemConfig

Rows: TypeAlias = list[Tensor | None]


class PlainStem:
    """A modality's front end from a mapping of parameters.

    Parameters
    ----------
    config : StemConfig
    parameters : {name: tensor}
        Of this stem alone, e.g. ``embed.weight``.
    """

    def __init__(self, config: StemConfig, parameters: Mapping[str, Tensor]) -> None:
        self.config = config
        self.parameters = parameters

    def __call__(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``x`` (B, T, D) and ``mask`` bool (B, T) or None, as (B, T / stride, c) and (B, T / stride) or None."""
        real = torch.ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        windows = [
            self._read([row if there else None for row, there in zip(rows, kept, strict=True)])
            for rows, kept in zip(x, real, strict=True)
        ]
        empty = x.new_zeros(self.config.channels)
        read = torch.stack([torch.stack([empty if row is None else row for row in rows]) for rows in windows])
        steps = torch.tensor([[row is not None for row in rows] for rows in windows])
        return read, None if mask is None else steps.to(mask.device)

    def _read(self, rows: Rows) -> Rows:
        real = [row for row in rows if row is not None]
        if self.config.instance_norm and real:
            mean = torch.stack(real).mean(0)
            deviation = torch.sqrt((torch.stack(real) - mean).square().mean(0) + 1e-3)
            rows = [None if row is None else torch.cat([row, (row - mean) / deviation]) for row in rows]
        rows = self._linear("embed", rows)

        for i in range(int(math.log2(self.config.stride))):
            part = f"halvings.{i}"
            seen = self._slide(f"{part}.convolve", self._norm(f"{part}.norm", rows), range(0, len(rows), 2))
            updates = self._linear(f"{part}.mix", [F.gelu(s) for s in seen])
            halved: Rows = []
            for j, update in enumerate(updates):
                pair = [row for row in rows[2 * j : 2 * j + 2] if row is not None]
                halved.append(torch.stack(pair).mean(0) + update if pair and update is not None else None)
            rows = halved

        for i in range(self.config.blocks):
            part = f"blocks.{i}"
            seen = self._slide(f"{part}.depthwise", self._norm(f"{part}.norm", rows), range(len(rows)))
            wide = self._linear(f"{part}.expand", list(seen))
            updates = self._linear(f"{part}.contract", [None if w is None else F.gelu(w) for w in wide])
            rows = [None if r is None or u is None else r + u for r, u in zip(rows, updates, strict=True)]
        return self._norm("norm", rows)

    def _linear(self, name: str, rows: Sequence[Tensor | None]) -> Rows:
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        return [None if row is None else weight @ row + bias for row in rows]

    def _norm(self, name: str, rows: Rows) -> Rows:
        gain, shift = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        centred = [None if row is None else row - row.mean() for row in rows]
        return [None if c is None else c / torch.sqrt(c.square().mean() + 1e-5) * gain + shift for c in centred]

    def _slide(self, name: str, rows: Rows, centres: Iterable[int]) -> list[Tensor]:
        """A convolution at ``centres``; what is not real, or beyond the window, adds nothing."""
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]  # (c, c or 1, k)
        taps, found = weight.shape[2], []
        for centre in centres:
            total = bias
            for j in range(taps):
                at = centre + j - taps // 2
                row = rows[at] if 0 <= at < len(rows) else None
                if row is not None:
                    tap = weight[:, :, j]
                    total = total + (tap[:, 0] * row if tap.shape[1] == 1 < len(row) else tap @ row)
            found.append(total)
        return found
