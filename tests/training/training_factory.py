"""Small samples that something can be learned from, small runs, and a small text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dmd_runtime.modality import MODALITIES
from dmd_runtime.training.engine import make_engine
from dmd_runtime.training.run_config import RunConfig
from dmd_runtime.training.samples import Samples
from dmd_runtime.training.trainer import Predicted, Trainer

LENGTHS, DIMS = (8, 10, 12), (6, 5, 4)
WORDS = 40


def make_samples(
    n: int,
    *,
    seed: int = 0,
    labels: tuple[str, ...] = (),
    sentiment: bool = True,
    missing: float = 0.2,
    tokens: bool = False,
    lengths: tuple[int, ...] = LENGTHS,
    dims: tuple[int, ...] = DIMS,
) -> Samples:
    """Windows, left-padded, whose features lean towards what is said of them; masked rows are NaN."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(-3, 3, n).astype(np.float32)
    features, mask = {}, {}
    for m, t, d in zip(MODALITIES, lengths, dims, strict=True):
        first = rng.integers(0, t // 2, n)
        real = (np.arange(t) >= first[:, None]) & (rng.random(n) >= missing)[:, None]
        rows = (3 + rng.normal(size=(n, t, d)) + score[:, None, None] * np.linspace(0.2, 1, d)).astype(np.float32)
        rows[~real] = np.nan
        features[m], mask[m] = rows, real
    classes = np.digitize(score, [-1, 1]) % max(len(labels), 1)
    pieces = None
    if tokens:
        ids = rng.integers(1, WORDS, (n, lengths[0])) // 2 + (score[:, None] > 0) * (WORDS // 2)
        pieces = np.stack([ids, mask[MODALITIES[0]], np.zeros_like(ids)], axis=1).astype(np.int32)
    return Samples(
        features=features,
        mask=mask,
        emotion=np.eye(len(labels), dtype=np.float32)[classes] if labels else np.zeros((n, 0), np.float32),
        sentiment=score if sentiment else np.full(n, np.nan, np.float32),
        labels=labels,
        ids=tuple(f"s{k}" for k in range(n)),
        groups=("",) * n,
        text_tokens=pieces,
    )


def make_run(**sections: Any) -> RunConfig:
    """A tiny model without dropout; ``sections`` over it."""
    optimiser = {"lr": 1e-3, "batch_size": 8, "accumulate": 1, "epochs": 2, **sections.pop("optimiser", {})}
    none = {"text": 0.0, "embedding": 0.0, "output": 0.0, "attention": {"L": 0.0, "V": 0.0, "A": 0.0}}
    model = {
        "width": 8,
        "heads": 2,
        "layers": 1,
        "kernels": {"L": 1, "V": 3, "A": 3},
        "dropout": none,
        **sections.pop("model", {}),
    }
    return RunConfig.model_validate({"model": model, "optimiser": optimiser, **sections})


def make_trainer(config: RunConfig, modalities: Any = MODALITIES) -> Trainer:
    return Trainer(config, make_engine("cpu"), modalities)


def error(predicted: Predicted, samples: Samples) -> dict[str, float]:
    """What a log says of validation in these tests."""
    assert predicted.sentiment is not None
    return {"MAE": float(np.abs(predicted.sentiment - samples.sentiment).mean())}


def make_encoder(folder: Path, width: int = 32, words: int = WORDS, steps: int = 64) -> Path:
    """A BERT with random weights."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=words,
            hidden_size=width,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=2 * width,
            max_position_embeddings=steps,
        ),
        add_pooling_layer=False,
    ).save_pretrained(folder)
    return folder
