"""Replay recorded numbers of the published DMD code: ``python -m tests.parity GOLDEN.npz [--keys KEYS.json]``.

The file holds inputs, 38 outputs, the edges of both graphs, and either quantised weights or the recipe to make them
(then ``--keys`` names the JSON of parameter names and shapes). Its ``meta`` is JSON: tag, seed, lens_LAV, feature_dims
(L, A, V), kernels (L, A, V), dst [width, heads]. It may hold losses, gradients and steps of training, for which see
:mod:`tests.parity_training`.

Exit status: 0 within tolerance, 1 past it, 2 the input is not such a file. The last line is
``max_abs_output=… max_abs_edges=… max_rel_loss=… max_grad=… max_traj=…``, the last three ``n/a`` for a file without
them: relative difference of the losses (within 1e-5); difference of a gradient's norm over that norm + 1e-3 (within
1e-3); relative difference of the total loss, or absolute one of the prediction, at any step (within 1e-3).
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.modality import Graph, Modality
from dmd_runtime.model import reference
from dmd_runtime.model.dmd import DMD, DMDOutput
from tests import parity_training

TOLERANCE = 1e-5
L, V, A = Modality.LANGUAGE, Modality.VISUAL, Modality.ACOUSTIC
INPUTS = {L: "text", V: "video", A: "audio"}
PARTS = {"dmd": "dmd.", "homo_kernel": "homo.", "hetero_kernel": "hetero."}
UNITS = {Graph.HOMOGENEOUS: "homo_kernel", Graph.HETEROGENEOUS: "hetero_kernel"}
CONFIGS = ("mosi_aligned", "mosi_unaligned", "mosei_aligned", "mosei_unaligned")
BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class Golden(NamedTuple):
    """One recorded case: inputs {m: (B, T_m, D_m)}, named outputs, edges and training, and the model to replay."""

    model: DMD
    features: Mapping[Modality, torch.Tensor]
    outputs: Mapping[str, np.ndarray]
    edges: Mapping[str, np.ndarray]
    training: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


class Quantised(NamedTuple):
    """A weight as int8 times a power of two; kind 0 as it is, 1 plus one, 2 all zeros, 3 all two."""

    integers: np.ndarray
    exponent: int
    kind: int

    def tensor(self) -> torch.Tensor:
        """Float32."""
        scaled = self.integers.astype(np.float32) * np.float32(2.0**self.exponent)
        values = {0: scaled, 1: 1 + scaled, 2: np.zeros_like(scaled), 3: np.full_like(scaled, 2)}[self.kind]
        return torch.from_numpy(np.asarray(values, dtype=np.float32))


class GoldenError(Exception):
    """The file is not a golden file."""


def load(path: Path, keys: Path | None = None) -> Golden:
    """Read a golden file; nothing in it is ever unpickled."""
    if path.is_file() and not zipfile.is_zipfile(path):
        raise GoldenError(f"{path}: expected a golden file (npz), and it is no npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays["meta"]))
        lengths = dict(zip((L, A, V), (int(n) for n in meta["lens_LAV"]), strict=True))
        features = {m: torch.from_numpy(arrays[f"in/{name}"]) for m, name in INPUTS.items()}
        heads = int(meta["dst"][1])
        recorded = _recorded_weights(arrays)
    except BROKEN as error:
        raise GoldenError(f"{path}: expected a golden file (npz with meta, in/…, out/…), got {error!r}") from error
    parts = recorded if any(recorded.values()) else _recipe_weights(meta, keys, lengths)
    units = {graph: parts[part] for graph, part in UNITS.items()}
    model = DMD(reference.config_of(parts["dmd"], units, lengths=lengths, heads=heads))
    model.load_state_dict(reference.convert(parts["dmd"], units))
    outputs = {n.removeprefix("out/"): a for n, a in arrays.items() if n.startswith("out/")}
    edges = {n.removeprefix("edges/"): a for n, a in arrays.items() if n.startswith("edges/")}
    if not outputs or not edges:
        raise GoldenError(f"{path}: expected recorded outputs and edges, found {len(outputs)} and {len(edges)}")
    training = {n: a for n, a in arrays.items() if n.startswith(parity_training.PREFIXES)}
    return Golden(model.eval(), features, outputs, edges, training, meta)


def _recorded_weights(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, torch.Tensor]]:
    return {
        part: {
            name.removeprefix(f"q/{prefix}"): Quantised(q, *(int(v) for v in arrays[f"k/{name[2:]}"])).tensor()
            for name, q in arrays.items()
            if name.startswith(f"q/{prefix}")
        }
        for part, prefix in PARTS.items()
    }


def _recipe_weights(
    meta: Mapping[str, Any], keys: Path | None, lengths: Mapping[Modality, int]
) -> dict[str, dict[str, torch.Tensor]]:
    """Weights made from the seed, in the shapes that the JSON of names states."""
    if keys is None:
        raise GoldenError("this file holds no weights: name the JSON of parameter names and shapes with --keys")
    try:
        tag, seed, width = str(meta["tag"]), int(meta["seed"]), int(meta["dst"][0])
        kernels = dict(zip((L, A, V), (int(k) for k in meta["kernels"]), strict=True))
        flat = {m: width * (lengths[m] - kernels[m] + 1) for m in Modality}
        shapes = json.loads(keys.read_text(encoding="utf-8"))
        config = next((c for c in CONFIGS if tag.startswith(c) and c in shapes), None)
        if config is None:
            raise GoldenError(f"{keys}: expected one of {', '.join(CONFIGS)} for tag {tag!r}")
        return {
            part: {
                name: from_recipe(prefix + name, _fitted(name, shape, flat), seed).tensor()
                for name, shape in shapes[config][part].items()
            }
            for part, prefix in PARTS.items()
        }
    except BROKEN as error:
        raise GoldenError(f"{keys}: expected parameter names and shapes by configuration, got {error!r}") from error


_LENGTH_DEPENDENT = re.compile(r"(proj_cosine|align_c|proj1|proj2|out_layer)_([lva])(_low)?\.(weight|bias)")


def _fitted(name: str, shape: list[int], flat: Mapping[Modality, int]) -> tuple[int, ...]:
    """The shape with the length that this file states instead of the configuration's."""
    found = _LENGTH_DEPENDENT.fullmatch(name)
    if found is None:
        return tuple(shape)
    head, letter, low, kind = found.groups()
    size = flat[Modality(letter.upper())]
    if head == "proj2" and low:
        return (size, shape[1]) if kind == "weight" else (size,)
    if kind == "weight" and (low or head in ("proj_cosine", "align_c")):
        return (shape[0], size)
    return tuple(shape)


