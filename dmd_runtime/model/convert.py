"""``dmd convert``: files of the published code (``.pth``, https://github.com/mdswyz/DMD) as checkpoints of our own.

Such a file is a pickle of names and tensors. It is read by PyTorch's restricted unpickler only (``weights_only``),
which knows tensors and containers and runs nothing else, and is mapped rather than copied.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import reference
from dmd_runtime.model.checkpoint import NO_GRAPH, Checkpoint, blank_graphs
from dmd_runtime.model.config import DMDConfig, Dropout
from dmd_runtime.model.dmd import DMD

MAX_BYTES = 2**31
"""Larger files are refused; a published one with its BERT has 0.5 GB."""
_TEXT_MODEL = re.compile(r"(text_model|bertmodel)\.", re.IGNORECASE)
_UNITS = {f"{graph.value}.": graph for graph in Graph}
_L, _V, _A = MODALITIES


class Published(NamedTuple):
    """The sizes of a published configuration, each of dims and lengths L, V, A."""

    dims: tuple[int, ...]
    lengths: tuple[int, ...]
    width: int

    @property
    def words(self) -> str:
        """For messages."""
        return f"L, V, A of {self.lengths} rows of {self.dims} and a width of {self.width}"


PUBLISHED: Mapping[str, Published] = {
    "mosi_aligned": Published((768, 20, 5), (50, 50, 50), 50),
    "mosi_unaligned": Published((768, 20, 5), (50, 500, 375), 50),
    "mosei_aligned": Published((768, 35, 74), (50, 50, 50), 30),
    "mosei_unaligned": Published((768, 35, 74), (50, 500, 500), 30),
}
AUTO = "auto"
HEADS = {50: 10, 30: 6}
"""Of the published models, by their width."""
_MOSI = Dropout()
_MOSEI = Dropout(text=0.3, embedding=0.0, output=0.5, attention={_L: 0.4, _V: 0.0, _A: 0.0})


class Converted(NamedTuple):
    """A checkpoint, and what there is to say about it."""

    checkpoint: Checkpoint
    published: str
    """The published configuration that it has the sizes of; "" for none."""
    text_tensors: int
    """Tensors of a text model that were left out, and how many numbers they hold."""
    text_numbers: int


def convert(path: Path, config: str = AUTO) -> Converted:
    """Read a published model.

    Parameters
    ----------
    path : Path
        What ``torch.save(model.state_dict(), path)`` of the published code wrote. Weights of its text model are left
        out. Distillation units are looked for as ``homo.…`` and ``hetero.…``, because the published code saves none.
    config : str
        A name in ``PUBLISHED`` that it must be; ``"auto"``: whatever the shapes say, also none of these.

    Raises
    ------
    CheckpointError
        The file is none of the published code, or not of that configuration.
    """
    if config not in (AUTO, *PUBLISHED):
        raise CheckpointError(f"expected one of {', '.join((AUTO, *PUBLISHED))}, got {config}")
    try:
        state = _read(path)
        text = [tensor for name, tensor in state.items() if _TEXT_MODEL.match(name)]
        model, units = _parts(state)
        name, made = _configured(model, units, config)
        graphs = len(units) == len(Graph)
        weights = _fitting(reference.convert(model, units if graphs else {}), made, graphs=graphs)
        built = DMD(made)
        built.load_state_dict(weights, strict=graphs)
    except OSError as error:
        raise CheckpointError(f"{path}: expected a published checkpoint, got: {error.strerror or error}") from error
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not graphs:
        blank_graphs(built)
    checkpoint = Checkpoint(
        name=path.stem,
        model=built.eval(),
        recipe=recipe(name),
        training={
            "source": "converted from the published code",
            "data": name or "unknown",
            "file": path.name,
            "digest": _digest(path),
        },
        graphs=graphs,
    )
    return Converted(checkpoint, name, len(text), sum(tensor.numel() for tensor in text))


def command(path: Path, out: Path, config: str = AUTO) -> list[str]:
    """Convert ``path`` into ``out``; returns what there is to say, line by line.

    Raises
    ------
    CheckpointError
        As :func:`convert`; or ``out`` cannot be written, or is the file itself.
    """
    if out.exists() and path.exists() and out.samefile(path):
        raise CheckpointError(f"{out}: expected another file than the one to convert")
    checkpoint, published, text_tensors, text_numbers = convert(path, config)
    digest = checkpoint.save(out)
    kept = (x for name, x in checkpoint.model.named_parameters() if checkpoint.graphs or not name.startswith("graphs."))
    numbers = sum(parameter.numel() for parameter in kept)
    lines = [f"{out}: {published or 'sizes of no published configuration'}, {numbers:,} numbers, {digest}"]
    if text_tensors:
        lines.append(f"left out its text model: {text_tensors} tensors, {text_numbers:,} numbers")
    return lines if checkpoint.graphs else [*lines, NO_GRAPH]


def recipe(published: str) -> dict[str, Any]:
    """The feature recipe of a published configuration ("" for another): MMSA's files, which no live extractor makes."""
    corpus = published.replace("_", "-") or "unknown"
    return {
        "id": f"mmsa-{corpus}",
        "extractors": {
            "L": "BERT base uncased, tuned with the published model",
            "V": f"vision of the MMSA file {corpus}",
            "A": f"audio of the MMSA file {corpus}",
        },
    }


