"""The face encoder, learned from pictures that ten people have voted on.

Barsoum et al., *Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution*, ICMI
2016, https://arxiv.org/abs/1608.01041: the votes themselves are the target.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.face_patch import SIZE
from dmd_runtime.messages import Float32, UInt8
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.model.face_encoder import FaceEncoder, FaceEncoderConfig
from dmd_runtime.training.starter.steps import average, class_weights

_AVERAGE = 0.998  # of the running mean of the weights


@dataclass(frozen=True, kw_only=True)
class FaceSchedule:
    """How the face encoder is learned; ``balance`` as in :class:`~dmd_runtime.training.starter.learn.Schedule`."""

    epochs: int = 16
    batch: int = 128
    lr: float = 3e-3
    weight_decay: float = 0.02
    balance: float = 0.3
    channels: int = 32
    embedding: int = 64
    rows_lost: float = 0.15
    """Share of the samples without coefficients and landmarks, so that the picture learns to stand alone."""


@dataclass(frozen=True, kw_only=True)
class Faces:
    """N faces: ``patches`` uint8 (N, SIZE, SIZE), ``rows`` float32 (N, D), ``votes`` float32 (N, C) shares."""

    patches: UInt8
    rows: Float32
    votes: Float32


class Mirror:
    """What a row becomes when the picture is mirrored.

    Parameters
    ----------
    names : D str
        Of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._index = np.array([names.index(_other_side(name)) for name in names])
        turned = [name.endswith("_x") or name in ("head_yaw", "head_roll") for name in names]
        self._sign = np.where(turned, np.float32(-1), np.float32(1))

    def __call__(self, rows: Float32) -> Float32:
        """Mirror rows (..., D)."""
        mirrored: Float32 = rows[..., self._index] * self._sign
        return mirrored


def _other_side(name: str) -> str:
    for here, there in (("Left", "Right"), ("Right", "Left"), ("_left_", "_right_"), ("_right_", "_left_")):
        if here in name:
            return name.replace(here, there)
    return name


