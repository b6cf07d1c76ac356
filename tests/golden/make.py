"""Write ``small.npz``: ``python -m tests.golden.make [PATH]``.

A tiny model in the parameter names and the file format of the published code's recorded numbers, weights inside, for
``python -m tests.parity``. Its outputs are those of :class:`~dmd_runtime.model.dmd.DMD` on the day it was made, and
were recorded only after ``tests.parity`` had held on the numbers of the published code: it keeps what was right then.
Most of the file is names: each of 330 weights is two entries.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import reference
from dmd_runtime.model.config import MEMORY_LAYERS, DMDConfig
from dmd_runtime.model.dmd import DMD
from tests.parity import INPUTS, A, L, V, from_recipe, named_edges, named_outputs

SMALL = Path(__file__).with_name("small.npz")
SEED = 7
CONFIG = DMDConfig(
    dims={L: 7, V: 4, A: 3},
    lengths={L: 6, V: 11, A: 8},
    kernels={L: 3, V: 3, A: 1},
    width=4,
    heads=2,
    layers=1,
    graph_width={Graph.HOMOGENEOUS: 5, Graph.HETEROGENEOUS: 3},
)
_LAYER = (
    *(f"self_attn.{x}" for x in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")),
    *(f"{x}.{kind}" for x in ("fc1", "fc2", "layer_norms.0", "layer_norms.1") for kind in ("weight", "bias")),
)
UNIT_NAMES = tuple(f"W_{x}.{kind}" for x in ("logit", "repr", "edge") for kind in ("weight", "bias"))


def published_names(layers: int) -> list[str]:
    """All names in the ``state_dict`` of the published model, those of its buffers too."""
    letters = "lva"
    plain = [f"{x}_{m}" for x in ("proj", "encoder_s", "decoder") for m in letters] + ["encoder_c"]
    linear = [f"{x}_{m}" for x in ("proj_cosine", "align_c", "weight") for m in letters]
    linear += [
        f"{x}_{m}_{level}" for x in ("proj1", "proj2", "out_layer") for m in letters for level in ("low", "high")
    ]
    linear += [f"{x}{end}" for x in ("proj1", "proj2", "out_layer") for end in ("", "_c")] + ["weight_c"]
    depths = {f"trans_{a}_with_{b}": layers for a, b in itertools.permutations(letters, 2)}
    depths |= {f"self_attentions_c_{m}": layers for m in letters}
    depths |= {f"trans_{m}_mem": max(layers, MEMORY_LAYERS) for m in letters}
    inside = ("version", "embed_positions._float_tensor", "layer_norm.weight", "layer_norm.bias")
    return [
        *(f"{name}.weight" for name in plain),
        *(f"{name}.{kind}" for name in linear for kind in ("weight", "bias")),
        *(f"{name}.{rest}" for name in depths for rest in inside),
        *(f"{name}.layers.{i}.{rest}" for name, depth in depths.items() for i in range(depth) for rest in _LAYER),
    ]


def weights(config: DMDConfig, seed: int) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    """Quantised weights under the published names as a golden file has them, and the model's own ``state_dict``."""
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in DMD(config).state_dict().items()}
    ours = {f"dmd.{name}": reference.model_name(name) for name in published_names(config.layers)}
    ours |= {f"{graph.value}.{name}": reference.unit_name(graph, name) for graph in Graph for name in UNIT_NAMES}
    arrays, state = {}, {}
    for theirs, name in ours.items():
        if name is not None:
            made = from_recipe(theirs, shapes[name], seed)
            arrays |= {f"q/{theirs}": made.integers, f"k/{theirs}": np.array([made.exponent, made.kind], dtype=np.int8)}
            state[name] = made.tensor()
    return arrays, state


def inputs(config: DMDConfig, seed: int, batch: int = 4) -> dict[str, np.ndarray]:
    """Random rows; of the last samples one is padded in front, one at the end, and one has a modality of zeros."""
    generator = np.random.default_rng(seed)
    rows = {
        m: generator.standard_normal((batch, config.lengths[m], config.dims[m]), dtype=np.float32) for m in MODALITIES
    }
    for x in rows.values():
        x[1, :2] = 0
        x[2, -2:] = 0
    rows[A][3] = 0
    return {f"in/{INPUTS[m]}": x for m, x in rows.items()}


def make(config: DMDConfig = CONFIG, seed: int = SEED) -> dict[str, np.ndarray]:
    """All arrays of a golden file."""
    arrays, state = weights(config, seed)
    given = inputs(config, seed)
    model = DMD(config).eval()
    model.load_state_dict(state)
    with torch.inference_mode():
        out = model({m: torch.from_numpy(given[f"in/{INPUTS[m]}"]) for m in MODALITIES})
    order = (L, A, V)  # of the published code
    meta = {
        "tag": "small",
        "seed": seed,
        "lens_LAV": [config.lengths[m] for m in order],
        "feature_dims": [config.dims[m] for m in order],
        "kernels": [config.kernels[m] for m in order],
        "dst": [config.width, config.heads],
        "mode": "eval (no dropout)",
        "made_by": "tests/golden/make.py",
    }
    return {
        "meta": np.array(json.dumps(meta)),
        **arrays,
        **given,
        **{f"out/{name}": x for name, x in named_outputs(out).items()},
        **{f"edges/{name}": x for name, x in named_edges(out).items()},
    }


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an npz; equal arrays give equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else SMALL, make())
