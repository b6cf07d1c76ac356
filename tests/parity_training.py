"""What a golden file holds about training: losses, gradients, and a few steps of Adam, all in eval mode.

A file may hold any of three parts; what it has not is not replayed.

``loss/…``, ``loss_alt/ort_feature_dim``
    Every loss of the published code for the file's inputs and ``in/labels``, and the orthogonality over features.
``grad/names``, ``grad/l2``
    Norms of the gradient of the total loss per parameter; NaN where the parameter gets none.
``traj/total_loss``, ``traj/output_logit``
    Total loss and fused prediction before each step of Adam (rate 1e-4, gradients clipped by value at 0.6) and after
    the last.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import reference
from dmd_runtime.model.dmd import DMD, ByModality
from dmd_runtime.model.losses import PUBLISHED_PRIOR, Losses, LossWeights, Targets, dmd_losses

LOSS, GRADIENT, TRAJECTORY = 1e-5, 1e-3, 1e-3
"""Tolerances."""
GRADIENT_FLOOR = 1e-3
"""Added to a norm before it divides: within ``GRADIENT`` is then within 1e-3 of the norm plus 1e-6."""
RATE, CLIP = 1e-4, 0.6
UNITS = {"homo": Graph.HOMOGENEOUS, "hetero": Graph.HETEROGENEOUS}
PREFIXES = ("in/labels", "loss/", "loss_alt/", "grad/", "traj/")
WEIGHTS = LossWeights.reference()


class Replay:
    """A copy of the model, to be trained as the published code is.

    Parameters
    ----------
    model : DMD
        Its configuration says nothing about a prior; the published one is used.
    features : {m: (B, T_m, D_m)}
    arrays : {name: array}
        What of the file begins with one of ``PREFIXES``.
    device : str
    """

    def __init__(self, model: DMD, features: ByModality, arrays: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.model = copy.deepcopy(model).to(device).eval()
        self.features = {m: x.to(device) for m, x in features.items()}
        self.arrays = arrays
        self.config = replace(model.config, prior=PUBLISHED_PRIOR)
        self.targets = Targets(sentiment=torch.from_numpy(arrays["in/labels"].reshape(-1)).to(device))

    def losses(self, weights: LossWeights = WEIGHTS) -> tuple[torch.Tensor, Losses]:
        """The fused prediction (B, 1) and all losses."""
        out = self.model(self.features)
        return out.logits, dmd_losses(out, self.config, self.targets, weights)

    def loss(self) -> dict[str, float]:
        """Relative difference of every recorded loss."""
        with torch.no_grad():
            got = named_losses(self.losses()[1])
            per_step = self.losses(replace(WEIGHTS, over_batch=False))[1].orthogonality
        got["loss_alt/ort_feature_dim"] = per_step.item()
        expected = {name: float(x) for name, x in self.arrays.items() if name.startswith(("loss/", "loss_alt/"))}
        return {name: _apart(got[name], x, max(abs(x), 1e-12)) for name, x in expected.items()}

    def gradient(self) -> dict[str, float]:
        """Difference of every recorded norm, over that norm + ``GRADIENT_FLOOR``; inf if one side has no gradient."""
        self.model.zero_grad(set_to_none=True)
        self.losses()[1].total.backward()
        found = {name: parameter.grad for name, parameter in self.model.named_parameters()}
        got = {name: math.nan if g is None else g.double().norm().item() for name, g in found.items()}
        expected = dict(zip(map(str, self.arrays["grad/names"]), self.arrays["grad/l2"].tolist(), strict=True))
        return {
            name: 0.0
            if math.isnan(norm) and math.isnan(got[ours(name)])
            else _apart(got[ours(name)], norm, norm + GRADIENT_FLOOR)
            for name, norm in expected.items()
        }

    def trajectory(self) -> dict[str, float]:
        """Per step and at the end, the relative difference of the total loss or the absolute one of the prediction."""
        totals, logits = self.arrays["traj/total_loss"], self.arrays["traj/output_logit"]
        optimizer = torch.optim.Adam(self.model.parameters(), lr=RATE)
        differences = {}
        for step, (expected, said) in enumerate(zip(totals.tolist(), logits, strict=True)):
            prediction, losses = self.losses()
            off = float(np.abs(prediction.detach().cpu().numpy() - said).max())
            differences[f"traj/{step}"] = max(
                _apart(losses.total.item(), expected, abs(expected)), _apart(off, 0.0, 1.0)
            )
            if step + 1 < len(totals):
                optimizer.zero_grad(set_to_none=True)
                losses.total.backward()
                torch.nn.utils.clip_grad_value_(self.model.parameters(), CLIP)
                optimizer.step()
        return differences


def replay(
    model: DMD, features: ByModality, arrays: Mapping[str, np.ndarray], device: str = "cpu"
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Differences of losses, gradients and trajectory, by name; {} where the file holds none."""
    if not arrays:
        return {}, {}, {}
    held = {name.split("/")[0] for name in arrays}
    case = Replay(model, features, arrays, device)
    return (
        case.loss() if "loss" in held else {},
        case.gradient() if "grad" in held else {},
        case.trajectory() if "traj" in held else {},
    )


def named_losses(losses: Losses) -> dict[str, float]:
    """All losses under the names, and with the weights inside them, of the published code."""
    figures = losses.figures()
    heads = {"output_logit": "fused", "logits_c": "common"}
    heads |= {f"logits_{m.value.lower()}_{g.value}": f"{m.value} {g.value}" for m in MODALITIES for g in Graph}
    named = {f"task_{theirs}": figures[f"task {ours}"] for theirs, ours in heads.items()}
    named |= {theirs: figures[theirs] for theirs in ("task", "total")}
    named |= {"recon": figures["reconstruction"], "s_sr": figures["cycle"]}
    named |= {"sim": figures["margin"], "ort": figures["orthogonality"]}
    for graph in Graph:
        g, loss = graph.value, losses.graphs[graph]
        taught = loss.logit + WEIGHTS.representation[graph] * loss.representation + WEIGHTS.prior * loss.prior
        named |= {
            f"{g}_logit": loss.logit.item(),
            f"{g}_repr": 10 * loss.representation.item(),  # of the homogeneous graph computed, then dropped
            f"{g}_reg": WEIGHTS.prior * loss.prior.item(),
            f"gd_{g}": WEIGHTS.distillation[graph] * taught.item(),
        }
    return {f"loss/{name}": value for name, value in named.items()}


def ours(name: str) -> str:
    """Our name of a parameter by its prefixed published one."""
    part, _, rest = name.partition(".")
    ours = reference.unit_name(UNITS[part], rest) if part in UNITS else reference.model_name(rest)
    return str(ours)


def _apart(got: float, expected: float, scale: float) -> float:
    difference = abs(got - expected) / scale
    return difference if math.isfinite(difference) else math.inf
