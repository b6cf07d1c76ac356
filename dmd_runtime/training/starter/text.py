"""The text encoder, tuned: a low-rank delta of MiniLM learned from sentences labelled with expressed emotion.

LoRA: Hu et al., 2021, https://arxiv.org/abs/2106.09685. The head that the delta is learned with is thrown away; what is
kept makes the word-pieces themselves say more of the emotion.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmd_runtime.messages import Float32
from dmd_runtime.model.encoders import Encoder, TextDeltaConfig
from dmd_runtime.training.starter.steps import class_weights

logger = logging.getLogger(__name__)

_MOST = 126  # word-pieces of a sentence
_STRIPPED = re.compile(r"[^\w\s']")


@dataclass(frozen=True, kw_only=True)
class TextSchedule:
    """How the delta is learned; ``balance`` as in :class:`~dmd_runtime.training.starter.learn.Schedule`."""

    epochs: int = 2
    batch: int = 32
    rank: int = 32
    scale: float = 0.7
    lr: float = 1e-3
    head_lr: float = 2e-3
    balance: float = 0.5
    smoothing: float = 0.05
    sentiment: float = 0.2
    as_recognised: float = 0.3
    """Share of the sentences given as a recogniser writes them: lower case, no marks, a word lost now and then."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """N sentences: ``emotion`` float32 (N, C) shares, ``sentiment`` float32 (N,) or NaN, ``weight`` float32 (N,)."""

    text: Sequence[str]
    emotion: Float32
    sentiment: Float32
    weight: Float32


class _LowRank(nn.Module):
    """A frozen linear layer with a learned change of low rank beside it."""

    def __init__(self, linear: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.linear(x) + self.scale * F.linear(F.linear(x, self.a), self.b)
        return changed


class TunableText:
    """MiniLM with a delta in every matrix of every layer.

    Parameters
    ----------
    folder : Path
        The text encoder's files.
    rank, scale : int, float
    """

    def __init__(self, folder: Path, rank: int, scale: float) -> None:
        from dmd_runtime.features.text_encoder import (  # noqa: PLC0415 - with its libraries
            MATRICES,
            load_model,
            load_tokenizer,
        )

        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self.model: Any = load_model(folder, "cpu").train()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.config = TextDeltaConfig(
            rank=rank,
            width=config["hidden_size"],
            intermediate=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            scale=scale,
        )
        self._low: dict[str, _LowRank] = {}
        for k, layer in enumerate(self.model.encoder.layer):
            for part, where in MATRICES.items():
                low = self._low[f"{k}.{part}"] = _LowRank(layer.get_submodule(where), rank, scale)
                layer.set_submodule(where, low)
        self._first, self._last = (self._tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))

    def parameters(self) -> list[nn.Parameter]:
        """Those that are learned."""
        return [p for low in self._low.values() for p in (low.a, low.b)]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Word-piece ids of each text, as the live extractor splits it."""
        split = [text.split() for text in texts]
        batch = self._tokenizer.encode_batch(split, is_pretokenized=True, add_special_tokens=False)
        return [encoded.ids[:_MOST] for encoded in batch]

    def states(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Hidden states (n, T, D) and which are word-pieces, bool (n, T); without the marks at the ends."""
        length = max(1, *(len(i) for i in ids)) + 2
        tokens = torch.zeros(len(ids), length, dtype=torch.long)
        real = torch.zeros(len(ids), length, dtype=torch.bool)
        for k, i in enumerate(ids):
            tokens[k, : len(i) + 2] = torch.tensor([self._first, *i, self._last])
            real[k, : len(i) + 2] = True
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.model(input_ids=tokens, attention_mask=real.long()).last_hidden_state.float()
        pieces = real[:, 2:]  # as many as there are real positions but two; counted from position 1
        return hidden[:, 1:-1], pieces

    def encoder(self) -> Encoder:
        """What a checkpoint carries."""
        tensors = {f"{name}.{side}": getattr(low, side) for name, low in self._low.items() for side in ("a", "b")}
        return Encoder(config=self.config.to_json(), tensors=tensors)


def tune(
    folder: Path, train: Texts, schedule: TextSchedule, seed: int, progress: Callable[[float, str], None]
) -> Encoder:
    """Learn a delta; ``progress`` gets the share that is done and the running loss."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tunable = TunableText(folder, schedule.rank, schedule.scale)
    classes = train.emotion.shape[1]
    head = nn.Sequential(nn.Dropout(0.2), nn.Linear(tunable.config.width, classes + 1))
    learned = tunable.parameters()
    optimiser = torch.optim.AdamW(
        [{"params": learned, "base": schedule.lr}, {"params": head.parameters(), "base": schedule.head_lr}],
        weight_decay=0.01,
    )
    share = (train.emotion * train.weight[:, None]).sum(axis=0) / train.weight.sum()
    balance = class_weights(share, schedule.balance)
    as_written = tunable.tokens(train.text)
    as_heard = tunable.tokens([_recognised(text, rng) for text in train.text])
    total, done, running = schedule.epochs * math.ceil(len(train.text) / schedule.batch), 0, 0.0
    for _ in range(schedule.epochs):
        heard = rng.random(len(train.text)) < schedule.as_recognised
        ids = [as_heard[i] if heard[i] else as_written[i] for i in range(len(train.text))]
        for batch in _batches([len(i) for i in ids], schedule.batch, rng):
            progressed = done / total
            for group in optimiser.param_groups:
                group["lr"] = group["base"] * min(1.0, progressed / 0.06) * (1 - progressed)
            logits = head(_mean(*tunable.states([ids[i] for i in batch])))
            y = torch.from_numpy(train.emotion[batch])
            smooth = y * (1 - schedule.smoothing) + schedule.smoothing / classes
            weight = torch.from_numpy(train.weight[batch]) * (y * balance).sum(dim=1)
            loss = -(weight * (smooth * logits[:, :-1].log_softmax(dim=1)).sum(dim=1)).mean()
            said = torch.from_numpy(train.sentiment[batch])
            known = ~said.isnan()
            if known.any():
                loss = loss + schedule.sentiment * (logits[:, -1] - said)[known].abs().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            done += 1
            running = 0.98 * running + 0.02 * float(loss.detach()) if done > 1 else float(loss.detach())
            if done % 50 == 0:
                progress(done / total, f"loss {running:.3f}")
    return tunable.encoder()


def _mean(hidden: Tensor, pieces: Tensor) -> Tensor:
    weight = pieces[..., None].float()
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def _recognised(text: str, rng: np.random.Generator) -> str:
    """As a recogniser might write it."""
    words = _STRIPPED.sub(" ", text.lower()).split()
    kept = [word for word in words if rng.random() > 0.07]
    return " ".join(kept or words)


def _batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[Any]:
    """All indices, in batches of about one length, in random order."""
    order = rng.permutation(len(lengths))
    out = []
    for k in range(0, len(order), size * 50):
        part = sorted(order[k : k + size * 50], key=lambda i: lengths[i])
        out += [np.array(part[i : i + size]) for i in range(0, len(part), size)]
    rng.shuffle(out)
    return out
