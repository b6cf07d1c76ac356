"""Checkpoints: one safetensors file with the model, both graph units, and all that its weights need to mean something.

Metadata (JSON in strings): ``format``, ``config`` (:class:`DMDConfig`), ``recipe`` (the feature recipe it was trained
with), ``normalisation`` (figures of the features), ``training`` (what it has learned from, with which result; ``null``
for a model that has learned nothing), and ``graphs`` where there are none. Nothing in a file is ever executed, and
nothing is made of it before its header was found to describe such a model. ``docs/model.md`` has the format in full.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.model import calibration as calibrations
from dmd_runtime.model import encoders as brought
from dmd_runtime.model import strict_json
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.whole_file import whole_file

FORMAT = "dmd-checkpoint/1"
UNTRAINED = "UNTRAINED"
"""Mark of a model that has learned nothing: its readings show that the pipeline works, no more."""
NO_GRAPH = "no distillation graph in this checkpoint"
"""What is said of a model without distillation units, instead of drawing edges."""
MAX_BYTES = 2**29
"""Larger files are refused before they are read; the largest published model has a tenth of it."""
MAX_HEADER = 2**23
"""Bytes of a header."""
MAX_CARD = 200_000
"""Bytes of a model card."""


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
    graphs : bool
        Whether the distillation units are part of it. If not (files of the published code hold none), the model has
        units of zeros, and no edge of theirs may be shown.
    encoders : {"face" or "text": Encoder}
        What the feature extractors must use with it.
    calibration : {modalities present, as "LV": temperature} or None
        Of the fused emotion logits.
    card : str
        The model card in Markdown; '' where there is none.
    digest : str
        ``sha256:…`` of the file's bytes.
    """

    name: str
    model: DMD
    recipe: Mapping[str, Any]
    normalisation: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    graphs: bool = True
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    calibration: Mapping[str, float] | None = None
    card: str = ""
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
        theirs, ours = (strict_json.parse(strict_json.write(dict(r))) for r in (self.recipe, recipe))
        if theirs != ours:
            raise CheckpointError(
                f"{self.name}: expected the feature recipe {_short(theirs.get('id'))} that it was trained with, this "
                f"program's is {_short(ours.get('id'))} ({_first_difference(theirs, ours) or 'only their ids differ'})"
            )

    def to_bytes(self) -> bytes:
        """The file's bytes; equal checkpoints give equal bytes.

        Raises
        ------
        CheckpointError
            A weight is not finite, or an encoder, the calibration or the card is not what :func:`load` would take.
        """
        state = _stored(self.model.state_dict(), graphs=self.graphs)
        tensors = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in state.items()}
        tensors |= brought.in_file(self.encoders)
        _require_finite(tensors)
        metadata = {
            "format": FORMAT,
            "config": strict_json.write(self.config.to_json()),
            "recipe": strict_json.write(self.recipe),
            "normalisation": strict_json.write(self.normalisation),
            "training": strict_json.write(self.training),
            **({} if self.graphs else {"graphs": "false"}),
            **self._optional(),
        }
        return _canonical(save_tensors(tensors, metadata))

    def _optional(self) -> dict[str, str]:
        """Entries of the metadata that are left out where there is nothing to say, so that files stay as they were."""
        found: dict[str, str] = {}
        try:
            for name, encoder in self.encoders.items():
                brought.check(name, encoder)
            if self.encoders:
                found["encoders"] = strict_json.write({name: e.config for name, e in self.encoders.items()})
            if self.calibration is not None:
                found["calibration"] = strict_json.write(calibrations.check(self.calibration))
        except ConfigError as error:
            raise CheckpointError(f"{self.name}: {error}") from error
        return found | ({"card": _card(self.card)} if self.card else {})

    def save(self, path: Path) -> str:
        """Write the file, whole or not at all, and return its digest.

        Raises
        ------
        CheckpointError
            It cannot be written there, or a weight is not finite.
        """
        body = self.to_bytes()
        try:
            with whole_file(path) as file:
                file.write(body)
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
        body = _read(path)
        model, described = _parse(body)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{path}: expected a checkpoint (.safetensors), got: {reason}") from error
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {_short(error, 300)}") from error
    return Checkpoint(name=path.stem, model=model, digest=_digest(body), **described)