def from_recipe(name: str, shape: tuple[int, ...], seed: int) -> Quantised:
    """Philox bytes keyed by seed and (prefixed) name, scaled by a power of two that follows from the shape."""
    count = math.prod(shape)
    stream = np.random.Philox(key=(seed << 32) | zlib.crc32(name.encode())).random_raw((count + 7) // 8)
    integers = (stream.astype("<u8").view(np.uint8)[:count].astype(np.int16) - 128).astype(np.int8).reshape(shape)
    if "layer_norm" in name and name.endswith("weight"):
        return Quantised(integers, -10, 1)
    if len(shape) == 1:
        return Quantised(integers, -10, 0)
    return Quantised(integers, round(math.log2(0.8 / (math.sqrt(math.prod(shape[1:])) * 73.9))), 0)


def named_outputs(out: DMDOutput) -> dict[str, np.ndarray]:
    """All outputs under the names and in the layouts of the published code."""
    named: dict[str, torch.Tensor] = {"output_logit": out.logits, "logits_c": out.common_logits}
    for m in Modality:
        x, part = m.value.lower(), out.decoupled[m]
        for graph in Graph:
            named[f"logits_{x}_{graph.value}"] = out.node_logits[graph][m]
            named[f"repr_{x}_{graph.value}"] = out.node_representations[graph][m]
        named[f"origin_{x}"] = part.projected
        named[f"s_{x}"] = part.exclusive.permute(2, 0, 1)  # (T, B, d)
        named[f"c_{x}"] = part.common.permute(2, 0, 1)
        named[f"recon_{x}"] = part.reconstructed
        named[f"s_{x}_r"] = part.cycle
        named[f"c_{x}_sim"] = out.common_aligned[m]
        named[f"proj_s_{x}"] = out.exclusive_aligned[m]
        named[f"last_h_{x}"] = out.memory[m]
    return {name: tensor.cpu().numpy() for name, tensor in named.items()}


def named_edges(out: DMDOutput) -> dict[str, np.ndarray]:
    """Edges under the names of the published code: weights (6, B), and scores summed over the batch (6, 1)."""
    named = {}
    for graph, edges in out.graphs.items():
        named[f"edges_{graph.value}"] = edges.weights.T.cpu().numpy()
        named[f"edges_origin_{graph.value}"] = edges.scores.sum(dim=0)[:, None].cpu().numpy()
    return named


def deviations(golden: Golden, device: str = "cpu") -> tuple[dict[str, float], dict[str, float]]:
    """Largest absolute difference of every recorded output and of every recorded edge array."""
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        out = golden.model.to(device)({m: x.to(device) for m, x in golden.features.items()})
        return _compare(golden.outputs, named_outputs(out)), _compare(golden.edges, named_edges(out))


def training_deviations(golden: Golden, device: str = "cpu") -> tuple[dict[str, float], ...]:
    """Differences of losses, gradients and steps of training, each {} where the file has none."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        return parity_training.replay(golden.model, golden.features, golden.training, device)


def _compare(expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> dict[str, float]:
    differences = {}
    for name, array in expected.items():
        if name not in got:
            raise GoldenError(f"recorded array {name} is none of the model's: {', '.join(sorted(got))}")
        same_shape = got[name].shape == array.shape
        difference = float(np.abs(got[name] - array).max()) if same_shape else math.inf
        differences[name] = difference if math.isfinite(difference) else math.inf
    return differences


def main(arguments: list[str] | None = None) -> int:
    """Replay one file; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("golden", type=Path)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    options = parser.parse_args(arguments)
    try:
        golden = load(options.golden, options.keys)
        outputs, edges = deviations(golden, options.device)
        trained = training_deviations(golden, options.device)
    except (GoldenError, CheckpointError, ConfigError, *BROKEN, AssertionError) as error:
        print(f"parity: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 2
    losses, gradients, trajectory = trained
    for name, difference in {**outputs, **edges, **losses, **trajectory}.items():
        print(f"{name:24s} {difference:.3g}")  # noqa: T201
    counts = {"outputs": outputs, "arrays of edges": edges, "losses": losses, "gradients": gradients}
    print(", ".join(f"{len(found)} {what}" for what, found in counts.items()))  # noqa: T201
    figures = {
        "max_abs_output": (outputs, options.tolerance),
        "max_abs_edges": (edges, options.tolerance),
        "max_rel_loss": (losses, parity_training.LOSS),
        "max_grad": (gradients, parity_training.GRADIENT),
        "max_traj": (trajectory, parity_training.TRAJECTORY),
    }
    print(" ".join(f"{name}={_worst(found)}" for name, (found, _) in figures.items()))  # noqa: T201
    return 0 if all(max(found.values(), default=0.0) <= most for found, most in figures.values()) else 1


def _worst(differences: Mapping[str, float]) -> str:
    return f"{max(differences.values()):.3g}" if differences else "n/a"


if __name__ == "__main__":
    sys.exit(main())
