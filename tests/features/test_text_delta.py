"""The low-rank change of the text encoder that a checkpoint may bring, on a BERT of a few kilobytes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from dmd_runtime.errors import CheckpointError, ConfigError, ModelError
from dmd_runtime.features.language import LanguageExtractor, language_spec
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.model.encoders import Encoder, TextDeltaConfig

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "go", "home", "now", "##ly")
SIZES = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG = TextDeltaConfig(rank=2, width=8, intermediate=12, layers=2, scale=1.5)
TEXT = ("go", "homely", "now")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text encoder with random weights."""
    made: Path = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = Tokenizer(WordPiece({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.save(str(made / "tokenizer.json"))
    config = {"vocab_size": len(WORDS), "max_position_embeddings": 16, **SIZES}
    (made / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    save_file(BertModel(BertConfig(**config), add_pooling_layer=False).state_dict(), made / "model.safetensors")
    return made


def delta(**changes: Any) -> Encoder:
    config = TextDeltaConfig.from_json(CONFIG.to_json() | changes)
    draw = torch.Generator().manual_seed(1)
    return Encoder(
        config=config.to_json(),
        tensors={name: torch.randn(shape, generator=draw) for name, shape in config.shapes().items()},
    )


def beside(tensors: dict[str, Tensor], name: str, module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """A matrix with its change computed beside it, as it is trained."""
    a, b = tensors[f"{name}.a"], tensors[f"{name}.b"]
    return output + CONFIG.scale * F.linear(F.linear(inputs[0], a), b)


def test_merged_weights_give_what_training_computed_beside_them(folder: Path) -> None:
    plain, changed = TextEncoder(folder), TextEncoder(folder, delta=delta())
    before = plain.encode(TEXT).values
    for k, layer in enumerate(plain._model.encoder.layer):
        matrices = {
            "query": layer.attention.self.query,
            "key": layer.attention.self.key,
            "value": layer.attention.self.value,
            "attention_output": layer.attention.output.dense,
            "intermediate": layer.intermediate.dense,
            "output": layer.output.dense,
        }
        for part, matrix in matrices.items():
            matrix.register_forward_hook(partial(beside, dict(delta().tensors), f"{k}.{part}"))
    expected = plain._encode(TEXT).values
    np.testing.assert_allclose(changed.encode(TEXT).values, expected, atol=1e-4)
    assert np.abs(expected - before).max() > 0.1


def test_the_recipe_names_the_change(folder: Path) -> None:
    encoder = TextEncoder(folder, delta=delta())
    spec = LanguageExtractor(encoder).spec
    assert spec == language_spec(8, delta().identity)
    assert spec.settings["delta"] == delta().identity[:16]
    assert "delta" not in LanguageExtractor(TextEncoder(folder)).spec.settings


@pytest.mark.parametrize("changes", [{"layers": 1}, {"width": 10}, {"intermediate": 11}])
def test_a_change_for_another_size_is_refused(folder: Path, changes: dict[str, int]) -> None:
    with pytest.raises(
        ModelError, match=r"tiny-bert.*: expected layers, width and intermediate width .* got \(2, 8, 12"
    ):
        TextEncoder(folder, delta=delta(**changes))


def test_a_change_that_is_none_is_refused(folder: Path) -> None:
    whole = delta()
    part = Encoder(config=whole.config, tensors={k: t for k, t in whole.tensors.items() if k != "1.output.b"})
    with pytest.raises(CheckpointError, match=r"encoders\.text\.1\.output\.b: expected shape \(8, 2\), got None"):
        TextEncoder(folder, delta=part)
    with pytest.raises(ConfigError, match="text delta: expected rank"):
        TextEncoder(folder, delta=Encoder(config={"row": 3}, tensors=whole.tensors))
