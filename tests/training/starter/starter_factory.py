"""Small pools and corpora of made samples whose label can be seen, and a small BERT with a tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.features.visual import NAMES, Still
from dmd_runtime.messages import Bool, Float32, UInt8
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.streaming.extractors import LABELS, Extractors
from dmd_runtime.training.starter.mixture import Mixture
from dmd_runtime.training.starter.pools import Labelled, Pool, RaggedPool, StillPool, WindowPool
from dmd_runtime.training.starter.stages import Corpora, Stages
from tests.corpora.corpus_factory import RAVDESS, make_ferplus, make_goemotions, make_meld, make_ravdess

L, V, A = MODALITIES
ROWS = {L: 8, V: 12, A: 40}
DIM = 6
WORDS = (*("[PAD]", "[UNK]", "[CLS]", "[SEP]"), *("good", "bad", "so", "the", "day", "##s", "it", "was", "warm", "up"))


def make_labelled(label: Sequence[int], classes: int = 3) -> Labelled:
    """One-hot, with a sentiment for every other sample."""
    y = np.asarray(label, dtype=np.int64)
    return Labelled(
        emotion=np.eye(classes, dtype=np.float32)[y],
        sentiment=np.where(np.arange(len(y)) % 2, np.nan, y - 1.0).astype(np.float32),
        label=y,
        group=np.array([str(k % 4) for k in range(len(y))], dtype=object),
    )


def make_pools(each: int = 12, classes: int = 3, spread: float = 0.3, seed: int = 0) -> dict[Modality, Pool]:
    """``each`` samples of each label and modality; column c is 2 where the label is c."""
    rng = np.random.default_rng(seed)
    label = np.arange(each * classes) % classes
    labelled, n = make_labelled(label, classes), each * classes

    def rows(*shape: int) -> np.ndarray:
        values = rng.normal(0, spread, (n, *shape, DIM)).astype(np.float32)
        values[..., :classes] += 2 * labelled.emotion.reshape(n, *[1] * len(shape), classes)
        return values

    lengths = rng.integers(2, 12, n)
    words = np.concatenate([rows(12)[k, :length] for k, length in enumerate(lengths)])
    mask = np.ones((n, 3, ROWS[A]), dtype=np.bool_)
    mask[:, :, :4] = False
    return {
        L: RaggedPool(words, lengths.tolist(), labelled, ROWS[L]),
        V: StillPool(rows(3), labelled, ROWS[V], 5),
        A: WindowPool(rows(3, ROWS[A]).astype(np.float16), mask, labelled),
    }


def make_mixture(pools: Mapping[Modality, Pool], members: Mapping[Modality, np.ndarray] | None = None) -> Mixture:
    """Nothing is standardised."""
    plain = np.zeros(DIM, dtype=np.float32), np.ones(DIM, dtype=np.float32)
    return Mixture(pools, dict.fromkeys(MODALITIES, plain), members)


def make_text_encoder(folder: Path) -> Path:
    """A BERT of random weights with a tokenizer of fourteen word-pieces, as the live extractor loads it."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    sizes = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 160,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(BertConfig(**sizes), add_pooling_layer=False)
        weights = {name: 4 * value if value.ndim == 2 else value for name, value in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(sizes))
    tokenizer = Tokenizer(models.WordPiece({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def make_corpora(root: Path) -> Path:
    """The four sets with all seven labels in every split: 64 clips of eight actors, 22 faces, 25 sentences, 6 lines."""
    from scipy.io import wavfile

    rng, names = np.random.default_rng(0), iter(range(10**6))

    def named(one_in: int, valid: bool) -> str:
        """A name whose digest puts it there."""
        while True:
            name = f"made{next(names)}"
            digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
            if (digest % one_in == 0) == valid:
                return name

    voices = make_ravdess(root / "ravdess", RAVDESS * 8, suffix=".wav")
    lines = (voices / "labels.csv").read_text().splitlines()
    for k in range(64):
        actor = (1, 2, 3, 16, 17, 18, 19, 20)[k // 8]
        lines[k + 1] = f"{lines[k + 1].rsplit(',', 1)[0]},{actor}"
        hz = 200 + 100 * (k % 8) + rng.normal(0, 5)
        sound = np.sin(2 * np.pi * hz * np.arange(9_600) / 16_000) * 0.3 + rng.normal(0, 0.02, 9_600)
        wavfile.write(voices / "audio16k" / f"clip-{k}.wav", 16_000, sound.astype(np.float32))
    (voices / "labels.csv").write_text("\n".join(lines) + "\n")

    faces = make_ferplus(root / "ferplus", (*LABELS * 3, LABELS[0]), usage="Training")
    lines = (faces / "labels.csv").read_text().splitlines()
    for k in range(22):
        cells = lines[k + 1].split(",")
        cells[1:3] = named(14, k // 7 == 1), "PublicTest" if k // 7 == 2 else "Training"
        lines[k + 1] = ",".join(cells)
    (faces / "labels.csv").write_text("\n".join(lines) + "\n")

    for split in ("train", "dev"):
        comments = make_goemotions(root / "goemotions", split) / f"ekman_{split}.tsv"
        make_meld(root / "meld", split)
        if split == "train":
            more = [f"so bad {k}\t{k % 7}\t{named(20, k >= 7)}" for k in range(14)]
            kept = [f"the sentence {k}\t{k}\t{named(20, False)}" for k in range(2)]
            comments.write_text("\n".join([*kept, "both\t0,3\t" + named(20, False), *more]) + "\n", encoding="utf-8")
    return root


class MadeExtractors(Extractors):
    """The live recipe, with sound measured in one line and no model file."""

    faces = Path("none")

    def acoustic_window(self, samples: Float32) -> tuple[Float32, Bool]:
        """Each row is the spectrum of its ten milliseconds, repeated over the columns."""
        spec = self.recipe.specs[A]
        values, mask = np.zeros((spec.rows, spec.dim), dtype=np.float32), np.zeros(spec.rows, dtype=np.bool_)
        hop = round(self.recipe.duration * 16_000) // spec.rows
        count = min(spec.rows, len(samples) // hop)
        parts = samples[: count * hop].reshape(count, hop)
        values[spec.rows - count :] = np.resize(np.log1p(np.abs(np.fft.rfft(parts, axis=1))), (count, spec.dim))
        mask[spec.rows - count :] = True
        return values, mask


class MadeVisual:
    """Finds a face in every picture but the darkest; the row is its grey."""

    made = 0

    def __init__(self, *_: object) -> None:
        MadeVisual.made += 1

    def still(self, image: UInt8) -> Still | None:
        """A row of the picture's mean, with the picture for a patch."""
        if image.mean() < 15:
            return None
        row = np.linspace(0, image.mean() / 100, len(NAMES), dtype=np.float32)
        return Still(row, 1.0, image[..., 0])

    def close(self) -> None:
        """Nothing to free."""


def make_stages(data: Path, text_folder: Path, cache: Path, told: list[str], seed: int = 0) -> Stages:
    """The parts before the model, with made features; ``told`` gets the name of every part that reports progress."""
    return Stages(
        corpora=Corpora.read(data),
        extractors=MadeExtractors(SessionConfig.load(), Assets()),
        text_folder=text_folder,
        cache=cache,
        seed=seed,
        progress=lambda stage, share, text: told.append(stage),
    )
