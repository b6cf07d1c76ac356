"""Everything that learns together: DMD, both graph units, and an encoder of text where one is tuned along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.dmd import DMD, DMDOutput
from dmd_runtime.model.losses import LossWeights, dmd_losses
from dmd_runtime.training.batches import Batch
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.text_tuning import TunedText


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a model says of B samples.

    Attributes
    ----------
    logits : float32 (B, C)
        The labels', then the score.
    edges : {Graph: float32 (B, 6)}
        All 0 where there is no graph.
    """

    logits: Tensor
    edges: Mapping[Graph, Tensor]


class Learner(nn.Module):
    """The model and how it is judged. Its forward pass is the loss, so that any engine may wrap it.

    Parameters
    ----------
    model : DMD
    text : TunedText or None
    weights : LossWeights
    masked : bool
        Whether masks are heeded; the published code has none.
    """

    def __init__(self, model: DMD, text: TunedText | None, weights: LossWeights, *, masked: bool = True) -> None:
        super().__init__()
        self.model = model
        self.text = text
        self.weights = weights
        self.masked = masked

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The total loss, and every term as a number."""
        output = _full_precision(self._read(batch))
        with torch.autocast(output.logits.device.type, enabled=False):
            losses = dmd_losses(
                output, self.model.config, batch.targets, self.weights, batch.mask if self.masked else None
            )
        return losses.total, losses.figures()

    @torch.inference_mode()
    def say(self, batch: Batch) -> Said:
        """Predict; the mode (train, eval) is the caller's."""
        output = _full_precision(self._read(batch))
        return Said(logits=output.logits, edges=output.edges)

    def _read(self, batch: Batch) -> DMDOutput:
        features = dict(batch.features)
        if self.text is not None:
            assert batch.tokens is not None, "check_samples has found them"
            real = batch.mask[Modality.LANGUAGE] if self.masked else batch.tokens[:, 1].bool()
            features[Modality.LANGUAGE] = self.text(batch.tokens, real)
        output: DMDOutput = self.model(features, batch.mask if self.masked else None)
        return output


def check_samples(learner: Learner, samples: Samples, what: str) -> None:
    """Find out whether a model can read a split.

    Raises
    ------
    ConfigError
        Its rows or widths are not the model's, it has no word pieces for an encoder of text, or unknown ones.
    """
    config = learner.model.config
    if learner.text is not None:
        if samples.text_tokens is None:
            raise ConfigError(f"{what}: expected text_bert for a tuned text encoder, got none (text.encoder = none)")
        pieces, most = np.asarray(samples.text_tokens[:, 0]), learner.text.words - 1
        if pieces.size and not (pieces.min() >= 0 and pieces.max() <= most):
            strange = int(pieces.max() if pieces.max() > most else pieces.min())
            raise ConfigError(f"{what}: expected word pieces from 0 to {most}, got {strange}")
        length, longest = samples.text_tokens.shape[2], learner.text.steps
        if length > longest:
            raise ConfigError(f"{what}: expected at most {longest} word pieces in a text, got {length}")
    for m in MODALITIES:
        found: tuple[int, ...] = samples.features[m].shape[1:]
        expected: tuple[int, ...] = (config.lengths[m], config.dims[m])
        if learner.text is not None and m is Modality.LANGUAGE:
            found, expected = (samples.text_tokens.shape[2],), expected[:1]
        if found != expected:
            raise ConfigError(
                f"{what}: expected {m.word} of rows and width {expected} as the model has it, got {found}"
            )


def _full_precision(output: DMDOutput) -> DMDOutput:
    """The same in float32: autocast leaves half precision behind."""
    from accelerate.utils import convert_to_fp32  # noqa: PLC0415

    if output.logits.dtype is torch.float32 and output.common_logits.dtype is torch.float32:
        return output
    whole: dict[str, Any] = {f.name: convert_to_fp32(getattr(output, f.name)) for f in fields(output)}
    return replace(output, **whole)
