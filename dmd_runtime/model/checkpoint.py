"""Checkpoints: one safetensors file with the model, both graph units, and all that its weights need to mean something.

Metadata (JSON strings): ``format``, ``config`` (:class:`DMDConfig`), ``recipe`` (the feature recipe it was trained with),
``normalisation`` (figures of the features), ``training`` (what it has learned from, with which result; ``null`` for a model
that has learned nothing). Nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD

FORMAT = "dmd-checkpoint/1"
UNTRAINED = "UNTRAINED"
"""Mark of a model that has learned nothing: its readings show that the pipeline works, no more."""
MAX_BYTES = 2**31
"""Larger files are refused before they are read."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model and what belongs to it.

    Attributes
    ----------
    name : str
        For people, e.g. the file's name.
    model : DMD
        In eval mode, on the CPU, float32.
    recipe : mapping
        The feature recipe as JSON; :meth:`require` compares it.
    normalisation : mapping or None
        ``{"L": {"mean": […], "scale": […]}, …}``; None leaves features as they are.
    training : mapping or None
        None: untrained.
    digest : str
        ``sha256:…`` of the file's bytes.
    """

    name: str
    model: DMD
    recipe: Mapping[str, Any]
    normalisation: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    digest: str = ""

    @property
    def config(self) -> DMDConfig:
        """What the model is made of."""
        return self.model.config

    @property
    def marks(self) -> tuple[str, ...]:
        """What must be shown with every reading."""
        return () if self.training is not None else (UNTRAINED,)

    def require(self, recipe: Mapping[str, Any]) -> None:
        """Refuse to run on features other than those of the checkpoint.

        Raises
        ------
        CheckpointError
            Another recipe; both are named, and the first difference.
        """
        if dict(self.recipe) != dict(recipe):
            difference = _first_difference(self.recipe, recipe) or "their order"
            raise CheckpointError(
                f"{self.name}: expected the feature recipe {self.recipe.get('id')} that it was trained with, "
                f"this program's is {recipe.get('id')} ({difference})"
            )

    def to_bytes(self) -> bytes:
        """The file's bytes; equal checkpoints give equal bytes."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        metadata = {
            "format": FORMAT,
            "config": _json(self.config.to_json()),
            "recipe": _json(self.recipe),
            "normalisation": _json(self.normalisation),
            "training": _json(self.training),
        }
        return _canonical(save_tensors(tensors, metadata))

    def save(self, path: Path) -> str:
        """Write the file, whole or not at all, and return its digest.

        Raises
        ------
        CheckpointError
            It cannot be written there.
        """
        body = self.to_bytes()
        try:
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
                try:
                    draft.write(body)
                    draft.flush()
                    os.fsync(draft.fileno())
                    Path(draft.name).replace(path)
                except BaseException:
                    Path(draft.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise CheckpointError(f"{path}: the checkpoint could not be written: {error.strerror or error}") from error
        return _digest(body)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        The file is missing, too large, no checkpoint of this program, or its weights do not fit its configuration.
    """
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_BYTES:
            raise CheckpointError(
                f"{path}: expected a checkpoint file of at most {MAX_BYTES >> 20} MiB, "
                + (f"got {size >> 20} MiB" if path.is_file() else "got a directory or device")
            )
        body = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint (.safetensors), got: {error.strerror or error}"
        ) from error
    metadata, tensors = _open(path, body)
    try:
        config = DMDConfig.from_json(json.loads(metadata["config"]))
        rest = {name: json.loads(metadata[name]) for name in ("recipe", "normalisation", "training")}
    except (ConfigError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: its description is spoilt: {error}") from error
    with torch.device("meta"):
        model = DMD(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    wrong = next((n for n in {**expected, **tensors} if expected.get(n) != _shape(tensors.get(n))), None)
    if wrong is not None:
        raise CheckpointError(
            f"{path}: {wrong}: expected shape {expected.get(wrong, 'none')}, the file has {_shape(tensors.get(wrong))}"
        )
    return Checkpoint(name=path.stem, model=_filled(config, tensors), digest=_digest(body), **rest)


def untrained(config: DMDConfig, recipe: Mapping[str, Any], *, seed: int = 0) -> Checkpoint:
    """A model with random weights, the same for the same arguments; it carries the mark UNTRAINED."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DMD(config).eval()
    checkpoint = Checkpoint(name="untrained", model=model, recipe=recipe)
    return Checkpoint(name="untrained", model=model, recipe=recipe, digest=_digest(checkpoint.to_bytes()))


def _open(path: Path, body: bytes) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and tensors of a file."""
    try:
        tensors = load_tensors(body)
        length = int.from_bytes(body[:8], "little")
        metadata = json.loads(body[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint (.safetensors), got {_kind(body)}: {' '.join(str(error).split())}"
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected format {FORMAT}, got {metadata.get('format', 'none')}")
    spoilt = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if spoilt is not None:
        raise CheckpointError(f"{path}: {spoilt}: expected finite numbers, got infinities or NaN")
    return metadata, tensors


def _kind(body: bytes) -> str:
    """What bytes that are no checkpoint seem to be."""
    if not body:
        return "an empty file"
    if body[:2] in (b"\x80\x02", b"\x80\x04") or body[:2] == b"PK":
        return "a pickle or zip file (PyTorch's own format, which is never opened here because it can run code)"
    return "something else"


def _filled(config: DMDConfig, tensors: Mapping[str, torch.Tensor]) -> DMD:
    model = DMD(config)
    model.load_state_dict(tensors)
    return model.eval()


def _shape(tensor: torch.Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _canonical(body: bytes) -> bytes:
    """The same file with its header's keys sorted: the library writes metadata in random order."""
    length = int.from_bytes(body[:8], "little")
    header = _json(json.loads(body[8 : 8 + length])).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + body[8 + length :]


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _first_difference(theirs: Any, ours: Any, at: str = "") -> str:
    """Where two JSON values first differ, ids aside."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in sorted({*theirs, *ours} - {"id"}):
            if found := _first_difference(theirs.get(key), ours.get(key), f"{at}.{key}" if at else str(key)):
                return found
        return ""
    return "" if theirs == ours else f"{at}: {theirs!r} against {ours!r}"