def untrained(config: DMDConfig, recipe: Mapping[str, Any], *, seed: int = 0) -> Checkpoint:
    """A model with random weights, the same for the same arguments; it carries the mark UNTRAINED."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DMD(config).eval()
    checkpoint = Checkpoint(name="untrained", model=model, recipe=recipe)
    return Checkpoint(name="untrained", model=model, recipe=recipe, digest=_digest(checkpoint.to_bytes()))


def _read(path: Path) -> bytes:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError("expected a checkpoint file (.safetensors), got a directory or device")
    if found.st_size > MAX_BYTES:
        raise CheckpointError(f"expected at most {MAX_BYTES >> 20} MiB, got {found.st_size >> 20} MiB")
    return path.read_bytes()


def _parse(body: bytes) -> tuple[DMD, dict[str, Any]]:
    """The model, and what else the file says. Cheap checks come first, and weights last."""
    header = _header(body)
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format", "none") if isinstance(metadata, dict) else metadata
        raise CheckpointError(f"expected format {FORMAT}, got {_short(found)}")
    config = DMDConfig.from_json(_described(metadata, "config", dict))
    described: dict[str, Any] = {"recipe": _described(metadata, "recipe", dict)}
    described |= {name: _described(metadata, name, dict, type(None)) for name in ("normalisation", "training")}
    if (said := metadata.get("graphs", "true")) not in ("true", "false"):
        raise CheckpointError(f"its graphs: expected true or false, got {_short(said)}")
    graphs = described["graphs"] = said == "true"
    encoders = _described(metadata, "encoders", dict) if "encoders" in metadata else {}
    if "calibration" in metadata:
        described["calibration"] = calibrations.check(_described(metadata, "calibration", dict))
    described["card"] = _card(metadata.get("card", ""))

    with torch.device("meta"):
        state = _stored(DMD(config).state_dict(), graphs=graphs)
    sizes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for part, sizes_of in encoders.items():
        sizes |= {f"{brought.PREFIX}{part}.{name}": shape for name, shape in brought.shapes(part, sizes_of).items()}
    for name in {**sizes, **header}:
        expected, found = ("F32", sizes.get(name)), _type_and_shape(header.get(name))
        if expected != found:
            raise CheckpointError(f"{_short(name)}: expected {_short(expected)}, the file has {_short(found)}")
    try:
        tensors = load_tensors(body)
    except SafetensorError as error:
        raise CheckpointError(f"its weights cannot be read: {error}") from error
    _require_finite(tensors)
    with torch.random.fork_rng(devices=[]):  # building a model draws random numbers
        model = DMD(config)
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(brought.PREFIX)}
    model.load_state_dict(weights, strict=graphs)  # else all but the units, as was checked above
    if not graphs:
        blank_graphs(model)
    described["encoders"] = brought.from_file(encoders, tensors)
    return model.eval(), described


def blank_graphs(model: DMD) -> None:
    """Set both distillation units to zeros: they have learned nothing, and then say nothing."""
    with torch.no_grad():
        for parameter in model.graphs.parameters():
            parameter.zero_()


def _stored(state: Mapping[str, Tensor], *, graphs: bool) -> dict[str, Tensor]:
    """The part of a ``state_dict`` that a checkpoint with or without graphs holds."""
    return {name: tensor for name, tensor in state.items() if graphs or not name.startswith("graphs.")}


def _header(body: bytes) -> dict[str, Any]:
    length = int.from_bytes(body[:8], "little")
    if not 2 <= length <= min(MAX_HEADER, len(body) - 8):
        raise CheckpointError(f"expected a checkpoint (.safetensors), got {_kind(body)}")
    header = _parse_json(body[8 : 8 + length], "its header")
    if not isinstance(header, dict):
        raise CheckpointError(f"its header: expected an object, got {_short(header)}")
    return header


def _described(metadata: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """One entry of the metadata, parsed."""
    text = metadata.get(name)
    if not isinstance(text, str):
        raise CheckpointError(f"its {name}: expected JSON in a string, got {_short(text)}")
    value = _parse_json(text, f"its {name}")
    if not isinstance(value, kinds):
        raise CheckpointError(f"its {name}: expected an object, got {_short(value)}")
    return value


def _card(text: Any) -> str:
    """The card, if it is text of a size that people read."""
    try:
        if isinstance(text, str) and len(text.encode()) <= MAX_CARD:
            return text
    except UnicodeEncodeError as error:
        raise CheckpointError(f"its card: expected text, got {_short(error)}") from error
    raise CheckpointError(f"its card: expected text of at most {MAX_CARD // 1000} kB, got {_short(text)}")


def _type_and_shape(entry: Any) -> tuple[Any, Any]:
    """(type, shape) of a tensor by its entry in the header; (None, None) where there is none."""
    if not isinstance(entry, dict) or not isinstance(entry.get("shape"), list):
        return None, None
    return entry.get("dtype"), tuple(entry["shape"])


def _parse_json(text: str | bytes, what: str) -> Any:
    try:
        return strict_json.parse(text)
    except ValueError as error:
        raise CheckpointError(f"{what}: expected JSON, got {_short(error)}") from error


def _require_finite(tensors: Mapping[str, Tensor]) -> None:
    spoilt = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if spoilt is not None:
        raise CheckpointError(f"{spoilt}: expected finite weights, got infinities or NaN")


def _kind(body: bytes) -> str:
    """What bytes that are no checkpoint seem to be."""
    if not body:
        return "an empty file"
    if body[:2] == b"PK" or (body[:1] == b"\x80" and body[1] <= 5):
        return "a pickle or zip file (PyTorch's own format, which is never opened here because it can run code)"
    return "something else, or a part of one"


def _canonical(body: bytes) -> bytes:
    """The same file with its header's keys sorted: the library writes metadata in random order."""
    length = int.from_bytes(body[:8], "little")
    header = strict_json.write(strict_json.parse(body[8 : 8 + length])).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + body[8 + length :]


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _short(value: Any, most: int = 80) -> str:
    """On one line and not too long to be read: files can say anything."""
    line = " ".join(str(value).split())
    return line if len(line) <= most else f"{line[:most]}…"


def _first_difference(theirs: Any, ours: Any, at: str = "") -> str:
    """Where two JSON values first differ, ids aside."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in sorted({*theirs, *ours} - {"id"}):
            if found := _first_difference(theirs.get(key), ours.get(key), f"{at}.{key}" if at else str(key)):
                return found
        return ""
    return "" if theirs == ours else f"{at}: {_short(theirs)} against {_short(ours)}"
