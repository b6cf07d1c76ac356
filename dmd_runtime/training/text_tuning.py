"""An encoder of text that is trained along with the model: word pieces in, rows of language features out."""

from __future__ import annotations

import hashlib
import inspect
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.privacy import quiet_hub

FOLDER = "text_encoder"
"""Beside a checkpoint: the encoder that was trained with it, as transformers keeps one."""
WEIGHTS = "model.safetensors"


class TunedText(nn.Module):
    """A transformer encoder of :mod:`transformers` whose last layer's states are the language features.

    Parameters
    ----------
    encoder : nn.Module
        BERT or one of its kin: takes ``input_ids``, ``attention_mask`` and, if it knows them, ``token_type_ids``.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self._knows_segments = "token_type_ids" in inspect.signature(encoder.forward).parameters

    @property
    def width(self) -> int:
        """Of a row."""
        return int(self.encoder.config.hidden_size)

    @property
    def words(self) -> int:
        """How many word pieces it knows."""
        return int(self.encoder.config.vocab_size)

    @property
    def steps(self) -> int:
        """How many it reads at once."""
        return int(self.encoder.config.max_position_embeddings)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D) of ``tokens`` int64 (B, 3, T); rows where ``mask`` bool (B, T) is False are not looked at.

        The first piece is looked at always, so that a text without a row does not divide by nothing.
        """
        attention = mask.clone()
        attention[:, 0] = True
        segments = {"token_type_ids": tokens[:, 2]} if self._knows_segments else {}
        said = self.encoder(input_ids=tokens[:, 0], attention_mask=attention.long(), **segments)
        return torch.as_tensor(said.last_hidden_state)


def load_text(name: str) -> TunedText:
    """An encoder by its name on the hub, or from a folder as ``save_pretrained`` writes one; safetensors only.

    Raises
    ------
    ConfigError
        There is none to be had by that name.
    """
    quiet_hub()
    from transformers import AutoModel  # noqa: PLC0415 - heavy

    try:
        options = {"add_pooling_layer": False} if _has_pooler(name) else {}
        encoder = AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        first = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"text encoder {name}: expected a folder, or a name on the hub and the hub within reach, got: {first}; "
            "--text-encoder none takes the file's own text features"
        ) from error
    return TunedText(encoder.float())


def _has_pooler(name: str) -> bool:
    from transformers import AutoConfig  # noqa: PLC0415

    return AutoConfig.from_pretrained(name, trust_remote_code=False).model_type in ("bert", "roberta", "xlm-roberta")


def save_text(text: TunedText, folder: Path) -> dict[str, str]:
    """Write the encoder into ``folder`` / ``text_encoder``; what a training record must say about it.

    It is written beside, then moved there.
    """
    place, draft = folder / FOLDER, folder / f".{FOLDER}.part"
    shutil.rmtree(draft, ignore_errors=True)
    text.encoder.save_pretrained(draft)
    shutil.rmtree(place, ignore_errors=True)
    draft.replace(place)
    return {"file": f"{FOLDER}/{WEIGHTS}", "sha256": _digest(place / WEIGHTS)}


def saved_text(checkpoint: Path, record: Any) -> TunedText:
    """The encoder that was trained with a checkpoint, from beside it.

    Parameters
    ----------
    checkpoint : Path
        The checkpoint's file.
    record : Any
        What :func:`save_text` said, from the checkpoint's training record.

    Raises
    ------
    CheckpointError
        It is not there, or not the one that was trained with it.
    """
    expected = str(record.get("sha256")) if isinstance(record, Mapping) else "none"
    place = checkpoint.parent / FOLDER
    if not (place / WEIGHTS).is_file():
        raise CheckpointError(f"{checkpoint}: expected its tuned text encoder in {place}, got nothing there")
    if (found := _digest(place / WEIGHTS)) != expected:
        raise CheckpointError(
            f"{place / WEIGHTS}: expected the text encoder with sha256 {expected[:12]}… that was trained with "
            f"{checkpoint.name}, got {found[:12]}…"
        )
    return load_text(str(place))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