def _read(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a file that nobody vouches for; no tensor claims more than the file has."""
    if not path.is_file():
        raise CheckpointError("expected a published checkpoint (.pth), and there is no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CheckpointError(f"expected at most {MAX_BYTES >> 20} MiB, got {size >> 20} MiB")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            "expected a published checkpoint (.pth, saved by PyTorch 1.6 or later), got something else"
        )
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a hostile or damaged file can make the unpickler raise anything
        first = " ".join(str(error).split())[:160]
        raise CheckpointError(
            f"expected names and tensors, saved by PyTorch, and they cannot be read: {first}"
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(n, str) and _plain(x) for n, x in found.items()):
        raise CheckpointError("expected a state_dict: names with dense tensors, got something else")
    if sum(tensor.nbytes for tensor in found.values()) > size:
        raise CheckpointError("its tensors claim more than the file holds")
    return dict(found)


def _plain(x: Any) -> bool:
    return isinstance(x, Tensor) and x.layout is torch.strided and not x.is_quantized and x.device.type == "cpu"


def _parts(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[Graph, dict[str, Tensor]]]:
    """The model, and the distillation units where there are any; without a text model."""
    model: dict[str, Tensor] = {}
    units: dict[Graph, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        head, _, rest = name.partition(".")
        if f"{head}." in _UNITS:
            units.setdefault(_UNITS[f"{head}."], {})[rest] = tensor
        elif not _TEXT_MODEL.match(name):
            model[name.removeprefix("dmd.")] = tensor
    return model, units


def _configured(
    model: Mapping[str, Tensor], units: Mapping[Graph, Mapping[str, Tensor]], config: str
) -> tuple[str, DMDConfig]:
    """Which published configuration it is ("" for sizes of its own), and ours.

    Lengths follow from the layers that flatten time. Heads leave no trace; the published ones go with the width.
    """
    try:
        kernels = {m: model[f"proj_{m.value.lower()}.weight"].shape[2] for m in MODALITIES}
        flat = {m: model[f"align_c_{m.value.lower()}.weight"].shape for m in MODALITIES}
    except KeyError as error:
        raise CheckpointError(f"expected the published model's parameter {error.args[0]}, and it is missing") from None
    except IndexError:
        raise CheckpointError("expected parameters shaped as in the published model, they have too few axes") from None
    width = flat[_L][0]
    if width not in HEADS:
        raise CheckpointError(f"expected a model width of {' or '.join(map(str, HEADS))}, as published, got {width}")
    lengths = {m: flat[m][-1] // width + kernels[m] - 1 for m in MODALITIES}
    made = reference.config_of(model, units, lengths=lengths, heads=HEADS[width])
    made = replace(made, dropout=_MOSI if width == 50 else _MOSEI)
    found = Published(tuple(made.dims[m] for m in MODALITIES), tuple(lengths[m] for m in MODALITIES), width)
    if config != AUTO and found != PUBLISHED[config]:
        raise CheckpointError(f"expected {config}, {PUBLISHED[config].words}; its weights are of {found.words}")
    return next((name for name, sizes in PUBLISHED.items() if sizes == found), ""), made


def _fitting(weights: Mapping[str, Tensor], config: DMDConfig, *, graphs: bool) -> dict[str, Tensor]:
    """The weights as float32, if they are all that a model of this configuration has."""
    with torch.device("meta"):
        sizes = {
            n: tuple(x.shape) for n, x in DMD(config).state_dict().items() if graphs or not n.startswith("graphs.")
        }
    for name in {**sizes, **weights}:
        found = tuple(weights[name].shape) if name in weights else None
        if sizes.get(name) != found or not weights[name].is_floating_point():
            said = f"{found} {weights[name].dtype}" if name in weights else "none"
            raise CheckpointError(f"{name}: expected floating-point numbers {sizes.get(name)}, the file has {said}")
    return {name: tensor.float() for name, tensor in weights.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
