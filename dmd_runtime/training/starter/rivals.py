"""What DMD is compared with on the same data: itself with a part taken out, and two plainer ways to fuse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.crossmodal import Transformer, last_step
from dmd_runtime.model.decoupling import Decoupled, Decoupling
from dmd_runtime.model.dmd import DMD, SOURCES, ResidualHead
from dmd_runtime.model.stems import Stems
from dmd_runtime.training.starter.learn import Schedule, shares
from dmd_runtime.training.starter.mixture import Batch

ByModality = Mapping[Modality, Tensor]


class Undecoupled(Decoupling):
    """Homogeneous and heterogeneous parts are both the projected features themselves."""

    def forward(self, modality: Modality, features: Tensor, mask: Tensor | None = None) -> Decoupled:
        """As :class:`Decoupling`; every part is the same."""
        projected = super().forward(modality, features, mask).projected
        return Decoupled(projected, projected, projected, projected, projected)


class WithinOnly(nn.Module):
    """A crossmodal transformer that looks at its target alone.

    Parameters
    ----------
    transformer : Transformer
    """

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(
        self,
        target: Tensor,
        source: Tensor | None = None,  # noqa: ARG002 - what is left out
        *,
        target_real: Tensor | None = None,
        source_real: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """As :class:`Transformer`, without the source."""
        out: Tensor = self.transformer(target, target_real=target_real)
        return out


def without_decoupling(model: DMD) -> DMD:
    """``model``, its decoupling made idle."""
    idle = Undecoupled(model.config)
    idle.load_state_dict(model.decoupling.state_dict())
    model.decoupling = idle
    return model


def without_crossmodal(model: DMD) -> DMD:
    """``model``, in whose heterogeneous part no modality sees another."""
    for target in MODALITIES:
        sources: nn.ModuleDict = model.crossmodal[target.value]  # type: ignore[assignment]
        for source in SOURCES[target]:
            sources[source.value] = WithinOnly(sources[source.value])  # type: ignore[arg-type]
    return model


class Fused(NamedTuple):
    """What a rival says: ``logits`` (B, C) and each modality's own {m: (B, C)}, 0 where it is missing."""

    logits: Tensor
    own: ByModality
    here: ByModality


class LateFusion(nn.Module):
    """Three models that know nothing of each other; the mean of what those say that are there.

    Parameters
    ----------
    config : DMDConfig
        Of the DMD it stands beside: stems, projection, width and layers are the same.
    """

    def __init__(self, config: DMDConfig) -> None:
        super().__init__()
        self.config, d = config, config.width
        self.stems = Stems(config)
        self.decoupling = Decoupling(config)
        longest = max(config.steps.values())
        self.attend = nn.ModuleDict({m.value: _transformer(config, d, longest) for m in MODALITIES})
        self.heads = nn.ModuleDict(
            {m.value: ResidualHead(d, d, config.outputs, config.dropout.output) for m in MODALITIES}
        )

    def forward(
        self,
        features: ByModality,
        mask: ByModality,
        *,
        absent: Collection[Modality] = (),  # noqa: ARG002
    ) -> Fused:
        """Predict as :class:`DMD` does."""
        sequences, real, here = _sequences(self, features, mask)
        own = {}
        for m in MODALITIES:
            x = last_step(self.attend[m.value](sequences[m], target_real=real[m]), real[m])
            own[m] = self.heads[m.value](x, here[m]).logits
        count = torch.stack([here[m].float() for m in MODALITIES]).sum(dim=0).clamp(min=1)
        return Fused(torch.stack([own[m] for m in MODALITIES]).sum(dim=0) / count[:, None], own, here)


class CrossmodalFusion(nn.Module):
    """MulT (Tsai et al., ACL 2019): crossmodal attention and a joint head; nothing is decoupled, nobody teaches.

    Parameters
    ----------
    config : DMDConfig
    """

    def __init__(self, config: DMDConfig) -> None:
        super().__init__()
        self.config, d = config, config.width
        self.stems = Stems(config)
        self.decoupling = Decoupling(config)
        longest = max(config.steps.values())
        self.crossmodal = nn.ModuleDict(
            {
                target.value: nn.ModuleDict({s.value: _transformer(config, d, longest) for s in SOURCES[target]})
                for target in MODALITIES
            }
        )
        self.memory = nn.ModuleDict({m.value: _transformer(config, 2 * d, longest) for m in MODALITIES})
        self.head = ResidualHead(6 * d, 6 * d, config.outputs, config.dropout.output)

    def forward(self, features: ByModality, mask: ByModality, *, absent: Collection[Modality] = ()) -> Fused:
        """Predict as :class:`DMD` does."""
        sequences, real, here = _sequences(self, features, mask)
        parts = []
        for m in MODALITIES:
            if m in absent:
                parts.append(sequences[m].new_zeros(len(sequences[m]), 2 * self.config.width))
                continue
            sources: nn.ModuleDict = self.crossmodal[m.value]  # type: ignore[assignment]
            crossed = [
                sources[s.value](sequences[m], sequences[s], target_real=real[m], source_real=real[s])
                for s in SOURCES[m]
            ]
            joined = torch.cat(crossed, dim=2) * real[m][..., None]
            parts.append(last_step(self.memory[m.value](joined, target_real=real[m]), real[m]))
        return Fused(self.head(torch.cat(parts, dim=1)).logits, {}, here)


def rival_loss(
    output: Fused, batch: Batch, balance: Tensor | None, *, schedule: Schedule
) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of what is fused, and of each modality's own prediction where there is one."""
    c = batch.emotion.shape[1]
    terms = [-(shares(batch.emotion, schedule, balance) * F.log_softmax(output.logits[:, :c], dim=1)).sum(dim=1).mean()]
    for m, logits in output.own.items():
        said = output.here[m] & batch.own[m].isfinite().all(dim=1)
        if said.any():
            y = shares(batch.own[m][said], schedule, balance)
            terms.append(-(y * F.log_softmax(logits[said, :c], dim=1)).sum(dim=1).mean())
    total = torch.stack(terms).sum()
    return total, {"total": float(total.detach()), "task fused": float(terms[0].detach())}


def _transformer(config: DMDConfig, width: int, longest: int) -> Transformer:
    drop = config.dropout
    return Transformer(width, config.heads, config.layers, longest, dropout=0.1, embedding_dropout=drop.embedding)


def _sequences(
    model: LateFusion | CrossmodalFusion, features: ByModality, mask: ByModality
) -> tuple[ByModality, ByModality, ByModality]:
    """Projected sequences (B, T', d), which steps are real, and who is there (B,)."""
    read, rows = model.stems(features, mask)
    real = {}
    for m in MODALITIES:
        steps = model.decoupling.steps(m, rows[m])
        assert steps is not None  # there is a mask
        real[m] = steps
    sequences = {m: model.decoupling(m, read[m], rows[m]).projected.transpose(1, 2) for m in MODALITIES}
    return sequences, real, {m: real[m].any(dim=1) for m in MODALITIES}
