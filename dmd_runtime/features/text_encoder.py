"""Words to vectors: the last hidden states of a small BERT, one row for each word-piece.

The model is all-MiniLM-L6-v2 (https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache-2.0): 6 layers,
width 384, uncased. A row knows the whole text around its piece.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ModelError
from dmd_runtime.messages import Float32, freeze

if TYPE_CHECKING:  # loads torch
    from dmd_runtime.model.encoders import Encoder

_NEEDED = ("model.safetensors", "config.json", "tokenizer.json")
_UNUSED = ("pooler.", "embeddings.position_ids")  # in the file, not needed for hidden states
MATRICES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
}
"""The matrices of a delta in a layer of transformers' BERT."""
_REMEMBERED = 64  # texts; an utterance and its tentative forms, many times over


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EncodedText:
    """Word-pieces and their vectors.

    Attributes
    ----------
    pieces : tuple of n str
        ``"##"`` marks one that continues a word.
    word : int64 (n,)
        Index of the word that each piece belongs to, ascending.
    values : float32 (n, D)
        Last hidden states, without those of the marks at the ends.
    """

    pieces: tuple[str, ...]
    word: npt.NDArray[np.int64]
    values: Float32


class TextEncoder:
    """The model and its tokenizer; shared by the sessions of a process, used by one thread at a time.

    The same words give the same numbers, and are encoded once (the last 64 texts are remembered).

    Parameters
    ----------
    folder : Path
    device : str
    delta : Encoder, optional
        The encoder ``text`` of a checkpoint: a low-rank change of the weights, made once, here.

    Raises
    ------
    ModelError
        A file is missing (named), is not what it should be, or the device cannot be used; or the delta is made for
        a model of another size. Nothing is ever fetched.
    CheckpointError, ConfigError
        The delta is none.
    """

    def __init__(self, folder: Path, *, device: str = "cpu", delta: Encoder | None = None) -> None:
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{folder}: expected a text encoder, but {', '.join(missing)} is missing")
        self.name = folder.name
        self.encoded = 0
        """Texts that were really encoded, not remembered."""
        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self._model = load_model(folder, device)
        self.delta = None if delta is None else delta.identity
        """Identity of the delta that the weights were changed by."""
        if delta is not None:
            _merge(self._model, delta, folder)
        self._device = device
        self._most = int(self._model.config.max_position_embeddings) - 2
        self._first, self._last = (self._mark(text) for text in ("[CLS]", "[SEP]"))
        self._memory: OrderedDict[tuple[str, ...], EncodedText] = OrderedDict()
        self.encode(("warm", "up"))

    @property
    def dim(self) -> int:
        """Width D of a row."""
        return int(self._model.config.hidden_size)

    def encode(self, words: Sequence[str]) -> EncodedText:
        """Encode words of one text, given without the spaces between them."""
        key = tuple(words)
        known = self._memory.get(key)
        if known is None:
            known = self._memory[key] = self._encode(key)
            while len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)
        self._memory.move_to_end(key)
        return known

    def _encode(self, words: tuple[str, ...]) -> EncodedText:
        parts = self._tokenizer.encode(list(words), is_pretokenized=True, add_special_tokens=False)
        ids: list[int] = parts.ids
        self.encoded += 1
        values = [self._states(ids[i : i + self._most]) for i in range(0, len(ids), self._most)]
        return EncodedText(
            pieces=tuple(parts.tokens),
            word=freeze(np.array(parts.word_ids, dtype=np.int64)),
            values=freeze(np.concatenate(values) if values else np.empty((0, self.dim), dtype=np.float32)),
        )

    def _states(self, ids: list[int]) -> Float32:
        import torch  # noqa: PLC0415 - loaded with the model

        with torch.inference_mode():
            text = torch.tensor([[self._first, *ids, self._last]], device=self._device)  # (1, n + 2)
            hidden = self._model(input_ids=text).last_hidden_state  # (1, n + 2, D)
            values: Float32 = hidden[0, 1:-1].float().cpu().numpy()  # (n, D)
        return values

    def _mark(self, text: str) -> int:
        number: int | None = self._tokenizer.token_to_id(text)
        if number is None:
            raise ModelError(f"{self.name}: expected a BERT tokenizer with {text}, got one without")
        return number


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a ``tokenizer.json``; it pads and cuts nothing."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only with the model

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side raises plain Exception
        raise ModelError(f"{path}: expected a tokenizer, got: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_model(folder: Path, device: str) -> Any:
    """Build the network and fill it from the file; ``from_pretrained`` would also print, and look elsewhere."""
    import torch  # noqa: PLC0415 - seconds of imports that only a session with words needs
    from safetensors.torch import load_file  # noqa: PLC0415
    from transformers.models.bert.configuration_bert import BertConfig  # noqa: PLC0415
    from transformers.models.bert.modeling_bert import BertModel  # noqa: PLC0415

    path = folder / "model.safetensors"
    try:
        config = BertConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        model = BertModel(config, add_pooling_layer=False)
        weights = {k: v for k, v in load_file(path).items() if not k.startswith(_UNUSED)}
        model.load_state_dict(weights)
        return model.eval().requires_grad_(requires_grad=False).to(torch.device(device))
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: expected the weights of a BERT for {device}, got: {text}") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":  # the class has no base but Exception
            raise
        raise ModelError(f"{path}: expected a safetensors file, got: {error}") from error


def _merge(model: Any, delta: Encoder, folder: Path) -> None:
    """Add ``scale * b a`` to every matrix that the delta names."""
    import torch  # noqa: PLC0415 - loaded with the model

    from dmd_runtime.model.encoders import TextDeltaConfig, check  # noqa: PLC0415 - loads torch

    check("text", delta)
    config = TextDeltaConfig.from_json(delta.config)
    made_for = (config.layers, config.width, config.intermediate)
    found = (model.config.num_hidden_layers, model.config.hidden_size, model.config.intermediate_size)
    if made_for != found:
        raise ModelError(
            f"{folder}: expected layers, width and intermediate width {made_for}, which the checkpoint's change of the "
            f"text encoder is made for, got {found}"
        )
    with torch.no_grad():
        for number, layer in enumerate(model.encoder.layer):
            for part, where in MATRICES.items():
                weight = layer.get_submodule(where).weight
                a, b = (delta.tensors[f"{number}.{part}.{side}"].to(weight.device) for side in "ab")
                weight += config.scale * (b @ a)