def fit(
    faces: Faces, mirror: Mirror, schedule: FaceSchedule, seed: int, progress: Callable[[float, str], None]
) -> Encoder:
    """Learn a face encoder; the running mean of its weights is what is kept.

    Raises
    ------
    ConfigError
        Fewer faces than one batch.
    """
    if len(faces.patches) < schedule.batch:
        raise ConfigError(
            f"face encoder: expected at least {schedule.batch} faces, one batch, got {len(faces.patches)}"
        )
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    classes = faces.votes.shape[1]
    config = FaceEncoderConfig(row=faces.rows.shape[1], channels=schedule.channels, embedding=schedule.embedding)
    net = nn.ModuleDict({"encoder": FaceEncoder(config), "head": _head(config.embedding, classes)})
    net = net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    net["encoder"].mean.copy_(torch.from_numpy(faces.rows.mean(axis=0)))
    net["encoder"].scale.copy_(torch.from_numpy(faces.rows.std(axis=0) + 1e-4))
    kept = copy.deepcopy(net).eval()
    balance = class_weights(faces.votes.mean(axis=0), schedule.balance)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=schedule.weight_decay)
    per_epoch = len(faces.patches) // schedule.batch
    total, done = schedule.epochs * per_epoch, 0
    for _ in range(schedule.epochs):
        order = rng.permutation(len(faces.patches))
        running: list[float] = []
        for k in range(per_epoch):
            index = order[k * schedule.batch : (k + 1) * schedule.batch]
            optimiser.param_groups[0]["lr"] = schedule.lr * _one_cycle(done / total)
            patches, rows = _varied(faces, index, mirror, schedule.rows_lost, rng)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                encoder = net["encoder"]
                embedded = encoder.embed_standardised(patches, (rows - encoder.mean) / encoder.scale)
            logits = net["head"](embedded.float())
            y = torch.from_numpy(faces.votes[index])
            loss = -((y * balance).sum(dim=1) * (y * logits.log_softmax(dim=1)).sum(dim=1)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            running.append(float(loss.detach()))
            average(kept, net, min(_AVERAGE, done / (done + 50)))
            if done % 20 == 0:
                progress(done / total, f"loss {np.mean(running[-50:]):.3f}")
    return Encoder(config=config.to_json(), tensors=kept["encoder"].state_dict())


def _head(embedding: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Dropout(0.2), nn.Linear(embedding, classes))


@torch.inference_mode()
def versions(encoder: Encoder, faces: Faces, mirror: Mirror, count: int, seed: int) -> Float32:
    """Rows with embeddings, float32 (N, count, D + E): as it is, mirrored, and then as other cameras might see it."""
    rng = np.random.default_rng(seed)
    net = encoder.face().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    width = faces.rows.shape[1] + net.config.embedding
    out = np.empty((len(faces.rows), count, width), dtype=np.float32)
    for k in range(0, len(faces.rows), 256):
        index = np.arange(k, min(k + 256, len(faces.rows)))
        for version in range(count):
            patches, rows = torch.from_numpy(faces.patches[index]), faces.rows[index]
            if version == 1:
                patches, rows = patches.flip(2), mirror(rows)
            elif version > 1:
                varied, given = _varied(faces, index, mirror, 0.0, rng)
                patches, rows = varied, given.numpy()
            embedded = net(patches, torch.from_numpy(np.ascontiguousarray(rows)))
            out[index, version] = np.concatenate([rows, embedded.numpy()], axis=1)
    return out


def _varied(
    faces: Faces, index: npt.NDArray[np.int64], mirror: Mirror, rows_lost: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Patches float (n, SIZE, SIZE) and raw rows (n, D) as other heads, lights and cameras would give them."""
    n = len(index)
    x = torch.from_numpy(faces.patches[index]).float()[:, None]  # (n, 1, SIZE, SIZE)
    flipped = rng.random(n) < 0.5
    rows = faces.rows[index].copy()
    rows[flipped] = mirror(rows[flipped])
    grain = faces.rows[:4000].std(axis=0)
    rows += rng.standard_normal(rows.shape, dtype=np.float32) * 0.1 * grain
    lost = rng.random(n) < rows_lost
    rows[lost] = faces.rows[:4000].mean(axis=0)
    x = _moved(x, flipped, rng)
    if rng.random() < 0.25:
        x = F.avg_pool2d(x, 3, 1, 1)
    light = torch.linspace(-1, 1, SIZE)
    slopes = torch.from_numpy(rng.normal(0, 0.18, (2, n, 1, 1, 1)).astype(np.float32))
    x = x * (1 + slopes[0] * light + slopes[1] * light[:, None])
    x = x + torch.randn_like(x) * torch.from_numpy(rng.uniform(0, 8, (n, 1, 1, 1)).astype(np.float32))
    for k in np.flatnonzero(rng.random(n) < 0.4):  # a hand, a microphone
        height, width = rng.integers(8, 20, size=2)
        top, left = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
        x[k, :, top : top + height, left : left + width] = x[k].mean()
    return x[:, 0], torch.from_numpy(rows)


def _moved(x: Tensor, flipped: npt.NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Turned, scaled and shifted a little, as landmarks miss by a little."""
    n = len(x)
    angle, scale = rng.normal(0, 0.12, n), np.exp(rng.normal(0, 0.08, n))
    side = np.where(flipped, -1.0, 1.0)
    maps = np.empty((n, 2, 3), dtype=np.float32)
    maps[:, 0, 0], maps[:, 0, 1] = scale * np.cos(angle) * side, -scale * np.sin(angle)
    maps[:, 1, 0], maps[:, 1, 1] = scale * np.sin(angle) * side, scale * np.cos(angle)
    maps[:, :, 2] = rng.normal(0, 0.07, (n, 2))
    grid = F.affine_grid(torch.from_numpy(maps), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _one_cycle(progress: float) -> float:
    """Up to 1 in the first fifth, then down along a cosine."""
    up = 0.2
    if progress < up:
        return 0.04 + 0.96 * (0.5 - 0.5 * math.cos(math.pi * progress / up))
    return 0.5 + 0.5 * math.cos(math.pi * (progress - up) / (1 - up))
