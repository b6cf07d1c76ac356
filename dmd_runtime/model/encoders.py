"""What a checkpoint brings to the feature extractors beside its model: how it says so, and what must be in the file.

``face`` is a whole network (:class:`~dmd_runtime.model.face_encoder.FaceEncoder`), ``text`` a low-rank change of the
text encoder's weights (Hu et al., *LoRA*, 2021, https://arxiv.org/abs/2106.09685): W + scale * b a.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.model import strict_json
from dmd_runtime.model.face_encoder import FaceEncoder, FaceEncoderConfig

PREFIX: Final = "encoders."
"""Of their tensors in a checkpoint file: ``encoders.face.…``."""
PARTS: Final = ("query", "key", "value", "attention_output", "intermediate", "output")
"""The matrices of a BERT layer that a delta may change."""
_UNSTORED = "num_batches_tracked"  # counts of batch normalisation, which nothing reads once training is over

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class TextDeltaConfig:
    """Sizes of a low-rank delta: its rank, the encoder's width, intermediate width and layers, and the factor."""

    rank: int
    width: int
    intermediate: int
    layers: int
    scale: float

    def __post_init__(self) -> None:
        for name, most in {"rank": 1024, "width": 16_384, "intermediate": 65_536, "layers": 64}.items():
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= most:
                raise ConfigError(f"text delta: {name} must be a whole number from 1 to {most}, got {size!r}")
        number = isinstance(self.scale, int | float) and not isinstance(self.scale, bool)
        if not number or not math.isfinite(self.scale):
            raise ConfigError(f"text delta: scale must be a finite number, got {self.scale!r}")

    def to_json(self) -> dict[str, Any]:
        """What :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> TextDeltaConfig:
        """Read it.

        Raises
        ------
        ConfigError
            Something is missing, unknown or outside its rule.
        """
        if not isinstance(body, Mapping) or set(body) != set(cls.__dataclass_fields__):
            raise ConfigError(f"text delta: expected {', '.join(cls.__dataclass_fields__)}, got {str(body)[:80]}")
        return cls(**body)

    def shapes(self) -> Shapes:
        """``{layer}.{part}.a`` (rank, in) and ``.b`` (out, rank) of all layers and parts."""
        wide = {"intermediate": (self.width, self.intermediate), "output": (self.intermediate, self.width)}
        return {
            f"{layer}.{part}.{side}": shape
            for layer in range(self.layers)
            for part in PARTS
            for inner, outer in [wide.get(part, (self.width, self.width))]
            for side, shape in (("a", (self.rank, inner)), ("b", (outer, self.rank)))
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoder:
    """Configuration and weights of one encoder.

    Attributes
    ----------
    config : mapping
        JSON of :class:`FaceEncoderConfig` or :class:`TextDeltaConfig`.
    tensors : {name: float32 tensor on the CPU}
        Whatever a state dict holds may be given: counts of batch normalisation are left out, the rest is converted.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        tensors = {
            name: tensor.detach().to("cpu", torch.float32, memory_format=torch.contiguous_format).contiguous()
            for name, tensor in self.tensors.items()
            if not name.endswith(_UNSTORED)
        }
        object.__setattr__(self, "config", dict(self.config))
        object.__setattr__(self, "tensors", tensors)

    @cached_property
    def identity(self) -> str:
        """64 hex digits that change with any weight and any setting; recipes carry the first sixteen."""
        digest = hashlib.sha256(strict_json.write(self.config).encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name]
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def face(self) -> FaceEncoder:
        """Build the network; in eval mode, without gradients.

        Raises
        ------
        ConfigError, CheckpointError
            This is no face encoder.
        """
        check("face", self)
        with torch.random.fork_rng(devices=[]):  # building a model draws random numbers
            net = FaceEncoder(FaceEncoderConfig.from_json(self.config))
        net.load_state_dict(dict(self.tensors), strict=False)  # the counts are missing, and nothing else: checked
        return net.eval().requires_grad_(requires_grad=False)


def shapes(name: str, config: Any) -> Shapes:
    """Names and shapes of the tensors that the encoder ``name`` must have; nothing of that size is made.

    Raises
    ------
    ConfigError
        No encoder has that name, or ``config`` breaks its rules.
    """
    if name == "text":
        return TextDeltaConfig.from_json(config).shapes()
    if name != "face":
        raise ConfigError(f"encoders: expected face or text, got {name[:80]!r}")
    with torch.device("meta"):
        state = FaceEncoder(FaceEncoderConfig.from_json(config)).state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items() if not key.endswith(_UNSTORED)}


def check(name: str, encoder: Encoder) -> None:
    """Refuse an encoder whose tensors are not those that its configuration asks for.

    Raises
    ------
    ConfigError
        The configuration breaks its rules.
    CheckpointError
        A tensor is missing, unknown or of another shape.
    """
    expected = shapes(name, encoder.config)
    found = {key: tuple(tensor.shape) for key, tensor in encoder.tensors.items()}
    for key in {**expected, **found}:
        if expected.get(key) != found.get(key):
            raise CheckpointError(f"{PREFIX}{name}.{key}: expected shape {expected.get(key)}, got {found.get(key)}")


def in_file(encoders: Mapping[str, Encoder]) -> dict[str, Tensor]:
    """All their tensors under the names that they have in a file."""
    return {f"{PREFIX}{name}.{key}": t for name, encoder in encoders.items() for key, t in encoder.tensors.items()}


def from_file(configs: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Encoder]:
    """The encoders of ``configs`` from the tensors of a file."""
    begins = {name: f"{PREFIX}{name}." for name in configs}
    return {
        name: Encoder(
            config=config,
            tensors={k.removeprefix(begins[name]): t for k, t in tensors.items() if k.startswith(begins[name])},
        )
        for name, config in configs.items()
    }
